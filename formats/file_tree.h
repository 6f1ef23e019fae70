// Where formats reads metadata from: the files of one dataset, by their path relative to it. An
// interface, so that tests and remote callers can supply bytes that are not in a folder.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "common/result.h"

namespace tierhub::formats {

// Thread-safe for concurrent calls. The path "" is the dataset itself, if that is one file.
class FileTree {
 public:
  virtual ~FileTree() = default;

  // True if the dataset is a folder, false if it is one file.
  virtual bool is_folder() const = 0;
  // The size of a regular file in bytes, or nothing if there is none at `path`.
  virtual Result<std::optional<uint64_t>> size_of(const std::string& path) const = 0;
  // Fills `buffer` from `offset_bytes`; returns how many bytes there were.
  virtual Result<size_t> read_at(const std::string& path, std::span<std::byte> buffer,
                                 uint64_t offset_bytes) const = 0;

  // A whole small file, or nothing if there is none. An error if it is larger than `limit_bytes`.
  Result<std::optional<std::string>> read_small(const std::string& path,
                                                uint64_t limit_bytes) const;
};

// The files of a dataset in a POSIX file system. Only regular files are opened, so a pipe cannot
// hang the reader.
class PosixTree : public FileTree {
 public:
  // `root` is the dataset: a folder or a file.
  static Result<PosixTree> open(const std::string& root);

  bool is_folder() const override { return is_folder_; }
  Result<std::optional<uint64_t>> size_of(const std::string& path) const override;
  Result<size_t> read_at(const std::string& path, std::span<std::byte> buffer,
                         uint64_t offset_bytes) const override;
  // The path in the file system.
  std::string absolute(const std::string& path) const;

 private:
  PosixTree(std::string root, bool is_folder) : root_(std::move(root)), is_folder_(is_folder) {}

  std::string root_;
  bool is_folder_;
};

}  // namespace tierhub::formats
