#include "storage/posix_archive.h"

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/posix.h"
#include "storage/copy_plan.h"

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
  TRY_ASSIGN(const UniqueFd folder,
             posix::open_beneath(root->fd.get(), kPrivateFolder, O_RDONLY | O_DIRECTORY));
  TRY_ASSIGN(ArchiveCapabilities capabilities, probe_capabilities(folder.get()));
  capabilities.clone = options.clone.value_or(capabilities.clone);
  TRY_ASSIGN(auto engine, CopyEngine::make(options.copy));
  return std::unique_ptr<PosixArchive>(
      new PosixArchive(path, std::move(root), std::move(capabilities), std::move(engine), options));
}

PosixArchive::PosixArchive(std::string path, ArchiveRootPointer root,
                           ArchiveCapabilities capabilities, std::unique_ptr<CopyEngine> engine,
                           const Options& options)
    : path_(std::move(path)),
      probed_(std::move(capabilities)),
      rename_flags_(options.rename_flags),
      root_(std::in_place, std::move(root)),
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

Result<PosixArchive::Spot> PosixArchive::spot(const ArchiveRootPointer& root,
                                              const std::string& path) {
  if (!is_sound_path(path)) return unsound(path);
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return Spot{root, UniqueFd(), root->fd.get(), path};
  TRY_ASSIGN(UniqueFd parent,
             posix::open_beneath(root->fd.get(), path.substr(0, slash), O_PATH | O_DIRECTORY));
  const int folder = parent.get();
  return Spot{root, std::move(parent), folder, path.substr(slash + 1)};
}

Result<PosixArchive::Spot> PosixArchive::staging_spot(const ArchiveRootPointer& root,
                                                      const std::string& leaf) {
  if (!is_sound_component(leaf)) return unsound(leaf);
  return Spot{root, UniqueFd(), root->staging.get(), leaf};
}

Result<Entry> PosixArchive::existing_entry(int root_fd, const std::string& path) {
  if (!path.empty() && !is_sound_path(path)) return unsound(path);
  TRY_ASSIGN(auto entry, Entry::open_beneath(root_fd, path));
  if (!entry) return Error::from_errno(ENOENT, path);
  return *std::move(entry);
}

Result<ArchiveVersion> PosixArchive::exact_version(const Entry& entry) const {
  return entry.version(probed_.identity, Freshness::exact);
}

Result<void> PosixArchive::check_root() {
  if (root()->stands_at(path_)) return {};
  // The same archive may have been mounted anew: then it is a root of its own.
  TRY_ASSIGN(ArchiveRootPointer fresh, ArchiveRoot::open(path_, root()->id));
  root_.with([&](ArchiveRootPointer& root) { root = std::move(fresh); });
  return {};
}

Result<std::string> PosixArchive::archive_id() { return root()->id; }

Result<std::optional<ArchiveVersion>> PosixArchive::stat(const std::string& path) {
  if (!path.empty() && !is_sound_path(path)) return unsound(path);
  TRY_ASSIGN(const auto entry, Entry::open_beneath(root()->fd.get(), path));
  if (!entry) return std::optional<ArchiveVersion>();
  TRY_ASSIGN(auto version, exact_version(*entry));
  return std::optional<ArchiveVersion>(std::move(version));
}

// none: it went away meanwhile.
Result<std::optional<ArchiveChild>> PosixArchive::child(int folder_fd,
                                                        const std::string& name) const {
  TRY_ASSIGN(const auto entry, Entry::open(folder_fd, name));
  if (!entry) return std::optional<ArchiveChild>();
  ArchiveChild child;
  child.name = name;
  TRY_ASSIGN(child.version, entry->version(probed_.identity, Freshness::cached));
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

Result<ArchivePage> PosixArchive::list(const std::string& path, uint64_t cookie, size_t limit) {
  constexpr size_t kSampled = 4;
  constexpr std::chrono::microseconds kSlowLook(300);
  constexpr size_t kLocalLanes = 2;
  if (!path.empty() && !is_sound_path(path)) return unsound(path);
  TRY_ASSIGN(const UniqueFd folder,
             posix::open_beneath(root()->fd.get(), path, O_RDONLY | O_DIRECTORY));
  if (::lseek(folder.get(), static_cast<off_t>(cookie), SEEK_SET) < 0) {
    return Error::from_errno(errno, "seek in folder " + path);
  }
  const size_t wanted = std::max<size_t>(limit, 1);
  TRY_ASSIGN(std::vector<RawEntry> names, read_names(folder.get(), wanted));
  ArchivePage page;
  page.last = names.size() < wanted;
  names.resize(std::min(names.size(), wanted));
  page.next_cookie = names.empty() ? cookie : names.back().cookie;
  std::erase_if(names, [&](const RawEntry& entry) {
    return entry.name == "." || entry.name == ".." || is_left_out(path, entry.name);
  });

  std::vector<Result<std::optional<ArchiveChild>>> found(names.size());
  const auto look = [&](size_t i) { found[i] = child(folder.get(), names[i].name); };
  const size_t first = std::min(names.size(), kSampled);
  const auto start = SteadyClock::now();
  for (size_t i = 0; i < first; ++i) look(i);
  // Only where an entry costs a round trip to somewhere are more threads than processors of use.
  const bool is_slow = SteadyClock::now() - start > first * kSlowLook;
  lanes_.for_each(names.size() - first, is_slow ? max_lanes_ : kLocalLanes,
                  [&](size_t i) { look(first + i); });
  for (size_t i = 0; i < found.size(); ++i) {
    // A folder of which one entry cannot be seen is unknown, not smaller.
    if (!found[i]) return found[i].error().in(fmt::format("{}/{}", path, names[i].name));
    std::optional<ArchiveChild>& child = *found[i];
    if (child.has_value()) page.children.push_back(*std::move(child));
  }
  return page;
}

Result<Xattrs> PosixArchive::xattrs(const std::string& path) {
  TRY_ASSIGN(const Entry entry, existing_entry(root()->fd.get(), path));
  TRY_ASSIGN(const ArchiveVersion version, entry.version(probed_.identity, Freshness::cached));
  const FileKind kind = version.attributes.kind;
  if (kind != FileKind::file && kind != FileKind::directory) return Xattrs();
  return entry.xattrs();
}

Result<Archive::Space> PosixArchive::space() {
  TRY_ASSIGN(const struct statvfs st, posix::statvfs_fd(root()->fd.get()));
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
  if (!is_sound_path(request.path)) return refuse(unsound(request.path));
  if (!target) return refuse(target_error(EBADF, "duplicate the descriptor"));
  const ArchiveRootPointer held = root();
  CopyJob job;
  job.root = std::shared_ptr<const UniqueFd>(held, &held->fd);
  job.request = request;
  job.target = std::move(target);
  job.identity = probed_.identity;
  job.progress = std::move(progress);
  job.done = std::move(done);
  engine_->submit(std::move(job));
}

Result<void> PosixArchive::sync() { return posix::sync_file_system(root()->fd.get()); }

Result<void> PosixArchive::sync_folders(const std::vector<std::string>& paths) {
  const ArchiveRootPointer held = root();
  std::vector<Result<void>> results(paths.size());
  lanes_.for_each(paths.size(), max_lanes_, [&](size_t i) {
    auto folder = posix::open_beneath(held->fd.get(), paths[i], O_RDONLY | O_DIRECTORY);
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

Result<std::vector<std::string>> PosixArchive::staged() {
  return posix::list_directory_fd(root()->staging.get());
}

}  // namespace tierhub
