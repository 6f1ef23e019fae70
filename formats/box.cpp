#include "formats/box.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include <fmt/format.h>

namespace tierhub::formats {
namespace {

// Larger coordinates are mistakes, and sums of two of these cannot overflow.
constexpr uint64_t kMaxCoordinate = uint64_t{1} << 48;

Error bad(std::string_view what, std::string_view text, std::string_view hint) {
  return Error(std::errc::invalid_argument, fmt::format("{} \"{}\": {}", what, text, hint));
}

std::optional<uint64_t> to_number(std::string_view text) {
  uint64_t value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc() || end != text.data() + text.size() || value > kMaxCoordinate)
    return std::nullopt;
  return value;
}

std::optional<AxisRange> to_range(std::string_view text) {
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto begin = to_number(text.substr(0, colon));
  const auto end = to_number(text.substr(colon + 1));
  if (!begin || !end || *begin >= *end) return std::nullopt;
  return AxisRange{*begin, *end};
}

struct KeyAndValue {
  std::string_view key;
  std::string_view value;
};

// Splits "a=1,b=2"; nothing if an item has no "=" or a key is there twice.
std::optional<std::vector<KeyAndValue>> split(std::string_view text) {
  std::vector<KeyAndValue> items;
  while (true) {
    const size_t comma = text.find(',');
    const std::string_view item = text.substr(0, comma);
    const size_t equals = item.find('=');
    if (equals == std::string_view::npos) return std::nullopt;
    const std::string_view key = item.substr(0, equals);
    for (const KeyAndValue& earlier : items) {
      if (earlier.key == key) return std::nullopt;
    }
    items.push_back({key, item.substr(equals + 1)});
    if (comma == std::string_view::npos) return items;
    text.remove_prefix(comma + 1);
  }
}

Result<std::array<uint64_t, 3>> parse_zyx(std::string_view what, std::string_view text,
                                          uint64_t absent) {
  constexpr std::string_view kHint = "write it as z=8,y=16,x=16";
  std::array<uint64_t, 3> values = {absent, absent, absent};
  const auto items = split(text);
  if (!items) return bad(what, text, kHint);
  for (const auto& [key, value] : *items) {
    const size_t axis = std::string_view("zyx").find(key);
    const auto number = to_number(value);
    if (key.size() != 1 || axis == std::string_view::npos || !number) return bad(what, text, kHint);
    values[axis] = *number;
  }
  return values;
}

AxisRange grow_range(AxisRange range, uint64_t by, uint64_t size) {
  return {range.begin - std::min(range.begin, by), std::min(range.end + by, size)};
}

uint64_t blocks_along(const AxisRange& range, uint64_t size) {
  return (range.size() + size - 1) / size;
}

// The first voxel of `region` that no box covers. Cuts the region by one box after the other, so it
// is slow: it is only for the text of an error.
std::optional<Box> find_gap(const std::vector<Box>& boxes, const Box& region) {
  std::vector<Box> open = {region};
  for (const Box& box : boxes) {
    std::vector<Box> rest;
    for (Box part : open) {
      const Box common = intersect(part, box);
      if (common.empty()) {
        rest.push_back(part);
        continue;
      }
      const auto keep = [&rest](Box piece, AxisRange Box::*axis, uint64_t begin, uint64_t end) {
        piece.*axis = {begin, end};
        if (!piece.empty()) rest.push_back(piece);
      };
      for (const auto axis : {&Box::z, &Box::y, &Box::x}) {
        keep(part, axis, (part.*axis).begin, (common.*axis).begin);
        keep(part, axis, (common.*axis).end, (part.*axis).end);
        part.*axis = common.*axis;
      }
    }
    open = std::move(rest);
  }
  if (open.empty()) return std::nullopt;
  return *std::min_element(open.begin(), open.end(), [](const Box& a, const Box& b) {
    return std::array{a.z.begin, a.y.begin, a.x.begin} <
           std::array{b.z.begin, b.y.begin, b.x.begin};
  });
}

}  // namespace

Result<Box> parse_box(std::string_view text) {
  constexpr std::string_view kHint = "write it as level=0,t=0,c=0,z=32:64,y=0:128,x=128:256";
  const auto items = split(text);
  if (!items) return bad("box", text, kHint);
  Box box;
  for (const auto& [key, value] : *items) {
    if (key == "level" || key == "t" || key == "c") {
      const auto number = to_number(value);
      if (!number) return bad("box", text, kHint);
      (key == "level" ? box.level : key == "t" ? box.t : box.c) = *number;
    } else if (key == "z" || key == "y" || key == "x") {
      const auto range = to_range(value);
      if (!range)
        return bad("box", text, fmt::format("{} must be a range such as 0:128, not empty", key));
      (key == "z" ? box.z : key == "y" ? box.y : box.x) = *range;
    } else {
      return bad("box", text, kHint);
    }
  }
  if (box.empty())
    return bad("box", text, "z, y and x are all needed, such as z=32:64,y=0:128,x=128:256");
  return box;
}

std::string to_text(const Box& box) {
  return fmt::format("level={},t={},c={},z={}:{},y={}:{},x={}:{}", box.level, box.t, box.c,
                     box.z.begin, box.z.end, box.y.begin, box.y.end, box.x.begin, box.x.end);
}

std::string to_words(std::string_view axis, const AxisRange& range) {
  if (range.end >= kMaxCoordinate || range.empty()) {
    return fmt::format("{} {} and up", axis, range.begin);
  }
  if (range.size() == 1) return fmt::format("{} {}", axis, range.begin);
  return fmt::format("{} {}-{}", axis, range.begin, range.end - 1);
}

std::string to_words(const Box& box) {
  return fmt::format("level {}, t {}, c {}, {}, {}, {}", box.level, box.t, box.c,
                     to_words("z", box.z), to_words("y", box.y), to_words("x", box.x));
}

Result<Halo> parse_halo(std::string_view text) {
  TRY_ASSIGN(const auto values, parse_zyx("halo", text, 0));
  return Halo{values[0], values[1], values[2]};
}

std::string to_text(const Halo& halo) {
  return fmt::format("z={},y={},x={}", halo.z, halo.y, halo.x);
}

Result<Extent> parse_extent(std::string_view text) {
  TRY_ASSIGN(const auto values, parse_zyx("size", text, 1));
  return Extent{values[0], values[1], values[2]};
}

std::string to_text(const Extent& extent) {
  return fmt::format("z={},y={},x={}", extent.z, extent.y, extent.x);
}

Box intersect(const Box& a, const Box& b) {
  Box common = a;
  if (!a.same_volume(b)) {
    common.z = common.y = common.x = {};
    return common;
  }
  for (const auto axis : {&Box::z, &Box::y, &Box::x}) {
    common.*
        axis = {std::max((a.*axis).begin, (b.*axis).begin), std::min((a.*axis).end, (b.*axis).end)};
  }
  return common;
}

Box grow(const Box& box, const Halo& halo, const Extent& shape) {
  Box grown = box;
  grown.z = grow_range(box.z, halo.z, shape.z);
  grown.y = grow_range(box.y, halo.y, shape.y);
  grown.x = grow_range(box.x, halo.x, shape.x);
  return grown;
}

Result<std::vector<Box>> tile(const Box& region, const Extent& block) {
  if (block.z == 0 || block.y == 0 || block.x == 0) {
    return Error(std::errc::invalid_argument, "a block must be at least 1 voxel long on each axis");
  }
  const uint64_t nz = blocks_along(region.z, block.z);
  const uint64_t ny = blocks_along(region.y, block.y);
  const uint64_t nx = blocks_along(region.x, block.x);
  if (nz > kMaxBlocks || ny > kMaxBlocks || nx > kMaxBlocks || nz * ny > kMaxBlocks ||
      nz * ny * nx > kMaxBlocks) {
    return Error(std::errc::invalid_argument,
                 fmt::format("blocks of {} would be more than {}: choose larger blocks",
                             to_text(block), kMaxBlocks));
  }
  std::vector<Box> boxes;
  boxes.reserve(nz * ny * nx);
  const auto cut = [](const AxisRange& range, uint64_t begin, uint64_t size) {
    return AxisRange{begin, begin + std::min(size, range.end - begin)};
  };
  Box box = region;
  for (uint64_t z = region.z.begin; z < region.z.end; z = box.z.end) {
    box.z = cut(region.z, z, block.z);
    for (uint64_t y = region.y.begin; y < region.y.end; y = box.y.end) {
      box.y = cut(region.y, y, block.y);
      for (uint64_t x = region.x.begin; x < region.x.end; x = box.x.end) {
        box.x = cut(region.x, x, block.x);
        boxes.push_back(box);
      }
    }
  }
  return boxes;
}

Result<void> check_tiling(const std::vector<Box>& boxes, const Box& region) {
  std::vector<const Box*> sorted;
  uint64_t covered = 0;
  for (const Box& box : boxes) {
    if (box.empty() || !region.contains(box)) {
      return Error(std::errc::invalid_argument,
                   fmt::format("the block {} is not inside {}", to_words(box), to_words(region)));
    }
    sorted.push_back(&box);
    covered += box.voxels();
  }
  std::sort(sorted.begin(), sorted.end(),
            [](const Box* a, const Box* b) { return a->z.begin < b->z.begin; });
  // Sweeps along z; only blocks whose planes are not behind yet can overlap the next one.
  std::vector<const Box*> active;
  for (const Box* box : sorted) {
    std::erase_if(active, [box](const Box* earlier) { return earlier->z.end <= box->z.begin; });
    for (const Box* earlier : active) {
      if (!intersect(*earlier, *box).empty()) {
        return Error(std::errc::invalid_argument, fmt::format("the blocks {} and {} overlap",
                                                              to_words(*earlier), to_words(*box)));
      }
    }
    active.push_back(box);
  }
  if (covered == region.voxels()) return {};
  const auto gap = find_gap(boxes, region);
  if (!gap)
    return Error(std::errc::invalid_argument,
                 fmt::format("the blocks do not tile {}", to_words(region)));
  return Error(std::errc::invalid_argument,
               fmt::format("no block covers the voxel z {}, y {}, x {}: the blocks must tile {}",
                           gap->z.begin, gap->y.begin, gap->x.begin, to_words(region)));
}

}  // namespace tierhub::formats
