#include "pixels/reader.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <limits>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include "common/first_error.h"
#include "common/hash.h"
#include "pixels/damaged.h"
#include "pixels/decode.h"

namespace tierhub::pixels {
namespace {

using formats::AxisRange;
using formats::Chunk;
using formats::FileRange;
using formats::PixelType;
using formats::Region;
using formats::Shape;

template <class To, class From>
constexpr bool holds() {
  using Wide = std::numeric_limits<To>;
  using Narrow = std::numeric_limits<From>;
  if (std::is_floating_point_v<From>)
    return std::is_floating_point_v<To> && sizeof(To) >= sizeof(From);
  if (Narrow::is_signed && !Wide::is_signed) return false;
  return Wide::digits >= Narrow::digits;
}

// `step` is in numbers of the source.
template <class From, class To>
void convert_row(const std::byte* from, size_t step, std::byte* to, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    From value;
    std::memcpy(&value, from + i * step * sizeof value, sizeof value);
    const auto converted = static_cast<To>(value);
    std::memcpy(to + i * sizeof converted, &converted, sizeof converted);
  }
}

using ConvertRow = void (*)(const std::byte*, size_t, std::byte*, size_t);

// Null if `to` cannot hold every number of `from`.
ConvertRow converter(PixelType from, PixelType to) {
  ConvertRow found = nullptr;
  formats::with_type(from, [&](auto source) {
    formats::with_type(to, [&](auto target) {
      using From = decltype(source);
      using To = decltype(target);
      if constexpr (holds<To, From>()) found = convert_row<From, To>;
    });
  });
  return found;
}

// The path of a file of the image, for texts.
std::string name_of(const formats::FileTree& files, const std::string& path) {
  return path == files.file() ? files.path() : files.path() + "/" + path;
}

// Of the levels that are computed: as large as a tile of a viewer.
constexpr Shape kComputedChunk{1, 1, 1, kSmallestLevel, kSmallestLevel};

std::vector<formats::Level> with_computed(std::vector<formats::Level> levels) {
  while (std::max(levels.back().shape.y, levels.back().shape.x) > kSmallestLevel) {
    formats::Level next;
    next.shape = halved(levels.back().shape);
    next.chunk = kComputedChunk;
    next.voxel_size = levels.back().voxel_size;
    next.voxel_size.y *= 2;
    next.voxel_size.x *= 2;
    next.voxel_size_known = levels.back().voxel_size_known;
    levels.push_back(next);
  }
  return levels;
}

uint64_t next_number() {
  static std::atomic<uint64_t> last{0};
  return ++last;
}

}  // namespace

bool can_hold(PixelType to, PixelType from) { return converter(from, to) != nullptr; }

Result<std::unique_ptr<PixelReader>> PixelReader::open(std::unique_ptr<formats::Image> image,
                                                       const Options& options) {
  const formats::ImageInfo& info = image->info();
  if (info.not_decodable) {
    return Error(std::errc::not_supported,
                 fmt::format("{} cannot be read: {}", info.path, *info.not_decodable));
  }
  return std::unique_ptr<PixelReader>(new PixelReader(std::move(image), options));
}

Result<std::unique_ptr<PixelReader>> PixelReader::open(const std::string& path,
                                                       const Options& options) {
  TRY_ASSIGN(auto image, formats::Image::open(path));
  return open(std::move(image), options);
}

PixelReader::PixelReader(std::unique_ptr<formats::Image> image, const Options& options)
    : image_(std::move(image)),
      options_(options),
      levels_(with_computed(image_->info().levels)),
      pool_(options.threads > 1 ? std::make_unique<WorkerPool>(options.threads - 1) : nullptr),
      cache_(options.cache ? options.cache : std::make_shared<ChunkCache>(options.cache_bytes)),
      number_(next_number()) {}

Result<void> PixelReader::read(const Region& region, PixelType type,
                               std::span<std::byte> voxels) const {
  TRY(formats::check_region(info().path, levels_, region));
  if (!can_hold(type, info().type)) {
    return Error(std::errc::not_supported,
                 fmt::format("{} cannot be read as {}: its pixels are {}", info().path,
                             to_text(type), info().type_name));
  }
  if (voxels.size() != region.shape().voxels() * formats::bytes_of(type))
    return Error(std::errc::invalid_argument, "the buffer has another size than the region");
  return read_target({region, type, voxels}, pool_ != nullptr);
}

Result<void> PixelReader::read_target(const Target& target, bool parallel) const {
  if (parallel) return read_parallel(target);
  return for_each_chunk(target.region,
                        [&](const Chunk& chunk) { return read_chunk(chunk, target); });
}

Result<void> PixelReader::for_each_chunk(const Region& region,
                                         const formats::Image::UseChunk& use) const {
  if (is_stored(region.level)) return image_->for_each_chunk(region, use);
  const formats::Level& level = levels_[region.level];
  const formats::Grid grid{level.shape, level.chunk};
  return grid.for_each(region, [&](const Shape& at) {
    Chunk chunk;
    chunk.region = grid.region_of(region.level, at);
    chunk.index = grid.index_of(at);
    chunk.stored = chunk.region.shape();
    chunk.stride = formats::dense_strides(chunk.stored);
    return use(chunk);
  });
}

Result<void> PixelReader::for_each_unread_chunk(const Region& region,
                                                const formats::Image::UseChunk& use) const {
  TRY(formats::check_region(info().path, levels_, region));
  return for_each_chunk(region, [&](const Chunk& chunk) -> Result<void> {
    if (is_stored(region.level) && chunk.bytes.empty()) return {};
    TRY_ASSIGN(const Content content, content_of(chunk));
    const ChunkCache::Key key{number_, region.level, chunk.index, content.hash};
    if (content.is_settled && cache_->has(key)) return {};
    if (is_stored(region.level)) return use(chunk);
    return for_each_unread_chunk(region_behind(chunk.region, levels_[region.level - 1].shape), use);
  });
}

Result<Content> PixelReader::content_of_files(std::vector<std::string> paths) const {
  std::sort(paths.begin(), paths.end());
  paths.erase(std::unique(paths.begin(), paths.end()), paths.end());
  TRY_ASSIGN(const auto stamps, image_->files().stamps_of(paths));
  Content content;
  std::vector<uint64_t> numbers;
  for (const formats::FileStamp& stamp : stamps) {
    content.is_settled = content.is_settled && stamp.is_settled;
    for (const uint64_t number : {uint64_t{stamp.exists}, stamp.device, stamp.inode,
                                  stamp.size_bytes, static_cast<uint64_t>(stamp.mtime_ns),
                                  static_cast<uint64_t>(stamp.ctime_ns), stamp.generation})
      numbers.push_back(number);
  }
  content.hash = checksum(std::as_bytes(std::span(numbers))).low;
  return content;
}

Result<Content> PixelReader::content_of(std::span<const Region> regions) const {
  if (!options_.follows_changes) return Content{};
  std::vector<std::string> paths;
  for (Region region : regions) {
    TRY(formats::check_region(info().path, levels_, region));
    while (!is_stored(region.level))
      region = region_behind(region, levels_[region.level - 1].shape);
    TRY(image_->for_each_file(region, [&](const std::string& path) -> Result<void> {
      if (paths.empty() || paths.back() != path) paths.push_back(path);
      return {};
    }));
  }
  return content_of_files(std::move(paths));
}

Result<Content> PixelReader::content_of(const Chunk& chunk) const {
  if (!options_.follows_changes) return Content{};
  if (!is_stored(chunk.region.level)) return content_of({&chunk.region, 1});
  std::vector<std::string> paths;
  for (const FileRange& range : chunk.bytes) paths.push_back(range.path);
  return content_of_files(std::move(paths));
}

// A chunk of a level that is not stored. Also called while another one of a smaller level is
// computed, in the same thread.
Result<void> PixelReader::compute(const Chunk& chunk, std::span<std::byte> voxels) const {
  const Region from = region_behind(chunk.region, levels_[chunk.region.level - 1].shape);
  Voxels behind(from.shape().voxels() * formats::bytes_of(info().type));
  TRY(read_target({from, info().type, behind}, false));
  shrink(info().type, from.shape(), behind, chunk.stored, voxels, options_.shrink);
  return {};
}

Result<void> PixelReader::read_parallel(const Target& target) const {
  // Enough that every thread has work until the end.
  const size_t batch_size = options_.threads * 16;
  std::vector<Chunk> batch;
  const auto work = [&]() -> Result<void> {
    FirstError failure;
    pool_->for_each(batch.size(), options_.threads,
                    [&](size_t i) { failure.note(read_chunk(batch[i], target)); });
    batch.clear();
    return failure.result();
  };
  TRY(for_each_chunk(target.region, [&](const Chunk& chunk) -> Result<void> {
    batch.push_back(chunk);
    return batch.size() < batch_size ? Result<void>() : work();
  }));
  return work();
}

Result<void> PixelReader::read_chunk(const Chunk& chunk, const Target& target) const {
  const uint64_t decoded_bytes = chunk.stored.voxels() * formats::bytes_of(info().type);
  if (is_stored(target.region.level) && chunk.bytes.empty()) {
    copy(chunk, nullptr, target);
    return {};
  }
  TRY_ASSIGN(const Content content, content_of(chunk));
  const ChunkCache::Key key{number_, target.region.level, chunk.index, content.hash};
  if (!content.is_settled) {
    Voxels voxels(decoded_bytes);
    TRY_ASSIGN(const bool stored, load(chunk, voxels));
    copy(chunk, stored ? voxels.data() : nullptr, target);
    return {};
  }
  // A chunk that is used whole is not wanted again soon, unless a smaller level follows from it.
  if (is_stored(target.region.level) && intersect(chunk.region, target.region) == chunk.region) {
    if (const auto known = cache_->find(key)) {
      copy(chunk, known->data(), target);
      return {};
    }
    thread_local Voxels decoded;
    if (decoded.size() < decoded_bytes) decoded.resize(decoded_bytes);
    TRY_ASSIGN(const bool stored, load(chunk, std::span(decoded).first(decoded_bytes)));
    copy(chunk, stored ? decoded.data() : nullptr, target);
    return {};
  }
  TRY_ASSIGN(const auto decoded, cache_->get(key, [&]() -> Result<std::shared_ptr<const Voxels>> {
    auto voxels = std::make_shared<Voxels>(decoded_bytes);
    TRY_ASSIGN(const bool stored, load(chunk, *voxels));
    if (!stored) return std::shared_ptr<const Voxels>();
    return voxels;
  }));
  copy(chunk, decoded ? decoded->data() : nullptr, target);
  return {};
}

Result<bool> PixelReader::load(const Chunk& chunk, std::span<std::byte> voxels) const {
  if (!is_stored(chunk.region.level)) {
    TRY(compute(chunk, voxels));
    return true;
  }
  if (chunk.bytes.empty()) return false;
  const std::string name = name_of(image_->files(), chunk.bytes.front().path);
  if (is_stored_plain(*chunk.coding) && chunk.bytes.size() == 1 &&
      chunk.bytes.front().size_bytes == voxels.size()) {
    if (const auto fetched = fetch_plain(chunk, voxels); !fetched) return fetched.error().in(name);
    return true;
  }
  if (std::holds_alternative<formats::SlideCoding>(*chunk.coding)) {
    TRY(decode(chunk, {}, voxels));
    return true;
  }
  thread_local std::string packed;
  const auto fetched = fetch(chunk, packed);
  if (!fetched) return fetched.error().in(name);
  if (!*fetched) return false;
  const auto decoded = decode(chunk, std::as_bytes(std::span(packed)), voxels);
  if (!decoded) return decoded.error().in(name);
  return true;
}

Result<void> PixelReader::fetch_plain(const Chunk& chunk, std::span<std::byte> voxels) const {
  const FileRange& range = chunk.bytes.front();
  TRY_ASSIGN(const size_t got, image_->files().read_at(range.path, voxels, range.offset_bytes));
  if (got != voxels.size()) return damaged("the file ends before it");
  to_little_endian(*chunk.coding, voxels);
  return {};
}

Result<bool> PixelReader::fetch(const Chunk& chunk, std::string& packed) const {
  // No compressor makes a chunk longer than this.
  const uint64_t decoded_bytes = chunk.stored.voxels() * formats::bytes_of(info().type);
  const bool picture = std::holds_alternative<formats::PictureCoding>(*chunk.coding);
  const uint64_t limit_bytes =
      picture ? formats::Image::kMaxChunkBytes : decoded_bytes + decoded_bytes / 8 + (1u << 16);
  uint64_t size_bytes = 0;
  for (const FileRange& range : chunk.bytes) {
    if (range.size_bytes == FileRange::kToEnd) {
      return image_->files().read_whole(range.path, limit_bytes, packed);
    }
    if (range.size_bytes > limit_bytes - size_bytes) {
      return damaged(fmt::format("it has more than {} bytes", limit_bytes));
    }
    size_bytes += range.size_bytes;
  }
  packed.resize(size_bytes);
  std::span<std::byte> left = std::as_writable_bytes(std::span(packed));
  for (const FileRange& range : chunk.bytes) {
    const std::span<std::byte> part = left.first(range.size_bytes);
    TRY_ASSIGN(const size_t got, image_->files().read_at(range.path, part, range.offset_bytes));
    if (got != part.size()) return damaged("the file ends before it");
    left = left.subspan(part.size());
  }
  return true;
}

// Null: every voxel has the fill value.
void PixelReader::copy(const Chunk& chunk, const std::byte* decoded, const Target& target) const {
  const Region part = intersect(chunk.region, target.region);
  const ConvertRow convert = converter(info().type, target.type);
  const size_t from_bytes = formats::bytes_of(info().type);
  const size_t to_bytes = formats::bytes_of(target.type);
  const Shape to_stride = dense_strides(target.region.shape());
  const Shape& from_stride = chunk.stride;
  const Region& origin = chunk.region;
  const Region& aim = target.region;
  const std::byte* fill = levels_[target.region.level].fill_value.data();
  const bool same = info().type == target.type && from_stride.x == 1 && decoded != nullptr;
  for (uint64_t t = part.t.begin; t < part.t.end; ++t) {
    for (uint64_t c = part.c.begin; c < part.c.end; ++c) {
      for (uint64_t z = part.z.begin; z < part.z.end; ++z) {
        for (uint64_t y = part.y.begin; y < part.y.end; ++y) {
          const uint64_t from =
              (t - origin.t.begin) * from_stride.t + (c - origin.c.begin) * from_stride.c +
              (z - origin.z.begin) * from_stride.z + (y - origin.y.begin) * from_stride.y +
              (part.x.begin - origin.x.begin) * from_stride.x;
          const uint64_t to = (t - aim.t.begin) * to_stride.t + (c - aim.c.begin) * to_stride.c +
                              (z - aim.z.begin) * to_stride.z + (y - aim.y.begin) * to_stride.y +
                              (part.x.begin - aim.x.begin);
          std::byte* const row = target.voxels.data() + to * to_bytes;
          if (same) {
            std::memcpy(row, decoded + from * from_bytes, part.x.size() * from_bytes);
          } else if (decoded != nullptr) {
            convert(decoded + from * from_bytes, from_stride.x, row, part.x.size());
          } else {
            convert(fill, 0, row, part.x.size());
          }
        }
      }
    }
  }
}

}  // namespace tierhub::pixels
