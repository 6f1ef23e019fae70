#include "tests/unit/pixels/samples.h"

namespace tierhub::test {

std::vector<Sample> all_samples() {
  std::vector<Sample> all = zarr_samples();
  for (const auto& more : {tiff_samples(), hdf5_samples(), other_samples(), series_samples()})
    all.insert(all.end(), more.begin(), more.end());
  return all;
}

std::string expected_voxels(const Sample& sample, const formats::Region& region) {
  std::string bytes;
  formats::with_type(sample.type, [&](auto number) {
    using T = decltype(number);
    for (uint64_t t = region.t.begin; t < region.t.end; ++t)
      for (uint64_t c = region.c.begin; c < region.c.end; ++c)
        for (uint64_t z = region.z.begin; z < region.z.end; ++z)
          for (uint64_t y = region.y.begin; y < region.y.end; ++y)
            for (uint64_t x = region.x.begin; x < region.x.end; ++x) {
              const T value = sample.expected ? static_cast<T>(sample.expected(t, c, z, y, x))
                                              : voxel_at<T>(t, c, z, y, x);
              bytes += bytes_of_number(value, false);
            }
  });
  return bytes;
}

}  // namespace tierhub::test
