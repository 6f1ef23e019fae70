#include "daemon/namespace_walk.h"

#include <algorithm>
#include <sstream>

namespace tierhub {
namespace {

constexpr size_t kEntriesPerRead = 1000;

Error denied(const std::string& path, const std::string& what) {
  return Error(std::errc::permission_denied, fmt::format("{}: you may not {} it", path, what));
}

std::string join(const std::string& folder, const std::string& name) {
  return folder == "/" ? "/" + name : folder + "/" + name;
}

}  // namespace

bool may(const api::Caller& caller, const Attributes& attributes, Access access) {
  if (caller.uid == 0) return true;
  const auto wanted = static_cast<uint32_t>(access);
  const bool in_group =
      caller.gid == attributes.gid ||
      std::find(caller.groups.begin(), caller.groups.end(), attributes.gid) != caller.groups.end();
  const int shift = caller.uid == attributes.uid ? 6 : in_group ? 3 : 0;
  return (attributes.mode >> shift & wanted) == wanted;
}

Result<std::string> NamespaceWalk::normalise(const std::string& path) const {
  if (path.empty() || path.front() != '/') {
    return Error(
        std::errc::invalid_argument,
        fmt::format(
            "'{}' is not an absolute path: give it from the root of the namespace, or in {}", path,
            mount_));
  }
  std::string_view rest = path;
  if (rest == mount_ || rest.starts_with(mount_ + "/")) rest.remove_prefix(mount_.size());
  std::string result;
  std::istringstream parts{std::string(rest)};
  for (std::string part; std::getline(parts, part, '/');) {
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      result.resize(result.rfind('/') == std::string::npos ? 0 : result.rfind('/'));
    } else {
      result += "/" + part;
    }
  }
  return result.empty() ? "/" : result;
}

Result<FoundNode> NamespaceWalk::resolve(const api::Caller& caller, const std::string& path) const {
  TRY_ASSIGN(const std::string normal, normalise(path));
  FoundNode node{kRootInode, {}, "/"};
  TRY_ASSIGN(const auto root, catalog_.inode(kRootInode));
  node.record = *root;
  std::istringstream parts(normal.substr(1));
  for (std::string name; std::getline(parts, name, '/');) {
    if (node.record.attributes.kind == FileKind::symlink) {
      return Error(std::errc::too_many_symbolic_link_levels,
                   node.path + " is a symbolic link: name its target instead");
    }
    if (node.record.attributes.kind != FileKind::directory)
      return Error(std::errc::not_a_directory, node.path + " is not a folder");
    if (!may(caller, node.record.attributes, Access::traverse)) return denied(node.path, "enter");
    node.path = join(node.path, name);
    TRY_ASSIGN(const auto inode, catalog_.lookup(node.inode, name));
    if (!inode) return Error(std::errc::no_such_file_or_directory, node.path + " does not exist");
    TRY_ASSIGN(auto record, catalog_.inode(*inode));
    if (!record) return Error(std::errc::no_such_file_or_directory, node.path + " was removed");
    node.inode = *inode;
    node.record = *std::move(record);
  }
  return node;
}

Result<std::vector<FoundNode>> NamespaceWalk::read_folder(const api::Caller& caller,
                                                          const FoundNode& folder) const {
  if (!may(caller, folder.record.attributes, Access::read) ||
      !may(caller, folder.record.attributes, Access::traverse)) {
    return denied(folder.path, "list");
  }
  std::vector<FoundNode> children;
  DirectoryEntry last;
  for (;;) {
    TRY_ASSIGN(const auto entries,
               catalog_.list(folder.inode, last.cookie, last.name, kEntriesPerRead));
    for (const DirectoryEntry& entry : entries) {
      TRY_ASSIGN(auto record, catalog_.inode(entry.inode));
      if (record)
        children.push_back({entry.inode, *std::move(record), join(folder.path, entry.name)});
      last = entry;
    }
    if (entries.size() < kEntriesPerRead) return children;
  }
}

Result<void> NamespaceWalk::children(
    const api::Caller& caller, const FoundNode& folder,
    const std::function<Result<bool>(const FoundNode&)>& visit) const {
  if (folder.record.attributes.kind != FileKind::directory) {
    TRY(visit(folder));
    return {};
  }
  TRY_ASSIGN(const auto nodes, read_folder(caller, folder));
  for (const FoundNode& node : nodes) {
    TRY_ASSIGN(const bool go_on, visit(node));
    if (!go_on) return {};
  }
  return {};
}

Result<void> NamespaceWalk::walk(const api::Caller& caller, const FoundNode& start,
                                 const std::function<Result<bool>(const FoundNode&)>& visit) const {
  std::vector<FoundNode> todo{start};
  while (!todo.empty()) {
    const FoundNode node = std::move(todo.back());
    todo.pop_back();
    TRY_ASSIGN(const bool go_on, visit(node));
    if (!go_on) return {};
    if (node.record.attributes.kind != FileKind::directory) continue;
    TRY_ASSIGN(auto children, read_folder(caller, node));
    todo.insert(todo.end(), std::make_move_iterator(children.rbegin()),
                std::make_move_iterator(children.rend()));
  }
  return {};
}

}  // namespace tierhub
