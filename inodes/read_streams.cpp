#include "inodes/read_streams.h"

#include <algorithm>

namespace tierhub {
namespace {

// Who leaves out no more than this still reads nearly all chunks of the file.
constexpr uint64_t kNearBytes = 4 << 20;

bool is_near(uint64_t a, uint64_t b) { return std::max(a, b) - std::min(a, b) <= kNearBytes; }

}  // namespace

uint64_t ReadStreams::note(ByteRange range) {
  auto stream = std::ranges::find_if(streams_, [&](const Stream& known) {
    return known.read_bytes > 0 && is_near(known.next, range.begin);
  });
  if (stream == streams_.end()) {
    stream = streams_.end() - 1;
    *stream = {range.begin, 0};
  }
  // Bytes that are read again bring nobody forward.
  if (range.end > stream->next) {
    stream->read_bytes += range.end - stream->next;
    stream->next = range.end;
  }
  const uint64_t read_bytes = stream->read_bytes;
  std::rotate(streams_.begin(), stream, stream + 1);
  return read_bytes;
}

}  // namespace tierhub
