// Making what is new complete in the staging folder, where nobody looks.
#include <algorithm>
#include <cerrno>
#include <span>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/interval_set.h"
#include "common/posix.h"
#include "storage/extents.h"
#include "storage/posix_archive.h"
#include "storage/source_check.h"

namespace tierhub {
namespace {

constexpr mode_t kStagedMode = 0600;  // until all is in place

Error scratch_error(const Error& error) {
  return Error({error.errno_value(), scratch_category()}, "scratch: " + error.text());
}

// A piece of the new content and where it comes from.
struct Piece {
  ByteRange range;
  int source_fd = -1;
};

// Copies the content of a StageFileRequest chunk by chunk into `out`: one buffer, each byte read
// once.
class ContentCopy {
 public:
  ContentCopy(const StageFileRequest& request, int source_fd, int out)
      : request_(request), source_fd_(source_fd), out_(out), buffer_(request.chunk_bytes) {
    for (const ByteRange& range : request.absent) absent_.add(range.begin, range.end);
  }

  Result<void> run(const PosixArchive::Progress& progress, StagedFile& result) {
    for (uint64_t begin = 0; begin < request_.size_bytes; begin += request_.chunk_bytes) {
      const ByteRange chunk{begin, std::min(begin + request_.chunk_bytes, request_.size_bytes)};
      TRY_ASSIGN(const auto pieces, pieces_of(chunk));
      TRY(read(chunk, pieces));
      const std::span<const std::byte> bytes(buffer_.data(), chunk.size());
      result.checksums.push_back(checksum(bytes));
      for (const Piece& piece : pieces) {
        TRY(posix::write_all_at(out_, bytes.subspan(piece.range.begin - begin, piece.range.size()),
                                piece.range.begin));
        result.written_bytes += piece.range.size();
      }
      // Lets the disk begin now, so that the sync of the round has little left to wait for.
      if (!pieces.empty()) {
        ::sync_file_range(out_, static_cast<off_t>(begin), static_cast<off_t>(chunk.size()),
                          SYNC_FILE_RANGE_WRITE);
      }
      if (progress) progress();
    }
    return posix::truncate_fd(out_, request_.size_bytes);
  }

 private:
  // The parts of `chunk` that have data, in no order.
  Result<std::vector<Piece>> pieces_of(ByteRange chunk) const {
    std::vector<Piece> pieces;
    if (request_.object_fd >= 0) {
      for (const auto& part : absent_.missing(chunk.begin, chunk.end)) {
        const auto data = data_ranges(request_.object_fd, {part.begin, part.end});
        if (!data) return scratch_error(data.error());
        for (const ByteRange& range : *data) pieces.push_back({range, request_.object_fd});
      }
    }
    if (source_fd_ >= 0) {
      for (const auto& part : absent_.present(chunk.begin, chunk.end)) {
        const ByteRange wanted{part.begin, std::min(part.end, request_.source_limit_bytes)};
        if (wanted.empty()) continue;
        TRY_ASSIGN(const auto data, data_ranges(source_fd_, wanted));
        for (const ByteRange& range : data) pieces.push_back({range, source_fd_});
      }
    }
    return pieces;
  }

  // Fills the buffer with the chunk; where there is no piece it is zero.
  Result<void> read(ByteRange chunk, const std::vector<Piece>& pieces) {
    std::fill_n(buffer_.begin(), chunk.size(), std::byte{0});
    for (const Piece& piece : pieces) {
      const std::span<std::byte> part(buffer_.data() + (piece.range.begin - chunk.begin),
                                      piece.range.size());
      const auto n = posix::read_at(piece.source_fd, part, piece.range.begin);
      const bool from_object = piece.source_fd == request_.object_fd;
      if (!n) return from_object ? scratch_error(n.error()) : n.error();
      if (*n == part.size()) continue;
      if (from_object) {
        return scratch_error(
            Error(std::errc::io_error, "the object became shorter while it was read"));
      }
      return Error(conflict_code(), "the archived file became shorter while it was read");
    }
    return {};
  }

  const StageFileRequest& request_;
  const int source_fd_;
  const int out_;
  std::vector<std::byte> buffer_;
  IntervalSet absent_;
};

mode_t node_type(FileKind kind) {
  switch (kind) {
    case FileKind::fifo:
      return S_IFIFO;
    case FileKind::socket:
      return S_IFSOCK;
    case FileKind::character_device:
      return S_IFCHR;
    case FileKind::block_device:
      return S_IFBLK;
    case FileKind::file:
    case FileKind::directory:
    case FileKind::symlink:
      return 0;
  }
  return 0;
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

Result<ArchiveVersion> PosixArchive::finish_staging(const Entry& entry,
                                                    const Attributes& attributes,
                                                    const Xattrs& xattrs) {
  TRY_ASSIGN(const AttributeShortfall shortfall, entry.apply(attributes, xattrs));
  if (shortfall.owner) owner_refused_ = true;
  if (shortfall.xattrs) xattrs_refused_ = true;
  return exact_version(entry);
}

Result<ArchiveVersion> PosixArchive::stage_node(const std::string& leaf,
                                                const Attributes& attributes, const Xattrs& xattrs,
                                                const std::function<int(int, const char*)>& make) {
  TRY_ASSIGN(const Spot to, staging_spot(root(), leaf));
  TRY(clear(to));
  if (make(to.folder, leaf.c_str()) < 0) return Error::from_errno(errno, "stage " + leaf);
  TRY_ASSIGN(const auto entry, Entry::open(to.folder, leaf));
  if (!entry) return Error::from_errno(ENOENT, "stage " + leaf);
  return finish_staging(*entry, attributes, xattrs);
}

Result<ArchiveVersion> PosixArchive::stage_directory(const std::string& leaf,
                                                     const Attributes& attributes,
                                                     const Xattrs& xattrs) {
  return stage_node(leaf, attributes, xattrs,
                    [](int folder, const char* name) { return ::mkdirat(folder, name, S_IRWXU); });
}

Result<ArchiveVersion> PosixArchive::stage_symlink(const std::string& leaf,
                                                   const std::string& target,
                                                   const Attributes& attributes,
                                                   const Xattrs& xattrs) {
  return stage_node(leaf, attributes, xattrs, [&](int folder, const char* name) {
    return ::symlinkat(target.c_str(), folder, name);
  });
}

Result<ArchiveVersion> PosixArchive::stage_special(const std::string& leaf,
                                                   const Attributes& attributes,
                                                   const Xattrs& xattrs) {
  const mode_t type = node_type(attributes.kind);
  if (type == 0)
    return Error(std::errc::invalid_argument, "stage " + leaf + ": not a special file");
  return stage_node(leaf, attributes, xattrs, [&](int folder, const char* name) {
    return ::mknodat(folder, name, type | kStagedMode, attributes.rdev);
  });
}

Result<StagedFile> PosixArchive::stage_file(const StageFileRequest& request) {
  return stage_file(request, {});
}

Result<StagedFile> PosixArchive::stage_file(const StageFileRequest& request,
                                            const Progress& progress) {
  if (request.chunk_bytes == 0) return Error(std::errc::invalid_argument, "stage: chunk size is 0");
  const ArchiveRootPointer held = root();
  TRY_ASSIGN(const Spot to, staging_spot(held, request.leaf));
  UniqueFd source;
  struct statx source_before {};
  if (!request.absent.empty()) {
    TRY_ASSIGN(source, posix::open_beneath(held->fd.get(), request.source_path,
                                           O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
    TRY_ASSIGN(source_before, statx_fd(source.get(), Freshness::exact));
    TRY(check_source(source.get(), source_before, request.source_version, probed_.identity));
  }

  TRY(clear(to));
  TRY_ASSIGN(UniqueFd out, posix::open_at(to.folder, request.leaf,
                                          O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, kStagedMode));
  StagedFile result;
  ContentCopy copy(request, source.get(), out.get());
  TRY(copy.run(progress, result));
  if (source) {
    TRY_ASSIGN(const struct statx source_after, statx_fd(source.get(), Freshness::exact));
    if (source_after.stx_size != source_before.stx_size ||
        !same_times(source_before, source_after)) {
      return Error(conflict_code(), "the archived file changed while it was read");
    }
  }
  const Entry entry(std::move(out));
  TRY_ASSIGN(result.version, finish_staging(entry, request.attributes, request.xattrs));
  if (!probed_.sync_file_system) TRY(posix::sync_fd(entry.fd()));
  return result;
}

}  // namespace tierhub
