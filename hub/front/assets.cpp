#include "hub/front/assets.h"

#include <filesystem>

#include <fcntl.h>

#include <fmt/format.h>

#include "common/posix.h"

namespace tierhub::hub {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMaxBytes = 64 << 20;

// Empty: files of this kind are not part of a page.
std::string content_type_of(const fs::path& path) {
  static const std::map<std::string, std::string> types = {
      {".html", "text/html; charset=utf-8"},
      {".js", "text/javascript; charset=utf-8"},
      {".css", "text/css; charset=utf-8"},
      {".svg", "image/svg+xml"},
      {".png", "image/png"},
      {".ico", "image/x-icon"},
      {".json", "application/json"},
      {".woff2", "font/woff2"},
      {".txt", "text/plain; charset=utf-8"},
      {".wasm", "application/wasm"},
      {".webmanifest", "application/manifest+json"}};
  const auto found = types.find(path.extension());
  return found == types.end() ? "" : found->second;
}

}  // namespace

Result<Assets> Assets::load(const std::string& folder) {
  Assets assets;
  uint64_t bytes = 0;
  std::error_code error;
  for (const auto& entry : fs::recursive_directory_iterator(folder, error)) {
    const std::string path = "/" + entry.path().lexically_relative(folder).string();
    if (path.find("/.") != std::string::npos) continue;  // of the build, no part of the page
    const std::string type = content_type_of(entry.path());
    if (!entry.is_regular_file(error) || type.empty()) continue;
    bytes += entry.file_size(error);
    if (bytes > kMaxBytes)
      return Error(std::errc::file_too_large, folder + " has more than the files of a page");
    TRY_ASSIGN(std::string content, posix::read_file(entry.path()));
    assets.by_path_[path] = Asset{type, std::move(content)};
  }
  const auto index = assets.by_path_.find("/index.html");
  if (index == assets.by_path_.end()) {
    return Error(std::errc::no_such_file_or_directory,
                 fmt::format("there is no page in {}: build it with scripts/build.sh, or name its "
                             "folder with --page",
                             folder));
  }
  assets.by_path_["/"] = index->second;
  return assets;
}

std::optional<http::Response> Assets::find(const std::string& path) const {
  const auto found = by_path_.find(path);
  if (found == by_path_.end()) return std::nullopt;
  http::Response response;
  response.content_type = found->second.content_type;
  response.body = found->second.bytes;
  const bool keeps_its_name = !path.starts_with("/assets/");
  response.headers.emplace_back(
      "Cache-Control", keeps_its_name ? "no-cache" : "public, max-age=31536000, immutable");
  return response;
}

}  // namespace tierhub::hub
