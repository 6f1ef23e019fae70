// How bright an image is, for contrast: /api/histogram.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <tuple>

#include "common/result.h"
#include "hub/images/recent.h"
#include "hub/images/store.h"
#include "hub/images/tile.h"

namespace tierhub::hub {

struct PlaneAddress {
  uint64_t t = 0;
  uint64_t c = 0;
  uint64_t z = 0;
};

// In the numbers of the image; those that are not finite are left out. All 0 if there are none.
struct Histogram {
  static constexpr size_t kBins = 256;
  uint64_t level = 0;
  double low = 0;   // the smallest number: where the first bin begins
  double high = 0;  // the largest: where the last bin ends
  double p01 = 0;   // 1 % of the voxels are darker
  double p999 = 0;  // 0.1 % of the voxels are brighter
  std::array<uint64_t, kBins> bins{};
};

// Any thread. Reads what is on the SSD only.
class Histograms {
 public:
  explicit Histograms(TileReader& tiles) : tiles_(tiles) {}

  // Of a plane of `level`, or of the coarsest level whose bytes are on the SSD. If there is none:
  // `cold`, after asking for the coarsest, unless that is more than `most_bytes`.
  struct Answer {
    std::optional<Histogram> histogram;
    std::optional<TileReader::Cold> cold;
  };
  Result<Answer> of(const OpenImage& image, const PlaneAddress& plane,
                    std::optional<uint64_t> level = {},
                    uint64_t most_bytes = TileReader::kAskForAll);

 private:
  // Image, level, t, c, z, and what the files are like.
  using Key = std::tuple<uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t>;

  TileReader& tiles_;
  Recent<Key, Histogram> recent_{1'000};
};

// The whole plane of a level. An error if there is none.
Result<formats::Region> plane_of(const OpenImage& image, uint64_t level, const PlaneAddress& plane);

// The plane of one time point and channel in the middle of the stack.
PlaneAddress middle_plane(const OpenImage& image, uint64_t t = 0, uint64_t c = 0);

}  // namespace tierhub::hub
