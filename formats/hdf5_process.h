// libhdf5 in a process of its own, which reads one file. On some damaged files the library
// crashes, does not come to an end, or leaks; then only that process ends, and the file is refused.
//
// The process is a fork: it has no descriptor but its socket, default signal handlers, and at most
// kMaxMoreBytes more memory than the process that forked it. All bytes of the file come from the
// parent:
//
//   1. The parent sends a question (hdf5_messages.h).
//   2. While it looks for the answer, the process sends what it has to read, and the parent sends
//      the bytes.
//   3. The process sends the answer.
//
// It ends with the Hdf5Process, and when the parent has ended.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/frame_socket.h"
#include "common/mutex.h"
#include "common/result.h"
#include "common/unique_fd.h"
#include "formats/hdf5_messages.h"
#include "formats/noted_tree.h"

namespace tierhub::formats {

// Any thread; questions wait for each other.
class Hdf5Process {
 public:
  static constexpr uint64_t kMaxMoreBytes = uint64_t{1} << 30;
  // For one question, without the time that reading takes.
  static constexpr std::chrono::seconds kMaxTime{60};

  // For the file of the tree, which has `size_bytes`.
  static Result<std::unique_ptr<Hdf5Process>> start(std::shared_ptr<const NotedTree> tree,
                                                    uint64_t size_bytes,
                                                    std::chrono::seconds max_time = kMaxTime);
  ~Hdf5Process();
  Hdf5Process(const Hdf5Process&) = delete;
  Hdf5Process& operator=(const Hdf5Process&) = delete;

  // The answer. An error if the tree cannot be read, and from when the process has ended.
  Result<std::string> ask(const std::string& question) EXCLUDES(mutex_);

 private:
  Hdf5Process(std::shared_ptr<const NotedTree> tree, uint64_t size_bytes,
              std::chrono::seconds max_time)
      : tree_(std::move(tree)), size_bytes_(size_bytes), max_time_(max_time) {}
  Result<std::string> exchange(const std::string& question) REQUIRES(mutex_);
  // Before the deadline.
  Result<std::string> receive(std::chrono::steady_clock::time_point deadline) REQUIRES(mutex_);
  // The bytes that the process asks for, or nothing; keeps the error of the tree.
  std::optional<std::string> read(std::string_view request, std::optional<Error>& failure) const;
  void end() REQUIRES(mutex_);

  const std::shared_ptr<const NotedTree> tree_;
  const uint64_t size_bytes_;
  const std::chrono::seconds max_time_;
  Mutex mutex_;
  UniqueFd socket_ GUARDED_BY(mutex_);
  UniqueFd process_ GUARDED_BY(mutex_);  // closed when it has ended
  FrameReader frames_ GUARDED_BY(mutex_);
  std::optional<Error> ended_ GUARDED_BY(mutex_);  // why
};

}  // namespace tierhub::formats
