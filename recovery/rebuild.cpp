#include "recovery/rebuild.h"

#include <ctime>
#include <filesystem>

#include <fcntl.h>
#include <sys/file.h>

#include <fmt/format.h>
#include <stdio.h>

#include "common/fault_points.h"
#include "common/log.h"
#include "common/posix.h"
#include "inodes/inode_table.h"
#include "migrator/scan/scanner.h"
#include "recovery/backup.h"

namespace tierhub::recovery {
namespace {

// What knows more than the two tiers, and the lock that keeps tierd away from the old catalog.
struct Donor {
  std::unique_ptr<KeyValueStore> store;  // null: there is none
  std::string name;
  UniqueFd lock;
};

Result<std::unique_ptr<KeyValueStore>> open_for_reading(const std::string& path) {
  RocksDbOptions options;
  options.access = RocksDbOptions::Access::read_only;
  return open_rocksdb_store(path, options);
}

// The old catalog may be anything: what cannot be opened is only kept from being opened.
Result<Donor> old_catalog(const std::string& path) {
  Donor donor;
  auto store = open_for_reading(path);
  if (store) {
    donor.store = *std::move(store);
    donor.name = "the old catalog";
    return donor;
  }
  if (store.error().is(std::errc::device_or_resource_busy)) return store.error();
  auto folder = posix::open_at(AT_FDCWD, path, O_RDONLY | O_DIRECTORY);
  if (!folder) return donor;
  if (::flock(folder->get(), LOCK_EX | LOCK_NB) < 0)
    return Error(std::errc::device_or_resource_busy, "another process has the catalog open");
  donor.lock = *std::move(folder);
  return donor;
}

Result<void> use_backup(Archive& archive, const std::string& folder, Donor& donor) {
  TRY_ASSIGN(const auto name, fetch_backup(archive, folder));
  if (!name) return {};
  auto store = open_for_reading(folder);
  if (!store) {
    log::warning("the catalog backup cannot be opened",
                 {{"backup", *name}, {"error", store.error().text()}});
    return {};
  }
  donor.store = *std::move(store);
  donor.name = "the backup of " + *name;
  return {};
}

std::string time_suffix() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  char text[32];
  const size_t n = std::strftime(text, sizeof text, "%Y%m%dT%H%M%SZ", &utc);
  return std::string(text, n);
}

Result<void> sync_folder(const std::string& path) {
  TRY_ASSIGN(const UniqueFd folder, posix::open_at(AT_FDCWD, path, O_RDONLY | O_DIRECTORY));
  return posix::sync_fd(folder.get());
}

// Step 3.
Result<std::string> switch_catalogs(const std::string& state) {
  const std::string current = state + "/catalog";
  std::string old;
  if (std::filesystem::exists(current)) {
    old = fmt::format("{}/catalog.old-{}", state, time_suffix());
    for (int i = 2; std::filesystem::exists(old); ++i)
      old = fmt::format("{}/catalog.old-{}-{}", state, time_suffix(), i);
    TRY(posix::rename_at(AT_FDCWD, current, AT_FDCWD, old));
    fault_point(FaultPoint::rebuild_after_aside);
    static_cast<void>(posix::unlink_at(AT_FDCWD, old + "/ballast"));  // it only takes room
  }
  TRY(posix::rename_at(AT_FDCWD, state + "/catalog.new", AT_FDCWD, current, RENAME_NOREPLACE));
  TRY(sync_folder(state));
  return old;
}

Result<ScanCounts> import_archive(Catalog& catalog, const Scratch& scratch, Archive& archive,
                                  const RebuildOptions& options) {
  InodeTable inodes(catalog, kInodesInMemory);
  TreeMutex tree;
  Scanner scanner(inodes, scratch, archive, tree, {});
  return scanner.run([&](const ScanCounts& counts) {
    if (options.progress)
      options.progress(
          fmt::format("importing: {} folders, {} files", counts.folders, counts.files));
    return true;
  });
}

// Objects keep their numbers: nothing else may get one of them.
Result<void> reserve_numbers(Catalog& catalog, const Scratch& scratch) {
  InodeNumber last;
  TRY(scratch.for_each_object([&](InodeNumber inode, uint64_t) { last = std::max(last, inode); }));
  TRY_ASSIGN(const auto aside, scratch.set_aside_objects());
  for (const InodeNumber inode : aside) last = std::max(last, inode);
  return catalog.reserve_above(last);
}

}  // namespace

Result<RebuildCounts> rebuild(const Scratch& scratch, Archive& archive,
                              const RebuildOptions& options) {
  TRY(posix::make_directories(options.state, 0700));
  TRY_ASSIGN(Donor donor, old_catalog(options.state + "/catalog"));
  const std::string path = options.state + "/catalog.new";
  std::error_code error;
  std::filesystem::remove_all(path, error);
  if (error) return Error(error, "remove the unfinished " + path);

  RebuildCounts counts;
  std::vector<InodeNumber> adopted;
  {
    TRY_ASSIGN(auto store, open_rocksdb_store(path));
    Catalog::Options made;
    made.chunk_bytes = options.chunk_bytes;
    TRY_ASSIGN(const auto catalog, Catalog::open(std::move(store), made));
    TRY_ASSIGN(const std::string archive_id, archive.archive_id());
    TRY(reserve_numbers(*catalog, scratch));
    TRY_ASSIGN(const ScanCounts imported, import_archive(*catalog, scratch, archive, options));
    counts.imported_folders = imported.folders;
    counts.imported_files = imported.files;
    fault_point(FaultPoint::rebuild_after_import);
    if (options.progress) options.progress("adopting objects");
    Adoption adoption(*catalog, scratch, archive);
    TRY_ASSIGN(counts.adopted, adoption.run());
    adopted = adoption.adopted();
    const std::string backup = options.state + "/catalog-backup";
    if (!donor.store) TRY(use_backup(archive, backup, donor));
    if (donor.store) {
      if (options.progress) options.progress("taking over what only " + donor.name + " knows");
      TRY_ASSIGN(counts.donated, Donation(*donor.store, *catalog).run());
      counts.donor = donor.name;
    }
    std::filesystem::remove_all(backup, error);
    Batch done;
    done.put_meta("archive_id", archive_id);
    done.put_meta("imported", "1");
    TRY(catalog->commit(done, Durability::synced));
    fault_point(FaultPoint::rebuild_after_adopt);
  }
  TRY_ASSIGN(counts.old_catalog, switch_catalogs(options.state));
  TRY_ASSIGN(auto store, open_rocksdb_store(options.state + "/catalog"));
  TRY_ASSIGN(const auto catalog, Catalog::open(std::move(store), {}));
  TRY(write_tags(*catalog, scratch, adopted));
  return counts;
}

}  // namespace tierhub::recovery
