// Resolves `input.dataset` to the paths that it names.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace tierhub::compute {

// Where paths begin.
struct Places {
  std::string root;   // of relative paths: the mount, or the folder that holds the jobs folder
  std::string mount;  // of the namespace; empty without tierd

  std::string absolute(std::string_view path) const;
  // The path in the namespace of something in the mount; nothing if it lies outside.
  std::optional<std::string> in_namespace(std::string_view absolute_path) const;
};

struct FoundPaths {
  std::vector<std::string> paths;     // sorted
  std::vector<std::string> dangling;  // links that match, but whose targets do not exist
};

// The paths that a pattern means: *, ?, [...] within a name, ** for any folders. A path that exists
// as it is written is itself. An error that names the pattern if there is none.
Result<FoundPaths> find_paths(const std::string& absolute_pattern);

// The folders of a pattern before the first that is not a plain name; "/" if there is none.
std::string fixed_part_of(const std::string& pattern);
std::string folder_of(const std::string& path);
// By its text alone, without "..".
std::string path_without_dots(const std::string& path);
// The deepest folder that holds both.
std::string common_folder(const std::string& a, const std::string& b);

bool is_folder(const std::string& path);
bool is_dangling(const std::string& path);
// What a link says.
std::string target_of(const std::string& link);
// The names in a folder, sorted.
Result<std::vector<std::string>> list_folder(const std::string& path);
// "cannot read the input ...".
Error cannot_read(const std::string& path, int errno_value);

}  // namespace tierhub::compute
