#include "imaging/labels/pieces.h"

#include <algorithm>
#include <functional>
#include <numeric>

#include <fmt/format.h>

#include "common/first_error.h"
#include "imaging/voxels/fill.h"
#include "imaging/voxels/split.h"

namespace tierhub::imaging {
namespace {

Box box_of(const ObjectSums& object, const Box& whole) {
  Box box = whole;
  box.z = object.z;
  box.y = object.y;
  box.x = object.x;
  return box;
}

bool is_too_long(const ObjectSums& object, const PieceOptions& options) {
  return std::max({object.z.size(), object.y.size(), object.x.size()}) > options.max_extent;
}

// As many as keep the threads busy; their boxes are in memory.
size_t objects_at_once(const PieceOptions& options) { return options.parallel.threads() * 64; }

// That a thread needs for each voxel of an object: a Splitter, and what it is given.
constexpr uint64_t kBytesToSplit = 50;

// Of one object, those in the block.
struct Pieces {
  uint32_t object = 0;
  Box box;
  LabelVolume labels;  // of `box`
  uint32_t count = 0;  // of the whole object
};

Result<Pieces> pieces_of(const MergedLabels& labels, uint32_t object, const Box& block,
                         const PieceOptions& options, Splitter& split) {
  const ObjectSums& sums = labels.objects()[object - 1];
  const Box whole = box_of(sums, block);
  Pieces pieces{object, formats::intersect(whole, block), {}, 1};
  const bool is_left = is_too_long(sums, options);
  TRY_ASSIGN(LabelVolume volume, labels.read(is_left ? pieces.box : whole));
  if (is_left || (options.h == 0 && !options.fill_holes)) {
    for (uint32_t& label : volume.voxels) label = label == object ? 1 : 0;
    pieces.labels = is_left ? std::move(volume) : crop(volume, whole, pieces.box);
    return pieces;
  }
  const Extent& shape = labels.record().shape;
  Volume<uint8_t> mask(volume.extent);
  std::transform(volume.voxels.begin(), volume.voxels.end(), mask.voxels.begin(),
                 [object](uint32_t label) { return label == object; });
  if (options.fill_holes) fill_holes(mask, shape);
  if (options.h == 0) {
    std::copy(mask.voxels.begin(), mask.voxels.end(), volume.voxels.begin());
    pieces.labels = crop(volume, whole, pieces.box);
    return pieces;
  }
  SplitResult found = split(mask, {options.h, labels.record().connectivity, options.steps, shape});
  pieces.labels = crop(found.pieces, whole, pieces.box);
  pieces.count = found.count;
  return pieces;
}

// The labels of a block while pieces are put into it, object by object.
class Block {
 public:
  explicit Block(const Box& box) : box_(box), labels_(box.extent()), keys_(1) {}

  // Objects come in the order of their labels: the one around a hole comes first, because it has the
  // earlier first voxel.
  void add(const Pieces& pieces) {
    const auto base = static_cast<uint32_t>(keys_.size() - 1);
    size_t i = 0;
    for (uint64_t z = pieces.box.z.begin; z < pieces.box.z.end; ++z) {
      for (uint64_t y = pieces.box.y.begin; y < pieces.box.y.end; ++y) {
        uint32_t* to =
            &labels_.at(z - box_.z.begin, y - box_.y.begin, pieces.box.x.begin - box_.x.begin);
        for (uint64_t x = pieces.box.x.begin; x < pieces.box.x.end; ++x, ++i, ++to) {
          if (pieces.labels.voxels[i] != 0 && *to == 0) *to = base + pieces.labels.voxels[i];
        }
      }
    }
    for (uint32_t piece = 1; piece <= pieces.count; ++piece)
      keys_.push_back({pieces.object, piece});
  }

  // Leaves out pieces without a voxel here, and measures the others.
  LabelBlock finish(LabelRecord record, const GreyVolume& original, Parallel parallel) && {
    std::vector<uint32_t> number(keys_.size());
    BlockObjects objects;
    for (uint32_t& label : labels_.voxels) {
      if (label == 0) continue;
      if (number[label] == 0) {
        objects.keys.push_back(keys_[label]);
        number[label] = static_cast<uint32_t>(objects.keys.size());
      }
      label = number[label];
    }
    objects.sums = measure(labels_, original, box_, objects.keys.size(), parallel);
    return LabelBlock::of(std::move(record), std::move(labels_), std::move(objects));
  }

 private:
  Box box_;
  LabelVolume labels_;
  std::vector<ObjectKey> keys_;  // by label; 0 is background
};

LabelRecord record_of_pieces(const MergedLabels& labels, const Box& box,
                             const PieceOptions& options) {
  LabelRecord record = labels.record();
  record.box = box;
  record.joining = Joining::keys;
  record.made_with["fill_holes"] = options.fill_holes;
  record.made_with["h"] = options.h;
  record.made_with["max_extent"] = options.max_extent;
  record.made_with["z_step"] = options.steps.z;
  return record;
}

}  // namespace

Result<LabelBlock> find_pieces(const MergedLabels& labels, const GreyVolume& original,
                               const Box& box, const PieceOptions& options) {
  std::vector<uint32_t> objects;
  for (size_t i = 0; i < labels.objects().size(); ++i) {
    if (!formats::intersect(box_of(labels.objects()[i], box), box).empty())
      objects.push_back(static_cast<uint32_t>(i + 1));
  }
  Block block(box);
  const size_t at_once = objects_at_once(options);
  std::vector<Pieces> found(at_once);
  for (size_t begin = 0; begin < objects.size(); begin += at_once) {
    const size_t count = std::min(at_once, objects.size() - begin);
    FirstError failure;
    options.parallel.for_ranges(count, [&](size_t from, size_t to) {
      Splitter split;
      for (size_t i = from; i < to && !failure.is_set(); ++i) {
        auto pieces = pieces_of(labels, objects[begin + i], box, options, split);
        if (pieces) {
          found[i] = *std::move(pieces);
        } else {
          failure.note(pieces.error());
        }
      }
    });
    TRY(failure.result());
    for (size_t i = 0; i < count; ++i) block.add(found[i]);
  }
  return std::move(block).finish(record_of_pieces(labels, box, options), original,
                                 options.parallel);
}

void find_pieces(MemoryUse& memory, const Box& box, const PieceOptions& options,
                 const std::vector<ObjectSums>& objects) {
  std::vector<uint64_t> voxels;
  for (const ObjectSums& object : objects) {
    const Box whole = box_of(object, box);
    if (!is_too_long(object, options) && !formats::intersect(whole, box).empty())
      voxels.push_back(whole.voxels());
  }
  std::sort(voxels.begin(), voxels.end(), std::greater());
  const auto of_largest = [&](size_t count) {
    return std::accumulate(voxels.begin(), voxels.begin() + std::min(count, voxels.size()),
                           uint64_t{0});
  };
  const uint64_t found = of_largest(objects_at_once(options)) * sizeof(uint32_t);
  const uint64_t split = of_largest(memory.threads()) * kBytesToSplit;
  memory.allocate(label_bytes(box));
  memory.allocate(found);
  memory.allocate(split);
  memory.free(split);
  memory.free(found);
}

std::vector<uint32_t> too_long(const MergedLabels& labels, const Box& box,
                               const PieceOptions& options) {
  std::vector<uint32_t> found;
  for (size_t i = 0; i < labels.objects().size(); ++i) {
    const ObjectSums& object = labels.objects()[i];
    const auto& first = object.first;
    if (is_too_long(object, options) && box.z.contains(first[0]) && box.y.contains(first[1]) &&
        box.x.contains(first[2]))
      found.push_back(static_cast<uint32_t>(i + 1));
  }
  return found;
}

}  // namespace tierhub::imaging
