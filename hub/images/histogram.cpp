#include "hub/images/histogram.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include <fmt/format.h>

namespace tierhub::hub {
namespace {

using formats::Region;

// Of one plane.
constexpr uint64_t kMostBytes = uint64_t{64} << 20;

// As tiles, planes are read only if that decodes little.
bool is_small(const OpenImage& image, const Region& region) {
  return source_of(image, region.level) != LevelSource::too_large &&
         region.shape().voxels() * formats::bytes_of(image.info.type) <= kMostBytes &&
         decoded_bytes(image, region) <= kMostBehindBytes;
}

// The number that a share of all, sorted, is below; changes their order.
template <class T>
double number_at(std::vector<T>& numbers, double share) {
  const auto index =
      static_cast<size_t>(std::llround(share * static_cast<double>(numbers.size() - 1)));
  const auto at = numbers.begin() + static_cast<ptrdiff_t>(index);
  std::nth_element(numbers.begin(), at, numbers.end());
  return static_cast<double>(*at);
}

template <class T>
Histogram count(std::span<const T> voxels) {
  Histogram histogram;
  std::vector<T> numbers(voxels.begin(), voxels.end());
  if constexpr (std::is_floating_point_v<T>)
    std::erase_if(numbers, [](T number) { return !std::isfinite(number); });
  if (numbers.empty()) return histogram;
  const auto [low, high] = std::minmax_element(numbers.begin(), numbers.end());
  histogram.low = static_cast<double>(*low);
  histogram.high = static_cast<double>(*high);
  constexpr double kBins = Histogram::kBins;
  const double width = histogram.high - histogram.low;
  for (const T number : numbers) {
    const double at = width > 0 ? (static_cast<double>(number) - histogram.low) / width * kBins : 0;
    ++histogram.bins[std::min(Histogram::kBins - 1, static_cast<size_t>(at))];
  }
  constexpr double kDark = 0.01, kBright = 0.999;
  histogram.p01 = number_at(numbers, kDark);
  histogram.p999 = number_at(numbers, kBright);
  return histogram;
}

Result<Histogram> read_histogram(const OpenImage& image, const Region& region) {
  const formats::PixelType type = image.info.type;
  std::vector<std::byte> voxels(region.shape().voxels() * formats::bytes_of(type));
  TRY(read_region(image, region, voxels));
  Histogram histogram;
  formats::with_type(type, [&](auto sample) {
    using T = decltype(sample);
    histogram =
        count(std::span(reinterpret_cast<const T*>(voxels.data()), region.shape().voxels()));
  });
  histogram.level = region.level;
  return histogram;
}

}  // namespace

Result<Region> plane_of(const OpenImage& image, uint64_t level, const PlaneAddress& plane) {
  if (level >= image.levels().size()) {
    return Error(std::errc::invalid_argument, fmt::format("{} has no level {}", image.path, level));
  }
  const formats::Shape& shape = image.levels()[level].shape;
  // Levels may have fewer slices than level 0.
  const uint64_t z = std::min(plane.z, shape.z - 1);
  const Region region{level,      {plane.t, plane.t + 1}, {plane.c, plane.c + 1},
                      {z, z + 1}, {0, shape.y},           {0, shape.x}};
  TRY(check_readable(image, region));
  if (plane.z >= image.levels().front().shape.z)
    return Error(std::errc::invalid_argument, fmt::format("{} has no z {}", image.path, plane.z));
  return region;
}

PlaneAddress middle_plane(const OpenImage& image, uint64_t t, uint64_t c) {
  return {t, c, image.levels().front().shape.z / 2};
}

Result<Histograms::Answer> Histograms::of(const OpenImage& image, const PlaneAddress& plane,
                                          std::optional<uint64_t> level, uint64_t most_bytes) {
  const uint64_t coarsest = image.levels().size() - 1;
  const uint64_t first = level.value_or(coarsest);
  const uint64_t last = level.value_or(0);
  Answer answer;
  bool any_small = false;
  for (uint64_t at = first + 1; at-- > last;) {
    TRY_ASSIGN(const Region region, plane_of(image, at, plane));
    if (!is_small(image, region)) continue;
    any_small = true;
    TRY_ASSIGN(const pixels::Content content, content_of(image, {&region, 1}));
    const Key key{image.number, at, plane.t, plane.c, plane.z, content.hash};
    if (content.is_settled) answer.histogram = recent_.find(key);
    if (answer.histogram) break;
    // Of finer levels nothing is asked for.
    TRY_ASSIGN(auto cold, tiles_.bring(image, {&region, 1}, answer.cold ? 0 : most_bytes));
    if (cold) {
      if (!answer.cold) answer.cold = std::move(cold);
      continue;
    }
    TRY_ASSIGN(answer.histogram, read_histogram(image, region));
    if (content.is_settled) recent_.put(key, *answer.histogram);
    break;
  }
  if (!any_small) {
    return Error(
        std::errc::file_too_large,
        level ? fmt::format("level {} of {} is too large for a histogram: ask for a coarser one",
                            *level, image.path)
              : fmt::format("{} has no level that is small enough for a histogram: give it "
                            "levels, for example with \"imgop pyramid\"",
                            image.path));
  }
  if (answer.histogram) answer.cold.reset();
  return answer;
}

}  // namespace tierhub::hub
