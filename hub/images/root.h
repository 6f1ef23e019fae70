// The folder below which everything is: paths of the namespace, and the files behind them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/result.h"
#include "common/unique_fd.h"
#include "formats/file_tree.h"

namespace tierhub::hub {

// Immutable; any thread.
class Root {
 public:
  static Result<Root> open(const std::string& folder);

  // The path of the namespace ("/brain42/scan.tif") without links and "..". An error if there is
  // nothing, or if it lies outside, which a link may say. What is there may be changed at any time
  // after: open what was found with open_file() or open_tree().
  Result<std::string> resolve(const std::string& path) const;
  // Opens what resolve() has found. No link is followed: one that somebody has put there since is an
  // error (ELOOP), so that nobody is shown what lies elsewhere.
  Result<UniqueFd> open_file(const std::string& resolved, int flags) const;
  Result<std::shared_ptr<const formats::PosixTree>> open_tree(
      const std::string& resolved,
      formats::PosixTree::Descriptors descriptors = formats::PosixTree::Descriptors::kept) const;
  // The file or folder behind a path of the namespace.
  std::string absolute(const std::string& path) const;

 private:
  Root(std::string folder, UniqueFd fd) : folder_(std::move(folder)), fd_(std::move(fd)) {}

  std::string folder_;  // without links; empty: "/"
  UniqueFd fd_;
};

// "/a/b" of "a", "b". An error unless each is a name: not empty, "." or "..", and without "/".
Result<std::string> join_names(const std::vector<std::string>& names);
// What is in a path that begins with "/": of "/a/b" "a", "b".
std::vector<std::string> names_of(const std::string& path);
// "/a" of "/a/b", "/" of "/a".
std::string folder_of(const std::string& path);
// "b" of "/a/b".
std::string name_of(const std::string& path);
// "/a/b" of "/a" and "b".
std::string path_in(const std::string& folder, const std::string& name);

}  // namespace tierhub::hub
