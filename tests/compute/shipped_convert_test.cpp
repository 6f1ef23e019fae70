// convert-pyramid.yaml, as it is shipped.
#include <filesystem>

#include "tests/compute/shipped_fixture.h"

namespace tierhub::test {
namespace {
namespace fs = std::filesystem;

TEST_F(Shipped, FilesOfAnyFormatBecomeImagesWithLevels) {
  make_nuclei("large.ome.zarr", "600,1100", "1");
  make_nuclei("small.ome.zarr", "160,170", "2");
  fs::create_directories(at("scans/day1"));
  imgop({"convert", "--in", at("large.ome.zarr"), "--out", at("large.ome.tif")});
  fs::rename(at("large.ome.tif"), at("scans/day1/large.tif"));
  fs::rename(at("small.ome.zarr"), at("scans/small.ome.zarr"));
  start_agent({"--allow-root"});
  const EndedRun run = drop_and_wait(
      "convert", shipped("convert-pyramid.yaml", "{images: [scans/**/*.tif, scans/*.ome.zarr]}"));
  ASSERT_EQ(run.ending, "done") << run.report << run.log;
  const auto about = [&](const std::string& name) {
    return nlohmann::json::parse(read_text(result(run, "info/" + name + ".json")));
  };
  const nlohmann::json large = about("day1/large"), small = about("small");
  EXPECT_EQ(large["levels"].size(), 3u) << large;
  EXPECT_EQ(small["levels"].size(), 1u) << small;
  imgop({"convert", "--in", at("scans/day1/large.tif"), "--out", at("expected.ome.zarr")});
  EXPECT_EQ(difference(result(run, "images/day1/large.ome.zarr"), at("expected.ome.zarr")), 0);
  // What describes the image, but for its format, is as it was.
  const auto described = [&](const std::string& path) {
    nlohmann::json info = nlohmann::json::parse(imgop({"info", "--json", "--in", path}));
    return nlohmann::json{info["axes"], info["type"], info["channels"]};
  };
  EXPECT_EQ(described(result(run, "images/day1/large.ome.zarr")),
            described(at("scans/day1/large.tif")));
}

}  // namespace
}  // namespace tierhub::test
