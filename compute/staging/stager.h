// Fetches what tasks read into scratch before they start, and keeps it there while they run: one
// prefetch and one lease per task, a window of tasks ahead.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "common/clock.h"
#include "common/guarded.h"
#include "common/interval_set.h"
#include "common/result.h"
#include "common/unique_fd.h"
#include "compute/staging/tier_client.h"
#include "compute/workflow/schedule.h"
#include "formats/file_tree.h"

namespace tierhub::compute {

// What one task reads, as paths in the namespace ("/brain42/scan.ome.zarr/0/0.0.0").
struct TaskInput {
  struct File {
    std::string path;
    uint64_t size_bytes = 0;
    std::vector<ByteRange> ranges;  // empty: the whole file
  };
  std::vector<File> files;
  std::vector<std::string> folders;  // all below them
};

// Bytes of the namespace that were asked for, each counted once.
class AskedBytes {
 public:
  // Adds the input; returns how many of its bytes were not asked for before.
  uint64_t add(const TaskInput& input);
  bool covers(const TaskInput::File& file) const;
  uint64_t total() const { return total_; }

 private:
  std::map<std::string, IntervalSet> files_;
  uint64_t total_ = 0;
};

// The code of errors that say that tierd, or its mount, was not there: no fault of the input.
inline constexpr std::errc kTierdIsGone = std::errc::not_connected;

// Called again and again while a call waits, with what it waits for, if that is known; an error
// ends the waiting with that error.
using CheckStop = std::function<Result<void>(const std::string& waits_for)>;

// Prefetches `input` under a lease of `owner` and waits until it is resident. Outlives restarts of
// tierd of up to kPatience.
inline constexpr std::chrono::minutes kPatience{5};
inline constexpr uint64_t kLeaseSeconds = 600;
// Returns how many bytes were copied from the archive for it.
Result<uint64_t> prefetch_and_wait(TierClient& tier, const TaskInput& input,
                                   const std::string& owner, const std::string& label,
                                   const CheckStop& check_stop);

// The metadata of a dataset in the mount: what is read through it is prefetched first, so that
// reading it recalls nothing.
class StagingTree : public formats::FileTree {
 public:
  using Prefetch = std::function<Result<void>(const TaskInput&)>;
  // `path` in the mount, `namespace_path` the same place as a path of the namespace.
  static Result<std::shared_ptr<StagingTree>> open(const std::string& path,
                                                   const std::string& namespace_path,
                                                   Prefetch prefetch);

  const std::string& path() const override { return inner_->path(); }
  const std::string& file() const override { return inner_->file(); }
  Result<std::optional<uint64_t>> size_of(const std::string& path) const override {
    return inner_->size_of(path);
  }
  Result<std::vector<std::string>> list(const std::string& folder) const override {
    return inner_->list(folder);
  }
  Result<size_t> read_at(const std::string& path, std::span<std::byte> buffer,
                         uint64_t offset_bytes) const override;
  Result<void> prepare(const std::vector<std::string>& paths) const override;

 private:
  // Prefetches those of the files that were not asked for.
  Result<void> ask_for(std::vector<TaskInput::File> files) const;

  StagingTree(std::shared_ptr<const formats::PosixTree> inner, std::string namespace_folder,
              Prefetch prefetch)
      : inner_(std::move(inner)),
        namespace_folder_(std::move(namespace_folder)),
        prefetch_(std::move(prefetch)) {}

  std::shared_ptr<const formats::PosixTree> inner_;
  std::string namespace_folder_;
  Prefetch prefetch_;
  mutable Guarded<AskedBytes> asked_;
};

// Owns one thread, which makes all calls; the functions of this class are for the runner's thread
// and do not block.
class Stager {
 public:
  // Finds out what a task reads; called on the stager's thread, may block.
  using InputOf = std::function<Result<TaskInput>(TaskId)>;
  struct Outcome {
    TaskId task;
    Result<void> resident;
  };
  struct Progress {
    uint64_t staged_bytes = 0;  // resident for this run, each byte counted once
    uint64_t copied_bytes = 0;  // copied from the archive for this run
    std::string trouble;        // "tierd does not answer: ...", "waits for room: ...", or empty
  };

  // `limit_bytes`: how much may be leased ahead for tasks that do not run yet.
  static Result<std::unique_ptr<Stager>> start(std::shared_ptr<TierClient> tier, std::string run,
                                               uint64_t limit_bytes, InputOf input_of);
  // Sends the last report and ends the leases of the run.
  ~Stager();
  Stager(const Stager&) = delete;
  Stager& operator=(const Stager&) = delete;

  // Becomes readable when `take_outcomes` has something.
  int event_fd() const { return outcome_event_.get(); }
  void stage(TaskId task);
  std::vector<Outcome> take_outcomes();
  // The task has started: what it reads no longer counts against the limit.
  void started(TaskId task);
  // The task has ended: its lease ends.
  void release(TaskId task);
  Progress progress() const;
  // Reports the run to tierd, at most once a second; only the latest report counts.
  void report(api::Run run);

 private:
  struct Shared {
    std::deque<TaskId> wishes;
    std::vector<TaskId> started;
    std::vector<TaskId> released;
    std::optional<api::Run> report;
    std::vector<Outcome> outcomes;
    Progress progress;
    bool stopping = false;
  };
  struct Active {
    TaskId task;
    uint64_t id = 0;
    TaskInput input;
    SteadyClock::time_point next_poll;
  };

  Stager(std::shared_ptr<TierClient> tier, std::string run, uint64_t limit_bytes, InputOf input_of,
         UniqueFd wake_event, UniqueFd outcome_event);
  void change(const std::function<void(Shared&)>& change);

  // All below belong to the thread.
  void work();
  bool take_in();
  void begin_prefetches();
  void begin(TaskId task, TaskInput input);
  void poll_active();
  void follow(Active& active, const api::Prefetch& prefetch);
  void answer(TaskId task, Result<void> resident);
  void end_leases(const std::vector<TaskId>& tasks);
  void renew_leases();
  void send_report();
  void wind_up();
  bool may_call() const { return SteadyClock::now() >= next_call_; }
  // True if the call may be made again later; false if the error is final.
  bool wait_out(const Error& error);
  void answered();
  std::string lease_owner(TaskId task) const;

  const std::shared_ptr<TierClient> tier_;
  const std::string run_;
  const uint64_t limit_bytes_;
  const InputOf input_of_;
  const UniqueFd wake_event_;
  const UniqueFd outcome_event_;
  Guarded<Shared> shared_;

  std::deque<TaskId> wishes_;
  std::optional<TaskInput> next_input_;  // of the first wish, while it waits for room
  uint64_t next_new_bytes_ = 0;          // of next_input_, what no task before it read
  std::deque<Active> active_;
  std::map<TaskId, uint64_t> ahead_bytes_;  // of tasks that do not run yet
  std::set<TaskId> leased_;
  AskedBytes requested_;
  AskedBytes resident_;
  std::optional<api::Run> report_;
  std::optional<SteadyClock::time_point> trouble_since_;
  SteadyClock::time_point next_call_{};
  SteadyClock::time_point next_report_{};
  SteadyClock::time_point next_renewal_{};
  std::jthread thread_;
};

}  // namespace tierhub::compute
