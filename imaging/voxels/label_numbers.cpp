#include "imaging/voxels/label_numbers.h"

#include <algorithm>

#include "common/guarded.h"

namespace tierhub::imaging {
namespace {

void sort_once(std::vector<uint32_t>& labels) {
  std::sort(labels.begin(), labels.end());
  labels.erase(std::unique(labels.begin(), labels.end()), labels.end());
}

// The labels of a range of voxels, once each.
std::vector<uint32_t> labels_in(const uint32_t* begin, const uint32_t* end) {
  constexpr size_t kManyRuns = 1 << 16;
  std::vector<uint32_t> found;
  size_t sort_at = kManyRuns;
  uint32_t last = 0;
  for (const uint32_t* at = begin; at != end; ++at) {
    if (*at == last) continue;
    last = *at;
    if (last == 0) continue;
    found.push_back(last);
    if (found.size() < sort_at) continue;
    sort_once(found);
    sort_at = kManyRuns + 2 * found.size();
  }
  sort_once(found);
  return found;
}

// The place of a label in `numbers`, from 1.
class Lookup {
 public:
  // A table if it is not larger than the labels themselves.
  Lookup(const std::vector<uint32_t>& numbers, size_t voxels) : numbers_(numbers) {
    if (numbers.back() >= voxels) return;
    table_.resize(size_t{numbers.back()} + 1);
    for (size_t i = 0; i < numbers.size(); ++i) table_[numbers[i]] = static_cast<uint32_t>(i + 1);
  }
  uint32_t operator[](uint32_t label) const {
    if (label == 0) return 0;
    if (!table_.empty()) return table_[label];
    const auto found = std::lower_bound(numbers_.begin(), numbers_.end(), label);
    return static_cast<uint32_t>(found - numbers_.begin()) + 1;
  }

 private:
  const std::vector<uint32_t>& numbers_;
  std::vector<uint32_t> table_;
};

}  // namespace

std::vector<uint32_t> number_densely(LabelVolume& labels, Parallel parallel) {
  std::vector<uint32_t>& voxels = labels.voxels;
  Guarded<std::vector<uint32_t>> all;
  parallel.for_ranges(voxels.size(), [&](size_t begin, size_t end) {
    const std::vector<uint32_t> found = labels_in(voxels.data() + begin, voxels.data() + end);
    all.with([&](std::vector<uint32_t>& known) {
      known.insert(known.end(), found.begin(), found.end());
    });
  });
  std::vector<uint32_t> numbers =
      all.with([](std::vector<uint32_t>& known) { return std::move(known); });
  sort_once(numbers);
  if (numbers.empty() || numbers.back() == numbers.size()) return numbers;
  const Lookup lookup(numbers, voxels.size());
  parallel.for_ranges(voxels.size(), [&](size_t begin, size_t end) {
    uint32_t last = 0;
    uint32_t number = 0;
    for (size_t i = begin; i < end; ++i) {
      if (voxels[i] != last) {
        last = voxels[i];
        number = lookup[last];
      }
      voxels[i] = number;
    }
  });
  return numbers;
}

}  // namespace tierhub::imaging
