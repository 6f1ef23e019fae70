// Requests of the page, and what it gets.
#include <filesystem>
#include <fstream>
#include <random>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/unit/hub/hub_fixture.h"

namespace tierhub::hub {
namespace {

using formats::AxisRange;
using formats::Json;
using formats::Region;
using formats::Shape;

constexpr Shape kShape{1, 2, 3, 700, 1100};

class Routes : public ::testing::Test {
 protected:
  Routes() {
    folder_.write("brain/scan.ome.zarr", zarr_image(kShape, {1, 1, 3, 256, 256}));
    auto routes = ImageRoutes::open({folder_.path(), make_tiers(tierd_.calls())});
    routes_ = *std::move(routes);
    version_ = dataset("/brain/scan.ome.zarr").value("version", "");
  }

  Json dataset(const std::string& path) {
    return json_of(get(*routes_, "/api/dataset?path=" + path));
  }
  std::string tile(const std::string& rest) const {
    return fmt::format("/img/{}/brain/scan.ome.zarr/{}", version_, rest);
  }
  static std::string expected(uint64_t c, uint64_t z, AxisRange y, AxisRange x) {
    test::Sample sample;
    sample.type = formats::PixelType::uint16;
    return expected_voxels(sample, {0, {0, 1}, {c, c + 1}, {z, z + 1}, y, x});
  }
  void make_cold() {
    for (const auto& file : std::filesystem::recursive_directory_iterator(folder_.path())) {
      if (file.is_regular_file())
        tierd_.make_cold(file.path().string().substr(folder_.path().size()));
    }
  }

  HubFolder folder_;
  FakeTierd tierd_;
  std::unique_ptr<ImageRoutes> routes_;
  std::string version_;
};

TEST_F(Routes, ServeImagesAndNothingElse) {
  EXPECT_TRUE(ImageRoutes::serves("/img/v/a.tif/0/0/0/0/0/0"));
  EXPECT_TRUE(ImageRoutes::serves("/png/v/a.tif/0/0/0/0/0?c=0"));
  EXPECT_TRUE(ImageRoutes::serves("/zarr/v2/a.tif/.zattrs"));
  EXPECT_TRUE(ImageRoutes::serves("/api/dataset?path=/a.tif"));
  EXPECT_FALSE(ImageRoutes::serves("/api/datasetz"));
  EXPECT_FALSE(ImageRoutes::serves("/api/v1/ls?path=/img/"));
  EXPECT_FALSE(ImageRoutes::serves("/"));
  EXPECT_EQ(routes_->handle({"PUT", "/api/dataset", {}, {}}).status, 405);
  EXPECT_EQ(get(*routes_, "/api/dataset?paht=/a").status, 400);
  EXPECT_EQ(get(*routes_, "/api/dataset?path=/none").status, 404);
}

TEST_F(Routes, RefuseARootThatIsNoFolder) {
  EXPECT_FALSE(ImageRoutes::open({"/proc/self/status"}));
}

TEST_F(Routes, DescribeADataset) {
  const Json json = dataset("/brain/scan.ome.zarr");
  EXPECT_EQ(json["path"], "/brain/scan.ome.zarr");
  EXPECT_EQ(json["name"], "scan.ome.zarr");
  EXPECT_EQ(json["format"], "OME-Zarr");
  EXPECT_EQ(json["axes"], "tczyx");
  EXPECT_EQ(json["shape"], Json::parse(R"({"t":1,"c":2,"z":3,"y":700,"x":1100})"));
  EXPECT_EQ(json["type"], "uint16");
  EXPECT_EQ(json["bytes"], kShape.voxels() * 2);
  EXPECT_EQ(json["voxel_size"], Json::parse(R"({"z":2.0,"y":0.5,"x":0.25})"));
  EXPECT_EQ(json["voxel_unit"], "micrometer");
  ASSERT_EQ(json["levels"].size(), 3u);
  EXPECT_EQ(json["levels"][0]["stored"], true);
  EXPECT_EQ(json["levels"][2]["stored"], false);
  EXPECT_EQ(json["levels"][2]["shape"]["x"], 275);
  EXPECT_EQ(json["channels"].size(), 2u);
  EXPECT_EQ(json["tile"], 512);
  EXPECT_EQ(json["not_decodable"], nullptr);
  EXPECT_EQ(json["state"], "hot");
  EXPECT_EQ(json["labels"], Json::array());
}

TEST_F(Routes, ListTheDatasetsOfAFolder) {
  folder_.write("brain", {{"broken.tif", "II*"}});
  const Json json = json_of(get(*routes_, "/api/datasets?path=/brain"));
  ASSERT_EQ(json["datasets"].size(), 2u) << json.dump();
  EXPECT_EQ(json["path"], "/brain");
  EXPECT_EQ(json["datasets"][0]["path"], "/brain/broken.tif");
  EXPECT_NE(json["datasets"][0]["error"], nullptr);
  for (const auto& [member, value] : json["datasets"][1].items())
    EXPECT_TRUE(json["datasets"][0].contains(member)) << member;
  EXPECT_EQ(json["datasets"][1]["path"], "/brain/scan.ome.zarr");
  EXPECT_EQ(json["datasets"][1]["shape"]["x"], 1100);
  EXPECT_EQ(get(*routes_, "/api/datasets?path=/none").status, 404);
}

TEST_F(Routes, AColdFolderIsNotOpenedFileByFile) {
  for (int i = 0; i < 40; ++i) {
    const std::string name = fmt::format("{}x.tif", std::string(static_cast<size_t>(i + 1), 'a'));
    folder_.write("many", {{name, "II*"}});
    tierd_.make_cold("/many/" + name);
  }
  folder_.write("many/deep/deeper", {{"a.tif", "II*"}});
  const Json json = json_of(get(*routes_, "/api/datasets?path=/many"));
  ASSERT_EQ(json["datasets"].size(), 40u) << json.dump();
  size_t closed = 0;
  for (const Json& one : json["datasets"]) {
    EXPECT_EQ(one["state"], "cold") << one.dump();
    if (one["error"].get<std::string>().find("in the archive") != std::string::npos) ++closed;
  }
  EXPECT_EQ(closed, 8u);
  EXPECT_EQ(json_of(get(*routes_, "/api/datasets?path=/many&depth=2"))["datasets"].size(), 41u);
  const auto thumbnail = get(*routes_, "/api/thumbnail?path=/many/ax.tif");
  EXPECT_EQ(thumbnail.status, 503) << "it is not opened";
  EXPECT_EQ(header_of(thumbnail, "X-TierHub-State"), "cold");
}

TEST_F(Routes, TilesHaveTheVoxelsOfTheirChannels) {
  const auto whole_tile = get(*routes_, tile("0/0/0,1/2/0/1"));
  ASSERT_EQ(whole_tile.status, 200) << body_of(whole_tile);
  EXPECT_EQ(whole_tile.content_type, "application/octet-stream");
  EXPECT_EQ(body_of(whole_tile),
            expected(0, 2, {0, 512}, {512, 1024}) + expected(1, 2, {0, 512}, {512, 1024}));
  EXPECT_EQ(header_of(whole_tile, "Cache-Control"), "private, no-cache")
      << "a chunk may be overwritten";
  const auto corner = get(*routes_, tile("0/0/1/0/1/2"));
  EXPECT_EQ(body_of(corner), expected(1, 0, {512, 700}, {1024, 1100}));
  const std::string tag = header_of(corner, "ETag");
  EXPECT_EQ(get(*routes_, tile("0/0/1/0/1/2"), {{"if-none-match", tag}}).status, 304);
}

TEST_F(Routes, TilesThatDoNotExistAreRefused) {
  EXPECT_EQ(get(*routes_, tile("0/0/0/0/2/0")).status, 404);
  EXPECT_EQ(get(*routes_, tile("0/0/2/0/0/0")).status, 404);
  EXPECT_EQ(get(*routes_, tile("3/0/0/0/0/0")).status, 404);
  EXPECT_EQ(get(*routes_, tile("0/0//0/0/0")).status, 400);
  EXPECT_EQ(get(*routes_, tile("0/0/x/0/0/0")).status, 400);
  EXPECT_EQ(get(*routes_, "/img/v/../../etc/passwd/0/0/0/0/0/0").status, 400);
}

TEST_F(Routes, ATileOfAnotherVersionIsGone) {
  const auto response = get(*routes_, "/img/other/brain/scan.ome.zarr/0/0/0/0/0/0");
  EXPECT_EQ(response.status, 410);
  EXPECT_EQ(json_of(response)["code"], "ESTALE");
}

TEST_F(Routes, AChangedImageHasAnotherVersion) {
  test::Files files = zarr_image(kShape, {1, 1, 3, 256, 256});
  files[".zattrs"] += "\n";
  folder_.write("brain/scan.ome.zarr", files);
  // Files are looked at once a second.
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (get(*routes_, tile("0/0/0/0/0/0")).status != 410 &&
         std::chrono::steady_clock::now() < deadline) {
  }
  EXPECT_EQ(get(*routes_, tile("0/0/0/0/0/0")).status, 410);
  EXPECT_NE(dataset("/brain/scan.ome.zarr")["version"], version_);
}

TEST_F(Routes, AColdTileIsAskedForOnceAndComesLater) {
  make_cold();
  const auto cold = get(*routes_, tile("0/0/0,1/0/0/0"));
  ASSERT_EQ(cold.status, 503);
  EXPECT_EQ(header_of(cold, "X-TierHub-State"), "recalling");
  EXPECT_GE(std::stoi(header_of(cold, "X-TierHub-Eta-Ms")), 1);
  EXPECT_EQ(header_of(cold, "Retry-After"), "1");
  EXPECT_EQ(get(*routes_, tile("0/0/0,1/0/0/0")).status, 503);
  const auto requests = tierd_.requests();
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].label, "view of scan.ome.zarr");
  EXPECT_EQ(requests[0].urgency, "task");
  EXPECT_EQ(requests[0].lease_owner, "");
  ASSERT_EQ(requests[0].files.size(), 8u) << "2 channels of 2 x 2 chunks";
  EXPECT_EQ(requests[0].files[0].path, "/brain/scan.ome.zarr/0/0/0/0/0/0");
  tierd_.make_hot();
  EXPECT_EQ(get(*routes_, tile("0/0/0,1/0/0/0")).status, 200);
}

TEST_F(Routes, DecodedTilesNeedNoQuestionToTierd) {
  EXPECT_EQ(get(*routes_, tile("0/0/0/0/0/0")).status, 200);
  const size_t calls = tierd_.residency_calls();
  make_cold();
  EXPECT_EQ(get(*routes_, tile("0/0/0/0/0/0")).status, 200);
  // The chunks have three slices, and are decoded.
  EXPECT_EQ(get(*routes_, tile("0/0/0/1/0/0")).status, 200);
  EXPECT_EQ(tierd_.residency_calls(), calls);
}

TEST_F(Routes, SmallLevelsAreMeans) {
  const auto response = get(*routes_, tile("1/0/0/0/0/0"));
  ASSERT_EQ(response.status, 200);
  uint16_t first = 0;
  std::memcpy(&first, body_of(response).data(), sizeof first);
  const auto at = [](uint64_t y, uint64_t x) { return test::voxel_at<uint16_t>(0, 0, 0, y, x); };
  const uint64_t sum = uint64_t{at(0, 0)} + at(0, 1) + at(1, 0) + at(1, 1);
  EXPECT_EQ(first, (sum + 2) / 4);
  EXPECT_EQ(body_of(response).size(), 350 * 512 * 2u);
}

TEST_F(Routes, LinksOutOfTheRootAreNotFollowed) {
  const TemporaryDirectory other;
  std::ofstream(other / "secret.tif") << "II*";
  std::filesystem::create_symlink(other / "secret.tif", folder_.path() + "/link.tif");
  std::filesystem::create_directory_symlink(other.path(), folder_.path() + "/out");
  std::filesystem::create_symlink("brain/scan.ome.zarr", folder_.path() + "/inside.zarr");
  EXPECT_EQ(get(*routes_, "/api/dataset?path=/link.tif").status, 403);
  EXPECT_EQ(get(*routes_, "/api/dataset?path=/out/secret.tif").status, 403);
  EXPECT_EQ(get(*routes_, "/api/dataset?path=/../etc/passwd").status, 403);
  EXPECT_EQ(get(*routes_, "/api/datasets?path=/out").status, 403);
  EXPECT_EQ(dataset("/inside.zarr")["path"], "/brain/scan.ome.zarr");
}

TEST_F(Routes, AFileOfAColdSeriesIsNotWaitedFor) {
  const test::Sample series = test::series_samples().front();
  ASSERT_TRUE(series.files.contains("a_t11_z004.tif"));
  folder_.write("series", series.files);
  const Json json = dataset("/series");
  const Shape& shape = series.shape;
  // The last file in t, c, z order is opened when its plane is asked for.
  const std::string target = fmt::format("/img/{}/series/0/{}/{}/{}/0/0", json.value("version", ""),
                                         shape.t - 1, shape.c - 1, shape.z - 1);
  make_cold();
  const auto cold = get(*routes_, target);
  ASSERT_EQ(cold.status, 503) << body_of(cold);
  EXPECT_EQ(header_of(cold, "X-TierHub-State"), "recalling");
  const auto requests = tierd_.requests();
  ASSERT_EQ(requests.size(), 1u);
  const auto& asked = requests[0].files;
  ASSERT_EQ(asked.size(), 1u);
  EXPECT_EQ(asked[0].path, "/series/a_t11_z004.tif");
  EXPECT_EQ(asked[0].ranges.at(0).begin, 0u) << "its head";
  tierd_.make_hot();
  EXPECT_EQ(get(*routes_, target).status, 200);
}

// Nothing that a client sends may break the worker.
TEST_F(Routes, AnyAddressIsAnswered) {
  const std::vector<std::string> parts = {"img",
                                          "png",
                                          "zarr",
                                          "api",
                                          "v2",
                                          "v3",
                                          "dataset",
                                          "datasets",
                                          "histogram",
                                          "thumbnail",
                                          "brain",
                                          "scan.ome.zarr",
                                          ".zattrs",
                                          ".zgroup",
                                          "zarr.json",
                                          ".zmetadata",
                                          ".zarray",
                                          "0",
                                          "1",
                                          "2",
                                          "c",
                                          "..",
                                          ".",
                                          "",
                                          "%2e%2e",
                                          "%00",
                                          "%zz",
                                          "18446744073709551615",
                                          "-1",
                                          "0,1",
                                          ",",
                                          "labels",
                                          version_,
                                          "?path=/",
                                          "?path=/brain/scan.ome.zarr&level=99",
                                          "&z=9999999999",
                                          "?t=x",
                                          "?c=0,1&colors=0&min=-1e999&max=1",
                                          "?c=0&min=0&max=1&gamma=1",
                                          "%ee%bc%80"};
  std::mt19937 random(5);
  for (int i = 0; i < 3'000; ++i) {
    std::string target;
    for (size_t length = 1 + random() % 10; length > 0; --length)
      target += "/" + parts[random() % parts.size()];
    const int status = get(*routes_, target).status;
    EXPECT_TRUE(status == 200 || (status >= 400 && status < 600)) << target;
  }
}

TEST_F(Routes, AHistogramCountsThePlane) {
  const Json json =
      json_of(get(*routes_, "/api/histogram?path=/brain/scan.ome.zarr&c=1&level=0&z=2"));
  ASSERT_EQ(json["bins"].size(), 256u) << json.dump();
  std::vector<uint16_t> numbers;
  for (uint64_t y = 0; y < kShape.y; ++y)
    for (uint64_t x = 0; x < kShape.x; ++x)
      numbers.push_back(test::voxel_at<uint16_t>(0, 1, 2, y, x));
  std::sort(numbers.begin(), numbers.end());
  uint64_t count = 0;
  for (const Json& bin : json["bins"]) count += bin.get<uint64_t>();
  EXPECT_EQ(count, numbers.size());
  EXPECT_EQ(json["low"], numbers.front());
  EXPECT_EQ(json["high"], numbers.back());
  const auto at = [&](double share) {
    return numbers[static_cast<size_t>(
        std::llround(share * static_cast<double>(numbers.size() - 1)))];
  };
  EXPECT_EQ(json["p01"], at(0.01));
  EXPECT_EQ(json["p999"], at(0.999));
  // Without a level: the coarsest, and the middle slice.
  EXPECT_EQ(json_of(get(*routes_, "/api/histogram?path=/brain/scan.ome.zarr"))["level"], 2);
  EXPECT_EQ(get(*routes_, "/api/histogram?path=/brain/scan.ome.zarr&c=2").status, 400);
}

TEST_F(Routes, AColdHistogramIsAskedFor) {
  make_cold();
  const auto cold = get(*routes_, "/api/histogram?path=/brain/scan.ome.zarr");
  EXPECT_EQ(cold.status, 503);
  EXPECT_EQ(header_of(cold, "X-TierHub-State"), "recalling");
  EXPECT_EQ(tierd_.requests().size(), 1u);
}

// Voxels of two time points, three slices and chunks of one plane.
TEST_F(Routes, AMapOfResidencyHasTimeAndSlices) {
  folder_.write("brain/film.ome.zarr", zarr_image({2, 1, 3, 100, 80}, {1, 1, 1, 50, 80}));
  tierd_.make_cold("/brain/film.ome.zarr/0/1/0/2/0/0");
  const Json json = json_of(get(*routes_, "/api/residency?path=/brain/film.ome.zarr"));
  EXPECT_EQ(json["path"], "/brain/film.ome.zarr");
  EXPECT_EQ(json["complete"], true);
  ASSERT_EQ(json["levels"].size(), 1u) << json.dump(1);
  const Json& level = json["levels"][0];
  EXPECT_EQ(level["t_cells"], 2);
  EXPECT_EQ(level["z_cells"], 3);
  // Two files of 1,000,000 bytes a plane, says the fake.
  EXPECT_EQ(level["bytes"], Json::parse("[2000000,2000000,2000000,2000000,2000000,2000000]"));
  EXPECT_EQ(level["resident"], Json::parse("[2000000,2000000,2000000,2000000,2000000,1000000]"));
  EXPECT_EQ(tierd_.requests().size(), 0u) << "nothing is fetched for it";
}

TEST_F(Routes, AMapOfResidencyIsBounded) {
  // Not stored, so that the test needs no room.
  test::Files files = zarr_image({1, 1, 1, 10, 10}, {1, 1, 1, 10, 10});
  files["0/.zarray"] =
      R"({"zarr_format":2,"shape":[3000,1,700,10,10],"chunks":[1,1,4,10,10],"dtype":"<u2",
          "compressor":null,"fill_value":0,"order":"C","filters":null})";
  folder_.write("brain/long.ome.zarr", files);
  const Json level =
      json_of(get(*routes_, "/api/residency?path=/brain/long.ome.zarr"))["levels"][0];
  EXPECT_EQ(level["t"], 3000);
  EXPECT_EQ(level["z"], 700);
  const uint64_t cells = level["t_cells"].get<uint64_t>() * level["z_cells"].get<uint64_t>();
  EXPECT_LE(cells, 1024u);
  EXPECT_GE(cells, 256u);
  EXPECT_EQ(level["bytes"].size(), cells);
}

TEST_F(Routes, AThumbnailIsASmallPicture) {
  const auto response = get(*routes_, "/api/thumbnail?path=/brain/scan.ome.zarr");
  ASSERT_EQ(response.status, 200) << body_of(response);
  EXPECT_EQ(response.content_type, "image/png");
  const std::string png = body_of(response);
  ASSERT_EQ(png.substr(1, 3), "PNG");
  // 275 x 175 voxels, 2 x 2 a pixel.
  EXPECT_EQ(static_cast<uint8_t>(png[19]), 138);
  EXPECT_EQ(static_cast<uint8_t>(png[23]), 88);
  const http::Headers known = {{"if-none-match", header_of(response, "ETag")}};
  EXPECT_EQ(get(*routes_, "/api/thumbnail?path=/brain/scan.ome.zarr&version=x", known).status, 304);
}

TEST_F(Routes, AColdThumbnailFetchesLittle) {
  folder_.write("brain/large.ome.zarr", zarr_image({1, 1, 1, 1600, 1600}, {1, 1, 1, 1600, 1600}));
  make_cold();
  // One channel of the first image has 6 chunks that the fake counts as 1,000,000 bytes each.
  const auto cold = get(*routes_, "/api/thumbnail?path=/brain/scan.ome.zarr");
  EXPECT_EQ(cold.status, 503);
  EXPECT_EQ(header_of(cold, "X-TierHub-State"), "cold");
  EXPECT_EQ(tierd_.requests().size(), 0u);
  const auto small = get(*routes_, "/api/thumbnail?path=/brain/large.ome.zarr");
  EXPECT_EQ(header_of(small, "X-TierHub-State"), "recalling");
  EXPECT_EQ(tierd_.requests().size(), 1u);
}

}  // namespace
}  // namespace tierhub::hub
