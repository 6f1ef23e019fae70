// The content of a file on its way to staging: from the scratch object, and from the version that
// the archive has.
//
// If the archive can clone, only what differs from the archived version is sent (a patch):
//   1. reflink: the staged file begins as a clone of the archived one, cut where nothing of the
//      archive is valid any more;
//   2. chunk by chunk: a chunk that is known to be unchanged, or whose checksum is the one on
//      record, is taken over; any other is written. A hole of the object becomes a hole;
//   3. the staged file gets its length.
// If a chunk of the archived version is read for the new content and does not match its record, the
// copy ends: its checksum would vouch for wrong bytes. It also ends if an unchanged chunk of the
// object does not match: it would replace a good one.
// Nobody sees the staged file before it is placed, so a crash in between leaves the old version as
// it was, and a file in staging that the recovery deletes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "common/interval_set.h"
#include "common/result.h"
#include "common/types.h"
#include "storage/archive/archive.h"
#include "storage/archive/capabilities.h"

namespace tierhub {

class ContentCopy {
 public:
  // `source_fd` is the archived version, -1 if there is none or it is not needed; `out` is empty.
  // Both are borrowed.
  ContentCopy(const StageFileRequest& request, int source_fd, int out, CloneMethod clone);

  // Blocks. `progress` (may be empty) is called each time something has moved.
  Result<void> run(const std::function<void()>& progress, StagedFile& result);
  // The chunks that run() wrote bytes of. Those of a clone are not among them.
  const IntervalSet& written_chunks() const { return written_chunks_; }

 private:
  // A piece of the new content and where it comes from.
  struct Piece {
    ByteRange range;
    int source_fd = -1;
  };

  Result<void> clone_source(const std::function<void()>& progress);
  Result<void> copy_chunk(uint64_t index, StagedFile& result);
  bool is_as_long(ByteRange chunk) const;
  Result<bool> is_damaged(uint64_t index, ByteRange chunk, const Checksum& sum) const;
  Result<bool> take_over(ByteRange chunk, StagedFile& result);
  Result<bool> copy_in_archive(ByteRange chunk, StagedFile& result);
  Result<std::vector<Piece>> pieces_of(ByteRange chunk) const;
  Result<void> read(ByteRange chunk, const std::vector<Piece>& pieces);
  Result<void> write(ByteRange chunk, const std::vector<Piece>& pieces, StagedFile& result);
  void note_written(ByteRange chunk);
  Result<void> clear_holes(ByteRange chunk, const std::vector<Piece>& pieces) const;

  const StageFileRequest& request_;
  const int source_fd_;
  const int out_;
  CloneMethod clone_;
  bool cloned_ = false;       // `out` began as a clone
  uint64_t written_end_ = 0;  // of what was written from here
  std::vector<std::byte> buffer_;
  IntervalSet absent_;
  IntervalSet unchanged_;
  IntervalSet written_chunks_;
};

}  // namespace tierhub
