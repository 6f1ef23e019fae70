#include "imaging/labels/relation.h"

#include <unordered_map>

#include <fmt/format.h>

namespace tierhub::imaging {
namespace {

// How many voxels a child (the upper half) and a parent have in common.
using Overlaps = std::unordered_map<uint64_t, uint64_t>;

void count_overlaps(const LabelVolume& children, const LabelVolume& parents, Overlaps& overlaps) {
  uint64_t pair = 0, length = 0;
  const auto add = [&] {
    if (length > 0) overlaps[pair] += length;
    length = 0;
  };
  for (size_t i = 0; i < children.voxels.size(); ++i) {
    if (children.voxels[i] == 0 || parents.voxels[i] == 0) continue;
    const uint64_t now = uint64_t{children.voxels[i]} << 32 | parents.voxels[i];
    if (now != pair) add();
    pair = now;
    ++length;
  }
  add();
}

Box in_place_of(const Box& part, const MergedLabels& labels) {
  const Box& own = labels.record().box;
  return {own.level, own.t, own.c, part.z, part.y, part.x};
}

Result<void> check_same_voxels(const LabelRecord& children, const LabelRecord& parents) {
  if (children.shape != parents.shape) {
    return Error(std::errc::invalid_argument,
                 fmt::format("the children are of an image of {}, the parents of one of {}: they "
                             "must be of the same size",
                             formats::to_text(children.shape), formats::to_text(parents.shape)));
  }
  const Box &a = children.box, &b = parents.box;
  if (a.z == b.z && a.y == b.y && a.x == b.x) return {};
  return Error(std::errc::invalid_argument,
               fmt::format("the children cover {}, the parents {}: both must cover the same voxels",
                           formats::to_words(a), formats::to_words(b)));
}

}  // namespace

Result<std::vector<Parent>> find_parents(const MergedLabels& children, const MergedLabels& parents,
                                         const std::vector<Box>& parts) {
  TRY(check_same_voxels(children.record(), parents.record()));
  Overlaps overlaps;
  for (const Box& part : parts) {
    TRY_ASSIGN(const LabelVolume child, children.read(in_place_of(part, children)));
    TRY_ASSIGN(const LabelVolume parent, parents.read(in_place_of(part, parents)));
    count_overlaps(child, parent, overlaps);
  }
  std::vector<Parent> found(children.objects().size());
  for (const auto& [pair, voxels] : overlaps) {
    const Parent candidate{static_cast<uint32_t>(pair), voxels};
    Parent& best = found[(pair >> 32) - 1];
    if (candidate.overlap > best.overlap ||
        (candidate.overlap == best.overlap && candidate.label < best.label))
      best = candidate;
  }
  return found;
}

std::vector<Children> children_of(const MergedLabels& children, const std::vector<Parent>& parents,
                                  size_t count) {
  std::vector<Children> all(count);
  for (size_t i = 0; i < parents.size(); ++i) {
    if (parents[i].label == 0) continue;
    Children& of_parent = all[parents[i].label - 1];
    ++of_parent.count;
    of_parent.voxels += children.objects()[i].voxels;
  }
  return all;
}

}  // namespace tierhub::imaging
