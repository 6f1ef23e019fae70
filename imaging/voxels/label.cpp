#include "imaging/voxels/label.h"

#include <limits>
#include <vector>

#include <fmt/format.h>

#include "imaging/voxels/union_find.h"

namespace tierhub::imaging {
namespace {

struct Offset {
  int z, y, x;
};

// The neighbours that come before a voxel in z, y, x order.
std::vector<Offset> earlier_neighbours(Connectivity connectivity) {
  if (connectivity == Connectivity::face) return {{-1, 0, 0}, {0, -1, 0}, {0, 0, -1}};
  std::vector<Offset> offsets;
  for (int z = -1; z <= 0; ++z) {
    for (int y = -1; y <= 1; ++y) {
      for (int x = -1; x <= 1; ++x) {
        if (z < 0 || y < 0 || (y == 0 && x < 0)) offsets.push_back({z, y, x});
      }
    }
  }
  return offsets;
}

bool is_inside(uint64_t at, int step, uint64_t size) {
  return !(step < 0 && at == 0) && !(step > 0 && at + 1 == size);
}

}  // namespace

std::string_view to_text(Connectivity connectivity) {
  switch (connectivity) {
    case Connectivity::full:
      return "full";
    case Connectivity::face:
      return "face";
  }
  return "";
}

Result<Connectivity> parse_connectivity(std::string_view text) {
  if (text == "full") return Connectivity::full;
  if (text == "face") return Connectivity::face;
  return Error(std::errc::invalid_argument,
               fmt::format("connectivity \"{}\": use full or face", text));
}

Result<Labelled> label_components(const GreyVolume& volume, uint64_t threshold,
                                  Connectivity connectivity) {
  const Extent& size = volume.extent;
  const std::vector<Offset> neighbours = earlier_neighbours(connectivity);
  Labelled result{LabelVolume(size), 0};
  std::vector<uint32_t>& labels = result.labels.voxels;
  UnionFind sets(1);  // 0 stays alone: background
  size_t i = 0;
  for (uint64_t z = 0; z < size.z; ++z) {
    for (uint64_t y = 0; y < size.y; ++y) {
      for (uint64_t x = 0; x < size.x; ++x, ++i) {
        if (volume.voxels[i] <= threshold) continue;
        for (const Offset& step : neighbours) {
          if (!is_inside(z, step.z, size.z) || !is_inside(y, step.y, size.y) ||
              !is_inside(x, step.x, size.x))
            continue;
          const uint32_t other = labels[result.labels.index(z + step.z, y + step.y, x + step.x)];
          if (other == 0) continue;
          if (labels[i] == 0) {
            labels[i] = other;
          } else if (labels[i] != other) {
            sets.unite(labels[i], other);
          }
        }
        if (labels[i] != 0) continue;
        if (sets.size() == std::numeric_limits<uint32_t>::max()) {
          return Error(std::errc::value_too_large,
                       "there are more than 2^32 objects: raise the threshold or sigma");
        }
        labels[i] = sets.add();
      }
    }
  }
  // The smallest label of a set is that of its first voxel, so counting roots in order numbers by
  // first voxels.
  std::vector<uint32_t> final_labels(sets.size());
  for (uint32_t label = 1; label < sets.size(); ++label) {
    const uint32_t root = sets.find(label);
    final_labels[label] = root == label ? ++result.count : final_labels[root];
  }
  for (uint32_t& label : labels) label = final_labels[label];
  return result;
}

}  // namespace tierhub::imaging
