#include "migrator/publish/publisher.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <set>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "common/duration.h"
#include "common/guarded.h"
#include "common/health.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/mutex.h"
#include "migrator/base/base_edit.h"
#include "migrator/base/content.h"
#include "migrator/base/plan.h"
#include "migrator/publish/demands.h"
#include "migrator/publish/failing.h"
#include "migrator/publish/long_copies.h"
#include "migrator/publish/recovery.h"
#include "migrator/publish/wave.h"
#include "storage/scratch/object_state.h"

namespace tierhub {
namespace {

constexpr double kBackOffSeconds = 5;
constexpr size_t kMaxShownWaiting = 100;
constexpr size_t kMaxHeld = 1000;
constexpr size_t kMaxAgeing = 4096;
// Of the files in a wave.
constexpr uint64_t kLeastWaveBytes = 64 << 20;
constexpr double kFirstWaveRate = 64 << 20;  // bytes a second, until a wave has shown it

// What stands in the archive is not what base says.
bool is_foreign(const Error& error) {
  if (is_scratch_error(error)) return false;
  return is_conflict(error) || error.is(std::errc::file_exists) ||
         error.is(std::errc::no_such_file_or_directory) || error.is(std::errc::not_a_directory) ||
         error.is(std::errc::is_a_directory) || error.is(std::errc::directory_not_empty);
}

}  // namespace

class Publisher::Impl {
 public:
  Impl(InodeTable& inodes, const Scratch& scratch, Archive& archive, TreeMutex& tree_mutex,
       Scanner& scanner, const Options& options)
      : context_{inodes, inodes.catalog(), scratch, archive, options.trash},
        options_(options),
        tree_mutex_(tree_mutex),
        scanner_(scanner),
        long_copies_(context_, options.long_copies, [this] { wake(); }) {}
  ~Impl() { stop(); }

  Result<void> recover();
  void start();
  void stop();
  Result<uint64_t> run_round(Urgency urgency);
  void demand(const std::vector<std::string>& paths);
  Result<Pending> pending(const std::vector<std::string>& paths);
  bool wait_for_demand(const std::vector<std::string>& paths, std::chrono::milliseconds patience) {
    return demands_.wait(paths, patience);
  }
  void retry_parked() { retry_asked_ = true; }
  void wake();
  void something_closed();
  std::optional<SteadyClock::time_point> nothing_to_publish_since() const {
    return nothing_since_.with([](const auto& since) { return since; });
  }

 private:
  using KeyAndRecord = std::pair<JournalKey, JournalRecord>;

  // Why a key is left in a pass that is not parked.
  struct Held {
    NotReady why{};
    std::string reason;  // of what is waiting
  };

  // One way through the journal.
  struct Pass {
    Urgency urgency = Urgency::settled;
    bool room_is_short = false;  // nothing settles
    uint64_t wave_bytes = 0;     // of the files in the wave that is being put together
    bool retry_parked = false;
    PublishDemands::Snapshot demands;  // later ones came during the pass
    std::optional<JournalKey> cursor;
    bool at_end = false;
    std::vector<KeyAndRecord> carried;  // planned again in the next wave
    uint64_t progress = 0;
    std::map<JournalKey, Held> held;
    std::map<JournalKey, Timestamp> ageing;
    bool demand_open =
        false;  // a demanded key is left that goes on by itself, or when it is closed
    bool demand_waits = false;  // a demanded key waits for another one
    bool may_move = false;      // some key goes on by itself, or when it is closed
    bool moves = false;         // some key goes on by itself
  };

  // What holds for all passes of a round.
  struct Round {
    std::set<JournalKey> failed;  // since the last demand
    uint64_t last_demand = 0;     // its number
    std::set<JournalKey> looked;  // their folders were looked at, and they are tried once more
    uint64_t looks = 0;           // each has its keys planned again, and is nothing done by itself
    std::set<JournalKey> ensured;
    std::optional<Error> archive_failure;
    bool needs_recovery = false;
    bool given_up = false;  // not even removals work
  };

  Result<void> run_pass(Round& round, Pass& pass);
  Result<std::vector<KeyAndRecord>> collect(Pass& pass) const;
  Result<void> run_wave(Round& round, Pass& pass);
  enum class Fate { admitted, handled, carried };
  Result<Fate> take_key(Round& round, Pass& pass, Wave& wave, Planner& planner,
                        const KeyAndRecord& item);
  Result<bool> is_demanded(const Pass& pass, const JournalKey& key) const;
  void hold(Pass& pass, const JournalKey& key, NotReady why, const std::string& reason = {});
  bool too_old(const JournalKey& key, Timestamp now);
  Result<void> ensure(Round& round, Pass& pass, const std::vector<JournalKey>& keys);
  Result<bool> drop(const JournalKey& key);
  Result<void> finish_wave(const TreeMutex::Held& held, Round& round, Pass& pass,
                           const Wave::Outcome& outcome);
  Result<void> look(const TreeMutex::Held& held, Round& round, Pass& pass,
                    const std::set<InodeNumber>& folders);
  void want_whole_scan();
  Result<void> park(Round& round, const JournalKey& key, const Error& error);
  Result<std::string> namespace_path(const JournalKey& key) const;
  Result<uint64_t> dirty_bytes(InodeNumber inode);
  Result<uint64_t> bytes_to_send(InodeNumber inode) const;
  void settle_demands(const Pass& pass);
  void note_outlook(const Round& round, const Pass& pass, SteadyClock::time_point begin);
  bool retry_due();
  Result<void> settle_interrupted();
  Result<void> hold_settling(Pass& pass, const JournalKey& key);
  Result<void> discard_stale_copies();
  void loop(const std::stop_token& stop);

  const PublishContext context_;
  const Options options_;
  TreeMutex& tree_mutex_;
  Scanner& scanner_;

  std::atomic<bool> stopping_{false};
  std::atomic<bool> recovered_{false};
  std::atomic<bool> retry_asked_{false};
  SteadyClock::time_point last_retry_ = SteadyClock::now();
  std::optional<SteadyClock::time_point> whole_scan_wanted_;  // the round's thread only
  // The round's thread only, or recover() before.
  FailingFileSystems failing_{kBackOffSeconds};
  double wave_rate_ = kFirstWaveRate;  // of the last wave that sent bytes; the round's thread only
  // As nothing_to_publish_since().
  Guarded<std::optional<SteadyClock::time_point>> nothing_since_;
  std::map<JournalKey, Timestamp>
      ageing_;  // since when these keep being touched; the round's thread only
  PublishDemands demands_;
  Guarded<std::map<JournalKey, Held>> held_;  // why keys were left by the last pass

  Mutex wake_mutex_;
  StoppableConditionVariable wake_condition_;
  bool woken_ GUARDED_BY(wake_mutex_) = false;
  LongCopies long_copies_;  // after all that its threads use
  std::jthread thread_;
};

Publisher::Publisher(InodeTable& inodes, const Scratch& scratch, Archive& archive,
                     TreeMutex& tree_mutex, Scanner& scanner, const Options& options)
    : impl_(std::make_unique<Impl>(inodes, scratch, archive, tree_mutex, scanner, options)) {}
Publisher::~Publisher() = default;
Result<void> Publisher::recover() { return impl_->recover(); }
void Publisher::start() { impl_->start(); }
void Publisher::stop() { impl_->stop(); }
Result<uint64_t> Publisher::run_round(Urgency urgency) { return impl_->run_round(urgency); }
void Publisher::demand(const std::vector<std::string>& paths) { impl_->demand(paths); }
Result<Publisher::Pending> Publisher::pending(const std::vector<std::string>& paths) {
  return impl_->pending(paths);
}
bool Publisher::wait_for_demand(const std::vector<std::string>& paths,
                                std::chrono::milliseconds patience) {
  return impl_->wait_for_demand(paths, patience);
}
void Publisher::retry_parked() { impl_->retry_parked(); }
void Publisher::wake() { impl_->wake(); }
void Publisher::something_closed() { impl_->something_closed(); }
std::optional<SteadyClock::time_point> Publisher::nothing_to_publish_since() const {
  return impl_->nothing_to_publish_since();
}

Result<void> Publisher::Impl::recover() {
  const auto held = tree_mutex_.hold();
  auto done = settle_interrupted();
  if (!done && !is_archive_wide(done.error())) return done;
  if (!done) {
    log::warning("publishing will be recovered when the archive is back",
                 {{"error", done.error().text()}});
  }
  return {};
}

void Publisher::Impl::start() {
  if (options_.threading == Options::Threading::none) return;
  stopping_ = false;
  thread_ = std::jthread([this](const std::stop_token& stop) { loop(stop); });
}

void Publisher::Impl::stop() {
  stopping_ = true;
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
  long_copies_.stop();
}

void Publisher::Impl::wake() {
  {
    const MutexLock lock(wake_mutex_);
    woken_ = true;
  }
  wake_condition_.notify_one();
}

// Without a demand it rests first, and the next tick is early enough.
void Publisher::Impl::something_closed() {
  if (demands_.any() || options_.room_is_short()) wake();
}

void Publisher::Impl::loop(const std::stop_token& stop) {
  std::string last_error;
  while (!stop.stop_requested()) {
    auto round = run_round(Urgency::settled);
    if (!round) nothing_since_.with([](auto& since) { since = SteadyClock::time_point::max(); });
    const std::string error = round ? std::string() : round.error().text();
    if (!error.empty() && error != last_error)
      log::warning("nothing can be published to the archive: trying again",
                   {{"error", error}, {"every_s", kBackOffSeconds}});
    if (error.empty() && !last_error.empty()) log::info("publishing to the archive again");
    last_error = error;
    if (error.empty()) {
      health().clear(HealthPart::publishing);
    } else {
      health().set(HealthPart::publishing, {"changes wait, nothing can be published", error});
    }
    MutexLock lock(wake_mutex_);
    // After a failure a wake-up changes nothing: what woke it is in the journal.
    const auto rest = seconds(error.empty() ? options_.tick_s : kBackOffSeconds);
    wake_condition_.wait_for(wake_mutex_, stop, rest,
                             [&]() REQUIRES(wake_mutex_) { return woken_ && error.empty(); });
    woken_ = false;
  }
}

bool Publisher::Impl::retry_due() {
  const auto now = SteadyClock::now();
  const bool asked = retry_asked_.exchange(false);
  if (!asked && now - last_retry_ < seconds(options_.retry_parked_s)) return false;
  last_retry_ = now;
  return true;
}

Result<uint64_t> Publisher::Impl::run_round(Urgency urgency) {
  if (!recovered_ || failing_.settling_is_due()) {
    const auto held = tree_mutex_.hold();
    TRY(settle_interrupted());
  }
  failing_.forget_old();
  TRY(discard_stale_copies());
  Round round;
  uint64_t progress = 0;
  const bool retry_parked = retry_due();
  for (;;) {
    const auto begin = SteadyClock::now();
    Pass pass;
    pass.urgency = urgency;
    pass.room_is_short = options_.room_is_short();
    pass.retry_parked = retry_parked;
    pass.demands = demands_.now();
    // Who asks during the round may have removed the reason why something failed in it.
    if (std::exchange(round.last_demand, pass.demands.last) != pass.demands.last) {
      round.failed.clear();
      round.looked.clear();
    }
    TRY(run_pass(round, pass));
    progress += pass.progress;
    note_outlook(round, pass, begin);
    // A pass that was broken off for a nested file system tells nothing of the keys behind.
    if (!round.needs_recovery || round.archive_failure) settle_demands(pass);
    if (round.archive_failure) return *round.archive_failure;
    if (pass.progress == 0 || stopping_) return progress - round.looks;
  }
}

// What moves may free room when it is done. After a failure of the archive there is hope again when
// a round got through.
void Publisher::Impl::note_outlook(const Round& round, const Pass& pass,
                                   SteadyClock::time_point begin) {
  const bool all_seen = pass.at_end && pass.carried.empty() && !round.needs_recovery;
  const bool nothing = pass.room_is_short && all_seen && pass.progress == 0 && !pass.moves;
  nothing_since_.with([&](auto& since) {
    if (round.archive_failure) {
      since = SteadyClock::time_point::max();
    } else if (nothing) {
      since = begin;
    } else {
      since.reset();
    }
  });
}

// With the tree mutex.
Result<void> Publisher::Impl::settle_interrupted() {
  recovered_ = false;
  PublishRecovery recovery(context_, long_copies_.leaves());
  TRY(recovery.run());
  failing_.set_unsettled(recovery.unsettled());
  recovered_ = true;
  return {};
}

// A key that rests first; in a file system that does not work it would wait all the same.
Result<void> Publisher::Impl::hold_settling(Pass& pass, const JournalKey& key) {
  std::optional<std::string> reason;
  if (failing_.any() && key.inode != kAsideInode) {
    TRY_ASSIGN(const FileSystemId file_system, file_system_of(context_.catalog, key.inode));
    reason = failing_.reason_of(file_system);
  }
  hold(pass, key, reason ? NotReady::waiting : NotReady::settling, reason.value_or(""));
  return {};
}

// The file was removed, or published otherwise, while it was copied.
Result<void> Publisher::Impl::discard_stale_copies() {
  for (const InodeNumber inode : long_copies_.done()) {
    TRY_ASSIGN(const auto key, context_.catalog.journal_record(JournalKey::of_inode(inode)));
    if (key) continue;
    const auto copy = long_copies_.take(inode);
    if (!copy || !copy->outcome || !copy->outcome->staged) continue;
    TRY(discard_displaced(context_.archive, copy->leaf, copy->outcome->staged->version));
  }
  return {};
}

Result<void> Publisher::Impl::run_pass(Round& round, Pass& pass) {
  while (!pass.at_end || !pass.carried.empty()) {
    if (stopping_ || round.needs_recovery || round.given_up) break;
    TRY(run_wave(round, pass));
  }
  if (round.needs_recovery) recovered_ = false;
  ageing_ = std::move(pass.ageing);
  held_.with([&](auto& held) { held = std::move(pass.held); });
  return {};
}

Result<std::vector<Publisher::Impl::KeyAndRecord>> Publisher::Impl::collect(Pass& pass) const {
  std::vector<KeyAndRecord> items = std::exchange(pass.carried, {});
  if (pass.at_end || items.size() >= options_.wave_keys) return items;
  const size_t room = options_.wave_keys - items.size();
  TRY_ASSIGN(auto page, context_.catalog.journal(pass.cursor, room));
  pass.at_end = page.size() < room;
  if (!page.empty()) pass.cursor = page.back().first;
  std::move(page.begin(), page.end(), std::back_inserter(items));
  return items;
}

Result<void> Publisher::Impl::run_wave(Round& round, Pass& pass) {
  TRY_ASSIGN(const auto items, collect(pass));
  if (items.empty()) return {};
  const auto held = tree_mutex_.hold();
  TRY(context_.archive.check_root());
  Wave wave(context_, long_copies_,
            {{options_.lanes, options_.long_copy_bytes}, options_.wave_keys});
  Planner planner(context_.inodes);
  pass.wave_bytes = 0;
  const uint64_t most_bytes = std::max(
      kLeastWaveBytes,
      std::min(options_.most_wave_bytes(), static_cast<uint64_t>(wave_rate_ * options_.wave_s)));
  for (const KeyAndRecord& item : items) {
    if (pass.wave_bytes >= most_bytes) {
      pass.carried.push_back(item);
      continue;
    }
    TRY_ASSIGN(const Fate fate, take_key(round, pass, wave, planner, item));
    if (fate == Fate::carried) pass.carried.push_back(item);
  }
  if (wave.empty()) return {};
  nothing_since_.with([](auto& since) {
    if (since != SteadyClock::time_point::max()) since.reset();
  });
  const auto begin = SteadyClock::now();
  const uint64_t published_before = metrics().published_bytes.value();
  auto outcome = wave.run(stopping_);
  if (const uint64_t bytes = metrics().published_bytes.value() - published_before; bytes > 0) {
    const std::chrono::duration<double> took = SteadyClock::now() - begin;
    wave_rate_ = static_cast<double>(bytes) / took.count();
  }
  if (!outcome) {
    recovered_ = false;  // the catalog failed in the middle
    return outcome.error();
  }
  return finish_wave(held, round, pass, *outcome);
}

Result<Publisher::Impl::Fate> Publisher::Impl::take_key(Round& round, Pass& pass, Wave& wave,
                                                        Planner& planner,
                                                        const KeyAndRecord& item) {
  const auto& [key, record] = item;
  if (round.failed.contains(key)) return Fate::handled;
  // What places a file in this wave settles the file's own key too.
  if (key.kind == JournalKeyKind::inode && wave.changes(key.inode)) return Fate::handled;
  TRY_ASSIGN(const bool demanded, is_demanded(pass, key));
  if (!record.parked_reason.empty() && !pass.retry_parked && !demanded) return Fate::handled;
  SettleRule settle{Timestamp::now(), seconds(options_.settle_s).count()};
  if (demanded || pass.room_is_short || too_old(key, settle.now)) settle.settle_ns = 0;
  // What was just changed is likely to change again.
  const int64_t age_ns = settle.now.ns - record.since.ns;
  if (age_ns >= 0 && age_ns < settle.settle_ns) {
    TRY(hold_settling(pass, key));
    return Fate::handled;
  }
  auto planned = planner.plan(key);
  if (!planned) {
    TRY(park(round, key, planned.error()));
    return Fate::handled;
  }
  Plan plan = *std::move(planned);
  TRY(ensure(round, pass, plan.needed));
  if (plan.kind == Plan::Kind::wait) {
    if (wave.changes(key.inode)) return Fate::carried;  // its folder comes in this wave
    pass.demand_waits = pass.demand_waits || demanded;
    hold(pass, key, NotReady::waiting, plan.reason);
    return Fate::handled;
  }
  if (plan.kind == Plan::Kind::drop) {
    TRY_ASSIGN(const bool dropped, drop(key));
    pass.progress += dropped ? 1 : 0;
    return Fate::handled;
  }
  if (const auto failure = failing_.failure_of(plan)) {
    pass.demand_waits = pass.demand_waits || demanded;
    hold(pass, key, NotReady::waiting, *failure);
    return Fate::handled;
  }
  // An archive that takes nothing more may still give up what was removed.
  if (round.archive_failure && plan.kind != Plan::Kind::remove) return Fate::handled;
  const InodeNumber inode = plan.inode;
  if (!wave.admit(plan, settle)) return Fate::carried;
  TRY_ASSIGN(const uint64_t bytes, bytes_to_send(inode));
  pass.wave_bytes += bytes;
  return Fate::admitted;
}

Result<bool> Publisher::Impl::is_demanded(const Pass& pass, const JournalKey& key) const {
  if (pass.urgency == Urgency::demanded) return true;
  const PathSet& demanded = pass.demands.paths;
  if (demanded.empty()) return false;
  if (demanded.has_everything()) return true;
  TRY_ASSIGN(const std::string path, namespace_path(key));
  // The folders above come first: they are meant too.
  return demanded.leads_to(path);
}

// A file that is touched every few seconds never rests: it is published all the same, when nobody
// is writing.
bool Publisher::Impl::too_old(const JournalKey& key, Timestamp now) {
  const auto found = ageing_.find(key);
  return found != ageing_.end() &&
         now.ns - found->second.ns >= seconds(options_.max_dirty_age_s).count();
}

void Publisher::Impl::hold(Pass& pass, const JournalKey& key, NotReady why,
                           const std::string& reason) {
  pass.may_move = pass.may_move || why != NotReady::waiting;
  pass.moves = pass.moves || why == NotReady::moving;
  if (pass.held.size() < kMaxHeld) pass.held[key] = {why, reason};
  if (why != NotReady::settling || pass.ageing.size() >= kMaxAgeing) return;
  const auto found = ageing_.find(key);
  pass.ageing[key] = found != ageing_.end() ? found->second : Timestamp::now();
}

Result<void> Publisher::Impl::ensure(Round& round, Pass& pass,
                                     const std::vector<JournalKey>& keys) {
  Batch batch;
  for (const JournalKey& key : keys) {
    // Once in a round: a key that is dropped and asked for again makes no progress.
    if (!round.ensured.insert(key).second) continue;
    TRY_ASSIGN(const bool added, ensure_key(context_.catalog, batch, key));
    pass.progress += added ? 1 : 0;
  }
  return batch.empty() ? Result<void>() : context_.catalog.commit(batch);
}

// Looks again under the lock of whoever could change the answer.
Result<bool> Publisher::Impl::drop(const JournalKey& key) {
  Batch batch;
  std::optional<InodeLock> lock;
  if (key.inode != kAsideInode) {
    TRY_ASSIGN(lock, context_.inodes.lock(key.inode));
  }
  if (key.kind == JournalKeyKind::inode) {
    TRY_ASSIGN(const auto names, context_.catalog.names(key.inode));
    if (lock->exists() && (!names.empty() || key.inode == kRootInode)) return false;
    batch.erase_journal(key);
  } else {
    const Name name{key.inode, key.name};
    TRY_ASSIGN(const auto wanted, namespace_at(context_.catalog, name));
    TRY_ASSIGN(const auto standing, context_.catalog.base(name));
    const bool equal = standing ? wanted == standing->inode : !wanted;
    TRY_ASSIGN(const auto folder, context_.catalog.base_path(key.inode));
    if (!equal && (folder || wanted)) return false;
    batch.erase_journal(key);
    if (lock && folder) TRY(touch_folder(context_.catalog, batch, **lock));
  }
  TRY(context_.catalog.commit(batch));
  return true;
}

Result<void> Publisher::Impl::finish_wave(const TreeMutex::Held& held, Round& round, Pass& pass,
                                          const Wave::Outcome& outcome) {
  pass.progress += outcome.done;
  failing_.note(outcome.working_file_systems, outcome.failed_file_systems);
  std::set<InodeNumber> foreign;  // folders in which somebody else changed something
  for (const auto& ended : outcome.unfinished) {
    if (ended.not_ready) {
      hold(pass, ended.key, *ended.not_ready);
      TRY_ASSIGN(const bool demanded, is_demanded(pass, ended.key));
      pass.demand_open = pass.demand_open || demanded;
    }
    if (!ended.failure) continue;
    if (is_foreign(*ended.failure) && round.looked.insert(ended.key).second) {
      foreign.insert(ended.folders.begin(), ended.folders.end());
    } else {
      TRY(park(round, ended.key, *ended.failure));
    }
  }
  const bool takes_data = outcome.done > 0 && !outcome.archive_failure && !round.archive_failure;
  if (takes_data) nothing_since_.with([](auto& since) { since.reset(); });
  if (outcome.archive_failure) {
    round.given_up = round.archive_failure.has_value();
    round.archive_failure = outcome.archive_failure;
  }
  round.needs_recovery = round.needs_recovery || outcome.needs_recovery;
  if (foreign.empty() || round.needs_recovery || round.archive_failure) return {};
  return look(held, round, pass, foreign);
}

// What is there is taken in, and the keys are planned again.
Result<void> Publisher::Impl::look(const TreeMutex::Held& held, Round& round, Pass& pass,
                                   const std::set<InodeNumber>& folders) {
  std::vector<InodeNumber> inodes(folders.begin(), folders.end());
  std::erase(inodes, kAsideInode);
  const auto looked = scanner_.look(held, inodes, [this](const ScanCounts&) { return !stopping_; });
  ++pass.progress;
  ++round.looks;
  if (looked && looked->wants_whole_scan) want_whole_scan();
  if (looked || stopping_) return {};
  if (is_archive_wide(looked.error())) {
    round.archive_failure = looked.error();
    return {};
  }
  return looked.error();
}

// A scan has parked keys tried again, which may lead here again.
void Publisher::Impl::want_whole_scan() {
  if (!options_.wants_whole_scan) return;
  const auto now = SteadyClock::now();
  if (whole_scan_wanted_ && now - *whole_scan_wanted_ < seconds(options_.retry_parked_s)) return;
  whole_scan_wanted_ = now;
  options_.wants_whole_scan();
}

Result<void> Publisher::Impl::park(Round& round, const JournalKey& key, const Error& error) {
  round.failed.insert(key);
  const bool conflict = is_conflict(error) || error.is(std::errc::file_exists);
  const std::string reason =
      conflict
          ? fmt::format("the archive's copy was changed behind TierHub's back: {}", error.text())
          : error.text();
  TRY_ASSIGN(const auto record, context_.catalog.journal_record(key));
  if (record && record->parked_reason == reason) return {};
  TRY_ASSIGN(const std::string path, namespace_path(key));
  log::warning("a change could not be published", {{"path", path}, {"reason", reason}});
  Batch batch;
  batch.put_journal(key, {record ? record->since : Timestamp::now(), reason});
  return context_.catalog.commit(batch);
}

// Where people would look for it; what has no name any more is told by where the archive has it.
Result<std::string> Publisher::Impl::namespace_path(const JournalKey& key) const {
  TRY_ASSIGN(auto path, context_.catalog.path(key.inode));
  if (!path) {
    TRY_ASSIGN(const auto in_archive, context_.catalog.base_path(key.inode));
    path = "/" + in_archive.value_or(fmt::format("inode {}", key.inode));
  }
  if (key.kind == JournalKeyKind::inode) return *path;
  return *path == "/" ? "/" + key.name : *path + "/" + key.name;
}

void Publisher::Impl::demand(const std::vector<std::string>& paths) {
  demands_.add(paths);
  wake();
}

// A demand is over when a pass found nothing of it left that could still move. One that came during
// the pass stays.
void Publisher::Impl::settle_demands(const Pass& pass) {
  const bool open = pass.demand_open || (pass.demand_waits && pass.may_move);
  if (open || pass.progress > 0 || stopping_) return;
  demands_.settle(pass.demands.last);
}

Result<uint64_t> Publisher::Impl::dirty_bytes(InodeNumber inode) {
  TRY_ASSIGN(const InodeLock lock, context_.inodes.lock(inode));
  if (!lock.exists() || !lock->is_file()) return 0;
  if (!lock->rec().writing) return lock->dirty_bytes();
  TRY_ASSIGN(const Attributes now, current_attributes(context_.scratch, *lock));
  return now.size_bytes;
}

// About: a file that is patched sends less.
Result<uint64_t> Publisher::Impl::bytes_to_send(InodeNumber inode) const {
  TRY_ASSIGN(const auto record, context_.catalog.inode(inode));
  if (!record || record->attributes.kind != FileKind::file || !record->has_object) return 0;
  if (record->archived && record->content == Content::known && !record->writing) {
    TRY_ASSIGN(const IntervalSet dirty, context_.catalog.ranges(inode, RangeKind::dirty));
    if (dirty.empty()) return 0;
  }
  return context_.scratch.occupied_bytes(inode);
}

Result<Publisher::Pending> Publisher::Impl::pending(const std::vector<std::string>& paths) {
  const PathSet wanted(paths);
  const auto held = held_.with([](const auto& all) { return all; });
  // While a demand stands, what is parked is tried again, and what waits for another key may still
  // go on.
  const PathSet demanded = demands_.now().paths;
  Pending pending;
  const bool everything = wanted.has_everything();
  const auto add = [&](const JournalKey& key, const JournalRecord& record) -> Result<void> {
    std::string path;
    if (!everything || pending.waiting.size() < kMaxShownWaiting) {
      TRY_ASSIGN(path, namespace_path(key));
    }
    if (!everything && !wanted.contains(path)) return {};
    ++pending.keys;
    if (key.kind == JournalKeyKind::inode) {
      TRY_ASSIGN(const uint64_t bytes, dirty_bytes(key.inode));
      pending.bytes += bytes;
    }
    if (pending.waiting.size() >= kMaxShownWaiting) return {};
    using Cause = Pending::Cause;
    const bool over = !demanded.contains(path);
    const auto found = held.find(key);
    if (!record.parked_reason.empty()) {
      if (over) pending.waiting.push_back({std::move(path), Cause::parked, record.parked_reason});
    } else if (found == held.end()) {
      return {};
    } else if (found->second.why == NotReady::open_for_writing) {
      pending.waiting.push_back({std::move(path), Cause::writer, "open for writing"});
    } else if (found->second.why == NotReady::waiting && over) {
      pending.waiting.push_back({std::move(path), Cause::other_change, found->second.reason});
    }
    return {};
  };
  TRY(context_.catalog.for_each_journal_key(add));
  return pending;
}

}  // namespace tierhub
