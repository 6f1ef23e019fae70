#include "tests/unit/migrator/tier_by_path.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <future>
#include <stdexcept>

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <fmt/format.h>

#include "common/hash.h"
#include "common/posix.h"
#include "storage/scratch/object_state.h"

namespace tierhub::test {
namespace {

namespace fs = std::filesystem;

constexpr const char* kXattr = "user.note";
constexpr size_t kShown = 40;  // longer content is shown by its checksum

// Both tiers in memory, where tmpfs can hold extended attributes (Linux 6.6): on a disk each round
// waits for its syncs.
void prefer_folders_in_memory() {
  constexpr const char* kMemory = "/dev/shm";
  std::string probe = std::string(kMemory) + "/tierhub-XXXXXX";
  const UniqueFd fd(::mkstemp(probe.data()));
  if (!fd) return;
  const bool works = ::fsetxattr(fd.get(), kXattr, "1", 1, 0) == 0;
  ::unlink(probe.c_str());
  if (works) ::setenv("TMPDIR", kMemory, 0);
}
const bool kPrefersMemory = (prefer_folders_in_memory(), true);

void set_inode_flags(const std::string& path, int flags) {
  const UniqueFd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (::ioctl(folder.get(), FS_IOC_SETFLAGS, &flags) < 0)
    throw std::runtime_error(Error::from_errno(errno, "set the flags of " + path).text());
}

// The one line that both trees have for an entry.
std::string line(char kind, uint32_t mode, int64_t mtime_ns, const std::string& content,
                 const std::string& first_name, const std::string& xattr) {
  const std::string shown =
      content.size() <= kShown ? content : checksum(std::as_bytes(std::span(content))).hex();
  return fmt::format("{} {:o} {} first={} note={} [{}]", kind, mode, mtime_ns, first_name, xattr,
                     shown);
}

LocalTier::Options options_of(MemoryStore& store, PosixArchive::RenameFlags rename_flags) {
  LocalTier::Options options;
  options.chunk_bytes = kChunk;
  options.boot_id = "boot";
  options.memory = &store;
  options.archive.rename_flags = rename_flags;
  options.archive.copy.method = CopyMethod::threads;
  return options;
}

}  // namespace

TierByPath::TierByPath(PosixArchive::RenameFlags rename_flags)
    : LocalTier(place.path(), options_of(*store, rename_flags)) {}

void TierByPath::restart(Death death) {
  stop();
  if (death == Death::power_lost) store->lose_power();
  start();
}

InodeNumber TierByPath::inode(const std::string& path) {
  InodeNumber number = kRootInode;
  for (const auto& part : fs::path(path)) {
    const auto next = value_of(catalog->lookup(number, part.string()));
    if (!next) throw std::runtime_error(path + " does not exist");
    number = *next;
  }
  return number;
}

std::pair<InodeNumber, std::string> TierByPath::parent_and_name(const std::string& path) {
  const fs::path p(path);
  return {inode(p.parent_path().string()), p.filename().string()};
}

void TierByPath::make_folder(const std::string& path, uint32_t mode) {
  const auto [parent, name] = parent_and_name(path);
  value_of(fs->mkdir(parent, name, mode, {}));
}

void TierByPath::write(const std::string& path, const std::string& text) {
  const auto [parent, name] = parent_and_name(path);
  if (!value_of(catalog->lookup(parent, name))) {
    const Created created = value_of(fs->create(parent, name, 0644, O_WRONLY, {}));
    close(created.node.inode, created.opened.handle);
  } else {
    truncate(path, 0);
  }
  if (!text.empty()) write_at(path, 0, text);
}

void TierByPath::write_at(const std::string& path, uint64_t offset_bytes, const std::string& text) {
  const InodeNumber number = inode(path);
  const FileHandle handle = open(path, O_WRONLY);
  EXPECT_EQ(value_of(LocalTier::write(number, handle, offset_bytes, text)), text.size());
  close(number, handle);
}

FileHandle TierByPath::open(const std::string& path, int flags) {
  return value_of(LocalTier::open(inode(path), flags)).handle;
}

void TierByPath::truncate(const std::string& path, uint64_t size_bytes) {
  AttributeChange change;
  change.size_bytes = size_bytes;
  value_of(setattr(inode(path), change));
}

void TierByPath::change_mode(const std::string& path, uint32_t mode) {
  AttributeChange change;
  change.mode = mode;
  value_of(setattr(inode(path), change));
}

void TierByPath::set_mtime(const std::string& path, int64_t seconds) {
  AttributeChange change;
  change.mtime = Timestamp{seconds * 1'000'000'000};
  value_of(setattr(inode(path), change));
}

void TierByPath::set_xattr(const std::string& path, const std::string& name,
                           const std::string& value) {
  value_of(fs->setxattr(inode(path), name, value, FileSystem::XattrMode::any, FsCaller{}));
}

void TierByPath::rename(const std::string& from, const std::string& to, unsigned flags) {
  const auto [parent, name] = parent_and_name(from);
  const auto [new_parent, new_name] = parent_and_name(to);
  value_of(fs->rename(parent, name, new_parent, new_name, flags));
}

void TierByPath::link(const std::string& from, const std::string& to) {
  const auto [parent, name] = parent_and_name(to);
  value_of(fs->link(inode(from), parent, name));
}

void TierByPath::symlink(const std::string& target, const std::string& path) {
  const auto [parent, name] = parent_and_name(path);
  value_of(fs->symlink(parent, name, target, {}));
}

void TierByPath::remove(const std::string& path) {
  const auto [parent, name] = parent_and_name(path);
  value_of(fs->unlink(parent, name));
}

void TierByPath::remove_folder(const std::string& path) {
  const auto [parent, name] = parent_and_name(path);
  value_of(fs->rmdir(parent, name));
}

void TierByPath::remove_tree(const std::string& path) {
  const InodeNumber folder = inode(path);
  for (const DirectoryEntry& entry : value_of(catalog->list(folder, 0, "", 10'000))) {
    const auto record = value_of(catalog->inode(entry.inode));
    const std::string child = path + "/" + entry.name;
    record->attributes.kind == FileKind::directory ? remove_tree(child) : remove(child);
  }
  remove_folder(path);
}

FileState TierByPath::state(const std::string& path) {
  return value_of(inodes->lock(inode(path)))->state();
}

void TierByPath::write_in_archive(const std::string& path, const std::string& text) {
  std::ofstream(in_archive(path)) << text;
}

void TierByPath::let_nothing_be_made_in_archive(const std::string& path) {
  set_inode_flags(in_archive(path), FS_IMMUTABLE_FL);
}

void TierByPath::let_be_made_in_archive(const std::string& path) {
  set_inode_flags(in_archive(path), 0);
}

std::string TierByPath::read_bytes(InodeNumber number, uint64_t size_bytes) {
  return value_of(LocalTier::read(number, 0, size_bytes));
}

void TierByPath::add_to_tree(InodeNumber folder, const std::string& prefix,
                             std::map<std::string, std::string>& tree,
                             std::map<InodeNumber, std::string>& first_names) {
  auto entries = value_of(catalog->list(folder, 0, "", 10'000));
  std::sort(entries.begin(), entries.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  for (const DirectoryEntry& entry : entries) {
    const std::string path = prefix + entry.name;
    const auto record = value_of(catalog->inode(entry.inode)).value();
    // While a file is being written, its object knows.
    const Attributes attributes = value_of(fs->getattr(entry.inode)).attributes;
    const std::string first = first_names.emplace(entry.inode, path).first->second;
    const std::string note = value_of(catalog->xattr(entry.inode, kXattr)).value_or("");
    if (attributes.kind == FileKind::directory) {
      tree[path] = line('d', attributes.mode, attributes.mtime.ns, "", path, note);
      add_to_tree(entry.inode, path + "/", tree, first_names);
    } else if (attributes.kind == FileKind::symlink) {
      tree[path] = line('l', 0777, attributes.mtime.ns, record.symlink_target, first, note);
    } else if (attributes.kind == FileKind::file) {
      const bool absent = !value_of(inodes->lock(entry.inode))->all_present();
      const std::string text =
          absent ? "(in the archive)" : read_bytes(entry.inode, attributes.size_bytes);
      tree[path] = line('f', attributes.mode, attributes.mtime.ns, text, first, note);
    } else {
      tree[path] = line('s', attributes.mode, attributes.mtime.ns, "", first, note);
    }
  }
}

std::map<std::string, std::string> TierByPath::namespace_tree() {
  std::map<std::string, std::string> tree;
  std::map<InodeNumber, std::string> first_names;
  add_to_tree(kRootInode, "", tree, first_names);
  return tree;
}

std::map<std::string, std::string> TierByPath::archive_tree() {
  std::map<std::string, std::string> tree;
  std::map<std::pair<dev_t, ino_t>, std::string> first_names;  // each file system has its numbers
  std::vector<std::string> paths;
  for (auto at = fs::recursive_directory_iterator(archive_folder);
       at != fs::recursive_directory_iterator(); ++at) {
    if (at->path().filename() == kPrivateFolder) {
      at.disable_recursion_pending();
    } else {
      paths.push_back(at->path().lexically_relative(archive_folder).string());
    }
  }
  // The order in which add_to_tree goes.
  std::sort(paths.begin(), paths.end(),
            [](const auto& a, const auto& b) { return fs::path(a) < fs::path(b); });
  for (const std::string& path : paths) {
    struct stat st {};
    ::lstat(in_archive(path).c_str(), &st);
    const std::string first =
        S_ISDIR(st.st_mode)
            ? path
            : first_names.emplace(std::pair(st.st_dev, st.st_ino), path).first->second;
    char note[256] = {};
    const ssize_t note_size = ::lgetxattr(in_archive(path).c_str(), kXattr, note, sizeof note);
    const std::string note_text(note, note_size > 0 ? static_cast<size_t>(note_size) : 0);
    std::string content;
    char kind = 's';
    if (S_ISDIR(st.st_mode)) kind = 'd';
    if (S_ISLNK(st.st_mode)) {
      kind = 'l';
      content = fs::read_symlink(in_archive(path)).string();
    }
    if (S_ISREG(st.st_mode)) {
      kind = 'f';
      std::ifstream in(in_archive(path), std::ios::binary);
      content.assign(std::istreambuf_iterator<char>(in), {});
    }
    tree[path] =
        line(kind, st.st_mode & 07777, posix::modification_time(st).ns, content, first, note_text);
  }
  return tree;
}

std::string TierByPath::difference() {
  const auto here = namespace_tree();
  const auto there = archive_tree();
  std::string text;
  for (const auto& [path, shown] : here) {
    const auto found = there.find(path);
    if (found == there.end()) text += fmt::format("only in the namespace: {} {}\n", path, shown);
    if (found != there.end() && found->second != shown) {
      text +=
          fmt::format("{}: in the namespace {}\n  in the archive {}\n", path, shown, found->second);
    }
  }
  for (const auto& [path, shown] : there) {
    if (!here.contains(path)) text += fmt::format("only in the archive: {} {}\n", path, shown);
  }
  return text;
}

void TierByPath::publish() { value_of(publisher->run_round(Publisher::Urgency::demanded)); }

bool TierByPath::publish_to_the_end() {
  const auto deadline = SteadyClock::now() + std::chrono::seconds(20);
  while (journal_keys() > 0 && SteadyClock::now() < deadline) publish();
  return journal_keys() == 0;
}

size_t TierByPath::journal_keys() {
  return value_of(catalog->journal(std::nullopt, 10'000)).size();
}

std::string TierByPath::parked_reason(const JournalKey& key) {
  const auto record = value_of(catalog->journal_record(key));
  return record ? record->parked_reason : "(no such key)";
}

std::vector<std::string> TierByPath::staged() { return value_of(archive->staged()); }

Result<ScanCounts> TierByPath::try_scan(Scanner::Removals removals) {
  return scanner->run([](const ScanCounts&) { return true; }, removals);
}

ScanCounts TierByPath::scan(Scanner::Removals removals) { return value_of(try_scan(removals)); }

}  // namespace tierhub::test
