// Everything that tierd consists of, in the order in which it is started; destroyed in reverse
// order.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "api/http_server.h"
#include "common/result.h"
#include "daemon/config.h"
#include "daemon/control.h"
#include "daemon/file_system_hooks.h"
#include "daemon/keeper_link.h"
#include "fusefs/file_system.h"
#include "fusefs/kernel/session.h"
#include "inodes/inode_table.h"
#include "migrator/evict/capacity.h"
#include "migrator/evict/capacity_held.h"
#include "migrator/evict/evictor.h"
#include "migrator/evict/user_pins.h"
#include "migrator/fill/mover.h"
#include "migrator/housekeeper.h"
#include "migrator/prefetch/prefetcher.h"
#include "migrator/publish/publisher.h"
#include "migrator/publish/trash.h"
#include "migrator/scan/scanner.h"
#include "migrator/scan_schedule.h"
#include "recovery/backup.h"
#include "storage/helper/client.h"
#include "storage/scratch/scratch.h"

namespace tierhub {

class Daemon {
 public:
  // Starts all but the service of the mount: when this returns, the mount stands and waits.
  // `program` is this executable: it is started again as the archive helper. `cancelled` is asked
  // during a long first import. `keeper`, which outlives the daemon, has the session to go on with,
  // if there is one; null: nobody keeps it.
  static Result<std::unique_ptr<Daemon>> start(const Config& config, const std::string& program,
                                               KeeperLink* keeper,
                                               const std::function<bool()>& cancelled);
  ~Daemon();

  // Serves the mount until it is gone; then stops everything. Call once.
  Result<void> serve();
  // Ends serve(). Any thread.
  void stop();
  // Ends serve() without unmounting, for another process to take over. False: none can.
  bool hand_over();

 private:
  explicit Daemon(const Config& config) : config_(config) {}
  Result<std::string> catalog_id();
  Result<void> open_archive(const std::string& program);
  Result<void> check_no_orphaned_objects() const;
  Result<void> open_catalog();
  Result<void> warn_of_shared_room() const;
  Result<void> adopt_session();
  void make_parts();
  Prefetcher::Options prefetcher_options();
  Scanner::Options scanner_options();
  Publisher::Options publisher_options();
  void connect_parts();
  Result<void> recover();
  Result<void> first_import(const std::function<bool()>& cancelled);
  Result<void> mount();
  void mount_answers();
  Result<void> open_api();
  Result<void> shut_down();

  Config config_;
  bool just_imported_ = false;
  std::atomic<bool> handed_over_{false};
  KeeperLink* keeper_ = nullptr;
  // A session that is taken over.
  UniqueFd device_;
  std::unique_ptr<KeptSession> kept_;
  std::vector<ReplyRecord> replies_;
  std::unique_ptr<ArchiveClient> archive_;
  std::unique_ptr<Catalog> catalog_;
  std::unique_ptr<Scratch> scratch_;
  std::unique_ptr<InodeTable> inodes_;
  std::unique_ptr<Capacity> capacity_;
  std::unique_ptr<UserPins> user_pins_;
  std::unique_ptr<Evictor> evictor_;
  std::unique_ptr<Mover> mover_;
  std::unique_ptr<HeldBytes> held_bytes_;
  std::unique_ptr<Prefetcher> prefetcher_;
  std::unique_ptr<Housekeeper> housekeeper_;
  std::unique_ptr<Trash> trash_;
  TreeMutex tree_mutex_;
  std::unique_ptr<Scanner> scanner_;
  std::unique_ptr<Publisher> publisher_;
  std::unique_ptr<ScanSchedule> schedule_;
  std::unique_ptr<recovery::CatalogBackups> backups_;
  std::unique_ptr<MigratorHooks> hooks_;
  std::unique_ptr<FileSystem> file_system_;
  std::unique_ptr<FuseSession> session_;
  std::unique_ptr<Control> control_;
  std::unique_ptr<api::HttpServer> server_;
  // What the scanner tells of changes; set while the mount is served.
  std::atomic<KernelChannel*> kernel_{nullptr};
};

}  // namespace tierhub
