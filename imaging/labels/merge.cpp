// 1. Check that the blocks belong together and tile the region.
// 2. Join objects: by touching, in a sweep along z that keeps the surfaces of blocks that later
// ones can touch; by keys; or by numbers.
// 3. Add up each set's sums, remove what the filter does not keep, and number the rest by first
// voxels, unless they keep their numbers.
// 4. Read: labels of the blocks, renumbered.
#include "imaging/labels/merge.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <list>
#include <map>
#include <numeric>

#include <fmt/format.h>

#include "imaging/voxels/union_find.h"

namespace tierhub::imaging {
namespace {

using formats::AxisRange;

Error bad_labels(const std::string& path, std::string_view why) {
  return Error(std::errc::invalid_argument, fmt::format("{} {}", path, why));
}

Result<void> check_fit(const std::vector<LabelBlock>& blocks) {
  const LabelBlock& first = blocks.front();
  for (const LabelBlock& block : blocks) {
    const std::string difference = block.record().difference_from(first.record());
    if (!difference.empty()) {
      return bad_labels(block.path(), fmt::format("does not fit {}: it was made with {}",
                                                  first.path(), difference));
    }
    if (blocks.size() > 1 && block.record().joining == Joining::none)
      return bad_labels(block.path(), "has finished labels, which cannot be merged with others");
  }
  return {};
}

Result<Box> merged_region(const std::vector<LabelBlock>& blocks,
                          const formats::Selection& selection) {
  const LabelRecord& record = blocks.front().record();
  TRY_ASSIGN(const Box region, formats::part_of(whole_of(record.box, record.shape), selection));
  std::vector<Box> boxes;
  for (const LabelBlock& block : blocks) boxes.push_back(block.box());
  if (auto tiled = formats::check_tiling(boxes, region); !tiled) {
    return tiled.error().in(std::filesystem::path(blocks.front().path()).parent_path().string() +
                            " (use --select to name the part, if only part of it was selected)");
  }
  return region;
}

// The labels on the surface of a block: its first and last plane along each axis.
class Surface {
 public:
  static Result<Surface> read(const LabelBlock& block, uint32_t first_object) {
    Surface surface(block.box(), first_object);
    const Extent& shape = block.record().shape;
    const std::array lengths = {shape.z, shape.y, shape.x};
    for (size_t axis = 0; axis < kAxes.size(); ++axis) {
      // Nothing touches a block along an axis of one voxel, where all of it would be surface.
      if (lengths[axis] == 1) continue;
      const AxisRange range = block.box().*kAxes[axis];
      for (size_t side = 0; side < 2; ++side) {
        Box plane = block.box();
        const uint64_t at = side == 0 ? range.begin : range.end - 1;
        plane.*kAxes[axis] = {at, at + 1};
        TRY_ASSIGN(surface.planes_[axis][side], block.read(plane));
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
      if (planes_[axis][0].voxels.empty()) continue;
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
  Surface(const Box& box, uint32_t first_object) : box_(box), first_object_(first_object) {}

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

// Numbers that objects keep need memory, whether they have an object or not.
constexpr uint64_t kMostUnused = 1 << 20;

bool touch(const Box& a, const Box& b) {
  const auto meet = [](const AxisRange& p, const AxisRange& q) {
    return p.begin <= q.end && q.begin <= p.end;
  };
  return meet(a.z, b.z) && meet(a.y, b.y) && meet(a.x, b.x);
}

// The blocks in z, y, x order, and the number of their first objects.
struct Row {
  const std::vector<LabelBlock>& blocks;
  const std::vector<uint32_t>& first_object;
};

Result<void> join_touching(const Row& row, UnionFind& sets) {
  if (row.blocks.size() == 1) return {};
  std::list<Surface> active;
  for (size_t i = 0; i < row.blocks.size(); ++i) {
    const LabelBlock& block = row.blocks[i];
    active.remove_if(
        [&](const Surface& earlier) { return earlier.box().z.end < block.box().z.begin; });
    TRY_ASSIGN(Surface surface, Surface::read(block, row.first_object[i]));
    for (const Surface& earlier : active) {
      if (touch(earlier.box(), surface.box()))
        join(earlier, surface, block.record().connectivity, sets);
    }
    active.push_back(std::move(surface));
  }
  return {};
}

void join_by_keys(const Row& row, UnionFind& sets) {
  std::map<ObjectKey, uint32_t> known;
  for (size_t i = 0; i < row.blocks.size(); ++i) {
    const std::vector<ObjectKey>& keys = row.blocks[i].objects().keys;
    for (size_t k = 0; k < keys.size(); ++k) {
      const auto object = static_cast<uint32_t>(row.first_object[i] + k);
      const auto [found, is_new] = known.try_emplace(keys[k], object);
      if (!is_new) sets.unite(found->second, object);
    }
  }
}

}  // namespace

bool ObjectFilter::keeps(const ObjectSums& object, const Extent& shape) const {
  if (object.voxels < min_voxels || object.voxels > max_voxels) return false;
  const auto at_border = [](const AxisRange& range, uint64_t size) {
    return size > 1 && (range.begin == 0 || range.end == size);
  };
  return !exclude_border || !(at_border(object.z, shape.z) || at_border(object.y, shape.y) ||
                              at_border(object.x, shape.x));
}

Result<MergedLabels> MergedLabels::merge(std::vector<LabelBlock> blocks,
                                         const formats::Selection& selection,
                                         const ObjectFilter& filter) {
  MergedLabels merged;
  TRY(check_fit(blocks));
  merged.record_ = blocks.front().record();
  TRY_ASSIGN(merged.record_.box, merged_region(blocks, selection));
  std::sort(blocks.begin(), blocks.end(), [](const LabelBlock& a, const LabelBlock& b) {
    return std::array{a.box().z.begin, a.box().y.begin, a.box().x.begin} <
           std::array{b.box().z.begin, b.box().y.begin, b.box().x.begin};
  });
  uint64_t count = 0;
  for (const LabelBlock& block : blocks) {
    merged.first_object_.push_back(static_cast<uint32_t>(count));
    count += block.objects().sums.size();
    if (count >= std::numeric_limits<uint32_t>::max())
      return bad_labels(block.path(),
                        "and others hold more than 2^32 objects: raise the threshold");
  }
  merged.label_of_.resize(count);
  if (merged.record_.joining == Joining::numbers) {
    merged.blocks_ = std::move(blocks);
    TRY(merged.keep_numbers(filter));
    return merged;
  }
  UnionFind sets(count);
  const Row row{blocks, merged.first_object_};
  if (merged.record_.joining == Joining::keys) {
    join_by_keys(row, sets);
    merged.record_.joining = Joining::none;
  } else {
    TRY(join_touching(row, sets));
  }
  merged.blocks_ = std::move(blocks);
  merged.number_objects(sets, filter);
  return merged;
}

void MergedLabels::number_objects(UnionFind& sets, const ObjectFilter& filter) {
  std::vector<ObjectSums> sums(sets.size());
  std::vector<uint32_t> roots;
  for (size_t b = 0; b < blocks_.size(); ++b) {
    const std::vector<ObjectSums>& own = blocks_[b].objects().sums;
    for (size_t i = 0; i < own.size(); ++i) {
      const auto object = static_cast<uint32_t>(first_object_[b] + i);
      const uint32_t root = sets.find(object);
      if (root == object) roots.push_back(root);
      sums[root].add(own[i]);
    }
  }
  const bool needs_bright =
      record_.joining == Joining::touching && record_.made_with.contains("high");
  std::erase_if(roots, [&](uint32_t root) {
    return !filter.keeps(sums[root], record_.shape) || (needs_bright && sums[root].bright == 0);
  });
  std::sort(roots.begin(), roots.end(),
            [&](uint32_t a, uint32_t b) { return sums[a].first < sums[b].first; });
  for (const uint32_t root : roots) {
    objects_.push_back(sums[root]);
    label_of_[root] = static_cast<uint32_t>(objects_.size());
  }
  for (uint32_t object = 0; object < sets.size(); ++object)
    label_of_[object] = label_of_[sets.find(object)];
  finish();
}

Result<void> MergedLabels::keep_numbers(const ObjectFilter& filter) {
  uint32_t largest = 0;
  for (size_t b = 0; b < blocks_.size(); ++b) {
    const auto& [sums, keys] = blocks_[b].objects();
    for (size_t i = 0; i < sums.size(); ++i) {
      const uint32_t number = keys.empty() ? static_cast<uint32_t>(i + 1) : keys[i].object;
      label_of_[first_object_[b] + i] = number;
      largest = std::max(largest, number);
    }
  }
  if (largest > kMostUnused + 16 * label_of_.size()) {
    return bad_labels(blocks_.front().path(),
                      fmt::format("and others have labels up to {}, but only {} objects: number "
                                  "them without gaps",
                                  largest, label_of_.size()));
  }
  std::vector<ObjectSums> all(size_t{largest} + 1);  // by number; 0 is none
  for (size_t b = 0; b < blocks_.size(); ++b) {
    const std::vector<ObjectSums>& own = blocks_[b].objects().sums;
    for (size_t i = 0; i < own.size(); ++i) all[label_of_[first_object_[b] + i]].add(own[i]);
  }
  for (ObjectSums& object : all) {
    if (!filter.keeps(object, record_.shape)) object = {};
  }
  while (all.size() > 1 && all.back().voxels == 0) all.pop_back();
  for (uint32_t& label : label_of_) {
    if (label >= all.size() || all[label].voxels == 0) label = 0;
  }
  objects_.assign(all.begin() + 1, all.end());
  finish();
  return {};
}

void MergedLabels::finish() {
  count_ = static_cast<size_t>(std::count_if(objects_.begin(), objects_.end(),
                                             [](const auto& object) { return object.voxels > 0; }));
  is_identity_ = blocks_.size() == 1;
  for (size_t object = 0; is_identity_ && object < label_of_.size(); ++object) {
    const bool is_kept = label_of_[object] == object + 1;
    is_identity_ = is_kept || blocks_.front().objects().sums[object].voxels == 0;
  }
}

void MergedLabels::renumber(const std::vector<uint32_t>& numbers, const std::string& where) {
  const auto largest = std::max_element(numbers.begin(), numbers.end());
  std::vector<ObjectSums> objects(largest == numbers.end() ? 0 : *largest);
  for (size_t i = 0; i < numbers.size(); ++i) {
    if (numbers[i] != 0) objects[numbers[i] - 1] = objects_[i];
  }
  objects_ = std::move(objects);
  for (uint32_t& label : label_of_) label = label == 0 ? 0 : numbers[label - 1];
  record_.joining = Joining::numbers;
  record_.made_with["where"] = where;
  finish();
}

// Copies the labels of a block in `part`, renumbered, to their place in `to`, which holds `to_box`.
Result<void> MergedLabels::copy_labels(size_t block, const Box& part, const Box& to_box,
                                       LabelVolume& to) const {
  TRY_ASSIGN(const LabelVolume labels, blocks_[block].read(part));
  const uint32_t first = first_object_[block];
  size_t i = 0;
  for (uint64_t z = part.z.begin; z < part.z.end; ++z) {
    for (uint64_t y = part.y.begin; y < part.y.end; ++y) {
      uint32_t* row = &to.at(z - to_box.z.begin, y - to_box.y.begin, part.x.begin - to_box.x.begin);
      for (uint64_t x = part.x.begin; x < part.x.end; ++x, ++i, ++row) {
        if (labels.voxels[i] != 0) *row = label_of_[first + labels.voxels[i] - 1];
      }
    }
  }
  return {};
}

Result<LabelVolume> MergedLabels::read(const Box& box) const {
  if (is_identity_) return blocks_.front().read(box);
  LabelVolume volume(box.extent());
  for (size_t b = 0; b < blocks_.size(); ++b) {
    const Box& own = blocks_[b].box();
    if (own.z.begin >= box.z.end) break;
    const Box part = formats::intersect(own, box);
    if (!part.empty()) TRY(copy_labels(b, part, box, volume));
  }
  return volume;
}

const LabelVolume* MergedLabels::in_memory() const {
  return is_identity_ ? blocks_.front().in_memory() : nullptr;
}

std::vector<uint32_t> numbers_of_kept(size_t objects, const std::vector<uint32_t>& kept,
                                      Numbering numbering) {
  std::vector<uint32_t> numbers(objects);
  for (const uint32_t label : kept) numbers[label - 1] = label;
  if (numbering == Numbering::own) return numbers;
  uint32_t next = 0;
  for (uint32_t& number : numbers) {
    if (number != 0) number = ++next;
  }
  return numbers;
}

Result<std::vector<LabelBlock>> open_label_blocks(const std::string& path) {
  namespace fs = std::filesystem;
  std::vector<std::string> folders;
  if (is_label_folder(path)) {
    folders.push_back(path);
  } else {
    std::error_code failure;
    for (const auto& entry : fs::directory_iterator(path, failure)) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with('.') || !entry.is_directory(failure)) continue;
      folders.push_back(entry.path().string());
    }
    if (failure) return Error(failure, fmt::format("list {}: {}", path, failure.message()));
    if (folders.empty()) return bad_labels(path, "holds no labels folders");
    std::sort(folders.begin(), folders.end());
  }
  std::vector<LabelBlock> blocks;
  for (const std::string& folder : folders) {
    TRY_ASSIGN(LabelBlock block, LabelBlock::open(folder));
    blocks.push_back(std::move(block));
  }
  return blocks;
}

}  // namespace tierhub::imaging
