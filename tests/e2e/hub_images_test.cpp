// Images in the mount of a real tierd, as the browser hub shows them.
#include <cstring>
#include <filesystem>
#include <fstream>

#include <fcntl.h>
#include <sys/mman.h>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "common/posix.h"
#include "common/unique_fd.h"
#include "formats/json.h"
#include "hub/images/routes.h"
#include "hub/images/tierd_calls.h"
#include "tests/support/tier_fixture.h"
#include "tests/unit/pixels/samples.h"

namespace tierhub::hub_images_test {
namespace {

using formats::Json;
using test::eventually;

constexpr uint64_t kSide = 512;
constexpr uint64_t kPlanes = 3;
constexpr uint64_t kTileBytes = kSide * kSide * 2;

class HubImages : public test::TierTest {
 protected:
  HubImages() {
    const std::string image = tier.in_archive("brain/scan.ome.zarr");
    std::filesystem::create_directories(image + "/0");
    write(image + "/.zgroup", R"({"zarr_format":2})");
    write(image + "/.zattrs",
          R"({"multiscales":[{"version":"0.4","axes":[{"name":"z"},{"name":"y"},{"name":"x"}],
          "datasets":[{"path":"0"}]}]})");
    write(
        image + "/0/.zarray",
        R"({"zarr_format":2,"shape":[3,512,512],"chunks":[1,512,512],"dtype":"<u2","compressor":null,
          "fill_value":0,"order":"C","filters":null,"dimension_separator":"."})");
    for (uint64_t z = 0; z < kPlanes; ++z) write(fmt::format("{}/0/{}.0.0", image, z), plane(z));
    tier.start();
    open();
  }
  static void write(const std::string& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
  }
  static std::string plane(uint64_t z) {
    std::string bytes;
    for (uint64_t y = 0; y < kSide; ++y)
      for (uint64_t x = 0; x < kSide; ++x)
        bytes += test::bytes_of_number(test::voxel_at<uint16_t>(0, 0, z, y, x), false);
    return bytes;
  }
  // As a worker that has just been started.
  void open() {
    routes_ =
        hub::ImageRoutes::open({tier.mount, hub::make_tiers(hub::make_tierd_calls(tier.client()))})
            .value();
    version_ = json("/api/dataset?path=/brain/scan.ome.zarr").value("version", "");
  }
  http::Response get(const std::string& target) { return routes_->handle({"GET", target, {}, {}}); }
  static std::string body_of(const http::Response& response) {
    return std::get<std::string>(response.body);
  }
  Json json(const std::string& target) { return Json::parse(body_of(get(target)), nullptr, false); }
  http::Response tile(uint64_t z) {
    return get(fmt::format("/img/{}/brain/scan.ome.zarr/0/0/0/{}/0/0", version_, z));
  }
  static std::string header_in(const http::Response& response, std::string_view wanted) {
    for (const auto& [name, value] : response.headers) {
      if (name == wanted) return value;
    }
    return "";
  }
  static std::string state_in(const http::Response& response) {
    return header_in(response, "X-TierHub-State");
  }

  std::unique_ptr<hub::ImageRoutes> routes_;
  std::string version_;
};

TEST_F(HubImages, AColdTileComesAfterItWasAskedFor) {
  EXPECT_EQ(json("/api/dataset?path=/brain/scan.ome.zarr")["state"], "partial") << "metadata alone";
  const auto cold = tile(0);
  ASSERT_EQ(cold.status, 503) << body_of(cold);
  EXPECT_EQ(state_in(cold), "recalling");
  const auto prefetches = tier.client().prefetches().value();
  ASSERT_EQ(prefetches.size(), 1u);
  EXPECT_EQ(prefetches[0].label, "view of scan.ome.zarr");
  eventually("the tile is on the SSD", [&] { return tile(0).status == 200; });
  EXPECT_TRUE(body_of(tile(0)) == plane(0));
  EXPECT_EQ(tier.entry("/brain/scan.ome.zarr/0/0.0.0").state, "hot");
  EXPECT_EQ(tier.entry("/brain/scan.ome.zarr/0/1.0.0").state, "cold") << "nothing else was read";

  tier.evict("/brain/scan.ome.zarr/0");
  EXPECT_EQ(tile(0).status, 200) << "it is kept";
  open();
  EXPECT_EQ(tile(0).status, 503);
}

TEST_F(HubImages, AZarrChunkWaitsForTheArchive) {
  const auto chunk = get("/zarr/v2/brain/scan.ome.zarr/0/0/0/2/0/0");
  ASSERT_EQ(chunk.status, 200);
  EXPECT_TRUE(body_of(chunk) == plane(2));
  EXPECT_EQ(body_of(get("/zarr/v3/brain/scan.ome.zarr/0/c/0/0/1/0/0")).size(), kTileBytes);
}

TEST_F(HubImages, AHistogramOfColdDataIsAskedFor) {
  const std::string target = "/api/histogram?path=/brain/scan.ome.zarr";
  EXPECT_EQ(get(target).status, 503);
  eventually("the histogram is known", [&] { return get(target).status == 200; });
  EXPECT_EQ(json(target)["z"], 1);
  EXPECT_EQ(get("/api/thumbnail?path=/brain/scan.ome.zarr").status, 200);
}

TEST_F(HubImages, DatasetsSayWhereTheirBytesAre) {
  const Json datasets = json("/api/datasets?path=/brain")["datasets"];
  ASSERT_EQ(datasets.size(), 1u);
  EXPECT_EQ(datasets[0]["path"], "/brain/scan.ome.zarr");
  EXPECT_EQ(datasets[0]["state"], "partial");
  tier.prefetch("/brain");
  EXPECT_EQ(json("/api/dataset?path=/brain/scan.ome.zarr")["state"], "hot");
}

TEST_F(HubImages, AWrittenFileIsAnotherVersion) {
  write(tier.in_mount("brain/scan.ome.zarr/.zattrs"),
        R"({"multiscales":[{"version":"0.4","axes":[{"name":"t"},{"name":"y"},{"name":"x"}],
        "datasets":[{"path":"0"}]}]})");
  eventually("the change is seen", [&] { return tile(0).status == 410; });
  EXPECT_EQ(json("/api/dataset?path=/brain/scan.ome.zarr")["axes"], "tyx");
}

std::string filled(uint16_t number) {
  std::string bytes;
  for (uint64_t i = 0; i < kSide * kSide; ++i) bytes += test::bytes_of_number(number, false);
  return bytes;
}

TEST_F(HubImages, AChunkOverwrittenInPlaceShowsAtTheNextRequest) {
  tier.prefetch("/brain");
  ASSERT_TRUE(body_of(tile(0)) == plane(0));
  const std::string file = tier.in_mount("brain/scan.ome.zarr/0/0.0.0");
  {
    std::fstream chunk(file, std::ios::in | std::ios::out | std::ios::binary);
    chunk << filled(7);
  }
  EXPECT_TRUE(body_of(tile(0)) == filled(7));
  EXPECT_TRUE(body_of(get("/zarr/v3/brain/scan.ome.zarr/0/c/0/0/0/0/0")) == filled(7));
  write(file + ".new", filled(8));
  std::filesystem::rename(file + ".new", file);
  // A name came into the folder of a level: that is another version.
  version_ = json("/api/dataset?path=/brain/scan.ome.zarr").value("version", "");
  EXPECT_TRUE(body_of(tile(0)) == filled(8)) << "replaced by another file";
  EXPECT_TRUE(body_of(get("/zarr/v3/brain/scan.ome.zarr/0/c/0/0/0/0/0")) == filled(8));
}

// Stores through a mapping move no time stamp, but for the first.
TEST_F(HubImages, AMappedChunkIsShownAsItIs) {
  tier.prefetch("/brain");
  const std::string file = tier.in_mount("brain/scan.ome.zarr/0/1.0.0");
  const UniqueFd fd = posix::open_at(AT_FDCWD, file, O_RDWR).value();
  void* const mapped = ::mmap(nullptr, kTileBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  ASSERT_NE(mapped, MAP_FAILED);
  for (const uint16_t number : {uint16_t{11}, uint16_t{12}, uint16_t{13}}) {
    std::memcpy(mapped, filled(number).data(), kTileBytes);
    ASSERT_EQ(::msync(mapped, kTileBytes, MS_SYNC), 0);
    const auto now = tile(1);
    EXPECT_TRUE(body_of(now) == filled(number)) << number;
    EXPECT_EQ(header_in(now, "Cache-Control"), "no-store");
  }
  std::memcpy(mapped, filled(14).data(), kTileBytes);
  ASSERT_EQ(::munmap(mapped, kTileBytes), 0);
  EXPECT_TRUE(body_of(tile(1)) == filled(14));
}

TEST_F(HubImages, ATileKeepsItsTagWhileItsBytesMoveBetweenTheTiers) {
  tier.prefetch("/brain");
  const std::string tag = header_in(tile(0), "ETag");
  ASSERT_NE(tag, "");
  tier.evict("/brain/scan.ome.zarr/0");
  const auto cold =
      routes_->handle({"GET",
                       fmt::format("/img/{}/brain/scan.ome.zarr/0/0/0/0/0/0", version_),
                       {},
                       {{"if-none-match", tag}}});
  EXPECT_EQ(cold.status, 304) << "nothing is fetched for what the browser has";
  EXPECT_EQ(tier.entry("/brain/scan.ome.zarr/0/0.0.0").state, "cold");
}

TEST_F(HubImages, AMapShowsWhatIsOnTheSsd) {
  tier.prefetch("/brain/scan.ome.zarr/0/1.0.0");
  const Json level = json("/api/residency?path=/brain/scan.ome.zarr")["levels"][0];
  EXPECT_EQ(level["z_cells"], 3);
  EXPECT_EQ(level["bytes"], Json({kTileBytes, kTileBytes, kTileBytes}));
  EXPECT_EQ(level["resident"], Json({0, kTileBytes, 0}));
}

}  // namespace
}  // namespace tierhub::hub_images_test
