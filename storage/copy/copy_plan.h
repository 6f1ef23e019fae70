// The arithmetic of one fill: which bytes, in which chunks, with which checksums.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "common/hash.h"
#include "common/result.h"
#include "common/types.h"
#include "storage/archive/archive.h"

namespace tierhub {

class CopyPlan {
 public:
  explicit CopyPlan(const FillRequest& request);
  // errc::invalid_argument if the request makes no sense or a chunk is larger than
  // `max_chunk_bytes`.
  static Result<void> check(const FillRequest& request, uint64_t max_chunk_bytes);

  // What is copied: the range, but nothing at or beyond the limit or the end of the file.
  ByteRange copied() const { return copied_; }
  size_t chunk_count() const { return chunk_count_; }
  // The bytes of a chunk that are copied; possibly none.
  ByteRange chunk(size_t index) const;

  // Where the archived file has data in copied(): all of it until told otherwise.
  void set_data(std::vector<ByteRange> data) { data_ = std::move(data); }
  std::vector<ByteRange> data_in(ByteRange range) const;
  std::vector<ByteRange> holes() const;

 private:
  ByteRange range_;
  ByteRange copied_;
  uint64_t chunk_bytes_;
  size_t chunk_count_;
  std::vector<ByteRange> data_;
};

// Checksums of chunks that are holes, each length computed once.
class ZeroChecksums {
 public:
  Checksum of(uint64_t bytes);

 private:
  std::map<uint64_t, Checksum> known_;
};

// Is it worth while to look for holes? By what stat shows: fewer blocks than bytes, and more than a
// few bytes.
bool may_have_holes(uint64_t size_bytes, uint64_t blocks_of_512);

// What a failure to open the archived file means: a file that is gone is a conflict.
Error open_error(int errno_value, const std::string& path);
Error target_error(int errno_value, std::string_view action);
Error became_shorter();
Error changed_meanwhile();

}  // namespace tierhub
