#include "storage/posix/posix_archive.h"

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/extents.h"
#include "common/posix.h"
#include "storage/archive/source_check.h"
#include "storage/copy/copy_plan.h"

namespace tierhub {
namespace {

bool is_sound_component(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == std::string_view::npos &&
         name.find('\0') == std::string_view::npos;
}

bool is_sound_path(std::string_view path) {
  for (size_t at = 0; at <= path.size();) {
    const size_t slash = std::min(path.find('/', at), path.size());
    if (!is_sound_component(path.substr(at, slash - at))) return false;
    at = slash + 1;
  }
  return true;
}

std::string parent_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? std::string() : path.substr(0, slash);
}

std::string below(const std::string& folder, const std::string& name) {
  return folder.empty() ? name : folder + "/" + name;
}

FileSystemPointer file_system_of_root(const ArchiveCapabilities& capabilities) {
  auto own = std::make_shared<ArchiveFileSystem>();
  own->capabilities = capabilities;
  own->has_private_folder = true;
  return own;
}

Error unsound(const std::string& path) {
  return Error(std::errc::invalid_argument, fmt::format("'{}' is not a path in the archive", path));
}

struct RawEntry {
  std::string name;
  uint64_t cookie = 0;  // where to go on after it
};

// As getdents64 writes it.
struct KernelDirent {
  uint64_t inode;
  int64_t offset;
  uint16_t record_bytes;
  uint8_t type;
  char name[1];
};

// The folder's names from where its descriptor stands, until there are `wanted` or the folder ends.
Result<std::vector<RawEntry>> read_names(int folder_fd, size_t wanted) {
  std::vector<RawEntry> entries;
  alignas(KernelDirent) char buffer[32768];
  while (entries.size() < wanted) {
    const long n = ::syscall(SYS_getdents64, folder_fd, buffer, sizeof buffer);
    if (n < 0) return Error::from_errno(errno, "read folder");
    if (n == 0) break;
    for (long at = 0; at < n;) {
      const auto* entry = reinterpret_cast<const KernelDirent*>(buffer + at);
      const auto* name = buffer + at + offsetof(KernelDirent, name);
      entries.push_back({name, static_cast<uint64_t>(entry->offset)});
      at += entry->record_bytes;
    }
  }
  return entries;
}

}  // namespace

Result<std::unique_ptr<PosixArchive>> PosixArchive::open(const std::string& path,
                                                         const Options& options) {
  TRY_ASSIGN(ArchiveRootPointer root, ArchiveRoot::open(path, options.expected_id));
  ArchiveClaim claim(options.claimant);
  TRY(claim.hold(root->fd.get()));
  TRY_ASSIGN(const UniqueFd folder,
             posix::open_beneath(root->fd.get(), kPrivateFolder, O_RDONLY | O_DIRECTORY));
  TRY_ASSIGN(ArchiveCapabilities capabilities, probe_capabilities(folder.get()));
  capabilities.clone = options.clone.value_or(capabilities.clone);
  TRY_ASSIGN(auto engine, CopyEngine::make(options.copy));
  return std::unique_ptr<PosixArchive>(new PosixArchive(path, std::move(root), std::move(claim),
                                                        std::move(capabilities), std::move(engine),
                                                        options));
}

PosixArchive::PosixArchive(std::string path, ArchiveRootPointer root, ArchiveClaim claim,
                           ArchiveCapabilities capabilities, std::unique_ptr<CopyEngine> engine,
                           const Options& options)
    : path_(std::move(path)),
      probed_(std::move(capabilities)),
      own_(file_system_of_root(probed_)),
      nested_(options.clone),
      left_out_(options.left_out),
      rename_flags_(options.rename_flags),
      root_(std::in_place, std::move(root)),
      claim_(std::in_place, std::move(claim)),
      lanes_(options.lanes),
      max_lanes_(options.lanes),
      verify_by_reading_(options.verify_by_reading),
      engine_(std::move(engine)) {}

PosixArchive::~PosixArchive() = default;

ArchiveCapabilities PosixArchive::capabilities() const {
  ArchiveCapabilities result = probed_;
  if (owner_refused_) result.change_owner = false;
  if (xattrs_refused_) result.user_xattrs = false;
  return result;
}

Result<Archive::XattrSupport> PosixArchive::xattr_support() {
  const ArchiveCapabilities held = capabilities();
  return XattrSupport{held.user_xattrs, held.posix_acls};
}

ArchiveRootPointer PosixArchive::root() const {
  return root_.with([](const ArchiveRootPointer& root) { return root; });
}

Result<PosixArchive::Start> PosixArchive::start_of(const ArchiveRootPointer& root,
                                                   const std::string& path) const {
  if (!path.empty() && !is_sound_path(path)) return unsound(path);
  const auto nested = nested_path(path);
  if (!nested) return Start{UniqueFd(), root->fd.get(), path, nullptr};
  TRY_ASSIGN(auto opened, nested_.open_private(*root, nested->file_system, nested->folder));
  const int fd = opened.folder.get();
  return Start{std::move(opened.folder), fd, nested->rest, std::move(opened.file_system)};
}

Result<UniqueFd> PosixArchive::open_folder(const ArchiveRootPointer& root, const std::string& path,
                                           int flags) const {
  TRY_ASSIGN(const Start start, start_of(root, path));
  return posix::open_beneath(start.folder, start.path, flags | O_DIRECTORY);
}

// Of the folder at `path`, whose stat is `found`.
Result<FileSystemPointer> PosixArchive::file_system_of_folder(const ArchiveRoot& root,
                                                              const std::string& path,
                                                              const struct statx& found) const {
  if (mount_key_of(found) == root.key) return own_;
  return nested_.at(root, path, found);
}

Result<FileSystemPointer> PosixArchive::file_system(const ArchiveRoot& root,
                                                    const FileSystemId& id) const {
  if (id.empty()) return own_;
  return nested_.find(root, id);
}

Result<UniqueFd> PosixArchive::open_top(const ArchiveRoot& root, const FileSystemId& id) const {
  if (id.empty()) return posix::open_beneath(root.fd.get(), "", O_RDONLY | O_DIRECTORY);
  TRY_ASSIGN(auto opened, nested_.open_top(root, id));
  return std::move(opened.folder);
}

Result<PosixArchive::Spot> PosixArchive::spot(const ArchiveRootPointer& root,
                                              const std::string& path) const {
  if (!is_sound_path(path)) return unsound(path);
  TRY_ASSIGN(Start start, start_of(root, path));
  const size_t slash = start.path.rfind('/');
  if (slash == std::string::npos) {
    FileSystemPointer file_system = start.in_nested ? start.in_nested : own_;
    return Spot{root, std::move(start.owned), start.folder, start.path,
                path, std::move(file_system)};
  }
  TRY_ASSIGN(UniqueFd parent,
             posix::open_beneath(start.folder, start.path.substr(0, slash), O_PATH | O_DIRECTORY));
  if (!start.in_nested) {
    TRY_ASSIGN(const struct statx found, statx_fd(parent.get(), Freshness::cached));
    TRY_ASSIGN(start.in_nested, file_system_of_folder(*root, parent_of(path), found));
  }
  const int folder = parent.get();
  return Spot{root, std::move(parent),         folder, start.path.substr(slash + 1),
              path, std::move(start.in_nested)};
}

Result<PosixArchive::Spot> PosixArchive::private_spot(const ArchiveRootPointer& root,
                                                      const FileSystemId& file_system,
                                                      std::string leaf, Spot::Where where) const {
  const bool staging = where == Spot::Where::staging;
  std::string folder = staging ? kStagingFolder : kAsideFolder;
  std::string path = below(folder, name_on(file_system, leaf));
  if (file_system.empty()) {
    const int fd = staging ? root->staging.get() : root->aside.get();
    return Spot{root, UniqueFd(), fd, std::move(leaf), std::move(path), own_, where};
  }
  TRY_ASSIGN(auto opened, nested_.open_private(*root, file_system, folder));
  const int fd = opened.folder.get();
  return Spot{root,
              std::move(opened.folder),
              fd,
              std::move(leaf),
              std::move(path),
              std::move(opened.file_system),
              where};
}

Result<PosixArchive::Spot> PosixArchive::staging_spot(const ArchiveRootPointer& root,
                                                      const std::string& leaf) const {
  if (!is_sound_component(leaf)) return unsound(leaf);
  PrivateName split = split_private_name(leaf);
  return private_spot(root, split.file_system, std::move(split.name), Spot::Where::staging);
}

Result<std::optional<PosixArchive::Existing>> PosixArchive::look_at(const ArchiveRootPointer& root,
                                                                    const std::string& path) const {
  TRY_ASSIGN(const Start start, start_of(root, path));
  TRY_ASSIGN(auto entry, Entry::open_beneath(start.folder, start.path));
  if (!entry) return std::optional<Existing>();
  if (start.in_nested) return std::optional(Existing{*std::move(entry), start.in_nested});
  TRY_ASSIGN(struct statx found, statx_fd(entry->fd(), Freshness::cached));
  if (is_mounted_when_entered(found)) {
    TRY_ASSIGN(entry, Entry::enter(start.folder, start.path));
    if (!entry) return std::optional<Existing>();
    TRY_ASSIGN(found, statx_fd(entry->fd(), Freshness::cached));
  }
  std::string folder = path;
  if (!S_ISDIR(found.stx_mode) && mount_key_of(found) != root->key) {
    // Some file systems show folders and files with different devices: the folder tells.
    folder = parent_of(path);
    TRY_ASSIGN(const UniqueFd parent,
               posix::open_beneath(start.folder, folder, O_PATH | O_DIRECTORY));
    TRY_ASSIGN(found, statx_fd(parent.get(), Freshness::cached));
  }
  TRY_ASSIGN(auto file_system, file_system_of_folder(*root, folder, found));
  return std::optional(Existing{*std::move(entry), std::move(file_system)});
}

Result<PosixArchive::Existing> PosixArchive::existing_entry(const ArchiveRootPointer& root,
                                                            const std::string& path) const {
  TRY_ASSIGN(auto found, look_at(root, path));
  if (!found) return Error::from_errno(ENOENT, path);
  return *std::move(found);
}

Result<ArchiveVersion> PosixArchive::version_of_entry(const Entry& entry, const Spot& spot,
                                                      Freshness freshness) const {
  TRY_ASSIGN(const struct statx found, statx_fd(entry.fd(), freshness));
  return version_of_found(entry, found, spot);
}

// Of what stands at `spot`: a folder may be the top of another file system.
Result<ArchiveVersion> PosixArchive::version_of_found(const Entry& entry, const struct statx& found,
                                                      const Spot& spot) const {
  if (!S_ISDIR(found.stx_mode) || spot.where != Spot::Where::in_sight || nested_path(spot.path))
    return version_of(entry.fd(), found, spot.file_system->scheme());
  TRY_ASSIGN(const auto file_system, file_system_of_folder(*spot.root, spot.path, found));
  return version_of(entry.fd(), found, file_system->scheme());
}

Result<void> PosixArchive::check_root() {
  if (!root()->is_still_at(path_)) {
    // The same archive may have been mounted anew: then it is a root of its own.
    TRY_ASSIGN(ArchiveRootPointer fresh, ArchiveRoot::open(path_, root()->id));
    root_.with([&](ArchiveRootPointer& root) { root = std::move(fresh); });
  }
  return claim_.with([&](ArchiveClaim& claim) { return claim.hold(root()->fd.get()); });
}

Result<void> PosixArchive::release_claim() {
  return claim_.with([&](ArchiveClaim& claim) { return claim.release(root()->fd.get()); });
}

Result<std::string> PosixArchive::archive_id() { return root()->id; }

Result<std::optional<ArchiveVersion>> PosixArchive::stat(const std::string& path) {
  TRY_ASSIGN(const auto found, look_at(root(), path));
  if (!found) return std::optional<ArchiveVersion>();
  TRY_ASSIGN(auto version, found->entry.version(found->file_system->scheme(), Freshness::exact));
  return std::optional<ArchiveVersion>(std::move(version));
}

// none: it went away meanwhile.
Result<std::optional<ArchiveChild>> PosixArchive::child(const Spot& spot) const {
  TRY_ASSIGN(auto entry, Entry::open(spot.folder, spot.leaf));
  if (!entry) return std::optional<ArchiveChild>();
  TRY_ASSIGN(struct statx found, statx_fd(entry->fd(), Freshness::cached));
  if (is_mounted_when_entered(found)) {
    TRY_ASSIGN(entry, Entry::enter(spot.folder, spot.leaf));
    if (!entry) return std::optional<ArchiveChild>();
    TRY_ASSIGN(found, statx_fd(entry->fd(), Freshness::cached));
  }
  ArchiveChild child;
  child.name = spot.leaf;
  TRY_ASSIGN(child.version, version_of_found(*entry, found, spot));
  switch (child.version.attributes.kind) {
    case FileKind::symlink: {
      TRY_ASSIGN(child.symlink_target, entry->symlink_target());
      break;
    }
    case FileKind::file:
    case FileKind::directory: {
      TRY_ASSIGN(child.xattrs, entry->xattrs());
      break;
    }
    case FileKind::fifo:
    case FileKind::socket:
    case FileKind::character_device:
    case FileKind::block_device:
      break;
  }
  return std::optional<ArchiveChild>(std::move(child));
}

// TierHub's own folder, or none of the users' files.
bool PosixArchive::is_hidden(const Spot& spot) const {
  if (spot.leaf == "." || spot.leaf == "..") return true;
  const std::string folder = parent_of(spot.path);
  // What rests in the trash is to be seen as it is.
  if (folder.starts_with(std::string(kPrivateFolder) + "/")) return false;
  const bool at_top = folder == spot.file_system->top;
  if (spot.leaf == kPrivateFolder && (folder.empty() || is_marked_private_folder(spot.folder)))
    return true;
  return is_left_out(left_out_, at_top ? FolderPlace::top_of_a_file_system : FolderPlace::elsewhere,
                     spot.leaf);
}

Result<ArchivePage> PosixArchive::list(const std::string& path, uint64_t cookie, size_t limit) {
  constexpr size_t kSampled = 4;
  constexpr std::chrono::microseconds kSlowLook(300);
  const ArchiveRootPointer held = root();
  TRY_ASSIGN(const Start start, start_of(held, path));
  TRY_ASSIGN(const UniqueFd folder,
             posix::open_beneath(start.folder, start.path, O_RDONLY | O_DIRECTORY));
  FileSystemPointer file_system = start.in_nested;
  if (!file_system) {
    TRY_ASSIGN(const struct statx found, statx_fd(folder.get(), Freshness::cached));
    TRY_ASSIGN(file_system, file_system_of_folder(*held, path, found));
  }
  if (::lseek(folder.get(), static_cast<off_t>(cookie), SEEK_SET) < 0) {
    return Error::from_errno(errno, "seek in folder " + path);
  }
  const size_t wanted = std::max<size_t>(limit, 1);
  TRY_ASSIGN(std::vector<RawEntry> names, read_names(folder.get(), wanted));
  ArchivePage page;
  page.file_system = file_system->id;
  page.last = names.size() < wanted;
  names.resize(std::min(names.size(), wanted));
  page.next_cookie = names.empty() ? cookie : names.back().cookie;
  const auto spot_of = [&](const RawEntry& entry) {
    return Spot{held, UniqueFd(), folder.get(), entry.name, below(path, entry.name), file_system};
  };
  std::erase_if(names, [&](const RawEntry& entry) { return is_hidden(spot_of(entry)); });

  std::vector<Result<std::optional<ArchiveChild>>> found(names.size());
  const auto look = [&](size_t i) { found[i] = child(spot_of(names[i])); };
  const size_t first = std::min(names.size(), kSampled);
  const auto begin = SteadyClock::now();
  for (size_t i = 0; i < first; ++i) look(i);
  // Only where an entry costs a round trip to somewhere are more threads than processors of use.
  const bool is_slow = SteadyClock::now() - begin > first * kSlowLook;
  lanes_.for_each(names.size() - first, is_slow ? max_lanes_ : kLocalLanes,
                  [&](size_t i) { look(first + i); });
  for (size_t i = 0; i < found.size(); ++i) {
    // A folder of which one entry cannot be seen is unknown, not smaller.
    if (!found[i]) return found[i].error().in(fmt::format("{}/{}", path, names[i].name));
    std::optional<ArchiveChild>& child = *found[i];
    if (child.has_value()) page.children.push_back(*std::move(child));
  }
  if (page.last && path == kTrashFolder) TRY(add_nested_days(page));
  return page;
}

// What rests in the trash of nested file systems.
Result<void> PosixArchive::add_nested_days(ArchivePage& page) {
  TRY_ASSIGN(const auto names, private_names(kTrashFolder));
  for (const std::string& name : names) {
    TRY_ASSIGN(auto version, stat(below(kTrashFolder, name)));
    if (version) page.children.push_back({name, *std::move(version), {}, {}});
  }
  return {};
}

Result<Xattrs> PosixArchive::xattrs(const std::string& path) {
  TRY_ASSIGN(const Existing found, existing_entry(root(), path));
  TRY_ASSIGN(const struct statx st, statx_fd(found.entry.fd(), Freshness::cached));
  if (!S_ISREG(st.stx_mode) && !S_ISDIR(st.stx_mode)) return Xattrs();
  return found.entry.xattrs();
}

Result<Archive::Space> PosixArchive::space(const FileSystemId& file_system) {
  TRY_ASSIGN(const UniqueFd top, open_top(*root(), file_system));
  TRY_ASSIGN(const struct statvfs st, posix::statvfs_fd(top.get()));
  return Space{st.f_blocks * st.f_frsize, st.f_bfree * st.f_frsize, st.f_bavail * st.f_frsize,
               st.f_files, st.f_ffree};
}

void PosixArchive::fill(const FillRequest& request, std::function<void(Result<FillResult>)> done) {
  fill(request, UniqueFd(::fcntl(request.target_fd, F_DUPFD_CLOEXEC, 0)), {}, std::move(done));
}

void PosixArchive::fill(const FillRequest& request, UniqueFd target, Progress progress,
                        std::function<void(Result<FillResult>)> done) {
  const auto refuse = [&](Error error) {
    lanes_.submit([done = std::move(done), error = std::move(error)] { done(error); });
  };
  if (request.path.empty()) return refuse(unsound(request.path));
  if (!target) return refuse(target_error(EBADF, "duplicate the file descriptor"));
  const ArchiveRootPointer held = root();
  auto start = start_of(held, request.path);
  if (!start) return refuse(start.error());
  const auto from = file_system(*held, file_system_of(request.expected.identity));
  if (!from) return refuse(from.error());
  CopyJob job;
  job.root = start->owned ? std::make_shared<const UniqueFd>(std::move(start->owned))
                          : std::shared_ptr<const UniqueFd>(held, &held->fd);
  job.request = request;
  job.request.path = start->path;
  job.target = std::move(target);
  job.identity = (*from)->scheme();
  job.progress = std::move(progress);
  job.done = std::move(done);
  engine_->submit(std::move(job));
}

// A conflict if something else is there, or nothing.
Result<PosixArchive::Source> PosixArchive::open_version(const ArchiveRootPointer& root,
                                                        const std::string& path,
                                                        const ArchiveVersion& version) const {
  Source source;
  TRY_ASSIGN(const Start start, start_of(root, path));
  TRY_ASSIGN(source.file_system, file_system(*root, file_system_of(version.identity)));
  TRY_ASSIGN(source.fd,
             posix::open_beneath(start.folder, start.path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
  TRY_ASSIGN(source.before, statx_fd(source.fd.get(), Freshness::exact));
  TRY(check_source(source.fd.get(), source.before, version, source.file_system->scheme()));
  return source;
}

void PosixArchive::measure(const MeasureRequest& request,
                           std::function<void(Result<uint64_t>)> done) {
  lanes_.submit([this, request, done = std::move(done)] { done(measure(request, Progress())); });
}

Result<uint64_t> PosixArchive::measure(const MeasureRequest& request,
                                       const Progress& progress) const {
  auto source = open_version(root(), request.path, request.expected);
  if (!source && is_missing(source.error())) return open_error(ENOENT, request.path);
  if (!source) return source.error();
  const auto ranges = clip(request.ranges, {0, source->before.stx_size});
  if (!may_have_holes(source->before.stx_size, source->before.stx_blocks))
    return bytes_in(ranges, source->before.stx_size);
  return data_bytes(source->fd.get(), ranges, progress);
}

Result<void> PosixArchive::sync(const FileSystemId& file_system) {
  TRY_ASSIGN(const UniqueFd top, open_top(*root(), file_system));
  return posix::sync_file_system(top.get());
}

Result<void> PosixArchive::sync_folders(const std::vector<std::string>& paths) {
  const ArchiveRootPointer held = root();
  std::vector<Result<void>> results(paths.size());
  lanes_.for_each(paths.size(), max_lanes_, [&](size_t i) {
    auto folder = open_folder(held, paths[i], O_RDONLY);
    if (folder) {
      results[i] = posix::sync_fd(folder->get());
      // Some file systems sync folders by themselves and refuse to be told.
      if (!results[i] && results[i].error().is(std::errc::invalid_argument)) results[i] = {};
    } else if (!folder.error().is(std::errc::no_such_file_or_directory)) {
      results[i] = folder.error();
    }
  });
  for (size_t i = 0; i < results.size(); ++i) {
    if (!results[i]) return results[i].error().in("sync folder " + paths[i]);
  }
  return {};
}

// What is in this private folder of each nested file system.
Result<std::vector<std::string>> PosixArchive::private_names(const char* folder) const {
  const ArchiveRootPointer held = root();
  std::vector<std::string> all;
  TRY_ASSIGN(const auto mounted, nested_.mounted(*held));
  for (const FileSystemPointer& file_system : mounted) {
    if (file_system->unusable) continue;
    const auto opened = nested_.open_private(*held, file_system->id, folder);
    if (!opened && (is_missing(opened.error()) || opened.error().is(std::errc::no_such_device)))
      continue;
    if (!opened) return opened.error();
    TRY_ASSIGN(const auto names, posix::list_directory_fd(opened->folder.get()));
    for (const std::string& name : names) all.push_back(name_on(file_system->id, name));
  }
  return all;
}

Result<std::vector<std::string>> PosixArchive::staged() {
  TRY_ASSIGN(auto leaves, posix::list_directory_fd(root()->staging.get()));
  TRY_ASSIGN(auto nested, private_names(kStagingFolder));
  std::move(nested.begin(), nested.end(), std::back_inserter(leaves));
  return leaves;
}

}  // namespace tierhub
