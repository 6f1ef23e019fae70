// The files of the page, as they were built.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "common/result.h"
#include "http/message.h"

namespace tierhub::hub {

// Immutable; any thread.
class Assets {
 public:
  // Reads all files of a folder, at most 64 MiB together. An error says how to build the page.
  static Result<Assets> load(const std::string& folder);

  // The file at a path ("/assets/main-1a2b.js"; "/" is index.html), or nothing. Files below
  // /assets/ have names that change with their content: browsers keep them.
  std::optional<http::Response> find(const std::string& path) const;

 private:
  struct Asset {
    std::string content_type;
    std::string bytes;
  };
  std::map<std::string, Asset> by_path_;
};

}  // namespace tierhub::hub
