// Merges the labels of blocks into labels of the whole volume, exactly as if it had been labelled
// at once.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "common/result.h"
#include "formats/selection.h"
#include "imaging/labels/label_block.h"
#include "imaging/voxels/union_find.h"

namespace tierhub::imaging {

// Which objects are kept. It is applied to whole objects, after they were joined.
struct ObjectFilter {
  uint64_t min_voxels = 1;
  uint64_t max_voxels = std::numeric_limits<uint64_t>::max();
  // Objects that touch the border of the volume along an axis longer than one voxel are removed.
  bool exclude_border = false;

  bool keeps(const ObjectSums& object, const Extent& shape) const;
};

// The labels of all blocks, joined and numbered. Any thread.
class MergedLabels {
 public:
  MergedLabels() = default;  // of nothing, to be assigned to
  // Joins objects of blocks, keeps those that pass, numbers them by their first voxel in z, y, x
  // order, and adds their sums. Objects that are joined by numbers keep them. The result depends on
  // the voxels alone: not on the blocks, their order or their names. An error unless the blocks
  // belong together and tile what is selected of their volume. Memory grows with the number of
  // objects and with the surface of two layers of blocks, not with the volume.
  static Result<MergedLabels> merge(std::vector<LabelBlock> blocks,
                                    const formats::Selection& selection,
                                    const ObjectFilter& filter);

  const LabelRecord& record() const { return record_; }  // of all of them
  // By label. An object without voxels is none: there is no object of this number.
  const std::vector<ObjectSums>& objects() const { return objects_; }
  size_t count() const { return count_; }  // of objects with voxels
  size_t block_count() const { return blocks_.size(); }

  // Label l becomes numbers[l - 1], and its object goes if that is 0; no two may become the same
  // one. `where` says why, for the record.
  void renumber(const std::vector<uint32_t>& numbers, const std::string& where);

  // The labels of a box inside record().box.
  Result<LabelVolume> read(const Box& box) const;
  // All of them, if they are in memory and numbered already; else null.
  const LabelVolume* in_memory() const;

 private:
  void number_objects(UnionFind& sets, const ObjectFilter& filter);
  Result<void> keep_numbers(const ObjectFilter& filter);
  void finish();
  Result<void> copy_labels(size_t block, const Box& part, const Box& to_box, LabelVolume& to) const;

  std::vector<LabelBlock> blocks_;
  // Where the objects of a block stand among those of all blocks.
  std::vector<uint32_t> first_object_;
  // The label of each object of a block; 0: it was removed.
  std::vector<uint32_t> label_of_;
  bool is_identity_ = false;  // one block, whose labels are the merged ones
  LabelRecord record_;
  std::vector<ObjectSums> objects_;
  size_t count_ = 0;
};

// For MergedLabels::renumber(): of `objects` objects, those whose labels are in `kept` keep their
// numbers, or get new ones without gaps in the same order.
enum class Numbering { own, dense };
std::vector<uint32_t> numbers_of_kept(size_t objects, const std::vector<uint32_t>& kept,
                                      Numbering numbering);

// A labels folder, or all of a folder, opened.
Result<std::vector<LabelBlock>> open_label_blocks(const std::string& path);

}  // namespace tierhub::imaging
