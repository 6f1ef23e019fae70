// Operations as values: how they are made, told and compared.
#include "tests/e2e/conformance.h"

#include <sys/stat.h>

#include <fmt/format.h>

namespace tierhub::test::conformance {

const char* name_of(Call call) {
  switch (call) {
    case Call::open:
      return "open";
    case Call::close:
      return "close";
    case Call::write:
      return "write";
    case Call::append:
      return "append";
    case Call::read:
      return "read";
    case Call::truncate:
      return "truncate";
    case Call::ftruncate:
      return "ftruncate";
    case Call::fallocate:
      return "fallocate";
    case Call::rename:
      return "rename";
    case Call::link:
      return "link";
    case Call::link_open_file:
      return "link_open_file";
    case Call::unlink:
      return "unlink";
    case Call::mkdir:
      return "mkdir";
    case Call::rmdir:
      return "rmdir";
    case Call::symlink:
      return "symlink";
    case Call::readlink:
      return "readlink";
    case Call::mknod:
      return "mknod";
    case Call::chmod:
      return "chmod";
    case Call::fchmod:
      return "fchmod";
    case Call::chown:
      return "chown";
    case Call::lchown:
      return "lchown";
    case Call::set_times:
      return "set_times";
    case Call::set_xattr:
      return "set_xattr";
    case Call::get_xattr:
      return "get_xattr";
    case Call::list_xattrs:
      return "list_xattrs";
    case Call::remove_xattr:
      return "remove_xattr";
    case Call::map_write:
      return "map_write";
    case Call::copy_range:
      return "copy_range";
    case Call::seek:
      return "seek";
    case Call::sync:
      return "sync";
    case Call::flock:
      return "flock";
    case Call::lock_range:
      return "lock_range";
    case Call::list:
      return "list";
    case Call::stat:
      return "stat";
    case Call::stat_open_file:
      return "stat_open_file";
    case Call::access:
      return "access";
    case Call::set_umask:
      return "set_umask";
    case Call::read_all:
      return "read_all";
  }
  return "?";
}

std::string describe(const Op& op) {
  static constexpr const char* kUsers[] = {"root", "alice", "bob", "carol"};
  return fmt::format(
      "{} {} path '{}' other '{}' slot {} {} flags {:#x} mode {:o} owner {}:{} offset {} length {} "
      "value of {}",
      kUsers[static_cast<int>(op.user)], name_of(op.call), op.path, op.other, op.slot,
      op.other_slot, op.flags, op.mode, static_cast<int>(op.uid), static_cast<int>(op.gid),
      op.offset, op.length, op.value.size());
}

namespace {

Op on_path(Call call, const std::string& path) {
  Op op;
  op.call = call;
  op.path = path;
  return op;
}

Op on_slot(Call call, int slot) {
  Op op;
  op.call = call;
  op.slot = slot;
  return op;
}

Op on_range(Call call, int slot, int64_t offset, int64_t length) {
  Op op = on_slot(call, slot);
  op.offset = offset;
  op.length = length;
  op.seed = static_cast<uint64_t>(offset * 31 + length);
  return op;
}

Op with_mode(Op op, uint32_t mode) {
  op.mode = mode;
  return op;
}

Op with_other(Op op, const std::string& other) {
  op.other = other;
  return op;
}

Op with_flags(Op op, int flags) {
  op.flags = flags;
  return op;
}

Op with_owner(Op op, uint32_t uid, uint32_t gid) {
  op.uid = uid;
  op.gid = gid;
  return op;
}

}  // namespace

Op open(int slot, const std::string& path, int flags, uint32_t mode) {
  Op op = with_mode(with_flags(on_path(Call::open, path), flags), mode);
  op.slot = slot;
  return op;
}
Op close(int slot) { return on_slot(Call::close, slot); }
Op write(int slot, int64_t offset, int64_t length) {
  return on_range(Call::write, slot, offset, length);
}
Op append(int slot, int64_t length) { return on_range(Call::append, slot, 0, length); }
Op read(int slot, int64_t offset, int64_t length) {
  return on_range(Call::read, slot, offset, length);
}
Op truncate(const std::string& path, int64_t length) {
  Op op = on_path(Call::truncate, path);
  op.length = length;
  return op;
}
Op ftruncate(int slot, int64_t length) { return on_range(Call::ftruncate, slot, 0, length); }
Op fallocate(int slot, int mode, int64_t offset, int64_t length) {
  return with_flags(on_range(Call::fallocate, slot, offset, length), mode);
}
Op rename(const std::string& from, const std::string& to, int flags) {
  return with_flags(with_other(on_path(Call::rename, from), to), flags);
}
Op link(const std::string& from, const std::string& to) {
  return with_other(on_path(Call::link, from), to);
}
Op link_open_file(int slot, const std::string& to) {
  return with_other(on_slot(Call::link_open_file, slot), to);
}
Op unlink(const std::string& path) { return on_path(Call::unlink, path); }
Op mkdir(const std::string& path, uint32_t mode) {
  return with_mode(on_path(Call::mkdir, path), mode);
}
Op rmdir(const std::string& path) { return on_path(Call::rmdir, path); }
Op symlink(const std::string& target, const std::string& path) {
  return with_other(on_path(Call::symlink, path), target);
}
Op readlink(const std::string& path) { return on_path(Call::readlink, path); }
Op mknod(const std::string& path, uint32_t mode) {
  return with_mode(on_path(Call::mknod, path), mode);
}
Op chmod(const std::string& path, uint32_t mode) {
  return with_mode(on_path(Call::chmod, path), mode);
}
Op fchmod(int slot, uint32_t mode) { return with_mode(on_slot(Call::fchmod, slot), mode); }
Op chown(const std::string& path, uint32_t uid, uint32_t gid) {
  return with_owner(on_path(Call::chown, path), uid, gid);
}
Op lchown(const std::string& path, uint32_t uid, uint32_t gid) {
  return with_owner(on_path(Call::lchown, path), uid, gid);
}
Op set_times(const std::string& path, int64_t atime_ns, int64_t mtime_ns) {
  Op op = on_path(Call::set_times, path);
  op.atime_ns = atime_ns;
  op.mtime_ns = mtime_ns;
  return op;
}
Op set_xattr(const std::string& path, const std::string& name, const std::string& value,
             int flags) {
  Op op = with_flags(with_other(on_path(Call::set_xattr, path), name), flags);
  op.value = value;
  return op;
}
Op get_xattr(const std::string& path, const std::string& name) {
  return with_other(on_path(Call::get_xattr, path), name);
}
Op list_xattrs(const std::string& path) { return on_path(Call::list_xattrs, path); }
Op remove_xattr(const std::string& path, const std::string& name) {
  return with_other(on_path(Call::remove_xattr, path), name);
}
Op map_write(int slot, int64_t offset, int64_t length) {
  return on_range(Call::map_write, slot, offset, length);
}
Op copy_range(int from, int64_t offset, int to, int64_t to_offset, int64_t length) {
  Op op = on_range(Call::copy_range, from, offset, length);
  op.other_slot = to;
  op.to_offset = to_offset;
  return op;
}
Op seek(int slot, int whence, int64_t offset) {
  return with_mode(on_range(Call::seek, slot, offset, 0), static_cast<uint32_t>(whence));
}
Op sync(int slot) { return on_slot(Call::sync, slot); }
Op flock(int slot, int operation) { return with_flags(on_slot(Call::flock, slot), operation); }
Op lock_range(int slot, int type, int64_t offset, int64_t length) {
  return with_mode(on_range(Call::lock_range, slot, offset, length), static_cast<uint32_t>(type));
}
Op list(const std::string& path) { return on_path(Call::list, path); }
Op stat(const std::string& path) { return on_path(Call::stat, path); }
Op stat_open_file(int slot) { return on_slot(Call::stat_open_file, slot); }
Op access(const std::string& path, int mode) {
  return with_mode(on_path(Call::access, path), static_cast<uint32_t>(mode));
}
Op set_umask(uint32_t mask) { return with_mode(on_slot(Call::set_umask, 0), mask); }
Op read_all(const std::string& path) { return on_path(Call::read_all, path); }

std::vector<Op> make_file(const std::string& path, int64_t size, uint32_t mode) {
  constexpr int kSlot = kSlots - 1;
  return {open(kSlot, path, O_RDWR | O_CREAT | O_TRUNC, mode), write(kSlot, 0, size), close(kSlot)};
}

std::vector<Difference> compare(Machine& native, Machine& mount, const std::vector<Op>& ops,
                                Counts& counts, const std::function<void()>& before_each) {
  std::vector<Difference> differences;
  for (size_t step = 0; step < ops.size(); ++step) {
    const Op& op = ops[step];
    const std::string expected = native.perform(op);
    before_each();
    const std::string found = mount.perform(op);
    Count& count = counts[static_cast<size_t>(op.call)];
    ++count.ran;
    // An errno's name begins with a capital E, and nothing else that is told does.
    if (!expected.empty() && expected.front() != 'E') ++count.succeeded;
    if (expected == found) continue;
    differences.push_back({step, fmt::format("step {}: {}\n  native: {}\n  mount:  {}", step,
                                             describe(op), expected, found)});
  }
  const auto expected = native.tree();
  const auto found = mount.tree();
  for (const auto& [path, text] : expected) {
    const auto it = found.find(path);
    if (it != found.end() && it->second == text) continue;
    differences.push_back({ops.size(), fmt::format("tree: '{}'\n  native: {}\n  mount:  {}", path,
                                                   text, it == found.end() ? "-" : it->second)});
  }
  for (const auto& [path, text] : found) {
    if (!expected.contains(path))
      differences.push_back(
          {ops.size(), fmt::format("tree: '{}' only in the mount: {}", path, text)});
  }
  return differences;
}

}  // namespace tierhub::test::conformance
