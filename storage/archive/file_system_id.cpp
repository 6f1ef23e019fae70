#include "storage/archive/file_system_id.h"

#include <algorithm>
#include <span>
#include <utility>

#include <fmt/format.h>

#include "catalog/catalog.h"
#include "common/bytes.h"
#include "common/hash.h"
#include "storage/archive/entry.h"

namespace tierhub {
namespace {

constexpr char kMark = '@';
constexpr size_t kKindBytes = 1 + sizeof(uint64_t);  // kind and inode number

int digit_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

bool is_nested(const Identity& identity) {
  return identity.bytes.size() >= kKindBytes + kFileSystemIdBytes &&
         (identity.bytes[0] == kNestedHandleTag || identity.bytes[0] == kNestedInodeTag);
}

std::string_view bytes_of(const Identity& identity) {
  return std::string_view(identity.bytes).substr(kKindBytes, kFileSystemIdBytes);
}

// The identity that the file would have in the file system of the root.
std::string without_file_system(const Identity& identity) {
  if (!is_nested(identity)) return identity.bytes;
  std::string bytes = identity.bytes;
  bytes.erase(kKindBytes, kFileSystemIdBytes);
  bytes[0] = bytes[0] == kNestedHandleTag ? static_cast<char>(IdentityKind::handle)
                                          : static_cast<char>(IdentityKind::inode_and_birth_time);
  return bytes;
}

// Ids that are made up begin with a zero byte, which no other does.
bool is_provisional(std::string_view bytes) { return bytes[0] == '\0'; }

}  // namespace

std::string file_system_bytes(const FileSystemId& id) {
  if (id.size() != 2 * kFileSystemIdBytes) return {};
  std::string bytes;
  for (size_t i = 0; i < id.size(); i += 2) {
    const int high = digit_of(id[i]);
    const int low = digit_of(id[i + 1]);
    if (high < 0 || low < 0) return {};
    bytes.push_back(static_cast<char>(high << 4 | low));
  }
  return bytes;
}

FileSystemId file_system_id(std::string_view bytes) {
  FileSystemId id;
  for (const char byte : bytes) id += fmt::format("{:02x}", static_cast<uint8_t>(byte));
  return id;
}

FileSystemId provisional_file_system_id(std::string_view path) {
  const Checksum hash = checksum(std::as_bytes(std::span(path.data(), path.size())));
  std::string bytes = ByteWriter().u64(hash.high).u64(hash.low).take();
  bytes[0] = '\0';
  return file_system_id(bytes);
}

FileSystemId file_system_of(const Identity& identity) {
  return is_nested(identity) ? file_system_id(bytes_of(identity)) : FileSystemId();
}

bool was_marked_since(const Identity& before, const Identity& now) {
  if (!is_nested(now) || is_provisional(bytes_of(now))) return false;
  if (is_nested(before) && !is_provisional(bytes_of(before))) return false;
  return without_file_system(before) == without_file_system(now);
}

std::string name_on(const FileSystemId& file_system, std::string_view name) {
  return file_system.empty() ? std::string(name) : fmt::format("{}{}{}", name, kMark, file_system);
}

PrivateName split_private_name(std::string_view name) {
  const size_t mark = name.rfind(kMark);
  if (mark == std::string_view::npos) return {std::string(name), {}};
  const std::string id(name.substr(mark + 1));
  if (file_system_bytes(id).empty()) return {std::string(name), {}};
  return {std::string(name.substr(0, mark)), id};
}

std::string with_suffix(const std::string& private_name, std::string_view suffix) {
  const PrivateName split = split_private_name(private_name);
  return name_on(split.file_system, fmt::format("{}{}", split.name, suffix));
}

std::optional<NestedPath> nested_path(const std::string& path) {
  const std::string start = std::string(kPrivateFolder) + "/";
  if (!path.starts_with(start)) return std::nullopt;
  const size_t name = path.find('/', start.size());
  if (name == std::string::npos) return std::nullopt;
  const size_t end = std::min(path.find('/', name + 1), path.size());
  PrivateName split = split_private_name(path.substr(name + 1, end - name - 1));
  if (split.file_system.empty()) return std::nullopt;
  return NestedPath{std::move(split.file_system), path.substr(0, name),
                    split.name + path.substr(end)};
}

// What is not in base yet is where its folder is: nothing moves from one to another.
Result<FileSystemId> file_system_of(const Catalog& catalog, InodeNumber inode) {
  while (inode != kRootInode) {
    TRY_ASSIGN(const auto version, catalog.version(inode));
    if (version) return file_system_of(version->identity);
    TRY_ASSIGN(const auto names, catalog.names(inode));
    if (names.empty()) break;
    inode = names.front().parent;
  }
  return FileSystemId();
}

Result<bool> is_mount_point(const Catalog& catalog, InodeNumber folder) {
  TRY_ASSIGN(const auto version, catalog.version(folder));
  if (!version || file_system_of(version->identity).empty()) return false;
  TRY_ASSIGN(const auto names, catalog.names(folder));
  if (names.empty()) return false;
  TRY_ASSIGN(const FileSystemId around, file_system_of(catalog, names.front().parent));
  return around != file_system_of(version->identity);
}

}  // namespace tierhub
