// The archive through its helper process: an Archive whose calls have time limits. See HelperConnection
// for what happens when the helper or the archive behind it stops answering.
//
// A call that fails with errc::timed_out or errc::not_connected may have been carried out, or, if
// it was in flight, may still be. It never begins after its time limit.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "storage/archive/archive.h"
#include "storage/archive/capabilities.h"
#include "storage/helper/connection.h"
#include "storage/helper/wire.h"
#include "storage/posix/archive_claim.h"

namespace tierhub {

struct ArchiveClientOptions {
  // As in PosixArchive::Options; set it as soon as the catalog knows its archive.
  std::string expected_id;
  // Who uses the archive (archive_claim.h). Its `take_over` holds until the archive was first opened.
  Claimant claimant;
  // Calls at once; further ones wait for a slot, within their time limit.
  size_t slots = 64;
  // Of every call, since it last got on: a copy of any length may take its time. Ten times as long
  // for sync().
  uint64_t time_limit_ms = 30'000;
  uint64_t probe_interval_ms = 5'000;
  // How long the archive may be hung before its helper is replaced.
  uint64_t replace_after_ms = 60'000;
  // As in PosixArchive::Options.
  bool verify_by_reading = false;
  CopyEngineOptions copy;
  LeftOutNames left_out = usual_left_out_names();
};

class ArchiveClient final : public Archive {
 public:
  // `program --archive-io ...` must run archive_helper_main(). Fails only if it cannot be started;
  // an archive that is offline is a state, not a failure.
  static Result<std::unique_ptr<ArchiveClient>> start(const std::string& program,
                                                      const std::string& root,
                                                      const ArchiveClientOptions& options);
  // Fails what is under way with errc::operation_canceled. Takes about a second at most, whatever
  // the archive does.
  ~ArchiveClient() override;

  // Fails what is under way, and all later calls, with errc::operation_canceled. Returns at once.
  // Any thread.
  void close() { connection_->close(); }

  // What was last heard of the archive. Never blocks. Any thread.
  ArchiveState state() const { return connection_->state(); }
  Result<ArchiveCapabilities> capabilities();
  // none: it is being restarted.
  std::optional<pid_t> helper_pid() const { return connection_->helper_pid(); }

  Result<XattrSupport> xattr_support() override;
  Result<void> check_root() override;
  Result<std::string> archive_id() override;
  // Gives up the claim of the archive: the last thing that a tierd does which stops.
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
  std::vector<Result<StagedFile>> stage_files(
      const std::vector<StageFileRequest>& requests) override;
  std::vector<Result<ArchiveVersion>> place_all(const std::vector<PlaceRequest>& requests) override;

 private:
  ArchiveClient(std::unique_ptr<HelperConnection> connection, std::chrono::milliseconds time_limit)
      : connection_(std::move(connection)), time_limit_(time_limit) {}

  template <class T, class... Arguments>
  Result<T> ask(ArchiveCall call, const Arguments&... arguments);
  template <class T>
  Result<T> send(std::string body, std::vector<UniqueFd> fds, std::chrono::milliseconds time_limit);

  const std::unique_ptr<HelperConnection> connection_;
  const std::chrono::milliseconds time_limit_;
};

}  // namespace tierhub
