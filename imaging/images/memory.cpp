#include "imaging/images/memory.h"

#include <algorithm>

#include "pixels/reader.h"

namespace tierhub::imaging {
namespace {

// Measured on Linux with glibc 2.36: libraries, the heap at the start, a thread's stack and
// buffers.
constexpr uint64_t kProgramBytes = uint64_t{24} << 20;
constexpr uint64_t kThreadBytes = uint64_t{1} << 20;
constexpr uint64_t kLargestKept = uint64_t{32} << 20;

// The decoded chunks of which `box` has a part, but not all.
uint64_t cached_bytes(const ImageReader& reader, const Box& box) {
  const formats::Level& level = reader.info().levels[box.level];
  const formats::Grid grid{level.shape, level.chunk};
  const formats::Region region = box;
  uint64_t voxels = 0;
  (void)grid.for_each(region, [&](const formats::Shape& at) -> Result<void> {
    const formats::Region chunk = grid.region_of(box.level, at);
    if (formats::intersect(chunk, region) != chunk) voxels += level.chunk.voxels();
    return {};
  });
  return std::min(pixels::PixelReader::Options().cache_bytes,
                  voxels * formats::bytes_of(reader.info().type));
}

}  // namespace

MemoryUse::MemoryUse(Parallel parallel)
    : parallel_(parallel), now_(kProgramBytes + parallel.threads() * kThreadBytes), peak_(now_) {}

void MemoryUse::allocate(uint64_t bytes) {
  const auto fits =
      std::find_if(kept_.begin(), kept_.end(), [bytes](uint64_t piece) { return piece >= bytes; });
  if (fits != kept_.end()) {
    *fits -= bytes;
    return;
  }
  now_ += bytes;
  peak_ = std::max(peak_, now_);
}

void MemoryUse::free(uint64_t bytes) {
  if (bytes < kLargestKept) {
    kept_.push_back(bytes);
  } else {
    now_ -= bytes;
  }
}

void MemoryUse::read_grey(const ImageReader& reader, const Box& box) {
  allocate(cached_bytes(reader, box));
  const uint64_t numbers = box.voxels() * formats::bytes_of(reader.info().type);
  if (reader.needs_scale()) allocate(numbers);
  allocate(grey_bytes(box));
  if (reader.needs_scale()) free(numbers);
}

void MemoryUse::keep_chunks(uint64_t bytes) {
  allocate(std::min(pixels::PixelReader::Options().cache_bytes, bytes));
}

void MemoryUse::pack_chunks(uint64_t bytes, uint64_t chunk_bytes) {
  const uint64_t piece = std::min(bytes, chunk_bytes);
  const uint64_t chunks = (bytes + chunk_bytes - 1) / chunk_bytes;
  const uint64_t threads = std::min<uint64_t>(parallel_.threads(), chunks);
  allocate(piece);  // the voxels
  allocate(piece);  // what they become
  now_ += 2 * (threads - 1) * piece;
  peak_ = std::max(peak_, now_);
}

uint64_t grey_bytes(const Box& box) { return box.voxels() * sizeof(uint16_t); }
uint64_t label_bytes(const Box& box) { return box.voxels() * sizeof(uint32_t); }

}  // namespace tierhub::imaging
