#include "imaging/images/scale.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include "imaging/images/units.h"

namespace tierhub::imaging {

Result<double> parse_length(std::string_view text, std::string_view option,
                            const formats::ImageInfo& info, uint64_t level) {
  double value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  const std::string_view unit(end, static_cast<size_t>(text.data() + text.size() - end));
  if (failure == std::errc() && unit == "um") {
    const auto size = micrometres(info.voxel_unit);
    if (!size || !info.levels[level].voxel_size_known) {
      return Error(std::errc::invalid_argument,
                   fmt::format("{} does not say how large a voxel is: give {} in pixels", info.path,
                               option));
    }
    return value / (info.levels[level].voxel_size.x * *size);
  }
  if (failure == std::errc() && unit.empty()) return value;
  return Error(
      std::errc::invalid_argument,
      fmt::format("{} {}: use pixels, such as 24, or micrometres, such as 8um", option, text));
}

double voxel_height(const formats::VoxelSize& size, const formats::Extent& shape) {
  constexpr double kHighest = 64;
  if (shape.z == 1 || !(size.z > 0) || !(size.x > 0)) return 1;
  return std::clamp(size.z / size.x, 1 / kHighest, kHighest);
}

Steps steps_of(const formats::VoxelSize& size, const formats::Extent& shape) {
  Steps steps;
  steps.z = static_cast<uint32_t>(std::max(1L, std::lround(steps.x * voxel_height(size, shape))));
  return steps;
}

}  // namespace tierhub::imaging
