#include "tools/tierctl/paths.h"

#include <filesystem>

namespace tierhub::tierctl {
namespace {

namespace fs = std::filesystem;

std::string without_slash_at_end(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

Result<std::string> absolute_path(const std::string& path) {
  if (path.empty()) return Error(std::errc::invalid_argument, "a path is empty");
  std::error_code error;
  fs::path full = fs::path(path).is_absolute() ? fs::path(path) : fs::current_path(error) / path;
  if (error) return Error(error, "find the current folder: " + error.message());
  return without_slash_at_end(full.lexically_normal().string());
}

// The path with the links of its folders followed; the path itself if that is not possible.
std::string follow_links(const std::string& path) {
  std::error_code error;
  fs::path folder = fs::canonical(fs::path(path).parent_path(), error);
  if (error) return path;
  return (folder / fs::path(path).filename()).string();
}

}  // namespace

bool is_within(const std::string& path, const std::string& folder) {
  if (folder.empty()) return false;
  return path == folder || folder == "/" || path.starts_with(folder + "/");
}

Result<std::vector<std::string>> resolve_paths(const api::Client& client,
                                               const std::vector<std::string>& paths) {
  std::vector<std::string> resolved;
  std::string mount;
  for (const std::string& typed : paths) {
    TRY_ASSIGN(std::string path, absolute_path(typed));
    std::string real = follow_links(path);
    if (real != path && mount.empty()) {
      TRY_ASSIGN(auto status, client.status());
      mount = without_slash_at_end(status.mount);
    }
    resolved.push_back(real != path && is_within(real, mount) ? real : path);
  }
  return resolved;
}

Result<std::string> usual_folder(const api::Client& client) {
  TRY_ASSIGN(auto status, client.status());
  std::error_code error;
  std::string here = fs::current_path(error).string();
  return !error && is_within(here, without_slash_at_end(status.mount)) ? here : "/";
}

}  // namespace tierhub::tierctl
