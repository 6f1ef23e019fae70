// Tiles that the hub draws, for a page without WebGL.
#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/unit/hub/hub_fixture.h"

namespace tierhub::hub {
namespace {

using formats::Shape;

struct Picture {
  uint64_t width = 0;
  uint64_t height = 0;
  std::string red, green, blue;
};

// An image of one plane of a type, whose first voxels are `numbers`, and whose others are 0.
template <class T>
test::Files small_image(const std::string& dtype, const std::vector<T>& numbers, const Shape& shape,
                        const std::string& more = "") {
  test::Files files;
  files[".zgroup"] = R"({"zarr_format":2})";
  files[".zattrs"] =
      R"({"multiscales":[{"version":"0.4","axes":[{"name":"t"},{"name":"c"},{"name":"z"},{"name":"y"},
      {"name":"x"}],"datasets":[{"path":"0"}]}])" +
      more + "}";
  const std::string sizes =
      fmt::format("[{},{},{},{},{}]", shape.t, shape.c, shape.z, shape.y, shape.x);
  files["0/.zarray"] = fmt::format(
      R"({{"zarr_format":2,"shape":{},"chunks":{},"dtype":"{}","compressor":null,"fill_value":0,)"
      R"("order":"C","filters":null,"dimension_separator":"/"}})",
      sizes, sizes, dtype);
  std::string bytes;
  for (const T number : numbers) bytes += test::bytes_of_number(number, false);
  bytes.resize(shape.voxels() * sizeof(T));
  files["0/0/0/0/0/0"] = bytes;
  return files;
}

class PictureTiles : public ::testing::Test {
 protected:
  PictureTiles() {
    routes_ = ImageRoutes::open({folder_.path(), make_tiers(tierd_.calls())}).value();
  }

  http::Response tile(const std::string& path, const std::string& numbers,
                      const std::string& looks) {
    const auto dataset = json_of(get(*routes_, "/api/dataset?path=" + path));
    return get(*routes_,
               fmt::format("/png/{}{}/{}?{}", dataset.value("version", ""), path, numbers, looks));
  }
  // The picture, as the hub itself reads the file.
  Picture decoded(const http::Response& response) {
    EXPECT_EQ(response.status, 200) << body_of(response);
    EXPECT_EQ(response.content_type, "image/png");
    const std::string name = fmt::format("picture-{}.png", ++pictures_);
    folder_.write("", {{name, body_of(response)}});
    const auto dataset = json_of(get(*routes_, "/api/dataset?path=/" + name));
    Picture picture;
    picture.width = dataset["shape"]["x"];
    picture.height = dataset["shape"]["y"];
    const std::string all = body_of(get(
        *routes_, fmt::format("/img/{}/{}/0/0/0,1,2/0/0/0", dataset.value("version", ""), name)));
    const uint64_t plane = picture.width * picture.height;
    EXPECT_EQ(all.size(), 3 * plane);
    picture.red = all.substr(0, plane);
    picture.green = all.substr(plane, plane);
    picture.blue = all.substr(2 * plane);
    return picture;
  }
  // The red of the first pixels.
  std::vector<int> reds(const http::Response& response, size_t count) {
    const Picture picture = decoded(response);
    std::vector<int> values;
    for (size_t i = 0; i < count; ++i) values.push_back(static_cast<uint8_t>(picture.red.at(i)));
    return values;
  }
  template <class T>
  std::vector<int> reds_of(const std::string& dtype, const std::vector<T>& numbers,
                           const std::string& looks) {
    folder_.write("typed-" + dtype.substr(1), small_image(dtype, numbers, {1, 1, 1, 2, 8}));
    return reds(tile("/typed-" + dtype.substr(1), "0/0/0/0/0", looks), numbers.size());
  }

  HubFolder folder_;
  FakeTierd tierd_;
  std::unique_ptr<ImageRoutes> routes_;
  int pictures_ = 0;
};

TEST_F(PictureTiles, HaveTheLightOfTheirChannelsAddedUp) {
  const Shape shape{1, 3, 2, 600, 700};
  folder_.write("a.zarr", zarr_image(shape, {1, 1, 1, 256, 256}));
  // Channel 0 in orange and channel 2 in blue and a little red.
  const Picture picture = decoded(tile(
      "/a.zarr", "0/0/1/1/1", "c=0,2&colors=ff8000,2000ff&min=1000,0&max=60000,65535&gamma=1,0.5"));
  ASSERT_EQ(picture.width, 188u);
  ASSERT_EQ(picture.height, 88u);
  for (uint64_t y = 0; y < picture.height; ++y) {
    for (uint64_t x = 0; x < picture.width; ++x) {
      const auto number = [&](uint64_t c) {
        return static_cast<double>(test::voxel_at<uint16_t>(0, c, 1, 512 + y, 512 + x));
      };
      const double first = std::clamp((number(0) - 1000) / 59000, 0.0, 1.0);
      const double second = std::sqrt(std::clamp(number(2) / 65535, 0.0, 1.0));
      const auto expect = [&](const std::string& samples, double light) {
        const int drawn = static_cast<uint8_t>(samples[y * picture.width + x]);
        ASSERT_NEAR(drawn, 255 * std::min(1.0, light), 0.5001) << y << " " << x;
      };
      expect(picture.red, first + second * 0x20 / 255);
      expect(picture.green, first * 0x80 / 255);
      expect(picture.blue, second);
    }
  }
}

TEST_F(PictureTiles, ShowEveryTypeOfNumber) {
  const std::string look = "c=0&colors=ff0000&min=-100&max=100";
  const std::vector<int> signs = {0, 64, 128, 191, 255, 255};
  EXPECT_EQ(reds_of<int8_t>("|i1", {-128, -50, 0, 50, 100, 127}, look), signs);
  EXPECT_EQ(reds_of<int16_t>("<i2", {-32768, -50, 0, 50, 100, 32767}, look), signs);
  EXPECT_EQ(reds_of<int32_t>("<i4", {-100, -50, 0, 50, 100, 2'000'000'000}, look), signs);
  EXPECT_EQ(reds_of<int64_t>("<i8", {-100, -50, 0, 50, 100, int64_t{1} << 60}, look), signs);
  EXPECT_EQ(
      reds_of<float>("<f4", {-100, -50, 0, 50, 100, std::numeric_limits<float>::infinity()}, look),
      signs);
  EXPECT_EQ(reds_of<double>("<f8", {-1e300, -50, 0, 50, 100, 1e300}, look), signs);
  const std::string above = "c=0&colors=ff0000&min=50&max=250";
  const std::vector<int> plain = {0, 0, 64, 128, 255, 255};
  EXPECT_EQ(reds_of<uint8_t>("|u1", {0, 50, 100, 150, 250, 255}, above), plain);
  EXPECT_EQ(reds_of<uint16_t>("<u2", {0, 50, 100, 150, 250, 65535}, above), plain);
  EXPECT_EQ(reds_of<uint32_t>("<u4", {0, 50, 100, 150, 250, UINT32_MAX}, above), plain);
  EXPECT_EQ(reds_of<uint64_t>("<u8", {0, 50, 100, 150, 250, UINT64_MAX}, above), plain);
}

TEST_F(PictureTiles, WhatIsNoNumberIsDark) {
  const float none = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(reds_of<float>("<f4", {none, 1, -none}, "c=0&colors=ff0000&min=0&max=1"),
            (std::vector<int>{0, 255, 0}));
}

TEST_F(PictureTiles, EqualLimitsAreAThreshold) {
  EXPECT_EQ(reds_of<uint8_t>("|u1", {4, 5, 6}, "c=0&colors=ff0000&min=5&max=5&gamma=2"),
            (std::vector<int>{0, 0, 255}));
}

TEST_F(PictureTiles, WithoutALookAreShownAsTheImageSays) {
  EXPECT_EQ(reds_of<uint16_t>("<u2", {0, 65535, 32768}, "c=0"), (std::vector<int>{0, 255, 128}));
}

TEST_F(PictureTiles, LabelsHaveColoursThatDiffer) {
  folder_.write("labels.zarr", small_image<uint32_t>("<u4", {0, 1, 2, 3, 3}, {1, 1, 1, 2, 8},
                                                     R"(,"image-label":{})"));
  const Picture picture = decoded(tile("/labels.zarr", "0/0/0/0/0", "c=0"));
  const auto at = [&](size_t i) {
    return std::string{picture.red[i], picture.green[i], picture.blue[i]};
  };
  EXPECT_EQ(at(0), std::string(3, '\0'));
  EXPECT_NE(at(1), at(0));
  EXPECT_NE(at(1), at(2));
  EXPECT_NE(at(2), at(3));
  EXPECT_EQ(at(3), at(4));
}

TEST_F(PictureTiles, OfALevelThatIsNotStoredHaveItsVoxels) {
  folder_.write("a.zarr", zarr_image({1, 1, 1, 600, 700}, {1, 1, 1, 600, 700}));
  const Picture picture =
      decoded(tile("/a.zarr", "1/0/0/0/0", "c=0&colors=ffffff&min=0&max=65535"));
  EXPECT_EQ(picture.width, 350u);
  EXPECT_EQ(picture.height, 300u);
  const auto at = [](uint64_t y, uint64_t x) { return test::voxel_at<uint16_t>(0, 0, 0, y, x); };
  const uint64_t sum = uint64_t{at(0, 0)} + at(0, 1) + at(1, 0) + at(1, 1);
  EXPECT_EQ(static_cast<uint8_t>(picture.red[0]),
            std::lround(static_cast<double>((sum + 2) / 4) / 65535 * 255));
  EXPECT_EQ(picture.red, picture.blue);
}

TEST_F(PictureTiles, ThatMakeNoSenseAreRefusedWithAReason) {
  folder_.write("a.zarr", zarr_image({1, 2, 1, 20, 30}, {1, 1, 1, 20, 30}));
  const auto refused = [&](const std::string& looks) {
    const auto response = tile("/a.zarr", "0/0/0/0/0", looks);
    EXPECT_EQ(response.status, 400) << looks << " " << body_of(response);
    return json_of(response).value("error", "");
  };
  EXPECT_NE(refused("").find("c=0,2"), std::string::npos);
  EXPECT_NE(refused("c=x").find("no number"), std::string::npos);
  EXPECT_NE(refused("c=0&colors=green").find("no colour"), std::string::npos);
  EXPECT_NE(refused("c=0&colors=00ff0").find("no colour"), std::string::npos);
  EXPECT_NE(refused("c=0,1&min=0&max=1").find("1 of it for 2 channels"), std::string::npos);
  EXPECT_NE(refused("c=0&min=nan&max=1").find("no number"), std::string::npos);
  EXPECT_NE(refused("c=0&min=0&max=inf").find("no number"), std::string::npos);
  EXPECT_NE(refused("c=0&min=2&max=1").find("above max"), std::string::npos);
  EXPECT_NE(refused("c=0&min=2").find("both"), std::string::npos);
  EXPECT_NE(refused("c=0&gamma=0").find("0.1 to 10"), std::string::npos);
  EXPECT_NE(refused("c=0&gama=1").find("no parameter"), std::string::npos);
  std::string many = "c=0";
  for (int i = 0; i < 64; ++i) many += ",0";
  EXPECT_NE(refused(many).find("at most 64"), std::string::npos);
  EXPECT_EQ(tile("/a.zarr", "0/0/0/1/0", "c=0").status, 404);
  EXPECT_EQ(tile("/a.zarr", "0/0/0/0/0", "c=2").status, 404);
  EXPECT_EQ(tile("/a.zarr", "7/0/0/0/0", "c=0").status, 404);
  EXPECT_EQ(get(*routes_, "/png/v/0/0/0/0/0?c=0").status, 400);
  EXPECT_EQ(get(*routes_, "/png/other/a.zarr/0/0/0/0/0?c=0").status, 410);
}

TEST_F(PictureTiles, ThatAreColdAreAskedForAsOthersAre) {
  folder_.write("a.zarr", zarr_image({1, 1, 1, 20, 30}, {1, 1, 1, 20, 30}));
  tierd_.make_cold("/a.zarr/0/0/0/0/0/0");
  const auto cold = tile("/a.zarr", "0/0/0/0/0", "c=0");
  EXPECT_EQ(cold.status, 503);
  EXPECT_EQ(header_of(cold, "X-TierHub-State"), "recalling");
  EXPECT_NE(header_of(cold, "X-TierHub-Eta-Ms"), "");
  EXPECT_EQ(tierd_.requests().size(), 1u);
  tierd_.make_hot();
  const auto hot = tile("/a.zarr", "0/0/0/0/0", "c=0");
  EXPECT_EQ(hot.status, 200);
  EXPECT_NE(header_of(hot, "ETag"), "");
}

}  // namespace
}  // namespace tierhub::hub
