#include "imaging/voxels/smooth.h"

#include <algorithm>

#include "imaging/voxels/row_smoother.h"

namespace tierhub::imaging {
namespace {

Result<Kernel> kernel_of(const Sigma& sigma, const Extent& shape) {
  Kernel kernel;
  TRY_ASSIGN(kernel.z, gaussian_taps(sigma.z));
  TRY_ASSIGN(kernel.y, gaussian_taps(sigma.y));
  TRY_ASSIGN(kernel.x, gaussian_taps(sigma.x));
  if (shape.z == 1) kernel.z = {1};
  if (shape.y == 1) kernel.y = {1};
  if (shape.x == 1) kernel.x = {1};
  return kernel;
}

// Runs body(range) for ranges of strips; each strip is some rows of a plane of `extent`, as high as
// it takes to waste little on what two of them need both. Neighbouring planes follow each other, so
// that they find each other's voxels in the cache.
struct Strip {
  uint64_t z, begin, end;
};
template <class Body>
void for_strips(const Extent& extent, uint64_t height, Parallel parallel, const Body& body) {
  const uint64_t strips = (extent.y + height - 1) / height;
  parallel.for_ranges(strips * extent.z, [&](size_t first, size_t last) {
    std::vector<Strip> range;
    for (size_t i = first; i < last; ++i) {
      const uint64_t begin = i / extent.z * height;
      range.push_back({i % extent.z, begin, std::min(begin + height, extent.y)});
    }
    body(range);
  });
}

uint64_t strip_height(const Kernel& kernel) {
  constexpr uint64_t kLeast = 64;
  return std::max<uint64_t>(kLeast, 4 * kernel.y.size());
}

void round_row(const float* from, size_t size, uint16_t* to) {
  for (size_t x = 0; x < size; ++x)
    to[x] = static_cast<uint16_t>(static_cast<int32_t>(from[x] + 0.5f));
}

void keep_row(const float* from, size_t size, float* to) { std::copy(from, from + size, to); }

template <class T, class StoreRow>
Result<Volume<T>> smooth_to(const GreyVolume& volume, const Box& grown, const Box& owned,
                            const Sigma& sigma, const Extent& shape, Parallel parallel,
                            const StoreRow& store) {
  TRY_ASSIGN(const Kernel kernel, kernel_of(sigma, shape));
  Volume<T> result(owned.extent());
  const auto smooth_strips = [&](const std::vector<Strip>& strips) {
    RowSmoother smoother(volume, grown, owned, kernel);
    for (const Strip& strip : strips) {
      smoother.start_strip(strip.z, strip.begin, strip.end);
      for (uint64_t y = strip.begin; y < strip.end; ++y)
        store(smoother.row(y), result.extent.x, &result.at(strip.z, y, 0));
    }
  };
  for_strips(result.extent, strip_height(kernel), parallel, smooth_strips);
  return result;
}

}  // namespace

Result<Halo> minimum_halo(const Sigma& sigma, const Extent& shape) {
  TRY_ASSIGN(const Kernel kernel, kernel_of(sigma, shape));
  return Halo{kernel.z.size() - 1, kernel.y.size() - 1, kernel.x.size() - 1};
}

Result<Halo> minimum_halo(const Sigma& narrow, const Sigma& wide, const Extent& shape) {
  TRY_ASSIGN(const Halo a, minimum_halo(narrow, shape));
  TRY_ASSIGN(const Halo b, minimum_halo(wide, shape));
  return Halo{std::max(a.z, b.z), std::max(a.y, b.y), std::max(a.x, b.x)};
}

Result<GreyVolume> smooth(const GreyVolume& volume, const Box& grown, const Box& owned,
                          const Sigma& sigma, const Extent& shape, Parallel parallel) {
  return smooth_to<uint16_t>(volume, grown, owned, sigma, shape, parallel, round_row);
}

Result<Volume<float>> smooth_unrounded(const GreyVolume& volume, const Box& grown, const Box& owned,
                                       const Sigma& sigma, const Extent& shape, Parallel parallel) {
  return smooth_to<float>(volume, grown, owned, sigma, shape, parallel, keep_row);
}

Result<GreyVolume> difference_of_gaussians(const GreyVolume& volume, const Box& grown,
                                           const Box& owned, const Sigma& narrow, const Sigma& wide,
                                           const Extent& shape, Parallel parallel) {
  TRY_ASSIGN(const Kernel narrow_kernel, kernel_of(narrow, shape));
  TRY_ASSIGN(const Kernel wide_kernel, kernel_of(wide, shape));
  GreyVolume result(owned.extent());
  const auto subtract_strips = [&](const std::vector<Strip>& strips) {
    RowSmoother narrow_rows(volume, grown, owned, narrow_kernel);
    RowSmoother wide_rows(volume, grown, owned, wide_kernel);
    for (const Strip& strip : strips) {
      narrow_rows.start_strip(strip.z, strip.begin, strip.end);
      wide_rows.start_strip(strip.z, strip.begin, strip.end);
      for (uint64_t y = strip.begin; y < strip.end; ++y) {
        const float* a = narrow_rows.row(y);
        const float* b = wide_rows.row(y);
        uint16_t* to = &result.at(strip.z, y, 0);
        for (uint64_t x = 0; x < result.extent.x; ++x)
          to[x] = static_cast<uint16_t>(static_cast<int32_t>(std::max(0.0f, a[x] - b[x]) + 0.5f));
      }
    }
  };
  for_strips(result.extent, std::max(strip_height(narrow_kernel), strip_height(wide_kernel)),
             parallel, subtract_strips);
  return result;
}

}  // namespace tierhub::imaging
