// Images for tests that are not in a file system, and trees that count.
#pragma once

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/guarded.h"
#include "common/interval_set.h"
#include "formats/image.h"

namespace tierhub::test {

// Files in memory. `file` is the one that is opened; empty: the folder.
class MemoryTree : public formats::FileTree {
 public:
  MemoryTree(std::string file, std::map<std::string, std::string> files)
      : file_(std::move(file)), files_(std::move(files)) {}

  const std::string& path() const override { return path_; }
  const std::string& file() const override { return file_; }
  Result<std::optional<uint64_t>> size_of(const std::string& path) const override {
    const auto it = files_.find(path);
    return it == files_.end() ? std::nullopt : std::optional<uint64_t>(it->second.size());
  }
  Result<size_t> read_at(const std::string& path, std::span<std::byte> buffer,
                         uint64_t offset_bytes) const override {
    const auto it = files_.find(path);
    if (it == files_.end()) return Error(std::errc::no_such_file_or_directory, path);
    if (offset_bytes >= it->second.size()) return size_t{0};
    const size_t size =
        std::min(buffer.size(), it->second.size() - static_cast<size_t>(offset_bytes));
    std::memcpy(buffer.data(), it->second.data() + offset_bytes, size);
    return size;
  }
  Result<std::vector<std::string>> list(const std::string& folder) const override {
    std::vector<std::string> names;
    const std::string prefix = folder.empty() ? "" : folder + "/";
    for (const auto& [path, bytes] : files_) {
      if (!path.starts_with(prefix)) continue;
      std::string name = path.substr(prefix.size());
      name.resize(std::min(name.find('/'), name.size()));
      if (names.empty() || names.back() != name) names.push_back(name);
    }
    return names;
  }

 private:
  std::string path_ = "image";
  std::string file_;
  std::map<std::string, std::string> files_;
};

inline Result<std::unique_ptr<formats::Image>> open_bytes(std::string bytes) {
  return formats::Image::open(std::make_shared<MemoryTree>(
      "image", std::map<std::string, std::string>{{"image", std::move(bytes)}}));
}

// Counts which bytes of another tree are read.
class CountingTree : public formats::FileTree {
 public:
  using Counted = std::map<std::string, IntervalSet>;

  explicit CountingTree(std::shared_ptr<const formats::FileTree> inner)
      : inner_(std::move(inner)) {}
  const std::string& path() const override { return inner_->path(); }
  const std::string& file() const override { return inner_->file(); }
  Result<std::optional<uint64_t>> size_of(const std::string& path) const override {
    return inner_->size_of(path);
  }
  Result<size_t> read_at(const std::string& path, std::span<std::byte> buffer,
                         uint64_t offset_bytes) const override {
    TRY_ASSIGN(const size_t got, inner_->read_at(path, buffer, offset_bytes));
    if (got > 0)
      counted_.with([&](Counted& all) { all[path].add(offset_bytes, offset_bytes + got); });
    return got;
  }
  Result<std::vector<std::string>> list(const std::string& folder) const override {
    return inner_->list(folder);
  }
  // What was read since the last call.
  Counted take() const {
    return counted_.with([](Counted& all) { return std::exchange(all, {}); });
  }

 private:
  const std::shared_ptr<const formats::FileTree> inner_;
  mutable Guarded<Counted> counted_;
};

}  // namespace tierhub::test
