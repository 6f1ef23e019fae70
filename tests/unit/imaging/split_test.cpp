#include "imaging/voxels/split.h"

#include <algorithm>
#include <map>
#include <queue>
#include <random>
#include <tuple>

#include <gtest/gtest.h>

#include "tests/unit/imaging/masks.h"

namespace tierhub::imaging {
namespace {

using test::Mask;

// The definition, step by step, over a whole mask at once.
class PlainSplit {
 public:
  PlainSplit(const Mask& mask, const SplitOptions& options) : mask_(mask), options_(options) {
    const Volume<uint64_t> squares = squared_distance(mask, options.steps, options.shape);
    for (const uint64_t square : squares.voxels) depth_.push_back(floor_sqrt(square));
    pieces_.assign(depth_.size(), 0);
  }

  LabelVolume run() {
    reconstruct(static_cast<int64_t>(std::max(1.0, std::floor(16 * options_.h + 0.5))));
    find_maxima();
    flood();
    return numbered();
  }
  // The reconstruction under the depth of the depth less h.
  void reconstruct(int64_t h) {
    for (const int64_t depth : depth_) reconstruction_.push_back(std::max<int64_t>(depth - h, 0));
    for (bool is_changed = true; is_changed;) {
      is_changed = false;
      for (size_t i = 0; i < depth_.size(); ++i) {
        for (const size_t other : near(i)) {
          const int64_t raised = std::min(depth_[i], reconstruction_[other]);
          if (raised <= reconstruction_[i]) continue;
          reconstruction_[i] = raised;
          is_changed = true;
        }
      }
    }
  }

 private:
  std::vector<size_t> near(size_t i) const {
    std::vector<size_t> inside;
    if (mask_.voxels[i] == 0) return inside;
    for (const size_t other : test::neighbours(mask_.extent, i, options_.connectivity)) {
      if (mask_.voxels[other] != 0) inside.push_back(other);
    }
    return inside;
  }

  // Flat parts with nothing higher next to them.
  void find_maxima() {
    std::vector<bool> is_seen(depth_.size());
    for (size_t start = 0; start < depth_.size(); ++start) {
      if (mask_.voxels[start] == 0 || is_seen[start]) continue;
      std::vector<size_t> flat = {start};
      is_seen[start] = true;
      bool is_maximum = true;
      for (size_t k = 0; k < flat.size(); ++k) {
        for (const size_t other : near(flat[k])) {
          if (reconstruction_[other] > reconstruction_[start]) is_maximum = false;
          if (reconstruction_[other] != reconstruction_[start] || is_seen[other]) continue;
          is_seen[other] = true;
          flat.push_back(other);
        }
      }
      if (!is_maximum) continue;
      ++count_;
      for (const size_t i : flat) pieces_[i] = count_;
    }
  }

  void flood() {
    using Entry = std::tuple<int64_t, uint64_t, size_t>;  // -depth, when it was pushed, voxel
    std::priority_queue<Entry, std::vector<Entry>, std::greater<>> heap;
    uint64_t pushed = 0;
    for (size_t i = 0; i < depth_.size(); ++i) {
      if (pieces_[i] != 0) heap.emplace(-depth_[i], pushed++, i);
    }
    while (!heap.empty()) {
      const size_t i = std::get<2>(heap.top());
      heap.pop();
      for (const size_t other : near(i)) {
        if (pieces_[other] != 0) continue;
        pieces_[other] = pieces_[i];
        heap.emplace(-depth_[other], pushed++, other);
      }
    }
  }

  LabelVolume numbered() const {
    LabelVolume labels(mask_.extent);
    std::map<uint32_t, uint32_t> numbers;
    for (size_t i = 0; i < pieces_.size(); ++i) {
      if (pieces_[i] == 0) continue;
      labels.voxels[i] =
          numbers.try_emplace(pieces_[i], static_cast<uint32_t>(numbers.size() + 1)).first->second;
    }
    return labels;
  }

  const Mask& mask_;
  const SplitOptions& options_;
  std::vector<int64_t> depth_;
  std::vector<int64_t> reconstruction_;
  std::vector<uint32_t> pieces_;
  uint32_t count_ = 0;
};

struct Object {
  Box box;
  Mask mask;
};

// Each connected part alone in its box, with `margin` voxels around it where the volume has them.
std::vector<Object> objects_of(const Mask& mask, Connectivity connectivity, uint64_t margin) {
  GreyVolume grey(mask.extent);
  std::copy(mask.voxels.begin(), mask.voxels.end(), grey.voxels.begin());
  const Labelled labelled = label_components(grey, 0, connectivity).value();
  std::vector<Box> boxes(labelled.count);
  const auto widen = [](formats::AxisRange& range, uint64_t at) {
    range = range.empty()
                ? formats::AxisRange{at, at + 1}
                : formats::AxisRange{std::min(range.begin, at), std::max(range.end, at + 1)};
  };
  for (size_t i = 0; i < mask.voxels.size(); ++i) {
    if (labelled.labels.voxels[i] == 0) continue;
    Box& box = boxes[labelled.labels.voxels[i] - 1];
    const auto [z, y, x] = test::position(mask.extent, i);
    widen(box.z, z);
    widen(box.y, y);
    widen(box.x, x);
  }
  const Box whole{0, 0, 0, {0, mask.extent.z}, {0, mask.extent.y}, {0, mask.extent.x}};
  std::vector<Object> objects;
  for (uint32_t label = 1; label <= labelled.count; ++label) {
    const Box box = formats::grow(boxes[label - 1], {margin, margin, margin}, mask.extent);
    const LabelVolume part = crop(labelled.labels, whole, box);
    Object object{box, Mask(part.extent)};
    for (size_t i = 0; i < part.voxels.size(); ++i)
      object.mask.voxels[i] = part.voxels[i] == label ? 1 : 0;
    objects.push_back(std::move(object));
  }
  return objects;
}

SplitOptions random_options(std::mt19937_64& random, const Extent& shape) {
  SplitOptions options;
  options.h = static_cast<double>(random() % 28) / 16;
  options.connectivity = random() % 2 == 0 ? Connectivity::full : Connectivity::face;
  options.shape = shape;
  if (random() % 3 == 0)
    options.steps = {static_cast<uint32_t>(1 + random() % 60), 16,
                     static_cast<uint32_t>(8 + random() % 16)};
  return options;
}

// Pieces of objects split alone, put together and numbered by their first voxels.
LabelVolume split_alone(const Mask& mask, const SplitOptions& options, uint64_t margin,
                        Splitter& split) {
  LabelVolume together(mask.extent);
  uint32_t count = 0;
  for (const Object& object : objects_of(mask, options.connectivity, margin)) {
    const SplitResult result = split(object.mask, options);
    EXPECT_GE(result.count, 1u);
    for (size_t i = 0; i < result.pieces.voxels.size(); ++i) {
      EXPECT_EQ(result.pieces.voxels[i] != 0, object.mask.voxels[i] != 0);
      if (result.pieces.voxels[i] == 0) continue;
      const auto [z, y, x] = test::position(result.pieces.extent, i);
      together.at(object.box.z.begin + z, object.box.y.begin + y, object.box.x.begin + x) =
          result.pieces.voxels[i] + count;
    }
    count += result.count;
  }
  std::vector<uint32_t> number(count + 1);
  uint32_t numbered = 0;
  for (uint32_t& label : together.voxels) {
    if (label == 0) continue;
    if (number[label] == 0) number[label] = ++numbered;
    label = number[label];
  }
  return together;
}

TEST(Split, OfObjectsAloneEqualsTheDefinitionOverTheWholeMask) {
  Splitter split;
  uint32_t objects = 0;
  uint32_t pieces = 0;
  for (uint64_t seed = 1; seed <= 1200; ++seed) {
    std::mt19937_64 random(seed);
    const Extent size = test::random_extent(random, 9, random() % 8 == 0 ? 60 : 24);
    const Mask mask = test::random_mask(random, size);
    const SplitOptions options = random_options(random, size);
    const LabelVolume whole = PlainSplit(mask, options).run();
    const LabelVolume alone = split_alone(mask, options, seed % 2, split);
    ASSERT_EQ(alone, whole) << "seed " << seed;
    const SplitResult at_once = split(mask, options);
    ASSERT_EQ(at_once.pieces, whole) << "seed " << seed;
    objects += static_cast<uint32_t>(objects_of(mask, options.connectivity, 0).size());
    pieces += at_once.count;
  }
  EXPECT_GT(objects, 3000u);
  EXPECT_GT(pieces, objects + 300);
}

TEST(Split, CutsTwoDiscsAtTheirNeck) {
  Mask mask({1, 21, 38});
  for (int64_t y = 0; y < 21; ++y) {
    for (int64_t x = 0; x < 38; ++x) {
      const int64_t dy = (y - 10) * (y - 10);
      if (dy + (x - 10) * (x - 10) <= 100 || dy + (x - 27) * (x - 27) <= 100) mask.at(0, y, x) = 1;
    }
  }
  SplitOptions options;
  options.shape = mask.extent;
  const SplitResult result = split_object(mask, options);
  ASSERT_EQ(result.count, 2u);
  for (uint64_t y = 0; y < 21; ++y) {
    for (uint64_t x = 0; x < 38; ++x) {
      if (mask.at(0, y, x) == 0 || x == 18 || x == 19) continue;
      EXPECT_EQ(result.pieces.at(0, y, x), x < 18 ? 1u : 2u) << y << " " << x;
    }
  }
  options.h = 20;
  EXPECT_EQ(split_object(mask, options).count, 1u);
}

TEST(Split, LeavesOneVoxelAndOneRowWhole) {
  Mask mask({1, 1, 7});
  std::fill(mask.voxels.begin(), mask.voxels.end(), 1);
  for (const Extent& shape : {Extent{1, 1, 7}, Extent{1, 9, 9}, Extent{9, 9, 9}}) {
    const SplitResult row = split_object(mask, {1, Connectivity::full, {}, shape});
    EXPECT_EQ(row.count, 1u);
    EXPECT_EQ(row.pieces.voxels, std::vector<uint32_t>(7, 1));
    Mask voxel({1, 1, 1});
    voxel.voxels = {1};
    EXPECT_EQ(split_object(voxel, {1, Connectivity::face, {}, shape}).count, 1u);
  }
}

TEST(Split, OfNothingIsNothing) {
  EXPECT_EQ(split_object(Mask({2, 3, 4}), {1, Connectivity::full, {}, {2, 3, 4}}).count, 0u);
}

}  // namespace
}  // namespace tierhub::imaging
