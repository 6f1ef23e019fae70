// The files of an image, of which only those bytes are read that are on the SSD, where nobody may
// wait: some formats read metadata when they are asked where a region lies (a series opens the file).
// And they may change: their stamps have what tierd knows of writes.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "formats/file_tree.h"
#include "hub/images/tiers.h"

namespace tierhub::hub {

// While it exists, reads of this thread through any WarmTree do not wait for the archive: what is
// missing is asked for, and the read fails with errc::resource_unavailable_try_again.
class NoWaiting {
 public:
  NoWaiting();
  ~NoWaiting();
  NoWaiting(const NoWaiting&) = delete;
  NoWaiting& operator=(const NoWaiting&) = delete;
  static bool applies();
};

// The same, but what is missing is not asked for.
class NoFetching {
 public:
  NoFetching();
  ~NoFetching();
  NoFetching(const NoFetching&) = delete;
  NoFetching& operator=(const NoFetching&) = delete;
};

// While it exists, files are looked at once by this thread through any WarmTree: what a request needs to
// know of a file is what the file was like at its beginning, or before. The outermost one counts.
class OneLook {
 public:
  OneLook();
  ~OneLook();
  OneLook(const OneLook&) = delete;
  OneLook& operator=(const OneLook&) = delete;

 private:
  friend class WarmTree;
  using Stamps = std::map<std::pair<const void*, std::string>, formats::FileStamp>;
  Stamps stamps_;
};

// Passes every call on to another tree.
class WarmTree : public formats::FileTree {
 public:
  // `folder`: that of the tree, in the namespace.
  WarmTree(std::shared_ptr<const formats::FileTree> inner, std::string folder,
           std::shared_ptr<Tiers> tiers)
      : inner_(std::move(inner)), folder_(std::move(folder)), tiers_(std::move(tiers)) {}

  const std::string& path() const override { return inner_->path(); }
  const std::string& file() const override { return inner_->file(); }
  Result<std::optional<uint64_t>> size_of(const std::string& path) const override {
    return inner_->size_of(path);
  }
  Result<size_t> read_at(const std::string& path, std::span<std::byte> buffer,
                         uint64_t offset_bytes) const override;
  Result<std::vector<std::string>> list(const std::string& folder) const override {
    return inner_->list(folder);
  }
  Result<void> prepare(const std::vector<std::string>& paths) const override {
    return inner_->prepare(paths);
  }
  bool follows_changes() const override { return true; }
  Result<std::vector<formats::FileStamp>> stamps_of(
      const std::vector<std::string>& paths) const override;
  Result<bool> read_whole(const std::string& path, uint64_t limit_bytes,
                          std::string& into) const override;

 private:
  Result<std::vector<formats::FileStamp>> look_at(const std::vector<std::string>& paths) const;
  // An error if they are in the archive, and nobody may wait for it.
  Result<void> check(const std::string& path, std::vector<ByteRange> ranges) const;

  const std::shared_ptr<const formats::FileTree> inner_;
  const std::string folder_;
  const std::shared_ptr<Tiers> tiers_;
};

}  // namespace tierhub::hub
