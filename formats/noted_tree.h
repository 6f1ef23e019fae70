// Notes which bytes of a tree are read: those are the metadata of an image.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/interval_set.h"
#include "formats/file_tree.h"

namespace tierhub::formats {

// Bytes of one file of a tree.
struct FileRange {
  static constexpr uint64_t kToEnd = UINT64_MAX;
  std::string path;
  uint64_t offset_bytes = 0;
  // kToEnd: the whole file, if there is one.
  uint64_t size_bytes = kToEnd;
  bool operator==(const FileRange&) const = default;
};

// Passes every call on to another tree.
class NotedTree : public FileTree {
 public:
  explicit NotedTree(std::shared_ptr<const FileTree> inner) : inner_(std::move(inner)) {}

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
  bool follows_changes() const override { return inner_->follows_changes(); }
  Result<std::vector<FileStamp>> stamps_of(const std::vector<std::string>& paths) const override {
    return inner_->stamps_of(paths);
  }
  Result<bool> read_whole(const std::string& path, uint64_t limit_bytes,
                          std::string& into) const override;

  const std::shared_ptr<const FileTree>& inner() const { return inner_; }
  // What has been read so far, sorted by path and offset; gaps of less than a page are filled.
  std::vector<FileRange> noted() const;

 private:
  void note(const std::string& path, uint64_t offset_bytes, uint64_t size_bytes) const;

  const std::shared_ptr<const FileTree> inner_;
  mutable Guarded<std::map<std::string, IntervalSet>> noted_;
};

}  // namespace tierhub::formats
