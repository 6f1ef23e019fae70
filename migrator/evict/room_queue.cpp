#include "migrator/evict/room_queue.h"

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include "common/duration.h"

namespace tierhub {
namespace {

// Each keeps the bytes of its write in memory.
constexpr size_t kWaitersMax = 512;
// Interrupts that found nobody are remembered, for their request may be about to wait.
constexpr size_t kInterruptsKept = 64;

Error interrupted_error() {
  return Error(std::errc::interrupted, "interrupted while it waited for room in scratch");
}

}  // namespace

RoomQueue::Outcome RoomQueue::wait(uint64_t bytes, uint64_t request,
                                   std::function<void(Result<void>)> done) {
  MutexLock lock(mutex_);
  if (request != 0 && interrupted_.erase(request) > 0) {
    lock.unlock();
    done(interrupted_error());
    return Outcome::answered;
  }
  if (closed_ || stuck_pass_ == passes_begun_ || waiters_.size() >= kWaitersMax) {
    const bool stuck = stuck_pass_ == passes_begun_;
    lock.unlock();
    done(parts_.no_room(stuck ? Refusal::archive_away : Refusal::too_much));
    return Outcome::answered;
  }
  // A pass that is under way may have looked away already: the next one counts.
  waiters_.push_back({bytes, request, passes_begun_ + 1, SteadyClock::now(), std::move(done)});
  ++count_;
  return Outcome::waits;
}

void RoomQueue::interrupt(uint64_t request) {
  std::list<Waiter> interrupted;
  {
    const MutexLock lock(mutex_);
    const auto found = std::find_if(waiters_.begin(), waiters_.end(),
                                    [&](const Waiter& w) { return w.request == request; });
    if (found == waiters_.end()) {
      if (interrupted_.size() >= kInterruptsKept) interrupted_.erase(interrupted_.begin());
      interrupted_.insert(request);
      return;
    }
    interrupted.splice(interrupted.end(), waiters_, found);
    --count_;
  }
  interrupted.front().done(interrupted_error());
}

void RoomQueue::close() {
  std::list<Waiter> left;
  {
    const MutexLock lock(mutex_);
    closed_ = true;
    left = std::exchange(waiters_, {});
    count_ = 0;
  }
  for (Waiter& waiter : left) waiter.done(parts_.no_room(Refusal::nothing_to_come));
}

std::optional<RoomQueue::Refusal> RoomQueue::hopeless(Waiter& waiter, SteadyClock::time_point now,
                                                      const NothingToCome& nothing_to_come) {
  const bool pass_is_stuck = passes_ended_ < passes_begun_;
  if (now >= waiter.arrived + seconds(options_.wait_s)) {
    if (pass_is_stuck) stuck_pass_ = passes_begun_;
    return Refusal::too_late;
  }
  if (passes_ended_ >= waiter.awaited_pass) {
    if (before_ended_pass_ == kNever) return Refusal::archive_away;
    if (before_ended_pass_ && *before_ended_pass_ >= waiter.arrived)
      return Refusal::nothing_to_come;
    waiter.awaited_pass = passes_begun_ + 1;
  }
  if (nothing_to_come != kNever || now < waiter.arrived + seconds(options_.pass_limit_s))
    return std::nullopt;
  if (pass_is_stuck) stuck_pass_ = passes_begun_;
  return Refusal::archive_away;
}

uint64_t RoomQueue::answer() {
  if (!anybody()) return 0;
  const NothingToCome nothing_to_come = parts_.nothing_to_come();
  std::list<Waiter> granted;
  std::list<std::pair<Waiter, Refusal>> refused;
  uint64_t wanted = 0;
  {
    const MutexLock lock(mutex_);
    const auto now = SteadyClock::now();
    for (auto it = waiters_.begin(); it != waiters_.end();) {
      const auto next = std::next(it);
      if (parts_.reserve(it->bytes)) {
        granted.splice(granted.end(), waiters_, it);
      } else if (const auto why = hopeless(*it, now, nothing_to_come)) {
        refused.emplace_back(std::move(*it), *why);
        waiters_.erase(it);
      } else {
        wanted = std::max(wanted, it->bytes);
      }
      it = next;
    }
    count_ = waiters_.size();
  }
  for (Waiter& waiter : granted) waiter.done({});
  for (auto& [waiter, why] : refused) waiter.done(parts_.no_room(why));
  return wanted;
}

void RoomQueue::pass_begins() {
  const NothingToCome nothing_to_come = parts_.nothing_to_come();
  const MutexLock lock(mutex_);
  ++passes_begun_;
  before_pass_ = nothing_to_come;
}

void RoomQueue::pass_ended() {
  const MutexLock lock(mutex_);
  passes_ended_ = passes_begun_;
  before_ended_pass_ = before_pass_;
  if (stuck_pass_ == passes_begun_) stuck_pass_.reset();
}

RoomQueue::State RoomQueue::state() const {
  const MutexLock lock(mutex_);
  State state{waiters_.size(), 0};
  for (const Waiter& waiter : waiters_) {
    const std::chrono::duration<double> waited = SteadyClock::now() - waiter.arrived;
    state.oldest_s = std::max(state.oldest_s, waited.count());
  }
  return state;
}

}  // namespace tierhub
