#include "storage/copy/thread_copy_engine.h"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <span>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>

#include "common/extents.h"
#include "common/posix.h"
#include "storage/archive/source_check.h"
#include "storage/copy/copy_plan.h"

namespace tierhub {

// A part of the engine's memory. Waits until there is enough.
class ThreadCopyEngine::Buffer {
 public:
  Buffer(ThreadCopyEngine& engine, uint64_t size, const std::function<void()>& progress)
      : engine_(engine), bytes_(0) {
    {
      MutexLock lock(engine_.mutex_);
      while (engine_.free_bytes_ < size) {
        engine_.released_.wait(engine_.mutex_);
        if (progress) progress();  // others get on
      }
      engine_.free_bytes_ -= size;
    }
    bytes_.resize(size);
  }
  ~Buffer() {
    {
      MutexLock lock(engine_.mutex_);
      engine_.free_bytes_ += bytes_.size();
    }
    engine_.released_.notify_all();
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  std::span<std::byte> first(uint64_t size) { return std::span(bytes_).first(size); }

 private:
  ThreadCopyEngine& engine_;
  std::vector<std::byte> bytes_;
};

ThreadCopyEngine::ThreadCopyEngine(const CopyEngineOptions& options, std::string reason)
    : description_("threads: " + std::move(reason)),
      buffer_bytes_(options.buffer_bytes),
      free_bytes_(options.buffer_bytes),
      threads_(options.max_files) {}

void ThreadCopyEngine::submit(CopyJob job) {
  auto shared = std::make_shared<CopyJob>(std::move(job));
  threads_.submit([this, shared] {
    UniqueFd source;  // closed behind the answer: nobody waits for that
    auto result = run(*shared, source);
    shared->target.reset();
    shared->done(std::move(result));
  });
}

Result<FillResult> ThreadCopyEngine::run(const CopyJob& job, UniqueFd& source) {
  constexpr int kTries = 3;
  TRY(CopyPlan::check(job.request, buffer_bytes_));
  auto opened = posix::open_beneath(job.root->get(), job.request.path,
                                    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
  if (!opened) return open_error(opened.error().errno_value(), job.request.path);
  source = *std::move(opened);
  // What the kernel remembers spares a far-away archive one question: that it still holds is seen
  // by the exact look after the copy.
  auto look = Freshness::remembered;
  TRY_ASSIGN(struct statx before, statx_fd(source.get(), look));
  auto checked = check_source(source.get(), before, job.request.expected, job.identity);
  if (!checked) {
    look = Freshness::exact;
    TRY_ASSIGN(before, statx_fd(source.get(), look));
    TRY(check_source(source.get(), before, job.request.expected, job.identity));
  }
  for (int tries_left = kTries;; --tries_left) {
    FillResult result;
    TRY(copy_chunks(job, source.get(), before, result));
    TRY_ASSIGN(const struct statx after, statx_fd(source.get(), Freshness::exact));
    if (same_content(before, after) && same_times(before, after)) return result;
    if (std::exchange(look, Freshness::exact) == Freshness::remembered)
      TRY(check_source(source.get(), after, job.request.expected, job.identity));
    // A new name or mode moves ctime as a write would: only another copy tells them apart.
    if (!same_content(before, after) || tries_left <= 1) return changed_meanwhile();
    before = after;
  }
}

Result<void> ThreadCopyEngine::copy_chunks(const CopyJob& job, int source_fd,
                                           const struct statx& found, FillResult& result) {
  CopyPlan plan(job.request);
  const bool keeps = job.request.purpose == FillPurpose::keep;
  if (keeps && may_have_holes(found.stx_size, found.stx_blocks)) {
    TRY_ASSIGN(auto data, data_ranges(source_fd, plan.copied()));
    plan.set_data(std::move(data));
  }
  for (const ByteRange& hole : plan.holes()) {
    if (auto punched = posix::punch_hole(job.target.get(), hole.begin, hole.end); !punched) {
      return target_error(punched.error().errno_value(), "punch hole");
    }
  }
  ZeroChecksums zeros;
  Buffer buffer(*this, std::min(plan.copied().size(), job.request.chunk_bytes), job.progress);
  for (size_t i = 0; i < plan.chunk_count(); ++i) {
    const ByteRange chunk = plan.chunk(i);
    const std::vector<ByteRange> data = plan.data_in(chunk);
    if (data.empty() && !keeps) continue;
    if (data.empty()) {
      result.checksums.push_back(zeros.of(chunk.size()));
      continue;
    }
    const std::span<std::byte> bytes = buffer.first(chunk.size());
    for (const ByteRange& gap : gaps(chunk, data)) {
      std::ranges::fill(bytes.subspan(gap.begin - chunk.begin, gap.size()), std::byte{0});
    }
    for (const ByteRange& part : data) {
      const auto piece = bytes.subspan(part.begin - chunk.begin, part.size());
      TRY_ASSIGN(const size_t n, posix::read_at(source_fd, piece, part.begin));
      if (n < piece.size()) return became_shorter();
    }
    if (keeps) result.checksums.push_back(checksum(bytes));
    for (const ByteRange& part : data) {
      const auto piece = bytes.subspan(part.begin - chunk.begin, part.size());
      if (auto written = posix::write_all_at(job.target.get(), piece, part.begin); !written) {
        return target_error(written.error().errno_value(), "write");
      }
      result.copied_bytes += part.size();
    }
    if (job.progress) job.progress();
  }
  return {};
}

}  // namespace tierhub
