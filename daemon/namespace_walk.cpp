#include "daemon/namespace_walk.h"

#include <algorithm>
#include <deque>

#include "common/access_list.h"

namespace tierhub {
namespace {

constexpr size_t kEntriesPerRead = 1000;
constexpr int kMostLinks = 40;  // as the kernel follows

Error denied(const std::string& path, const std::string& what) {
  return Error(std::errc::permission_denied, fmt::format("{}: you may not {} it", path, what));
}

bool is_folder(const FoundNode& node) { return node.record.attributes.kind == FileKind::directory; }

std::deque<std::string> components_of(std::string_view path) {
  std::deque<std::string> components;
  while (!path.empty()) {
    const size_t end = std::min(path.find('/'), path.size());
    if (end > 0) components.emplace_back(path.substr(0, end));
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return components;
}

}  // namespace

std::string NamespaceWalk::child_path(const std::string& folder, const std::string& name) {
  return folder == "/" ? "/" + name : folder + "/" + name;
}

Result<bool> NamespaceWalk::may(const api::Caller& caller, const FoundNode& node,
                                Access access) const {
  std::optional<std::string> access_list;
  if (caller.uid != 0 && caller.uid != node.record.attributes.uid) {
    TRY_ASSIGN(access_list, catalog_.xattr(node.inode, kAccessListXattr));
  }
  auto allowed = tierhub::may(caller, node.record.attributes, access_list, access);
  if (!allowed) return allowed.error().in(node.path);
  return allowed;
}

Result<std::optional<FoundNode>> NamespaceWalk::child_of(const FoundNode& folder,
                                                         const std::string& name) const {
  TRY_ASSIGN(const auto inode, catalog_.lookup(folder.inode, name));
  if (!inode) return std::optional<FoundNode>();
  TRY_ASSIGN(auto record, catalog_.inode(*inode));
  if (!record) return std::optional<FoundNode>();
  return std::optional(FoundNode{*inode, *std::move(record), child_path(folder.path, name)});
}

// Walks a path one component at a time, as the kernel does: ".." is where the link led to, not
// where it stood.
class NamespaceWalk::Resolver {
 public:
  Resolver(const NamespaceWalk& walk, const api::Caller& caller) : walk_(walk), caller_(caller) {}

  Result<FoundNode> resolve(const std::string& path) {
    TRY(begin_at_root());
    todo_ = components_of(walk_.below_mount(path));
    while (!todo_.empty()) {
      const std::string name = std::move(todo_.front());
      todo_.pop_front();
      TRY(step(name));
    }
    return std::move(way_.back());
  }

 private:
  Result<void> begin_at_root() {
    TRY_ASSIGN(auto root, walk_.catalog_.inode(kRootInode));
    if (!root) return Error(std::errc::io_error, "the catalog has no root folder");
    way_.clear();
    way_.push_back({kRootInode, *std::move(root), "/"});
    return {};
  }

  Result<void> step(const std::string& name) {
    const FoundNode& folder = way_.back();
    if (!is_folder(folder))
      return Error(std::errc::not_a_directory, folder.path + " is not a folder");
    TRY_ASSIGN(const bool allowed, walk_.may(caller_, folder, Access::traverse));
    if (!allowed) return denied(folder.path, "enter");
    if (name == ".") return {};
    if (name == "..") return step_up();
    TRY_ASSIGN(auto child, walk_.child_of(folder, name));
    if (!child) {
      return Error(std::errc::no_such_file_or_directory,
                   child_path(folder.path, name) + " does not exist");
    }
    if (child->record.attributes.kind == FileKind::symlink) return follow(*child);
    way_.push_back(*std::move(child));
    return {};
  }

  Result<void> step_up() {
    if (way_.size() == 1)
      return Error(std::errc::cross_device_link, "the path points outside the namespace");
    way_.pop_back();
    return {};
  }

  Result<void> follow(const FoundNode& link) {
    if (++links_ > kMostLinks) {
      return Error(std::errc::too_many_symbolic_link_levels,
                   link.path + ": too many symbolic links");
    }
    const std::string& target = link.record.symlink_target;
    std::string_view rest = target;
    if (target.starts_with("/")) {
      rest = walk_.below_mount(target);
      if (rest.size() == target.size()) {
        return Error(std::errc::cross_device_link,
                     fmt::format("{} points outside the namespace, to {}", link.path, target));
      }
      TRY(begin_at_root());
    }
    const auto components = components_of(rest);
    todo_.insert(todo_.begin(), components.begin(), components.end());
    return {};
  }

  const NamespaceWalk& walk_;
  const api::Caller& caller_;
  std::vector<FoundNode> way_;  // from the root
  std::deque<std::string> todo_;
  int links_ = 0;
};

std::string_view NamespaceWalk::below_mount(std::string_view path) const {
  if (path == mount_ || path.starts_with(mount_ + "/")) path.remove_prefix(mount_.size());
  return path;
}

Result<FoundNode> NamespaceWalk::resolve(const api::Caller& caller, const std::string& path) const {
  if (!path.starts_with("/")) {
    return Error(
        std::errc::invalid_argument,
        fmt::format(
            "'{}' is not an absolute path: write it from the root of the namespace, or inside {}",
            path, mount_));
  }
  return Resolver(*this, caller).resolve(path);
}

Result<FoundNode> NamespaceWalk::Nearby::resolve(const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string name = slash == std::string::npos ? "" : path.substr(slash + 1);
  const bool is_special = name.empty() || name == "." || name == ".." || path == walk_.mount_;
  if (is_special) return walk_.resolve(caller_, path);
  if (std::string_view(path).substr(0, slash + 1) != text_) {
    text_ = path.substr(0, slash + 1);
    folder_.reset();
    auto folder = walk_.resolve(caller_, text_);
    if (folder && is_folder(*folder)) {
      TRY_ASSIGN(const bool allowed, walk_.may(caller_, *folder, Access::traverse));
      if (allowed) folder_ = *std::move(folder);
    }
  }
  if (folder_) {
    TRY_ASSIGN(auto child, walk_.child_of(*folder_, name));
    if (child && child->record.attributes.kind != FileKind::symlink) return *std::move(child);
  }
  // It follows the link, or says what is wrong.
  return walk_.resolve(caller_, path);
}

// A folder that is being listed.
struct NamespaceWalk::Level {
  FoundNode folder;
  DirectoryEntry last;                   // listed before
  std::deque<DirectoryEntry> read = {};  // and what comes next

  void go_on_behind(const std::string& name) { last = {name_hash(name), name, {}}; }
};

Result<NamespaceWalk::Level> NamespaceWalk::open_folder(const api::Caller& caller,
                                                        FoundNode folder) const {
  TRY_ASSIGN(const bool readable, may(caller, folder, Access::read));
  TRY_ASSIGN(const bool enterable, may(caller, folder, Access::traverse));
  if (!readable || !enterable) return denied(folder.path, "list");
  return Level{std::move(folder), {}};
}

Result<std::optional<FoundNode>> NamespaceWalk::next_of(Level& level) const {
  for (;;) {
    if (level.read.empty()) {
      TRY_ASSIGN(auto entries, catalog_.list(level.folder.inode, level.last.cookie, level.last.name,
                                             kEntriesPerRead));
      if (entries.empty()) return std::optional<FoundNode>();
      level.read.assign(std::make_move_iterator(entries.begin()),
                        std::make_move_iterator(entries.end()));
    }
    level.last = std::move(level.read.front());
    level.read.pop_front();
    TRY_ASSIGN(auto record, catalog_.inode(level.last.inode));
    if (!record) continue;  // removed in between
    return std::optional(FoundNode{level.last.inode, *std::move(record),
                                   child_path(level.folder.path, level.last.name)});
  }
}

// The folders from `start` to `after`, each to go on behind the entry that leads there. What is
// gone by now has a place all the same: the order is that of names.
Result<std::vector<NamespaceWalk::Level>> NamespaceWalk::levels_to(const api::Caller& caller,
                                                                   const FoundNode& start,
                                                                   const std::string& after) const {
  std::vector<Level> levels;
  std::optional<FoundNode> here = start;
  std::string_view rest = after;
  if (after != start.path && !after.starts_with(child_path(start.path, "")))
    return Error(std::errc::invalid_argument, after + " is not below " + start.path);
  rest.remove_prefix(std::min(start.path.size(), rest.size()));
  auto names = components_of(rest);
  while (here && is_folder(*here)) {
    TRY_ASSIGN(Level level, open_folder(caller, *std::move(here)));
    here.reset();
    if (!names.empty()) {
      level.go_on_behind(names.front());
      TRY_ASSIGN(here, child_of(level.folder, names.front()));
      names.pop_front();
    }
    levels.push_back(std::move(level));
  }
  return levels;
}

Result<void> NamespaceWalk::walk(const api::Caller& caller, const FoundNode& start,
                                 const std::string& after, const Visit& visit) const {
  if (after.empty()) {
    TRY_ASSIGN(const bool go_on, visit(start));
    if (!go_on) return {};
  }
  TRY_ASSIGN(auto levels, levels_to(caller, start, after.empty() ? start.path : after));
  while (!levels.empty()) {
    TRY_ASSIGN(auto node, next_of(levels.back()));
    if (!node) {
      levels.pop_back();
      continue;
    }
    TRY_ASSIGN(const bool go_on, visit(*node));
    if (!go_on) return {};
    if (!is_folder(*node)) continue;
    TRY_ASSIGN(Level below, open_folder(caller, *std::move(node)));
    levels.push_back(std::move(below));
  }
  return {};
}

Result<void> NamespaceWalk::children(const api::Caller& caller, const FoundNode& folder,
                                     const std::string& after, const Visit& visit) const {
  if (!is_folder(folder)) {
    if (!after.empty()) return {};
    TRY(visit(folder));
    return {};
  }
  TRY_ASSIGN(Level level, open_folder(caller, folder));
  if (!after.empty()) level.go_on_behind(after.substr(after.rfind('/') + 1));
  for (;;) {
    TRY_ASSIGN(const auto node, next_of(level));
    if (!node) return {};
    TRY_ASSIGN(const bool go_on, visit(*node));
    if (!go_on) return {};
  }
}

}  // namespace tierhub
