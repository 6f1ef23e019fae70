#include "imaging/voxels/label.h"

#include <algorithm>
#include <limits>
#include <span>
#include <vector>

#include <fmt/format.h>

#include "imaging/voxels/runs.h"
#include "imaging/voxels/union_find.h"

namespace tierhub::imaging {
namespace {

// Some rows that follow each other, and the runs in them. Rows are numbered z * size.y + y.
struct Rows {
  uint64_t begin = 0, end = 0;
  std::vector<Run> runs;
  std::vector<size_t> first_run;  // of each row, and the end
  size_t offset = 0;              // of the number of a run: what earlier Rows hold

  std::span<const Run> runs_of(uint64_t row) const {
    const size_t first = first_run[row - begin];
    return {runs.data() + first, first_run[row - begin + 1] - first};
  }
  // Sets hold runs by number: that of a row's first one.
  uint32_t number_of(uint64_t row) const {
    return static_cast<uint32_t>(offset + first_run[row - begin]);
  }
};

template <class T>
void find_runs(const Volume<T>& volume, T threshold, Rows& rows) {
  const uint64_t width = volume.extent.x;
  for (uint64_t row = rows.begin; row < rows.end; ++row) {
    rows.first_run.push_back(rows.runs.size());
    append_runs(&volume.voxels[row * width], width, threshold, rows.runs);
  }
  rows.first_run.push_back(rows.runs.size());
}

// Unites the runs of two neighbouring rows that touch: in x, they may be `reach` voxels apart.
void unite_touching(const Rows& a, uint64_t row_a, const Rows& b, uint64_t row_b, uint64_t reach,
                    UnionFind& sets) {
  const std::span<const Run> runs_a = a.runs_of(row_a), runs_b = b.runs_of(row_b);
  const uint32_t number_a = a.number_of(row_a), number_b = b.number_of(row_b);
  for (uint32_t i = 0, j = 0; i < runs_a.size() && j < runs_b.size();) {
    if (runs_a[i].begin < runs_b[j].end + reach && runs_b[j].begin < runs_a[i].end + reach)
      sets.unite(number_a + i, number_b + j);
    if (runs_a[i].end < runs_b[j].end) {
      ++i;
    } else {
      ++j;
    }
  }
}

// The rows before `row` that its voxels may touch: in its plane, and in the plane before.
std::vector<uint64_t> earlier_neighbours(uint64_t row, const Extent& size,
                                         Connectivity connectivity) {
  const uint64_t z = row / size.y, y = row % size.y;
  const bool diagonal = connectivity == Connectivity::full;
  std::vector<uint64_t> rows;
  if (y > 0) rows.push_back(row - 1);
  if (z == 0) return rows;
  if (diagonal && y > 0) rows.push_back(row - size.y - 1);
  rows.push_back(row - size.y);
  if (diagonal && y + 1 < size.y) rows.push_back(row - size.y + 1);
  return rows;
}

class Labeller {
 public:
  Labeller(const Extent& size, Connectivity connectivity, Parallel parallel)
      : size_(size),
        connectivity_(connectivity),
        parallel_(parallel),
        parts_(std::min<uint64_t>(size.z * size.y, parallel.threads())) {
    for (size_t i = 0; i < parts_.size(); ++i) {
      parts_[i].begin = size.z * size.y * i / parts_.size();
      parts_[i].end = size.z * size.y * (i + 1) / parts_.size();
    }
  }

  template <class T>
  Result<Labelled> label(const Volume<T>& volume, T threshold) {
    parallel_.for_each(parts_.size(), [&](size_t i) { find_runs(volume, threshold, parts_[i]); });
    size_t count = 0;
    for (Rows& part : parts_) {
      part.offset = count;
      count += part.runs.size();
    }
    if (count > std::numeric_limits<uint32_t>::max() ||
        size_.x > std::numeric_limits<uint32_t>::max()) {
      return Error(std::errc::value_too_large,
                   "there are more than 2^32 objects: raise the threshold or sigma");
    }
    unite_runs(count);
    return number();
  }

 private:
  const Rows& part_of(uint64_t row) const {
    return *std::find_if(parts_.begin(), parts_.end(),
                         [row](const Rows& part) { return row < part.end; });
  }

  void unite(const Rows& part, uint64_t row, const Rows& other, uint64_t neighbour) {
    unite_touching(part, row, other, neighbour, connectivity_ == Connectivity::full ? 1 : 0, sets_);
  }

  // First inside each part: a part's sets are its own. Then what parts have in common.
  void unite_runs(size_t count) {
    sets_ = UnionFind(count);
    parallel_.for_each(parts_.size(), [this](size_t i) {
      const Rows& part = parts_[i];
      for (uint64_t row = part.begin; row < part.end; ++row) {
        if (part.runs_of(row).empty()) continue;
        for (const uint64_t other : earlier_neighbours(row, size_, connectivity_)) {
          if (other >= part.begin) unite(part, row, part, other);
        }
      }
    });
    for (const Rows& part : parts_) {
      const uint64_t seam_end = std::min(part.begin + size_.y + 1, part.end);
      for (uint64_t row = part.begin; row < seam_end; ++row) {
        for (const uint64_t other : earlier_neighbours(row, size_, connectivity_)) {
          if (other < part.begin) unite(part, row, part_of(other), other);
        }
      }
    }
  }

  // The smallest run of a set is that of its first voxel, so counting roots in order numbers by
  // first voxels.
  Labelled number() {
    Labelled result{LabelVolume(size_), 0};
    std::vector<uint32_t> label_of(sets_.size());
    for (uint32_t run = 0; run < sets_.size(); ++run) {
      const uint32_t root = sets_.find(run);
      label_of[run] = root == run ? ++result.count : label_of[root];
    }
    parallel_.for_each(parts_.size(), [&](size_t i) {
      const Rows& part = parts_[i];
      for (uint64_t row = part.begin; row < part.end; ++row) {
        uint32_t number = part.number_of(row);
        uint32_t* const labels = &result.labels.voxels[row * size_.x];
        for (const Run& run : part.runs_of(row))
          std::fill(labels + run.begin, labels + run.end, label_of[number++]);
      }
    });
    return result;
  }

  const Extent size_;
  const Connectivity connectivity_;
  const Parallel parallel_;
  std::vector<Rows> parts_;
  UnionFind sets_;
};

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
                                  Connectivity connectivity, Parallel parallel) {
  const auto highest = std::min<uint64_t>(threshold, std::numeric_limits<uint16_t>::max());
  return Labeller(volume.extent, connectivity, parallel)
      .label(volume, static_cast<uint16_t>(highest));
}

Result<Labelled> label_components(const MaskVolume& mask, Connectivity connectivity,
                                  Parallel parallel) {
  return Labeller(mask.extent, connectivity, parallel).label(mask, uint8_t{0});
}

}  // namespace tierhub::imaging
