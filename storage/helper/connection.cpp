#include "storage/helper/connection.h"

#include <algorithm>
#include <cerrno>
#include <iterator>

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/health.h"
#include "common/log.h"

namespace tierhub {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFirstProbe(2'000);  // how long start() waits for it
constexpr milliseconds kStopPatience(1'000);
constexpr milliseconds kShortLife(10'000);  // a helper that lived less is restarted less eagerly
constexpr milliseconds kFirstDelay(100);
constexpr milliseconds kLongestDelay(30'000);
constexpr size_t kMaxStuckProbes = 4;
constexpr size_t kMaxLeftBehind = 8;
constexpr int kIdleWakeUpMs = 1'000;

Error cancelled() {
  return Error(std::errc::operation_canceled, "TierHub is stopping and no longer uses the archive");
}

std::string_view name_of(ArchiveState state) {
  switch (state) {
    case ArchiveState::online:
      return "online";
    case ArchiveState::offline:
      return "offline";
    case ArchiveState::hung:
      return "hung";
  }
  return "";
}

}  // namespace

Result<std::unique_ptr<HelperConnection>> HelperConnection::start(HelperConnectionOptions options) {
  UniqueFd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake) return Error::from_errno(errno, "eventfd");
  const milliseconds patience = std::min(kFirstProbe, options.time_limit);
  std::unique_ptr<HelperConnection> link(new HelperConnection(std::move(options), std::move(wake)));
  TRY_ASSIGN(link->helper_, HelperProcess::start(link->options_.program, link->arguments()));
  link->started_ = SteadyClock::now();
  MutexLock lock(link->mutex_);
  link->pid_ = link->helper_->pid();
  link->thread_ = std::jthread([&link = *link] { link.run(); });
  link->probed_changed_.wait_for(link->mutex_, patience,
                                 [&]() REQUIRES(link->mutex_) { return link->probed_once_; });
  return link;
}

HelperConnection::HelperConnection(HelperConnectionOptions options, UniqueFd wake)
    : options_(std::move(options)), wake_(std::move(wake)) {}

HelperConnection::~HelperConnection() {
  close();
  health().clear(HealthPart::archive);
}

void HelperConnection::close() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  wake_up();
}

std::vector<std::string> HelperConnection::arguments() const {
  ArchiveHelperOptions helper = options_.helper;
  if (!id_.empty()) {
    helper.expected_id = id_;
    helper.claimant.take_over = TakeOver::refuse;
  }
  std::vector<std::string> arguments = {"--archive-io"};
  std::ranges::copy(helper.to_arguments(), std::back_inserter(arguments));
  return arguments;
}

void HelperConnection::wake_up() const {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = ::write(wake_.get(), &one, sizeof one);
}

void HelperConnection::submit(Call call) {
  {
    MutexLock lock(mutex_);
    if (stopping_) {
      lock.unlock();
      return call.done(cancelled());
    }
    inbox_.push_back(std::move(call));
  }
  wake_up();
}

ArchiveState HelperConnection::state() const {
  MutexLock lock(mutex_);
  return state_;
}

std::optional<pid_t> HelperConnection::helper_pid() const {
  MutexLock lock(mutex_);
  return pid_ < 0 ? std::nullopt : std::optional(pid_);
}

void HelperConnection::run() {
  for (;;) {
    {
      MutexLock lock(mutex_);
      if (stopping_) break;
    }
    take_inbox();
    receive();
    const Time now = SteadyClock::now();
    expire_under_way(now);
    expire_waiting(now);
    manage_helper(now);
    probe(now);
    send_waiting();
    flush();
    wait();
  }
  take_inbox();
  const bool answers = state() != ArchiveState::hung;
  fail_all(cancelled());
  if (helper_) helper_->stop(answers ? kStopPatience : milliseconds(0));
}

void HelperConnection::wait() {
  const short wanted = outgoing_.empty() ? POLLIN : POLLIN | POLLOUT;
  pollfd fds[2] = {{wake_.get(), POLLIN, 0}, {helper_ ? helper_->socket() : -1, wanted, 0}};
  ::poll(fds, 2, poll_timeout_ms(SteadyClock::now()));
  uint64_t count = 0;
  [[maybe_unused]] const ssize_t n = ::read(wake_.get(), &count, sizeof count);
}

int HelperConnection::poll_timeout_ms(Time now) const {
  Time next = now + milliseconds(kIdleWakeUpMs);
  if (helper_) next = std::min(next, std::max(next_probe_, now));
  if (!helper_) next = std::min(next, restart_at_);
  for (const auto& [number, pending] : under_way_) next = std::min(next, pending.deadline);
  for (const auto& [kind, queue] : waiting_) {
    if (!queue.empty()) next = std::min(next, deadline_of_waiting(queue.front()));
  }
  const auto left = std::chrono::ceil<milliseconds>(next - now).count();
  return static_cast<int>(std::clamp<int64_t>(left, 0, kIdleWakeUpMs));
}

void HelperConnection::take_inbox() {
  std::vector<Call> calls;
  ArchiveState state{};
  {
    MutexLock lock(mutex_);
    calls.swap(inbox_);
    state = state_;
  }
  const Time now = SteadyClock::now();
  for (Call& call : calls) {
    if (state == ArchiveState::hung) {
      call.done(Error(std::errc::timed_out, "the archive is hung: it does not answer"));
      continue;
    }
    const Kind kind = call.kind;
    waiting_[kind].push_back({std::move(call), Purpose::call, now, now});
  }
}

size_t HelperConnection::limit(Kind kind) const {
  switch (kind) {
    case Kind::answer:
    case Kind::slot:
      return options_.helper.slots;
    case Kind::fill:
      return options_.helper.copy.max_files;
  }
  return 0;
}

size_t HelperConnection::occupied(Kind kind) const {
  const auto counts = [&](Kind of, Purpose purpose) {
    return of == kind && purpose == Purpose::call;
  };
  const auto running = std::ranges::count_if(under_way_, [&](const auto& entry) {
    return counts(entry.second.call.kind, entry.second.purpose);
  });
  const auto lost = std::ranges::count_if(written_off_, [&](const auto& entry) {
    return counts(entry.second.kind, entry.second.purpose);
  });
  return static_cast<size_t>(running + lost);
}

void HelperConnection::send_waiting() {
  if (!helper_) return;
  for (auto& [kind, queue] : waiting_) {
    for (size_t taken = queue.empty() ? 0 : occupied(kind); !queue.empty() && taken < limit(kind);
         ++taken) {
      Pending pending = std::move(queue.front());
      queue.pop_front();
      send(std::move(pending));
    }
  }
}

void HelperConnection::send(Pending pending) {
  pending.since = SteadyClock::now();
  pending.deadline = pending.since + pending.call.time_limit;
  const uint64_t number = next_number_++;
  ByteWriter body;
  body.u64(number);
  body.i64(std::chrono::nanoseconds(pending.deadline.time_since_epoch()).count());
  body.raw(pending.call.body);
  pending.call.body.clear();
  outgoing_.emplace_back(number, OutgoingFrame(body.take(), std::move(pending.call.fds)));
  under_way_.emplace(number, std::move(pending));
}

void HelperConnection::flush() {
  while (helper_ && !outgoing_.empty()) {
    const auto sent = outgoing_.front().second.send(helper_->socket());
    if (!sent) return lose_helper(sent.error());
    if (!*sent) return;
    outgoing_.pop_front();
  }
}

void HelperConnection::receive() {
  while (helper_) {
    const auto frames = reader_.receive(helper_->socket());
    if (!frames) return lose_helper(frames.error());
    if (frames->empty()) return;
    for (const Frame& frame : *frames) take_frame(frame.body);
  }
}

void HelperConnection::take_frame(const std::string& body) {
  ByteReader in(body);
  const uint64_t number = in.u64();
  heard();
  if (number == kProgressNumber) {
    std::vector<uint64_t> numbers;
    wire::get(in, numbers);
    for (const uint64_t progressed : numbers) {
      const auto it = under_way_.find(progressed);
      if (it != under_way_.end()) it->second.deadline = last_heard_ + it->second.call.time_limit;
    }
    return;
  }
  written_off_.erase(number);
  auto answered = under_way_.extract(number);
  if (!answered) return;
  answered.mapped().call.done(std::string(in.rest()));
}

// Whatever it said: the helper, and the archive behind it, are alive.
void HelperConnection::heard() {
  last_heard_ = SteadyClock::now();
  if (state() != ArchiveState::hung) return;
  next_probe_ = last_heard_;
  set_state(ArchiveState::online);
}

void HelperConnection::expire_under_way(Time now) {
  for (auto it = under_way_.begin(); it != under_way_.end();) {
    if (it->second.deadline > now) {
      ++it;
      continue;
    }
    const uint64_t number = it->first;
    Pending late = std::move(it->second);
    it = under_way_.erase(it);
    written_off_.emplace(number, WrittenOff{late.call.kind, late.purpose});
    if (last_heard_ <= late.since) become_hung(now);
    late.call.done(Error(
        std::errc::timed_out,
        fmt::format("the archive did not answer within {} ms", late.call.time_limit.count())));
  }
}

HelperConnection::Time HelperConnection::deadline_of_waiting(const Pending& pending) const {
  // A long queue of fills is no fault of the archive while it gets shorter.
  const bool is_fill = pending.call.kind == Kind::fill;
  return (is_fill ? std::max(pending.since, last_heard_) : pending.since) + pending.call.time_limit;
}

void HelperConnection::expire_waiting(Time now) {
  for (auto& [kind, queue] : waiting_) {
    while (!queue.empty() && deadline_of_waiting(queue.front()) <= now) {
      const Pending late = std::move(queue.front());
      queue.pop_front();
      late.call.done(
          Error(std::errc::timed_out, "the archive is too busy: no slot became free in time"));
    }
  }
}

void HelperConnection::become_hung(Time now) {
  if (state() != ArchiveState::hung) hung_since_ = now;
  set_state(ArchiveState::hung);
  fail_waiting(Error(std::errc::timed_out, "the archive is hung: it does not answer"));
}

void HelperConnection::probe(Time now) {
  if (!helper_ || now < next_probe_) return;
  next_probe_ = now + options_.probe_interval;
  const auto is_probe = [](const auto& entry) { return entry.second.purpose == Purpose::probe; };
  const auto stuck = std::ranges::count_if(written_off_, is_probe);
  // One that is stuck answers when the archive is back: no need for many.
  if (std::ranges::any_of(under_way_, is_probe) || static_cast<size_t>(stuck) >= kMaxStuckProbes)
    return;
  Pending pending;
  pending.purpose = Purpose::probe;
  pending.call.body = ByteWriter().u8(static_cast<uint8_t>(ArchiveCall::probe)).take();
  pending.call.time_limit = options_.time_limit;
  pending.call.done = [this](const Result<std::string>& reply) { probed(reply); };
  send(std::move(pending));
}

void HelperConnection::probed(const Result<std::string>& reply) {
  // Without a reply, what became of the helper has been dealt with already.
  if (reply) {
    ByteReader in(*reply);
    const auto id = wire::get_result<std::string>(in);
    if (id) id_ = *id;
    if (!id && state() != ArchiveState::offline) {
      log::warning("the archive is offline", {{"error", id.error().text()}});
    }
    set_state(id ? ArchiveState::online : ArchiveState::offline, id ? "" : id.error().text());
  }
  MutexLock lock(mutex_);
  probed_once_ = true;
  probed_changed_.notify_all();
}

void HelperConnection::manage_helper(Time now) {
  std::erase_if(left_behind_, [](pid_t pid) { return ::waitpid(pid, nullptr, WNOHANG) != 0; });
  const bool is_hung = helper_ && state() == ArchiveState::hung;
  if (is_hung && now - hung_since_ >= options_.replace_after &&
      left_behind_.size() < kMaxLeftBehind) {
    hung_since_ = now;
    lose_helper(Error(std::errc::timed_out, "the archive is hung"));
  }
  if (!helper_ && now >= restart_at_) start_helper();
}

void HelperConnection::start_helper() {
  auto started = HelperProcess::start(options_.program, arguments());
  started_ = SteadyClock::now();
  if (!started) {
    restart_at_ = started_ + kLongestDelay;
    return log::error("the archive helper cannot be started", {{"error", started.error().text()}});
  }
  helper_ = *std::move(started);
  next_probe_ = started_;
  MutexLock lock(mutex_);
  pid_ = helper_->pid();
}

void HelperConnection::lose_helper(const Error& reason) {
  log::warning("restarting the archive helper", {{"reason", reason.text()}});
  set_state(state() == ArchiveState::hung ? ArchiveState::hung : ArchiveState::offline);
  if (const auto stuck = helper_->stop(milliseconds(0))) left_behind_.push_back(*stuck);
  helper_.reset();
  {
    MutexLock lock(mutex_);
    pid_ = -1;
  }
  reader_ = FrameReader();
  outgoing_.clear();
  written_off_.clear();
  const Time now = SteadyClock::now();
  restart_at_ = now + restart_delay_;
  const bool died_young = now - started_ < kShortLife;
  restart_delay_ =
      died_young ? std::clamp(restart_delay_ * 2, kFirstDelay, kLongestDelay) : milliseconds(0);
  for (auto& [number, pending] : std::exchange(under_way_, {})) {
    pending.call.done(
        Error(std::errc::not_connected, "the archive helper exited before it answered"));
  }
}

void HelperConnection::fail_waiting(const Error& reason) {
  for (auto& [kind, queue] : waiting_) {
    for (Pending& pending : std::exchange(queue, {})) pending.call.done(reason);
  }
}

void HelperConnection::fail_all(const Error& reason) {
  fail_waiting(reason);
  for (auto& [number, pending] : std::exchange(under_way_, {})) pending.call.done(reason);
}

void HelperConnection::set_state(ArchiveState state, const std::string& reason) {
  MutexLock lock(mutex_);
  if (state_ != state) {
    log::info("the archive's state changed", {{"from", name_of(state_)}, {"to", name_of(state)}});
    state_ = state;
    reason_.clear();
    if (state == ArchiveState::online) return health().clear(HealthPart::archive);
  } else if (reason.empty() || reason == reason_) {
    return;
  }
  reason_ = reason;
  health().set(HealthPart::archive,
               {fmt::format("the archive is {}", name_of(state)),
                fmt::format("hot files and writes keep working, cold reads fail; {}",
                            reason.empty() ? "check " + options_.helper.root : reason)});
}

}  // namespace tierhub
