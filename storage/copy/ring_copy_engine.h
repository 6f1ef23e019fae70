// The copy engine on io_uring: one thread owns the ring, the buffers and all files in flight; each
// file is a small state machine that completions advance. Nothing that can block runs on that
// thread: the search for holes, which io_uring cannot do, runs on a few others.
#pragma once

#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "common/mutex.h"
#include "common/worker_pool.h"
#include "storage/copy/buffer_arena.h"
#include "storage/copy/copy_engine.h"
#include "storage/copy/ring.h"
#include "storage/copy/ring_file.h"

namespace tierhub {

class RingCopyEngine final : public CopyEngine, private RingFile::Host {
 public:
  static Result<std::unique_ptr<RingCopyEngine>> make(const CopyEngineOptions& options);
  ~RingCopyEngine() override;

  void submit(CopyJob job) override;
  std::string description() const override { return "io_uring"; }

 private:
  RingCopyEngine(const CopyEngineOptions& options, BufferArena arena);

  // Runs `task` on the owner's thread. Any thread.
  void post(std::function<void()> task);

  // All below: the owner's thread.
  void own(std::promise<Result<void>>& started);
  void run();
  bool run_posted();
  void admit();
  void begin(std::deque<CopyJob>& queue);
  void serve();

  Ring& ring() override { return *ring_; }
  void want_buffer(RingFile& file) override;
  void give_back(std::span<std::byte> buffer) override;
  void find_data(int fd, ByteRange range, Found found) override;
  void finished(RingFile& file) override { finished_.push_back(&file); }

  const CopyEngineOptions options_;
  Mutex mutex_;
  std::vector<std::function<void()>> posted_ GUARDED_BY(mutex_);
  bool stopping_ = false;

  std::unique_ptr<Ring> ring_;  // made and destroyed by the owner
  BufferArena arena_;
  std::deque<CopyJob> answers_;  // begun before all others, and beside any number of them
  std::deque<CopyJob> queue_;
  std::unordered_map<RingFile*, std::unique_ptr<RingFile>> files_;
  std::deque<RingFile*> waiting_;  // for buffers: answers first, then in order of arrival
  std::vector<RingFile*> finished_;

  WorkerPool hole_finders_;
  std::jthread owner_;  // last: uses all of the above
};

}  // namespace tierhub
