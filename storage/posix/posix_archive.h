// An archive in a folder of a file system that this process calls itself. No call has a time limit
// of its own: it blocks as long as the file system does. ArchiveClient adds the limits.
//
// If the file system has no RENAME_EXCHANGE or RENAME_NOREPLACE: a file gets a new name by link and
// unlink (which never replaces); a folder by a plain rename after a check that nothing is there (at
// worst an empty folder made in between is replaced); an exchange is three such moves by way of
// `.tierhub/aside`, and the name is missing between two of them.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <sys/stat.h>

#include "common/guarded.h"
#include "common/result.h"
#include "common/unique_fd.h"
#include "common/worker_pool.h"
#include "storage/archive/archive.h"
#include "storage/archive/capabilities.h"
#include "storage/archive/entry.h"
#include "storage/copy/copy_engine.h"
#include "storage/posix/archive_claim.h"
#include "storage/posix/archive_root.h"
#include "storage/posix/nested_file_systems.h"

namespace tierhub {

class PosixArchive final : public Archive {
 public:
  // For tests: as if the file system had no rename flags.
  enum class RenameFlags { probe, avoid };

  struct Options {
    // The archive that must be there; anything else is errc::no_such_device and nothing is made.
    // Empty: whatever is there, and a folder that is no archive yet becomes one.
    std::string expected_id;
    // At most so many threads look at the entries of listed folders and sync folders.
    size_t lanes = 64;
    CopyEngineOptions copy;
    LeftOutNames left_out = usual_left_out_names();
    RenameFlags rename_flags = RenameFlags::probe;
    // For tests: in place of the one that the probe finds.
    std::optional<CloneMethod> clone;
    // What is staged is read back from the disk and compared (read_back.h).
    bool verify_by_reading = false;
    // Who uses the archive; without a catalog it is used without a claim.
    Claimant claimant;
  };

  static Result<std::unique_ptr<PosixArchive>> open(const std::string& root,
                                                    const Options& options);
  // Waits for the fills that are under way.
  ~PosixArchive() override;

  // Any thread. Those of the root's file system.
  ArchiveCapabilities capabilities() const;

  Result<XattrSupport> xattr_support() override;
  Result<void> check_root() override;
  Result<std::string> archive_id() override;
  // Gives up the claim of the archive, for the next tierd. Any thread.
  Result<void> release_claim();
  Result<std::optional<ArchiveVersion>> stat(const std::string& path) override;
  Result<ArchivePage> list(const std::string& path, uint64_t cookie, size_t limit) override;
  Result<Xattrs> xattrs(const std::string& path) override;
  using Archive::space;
  Result<Space> space(const FileSystemId& file_system) override;
  void fill(const FillRequest& request, std::function<void(Result<FillResult>)> done) override;
  void measure(const MeasureRequest& request, std::function<void(Result<uint64_t>)> done) override;
  Result<StagedFile> stage_file(const StageFileRequest& request) override;
  Result<ArchiveVersion> stage_node(const StageNodeRequest& request) override;
  using Archive::sync;
  Result<void> sync(const FileSystemId& file_system) override;
  Result<ArchiveVersion> place(const std::string& leaf, const std::string& target,
                               const std::optional<ArchiveVersion>& before) override;
  Result<ArchiveVersion> move(const std::string& source, const ArchiveVersion& moved,
                              const std::string& target,
                              const std::optional<ArchiveVersion>& before) override;
  Result<ArchiveVersion> link(const std::string& source, const ArchiveVersion& linked,
                              const std::string& leaf, const std::string& target,
                              const std::optional<ArchiveVersion>& before) override;
  Result<void> remove(const std::string& target, const ArchiveVersion& before,
                      const std::string& leaf) override;
  Result<void> discard(const std::string& leaf, const ArchiveVersion& version) override;
  Result<ArchiveVersion> set_attributes(const std::string& path, const ArchiveVersion& before,
                                        const Attributes& attributes,
                                        const Xattrs& xattrs) override;
  Result<void> sync_folders(const std::vector<std::string>& paths) override;
  Result<std::vector<std::string>> staged() override;

  // As above; `progress` is called each time some bytes have moved, or wait for others' bytes, on
  // any thread.
  using Progress = std::function<void()>;
  // Closes `target`, which the request's is not used for, before it calls `done`.
  void fill(const FillRequest& request, UniqueFd target, Progress progress,
            std::function<void(Result<FillResult>)> done);
  Result<uint64_t> measure(const MeasureRequest& request, const Progress& progress) const;
  Result<StagedFile> stage_file(const StageFileRequest& request, const Progress& progress);

 private:
  // Where a path begins: at the root, or in the private folder of a nested file system.
  struct Start {
    UniqueFd owned;
    int folder = -1;
    std::string path;             // from there
    FileSystemPointer in_nested;  // whose private folder it is; else none
  };
  // A name in a folder. The folder is one of the root's, or `owned`.
  struct Spot {
    ArchiveRootPointer root;
    UniqueFd owned;
    int folder = -1;
    std::string leaf;
    std::string path;               // of the name in the archive
    FileSystemPointer file_system;  // that the folder is in
    enum class Where { in_sight, staging, aside } where = Where::in_sight;
  };

  PosixArchive(std::string path, ArchiveRootPointer root, ArchiveClaim claim,
               ArchiveCapabilities capabilities, std::unique_ptr<CopyEngine> engine,
               const Options& options);

  ArchiveRootPointer root() const;
  Result<Start> start_of(const ArchiveRootPointer& root, const std::string& path) const;
  Result<UniqueFd> open_folder(const ArchiveRootPointer& root, const std::string& path,
                               int flags) const;
  Result<FileSystemPointer> file_system_of_folder(const ArchiveRoot& root, const std::string& path,
                                                  const struct statx& found) const;
  Result<FileSystemPointer> file_system(const ArchiveRoot& root, const FileSystemId& id) const;
  Result<UniqueFd> open_top(const ArchiveRoot& root, const FileSystemId& id) const;
  Result<Spot> spot(const ArchiveRootPointer& root, const std::string& path) const;
  Result<Spot> private_spot(const ArchiveRootPointer& root, const FileSystemId& file_system,
                            std::string leaf, Spot::Where where) const;
  Result<Spot> staging_spot(const ArchiveRootPointer& root, const std::string& leaf) const;
  struct Existing {
    Entry entry;
    FileSystemPointer file_system;
  };
  // none: nothing has that path.
  Result<std::optional<Existing>> look_at(const ArchiveRootPointer& root,
                                          const std::string& path) const;
  Result<Existing> existing_entry(const ArchiveRootPointer& root, const std::string& path) const;
  Result<ArchiveVersion> version_of_entry(const Entry& entry, const Spot& spot,
                                          Freshness freshness) const;
  Result<ArchiveVersion> version_of_found(const Entry& entry, const struct statx& found,
                                          const Spot& spot) const;
  // none: nothing has that name.
  Result<std::optional<ArchiveVersion>> version_at(const Spot& spot) const;
  struct OnRecord {
    Entry entry;
    ArchiveVersion found;
  };
  // What was touched may have been changed: it must not be destroyed.
  enum class Touched { passes, is_a_conflict };
  // A conflict if something else is there, or nothing.
  Result<OnRecord> entry_on_record(const Spot& spot, const ArchiveVersion& on_record,
                                   Touched touched = Touched::passes) const;
  Result<std::optional<ArchiveChild>> child(const Spot& spot) const;
  bool is_hidden(const Spot& spot) const;
  Result<std::vector<std::string>> private_names(const char* folder) const;
  Result<void> add_nested_days(ArchivePage& page);

  // The archived version of a file. No descriptor: it is not needed.
  struct Source {
    UniqueFd fd;
    struct statx before {};
    FileSystemPointer file_system;
  };
  Result<Source> open_version(const ArchiveRootPointer& root, const std::string& path,
                              const ArchiveVersion& version) const;
  Result<Source> open_source(const ArchiveRootPointer& root, const StageFileRequest& request) const;
  static Result<void> clear(const Spot& spot);
  // A new empty file, in place of whatever has the name.
  static Result<UniqueFd> make_staged(const Spot& to);
  Result<void> apply(const Entry& entry, const Attributes& attributes, const Xattrs& xattrs);

  Result<void> check_reachable(const ArchiveRoot& root, const std::string& path,
                               const FileSystemPointer& found, const FileSystemId& wanted) const;
  bool has_rename_flag(const ArchiveFileSystem& file_system, unsigned flag) const;
  Result<void> rename_new(const Spot& from, const Spot& to) const;
  Result<void> exchange(const Spot& a, const Spot& b) const;
  Result<ArchiveVersion> replace(const Spot& from, const Entry& ours, const Spot& to,
                                 const ArchiveVersion& before) const;
  // `resting`: where it is, or goes.
  Result<void> check_displaced(const Spot& spot, const ArchiveVersion& before, Spot::Where resting,
                               Touched touched) const;
  void put_back(const Spot& from, const Identity& ours, const Spot& to) const;
  void keep_aside(const Spot& spot) const;
  Result<Spot> aside_spot(const Spot& from) const;

  const std::string path_;
  const ArchiveCapabilities probed_;
  const FileSystemPointer own_;  // of the root
  mutable NestedFileSystems nested_;
  const LeftOutNames left_out_;
  const RenameFlags rename_flags_;
  Guarded<ArchiveRootPointer> root_;
  Guarded<ArchiveClaim> claim_;
  std::atomic<bool> owner_refused_{false};
  std::atomic<bool> xattrs_refused_{false};
  mutable std::atomic<uint64_t> next_aside_{0};
  mutable WorkerPool lanes_;
  const size_t max_lanes_;
  const bool verify_by_reading_;
  std::unique_ptr<CopyEngine> engine_;  // last: its threads use all of the above
};

}  // namespace tierhub
