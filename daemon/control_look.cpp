// What only looks: status, listings, runs.
#include <algorithm>
#include <set>

#include <unistd.h>

#include "api/json.h"
#include "common/health.h"
#include "common/metrics.h"
#include "common/posix.h"
#include "daemon/control.h"
#include "daemon/control_messages.h"
#include "migrator/evict/capacity_held.h"
#include "storage/scratch/object_state.h"

namespace tierhub {
namespace {

constexpr size_t kMaxListed = 10'000;
constexpr auto kSummingTime = std::chrono::seconds(1);
constexpr size_t kMaxRunBytes = 4 << 20;

// All of its bytes are in scratch and may be newer than the archive's, however many there are by
// now.
bool is_whole(const InodeState& inode) { return inode.rec().content == Content::unknown; }

void add_counters(api::Status& status) {
  const Metrics& m = metrics();
  status.conflicts = m.conflicts.value();
  status.prefetch_bytes = m.prefetch_bytes.value();
  status.prefetch_files = m.prefetch_files.value();
  status.recall_bytes = m.recall_bytes.value();
  status.recall_chunks = m.recall_chunks.value();
  status.unkept_recall_bytes = m.unkept_recall_bytes.value();
  status.growing_recall_bytes = m.growing_recall_bytes.value();
  status.answered_first_bytes = m.answered_first_bytes.value();
  status.published_bytes = m.published_bytes.value();
  status.published_files = m.published_files.value();
  status.patched_files = m.patched_files.value();
  status.cloned_bytes = m.cloned_bytes.value();
  status.evicted_bytes = m.evicted_bytes.value();
  status.evicted_files = m.evicted_files.value();
  status.fuse_read_requests = m.fuse_read_requests.value();
  status.fuse_write_requests = m.fuse_write_requests.value();
  status.fuse_lookup_requests = m.fuse_lookup_requests.value();
  status.fuse_open_requests = m.fuse_open_requests.value();
  status.passthrough_opens = m.passthrough_opens.value();
}

// What the parts of tierd say, and what the numbers say. The worst comes first.
std::vector<Trouble> troubles_of(const api::Status& status, bool scratch_is_full) {
  std::vector<Trouble> result = health().troubles();
  if (scratch_is_full) result.push_back({"scratch is full", "publish, unpin or add SSD"});
  if (status.parked_keys > 0) {
    result.push_back({fmt::format("{} changes cannot be published", status.parked_keys),
                      status.first_parked_reason});
  }
  for (const uint64_t id : status.parked_prefetches) {
    result.push_back({fmt::format("prefetch {} is parked", id),
                      fmt::format("tierd ended unexpectedly each time while it ran: `tierctl "
                                  "prefetch --resume {0}`, or --cancel {0}",
                                  id)});
  }
  return result;
}

}  // namespace

std::string to_text(FileKind kind) {
  switch (kind) {
    case FileKind::file:
      return "file";
    case FileKind::directory:
      return "directory";
    case FileKind::symlink:
      return "symlink";
    case FileKind::fifo:
      return "fifo";
    case FileKind::socket:
      return "socket";
    case FileKind::character_device:
      return "character device";
    case FileKind::block_device:
      return "block device";
  }
  return "";
}

std::string to_text(FileState state) {
  switch (state) {
    case FileState::cold:
      return "cold";
    case FileState::partial:
      return "partial";
    case FileState::hot:
      return "hot";
    case FileState::dirty:
      return "dirty";
  }
  return "";
}

api::Prefetch to_message(const Prefetcher::Progress& progress) {
  const auto state = [&]() -> std::string {
    switch (progress.record.state) {
      case PrefetchState::queued:
        return "queued";
      case PrefetchState::running:
        return "running";
      case PrefetchState::done:
        return "done";
      case PrefetchState::failed:
        return "failed";
      case PrefetchState::cancelled:
        return "cancelled";
      case PrefetchState::parked:
        return "parked";
    }
    return "";
  };
  api::Prefetch message;
  message.id = progress.record.id;
  message.state = state();
  message.label = progress.record.label;
  message.urgency = progress.record.urgency == PrefetchUrgency::later ? "later" : "task";
  message.owner_uid = progress.record.owner_uid;
  message.total_bytes = progress.record.total_bytes;
  message.done_bytes = progress.done_bytes;
  message.copied_bytes = progress.copied_bytes;
  message.total_files = progress.record.total_files;
  message.done_files = progress.done_files;
  message.failed_files = progress.record.failed_files;
  message.first_error = progress.record.first_error;
  message.rate_bytes_per_s = progress.rate_bytes_per_s;
  message.eta_s = progress.eta_s;
  message.reason = progress.reason;
  message.created = progress.record.created;
  if (message.finished()) message.ended = progress.record.ended;
  return message;
}

// What would be lost if the SSD died now, and what waits in the journal.
Result<void> Control::add_dirty(api::Status& status) {
  TRY_ASSIGN(const DirtyCount count, count_dirty(parts_.inodes, parts_.scratch));
  status.journal_keys = count.journal_keys;
  status.parked_keys = count.parked_keys;
  status.first_parked_reason = count.first_parked_reason;
  status.dirty_files = count.files;
  status.dirty_bytes = count.bytes;
  status.oldest_dirty_age_s = count.oldest_age_s;
  return {};
}

Result<api::Status> Control::status(const api::Caller& caller) {
  api::Status status;
  status.version = TIERHUB_VERSION;
  status.pid = ::getpid();
  status.mount = parts_.config.mount;
  status.archive = parts_.config.archive;
  status.scratch = parts_.config.scratch;
  status.state = parts_.config.state;
  TRY_ASSIGN(status.state_shares_scratch,
             posix::share_file_system(parts_.config.state, parts_.config.scratch));
  status.data_path = parts_.data_path();
  status.copy_engine = parts_.copy_engine();
  status.archive_state = parts_.archive_state();
  status.uptime_s = std::chrono::duration<double>(SteadyClock::now() - started_).count();
  const ScanSchedule::Progress scan = parts_.scans.progress();
  status.import_running = scan.running;
  status.import_files = scan.counts.files;
  const Capacity::Marks marks = parts_.capacity.marks();
  status.capacity_bytes = marks.capacity_bytes;
  status.used_bytes = marks.used_bytes;
  status.reserve_bytes = marks.reserve_bytes;
  status.high_bytes = marks.high_bytes;
  status.low_bytes = marks.low_bytes;
  const RoomQueue::State queue = parts_.capacity.waiting();
  status.writers_waiting = queue.writers;
  status.oldest_writer_wait_s = queue.oldest_s;
  status.publish_bytes_per_s = parts_.housekeeper.publish_bytes_per_s();
  status.prefetches_active = parts_.prefetcher.active();
  add_agents(caller, status);
  status.parked_prefetches = parts_.prefetcher.parked();
  TRY(add_dirty(status));
  // It names a file, which is not everyone's to know.
  if (caller.uid != 0 && !status.first_parked_reason.empty())
    status.first_parked_reason = "root can see which in `tierctl status`";
  add_counters(status);
  // The details may name files that the caller must not know of.
  for (const Trouble& trouble : troubles_of(status, marks.full))
    status.health.push_back(caller.uid == 0 ? trouble.text() : trouble.what);
  status.summary = status.health.empty() ? "ok" : status.health.front();
  return status;
}

Result<api::Entry> Control::entry_of(const FoundNode& node) {
  api::Entry entry;
  entry.path = node.path;
  const Attributes& attributes = node.record.attributes;
  entry.kind = to_text(attributes.kind);
  entry.size = attributes.size_bytes;
  entry.mode = attributes.mode;
  entry.uid = attributes.uid;
  entry.gid = attributes.gid;
  entry.mtime = attributes.mtime;
  if (attributes.kind != FileKind::file) return entry;
  TRY_ASSIGN(const InodeLock lock, parts_.inodes.lock_existing(node.inode));
  TRY_ASSIGN(const Attributes current, current_attributes(parts_.scratch, *lock));
  entry.writing = lock->rec().writing;
  entry.size = current.size_bytes;
  entry.mtime = current.mtime;
  entry.state = to_text(lock->state());
  entry.resident = is_whole(*lock) ? current.size_bytes : lock->resident_bytes();
  entry.dirty = is_whole(*lock) ? current.size_bytes : lock->dirty_bytes();
  TRY_ASSIGN(const auto leases, catalog_.leases(node.inode));
  for (const LeaseRecord& lease : leases) {
    entry.pins.push_back(lease.reason.empty() ? lease.owner : lease.owner + ": " + lease.reason);
  }
  return entry;
}

// The sums of all files below a folder, in its entry. False: not all were seen by `end`, or the
// caller may not list all; the entry stays as it was.
Result<bool> Control::add_totals(const api::Caller& caller, const FoundNode& folder,
                                 SteadyClock::time_point end, api::Entry& entry) {
  constexpr size_t kMostPinsOfFolder = 100;
  api::Entry sum = entry;
  std::set<std::string> pins;
  sum.size = 0;  // not what the folder itself occupies
  bool in_time = true;
  const auto walked = walk_.walk(caller, folder, "", [&](const FoundNode& node) -> Result<bool> {
    in_time = SteadyClock::now() < end;
    if (!in_time) return false;
    if (node.record.attributes.kind != FileKind::file) return true;
    const auto file = entry_of(node);
    if (!file && file.error().is(std::errc::no_such_file_or_directory)) return true;
    if (!file) return file.error();
    for (const std::string& pin : file->pins) {
      if (pins.size() < kMostPinsOfFolder) pins.insert(pin);
    }
    ++sum.files;
    sum.size += file->size;
    sum.resident += file->resident;
    sum.dirty += file->dirty;
    return true;
  });
  if (!walked && walked.error().is(std::errc::permission_denied)) return false;
  TRY(walked);
  if (!in_time) return false;
  const FileState state = sum.dirty > 0              ? FileState::dirty
                          : sum.resident >= sum.size ? FileState::hot
                          : sum.resident > 0         ? FileState::partial
                                                     : FileState::cold;
  sum.state = to_text(state);
  sum.pins.assign(pins.begin(), pins.end());
  entry = std::move(sum);
  return true;
}

Result<api::Listing> Control::list(const api::Caller& caller, const std::string& path, Depth depth,
                                   const std::string& after, size_t limit) {
  limit = std::clamp<size_t>(limit, 1, kMaxListed);
  const auto end_of_summing = SteadyClock::now() + kSummingTime;
  TRY_ASSIGN(const FoundNode start, walk_.resolve(caller, path));
  api::Listing listing;
  const auto visit = [&](const FoundNode& node) -> Result<bool> {
    const bool is_start =
        node.inode == start.inode && node.record.attributes.kind == FileKind::directory;
    if (is_start) return true;  // a folder lists what is in it
    if (listing.entries.size() == limit) {
      listing.next = listing.entries.back().path;
      return false;
    }
    auto entry = entry_of(node);
    if (!entry && entry.error().is(std::errc::no_such_file_or_directory))
      return true;  // removed in between
    if (!entry) return entry.error();
    if (depth == Depth::totals && node.record.attributes.kind == FileKind::directory)
      TRY(add_totals(caller, node, end_of_summing, *entry));
    listing.entries.push_back(*std::move(entry));
    return true;
  };
  TRY(depth == Depth::all ? walk_.walk(caller, start, after, visit)
                          : walk_.children(caller, start, after, visit));
  return listing;
}

// A run belongs to whoever reported it first.
Result<void> Control::report_run(const api::Caller& caller, const api::Run& run) {
  if (run.run.empty() || run.json.size() > kMaxRunBytes) {
    return Error(std::errc::invalid_argument, "a run needs a name and at most 4 MiB of status");
  }
  TRY_ASSIGN(const auto existing, catalog_.run(run.run));
  api::Run stored = run;
  if (caller.uid != 0) stored.uid = caller.uid;
  stored.updated = Timestamp::now();
  stored.agent_gone.reset();
  if (existing) {
    TRY_ASSIGN(const auto before, api::decode<api::Run>(*existing, api::UnknownMembers::ignore));
    if (caller.uid != 0 && before.uid != caller.uid)
      return Error(std::errc::permission_denied, "this run is another user's");
    stored.uid = before.uid;
  }
  Batch batch;
  batch.put_run(run.run, api::encode(stored));
  return catalog_.commit(batch);
}

Result<api::Run> Control::to_run(const std::string& json) const {
  TRY_ASSIGN(auto run, api::decode<api::Run>(json, api::UnknownMembers::ignore));
  run.agent_gone = agents_.with([&](const api::AgentBook& book) { return book.gone_since(run); });
  return run;
}

Result<std::vector<api::Run>> Control::runs(const api::Caller& caller) {
  TRY_ASSIGN(const auto records, catalog_.runs());
  std::vector<api::Run> result;
  for (const auto& [name, json] : records) {
    TRY_ASSIGN(auto run, to_run(json));
    if (caller.uid == 0 || caller.uid == run.uid) result.push_back(std::move(run));
  }
  return result;
}

Result<api::Run> Control::run(const api::Caller& caller, const std::string& run) {
  TRY_ASSIGN(const auto json, catalog_.run(run));
  if (!json) return Error(std::errc::no_such_file_or_directory, "there is no run " + run);
  TRY_ASSIGN(auto found, to_run(*json));
  if (caller.uid != 0 && caller.uid != found.uid)
    return Error(std::errc::permission_denied, "this run is another user's");
  return found;
}

Result<void> Control::report_agent(const api::Caller& caller, const api::Agent& agent) {
  return agents_.with([&](api::AgentBook& book) { return book.put(caller, agent); });
}

Result<std::vector<api::Agent>> Control::agents(const api::Caller& caller) {
  return agents_.with([&](const api::AgentBook& book) { return book.list(caller); });
}

void Control::add_agents(const api::Caller& caller, api::Status& status) const {
  const auto known = agents_.with([&](const api::AgentBook& book) { return book.list(caller); });
  status.agents_gone = static_cast<uint64_t>(std::count_if(
      known.begin(), known.end(), [](const api::Agent& agent) { return agent.gone; }));
  status.agents = known.size() - status.agents_gone;
}

}  // namespace tierhub
