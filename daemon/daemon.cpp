#include "daemon/daemon.h"

#include <chrono>
#include <filesystem>
#include <thread>

#include <unistd.h>

#include "common/fault_points.h"
#include "common/log.h"
#include "common/mutex.h"
#include "common/posix.h"
#include "daemon/service_manager.h"
#include "migrator/evict/scratch_recovery.h"
#include "recovery/adoption.h"
#include "storage/copy/copy_engine.h"

namespace tierhub {
namespace {

constexpr const char* kArchiveIdKey = "archive_id";
constexpr const char* kCatalogIdKey = "catalog_id";
constexpr const char* kImportedKey = "imported";
constexpr size_t kProbeBytes = 1 << 20;
constexpr auto kImportReport = std::chrono::seconds(1);
constexpr auto kArchiveGrace = std::chrono::seconds(3);

std::string state_text(ArchiveState state) {
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

// What the helper will find too: it is the same kernel and the same confinement.
std::string copy_engine_name() {
  CopyEngineOptions options;
  options.max_files = 1;
  options.buffer_bytes = kProbeBytes;
  const auto engine = CopyEngine::make(options);
  return engine ? (*engine)->description() : engine.error().text();
}

Capacity::Options capacity_options(const Config& config) {
  Capacity::Options options;
  options.capacity_bytes = config.capacity_bytes;
  options.reserve_bytes = config.reserve_bytes;
  options.high_share = config.high_percent / 100;
  options.low_share = config.low_percent / 100;
  options.write_wait_s = config.write_wait_s;
  return options;
}

Mover::Options mover_options(const Config& config) {
  Mover::Options options;
  options.answer_first = config.answer_first;
  options.read_ahead_bytes = config.read_ahead_bytes;
  return options;
}

recovery::CatalogBackups::Options backup_options(const Config& config) {
  recovery::CatalogBackups::Options options;
  options.state = config.state;
  options.interval_s = config.catalog_backup_s;
  options.keep = config.catalog_backups;
  return options;
}

Trash::Options trash_options(const Config& config) {
  Trash::Options options;
  options.days = config.trash_days;
  options.replaced = config.trash_replaced;
  options.keep_free_bytes = config.trash_keep_free_bytes;
  return options;
}

}  // namespace

Result<std::unique_ptr<Daemon>> Daemon::start(const Config& config, const std::string& program,
                                              KeeperLink* keeper,
                                              const std::function<bool()>& cancelled) {
  std::unique_ptr<Daemon> daemon(new Daemon(config));
  daemon->keeper_ = keeper;
  auto session = keeper != nullptr ? keeper->take_session() : std::nullopt;
  if (session) {
    daemon->device_ = std::move(session->device);
    TRY_ASSIGN(daemon->kept_, KeptSession::adopt(std::move(session->memory)));
  } else {
    TRY(clean_stale_mount(config.mount));
  }
  TRY(daemon->open_catalog());
  // What is open counts before anything is judged by its users.
  TRY(daemon->adopt_session());
  TRY(daemon->open_archive(program));
  daemon->make_parts();
  daemon->connect_parts();
  TRY(daemon->recover());
  TRY(daemon->first_import(cancelled));
  TRY(daemon->mount());
  TRY(daemon->open_api());
  return daemon;
}

// What is under way in the archive fails first, while everything that hears of it still stands.
Daemon::~Daemon() {
  if (mover_) mover_->begin_nothing_more();
  archive_.reset();
  if (mover_) mover_->stop();
}

// A new catalog would give numbers of theirs to other files.
Result<void> Daemon::check_no_orphaned_objects() const {
  if (std::filesystem::exists(config_.state + "/catalog/CURRENT")) return {};
  const auto scratch = Scratch::inspect(config_.scratch);
  if (!scratch) return {};  // nothing was ever there
  uint64_t objects = 0;
  TRY(scratch->for_each_object([&](InodeNumber, uint64_t) { ++objects; }));
  if (objects == 0) return {};
  return Error(std::errc::state_not_recoverable,
               fmt::format("there is no catalog in {}, but scratch holds {} objects of a lost one: "
                           "run `tierctl fsck --rebuild`, or name the right folder with --state",
                           config_.state, objects));
}

Result<void> Daemon::open_catalog() {
  TRY(check_no_orphaned_objects());
  TRY(posix::make_directories(config_.state, 0700));
  TRY(warn_of_shared_room());
  auto store = open_rocksdb_store(config_.state + "/catalog");
  if (!store && store.error().is(std::errc::device_or_resource_busy)) {
    return Error(
        store.error().code(),
        fmt::format(
            "another tierd uses the state folder {}: stop it first, or choose another --state",
            config_.state));
  }
  if (!store) return store.error();
  Catalog::Options options;
  options.chunk_bytes = config_.chunk_bytes;
  TRY_ASSIGN(catalog_, Catalog::open(std::move(*store), options));
  TRY_ASSIGN(Scratch scratch, Scratch::open(config_.scratch));
  scratch_ = std::make_unique<Scratch>(std::move(scratch));
  inodes_ = std::make_unique<InodeTable>(*catalog_, config_.inodes_in_memory);
  return {};
}

Result<void> Daemon::warn_of_shared_room() const {
  TRY_ASSIGN(const bool shared, posix::share_file_system(config_.state, config_.scratch));
  if (!shared) return {};
  log::warning(
      "state and scratch share a file system, which writers can fill to the last byte: give state "
      "a disk of its own (--state)",
      {{"state", config_.state}, {"scratch", config_.scratch}});
  return {};
}

Result<void> Daemon::adopt_session() {
  TRY_ASSIGN(replies_, replies_left(*catalog_, kept_.get()));
  if (!kept_) return {};
  return restore_handles(*inodes_, *kept_);
}

// Which of all catalogs this is: who it is that uses the archive.
Result<std::string> Daemon::catalog_id() {
  TRY_ASSIGN(const auto known, catalog_->meta(kCatalogIdKey));
  if (known) return *known;
  TRY_ASSIGN(const std::string made, posix::random_uuid());
  Batch batch;
  batch.put_meta(kCatalogIdKey, made);
  TRY(catalog_->commit(batch, Durability::synced));
  return made;
}

Result<void> Daemon::open_archive(const std::string& program) {
  TRY_ASSIGN(const auto known_id, catalog_->meta(kArchiveIdKey));
  ArchiveClientOptions options;
  options.expected_id = known_id.value_or("");
  TRY_ASSIGN(options.claimant.catalog, catalog_id());
  options.claimant.process = ::getpid();
  options.claimant.take_over = config_.take_over;
  options.slots = config_.archive_slots;
  options.verify_by_reading = config_.verify_by_reading;
  options.time_limit_ms = static_cast<uint64_t>(config_.archive_time_limit_s * 1000);
  options.left_out = config_.leave_out;
  TRY_ASSIGN(archive_, ArchiveClient::start(program, config_.archive, options));
  auto id = archive_->archive_id();
  const bool must_not_start =
      !id && (id.error().is(std::errc::not_supported) || is_claimed(id.error()));
  if (!id && known_id && !must_not_start) {
    // It must always be possible to start: hot files and writes go on without the archive.
    log::warning("the archive is offline; cold files cannot be read until it is back",
                 {{"archive", config_.archive}, {"error", id.error().text()}});
    return {};
  }
  if (!id) return id.error().in("open the archive " + config_.archive);
  if (const auto capabilities = archive_->capabilities()) {
    for (const std::string& limit : capabilities->limits())
      log::info("the archive has a limit", {{"limit", limit}});
  }
  Batch batch;
  batch.put_meta(kArchiveIdKey, *id);
  return catalog_->commit(batch, Durability::synced);
}

void Daemon::make_parts() {
  capacity_ = std::make_unique<Capacity>(Capacity::source_of(*scratch_, *catalog_),
                                         capacity_options(config_));
  user_pins_ = std::make_unique<UserPins>(*catalog_, [this] {
    const auto room = static_cast<double>(capacity_->limit_bytes());
    return UserPins::Limits{config_.pin_user_bytes,
                            static_cast<uint64_t>(room * config_.pin_users_percent / 100)};
  });
  held_bytes_ = std::make_unique<HeldBytes>(*inodes_, *scratch_, *user_pins_);
  evictor_ = std::make_unique<Evictor>(*inodes_, *scratch_, *archive_, *capacity_);
  evictor_->user_pins = user_pins_.get();
  mover_ =
      std::make_unique<Mover>(*inodes_, *scratch_, *archive_, *capacity_, mover_options(config_));
  prefetcher_ = std::make_unique<Prefetcher>(*inodes_, *mover_, prefetcher_options());
  housekeeper_ = std::make_unique<Housekeeper>(*catalog_, *scratch_, *archive_, *capacity_,
                                               *evictor_, *mover_, Housekeeper::Options());
  backups_ =
      std::make_unique<recovery::CatalogBackups>(*catalog_, *archive_, backup_options(config_));
  trash_ = std::make_unique<Trash>(*catalog_, *archive_, trash_options(config_));
  scanner_ =
      std::make_unique<Scanner>(*inodes_, *scratch_, *archive_, tree_mutex_, scanner_options());
  publisher_ = std::make_unique<Publisher>(*inodes_, *scratch_, *archive_, tree_mutex_, *scanner_,
                                           publisher_options());
}

Prefetcher::Options Daemon::prefetcher_options() {
  Prefetcher::Options options;
  options.files_in_flight = config_.prefetch_files_in_flight;
  options.bytes_in_flight = config_.prefetch_bytes_in_flight;
  options.room_wait_s = config_.prefetch_room_wait_s;
  options.growing_s = config_.growing_s;
  options.lease_limits = [this]() -> Result<LeaseLimits> {
    LeaseLimits limits;
    limits.room_bytes = capacity_->limit_bytes();
    limits.user_bytes = static_cast<uint64_t>(static_cast<double>(limits.room_bytes) *
                                              config_.lease_user_percent / 100);
    TRY_ASSIGN(limits.held_bytes, held_bytes_->get());
    return limits;
  };
  options.occupied_bytes = [this](InodeNumber inode) { return scratch_->occupied_bytes(inode); };
  return options;
}

Scanner::Options Daemon::scanner_options() {
  Scanner::Options options;
  options.growing_s = config_.growing_s;
  options.invalidate_inode = [this](InodeNumber inode) {
    if (KernelChannel* kernel = kernel_) kernel->invalidate_inode(inode);
  };
  options.invalidate_entry = [this](InodeNumber parent, const std::string& name) {
    if (KernelChannel* kernel = kernel_) kernel->invalidate_entry(parent, name);
  };
  options.content_changed = [this](InodeNumber inode) { prefetcher_->version_changed(inode); };
  return options;
}

Publisher::Options Daemon::publisher_options() {
  Publisher::Options options;
  options.settle_s = config_.settle_s;
  options.retry_parked_s = config_.retry_parked_s;
  options.lanes = config_.publish_lanes;
  options.trash = trash_.get();
  options.room_is_short = [this] { return capacity_->is_short(); };
  options.most_wave_bytes = [this] { return capacity_->limit_bytes() / 4; };
  options.wants_whole_scan = [this] {
    if (schedule_) schedule_->scan_anew();
  };
  return options;
}

// What one part wants of another that is made after it.
void Daemon::connect_parts() {
  evictor_->archive_is_up = [this] { return archive_->state() == ArchiveState::online; };
  capacity_->wake_evictor = [this] { housekeeper_->wake(); };
  capacity_->wake_publisher = [this] { publisher_->wake(); };
  capacity_->nothing_to_come = [this]() -> RoomQueue::NothingToCome {
    if (archive_->state() != ArchiveState::online) return RoomQueue::kNever;
    return publisher_->nothing_to_publish_since();
  };
  mover_->growing_for = [this](InodeNumber inode, const ArchiveVersion& version) {
    return scanner_->growing_for(inode, version);
  };
  mover_->version_changed = [this](InodeNumber inode) {
    if (schedule_) schedule_->changed(inode);
  };
  mover_->content_differs = [this](InodeNumber inode) {
    scanner_->suspect(inode);
    if (schedule_) schedule_->changed(inode);
  };
}

Result<void> Daemon::recover() {
  if (!catalog_->just_made() && (!catalog_->clean_shutdown() || !catalog_->same_boot())) {
    log::info("recovering scratch",
              {{"clean_end", catalog_->clean_shutdown()}, {"same_boot", catalog_->same_boot()}});
    TRY(ScratchRecovery(*inodes_, *scratch_, [this](const std::vector<InodeNumber>& objects) {
          return recovery::adopt_forgotten(*catalog_, *scratch_, objects);
        }).run());
    TRY(evictor_->reap());
    TRY(catalog_->sync());
    TRY(catalog_->mark_recovered());
    fault_point(FaultPoint::recovery_after_mark);
  }
  TRY(capacity_->begin());
  TRY(publisher_->recover());
  // Writers that outlived an earlier process.
  for (const InodeNumber inode : inodes_->in_use()) capacity_->watch(inode);
  return {};
}

Result<void> Daemon::first_import(const std::function<bool()>& cancelled) {
  TRY_ASSIGN(const auto imported, catalog_->meta(kImportedKey));
  if (imported) return {};
  log::info("importing the archive's names and attributes", {{"archive", config_.archive}});
  auto next_report = SteadyClock::now() + kImportReport;
  TRY_ASSIGN(const ScanCounts counts, scanner_->run([&](const ScanCounts& so_far) {
    if (SteadyClock::now() >= next_report) {
      next_report = SteadyClock::now() + kImportReport;
      log::info("importing", {{"folders", so_far.folders}, {"files", so_far.files}});
    }
    return !cancelled();
  }));
  if (cancelled())
    return Error(std::errc::operation_canceled,
                 "stopped during the import; the next start continues it");
  Batch batch;
  batch.put_meta(kImportedKey, "1");
  TRY(catalog_->commit(batch, Durability::synced));
  just_imported_ = true;
  log::info("import done", {{"folders", counts.folders}, {"files", counts.files}});
  return {};
}

Result<void> Daemon::mount() {
  ScanSchedule::Options schedule;
  schedule.every_s = config_.scan_every_s;
  schedule.at_start = config_.scan_every_s > 0 && !just_imported_;
  schedule.growing_s = config_.growing_s;
  schedule.wait_until_seen = [this] {
    if (KernelChannel* kernel = kernel_) kernel->wait_invalidated();
  };
  schedule_ =
      std::make_unique<ScanSchedule>(*catalog_, *scanner_, *publisher_, *archive_, schedule);
  hooks_ = std::make_unique<MigratorHooks>(
      MigratorHooks::Parts{*mover_, *capacity_, *publisher_, *housekeeper_, *schedule_});
  file_system_ = std::make_unique<FileSystem>(*inodes_, *scratch_, *hooks_);
  FuseSession::Options options;
  options.mount_point = config_.mount;
  options.mount = {config_.devices, config_.set_user_id};
  options.threads = static_cast<unsigned>(config_.fuse_threads);
  options.spin = std::chrono::microseconds(config_.fuse_spin_us);
  options.attr_timeout_s = config_.attribute_timeout_s;
  options.entry_timeout_s = config_.entry_timeout_s;
  if (!config_.passthrough)
    options.passthrough_off_reason = "the configuration says passthrough: false";
  if (::geteuid() != 0)
    options.passthrough_off_reason = "passthrough needs root: tierd runs as an ordinary user";
  if (!scratch_->has_object_leases()) {
    options.passthrough_off_reason =
        "the file system of scratch has no leases (F_SETLEASE), so files that are still being "
        "written could not be recognised";
  }
  options.kept = keeper_ != nullptr;
  options.on_start = [this] { mount_answers(); };
  if (kept_) {
    TRY_ASSIGN(session_,
               FuseSession::take_over(*file_system_, std::move(options), std::move(device_),
                                      std::move(kept_), std::move(replies_)));
  } else {
    TRY_ASSIGN(session_, FuseSession::mount(*file_system_, std::move(options)));
  }
  kernel_ = session_.get();
  return {};
}

void Daemon::mount_answers() {
  if (keeper_ == nullptr) return notify_service_manager("READY=1");
  const bool can = session_->can_be_taken_over();
  if (!can)
    log::warning(
        "if tierd dies, programs lose their open files: keeping them needs Linux 6.9 or later");
  const auto told = can ? keeper_->ready_and_keep(session_->device_fd(), session_->memory_fd())
                        : keeper_->ready();
  if (!told) log::error("the keeper could not be notified", {{"error", told.error().text()}});
}

Result<void> Daemon::open_api() {
  control_ = std::make_unique<Control>(Control::Parts{
      config_, *inodes_, *scratch_, *capacity_, *user_pins_, *evictor_, *housekeeper_, *publisher_,
      *prefetcher_, *schedule_, *scanner_, *trash_, [this] { return session_->data_path().name; },
      [name = copy_engine_name()] { return name; },
      [this] { return state_text(archive_->state()); }});
  TRY(posix::make_directories(std::filesystem::path(config_.socket).parent_path().string(), 0755));
  // Everyone may connect: each caller is known by its identity.
  api::HttpServer::Options serving;
  serving.pool_threads = Control::kThreads;
  TRY_ASSIGN(server_, api::HttpServer::open(config_.socket, 0666, *control_, serving));
  return {};
}

Result<void> Daemon::serve() {
  TRY(prefetcher_->start());
  housekeeper_->start();
  publisher_->start();
  schedule_->start();
  backups_->start();
  trash_->start();
  server_->start();
  auto served = session_->serve();
  auto ended = shut_down();
  if (!served) return served;
  return ended;
}

// Writers that wait for room would keep the mount.
void Daemon::stop() {
  capacity_->wait_no_more();
  session_->stop();
}

bool Daemon::hand_over() {
  if (keeper_ == nullptr || !session_->can_be_taken_over()) return false;
  if (auto told = keeper_->handing_over(); !told) return false;
  handed_over_ = true;
  session_->hand_over();
  return true;
}

// Callers first, then what they cause, then what that uses. Writers may outlive us through
// passthrough: their `writing` marks stay, and the next start must look at each of them, so it is
// not a clean end.
Result<void> Daemon::shut_down() {
  log::info("stopping");
  // What is under way on the archive may end well; one that hangs must not keep us.
  std::jthread deadline([this](const std::stop_token& stop) {
    Mutex mutex;
    MutexLock lock(mutex);
    StoppableConditionVariable stopped;
    stopped.wait_for(mutex, stop, kArchiveGrace, [] { return false; });
    if (!stop.stop_requested()) archive_->close();
  });
  kernel_ = nullptr;
  control_->wait_no_more();
  server_->stop();
  control_.reset();
  prefetcher_->stop();
  schedule_->stop();
  trash_->stop();
  backups_->stop();
  publisher_->stop();
  housekeeper_->stop();
  if (auto made = backups_->run_at_end(); !made)
    log::warning("the catalog was not backed up", {{"error", made.error().text()}});
  // The next tierd of this catalog keeps the claim.
  if (!handed_over_) {
    if (auto released = archive_->release_claim(); !released)
      log::warning("the claim on the archive could not be released",
                   {{"error", released.error().text()}});
  }
  deadline.request_stop();
  deadline.join();
  mover_->begin_nothing_more();
  archive_.reset();
  mover_->stop();
  TRY(evictor_->reap());
  TRY(scratch_->sync());
  if (!inodes_->in_use().empty()) {
    log::info("files are still open for writing; the next start will recover them");
    return catalog_->sync();
  }
  return catalog_->mark_clean_shutdown();
}

}  // namespace tierhub
