#include "imaging/images/memory.h"

#include <algorithm>
#include <unordered_set>

#include "pixels/reader.h"

namespace tierhub::imaging {
namespace {

// Measured on Linux with glibc 2.36: libraries, the heap at the start, a thread's stack and
// buffers.
constexpr uint64_t kProgramBytes = uint64_t{26} << 20;
constexpr uint64_t kThreadBytes = uint64_t{1} << 20;
constexpr uint64_t kCompressorBytes = uint64_t{5} << 20;  // zstd, as blosc calls it
constexpr uint64_t kLargestKept = uint64_t{32} << 20;

}  // namespace

MemoryUse::MemoryUse(Parallel parallel)
    : parallel_(parallel), now_(kProgramBytes + parallel.threads() * kThreadBytes), peak_(now_) {}

void MemoryUse::allocate(uint64_t bytes) {
  const auto fits =
      std::find_if(kept_.begin(), kept_.end(), [bytes](uint64_t piece) { return piece >= bytes; });
  if (fits != kept_.end()) {
    *fits -= bytes;
    if (*fits == 0) kept_.erase(fits);
    return;
  }
  add_fresh(bytes);
}

void MemoryUse::add_fresh(uint64_t bytes) {
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
  const uint64_t numbers = box.voxels() * formats::bytes_of(reader.info().type);
  if (reader.needs_scale()) allocate(numbers);
  allocate(grey_bytes(box));
  if (reader.needs_scale()) free(numbers);
}

void MemoryUse::keep_chunks(const formats::ImageInfo& info, const std::vector<Box>& boxes,
                            const Halo& halo) {
  const uint64_t index = boxes.front().level;
  const formats::Level& level = info.levels[index];
  const formats::Grid grid{level.shape, level.chunk};
  const uint64_t chunk_bytes = level.chunk.voxels() * formats::bytes_of(info.type);
  std::unordered_set<uint64_t> cut;
  for (const Box& box : boxes) {
    if (cut.size() * chunk_bytes >= pixels::PixelReader::Options().cache_bytes) break;
    const formats::Region region = formats::grow(box, halo, level.shape.extent());
    (void)grid.for_each(region, [&](const formats::Shape& at) -> Result<void> {
      const formats::Region chunk = grid.region_of(index, at);
      if (formats::intersect(chunk, region) != chunk) cut.insert(grid.index_of(at));
      return {};
    });
  }
  keep_chunks(cut.size() * chunk_bytes);
  add_fresh((parallel_.threads() - 1) * chunk_bytes);  // what other threads free is theirs alone
}

void MemoryUse::keep_chunks(uint64_t bytes) {
  allocate(std::min(pixels::PixelReader::Options().cache_bytes, bytes));
}

void MemoryUse::keep_block_chunks(uint64_t bytes) {
  const uint64_t all = std::min(pixels::PixelReader::Options().cache_bytes, of_blocks_ + bytes);
  allocate(all - of_blocks_);
  of_blocks_ = all;
}

void MemoryUse::pack_chunks(uint64_t bytes, uint64_t chunk_bytes, uint64_t copies) {
  const uint64_t piece = std::min(bytes, chunk_bytes);
  const uint64_t chunks = (bytes + chunk_bytes - 1) / chunk_bytes;
  const uint64_t threads = std::min<uint64_t>(parallel_.threads(), chunks);
  for (uint64_t i = 0; i < copies; ++i) allocate(piece);
  for (uint64_t i = 0; i < copies; ++i) free(piece);
  const uint64_t others = copies * (threads - 1) * piece;
  if (others <= of_other_threads_) return;
  add_fresh(others - of_other_threads_);
  of_other_threads_ = others;
}

void MemoryUse::pack_image_chunks(uint64_t bytes, uint64_t chunk_bytes) {
  pack_chunks(bytes, chunk_bytes);
  // The first thread has room in what was freed before.
  const uint64_t chunks = (bytes + chunk_bytes - 1) / chunk_bytes;
  const uint64_t others = std::min<uint64_t>(parallel_.threads(), chunks) - 1;
  if (others <= other_compressors_) return;
  add_fresh((others - other_compressors_) * kCompressorBytes);
  other_compressors_ = others;
}

uint64_t grey_bytes(const Box& box) { return box.voxels() * sizeof(uint16_t); }
uint64_t label_bytes(const Box& box) { return box.voxels() * sizeof(uint32_t); }

}  // namespace tierhub::imaging
