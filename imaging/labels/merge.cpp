// 1. Read what each block is; check that the blocks belong together and tile the region.
// 2. Sweep along z, keeping the surfaces of blocks that later ones can touch, and unite objects
// that touch.
// 3. Add up each set's sums, and number the sets by their first voxels.
// 4. Write the labels, chunk by chunk, and the table.
#include "imaging/labels/merge.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <limits>
#include <list>
#include <numeric>
#include <vector>

#include <fmt/format.h>

#include "imaging/labels/label_folder.h"
#include "imaging/voxels/union_find.h"

namespace tierhub::imaging {
namespace {

using formats::AxisRange;

Error bad_labels(const std::string& path, std::string_view why) {
  return Error(std::errc::invalid_argument, fmt::format("{} {}", path, why));
}

// One input, and where its objects stand among those of all inputs.
struct Block {
  LabelFolder folder;
  uint32_t first_object = 0;
  const Box& box() const { return folder.record.box; }
};

Result<std::vector<std::string>> find_folders(const std::string& path) {
  namespace fs = std::filesystem;
  if (is_label_folder(path)) return std::vector{path};
  std::error_code failure;
  std::vector<std::string> folders;
  for (const auto& entry : fs::directory_iterator(path, failure)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with('.') || !entry.is_directory(failure)) continue;
    folders.push_back(entry.path().string());
  }
  if (failure) return Error(failure, fmt::format("list {}: {}", path, failure.message()));
  if (folders.empty()) return bad_labels(path, "holds no labels folders");
  std::sort(folders.begin(), folders.end());
  return folders;
}

Result<std::vector<Block>> open_blocks(const std::string& path) {
  TRY_ASSIGN(const std::vector<std::string> folders, find_folders(path));
  std::vector<Block> blocks;
  for (const std::string& folder : folders) {
    TRY_ASSIGN(LabelFolder labels, LabelFolder::open(folder));
    if (!blocks.empty()) {
      const LabelFolder& first = blocks.front().folder;
      const std::string difference = labels.record.difference_from(first.record);
      if (!difference.empty()) {
        return bad_labels(
            folder, fmt::format("does not fit {}: it was made with {}", first.path, difference));
      }
    }
    blocks.push_back({std::move(labels), 0});
  }
  std::sort(blocks.begin(), blocks.end(), [](const Block& a, const Block& b) {
    return std::array{a.box().z.begin, a.box().y.begin, a.box().x.begin} <
           std::array{b.box().z.begin, b.box().y.begin, b.box().x.begin};
  });
  uint64_t objects = 0;
  for (Block& block : blocks) {
    block.first_object = static_cast<uint32_t>(objects);
    objects += block.folder.objects.size();
    if (objects >= std::numeric_limits<uint32_t>::max()) {
      return bad_labels(path, "holds more than 2^32 objects: raise the threshold or sigma");
    }
  }
  return blocks;
}

Result<Box> check_region(const std::vector<Block>& blocks, const MergeOptions& options) {
  const LabelRecord& record = blocks.front().folder.record;
  Box region = record.box;
  region.z = {0, record.shape.z};
  region.y = {0, record.shape.y};
  region.x = {0, record.shape.x};
  TRY_ASSIGN(region, formats::part_of(region, options.selection));
  std::vector<Box> boxes;
  for (const Block& block : blocks) boxes.push_back(block.box());
  if (auto tiled = formats::check_tiling(boxes, region); !tiled) {
    return tiled.error().in(options.in +
                            " (use --select to name the part, if only part of it was selected)");
  }
  return region;
}

// The labels on the surface of a block: its first and last plane along each axis.
class Surface {
 public:
  static Result<Surface> read(Block& block) {
    Surface surface(block);
    for (size_t axis = 0; axis < kAxes.size(); ++axis) {
      const AxisRange range = block.box().*kAxes[axis];
      for (size_t side = 0; side < 2; ++side) {
        Box plane = block.box();
        const uint64_t at = side == 0 ? range.begin : range.end - 1;
        plane.*kAxes[axis] = {at, at + 1};
        TRY_ASSIGN(surface.planes_[axis][side], block.folder.read(plane));
        if (range.size() == 1) break;
      }
    }
    return surface;
  }

  const Box& box() const { return box_; }
  // The number among all objects of the one at a voxel of the surface, plus 1; 0 if there is none.
  uint64_t object_at(uint64_t z, uint64_t y, uint64_t x) const {
    const std::array at = {z, y, x};
    for (size_t axis = 0; axis < kAxes.size(); ++axis) {
      const AxisRange range = box_.*kAxes[axis];
      const bool is_first = at[axis] == range.begin;
      if (!is_first && at[axis] + 1 != range.end) continue;
      const LabelVolume& plane = planes_[axis][is_first ? 0 : 1];
      const auto local = [&](size_t a) { return a == axis ? 0 : at[a] - (box_.*kAxes[a]).begin; };
      const uint32_t label = plane.at(local(0), local(1), local(2));
      return label == 0 ? 0 : uint64_t{first_object_} + label;
    }
    return 0;
  }

 private:
  static constexpr std::array kAxes = {&Box::z, &Box::y, &Box::x};
  explicit Surface(const Block& block) : box_(block.box()), first_object_(block.first_object) {}

  Box box_;
  uint32_t first_object_;
  std::array<std::array<LabelVolume, 2>, 3> planes_;
};

// Where a neighbour of `at` can lie in `range`: at most one voxel away.
AxisRange near(uint64_t at, const AxisRange& range) {
  return {std::max(range.begin, at - std::min<uint64_t>(at, 1)), std::min(range.end, at + 2)};
}

// Unites the objects of two blocks that touch.
void join(const Surface& a, const Surface& b, Connectivity connectivity, UnionFind& sets) {
  constexpr Halo kOne{1, 1, 1};
  constexpr Extent kAnywhere{~uint64_t{0}, ~uint64_t{0}, ~uint64_t{0}};
  const Box touching = formats::intersect(a.box(), formats::grow(b.box(), kOne, kAnywhere));
  for (uint64_t z = touching.z.begin; z < touching.z.end; ++z) {
    for (uint64_t y = touching.y.begin; y < touching.y.end; ++y) {
      for (uint64_t x = touching.x.begin; x < touching.x.end; ++x) {
        const uint64_t own = a.object_at(z, y, x);
        if (own == 0) continue;
        const AxisRange near_z = near(z, b.box().z);
        const AxisRange near_y = near(y, b.box().y);
        const AxisRange near_x = near(x, b.box().x);
        for (uint64_t other_z = near_z.begin; other_z < near_z.end; ++other_z) {
          for (uint64_t other_y = near_y.begin; other_y < near_y.end; ++other_y) {
            for (uint64_t other_x = near_x.begin; other_x < near_x.end; ++other_x) {
              const int steps =
                  (other_z != z ? 1 : 0) + (other_y != y ? 1 : 0) + (other_x != x ? 1 : 0);
              if (connectivity == Connectivity::face && steps > 1) continue;
              const uint64_t other = b.object_at(other_z, other_y, other_x);
              if (other != 0)
                sets.unite(static_cast<uint32_t>(own - 1), static_cast<uint32_t>(other - 1));
            }
          }
        }
      }
    }
  }
}

bool touch(const Box& a, const Box& b) {
  const auto meet = [](const AxisRange& p, const AxisRange& q) {
    return p.begin <= q.end && q.begin <= p.end;
  };
  return meet(a.z, b.z) && meet(a.y, b.y) && meet(a.x, b.x);
}

Result<UnionFind> join_all(std::vector<Block>& blocks) {
  const Block& last = blocks.back();
  UnionFind sets(last.first_object + last.folder.objects.size());
  if (blocks.size() == 1) return sets;
  std::list<Surface> active;
  for (Block& block : blocks) {
    active.remove_if(
        [&](const Surface& earlier) { return earlier.box().z.end < block.box().z.begin; });
    TRY_ASSIGN(Surface surface, Surface::read(block));
    for (const Surface& earlier : active) {
      if (touch(earlier.box(), surface.box()))
        join(earlier, surface, block.folder.record.connectivity, sets);
    }
    active.push_back(std::move(surface));
  }
  return sets;
}

// The merged objects in the order of their labels, and the label of each object of a block.
struct Merged {
  std::vector<ObjectSums> objects;
  std::vector<uint32_t> label_of;
};

Merged number_objects(std::vector<Block>& blocks, UnionFind& sets) {
  std::vector<ObjectSums> sums(sets.size());
  std::vector<uint32_t> roots;
  for (Block& block : blocks) {
    for (size_t i = 0; i < block.folder.objects.size(); ++i) {
      const auto object = static_cast<uint32_t>(block.first_object + i);
      const uint32_t root = sets.find(object);
      if (root == object) roots.push_back(root);
      sums[root].add(block.folder.objects[i]);
    }
  }
  std::sort(roots.begin(), roots.end(),
            [&](uint32_t a, uint32_t b) { return sums[a].first < sums[b].first; });
  Merged merged;
  merged.label_of.resize(sets.size());
  for (const uint32_t root : roots) {
    merged.objects.push_back(sums[root]);
    merged.label_of[root] = static_cast<uint32_t>(merged.objects.size());
  }
  for (uint32_t object = 0; object < sets.size(); ++object)
    merged.label_of[object] = merged.label_of[sets.find(object)];
  return merged;
}

// Copies the block's labels in `part`, renumbered, to their place in a chunk.
Result<void> copy_labels(Block& block, const Box& part, const std::vector<uint32_t>& label_of,
                         const Box& chunk, LabelVolume& volume) {
  TRY_ASSIGN(const LabelVolume labels, block.folder.read(part));
  size_t i = 0;
  for (uint64_t z = part.z.begin; z < part.z.end; ++z) {
    for (uint64_t y = part.y.begin; y < part.y.end; ++y) {
      uint32_t* to = &volume.at(z - chunk.z.begin, y - chunk.y.begin, part.x.begin - chunk.x.begin);
      for (uint64_t x = part.x.begin; x < part.x.end; ++x, ++i, ++to) {
        if (labels.voxels[i] != 0) *to = label_of[block.first_object + labels.voxels[i] - 1];
      }
    }
  }
  return {};
}

Result<LabelWriter> write_labels(const std::string& path, std::vector<Block>& blocks,
                                 const Box& region, const Merged& merged) {
  LabelRecord record = blocks.front().folder.record;
  record.box = region;
  TRY_ASSIGN(LabelWriter writer, create_label_folder(path, record, merged.objects));
  TRY_ASSIGN(const std::vector<Box> chunks, writer.chunks());
  for (const Box& local : chunks) {
    Box chunk = region;
    chunk.z = {region.z.begin + local.z.begin, region.z.begin + local.z.end};
    chunk.y = {region.y.begin + local.y.begin, region.y.begin + local.y.end};
    chunk.x = {region.x.begin + local.x.begin, region.x.begin + local.x.end};
    LabelVolume volume(chunk.extent());
    for (Block& block : blocks) {
      if (block.box().z.begin >= chunk.z.end) break;
      const Box part = formats::intersect(block.box(), chunk);
      if (!part.empty()) TRY(copy_labels(block, part, merged.label_of, chunk, volume));
    }
    TRY(writer.write_chunk(local, volume));
  }
  return writer;
}

}  // namespace

Result<MergeResult> merge_labels(const MergeOptions& options) {
  TRY_ASSIGN(std::vector<Block> blocks, open_blocks(options.in));
  TRY_ASSIGN(const Box region, check_region(blocks, options));
  TRY_ASSIGN(UnionFind sets, join_all(blocks));
  const Merged merged = number_objects(blocks, sets);
  std::optional<LabelWriter> writer;
  if (!options.out.empty()) {
    TRY_ASSIGN(LabelWriter written, write_labels(options.out, blocks, region, merged));
    writer.emplace(std::move(written));
  }
  if (!options.table.empty()) TRY(write_output_file(options.table, table_to_csv(merged.objects)));
  if (writer) TRY(writer->commit());
  LabelRecord record = blocks.front().folder.record;
  record.box = region;
  return MergeResult{merged.objects.size(), blocks.size(), record};
}

}  // namespace tierhub::imaging
