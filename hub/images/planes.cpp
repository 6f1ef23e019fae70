#include "hub/images/planes.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <vector>

#include <fmt/format.h>

#include "common/interval_set.h"

namespace tierhub::hub {
namespace {

using formats::AxisRange;
using formats::Region;
using formats::Shape;

// Of one question to tierd.
constexpr size_t kMostParts = 50'000;

uint64_t rounded_up(uint64_t a, uint64_t b) { return (a + b - 1) / b; }

// How a level relates to the last stored one.
struct Behind {
  uint64_t level = 0;   // the last stored one
  uint64_t factor = 1;  // voxels of it along y and x for one
};

Behind behind_of(const OpenImage& image, uint64_t level) {
  const uint64_t last = image.info.levels.size() - 1;
  if (level <= last) return {level, 1};
  return {last, uint64_t{1} << (level - last)};
}

// Decoded bytes of the chunks with `rows` x `columns` voxels of one plane.
uint64_t decoded_bytes(const OpenImage& image, const formats::Level& level, uint64_t rows,
                       uint64_t columns) {
  const Shape& shape = level.shape;
  const auto along = [&](formats::Axis axis) {
    return std::clamp<uint64_t>(level.chunk.along(axis), 1, shape.along(axis));
  };
  const uint64_t depth =
      along(formats::Axis::t) * along(formats::Axis::c) * along(formats::Axis::z);
  const uint64_t high =
      std::min(shape.y, rounded_up(rows, along(formats::Axis::y)) * along(formats::Axis::y));
  const uint64_t wide =
      std::min(shape.x, rounded_up(columns, along(formats::Axis::x)) * along(formats::Axis::x));
  return depth * high * wide * formats::bytes_of(image.info.type);
}

// Of the voxels of a sampled region, one row of the last stored level each.
Region row_behind(const OpenImage& image, const Region& region, uint64_t y) {
  const Behind behind = behind_of(image, region.level);
  const Shape& shape = image.info.levels[behind.level].shape;
  Region row = region;
  row.level = behind.level;
  row.y = {y * behind.factor, y * behind.factor + 1};
  row.x = {region.x.begin * behind.factor,
           std::min((region.x.end - 1) * behind.factor + 1, shape.x)};
  return row;
}

Error too_large(const OpenImage& image, uint64_t level) {
  return Error(
      std::errc::file_too_large,
      fmt::format("{} has no small levels, and computing its level {} would decode too much "
                  "at once: give it levels, for example with \"imgop pyramid\"",
                  image.path, level));
}

class PartsOfImage {
 public:
  explicit PartsOfImage(const OpenImage& image) : image_(image) {}

  Result<void> add(const Region& region) {
    return image_.reader->for_each_unread_chunk(
        region, [&](const formats::Chunk& chunk) -> Result<void> {
          for (const formats::FileRange& range : chunk.bytes) TRY(add(range));
          return {};
        });
  }

  Result<void> add_stored(const Region& region) {
    return image_.reader->image().for_each_chunk(
        region, [&](const formats::Chunk& chunk) -> Result<void> {
          for (const formats::FileRange& range : chunk.bytes) TRY(add(range));
          return {};
        });
  }

  FileParts take() const {
    FileParts parts;
    for (const auto& [path, ranges] : files_) {
      api::FileRanges file{path_in(image_.folder, path), {}};
      if (!ranges.contains(0, UINT64_MAX)) {
        for (const auto& range : ranges.intervals())
          file.ranges.push_back({range.begin, range.end});
      }
      parts.push_back(std::move(file));
    }
    return parts;
  }

 private:
  Result<void> add(const formats::FileRange& range) {
    const uint64_t end = range.size_bytes > UINT64_MAX - range.offset_bytes
                             ? UINT64_MAX
                             : range.offset_bytes + range.size_bytes;
    IntervalSet& ranges = files_[range.path];
    const size_t before = ranges.parts();
    ranges.add(range.offset_bytes, end);
    count_ += ranges.parts() - before;
    if (count_ <= kMostParts) return {};
    return Error(
        std::errc::argument_list_too_long,
        fmt::format("a tile of {} lies in more than {} parts of files", image_.path, kMostParts));
  }

  const OpenImage& image_;
  std::map<std::string, IntervalSet> files_;
  size_t count_ = 0;
};

Result<void> read_sampled(const OpenImage& image, const Region& region,
                          std::span<std::byte> voxels) {
  const uint64_t bytes = formats::bytes_of(image.info.type);
  const uint64_t step = behind_of(image, region.level).factor * bytes;
  std::vector<std::byte> row;
  std::byte* to = voxels.data();
  for (uint64_t t = region.t.begin; t < region.t.end; ++t) {
    for (uint64_t c = region.c.begin; c < region.c.end; ++c) {
      for (uint64_t z = region.z.begin; z < region.z.end; ++z) {
        Region plane = region;
        plane.t = {t, t + 1};
        plane.c = {c, c + 1};
        plane.z = {z, z + 1};
        for (uint64_t y = region.y.begin; y < region.y.end; ++y) {
          const Region behind = row_behind(image, plane, y);
          row.resize(behind.x.size() * bytes);
          TRY(image.reader->read(behind, image.info.type, row));
          for (uint64_t x = 0; x < region.x.size(); ++x, to += bytes)
            std::memcpy(to, row.data() + x * step, bytes);
        }
      }
    }
  }
  return {};
}

}  // namespace

uint64_t decoded_bytes(const OpenImage& image, const Region& region) {
  if (source_of(image, region.level) == LevelSource::built)
    return region.shape().voxels() * formats::bytes_of(image.info.type);
  const Behind behind = behind_of(image, region.level);
  const formats::Level& from = image.info.levels[behind.level];
  const uint64_t planes = region.t.size() * region.c.size() * region.z.size();
  const uint64_t columns = std::min(region.x.size() * behind.factor, from.shape.x);
  uint64_t rows = std::min(region.y.size() * behind.factor, from.shape.y);
  if (source_of(image, region.level) == LevelSource::sampled)
    rows = std::min(rows, region.y.size() * std::clamp<uint64_t>(from.chunk.y, 1, from.shape.y));
  return planes * decoded_bytes(image, from, rows, columns);
}

LevelSource source_of(const OpenImage& image, uint64_t level) {
  const Behind behind = behind_of(image, level);
  if (behind.factor == 1) return LevelSource::stored;
  if (image.pyramid && image.pyramid->has(level)) return LevelSource::built;
  const formats::Level& from = image.info.levels[behind.level];
  const uint64_t side = kTile * behind.factor;
  const uint64_t rows = std::min(side, from.shape.y);
  const uint64_t columns = std::min(side, from.shape.x);
  if (decoded_bytes(image, from, rows, columns) <= kMostBehindBytes) return LevelSource::computed;
  // Each row lies in chunks of its own, unless they are higher than the step between rows.
  const uint64_t high = std::clamp<uint64_t>(from.chunk.y, 1, from.shape.y);
  const uint64_t sampled_rows = std::min(kTile, rounded_up(rows, behind.factor));
  const uint64_t touched = std::min(rows, sampled_rows * high);
  if (decoded_bytes(image, from, touched, columns) <= kMostBehindBytes) return LevelSource::sampled;
  return LevelSource::too_large;
}

Result<void> check_readable(const OpenImage& image, const Region& region) {
  if (!image.reader) {
    return Error(std::errc::not_supported, fmt::format("{} cannot be shown: {}", image.path,
                                                       image.info.not_decodable.value_or("")));
  }
  return formats::check_region(image.path, image.levels(), region);
}

Result<FileParts> needed_parts(const OpenImage& image, std::span<const Region> regions) {
  PartsOfImage parts(image);
  for (const Region& region : regions) {
    TRY(check_readable(image, region));
    switch (source_of(image, region.level)) {
      case LevelSource::stored:
      case LevelSource::computed:
        TRY(parts.add(region));
        break;
      case LevelSource::sampled:
        for (uint64_t y = region.y.begin; y < region.y.end; ++y)
          TRY(parts.add(row_behind(image, region, y)));
        break;
      case LevelSource::built:
        break;
      case LevelSource::too_large:
        return too_large(image, region.level);
    }
  }
  return parts.take();
}

Result<FileParts> stored_parts(const OpenImage& image, const Region& region) {
  TRY(check_readable(image, region));
  PartsOfImage parts(image);
  TRY(parts.add_stored(region));
  return parts.take();
}

Result<pixels::Content> content_of(const OpenImage& image, std::span<const Region> regions) {
  if (!image.has_chunk_files) return pixels::Content{0, image.is_settled};
  std::vector<Region> stored;
  for (const Region& region : regions) {
    TRY(check_readable(image, region));
    if (source_of(image, region.level) != LevelSource::sampled) {
      stored.push_back(region);
      continue;
    }
    for (uint64_t y = region.y.begin; y < region.y.end; ++y)
      stored.push_back(row_behind(image, region, y));
  }
  TRY_ASSIGN(pixels::Content content, image.reader->content_of(stored));
  content.is_settled = content.is_settled && image.is_settled;
  return content;
}

std::string tag_of(const OpenImage& image, const pixels::Content& content) {
  return image.has_chunk_files ? fmt::format("{}-{:016x}", image.version, content.hash)
                               : image.version;
}

Result<void> read_region(const OpenImage& image, const Region& region,
                         std::span<std::byte> voxels) {
  TRY(check_readable(image, region));
  switch (source_of(image, region.level)) {
    case LevelSource::stored:
    case LevelSource::computed:
      return image.reader->read(region, image.info.type, voxels);
    case LevelSource::sampled:
      return read_sampled(image, region, voxels);
    case LevelSource::built:
      return image.pyramid->read(region, voxels);
    case LevelSource::too_large:
      break;
  }
  return too_large(image, region.level);
}

Region region_of(const OpenImage& image, const TileAddress& tile) {
  const Shape& shape = image.levels()[tile.level].shape;
  const auto part = [](uint64_t index, uint64_t size) {
    if (index >= rounded_up(size, kTile)) return AxisRange{};
    return AxisRange{index * kTile, std::min((index + 1) * kTile, size)};
  };
  const auto one = [](uint64_t index, uint64_t size) {
    return index < size ? AxisRange{index, index + 1} : AxisRange{};
  };
  return {tile.level,           one(tile.t, shape.t),  one(tile.c, shape.c),
          one(tile.z, shape.z), part(tile.y, shape.y), part(tile.x, shape.x)};
}

}  // namespace tierhub::hub
