#include "imaging/voxels/neighbours.h"

#include <algorithm>
#include <cmath>
#include <span>

namespace tierhub::imaging {
namespace {

using formats::AxisRange;

using Square = uint32_t;
constexpr Square kFarAway = Square{1} << 30;  // farther than all, also when distances are added

Square square_apart(uint64_t a, uint64_t b, uint32_t step) {
  const auto length = static_cast<Square>((a > b ? a - b : b - a) * step);
  return length * length;
}

void keep_nearer(std::span<Square> nearest, const Square* squares, Square farther) {
  for (size_t x = 0; x < nearest.size(); ++x)
    nearest[x] = std::min(nearest[x], squares[x] + farther);
}

// The part of `range` within `reach` of `at`.
AxisRange within(const AxisRange& range, uint64_t at, uint64_t reach) {
  return {std::max(range.begin, at - std::min(at, reach)), std::min(range.end, at + reach + 1)};
}

// The neighbours of one object after the other. The distance to the object is found axis by axis.
class NeighbourSearch {
 public:
  NeighbourSearch(const LabelVolume& labels, const Box& grown, const Halo& halo, double distance,
                  const Steps& steps, const Extent& shape, size_t count)
      : labels_(labels),
        grown_(grown),
        halo_(halo),
        limit_(static_cast<Square>(std::floor(256 * distance * distance))),
        steps_(steps),
        shape_(shape),
        nearest_of_(count, kFarAway) {}

  // `own` is the box of the object's voxels.
  Neighbours find(uint32_t label, const Box& own) {
    around_ = formats::intersect(formats::grow(own, halo_, shape_), grown_);
    find_along_x(label, own);
    find_along_y(own);
    find_along_z(label, own);
    Neighbours found;
    std::sort(near_.begin(), near_.end());
    for (const uint32_t other : near_) {
      found.push_back({other, nearest_of_[other - 1]});
      nearest_of_[other - 1] = kFarAway;
    }
    near_.clear();
    return found;
  }

 private:
  const uint32_t* labels_from(uint64_t z, uint64_t y, uint64_t x) const {
    return &labels_.at(z - grown_.z.begin, y - grown_.y.begin, x - grown_.x.begin);
  }
  size_t width() const { return around_.x.size(); }

  // In each row of the object's box: how far its nearest voxel is along x, squared.
  void find_along_x(uint32_t label, const Box& own) {
    along_x_.assign(own.z.size() * own.y.size() * width(), kFarAway);
    Square* to = along_x_.data();
    for (uint64_t z = own.z.begin; z < own.z.end; ++z) {
      for (uint64_t y = own.y.begin; y < own.y.end; ++y, to += width()) {
        const uint32_t* const row = labels_from(z, y, own.x.begin);
        for (uint64_t i = 0; i < own.x.size(); ++i)
          if (row[i] == label) to[own.x.begin - around_.x.begin + i] = 0;
        spread(to);
      }
    }
  }

  // From the zeros of a row to both sides.
  void spread(Square* row) const {
    const auto visit = [&, apart = halo_.x + 1](uint64_t i) mutable {
      apart = row[i] == 0 ? 0 : apart + 1;
      if (apart <= halo_.x) row[i] = std::min(row[i], square_apart(apart, 0, steps_.x));
    };
    auto forward = visit;
    for (uint64_t i = 0; i < width(); ++i) forward(i);
    auto backward = visit;
    for (uint64_t i = width(); i-- > 0;) backward(i);
  }

  // Of all rows in the planes of the object's box.
  void find_along_y(const Box& own) {
    along_y_.assign(own.z.size() * around_.y.size() * width(), kFarAway);
    for (uint64_t plane = 0; plane < own.z.size(); ++plane) {
      for (uint64_t y = around_.y.begin; y < around_.y.end; ++y) {
        const size_t to = (plane * around_.y.size() + y - around_.y.begin) * width();
        const AxisRange near = within(own.y, y, halo_.y);
        for (uint64_t from = near.begin; from < near.end; ++from) {
          keep_nearer({&along_y_[to], width()},
                      &along_x_[(plane * own.y.size() + from - own.y.begin) * width()],
                      square_apart(y, from, steps_.y));
        }
      }
    }
  }

  void find_along_z(uint32_t label, const Box& own) {
    row_.resize(width());
    for (uint64_t z = around_.z.begin; z < around_.z.end; ++z) {
      const AxisRange near = within(own.z, z, halo_.z);
      for (uint64_t y = around_.y.begin; y < around_.y.end; ++y) {
        const uint32_t* const labels = labels_from(z, y, around_.x.begin);
        const auto is_other = [label](uint32_t other) { return other != 0 && other != label; };
        if (std::none_of(labels, labels + width(), is_other)) continue;
        std::fill(row_.begin(), row_.end(), kFarAway);
        for (uint64_t from = near.begin; from < near.end; ++from) {
          const uint64_t line = (from - own.z.begin) * around_.y.size() + y - around_.y.begin;
          keep_nearer(row_, &along_y_[line * width()], square_apart(z, from, steps_.z));
        }
        for (size_t x = 0; x < width(); ++x)
          if (is_other(labels[x]) && row_[x] <= limit_) note(labels[x], row_[x]);
      }
    }
  }

  void note(uint32_t other, Square square) {
    Square& nearest = nearest_of_[other - 1];
    if (nearest == kFarAway) near_.push_back(other);
    nearest = std::min(nearest, square);
  }

  const LabelVolume& labels_;
  const Box grown_;
  const Halo halo_;
  const Square limit_;
  const Steps steps_;
  const Extent shape_;
  std::vector<Square> nearest_of_;  // by label
  std::vector<uint32_t> near_;      // those that have one
  Box around_;                      // of the object's box and the halo
  std::vector<Square> along_x_, along_y_, row_;
};

Box box_of_places(const ObjectSums& places, const Box& grown) {
  Box box = grown;
  box.z = places.z;
  box.y = places.y;
  box.x = places.x;
  return box;
}

}  // namespace

Result<std::vector<Neighbours>> find_neighbours(const LabelVolume& labels, const Box& grown,
                                                const std::vector<ObjectSums>& places,
                                                double distance, const Steps& steps,
                                                const Extent& shape, Parallel parallel) {
  TRY_ASSIGN(const Halo halo, expand_halo(distance, steps, shape));
  std::vector<Neighbours> found(places.size());
  parallel.for_ranges(places.size(), [&](size_t begin, size_t end) {
    NeighbourSearch search(labels, grown, halo, distance, steps, shape, places.size());
    for (size_t i = begin; i < end; ++i) {
      if (places[i].voxels > 0)
        found[i] = search.find(static_cast<uint32_t>(i + 1), box_of_places(places[i], grown));
    }
  });
  return found;
}

void add_neighbours(Neighbours& to, const Neighbours& more) {
  Neighbours sum;
  auto a = to.begin();
  auto b = more.begin();
  while (a != to.end() || b != more.end()) {
    if (b == more.end() || (a != to.end() && a->label < b->label)) {
      sum.push_back(*a++);
    } else if (a == to.end() || b->label < a->label) {
      sum.push_back(*b++);
    } else {
      sum.push_back({a->label, std::min(a->square, b->square)});
      ++a;
      ++b;
    }
  }
  to = std::move(sum);
}

}  // namespace tierhub::imaging
