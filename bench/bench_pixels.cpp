// bench_pixels IMAGE...: how much of the codec's own rate reading an image has, what a second thread brings, and how
// often a chunk is decoded while a tile scrubs through z. All in one run, in turns; medians.
#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "bench/measure.h"
#include "pixels/decode.h"
#include "pixels/reader.h"

namespace tierhub::bench {
namespace {

using formats::Chunk;
using formats::Region;
using pixels::PixelReader;

constexpr int kRounds = 7;
constexpr uint64_t kTile = 512;

template <class T>
T must(Result<T> result) {
  if (!result) fail(result.error().text());
  return *std::move(result);
}
void must(const Result<void>& result) {
  if (!result) fail(result.error().text());
}

// Counts how many bytes of chunks are read.
class CountingTree : public formats::FileTree {
 public:
  explicit CountingTree(std::shared_ptr<const formats::FileTree> inner)
      : inner_(std::move(inner)) {}
  const std::string& path() const override { return inner_->path(); }
  const std::string& file() const override { return inner_->file(); }
  Result<std::optional<uint64_t>> size_of(const std::string& path) const override {
    return inner_->size_of(path);
  }
  Result<size_t> read_at(const std::string& path, std::span<std::byte> buffer,
                         uint64_t offset_bytes) const override {
    auto got = inner_->read_at(path, buffer, offset_bytes);
    if (got) bytes += *got;
    return got;
  }
  Result<std::vector<std::string>> list(const std::string& folder) const override {
    return inner_->list(folder);
  }
  mutable std::atomic<uint64_t> bytes = 0;

 private:
  const std::shared_ptr<const formats::FileTree> inner_;
};

// The chunks of a region with their stored bytes, in memory.
struct Packed {
  Chunk chunk;
  std::string bytes;
};

std::vector<Packed> fetch(const formats::Image& image, const Region& region) {
  std::vector<Packed> all;
  must(image.for_each_chunk(region, [&](const Chunk& chunk) -> Result<void> {
    std::string bytes;
    for (const formats::FileRange& range : chunk.bytes) {
      TRY_ASSIGN(const auto size, image.files().size_of(range.path));
      if (!size) return {};
      std::string part(std::min(range.size_bytes, *size - range.offset_bytes), '\0');
      TRY(image.files().read_at(range.path, std::as_writable_bytes(std::span(part)),
                                range.offset_bytes));
      bytes += part;
    }
    if (!bytes.empty()) all.push_back({chunk, std::move(bytes)});
    return {};
  }));
  return all;
}

double decode_alone(const std::vector<Packed>& packed, uint64_t voxel_bytes) {
  std::vector<std::byte> voxels;
  const Stopwatch watch;
  for (const Packed& one : packed) {
    voxels.resize(one.chunk.stored.voxels() * voxel_bytes);
    must(pixels::decode(one.chunk, std::as_bytes(std::span(one.bytes)), voxels));
  }
  return watch.seconds();
}

double read_all(const std::string& path, size_t threads, const Region& region) {
  const auto reader = must(PixelReader::open(path, {threads, uint64_t{64} << 20}));
  std::vector<std::byte> voxels(region.shape().voxels() * formats::bytes_of(reader->info().type));
  const Stopwatch watch;
  must(reader->read(region, reader->info().type, voxels));
  return watch.seconds();
}

// How many bytes a tile reads on its way through z, over the bytes of its chunks.
double scrub(const std::string& path) {
  const auto tree = std::make_shared<CountingTree>(must(formats::PosixTree::open(path)));
  const auto reader = must(PixelReader::open(must(formats::Image::open(tree)), {}));
  const formats::Shape& shape = reader->info().levels[0].shape;
  Region tile = whole(shape, 0);
  tile.t = tile.c = {0, 1};
  tile.y = {0, std::min(kTile, shape.y)};
  tile.x = {0, std::min(kTile, shape.x)};
  uint64_t chunk_bytes = 0;
  for (const Packed& one : fetch(reader->image(), tile)) chunk_bytes += one.bytes.size();
  tree->bytes = 0;
  std::vector<std::byte> voxels(tile.y.size() * tile.x.size() *
                                formats::bytes_of(reader->info().type));
  for (uint64_t z = 0; z < shape.z; ++z) {
    Region plane = tile;
    plane.z = {z, z + 1};
    must(reader->read(plane, reader->info().type, voxels));
  }
  return static_cast<double>(tree->bytes) / static_cast<double>(std::max<uint64_t>(chunk_bytes, 1));
}

void measure(const std::string& path) {
  const auto image = must(formats::Image::open(path));
  const uint64_t voxel_bytes = formats::bytes_of(image->info().type);
  Region region = whole(image->info().levels[0].shape, 0);
  region.t = region.c = {0, 1};
  const std::vector<Packed> packed = fetch(*image, region);
  std::vector<double> alone, one, two;
  for (int round = 0; round < kRounds; ++round) {
    alone.push_back(decode_alone(packed, voxel_bytes));
    one.push_back(read_all(path, 1, region));
    two.push_back(read_all(path, 2, region));
  }
  const double mib = static_cast<double>(region.shape().voxels() * voxel_bytes) / (1 << 20);
  fmt::print("{:30} {:>8.0f} {:>8.0f} {:>6.2f} {:>10.2f} {:>8.2f}\n",
             path.substr(path.rfind('/') + 1), mib / median(alone), mib / median(one),
             median(alone) / median(one), median(one) / median(two) / 2, scrub(path));
}

}  // namespace
}  // namespace tierhub::bench

int main(int argc, char** argv) {
  fmt::print("{:30} {:>8} {:>8} {:>6} {:>10} {:>8}\n", "image", "codec", "read", "ratio",
             "2 threads", "scrub");
  fmt::print("{:30} {:>8} {:>8} {:>6} {:>10} {:>8}\n", "", "MiB/s", "MiB/s", "", "of 2", "reads");
  for (int i = 1; i < argc; ++i) tierhub::bench::measure(argv[i]);
  return argc > 1 ? 0 : 2;
}
