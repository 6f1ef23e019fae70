#include "storage/posix/nested_file_systems.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/log.h"
#include "common/posix.h"
#include "storage/archive/archive.h"

namespace tierhub {
namespace {

constexpr const char* kMarkFile = "file-system";
constexpr const char* kNewMarkFile = "file-system.new";
constexpr const char* kMarkTitle = "tierhub file system 1";
constexpr const char* kWhereTheyWere = ".tierhub/nested";
// One that nothing could be made in is looked at again after this.
constexpr auto kTryAgain = std::chrono::seconds(5);

struct Mark {
  FileSystemId id;
  std::string archive_id;
};

Error not_mounted(const FileSystemId& id, const std::string& top) {
  return Error(std::errc::no_such_device,
               fmt::format("the file system {} of the archive is not mounted at /{}", id, top));
}

// It can be read all the same.
bool only_refuses_changes(const Error& error) {
  static constexpr std::array kCodes = {
      std::errc::read_only_file_system,   std::errc::permission_denied,
      std::errc::operation_not_permitted, std::errc::no_space_on_device,
      std::errc::operation_not_supported, std::errc::file_exists,
      std::errc::not_a_directory,         std::errc::too_many_symbolic_link_levels};
  return error.errno_value() == EDQUOT ||
         std::any_of(kCodes.begin(), kCodes.end(), [&](std::errc code) { return error.is(code); });
}

Result<std::string> read_small_file(int folder_fd, const std::string& path) {
  constexpr size_t kMostBytes = 8192;
  TRY_ASSIGN(const UniqueFd fd, posix::open_beneath(folder_fd, path, O_RDONLY | O_NOFOLLOW));
  std::string text(kMostBytes, '\0');
  TRY_ASSIGN(const size_t n, posix::read_at(fd.get(), std::as_writable_bytes(std::span(text)), 0));
  text.resize(n);
  return text;
}

Result<void> write_small_file(int folder_fd, const std::string& name, const std::string& made_as,
                              const std::string& text) {
  {
    TRY_ASSIGN(const UniqueFd fd,
               posix::open_beneath(folder_fd, made_as, O_WRONLY | O_CREAT | O_TRUNC, 0600));
    TRY(posix::write_all(fd.get(), text));
    TRY(posix::sync_fd(fd.get()));
  }
  TRY(posix::rename_at(folder_fd, made_as, folder_fd, name));
  return posix::sync_fd(folder_fd);
}

std::string_view take_line(std::string_view& text) {
  const size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

// none: there is no mark.
Result<std::optional<Mark>> read_mark(int top_fd) {
  const auto text = read_small_file(top_fd, fmt::format("{}/{}", kPrivateFolder, kMarkFile));
  if (!text && (is_missing(text.error()) || text.error().is(std::errc::permission_denied) ||
                text.error().is(std::errc::too_many_symbolic_link_levels)))
    return std::optional<Mark>();
  if (!text) return text.error();
  std::string_view rest = *text;
  if (take_line(rest) != kMarkTitle) return std::optional<Mark>();
  Mark mark;
  mark.id = take_line(rest);
  mark.archive_id = take_line(rest);
  if (file_system_bytes(mark.id).empty()) return std::optional<Mark>();
  return std::optional(std::move(mark));
}

Result<FileSystemId> random_id() {
  TRY_ASSIGN(std::string id, posix::random_uuid());
  std::erase(id, '-');
  if (id.starts_with("00")) id[0] = '1';  // those are made up
  return id;
}

// Nothing of anybody's is in it: it was made by us, and we were stopped before it had its mark.
Result<bool> holds_nothing(int private_fd) {
  TRY_ASSIGN(const auto names, posix::list_directory_fd(private_fd));
  return std::all_of(names.begin(), names.end(),
                     [](const std::string& name) { return name == kNewMarkFile; });
}

// Makes and marks the private folder, if there is none.
Result<Mark> make_mark(int top_fd, const std::string& shown, const std::string& archive_id) {
  TRY_ASSIGN(const struct stat before, posix::stat_fd(top_fd));
  TRY(make_private_folder(top_fd, kPrivateFolder));
  // The folder is the users', and they changed nothing in it.
  const timespec times[2] = {before.st_atim, before.st_mtim};
  if (::futimens(top_fd, times) < 0) return Error::from_errno(errno, "set the times of " + shown);
  TRY_ASSIGN(const UniqueFd folder,
             posix::open_beneath(top_fd, kPrivateFolder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  TRY_ASSIGN(const bool ours, holds_nothing(folder.get()));
  if (!ours) {
    return Error(
        std::errc::operation_not_permitted,
        fmt::format(
            "{} does not belong to TierHub, which needs a folder of that name there: rename it",
            shown));
  }
  TRY(check_private_folder(top_fd, kPrivateFolder, shown));
  Mark mark;
  TRY_ASSIGN(mark.id, random_id());
  mark.archive_id = archive_id;
  TRY(write_small_file(folder.get(), kMarkFile, kNewMarkFile,
                       fmt::format("{}\n{}\n{}\n", kMarkTitle, mark.id, mark.archive_id)));
  TRY(posix::sync_fd(top_fd));
  return mark;
}

// What is needed to make something there.
Result<void> prepare(int top_fd, const std::string& shown, const Mark& mark,
                     const std::string& archive_id) {
  if (mark.archive_id != archive_id) {
    return Error(std::errc::operation_not_permitted,
                 fmt::format("{} belongs to another archive ({}): remove it if that archive no "
                             "longer uses this file system",
                             shown, mark.archive_id));
  }
  TRY(check_private_folder(top_fd, kPrivateFolder, shown));
  for (const char* folder : {kStagingFolder, kAsideFolder, kTrashFolder})
    TRY(make_private_folder(top_fd, folder));
  return {};
}

// Of the kind of the file system alone: nothing can be tried out.
ArchiveCapabilities capabilities_of_read_only(int top_fd) {
  return capabilities_unprobed(top_fd).value_or(ArchiveCapabilities());
}

void remember_top(const ArchiveRoot& root, const ArchiveFileSystem& file_system) {
  const auto note = [&]() -> Result<void> {
    TRY(make_private_folder(root.fd.get(), kWhereTheyWere));
    TRY_ASSIGN(const UniqueFd folder,
               posix::open_beneath(root.fd.get(), kWhereTheyWere, O_RDONLY | O_DIRECTORY));
    const auto there = read_small_file(folder.get(), file_system.id);
    if (there && *there == file_system.top) return {};
    return write_small_file(folder.get(), file_system.id, file_system.id + ".new", file_system.top);
  };
  if (const auto noted = note(); !noted) {
    log::warning("could not record where a file system of the archive is mounted",
                 {{"path", file_system.top}, {"error", noted.error().text()}});
  }
}

bool lies_at_or_below(std::string_view path, std::string_view top) {
  return path.starts_with(top) && (path.size() == top.size() || path[top.size()] == '/');
}

}  // namespace

bool is_marked_private_folder(int parent_fd) {
  const auto mark = read_mark(parent_fd);
  return mark && mark->has_value();
}

// The shallowest folder on the way down to `path` from which on all is in that file system.
Result<std::string> NestedFileSystems::top_of(const ArchiveRoot& root, const std::string& path,
                                              const MountKey& key) const {
  std::string top = path;
  for (size_t slash = path.rfind('/'); slash != std::string::npos; slash = top.rfind('/')) {
    const std::string above = path.substr(0, slash);
    TRY_ASSIGN(const UniqueFd folder,
               posix::open_beneath(root.fd.get(), above, O_PATH | O_DIRECTORY));
    TRY_ASSIGN(const struct statx found, statx_fd(folder.get(), Freshness::cached));
    if (mount_key_of(found) != key) break;
    top = above;
  }
  return top;
}

Result<FileSystemPointer> NestedFileSystems::at(const ArchiveRoot& root, const std::string& path,
                                                const struct statx& found) {
  const MountKey key = mount_key_of(found);
  const auto known = [&]() -> FileSystemPointer {
    const MutexLock lock(mutex_);
    const auto it = known_.find(key);
    if (it == known_.end()) return nullptr;
    const ArchiveFileSystem& file_system = *it->second.file_system;
    // A folder above it may have been renamed.
    if (!lies_at_or_below(path, file_system.top)) return nullptr;
    const bool may_have_changed =
        file_system.unusable && SteadyClock::now() - it->second.since > kTryAgain;
    return may_have_changed ? nullptr : it->second.file_system;
  };
  if (auto file_system = known()) return file_system;
  const auto learning = learning_of(key);
  const MutexLock lock(*learning);
  if (auto file_system = known()) return file_system;
  return get_to_know(root, path, key);
}

std::shared_ptr<Mutex> NestedFileSystems::learning_of(const MountKey& key) {
  const MutexLock lock(mutex_);
  auto& learning = learning_[key.device];
  if (!learning) learning = std::make_shared<Mutex>();
  return learning;
}

// With the lock of its device.
Result<FileSystemPointer> NestedFileSystems::get_to_know(const ArchiveRoot& root,
                                                         const std::string& path,
                                                         const MountKey& key) {
  auto file_system = std::make_shared<ArchiveFileSystem>();
  file_system->key = key;
  TRY_ASSIGN(file_system->top, top_of(root, path, key));
  TRY_ASSIGN(const UniqueFd top,
             posix::open_beneath(root.fd.get(), file_system->top, O_RDONLY | O_DIRECTORY));
  TRY_ASSIGN(const struct statx found, statx_fd(top.get(), Freshness::cached));
  if (mount_key_of(found) != key) return not_mounted("", file_system->top);
  const std::string shown = fmt::format("/{}/{}", file_system->top, kPrivateFolder);
  TRY_ASSIGN(std::optional<Mark> mark, read_mark(top.get()));
  Result<void> ready;
  if (!mark) {
    auto made = make_mark(top.get(), shown, root.id);
    if (made) {
      mark = *std::move(made);
    } else {
      ready = made.error();
    }
  }
  if (mark) {
    file_system->id = mark->id;
    file_system->has_private_folder = true;
    ready = prepare(top.get(), shown, *mark, root.id);
  } else {
    file_system->id = provisional_file_system_id(file_system->top);
  }
  if (!ready && !only_refuses_changes(ready.error())) return ready.error();
  if (ready) {
    TRY_ASSIGN(const UniqueFd folder,
               posix::open_beneath(top.get(), kPrivateFolder, O_RDONLY | O_DIRECTORY));
    TRY_ASSIGN(file_system->capabilities, probe_capabilities(folder.get()));
    file_system->capabilities.clone = clone_.value_or(file_system->capabilities.clone);
    remember_top(root, *file_system);
  } else {
    file_system->unusable = ready.error();
    file_system->capabilities = capabilities_of_read_only(top.get());
    log::warning("nothing can be published into a file system of the archive",
                 {{"path", file_system->top}, {"error", ready.error().text()}});
  }
  const MutexLock lock(mutex_);
  std::erase_if(known_,
                [&](const auto& one) { return one.second.file_system->id == file_system->id; });
  known_[key] = {file_system, SteadyClock::now()};
  return FileSystemPointer(file_system);
}

Result<FileSystemPointer> NestedFileSystems::find(const ArchiveRoot& root, const FileSystemId& id) {
  std::string top;
  {
    const MutexLock lock(mutex_);
    for (const auto& [key, known] : known_) {
      if (known.file_system->id == id) top = known.file_system->top;
    }
  }
  if (top.empty()) {
    const auto noted = read_small_file(root.fd.get(), fmt::format("{}/{}", kWhereTheyWere, id));
    if (!noted && is_missing(noted.error())) return not_mounted(id, "");
    if (!noted) return noted.error();
    top = *noted;
  }
  const auto folder = posix::open_beneath(root.fd.get(), top, O_PATH | O_DIRECTORY);
  if (!folder && !is_missing(folder.error())) return folder.error();
  if (!folder) return not_mounted(id, top);
  TRY_ASSIGN(const struct statx found, statx_fd(folder->get(), Freshness::cached));
  if (mount_key_of(found) == root.key) return not_mounted(id, top);
  TRY_ASSIGN(auto file_system, at(root, top, found));
  if (file_system->id != id || file_system->top != top) return not_mounted(id, top);
  return file_system;
}

Result<NestedFileSystems::Opened> NestedFileSystems::open_top(const ArchiveRoot& root,
                                                              const FileSystemId& id) {
  TRY_ASSIGN(FileSystemPointer file_system, find(root, id));
  TRY_ASSIGN(UniqueFd top,
             posix::open_beneath(root.fd.get(), file_system->top, O_RDONLY | O_DIRECTORY));
  TRY_ASSIGN(const struct statx found, statx_fd(top.get(), Freshness::cached));
  if (mount_key_of(found) != file_system->key) return not_mounted(id, file_system->top);
  if (!file_system->has_private_folder) return Opened{std::move(top), std::move(file_system)};
  TRY_ASSIGN(const auto mark, read_mark(top.get()));
  if (mark && mark->id == id) return Opened{std::move(top), std::move(file_system)};
  // A subvolume may be replaced by another one under the same number.
  forget(id);
  return not_mounted(id, file_system->top);
}

Result<NestedFileSystems::Opened> NestedFileSystems::open_private(const ArchiveRoot& root,
                                                                  const FileSystemId& id,
                                                                  const std::string& folder) {
  TRY_ASSIGN(Opened opened, open_top(root, id));
  if (opened.file_system->unusable) return *opened.file_system->unusable;
  TRY_ASSIGN(opened.folder,
             posix::open_beneath(opened.folder.get(), folder, O_RDONLY | O_DIRECTORY));
  return opened;
}

void NestedFileSystems::moved(const ArchiveRoot& root, const std::string& from,
                              const std::string& to) {
  std::vector<FileSystemPointer> changed;
  {
    const MutexLock lock(mutex_);
    for (auto& [key, known] : known_) {
      const std::string& top = known.file_system->top;
      const bool there = lies_at_or_below(top, from);
      // They may have changed places.
      if (!there && !lies_at_or_below(top, to)) continue;
      auto renamed = std::make_shared<ArchiveFileSystem>(*known.file_system);
      renamed->top = there ? to + top.substr(from.size()) : from + top.substr(to.size());
      known.file_system = renamed;
      changed.push_back(std::move(renamed));
    }
  }
  for (const FileSystemPointer& file_system : changed) {
    if (file_system->has_private_folder) remember_top(root, *file_system);
  }
}

Result<std::vector<FileSystemPointer>> NestedFileSystems::mounted(const ArchiveRoot& root) {
  std::vector<FileSystemPointer> result;
  const auto folder = posix::open_beneath(root.fd.get(), kWhereTheyWere, O_RDONLY | O_DIRECTORY);
  if (!folder && is_missing(folder.error())) return result;
  if (!folder) return folder.error();
  TRY_ASSIGN(const auto ids, posix::list_directory_fd(folder->get()));
  for (const std::string& id : ids) {
    if (file_system_bytes(id).empty()) continue;
    auto file_system = find(root, id);
    if (file_system) {
      result.push_back(*std::move(file_system));
    } else if (!file_system.error().is(std::errc::no_such_device)) {
      log::warning("a file system of the archive cannot be examined",
                   {{"file_system", id}, {"error", file_system.error().text()}});
    }
  }
  return result;
}

void NestedFileSystems::forget(const FileSystemId& id) {
  const MutexLock lock(mutex_);
  std::erase_if(known_, [&](const auto& one) { return one.second.file_system->id == id; });
}

}  // namespace tierhub
