// What changes something: leases, evict, publish, pins, scans. Prefetches are in
// control_prefetch.cpp; what only looks is in control_look.cpp.
#include "daemon/control.h"

#include <algorithm>
#include <chrono>
#include <map>

#include "common/log.h"
#include "common/metrics.h"
#include "daemon/control_messages.h"
#include "migrator/prefetch/lease_owner.h"
#include "storage/scratch/object_state.h"

namespace tierhub {
namespace {

constexpr size_t kSkippedShown = 1000;
constexpr int kPublishesKeptPerUser = 100;
// close() returns before the kernel has told us: an eviction that finds a file open looks again for
// a little while.
constexpr int kReleaseTries = 10;
constexpr auto kReleasePause = std::chrono::milliseconds(5);

Result<void> require_root(const api::Caller& caller, const std::string& what) {
  if (caller.uid == 0) return {};
  return Error(std::errc::permission_denied, "only root may " + what);
}

Result<void> require_paths(const std::vector<std::string>& paths) {
  if (!paths.empty()) return {};
  return Error(std::errc::invalid_argument, "no path is given");
}

// The owner of a pin of the caller: of a person one that says whose it is. They may say either it or only
// the name in it.
std::string pin_owner(const api::Caller& caller, const std::string& owner) {
  if (caller.uid == 0) return owner.empty() ? "root" : owner;
  const std::string own = LeaseOwner{caller.uid, {}}.text();
  return owner.starts_with(own) ? owner : own + owner;
}

// They are in the catalog once for each file.
Result<void> check_pin_texts(const std::string& owner, const std::string& reason) {
  constexpr size_t kMostBytes = 256;
  if (owner.size() <= kMostBytes && reason.size() <= kMostBytes) return {};
  return Error(
      std::errc::invalid_argument,
      fmt::format("the owner and the reason of a pin have {} bytes at most, each", kMostBytes));
}

api::ScanProgress to_api(const ScanSchedule::Progress& progress) {
  const ScanCounts& counts = progress.counts;
  return {progress.running, counts.folders, counts.files,     counts.added,
          counts.changed,   counts.removed, counts.conflicts, progress.error};
}

}  // namespace

Control::Control(Parts parts)
    : parts_(std::move(parts)),
      catalog_(parts_.inodes.catalog()),
      walk_(catalog_, parts_.config.mount),
      event_watch_(watch_events()) {}

Control::~Control() = default;

Result<void> Control::for_each_file(const api::Caller& caller,
                                    const std::vector<std::string>& paths,
                                    const std::function<Result<void>(const FoundNode&)>& visit) {
  for (const std::string& path : paths) {
    TRY_ASSIGN(const FoundNode start, walk_.resolve(caller, path));
    const auto visit_file = [&](const FoundNode& node) -> Result<bool> {
      if (node.record.attributes.kind == FileKind::file) TRY(visit(node));
      return true;
    };
    TRY(walk_.walk(caller, start, "", visit_file));
  }
  return {};
}

Result<void> Control::check_lease_time(uint64_t ttl_s) const {
  if (static_cast<double>(ttl_s) <= parts_.config.lease_max_s) return {};
  return Error(
      std::errc::invalid_argument,
      fmt::format("a lease lasts {:.0f} s at most (lease_max_s): ask for less, and renew it",
                  parts_.config.lease_max_s));
}

Result<void> Control::renew_lease(const api::Caller& caller, const std::string& owner,
                                  uint64_t ttl_s) {
  TRY(check_lease_time(ttl_s));
  const Timestamp expires{Timestamp::now().ns + static_cast<int64_t>(ttl_s) * 1'000'000'000};
  return parts_.prefetcher.renew_leases({caller.uid, owner}, expires);
}

Result<api::EvictResult> Control::evict(const api::Caller& caller,
                                        const std::vector<std::string>& paths) {
  TRY(require_paths(paths));
  parts_.user_pins.look();
  api::EvictResult result;
  int tries_left = kReleaseTries;
  TRY(for_each_file(caller, paths, [&](const FoundNode& node) -> Result<void> {
    const auto skip = [&](const std::string& reason) -> Result<void> {
      ++result.skipped_files;
      if (result.skipped.size() < kSkippedShown) result.skipped.push_back({node.path, reason});
      return {};
    };
    TRY_ASSIGN(const bool writable, walk_.may(caller, node, Access::write));
    if (!writable) return skip("you may not write it");
    TRY_ASSIGN(Eviction eviction, parts_.evictor.evict(node.inode));
    while (eviction.skip && eviction.skip->is_passing() && tries_left-- > 0) {
      std::this_thread::sleep_for(kReleasePause);
      TRY_ASSIGN(eviction, parts_.evictor.evict(node.inode));
    }
    result.bytes += eviction.bytes;
    if (eviction.evicted) {
      ++result.files;
    } else if (eviction.skip) {
      return skip(eviction.skip->text());
    }
    return {};
  }));
  TRY(parts_.evictor.reap());
  return result;
}

Result<api::PublishProgress> Control::start_publish(const api::Caller& caller,
                                                    const std::vector<std::string>& paths) {
  TRY(require_paths(paths));
  Publish publish;
  publish.uid = caller.uid;
  for (const std::string& path : paths) {
    TRY_ASSIGN(const FoundNode node, walk_.resolve(caller, path));
    TRY_ASSIGN(const bool writable, walk_.may(caller, node, Access::write));
    if (!writable)
      return Error(std::errc::permission_denied,
                   node.path + ": you may not write it, so you may not publish it");
    publish.paths.push_back(node.path);
  }
  publish.files_before = metrics().published_files.value();
  publish.bytes_before = metrics().published_bytes.value();
  TRY_ASSIGN(const uint64_t id, catalog_.allocate_sequence());
  parts_.publisher.demand(publish.paths);
  TRY(look_at_keys(publish));
  publishes_.with([&](auto& publishes) {
    publishes.emplace(id, publish);
    const auto is_own = [&](const auto& entry) { return entry.second.uid == caller.uid; };
    if (std::ranges::count_if(publishes, is_own) > kPublishesKeptPerUser)
      publishes.erase(std::ranges::find_if(publishes, is_own));
  });
  return progress_of(caller, id, publish);
}

Result<api::PublishProgress> Control::publish_progress(const api::Caller& caller, uint64_t id,
                                                       std::chrono::milliseconds wait) {
  auto publish = publishes_.with([&](auto& publishes) -> std::optional<Publish> {
    const auto it = publishes.find(id);
    return it == publishes.end() ? std::nullopt : std::optional(it->second);
  });
  if (!publish)
    return Error(std::errc::no_such_file_or_directory, fmt::format("there is no publish {}", id));
  if (caller.uid != 0 && caller.uid != publish->uid)
    return Error(std::errc::permission_denied, "this publish is another user's");
  const bool may_wait = wait.count() > 0 && publish_waits_.try_acquire();
  const bool over = parts_.publisher.wait_for_demand(
      publish->paths, may_wait ? wait : std::chrono::milliseconds(0));
  if (may_wait) publish_waits_.release();
  if (over || SteadyClock::now() >= publish->look_again) {
    TRY(look_at_keys(*publish));
    publishes_.with([&](auto& publishes) {
      if (const auto it = publishes.find(id); it != publishes.end()) it->second = *publish;
    });
  }
  return progress_of(caller, id, *publish);
}

// While it goes on, looking must not take from the work: a twentieth of the time at most.
Result<void> Control::look_at_keys(Publish& publish) {
  constexpr int kPausePerLook = 20;
  constexpr std::chrono::seconds kLongest(5);
  const auto start = SteadyClock::now();
  TRY_ASSIGN(publish.pending, parts_.publisher.pending(publish.paths));
  const auto end = SteadyClock::now();
  publish.look_again =
      end + std::min<SteadyClock::duration>((end - start) * kPausePerLook, kLongest);
  return {};
}

bool Control::may_know_of(const api::Caller& caller, const std::string& path) const {
  if (caller.uid == 0) return true;
  const size_t slash = path.rfind('/');
  const auto folder = walk_.resolve(caller, slash == 0 ? "/" : path.substr(0, slash));
  if (!folder) return false;
  const auto listable = walk_.may(caller, *folder, Access::read);
  return listable && *listable;
}

api::PublishProgress Control::progress_of(const api::Caller& caller, uint64_t id,
                                          const Publish& publish) const {
  api::PublishProgress progress;
  progress.id = id;
  progress.done = publish.pending.keys == 0;
  progress.pending_keys = publish.pending.keys;
  progress.pending_bytes = publish.pending.bytes;
  progress.published_files = metrics().published_files.value() - publish.files_before;
  progress.published_bytes = metrics().published_bytes.value() - publish.bytes_before;
  for (const auto& waiting : publish.pending.waiting) {
    const bool known = may_know_of(caller, waiting.path);
    progress.waiting.push_back({known ? waiting.path : "a file that you may not see",
                                known ? waiting.reason : "root can see why",
                                known && waiting.cause == Publisher::Pending::Cause::writer});
  }
  return progress;
}

Result<uint64_t> Control::pin(const api::Caller& caller, const std::vector<std::string>& paths,
                              const std::string& owner, const std::string& reason) {
  TRY(require_paths(paths));
  if (caller.uid != 0) {
    TRY(parts_.user_pins.check_allowed());
    TRY(check_pin_texts(owner, reason));
  }
  uint64_t files = 0;
  Batch batch;
  LeaseRecord pin;
  pin.pin = true;
  pin.owner = pin_owner(caller, owner);
  pin.reason = reason;
  pin.created = Timestamp::now();
  std::map<InodeNumber, uint64_t> sizes;
  TRY(for_each_file(caller, paths, [&](const FoundNode& node) -> Result<void> {
    if (caller.uid != 0) {
      const auto allowed = require_keeper(caller, node);
      if (!allowed) return allowed.error();
      // What is being written has a size that is not on record yet.
      TRY_ASSIGN(const InodeLock lock, parts_.inodes.lock_existing(node.inode));
      TRY_ASSIGN(const Attributes current, current_attributes(parts_.scratch, *lock));
      sizes[node.inode] = current.size_bytes;
      if (sizes.size() > UserPins::kMostFilesOfUser) {
        return Error(std::errc::permission_denied,
                     fmt::format("you may keep {} files on the SSD, and these are more",
                                 UserPins::kMostFilesOfUser));
      }
    }
    if (caller.uid == 0) batch.put_lease(node.inode, pin);
    ++files;
    return {};
  }));
  if (caller.uid == 0) {
    TRY(catalog_.commit(batch));
    return files;
  }
  const MutexLock lock(parts_.user_pins.admission());
  TRY(parts_.user_pins.admit(caller.uid, sizes));
  for (const auto& [inode, size_bytes] : sizes) TRY(put_only_pin(batch, inode, pin));
  TRY(catalog_.commit(batch));
  return files;
}

// A person has one pin of a file, or names without end would fill the catalog.
Result<void> Control::put_only_pin(Batch& batch, InodeNumber inode, const LeaseRecord& pin) const {
  TRY_ASSIGN(const auto leases, catalog_.leases(inode));
  for (const LeaseRecord& old : leases) {
    if (!old.pin || UserPins::user_of(old.owner) != UserPins::user_of(pin.owner)) continue;
    batch.erase_lease(inode, old.owner);
  }
  batch.put_lease(inode, pin);
  return {};
}

// A person keeps what they may write, or what is theirs.
Result<void> Control::require_keeper(const api::Caller& caller, const FoundNode& node) const {
  if (node.record.attributes.uid == caller.uid) return {};
  TRY_ASSIGN(const bool writable, walk_.may(caller, node, Access::write));
  if (writable) return {};
  return Error(std::errc::permission_denied,
               node.path + ": it is not yours and you may not write it, so you may not pin it");
}

Result<uint64_t> Control::unpin(const api::Caller& caller, const std::vector<std::string>& paths,
                                const std::string& owner) {
  TRY(require_paths(paths));
  uint64_t files = 0;
  Batch batch;
  TRY(for_each_file(caller, paths, [&](const FoundNode& node) -> Result<void> {
    TRY_ASSIGN(const auto leases, catalog_.leases(node.inode));
    bool pinned = false;
    for (const LeaseRecord& lease : leases) {
      const bool is_meant = caller.uid == 0
                                ? owner.empty() || lease.owner == owner
                                : UserPins::user_of(lease.owner) == caller.uid &&
                                      (owner.empty() || lease.owner == pin_owner(caller, owner));
      if (!lease.pin || !is_meant) continue;
      batch.erase_lease(node.inode, lease.owner);
      pinned = true;
    }
    files += pinned ? 1 : 0;
    return {};
  }));
  TRY(catalog_.commit(batch));
  return files;
}

Result<api::ScanProgress> Control::start_scan(const api::Caller& caller, MuchMissing much_missing) {
  TRY(require_root(caller, "scan"));
  const bool accept = much_missing == MuchMissing::accept;
  return to_api(
      parts_.scans.scan(accept ? Scanner::Removals::accepted : Scanner::Removals::guarded));
}

Result<api::ScanProgress> Control::scan_progress(const api::Caller& caller) {
  api::ScanProgress progress = to_api(parts_.scans.progress());
  if (caller.uid != 0 && !progress.error.empty()) progress.error = "it failed; root can see why";
  return progress;
}

}  // namespace tierhub
