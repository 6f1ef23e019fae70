// Where images are read from: the files of one folder, by their path relative to it. An interface,
// so that tests and remote callers can supply bytes that are not in a folder.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "common/guarded.h"
#include "common/result.h"
#include "common/unique_fd.h"

namespace tierhub::formats {

// A file as it was when it was looked at. While two stamps of a file are equal, and settled, so are its
// bytes.
struct FileStamp {
  bool exists = false;
  uint64_t device = 0;
  uint64_t inode = 0;
  uint64_t size_bytes = 0;
  int64_t mtime_ns = 0;
  int64_t ctime_ns = 0;
  // tierd's count of opens for writing; 0: not known.
  uint64_t generation = 0;
  // False: it changed a moment ago or is open for writing, so it may change again without a trace.
  bool is_settled = true;
  bool operator==(const FileStamp&) const = default;
};

// Thread-safe for concurrent calls.
class FileTree {
 public:
  virtual ~FileTree() = default;

  // What was opened, for texts.
  virtual const std::string& path() const = 0;
  // The file that was opened, relative to the tree; empty if the folder itself was. The other files
  // of the folder may belong to the same image.
  virtual const std::string& file() const = 0;
  bool is_folder() const { return file().empty(); }
  // The size of a regular file in bytes, or nothing if there is none at `path`.
  virtual Result<std::optional<uint64_t>> size_of(const std::string& path) const = 0;
  // Fills `buffer` from `offset_bytes`; returns how many bytes there were. A file that does not
  // exist is an error of code no_such_file_or_directory.
  virtual Result<size_t> read_at(const std::string& path, std::span<std::byte> buffer,
                                 uint64_t offset_bytes) const = 0;
  // The names in a folder, sorted; none if there is no such folder. An error if there are more than
  // kMaxNames.
  static constexpr size_t kMaxNames = 1'000'000;
  virtual Result<std::vector<std::string>> list(const std::string& folder) const = 0;

  // The beginnings of these files will be read soon: a tree whose files come from far away fetches
  // all of them at once.
  virtual Result<void> prepare(const std::vector<std::string>& paths) const;

  // True if files may change while the tree is open, and whoever keeps what was read must compare
  // stamps. False: what was read once is as good as what is there.
  virtual bool follows_changes() const { return false; }
  // What the files are like now, in their order. A file that does not exist has a stamp, too.
  virtual Result<std::vector<FileStamp>> stamps_of(const std::vector<std::string>& paths) const;

  // Reads a whole file into `into`, whose memory is used again; false if there is none. An error if
  // it is larger than `limit_bytes`.
  virtual Result<bool> read_whole(const std::string& path, uint64_t limit_bytes,
                                  std::string& into) const;
  // The same for a small file, or nothing if there is none.
  Result<std::optional<std::string>> read_small(const std::string& path,
                                                uint64_t limit_bytes) const;
};

// The files of a folder in a POSIX file system. Only regular files are opened, so a pipe cannot
// hang the reader. Links are followed only inside the folder, so that an image cannot name a file
// elsewhere; the file that was opened may be a link to anywhere.
class PosixTree : public FileTree {
 public:
  // Whether a file that another one has taken the place of goes on being read, but for the file that
  // was opened. `checked` costs a look at the name for each read.
  enum class Descriptors { kept, checked };
  // `path` is a folder, or a file in its folder.
  static Result<std::shared_ptr<const PosixTree>> open(const std::string& path,
                                                       Descriptors descriptors = Descriptors::kept);
  // The same for a path below the folder `root` that has no links: on the way none is followed, also if
  // somebody has put one there just now. `shown` is the path in texts.
  static Result<std::shared_ptr<const PosixTree>> open_beneath(
      int root, const std::string& path, const std::string& shown,
      Descriptors descriptors = Descriptors::kept);

  const std::string& path() const override { return path_; }
  const std::string& file() const override { return file_; }
  Result<std::optional<uint64_t>> size_of(const std::string& path) const override;
  Result<size_t> read_at(const std::string& path, std::span<std::byte> buffer,
                         uint64_t offset_bytes) const override;
  Result<std::vector<std::string>> list(const std::string& folder) const override;
  Result<bool> read_whole(const std::string& path, uint64_t limit_bytes,
                          std::string& into) const override;
  Result<std::vector<FileStamp>> stamps_of(const std::vector<std::string>& paths) const override;

 private:
  using SharedFd = std::shared_ptr<const UniqueFd>;
  PosixTree(std::string path, std::string file, UniqueFd folder, SharedFd opened,
            Descriptors descriptors)
      : descriptors_(descriptors),
        path_(std::move(path)),
        file_(std::move(file)),
        folder_(std::move(folder)),
        opened_(std::move(opened)) {}
  Result<UniqueFd> open_regular(const std::string& path) const;
  Result<SharedFd> descriptor_of(const std::string& path) const;
  // False: another file has the name now, or none.
  bool is_there(const std::string& path, int fd) const;

  const Descriptors descriptors_;
  const std::string path_;
  const std::string file_;
  const UniqueFd folder_;
  const SharedFd opened_;  // of file_
  // Those that were read last.
  mutable Guarded<std::list<std::pair<std::string, SharedFd>>> recent_;
};

}  // namespace tierhub::formats
