// Files and trees of files: made, read and compared by tests, in the mount as in the archive.
// What cannot be done throws std::runtime_error.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <sys/stat.h>

namespace tierhub::test {

// The same bytes for the same seed, and hardly a repeated one.
std::string random_bytes(uint64_t size, uint64_t seed);

// A new file, or new content for an old one (O_TRUNC).
void write_file(const std::string& path, std::string_view content, mode_t mode = 0644);
void append_to_file(const std::string& path, std::string_view content);
void overwrite(const std::string& path, uint64_t offset_bytes, std::string_view content);
std::string read_file(const std::string& path);
std::string read_range(const std::string& path, uint64_t offset_bytes, uint64_t size_bytes);
// Throws with errno's text if `result` is negative.
void check(long result, std::string_view action);

// All that the archive must hold of a tree: path from its root -> kind, mode, owner, size, mtime,
// extended attributes, link target, content, and which other names the file has.
using Tree = std::map<std::string, std::string>;
// `.tierhub` at the root is left out.
Tree describe_tree(const std::string& root);
// One line for each difference; empty: the trees are equal.
std::vector<std::string> differences(const Tree& expected, const Tree& actual);

}  // namespace tierhub::test
