// Making what is new complete in the staging folder, where nobody looks.
#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/posix.h"
#include "storage/archive/source_check.h"
#include "storage/copy/copy_plan.h"
#include "storage/posix/content_copy.h"
#include "storage/posix/posix_archive.h"
#include "storage/posix/read_back.h"

namespace tierhub {
namespace {

constexpr mode_t kStagedMode = 0600;  // until all is in place

// errno, or 0.
int make_node(int folder, const char* name, const StageNodeRequest& request) {
  const auto special = [&](mode_t type) {
    return ::mknodat(folder, name, type | kStagedMode, request.attributes.rdev) < 0 ? errno : 0;
  };
  switch (request.attributes.kind) {
    case FileKind::directory:
      return ::mkdirat(folder, name, S_IRWXU) < 0 ? errno : 0;
    case FileKind::symlink:
      return ::symlinkat(request.symlink_target.c_str(), folder, name) < 0 ? errno : 0;
    case FileKind::fifo:
      return special(S_IFIFO);
    case FileKind::socket:
      return special(S_IFSOCK);
    case FileKind::character_device:
      return special(S_IFCHR);
    case FileKind::block_device:
      return special(S_IFBLK);
    case FileKind::file:
      break;
  }
  return EINVAL;
}

}  // namespace

Result<void> PosixArchive::clear(const Spot& spot) {
  auto removed = posix::unlink_at(spot.folder, spot.leaf);
  if (!removed && (removed.error().is(std::errc::is_a_directory) ||
                   removed.error().is(std::errc::operation_not_permitted))) {
    removed = posix::unlink_at(spot.folder, spot.leaf, AT_REMOVEDIR);
  }
  if (!removed && removed.error().is(std::errc::no_such_file_or_directory)) return {};
  return removed;
}

Result<void> PosixArchive::apply(const Entry& entry, const Attributes& attributes,
                                 const Xattrs& xattrs) {
  TRY_ASSIGN(const AttributeShortfall shortfall, entry.apply(attributes, xattrs));
  if (shortfall.owner) owner_refused_ = true;
  if (shortfall.xattrs) xattrs_refused_ = true;
  return {};
}

Result<ArchiveVersion> PosixArchive::stage_node(const StageNodeRequest& request) {
  if (request.attributes.kind == FileKind::file)
    return Error(std::errc::invalid_argument, "stage " + request.leaf + ": a file has content");
  TRY_ASSIGN(const Spot to, staging_spot(root(), request.leaf));
  TRY(clear(to));
  if (const int failed = make_node(to.folder, to.leaf.c_str(), request); failed != 0)
    return Error::from_errno(failed, "stage " + request.leaf);
  TRY_ASSIGN(const auto entry, Entry::open(to.folder, to.leaf));
  if (!entry) return Error::from_errno(ENOENT, "stage " + request.leaf);
  TRY(apply(*entry, request.attributes, request.xattrs));
  return version_of_entry(*entry, to, Freshness::exact);
}

// The archived version that parts of the content are taken from. Where it only serves to send less
// and is no longer there as on record, nothing is taken from it.
Result<PosixArchive::Source> PosixArchive::open_source(const ArchiveRootPointer& root,
                                                       const StageFileRequest& request) const {
  if (request.source_path.empty()) return Source();
  auto source = open_version(root, request.source_path, request.source_version);
  const bool needed = !request.absent.empty();
  if (source || needed || is_archive_wide(source.error())) return source;
  return Source();
}

Result<UniqueFd> PosixArchive::make_staged(const Spot& to) {
  constexpr int kFlags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW;
  auto made = posix::open_at(to.folder, to.leaf, kFlags, kStagedMode);
  if (made || !made.error().is(std::errc::file_exists)) return made;
  TRY(clear(to));
  return posix::open_at(to.folder, to.leaf, kFlags, kStagedMode);
}

Result<StagedFile> PosixArchive::stage_file(const StageFileRequest& request) {
  return stage_file(request, {});
}

Result<StagedFile> PosixArchive::stage_file(const StageFileRequest& request,
                                            const Progress& progress) {
  if (request.chunk_bytes == 0) return Error(std::errc::invalid_argument, "stage: chunk size is 0");
  const ArchiveRootPointer held = root();
  TRY_ASSIGN(const Spot to, staging_spot(held, request.leaf));
  TRY_ASSIGN(const Source source, open_source(held, request));
  TRY_ASSIGN(UniqueFd out, make_staged(to));
  StagedFile result;
  const ArchiveCapabilities& probed = to.file_system->capabilities;
  const bool can_clone = source.file_system == to.file_system;
  ContentCopy copy(request, source.fd.get(), out.get(),
                   can_clone ? probed.clone : CloneMethod::none);
  TRY(copy.run(progress, result));
  if (!result.is_staged()) {
    TRY(clear(to));
    // Somebody changed it, and no disk.
    const auto& known_at = request.source_version.content_ctime;
    const bool touched = source.fd && known_at && attributes_of(source.before).ctime != *known_at;
    if (result.damaged_chunk && touched) return changed_meanwhile();
    return result;
  }
  if (source.fd) {
    TRY_ASSIGN(const struct statx after, statx_fd(source.fd.get(), Freshness::exact));
    if (after.stx_size != source.before.stx_size || !same_times(source.before, after))
      return changed_meanwhile();
  }
  if (verify_by_reading_) {
    TRY(read_back({out.get(), to.folder, to.leaf, request.size_bytes, request.chunk_bytes,
                   result.checksums, copy.written_chunks()},
                  progress));
  }
  const Entry entry(std::move(out), Entry::Access::opened);
  TRY(apply(entry, request.attributes, request.xattrs));
  TRY_ASSIGN(result.version, version_of_entry(entry, to, Freshness::exact));
  if (!probed.sync_file_system) TRY(posix::sync_fd(entry.fd()));
  return result;
}

}  // namespace tierhub
