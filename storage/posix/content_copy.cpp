#include "storage/posix/content_copy.h"

#include <algorithm>
#include <cerrno>
#include <span>

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/extents.h"
#include "common/posix.h"
#include "storage/copy/copy_plan.h"

namespace tierhub {
namespace {

// So that a long clone shows that it gets on.
constexpr uint64_t kCloneStepBytes = uint64_t{1} << 30;
constexpr uint64_t kEarlyWriteBytes = uint64_t{1} << 20;

Error scratch_error(const Error& error) {
  return Error({error.errno_value(), scratch_category()}, "scratch: " + error.text());
}

// This file system, or this pair of files, cannot do it; plain writes can.
bool is_refusal(int errno_value) {
  switch (errno_value) {
    case EOPNOTSUPP:
    case EXDEV:
    case EINVAL:
    case ENOSYS:
    case ENOTTY:
    case EPERM:
    case ETXTBSY:
      return true;
    default:
      return false;
  }
}

}  // namespace

ContentCopy::ContentCopy(const StageFileRequest& request, int source_fd, int out, CloneMethod clone)
    : request_(request),
      source_fd_(source_fd),
      out_(out),
      clone_(source_fd >= 0 ? clone : CloneMethod::none),
      buffer_(std::min(request.chunk_bytes, std::max<uint64_t>(request.size_bytes, 1))) {
  for (const ByteRange& range : request.absent) absent_.add(range.begin, range.end);
  for (const ByteRange& range : request.unchanged) unchanged_.add(range.begin, range.end);
}

Result<void> ContentCopy::run(const std::function<void()>& progress, StagedFile& result) {
  if (clone_ == CloneMethod::reflink && request_.patch) TRY(clone_source(progress));
  const uint64_t chunk_bytes = request_.chunk_bytes;
  for (uint64_t index = 0; index * chunk_bytes < request_.size_bytes; ++index) {
    TRY(copy_chunk(index, result));
    if (!result.is_staged()) return {};
    if (progress) progress();
  }
  // What was written to the end of the file is as long already.
  return !cloned_ && written_end_ == request_.size_bytes
             ? Result<void>()
             : posix::truncate_fd(out_, request_.size_bytes);
}

Result<void> ContentCopy::clone_source(const std::function<void()>& progress) {
  const uint64_t size_bytes = request_.source_version.attributes.size_bytes;
  for (uint64_t begin = 0; begin < size_bytes; begin += kCloneStepBytes) {
    const bool last = size_bytes - begin <= kCloneStepBytes;
    file_clone_range range{};
    range.src_fd = source_fd_;
    range.src_offset = range.dest_offset = begin;
    range.src_length = last ? 0 : kCloneStepBytes;  // 0: to the end, which need not be a block's
    if (::ioctl(out_, FICLONERANGE, &range) < 0) {
      if (!is_refusal(errno)) return Error::from_errno(errno, "clone");
      clone_ = CloneMethod::none;
      return posix::truncate_fd(out_, 0);
    }
    if (progress) progress();
  }
  cloned_ = true;
  return posix::truncate_fd(
      out_, std::min({request_.source_limit_bytes, size_bytes, request_.size_bytes}));
}

Result<void> ContentCopy::copy_chunk(uint64_t index, StagedFile& result) {
  const uint64_t begin = index * request_.chunk_bytes;
  const ByteRange chunk{begin, std::min(begin + request_.chunk_bytes, request_.size_bytes)};
  std::optional<Checksum> known;
  if (index < request_.known.size() && is_as_long(chunk)) known = request_.known[index];
  const bool unchanged = is_as_long(chunk) && unchanged_.contains(chunk.begin, chunk.end);
  if (unchanged && known) {
    TRY_ASSIGN(const bool taken, take_over(chunk, result));
    if (taken) {
      result.checksums.push_back(*known);
      return {};
    }
  }
  TRY_ASSIGN(const auto pieces, pieces_of(chunk));
  TRY(read(chunk, pieces));
  const Checksum sum = checksum(std::span<const std::byte>(buffer_).first(chunk.size()));
  TRY_ASSIGN(const bool damaged, is_damaged(index, chunk, sum));
  if (damaged) {
    result.damaged_chunk = index;
    return {};
  }
  if (unchanged && known && known != sum) {
    result.rotten_chunk = index;
    return {};
  }
  result.checksums.push_back(sum);
  if (unchanged || known == sum) {
    TRY_ASSIGN(const bool taken, take_over(chunk, result));
    if (taken) return {};
  }
  return write(chunk, pieces, result);
}

// `sum` is that of the new chunk. What only a part was taken of is read as a whole.
Result<bool> ContentCopy::is_damaged(uint64_t index, ByteRange chunk, const Checksum& sum) const {
  if (source_fd_ < 0 || index >= request_.known.size() || !request_.known[index]) return false;
  const uint64_t taken_end = std::min(chunk.end, request_.source_limit_bytes);
  if (!absent_.intersects(chunk.begin, taken_end)) return false;
  const ByteRange there{chunk.begin, std::min(chunk.begin + request_.chunk_bytes,
                                              request_.source_version.attributes.size_bytes)};
  if (there.end == taken_end && there.end == chunk.end && absent_.contains(there.begin, there.end))
    return sum != *request_.known[index];
  std::vector<std::byte> bytes(there.size());
  TRY_ASSIGN(const size_t n, posix::read_at(source_fd_, bytes, there.begin));
  if (n < bytes.size()) return became_shorter();
  return checksum(bytes) != *request_.known[index];
}

// The archived version has as many valid bytes there.
bool ContentCopy::is_as_long(ByteRange chunk) const {
  const uint64_t source_end =
      std::min({chunk.begin + request_.chunk_bytes, request_.source_limit_bytes,
                request_.source_version.attributes.size_bytes});
  return chunk.end == source_end;
}

// The chunk is as in the archived version. False: it has to be written all the same.
Result<bool> ContentCopy::take_over(ByteRange chunk, StagedFile& result) {
  switch (clone_) {
    case CloneMethod::none:
      return false;
    case CloneMethod::reflink:
      if (cloned_) result.cloned_bytes += chunk.size();
      return cloned_;
    case CloneMethod::server_copy:
      return copy_in_archive(chunk, result);
    case CloneMethod::local_copy:
      // What scratch has is cheaper to write than to read from the archive.
      return absent_.contains(chunk.begin, chunk.end) ? copy_in_archive(chunk, result)
                                                      : Result<bool>(false);
  }
  return false;
}

Result<bool> ContentCopy::copy_in_archive(ByteRange chunk, StagedFile& result) {
  TRY_ASSIGN(const auto data, data_ranges(source_fd_, chunk));
  if (!data.empty()) note_written(chunk);
  for (const ByteRange& range : data) {
    for (uint64_t at = range.begin; at < range.end;) {
      auto from = static_cast<off_t>(at);
      auto to = from;
      const ssize_t n = ::copy_file_range(source_fd_, &from, out_, &to, range.end - at, 0);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && is_refusal(errno)) {
        clone_ = CloneMethod::none;
        return false;
      }
      if (n < 0) return Error::from_errno(errno, "copy within the archive");
      if (n == 0) return became_shorter();
      at += static_cast<uint64_t>(n);
      result.cloned_bytes += static_cast<uint64_t>(n);
    }
  }
  return true;
}

// The parts of `chunk` that have data, in no order.
Result<std::vector<ContentCopy::Piece>> ContentCopy::pieces_of(ByteRange chunk) const {
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
Result<void> ContentCopy::read(ByteRange chunk, const std::vector<Piece>& pieces) {
  std::fill_n(buffer_.begin(), chunk.size(), std::byte{0});
  for (const Piece& piece : pieces) {
    const std::span<std::byte> part(buffer_.data() + (piece.range.begin - chunk.begin),
                                    piece.range.size());
    const auto n = posix::read_at(piece.source_fd, part, piece.range.begin);
    const bool from_object = piece.source_fd == request_.object_fd;
    if (!n) return from_object ? scratch_error(n.error()) : n.error();
    if (*n == part.size()) continue;
    if (from_object) {
      return scratch_error(Error(std::errc::io_error, "the object shrank while it was being read"));
    }
    return became_shorter();
  }
  return {};
}

Result<void> ContentCopy::write(ByteRange chunk, const std::vector<Piece>& pieces,
                                StagedFile& result) {
  if (cloned_) TRY(clear_holes(chunk, pieces));
  if (!pieces.empty()) note_written(chunk);
  for (const Piece& piece : pieces) {
    // A clone has the source's bytes already.
    if (cloned_ && piece.source_fd == source_fd_) continue;
    const auto bytes = std::span<const std::byte>(buffer_).subspan(piece.range.begin - chunk.begin,
                                                                   piece.range.size());
    TRY(posix::write_all_at(out_, bytes, piece.range.begin));
    result.written_bytes += piece.range.size();
    written_end_ = std::max(written_end_, piece.range.end);
  }
  // Lets the disk begin now, so that the sync of the round has little left to wait for. Small files
  // are quicker written by that sync, many at once.
  if (!pieces.empty() && chunk.size() >= kEarlyWriteBytes) {
    ::sync_file_range(out_, static_cast<off_t>(chunk.begin), static_cast<off_t>(chunk.size()),
                      SYNC_FILE_RANGE_WRITE);
  }
  return {};
}

void ContentCopy::note_written(ByteRange chunk) {
  const uint64_t index = chunk.begin / request_.chunk_bytes;
  written_chunks_.add(index, index + 1);
}

// Where the object has a hole, the clone may still have the old bytes.
Result<void> ContentCopy::clear_holes(ByteRange chunk, const std::vector<Piece>& pieces) const {
  IntervalSet holes;
  for (const auto& part : absent_.missing(chunk.begin, chunk.end)) holes.add(part.begin, part.end);
  for (const Piece& piece : pieces) holes.remove(piece.range.begin, piece.range.end);
  for (const auto& hole : holes.intervals()) {
    TRY(posix::punch_hole(out_, hole.begin, hole.end));
  }
  return {};
}

}  // namespace tierhub
