#include "storage/copy/ring_copy_engine.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "common/extents.h"
#include "common/log.h"

namespace tierhub {
namespace {

constexpr size_t kHoleFinders = 16;
constexpr unsigned kRingEntries = 256;

}  // namespace

Result<std::unique_ptr<RingCopyEngine>> RingCopyEngine::make(const CopyEngineOptions& options) {
  TRY_ASSIGN(BufferArena arena, BufferArena::make(options.buffer_bytes));
  std::unique_ptr<RingCopyEngine> engine(new RingCopyEngine(options, std::move(arena)));
  std::promise<Result<void>> started;
  auto outcome = started.get_future();
  engine->owner_ = std::jthread([&engine = *engine, &started] { engine.own(started); });
  TRY(outcome.get());
  return engine;
}

RingCopyEngine::RingCopyEngine(const CopyEngineOptions& options, BufferArena arena)
    : options_(options), arena_(std::move(arena)), hole_finders_(kHoleFinders) {}

RingCopyEngine::~RingCopyEngine() {
  post([this] { stopping_ = true; });
  if (owner_.joinable()) owner_.join();
}

void RingCopyEngine::post(std::function<void()> task) {
  MutexLock lock(mutex_);
  posted_.push_back(std::move(task));
  // The owner destroys the ring under the lock.
  if (ring_) ring_->wake();
}

void RingCopyEngine::submit(CopyJob job) {
  auto shared = std::make_shared<CopyJob>(std::move(job));
  post([this, shared] {
    if (auto sound = CopyPlan::check(shared->request, arena_.size()); !sound) {
      shared->target.reset();
      return shared->done(std::move(sound).error());
    }
    const bool keeps = shared->request.purpose == FillPurpose::keep;
    (keeps ? queue_ : answers_).push_back(std::move(*shared));
  });
}

void RingCopyEngine::own(std::promise<Result<void>>& started) {
  auto ring = Ring::make({kRingEntries, static_cast<unsigned>(options_.max_files)});
  if (!ring) return started.set_value(std::move(ring).error());
  {
    MutexLock lock(mutex_);
    ring_ = *std::move(ring);
  }
  started.set_value({});
  run();
  MutexLock lock(mutex_);
  ring_.reset();
}

void RingCopyEngine::run() {
  for (;;) {
    const bool got_tasks = run_posted();
    admit();
    serve();
    for (RingFile* file : std::exchange(finished_, {})) files_.erase(file);
    if (stopping_ && answers_.empty() && queue_.empty() && files_.empty()) return;
    if (got_tasks || (!queue_.empty() && files_.size() < options_.max_files)) continue;
    if (const auto waited = ring_->wait(); !waited) {
      log::error("the copy engine cannot continue", {{"error", waited.error().text()}});
      std::abort();
    }
  }
}

bool RingCopyEngine::run_posted() {
  std::vector<std::function<void()>> tasks;
  {
    MutexLock lock(mutex_);
    tasks.swap(posted_);
  }
  for (const auto& task : tasks) task();
  return !tasks.empty();
}

void RingCopyEngine::admit() {
  while (!answers_.empty()) begin(answers_);
  while (!queue_.empty() && files_.size() < options_.max_files) begin(queue_);
}

void RingCopyEngine::begin(std::deque<CopyJob>& queue) {
  auto file =
      std::make_unique<RingFile>(static_cast<RingFile::Host&>(*this), std::move(queue.front()));
  queue.pop_front();
  RingFile* started = file.get();
  files_.emplace(started, std::move(file));
  started->start();
}

void RingCopyEngine::want_buffer(RingFile& file) {
  const auto place =
      file.keeps() ? waiting_.end() : std::ranges::find_if(waiting_, &RingFile::keeps);
  waiting_.insert(place, &file);
}

// Gives memory to those who wait for it, one chunk each in turn.
void RingCopyEngine::serve() {
  while (!waiting_.empty()) {
    RingFile* file = waiting_.front();
    const auto buffer = arena_.take(file->next_chunk_bytes());
    if (!buffer) return;
    waiting_.pop_front();
    file->begin_chunk(*buffer);
  }
}

void RingCopyEngine::give_back(std::span<std::byte> buffer) {
  arena_.give_back(buffer);
  for (const RingFile* file : waiting_) file->tick();
}

void RingCopyEngine::find_data(int fd, ByteRange range, Found found) {
  hole_finders_.submit([this, fd, range, found = std::move(found)] {
    post([found, data = data_ranges(fd, range)] { found(data); });
  });
}

}  // namespace tierhub
