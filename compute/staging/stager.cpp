#include "compute/staging/stager.h"

#include <algorithm>

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/log.h"

namespace tierhub::compute {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kRetry{500};
constexpr milliseconds kShortestPoll{10};
constexpr milliseconds kLongestPoll{200};
constexpr milliseconds kIdle{500};
constexpr std::chrono::seconds kReportEvery{1};
constexpr std::chrono::seconds kRenewEvery{kLeaseSeconds / 5};
constexpr size_t kPolledAtOnce = 8;
// A metadata file of at most this size is fetched whole; of a larger one only what is read.
constexpr uint64_t kSmallBytes = 4 << 20;

Result<UniqueFd> make_event() {
  UniqueFd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event) return Error::from_errno(errno, "eventfd");
  return event;
}

void ring(const UniqueFd& event) {
  const uint64_t one = 1;
  static_cast<void>(!::write(event.get(), &one, sizeof one));
}

void silence(const UniqueFd& event) {
  uint64_t count = 0;
  static_cast<void>(!::read(event.get(), &count, sizeof count));
}

void wait_for(const UniqueFd* event, milliseconds limit) {
  pollfd waited{event != nullptr ? event->get() : -1, POLLIN, 0};
  ::poll(&waited, 1, static_cast<int>(limit.count()));
}

api::PrefetchRequest to_request(const TaskInput& input, const std::string& owner,
                                const std::string& label) {
  api::PrefetchRequest request;
  request.paths = input.folders;
  for (const TaskInput::File& file : input.files) request.files.push_back({file.path, file.ranges});
  request.label = label;
  request.lease_owner = owner;
  request.lease_ttl_s = kLeaseSeconds;
  request.urgency = "task";
  return request;
}

milliseconds poll_interval(const api::Prefetch& prefetch) {
  const auto half = milliseconds(static_cast<int64_t>(std::clamp(prefetch.eta_s, 0.0, 10.0) * 500));
  return std::clamp(half, kShortestPoll, kLongestPoll);
}

// Nothing while the prefetch goes on.
std::optional<Result<void>> verdict(const api::Prefetch& prefetch) {
  if (!prefetch.finished()) return std::nullopt;
  if (prefetch.state == "done") return Result<void>();
  if (prefetch.state == "cancelled") {
    return Error(std::errc::operation_canceled, "staging was cancelled (tierctl prefetch)");
  }
  return Error(std::errc::io_error, fmt::format("staging failed: {}", prefetch.first_error.empty()
                                                                          ? "tierd gave no reason"
                                                                          : prefetch.first_error));
}

std::string no_answer(const TierClient& tier, const Error& error) {
  return fmt::format("tierd {} ({}); trying again",
                     tier.is_busy(error) ? "is busy" : "does not answer", error.text());
}

Error gave_up(const Error& error) {
  return {kTierdIsGone, fmt::format("tierd did not answer for {} minutes ({}): start it, then drop "
                                    "the workflow again",
                                    kPatience.count(), error.text())};
}

}  // namespace

uint64_t AskedBytes::add(const TaskInput& input) {
  const uint64_t before = total_;
  for (const TaskInput::File& file : input.files) {
    IntervalSet& bytes = files_[file.path];
    const uint64_t had = bytes.size();
    if (file.ranges.empty()) bytes.add(0, file.size_bytes);
    for (const ByteRange& range : file.ranges) bytes.add(range.begin, range.end);
    total_ += bytes.size() - had;
  }
  return total_ - before;
}

bool AskedBytes::covers(const TaskInput::File& file) const {
  const auto found = files_.find(file.path);
  if (found == files_.end()) return false;
  return std::all_of(file.ranges.begin(), file.ranges.end(), [&](const ByteRange& range) {
    return range.empty() || found->second.contains(range.begin, range.end);
  });
}

Result<uint64_t> prefetch_and_wait(TierClient& tier, const TaskInput& input,
                                   const std::string& owner, const std::string& label,
                                   const CheckStop& check_stop) {
  std::optional<uint64_t> id;
  std::optional<SteadyClock::time_point> trouble_since;
  std::string waits_for;
  for (;;) {
    TRY(check_stop(waits_for));
    const Result<api::Prefetch> prefetch =
        id ? tier.prefetch(*id) : tier.start_prefetch(to_request(input, owner, label));
    milliseconds pause = kRetry;
    if (prefetch) {
      trouble_since.reset();
      if (const std::optional<Result<void>> ended = verdict(*prefetch)) {
        if (!*ended) return ended->error();
        return prefetch->copied_bytes;
      }
      id = prefetch->id;
      pause = poll_interval(*prefetch);
      waits_for = prefetch->reason;
    } else if (tier.may_pass(prefetch.error())) {
      waits_for = no_answer(tier, prefetch.error());
      if (!trouble_since || tier.is_busy(prefetch.error())) trouble_since = SteadyClock::now();
      if (SteadyClock::now() - *trouble_since > kPatience) return gave_up(prefetch.error());
    } else if (id && prefetch.error().is(std::errc::no_such_file_or_directory)) {
      id.reset();  // tierd has forgotten it
    } else {
      return prefetch.error();
    }
    wait_for(nullptr, pause);
  }
}

Result<std::shared_ptr<StagingTree>> StagingTree::open(const std::string& path,
                                                       const std::string& namespace_path,
                                                       Prefetch prefetch) {
  TRY_ASSIGN(auto inner, formats::PosixTree::open(path));
  std::string folder = namespace_path;
  if (!inner->is_folder()) folder = folder.substr(0, folder.rfind('/'));
  return std::shared_ptr<StagingTree>(
      new StagingTree(std::move(inner), std::move(folder), std::move(prefetch)));
}

Result<void> StagingTree::ask_for(std::vector<TaskInput::File> files) const {
  asked_.with([&](const AskedBytes& asked) {
    std::erase_if(files, [&](const TaskInput::File& file) { return asked.covers(file); });
  });
  if (files.empty()) return {};
  const TaskInput input{std::move(files), {}};
  TRY(prefetch_(input));
  asked_.with([&](AskedBytes& asked) { asked.add(input); });
  return {};
}

Result<size_t> StagingTree::read_at(const std::string& path, std::span<std::byte> buffer,
                                    uint64_t offset_bytes) const {
  TRY_ASSIGN(const std::optional<uint64_t> size, inner_->size_of(path));
  if (size && offset_bytes < *size && !buffer.empty()) {
    TaskInput::File file{namespace_folder_ + "/" + path, *size, {}};
    file.ranges = {{offset_bytes, std::min(*size, offset_bytes + buffer.size())}};
    if (*size <= kSmallBytes) file.ranges = {{0, *size}};
    TRY(ask_for({std::move(file)}));
  }
  return inner_->read_at(path, buffer, offset_bytes);
}

Result<void> StagingTree::prepare(const std::vector<std::string>& paths) const {
  constexpr uint64_t kHeadBytes = 64 << 10;
  std::vector<TaskInput::File> files;
  for (const std::string& path : paths) {
    TRY_ASSIGN(const std::optional<uint64_t> size, inner_->size_of(path));
    if (!size || *size == 0) continue;
    const uint64_t end = *size <= kSmallBytes ? *size : kHeadBytes;
    files.push_back({namespace_folder_ + "/" + path, *size, {{0, end}}});
  }
  return ask_for(std::move(files));
}

Result<std::unique_ptr<Stager>> Stager::start(std::shared_ptr<TierClient> tier, std::string run,
                                              uint64_t limit_bytes, InputOf input_of) {
  TRY_ASSIGN(UniqueFd wake, make_event());
  TRY_ASSIGN(UniqueFd outcome, make_event());
  std::unique_ptr<Stager> stager(new Stager(std::move(tier), std::move(run), limit_bytes,
                                            std::move(input_of), std::move(wake),
                                            std::move(outcome)));
  stager->thread_ = std::jthread([stager = stager.get()] { stager->work(); });
  return stager;
}

Stager::Stager(std::shared_ptr<TierClient> tier, std::string run, uint64_t limit_bytes,
               InputOf input_of, UniqueFd wake_event, UniqueFd outcome_event)
    : tier_(std::move(tier)),
      run_(std::move(run)),
      limit_bytes_(limit_bytes),
      input_of_(std::move(input_of)),
      wake_event_(std::move(wake_event)),
      outcome_event_(std::move(outcome_event)) {}

Stager::~Stager() {
  change([](Shared& shared) { shared.stopping = true; });
  if (thread_.joinable()) thread_.join();
}

void Stager::change(const std::function<void(Shared&)>& change) {
  shared_.with(change);
  ring(wake_event_);
}

void Stager::stage(TaskId task) {
  change([&](Shared& shared) { shared.wishes.push_back(task); });
}

void Stager::started(TaskId task) {
  change([&](Shared& shared) { shared.started.push_back(task); });
}

void Stager::release(TaskId task) {
  change([&](Shared& shared) { shared.released.push_back(task); });
}

void Stager::report(api::Run run) {
  shared_.with([&](Shared& shared) { shared.report = std::move(run); });
}

std::vector<Stager::Outcome> Stager::take_outcomes() {
  silence(outcome_event_);
  return shared_.with([](Shared& shared) { return std::exchange(shared.outcomes, {}); });
}

Stager::Progress Stager::progress() const {
  return shared_.with([](const Shared& shared) { return shared.progress; });
}

void Stager::work() {
  while (take_in()) {
    if (may_call()) begin_prefetches();
    if (may_call()) poll_active();
    if (may_call()) renew_leases();
    if (may_call()) send_report();
    wait_for(&wake_event_, active_.empty() ? kIdle : kShortestPoll);
    silence(wake_event_);
  }
  wind_up();
}

// False when it is time to stop.
bool Stager::take_in() {
  std::vector<TaskId> released;
  const bool stopping = shared_.with([&](Shared& shared) {
    wishes_.insert(wishes_.end(), shared.wishes.begin(), shared.wishes.end());
    shared.wishes.clear();
    for (const TaskId task : std::exchange(shared.started, {})) ahead_bytes_.erase(task);
    released = std::exchange(shared.released, {});
    if (shared.report) report_ = std::exchange(shared.report, std::nullopt);
    return shared.stopping;
  });
  end_leases(released);
  return !stopping;
}

std::string Stager::lease_owner(TaskId task) const {
  return fmt::format("{}/{}.{}", run_, task.step, task.index);
}

void Stager::begin_prefetches() {
  while (!wishes_.empty() && may_call()) {
    const TaskId task = wishes_.front();
    if (!next_input_) {
      Result<TaskInput> input = input_of_(task);
      if (!input) {
        wishes_.pop_front();
        answer(task, input.error());
        continue;
      }
      next_input_ = *std::move(input);
      next_new_bytes_ = requested_.add(*next_input_);
    }
    uint64_t ahead = next_new_bytes_;
    for (const auto& [other, bytes] : ahead_bytes_) ahead += bytes;
    if (ahead > limit_bytes_ && !ahead_bytes_.empty()) return;
    wishes_.pop_front();
    TaskInput input = *std::exchange(next_input_, std::nullopt);
    begin(task, std::move(input));
  }
}

void Stager::begin(TaskId task, TaskInput input) {
  if (input.files.empty() && input.folders.empty()) {
    answer(task, {});
    return;
  }
  const Result<api::Prefetch> prefetch =
      tier_->start_prefetch(to_request(input, lease_owner(task), "run " + run_));
  if (!prefetch && wait_out(prefetch.error())) {
    wishes_.push_front(task);
    next_input_ = std::move(input);
    return;
  }
  if (!prefetch) {
    answer(task, tier_->may_pass(prefetch.error()) ? gave_up(prefetch.error()) : prefetch.error());
    return;
  }
  answered();
  leased_.insert(task);
  ahead_bytes_[task] = next_new_bytes_;
  active_.push_back({task, prefetch->id, std::move(input), {}});
  follow(active_.back(), *prefetch);
}

void Stager::poll_active() {
  size_t polled = 0;
  const SteadyClock::time_point now = SteadyClock::now();
  for (Active& active : active_) {
    if (polled == kPolledAtOnce || !may_call()) break;
    if (active.id == 0 || now < active.next_poll) continue;
    ++polled;
    const Result<api::Prefetch> prefetch = tier_->prefetch(active.id);
    if (prefetch) {
      answered();
      follow(active, *prefetch);
    } else if (wait_out(prefetch.error())) {
      continue;
    } else if (prefetch.error().is(std::errc::no_such_file_or_directory)) {
      wishes_.push_front(active.task);  // tierd has forgotten it
      next_input_.reset();
      active.id = 0;
    } else {
      answer(active.task,
             tier_->may_pass(prefetch.error()) ? gave_up(prefetch.error()) : prefetch.error());
      active.id = 0;
    }
  }
  std::erase_if(active_, [](const Active& active) { return active.id == 0; });
}

// Ends `active` (id 0) if its prefetch has ended.
void Stager::follow(Active& active, const api::Prefetch& prefetch) {
  active.next_poll = SteadyClock::now() + poll_interval(prefetch);
  const std::optional<Result<void>> ended = verdict(prefetch);
  // People are told what the oldest waits for: the others are behind it.
  if (&active == &active_.front() && !trouble_since_) {
    shared_.with(
        [&](Shared& shared) { shared.progress.trouble = ended ? std::string() : prefetch.reason; });
  }
  if (!ended) return;
  active.id = 0;
  if (*ended) {
    uint64_t staged = resident_.add(active.input);
    if (!active.input.folders.empty()) staged += prefetch.total_bytes;
    shared_.with([&](Shared& shared) {
      shared.progress.staged_bytes += staged;
      shared.progress.copied_bytes += prefetch.copied_bytes;
    });
  }
  answer(active.task, *ended);
}

void Stager::answer(TaskId task, Result<void> resident) {
  shared_.with([&](Shared& shared) { shared.outcomes.push_back({task, std::move(resident)}); });
  ring(outcome_event_);
}

void Stager::end_leases(const std::vector<TaskId>& tasks) {
  for (const TaskId task : tasks) {
    ahead_bytes_.erase(task);
    if (leased_.erase(task) == 0) continue;
    const Result<void> ended = tier_->renew_lease(lease_owner(task), 0);
    if (!ended) log::debug("a lease could not be ended", {{"error", ended.error().text()}});
  }
}

void Stager::renew_leases() {
  const SteadyClock::time_point now = SteadyClock::now();
  if (now < next_renewal_) return;
  const bool first = next_renewal_ == SteadyClock::time_point{};
  next_renewal_ = now + kRenewEvery;
  if (first) return;
  std::vector<std::string> owners = {run_};
  for (const TaskId task : leased_) owners.push_back(lease_owner(task));
  for (const std::string& owner : owners) {
    const Result<void> renewed = tier_->renew_lease(owner, kLeaseSeconds);
    if (!renewed && wait_out(renewed.error())) {
      next_renewal_ = now + kRetry;
      return;
    }
  }
}

void Stager::send_report() {
  const SteadyClock::time_point now = SteadyClock::now();
  if (!report_ || now < next_report_) return;
  next_report_ = now + kReportEvery;
  const Result<void> sent = tier_->report_run(*report_);
  if (!sent) log::debug("the run could not be reported", {{"error", sent.error().text()}});
  report_.reset();
}

void Stager::wind_up() {
  if (report_) {
    next_report_ = {};
    send_report();
  }
  for (const Active& active : active_) {
    if (!tier_->cancel_prefetch(active.id)) break;
  }
  end_leases({leased_.begin(), leased_.end()});
  static_cast<void>(tier_->renew_lease(run_, 0));
}

bool Stager::wait_out(const Error& error) {
  if (!tier_->may_pass(error)) return false;
  const SteadyClock::time_point now = SteadyClock::now();
  if (!trouble_since_ || tier_->is_busy(error)) trouble_since_ = now;
  if (now - *trouble_since_ > kPatience) return false;
  next_call_ = now + kRetry;
  shared_.with([&](Shared& shared) { shared.progress.trouble = no_answer(*tier_, error); });
  return true;
}

void Stager::answered() {
  if (!trouble_since_) return;
  trouble_since_.reset();
  shared_.with([](Shared& shared) { shared.progress.trouble.clear(); });
}

}  // namespace tierhub::compute
