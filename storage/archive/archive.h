// The archive: a plain directory tree on slow storage. An interface; PosixArchive acts on a folder,
// ArchiveClient asks the helper process to (only the helper may call the archive: a thread stuck in
// a dead mount keeps its process's descriptors and locks, whatever kills it).
//
// Paths are relative to the archive root, without "." or ".."; "" is the root. They are resolved
// below the root without following symbolic links. `.tierhub/` at the root is TierHub's own: `id`
// (UUID of the archive), `staging/`, `aside/`, `trash/`.
//
// Other file systems may be mounted below the root (file_system_id.h). Each has a `.tierhub/` of
// its own at its top, made when it is first seen and marked as this archive's. Its content is
// addressed through the root's `.tierhub/`, by a name that ends with the file system's id: the leaf
// "12@<id>" is `.tierhub/staging/12@<id>` here, and `<top>/.tierhub/staging/12` on disk; days of
// the trash and what is set aside are named in the same way. All acts stay within one file system.
// An act on a file system that is not mounted where it was fails with errc::no_such_device, and
// touches nothing.
//
// Protocol of every change, so that a power cut leaves the old or the new and never a half:
//   1. new content is made complete in staging (stage_*), with owner, mode, times and extended
//      attributes;
//   2. sync() once per round;
//   3. the caller makes its intents durable;
//   4. place / move / link / remove act by one rename each and check that what they displaced is
//      the version on record; if it is not, they put it back and fail with a conflict. They also
//      fail, without touching anything, if what they would displace was touched: its ctime is not
//      the one at which its content is known;
//   5. sync_folders(), the caller commits base, and only then discard() deletes what was displaced.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "catalog/records.h"
#include "common/hash.h"
#include "common/result.h"
#include "common/types.h"
#include "common/unique_fd.h"
#include "storage/archive/file_system_id.h"

namespace tierhub {

// What stands at a path is not the version on record: someone else changed it. Nothing was touched.
inline std::error_code conflict_code() { return {ESTALE, std::generic_category()}; }
inline bool is_conflict(const Error& error) { return error.code() == conflict_code(); }
// Nothing has that path.
inline bool is_missing(const Error& error) {
  return error.is(std::errc::no_such_file_or_directory) || error.is(std::errc::not_a_directory);
}
// Another tierd uses the archive (archive_claim.h).
const std::error_category& claim_category();
inline std::error_code claimed_code() { return {EBUSY, claim_category()}; }
inline bool is_claimed(const Error& error) { return error.code() == claimed_code(); }
// The archive as a whole does not work now (EIO, ENOSPC, EROFS, EDQUOT, ETIMEDOUT, ENODEV, not
// connected, claimed, cancelled at the end): try later. Everything else concerns one path.
bool is_archive_wide(const Error& error);
// Of many at once, one that was not begun because its time was over: nothing was touched.
inline std::error_code not_begun_code() { return {ETIME, std::generic_category()}; }
inline bool is_not_begun(const Error& error) { return error.code() == not_begun_code(); }
// The scratch side of fill() or stage_file() failed: its error codes are of this category and say
// nothing about the archive.
const std::error_category& scratch_category();
inline bool is_scratch_error(const Error& error) {
  return error.code().category() == scratch_category();
}

using Xattrs = std::map<std::string, std::string>;

// Whether an archive is asked to hold this attribute of a file of this kind. The others are the
// namespace's alone: trusted.*, security.* but for capabilities (it belongs to the archive's own
// security policy), and those of links, fifos, sockets and devices.
bool archive_holds_xattr(FileKind kind, std::string_view name);

struct ArchiveChild {
  std::string name;
  ArchiveVersion version;
  std::string symlink_target;
  Xattrs xattrs;  // user.* and, where readable, security.* and system.posix_acl_*
};

struct ArchivePage {
  std::vector<ArchiveChild> children;
  FileSystemId file_system;  // that the folder is in
  uint64_t next_cookie = 0;
  bool last = true;
};

// `keep`: whole chunks, with their checksums. `answer`: somebody waits for just these bytes, which
// may begin anywhere; it goes before those that keep, and tells no checksums.
enum class FillPurpose : uint8_t { keep, answer };

// Copies a range of an archived file into a scratch object at the same offsets.
struct FillRequest {
  std::string path;
  ArchiveVersion expected;   // before and after the copy the file must be this one, else conflict
                             // and the bytes are void
  int target_fd = -1;        // borrowed until fill() returns; opened for writing
  ByteRange range;           // begins at a chunk border, ends at one or at the end of the file
  uint64_t limit_bytes = 0;  // nothing at or beyond it is copied (it stays a hole)
  uint64_t chunk_bytes = 0;
  FillPurpose purpose = FillPurpose::keep;
};

struct FillResult {
  // One per chunk of the range: XXH3-128 of the chunk's bytes below min(limit, size); holes count
  // as zeros. None of an answer.
  std::vector<Checksum> checksums;
  uint64_t copied_bytes = 0;  // read from the archive; holes are not
};

// How much would fill() bring of a file?
struct MeasureRequest {
  std::string path;
  ArchiveVersion expected;        // the file must be this one, else conflict
  std::vector<ByteRange> ranges;  // in order, disjoint
};

// The new content and attributes of a file for the archive.
struct StageFileRequest {
  std::string leaf;    // name in the staging folder; what has that name is replaced
  int object_fd = -1;  // scratch object, borrowed until the call returns; -1 if the file is empty
                       // or all of it is absent
  uint64_t size_bytes = 0;
  uint64_t chunk_bytes = 0;
  // Ranges that are not in the object; they are taken from the archived file, which must be
  // `source_version`, up to `source_limit_bytes`; beyond it they are holes.
  std::vector<ByteRange> absent;
  std::string source_path;  // empty: nothing is taken from an archived file
  ArchiveVersion source_version;
  uint64_t source_limit_bytes = 0;
  // Checksums of the archived file's chunks, as far as they are known: what is taken from it must
  // have them.
  std::vector<std::optional<Checksum>> known;
  // Whole chunks that are as in the archived file: what the object has of them must have the
  // checksums of `known`.
  std::vector<ByteRange> unchanged;
  // Where the archive can clone, what `unchanged` and `known` tell to be the same is not sent (see
  // content_copy.h).
  bool patch = false;
  Attributes attributes;
  Xattrs xattrs;
};

// A folder, symlink, fifo, socket or device node for the archive, as the attributes say.
struct StageNodeRequest {
  std::string leaf;  // as above
  Attributes attributes;
  Xattrs xattrs = {};
  std::string symlink_target = {};
};

// What place() takes.
struct PlaceRequest {
  std::string leaf;
  std::string target;
  std::optional<ArchiveVersion> before;
};

struct StagedFile {
  ArchiveVersion version;           // as stat shows it in staging; renames keep the identity
  std::vector<Checksum> checksums;  // one per chunk
  uint64_t written_bytes = 0;       // sent to the archive
  uint64_t cloned_bytes = 0;        // that the archive took over from the archived file by itself
  // Nothing is staged: this chunk of the archived file is not what was recorded of it.
  std::optional<uint64_t> damaged_chunk = {};
  // Nothing is staged: this chunk of the object was not changed, and is not what was recorded of
  // it.
  std::optional<uint64_t> rotten_chunk = {};
  bool is_staged() const { return !damaged_chunk && !rotten_chunk; }
};

class Archive {
 public:
  virtual ~Archive() = default;

  // All functions: any thread. Each blocks no longer than the configured time limit, then fails
  // with errc::timed_out.

  // Checks that the root is still the archive that was opened (`.tierhub/id`, device). Anything
  // else is errc::no_such_device: "offline", never "empty".
  virtual Result<void> check_root() = 0;
  virtual Result<std::string> archive_id() = 0;
  // none: nothing stands there. Does not follow a symlink.
  virtual Result<std::optional<ArchiveVersion>> stat(const std::string& path) = 0;
  // The folder's entries after `cookie` (0: from the start), at most `limit`. Leaves out TierHub's
  // own folders, and what is_left_out().
  virtual Result<ArchivePage> list(const std::string& path, uint64_t cookie, size_t limit) = 0;
  virtual Result<Xattrs> xattrs(const std::string& path) = 0;
  // Whether its file system takes any of what `archive_holds_xattr` names; too large ones it may
  // refuse all the same.
  struct XattrSupport {
    bool user = true;
    bool access_lists = true;
  };
  virtual Result<XattrSupport> xattr_support() { return XattrSupport(); }
  struct Space {
    uint64_t total_bytes = 0, free_bytes = 0, available_bytes = 0;
    uint64_t total_files = 0, free_files = 0;
  };
  virtual Result<Space> space(const FileSystemId& file_system) = 0;
  Result<Space> space() { return space(FileSystemId()); }

  // Many may be under way; `done` is called once, on a thread of the archive, and must not block.
  virtual void fill(const FillRequest& request, std::function<void(Result<FillResult>)> done) = 0;
  // Bytes that the ranges have up to the end of the file; of a file with holes, those of its blocks
  // with data. Never too few, and too many only of a file in very many pieces. Many may be under
  // way, as of fill(). An archive that knows no holes need not do anything.
  virtual void measure(const MeasureRequest& request, std::function<void(Result<uint64_t>)> done);

  virtual Result<StagedFile> stage_file(const StageFileRequest& request) = 0;
  // errc::invalid_argument: files are staged with their content.
  virtual Result<ArchiveVersion> stage_node(const StageNodeRequest& request) = 0;
  // Of one file system, all of it.
  virtual Result<void> sync(const FileSystemId& file_system) = 0;
  Result<void> sync() { return sync(FileSystemId()); }

  // `before`: the version on record of what stands at the target; none: nothing may stand there.
  // After place, the displaced file rests in staging under the same leaf; after move, at the source
  // path. All return the version that stands at the target now.
  virtual Result<ArchiveVersion> place(const std::string& leaf, const std::string& target,
                                       const std::optional<ArchiveVersion>& before) = 0;
  virtual Result<ArchiveVersion> move(const std::string& source, const ArchiveVersion& moved,
                                      const std::string& target,
                                      const std::optional<ArchiveVersion>& before) = 0;
  // A further name for the file at `source`. A displaced file rests in staging under `leaf`.
  virtual Result<ArchiveVersion> link(const std::string& source, const ArchiveVersion& linked,
                                      const std::string& leaf, const std::string& target,
                                      const std::optional<ArchiveVersion>& before) = 0;
  // The removed file, or empty folder, rests in staging under `leaf`. A folder that is not empty:
  // errc::directory_not_empty.
  virtual Result<void> remove(const std::string& target, const ArchiveVersion& before,
                              const std::string& leaf) = 0;
  // Deletes from staging what place, link or remove displaced, if it is still `version`. Nothing
  // there is success.
  virtual Result<void> discard(const std::string& leaf, const ArchiveVersion& version) = 0;

  // Owner, mode, times and exactly these user xattrs, on what stands at `path`, which must be
  // `before`.
  virtual Result<ArchiveVersion> set_attributes(const std::string& path,
                                                const ArchiveVersion& before,
                                                const Attributes& attributes,
                                                const Xattrs& xattrs) = 0;
  virtual Result<void> sync_folders(const std::vector<std::string>& paths) = 0;
  // Leaf names in staging, of all file systems that are mounted. For recovery.
  virtual Result<std::vector<std::string>> staged() = 0;

  // Many at once, for which a message each would cost more than the work: as stage_file() and
  // place() of each, one after the other. One answer for each, in their order. At most kMostAtOnce.
  static constexpr size_t kMostAtOnce = 64;
  virtual std::vector<Result<StagedFile>> stage_files(
      const std::vector<StageFileRequest>& requests);
  virtual std::vector<Result<ArchiveVersion>> place_all(const std::vector<PlaceRequest>& requests);
};

// Compares what a displaced file is with what it should be: identity, kind, and for files size and
// mtime.
bool is_on_record(const ArchiveVersion& found, const ArchiveVersion& on_record);
// The version after an act that left the content alone, on what `found` was before: what was
// touched then is still touched.
ArchiveVersion version_after_act(ArchiveVersion now, const ArchiveVersion& found,
                                 const ArchiveVersion& on_record);

// Names that are not users' files: list() leaves them out. "/name" means the top of a file system
// only, any other one every folder. A "*" at the end stands for anything; in ".nfs*" for a number
// in hexadecimal digits, as NFS clients make it.
using LeftOutNames = std::vector<std::string>;
const LeftOutNames& usual_left_out_names();
enum class FolderPlace { top_of_a_file_system, elsewhere };
bool is_left_out(const LeftOutNames& names, FolderPlace folder, std::string_view name);

inline constexpr const char* kPrivateFolder = ".tierhub";
inline constexpr const char* kStagingFolder = ".tierhub/staging";
inline constexpr const char* kTrashFolder = ".tierhub/trash";

}  // namespace tierhub
