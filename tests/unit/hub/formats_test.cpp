// Each format and type that is read, by the page's tiles and as an OME-Zarr.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/unit/hub/hub_fixture.h"

namespace tierhub::hub {
namespace {

using formats::Region;
using formats::Shape;

const std::vector<test::Sample>& all_formats() {
  static const std::vector<test::Sample> all = test::all_samples();
  return all;
}

class ImagesOf : public ::testing::TestWithParam<size_t> {
 protected:
  ImagesOf() {
    folder_.write("image", sample_.files);
    routes_ = ImageRoutes::open({folder_.path()}).value();
  }
  const test::Sample& sample_ = all_formats()[GetParam()];
  const std::string path_ = sample_.file.empty() ? "/image" : "/image/" + sample_.file;
  HubFolder folder_;
  std::unique_ptr<ImageRoutes> routes_;
};

// A plane behind 512 x 512 with zeros.
std::string padded(const std::string& plane, const Shape& shape, uint64_t item_bytes) {
  std::string chunk(512 * 512 * item_bytes, '\0');
  for (uint64_t y = 0; y < shape.y; ++y)
    chunk.replace(y * 512 * item_bytes, shape.x * item_bytes, plane, y * shape.x * item_bytes,
                  shape.x * item_bytes);
  return chunk;
}

TEST_P(ImagesOf, HaveTheVoxelsOfTheSource) {
  const auto dataset = get(*routes_, "/api/dataset?path=" + path_);
  ASSERT_EQ(dataset.status, 200) << body_of(dataset);
  const std::string version = json_of(dataset)["version"];
  const Shape& shape = sample_.shape;
  ASSERT_LE(std::max(shape.y, shape.x), 512u) << "samples are one tile";
  const formats::Json v2 = json_of(get(*routes_, fmt::format("/zarr/v2{}/0/.zarray", path_)));
  const formats::Json v3 = json_of(get(*routes_, fmt::format("/zarr/v3{}/0/zarr.json", path_)));
  const formats::Json sizes = {shape.t, shape.c, shape.z, shape.y, shape.x};
  EXPECT_EQ(v2["shape"], sizes);
  EXPECT_EQ(v3["shape"], sizes);
  EXPECT_EQ(v3["data_type"], std::string(to_text(sample_.type)));
  EXPECT_EQ(v2["dtype"].get<std::string>().substr(2),
            std::to_string(formats::bytes_of(sample_.type)));
  const uint64_t item_bytes = formats::bytes_of(sample_.type);
  for (uint64_t t = 0; t < shape.t; ++t) {
    for (uint64_t z = 0; z < shape.z; ++z) {
      std::string channels, all;
      for (uint64_t c = 0; c < shape.c; ++c) {
        channels += (c > 0 ? "," : "") + std::to_string(c);
        const Region region{0, {t, t + 1}, {c, c + 1}, {z, z + 1}, {0, shape.y}, {0, shape.x}};
        const std::string plane = expected_voxels(sample_, region);
        all += plane;
        // Two slices have all that is special about chunks, which are larger than the images.
        if (z > 1) continue;
        const std::string chunk = padded(plane, shape, item_bytes);
        const std::string at = fmt::format("{}/{}/{}/0/0", t, c, z);
        const auto second = get(*routes_, fmt::format("/zarr/v2{}/0/{}", path_, at));
        ASSERT_EQ(second.status, 200) << body_of(second);
        ASSERT_TRUE(body_of(second) == chunk) << at;
        if (z > 0) continue;
        const auto third = get(*routes_, fmt::format("/zarr/v3{}/0/c/{}", path_, at));
        ASSERT_TRUE(body_of(third) == chunk) << at;
      }
      const auto tile =
          get(*routes_, fmt::format("/img/{}{}/0/{}/{}/{}/0/0", version, path_, t, channels, z));
      ASSERT_EQ(tile.status, 200) << body_of(tile);
      ASSERT_TRUE(body_of(tile) == all) << "t " << t << " z " << z;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Format, ImagesOf, ::testing::Range(size_t{0}, all_formats().size()),
                         [](const auto& one) { return all_formats()[one.param].name; });

}  // namespace
}  // namespace tierhub::hub
