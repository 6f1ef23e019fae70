// A library in a process of its own, which reads one file. On some damaged files libhdf5 and
// OpenSlide crash, do not come to an end, or leak; then only that process ends, and the file is
// refused.
//
// The process is a fork: it has no descriptor but its socket, default signal handlers, and at most
// kMaxMoreBytes more memory than the process that forked it. The bytes of the file may come from the
// parent:
//
//   1. The parent sends a question (messages.h).
//   2. While it looks for the answer, the process sends what it has to read, and the parent sends
//      the bytes.
//   3. The process sends the answer.
//
// It ends with the IsolatedProcess, and when the parent has ended.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "common/frame_socket.h"
#include "common/mutex.h"
#include "common/result.h"
#include "common/unique_fd.h"
#include "formats/noted_tree.h"

namespace tierhub::formats {

// In the process: fills the buffer with what is at an offset of the file, from the parent; false if
// that is not possible.
using ReadFromParent = std::function<bool(uint64_t offset_bytes, std::span<std::byte> buffer)>;

// In the process: what answers, with the library.
class Answerer {
 public:
  virtual ~Answerer() = default;
  // Ends the process if it does not understand the question.
  virtual std::string answer(const std::string& question) = 0;
};
using MakeAnswerer = std::function<std::unique_ptr<Answerer>(ReadFromParent read)>;

// Any thread; questions wait for each other.
class IsolatedProcess {
 public:
  static constexpr uint64_t kMaxMoreBytes = uint64_t{1} << 30;
  // For one question, without the time that reading takes.
  static constexpr std::chrono::seconds kMaxTime{60};

  // For the file of the tree, of which the process may ask for `size_bytes`. `library` is for texts.
  static Result<std::unique_ptr<IsolatedProcess>> start(std::shared_ptr<const NotedTree> tree,
                                                        uint64_t size_bytes, std::string library,
                                                        const MakeAnswerer& make,
                                                        std::chrono::seconds max_time = kMaxTime);
  ~IsolatedProcess();
  IsolatedProcess(const IsolatedProcess&) = delete;
  IsolatedProcess& operator=(const IsolatedProcess&) = delete;

  // The answer. An error if the tree cannot be read, and from when the process has ended.
  Result<std::string> ask(const std::string& question) EXCLUDES(mutex_);

 private:
  IsolatedProcess(std::shared_ptr<const NotedTree> tree, uint64_t size_bytes, std::string library,
                  std::chrono::seconds max_time)
      : tree_(std::move(tree)),
        size_bytes_(size_bytes),
        library_(std::move(library)),
        max_time_(max_time) {}
  Result<std::string> exchange(const std::string& question) REQUIRES(mutex_);
  // Before the deadline.
  Result<std::string> receive(std::chrono::steady_clock::time_point deadline) REQUIRES(mutex_);
  // The bytes that the process asks for, or nothing; keeps the error of the tree.
  std::optional<std::string> read(std::string_view request, std::optional<Error>& failure) const;
  void end() REQUIRES(mutex_);

  const std::shared_ptr<const NotedTree> tree_;
  const uint64_t size_bytes_;
  const std::string library_;
  const std::chrono::seconds max_time_;
  Mutex mutex_;
  UniqueFd socket_ GUARDED_BY(mutex_);
  UniqueFd process_ GUARDED_BY(mutex_);  // closed when it has ended
  FrameReader frames_ GUARDED_BY(mutex_);
  std::optional<Error> ended_ GUARDED_BY(mutex_);  // why
};

}  // namespace tierhub::formats
