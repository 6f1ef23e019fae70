// Boxes of voxels: the text of {box} and {halo} in a workflow, cutting a selection into blocks, and
// the proof that blocks tile it. Pure functions, any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace tierhub::formats {

// Half-open: [begin, end), counted in voxels, planes, channels or time points.
struct AxisRange {
  uint64_t begin = 0;
  uint64_t end = 0;
  constexpr uint64_t size() const { return end > begin ? end - begin : 0; }
  constexpr bool empty() const { return end <= begin; }
  constexpr bool contains(uint64_t i) const { return begin <= i && i < end; }
  constexpr bool contains(const AxisRange& other) const {
    return begin <= other.begin && other.end <= end;
  }
  constexpr bool operator==(const AxisRange&) const = default;
};

// A size in voxels per axis.
struct Extent {
  uint64_t z = 1;
  uint64_t y = 1;
  uint64_t x = 1;
  constexpr uint64_t voxels() const { return z * y * x; }
  constexpr bool operator==(const Extent&) const = default;
};

// How many voxels beyond its box a block reads, per axis, on either side.
struct Halo {
  uint64_t z = 0;
  uint64_t y = 0;
  uint64_t x = 0;
  constexpr bool operator==(const Halo&) const = default;
};

// Voxels of one channel at one time point in one resolution level.
struct Box {
  uint64_t level = 0;
  uint64_t t = 0;
  uint64_t c = 0;
  AxisRange z;
  AxisRange y;
  AxisRange x;
  constexpr bool empty() const { return z.empty() || y.empty() || x.empty(); }
  constexpr Extent extent() const { return {z.size(), y.size(), x.size()}; }
  constexpr uint64_t voxels() const { return extent().voxels(); }
  // True if both are of one level, time point and channel.
  constexpr bool same_volume(const Box& other) const {
    return level == other.level && t == other.t && c == other.c;
  }
  constexpr bool contains(const Box& other) const {
    return same_volume(other) && z.contains(other.z) && y.contains(other.y) && x.contains(other.x);
  }
  constexpr bool operator==(const Box&) const = default;
};

// "level=0,t=0,c=0,z=32:64,y=0:128,x=128:256". Keys come in any order, each once; z, y and x are
// required and must not be empty; level, t and c are 0 if they are left out.
Result<Box> parse_box(std::string_view text);
std::string to_text(const Box& box);

// For people, who count both ends: "c 1", "z 0-9", "z 3 and up" while the end is open.
std::string to_words(std::string_view axis, const AxisRange& range);
// "level 0, t 0, c 1, z 0-9, y 0-511, x 0-511"
std::string to_words(const Box& box);

// "z=8,y=16,x=16"; an axis that is left out is 0.
Result<Halo> parse_halo(std::string_view text);
std::string to_text(const Halo& halo);

// Also parses "z=8,y=16,x=16", as an extent: an axis that is left out is 1.
Result<Extent> parse_extent(std::string_view text);
std::string to_text(const Extent& extent);

// The common voxels of two boxes; empty if they have none.
Box intersect(const Box& a, const Box& b);

// `box` with `halo` on all sides, clipped at the border of the volume `shape`.
Box grow(const Box& box, const Halo& halo, const Extent& shape);

// Cuts `region` into boxes of at most `block` voxels per axis, in z, y, x order; those at the end
// of an axis are smaller. An error if a side of `block` is 0, or if more than kMaxBlocks would
// result.
inline constexpr uint64_t kMaxBlocks = 4'000'000;
Result<std::vector<Box>> tile(const Box& region, const Extent& block);

// Succeeds if every voxel of `region` lies in exactly one of `boxes` and no box reaches beyond it;
// the error names the first overlap or a voxel in a gap.
Result<void> check_tiling(const std::vector<Box>& boxes, const Box& region);

}  // namespace tierhub::formats
