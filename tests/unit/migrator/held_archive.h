// An archive whose fills a test lets through one by one. Nothing but fills, and how much they would
// bring, can be asked of it.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <mutex>
#include <stdexcept>
#include <utility>

#include <unistd.h>

#include "storage/archive/archive.h"

namespace tierhub::test {

class HeldArchive final : public Archive {
 public:
  explicit HeldArchive(Archive& archive) : archive_(archive) {}

  // What is to be kept passes at once, as long as only answers are held.
  enum class Holds { all, answers };
  void hold(Holds holds) { holds_ = holds; }
  // The next request that came and was not let through yet; waits for it.
  FillRequest next() {
    std::unique_lock lock(mutex_);
    if (!arrived_.wait_for(lock, std::chrono::seconds(10), [&] { return !held_.empty(); }))
      throw std::runtime_error("no fill was asked for");
    return held_.front().request;
  }
  bool nothing_is_asked() {
    std::lock_guard lock(mutex_);
    return held_.empty();
  }
  // `damage`: as if the archive had other bytes.
  enum class Bytes { as_they_are, damaged };
  // Reads it in the archive; its answer rests until give().
  void read(Bytes bytes = Bytes::as_they_are) {
    std::promise<void> end;
    next();
    std::unique_lock lock(mutex_);
    Held held = std::move(held_.front());
    held_.pop_front();
    lock.unlock();
    archive_.fill(held.request, [&](Result<FillResult> result) {
      if (result && bytes == Bytes::damaged) {
        for (Checksum& checksum : result->checksums) checksum = tierhub::checksum({});
      }
      done_ = [done = std::move(held.done), result = std::move(result)] { done(result); };
      end.set_value();
    });
    end.get_future().get();
  }
  void give() { std::exchange(done_, {})(); }
  FillRequest let_through(Bytes bytes = Bytes::as_they_are) {
    FillRequest request = next();
    read(bytes);
    give();
    return request;
  }

  void fill(const FillRequest& request, std::function<void(Result<FillResult>)> done) override {
    if (holds_ == Holds::answers && request.purpose == FillPurpose::keep)
      return archive_.fill(request, std::move(done));
    Held held{request, UniqueFd(::dup(request.target_fd)), std::move(done)};
    held.request.target_fd = held.target.get();
    std::lock_guard lock(mutex_);
    held_.push_back(std::move(held));
    arrived_.notify_all();
  }

  void measure(const MeasureRequest& request, std::function<void(Result<uint64_t>)> done) override {
    ++measured_;
    archive_.measure(request, std::move(done));
  }
  int measured() const { return measured_; }

  Result<void> check_root() override { return no(); }
  Result<std::string> archive_id() override { return no(); }
  Result<std::optional<ArchiveVersion>> stat(const std::string&) override { return no(); }
  Result<ArchivePage> list(const std::string&, uint64_t, size_t) override { return no(); }
  Result<Xattrs> xattrs(const std::string&) override { return no(); }
  using Archive::space;
  Result<Space> space(const FileSystemId&) override { return no(); }
  Result<StagedFile> stage_file(const StageFileRequest&) override { return no(); }
  Result<ArchiveVersion> stage_node(const StageNodeRequest&) override { return no(); }
  using Archive::sync;
  Result<void> sync(const FileSystemId&) override { return no(); }
  Result<ArchiveVersion> place(const std::string&, const std::string&,
                               const std::optional<ArchiveVersion>&) override {
    return no();
  }
  Result<ArchiveVersion> move(const std::string&, const ArchiveVersion&, const std::string&,
                              const std::optional<ArchiveVersion>&) override {
    return no();
  }
  Result<ArchiveVersion> link(const std::string&, const ArchiveVersion&, const std::string&,
                              const std::string&, const std::optional<ArchiveVersion>&) override {
    return no();
  }
  Result<void> remove(const std::string&, const ArchiveVersion&, const std::string&) override {
    return no();
  }
  Result<void> discard(const std::string&, const ArchiveVersion&) override { return no(); }
  Result<ArchiveVersion> set_attributes(const std::string&, const ArchiveVersion&,
                                        const Attributes&, const Xattrs&) override {
    return no();
  }
  Result<void> sync_folders(const std::vector<std::string>&) override { return no(); }
  Result<std::vector<std::string>> staged() override { return no(); }

 private:
  struct Held {
    FillRequest request;
    UniqueFd target;
    std::function<void(Result<FillResult>)> done;
  };
  static Error no() { return Error(std::errc::not_supported, "fills alone"); }

  Archive& archive_;
  std::atomic<Holds> holds_ = Holds::all;
  std::atomic<int> measured_ = 0;
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<Held> held_;       // guarded by mutex_
  std::function<void()> done_;  // of what was read and is not given yet
};

}  // namespace tierhub::test
