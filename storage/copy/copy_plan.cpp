#include "storage/copy/copy_plan.h"

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

#include "common/extents.h"

namespace tierhub {

CopyPlan::CopyPlan(const FillRequest& request)
    : range_(request.range), chunk_bytes_(request.chunk_bytes) {
  const uint64_t end =
      std::min({request.range.end, request.limit_bytes, request.expected.attributes.size_bytes});
  copied_ = {range_.begin, std::max(range_.begin, end)};
  chunk_count_ = (range_.size() + chunk_bytes_ - 1) / chunk_bytes_;
  if (!copied_.empty()) data_ = {copied_};
}

Result<void> CopyPlan::check(const FillRequest& request, uint64_t max_chunk_bytes) {
  const auto invalid = [](const std::string& text) {
    return Error(std::errc::invalid_argument, "fill: " + text);
  };
  if (request.chunk_bytes == 0) return invalid("the chunk size is 0");
  if (request.chunk_bytes > max_chunk_bytes) {
    return invalid(fmt::format("a chunk of {} bytes is larger than the {} bytes of buffers",
                               request.chunk_bytes, max_chunk_bytes));
  }
  if (request.purpose == FillPurpose::keep && request.range.begin % request.chunk_bytes != 0) {
    return invalid("the range does not start at a chunk boundary");
  }
  if (request.expected.attributes.kind != FileKind::file) return invalid("not a regular file");
  return {};
}

ByteRange CopyPlan::chunk(size_t index) const {
  const uint64_t begin = range_.begin + index * chunk_bytes_;
  return {begin, std::max(begin, std::min(begin + chunk_bytes_, copied_.end))};
}

std::vector<ByteRange> CopyPlan::data_in(ByteRange range) const { return clip(data_, range); }

std::vector<ByteRange> CopyPlan::holes() const { return gaps(copied_, data_); }

Checksum ZeroChecksums::of(uint64_t bytes) {
  const auto [it, is_new] = known_.try_emplace(bytes);
  if (is_new) it->second = checksum(std::vector<std::byte>(bytes));
  return it->second;
}

bool may_have_holes(uint64_t size_bytes, uint64_t blocks_of_512) {
  constexpr uint64_t kWorthWhileBytes = 64 << 10;
  return size_bytes > kWorthWhileBytes && blocks_of_512 < size_bytes / 512;
}

Error open_error(int errno_value, const std::string& path) {
  switch (errno_value) {
    case ENOENT:
    case ENOTDIR:
      return Error(conflict_code(), fmt::format("'{}' no longer exists in the archive", path));
    case ELOOP:  // a symbolic link
    case ENXIO:  // a socket
      return Error(conflict_code(), fmt::format("'{}' is no longer a file in the archive", path));
    default:
      break;
  }
  return Error::from_errno(errno_value, "open " + path);
}

Error target_error(int errno_value, std::string_view action) {
  const std::error_code code(errno_value, scratch_category());
  return Error(code, fmt::format("scratch: {}: {}", action, code.message()));
}

Error became_shorter() {
  return Error(conflict_code(), "the archived file shrank while it was being read");
}

Error changed_meanwhile() {
  return Error(conflict_code(), "the archived file was changed while it was being read");
}

}  // namespace tierhub
