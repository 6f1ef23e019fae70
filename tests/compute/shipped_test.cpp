// The workflows that find nuclei, as they are shipped.
#include <algorithm>
#include <filesystem>

#include "tests/compute/shipped_fixture.h"

namespace tierhub::test {
namespace {
namespace fs = std::filesystem;

TEST_F(Shipped, NucleiInBlocksAreThoseOfTheWholeVolume) {
  make_nuclei("scan.ome.zarr", "24,140,150", "4");
  start_agent({"--allow-root"});
  const EndedRun run = drop_and_wait(
      "nuclei", shipped("nuclei-blocks.yaml", "{image: scan.ome.zarr, block_z: 16, block_yx: 70}"));
  ASSERT_EQ(run.ending, "done") << run.report << run.log;
  imgop({"nuclei", "--diameter", "24", "--in", at("scan.ome.zarr"), "--out", at("nuclei.ome.zarr"),
         "--table", at("nuclei.csv")});
  EXPECT_EQ(read_text(result(run, "nuclei.csv")), read_text(at("nuclei.csv")));
  EXPECT_EQ(difference(result(run, "nuclei.ome.zarr"), at("nuclei.ome.zarr")), 0);
  EXPECT_NE(run.report.find("nuclei.csv: "), std::string::npos) << run.report;
  EXPECT_NE(run.report.find(" in scan.ome.zarr, level 0, t 0, c 0, z 0-23; diameter 24"),
            std::string::npos)
      << run.report;
}

TEST_F(Shipped, NucleiOfFilesHaveATableEachAndOneOfAll) {
  fs::create_directories(at("plate7/day1"));
  for (const char* name : {"a", "b"}) {
    make_nuclei("made.ome.zarr", "160,170", *name == 'a' ? "1" : "2");
    imgop({"convert", "--in", at("made.ome.zarr"), "--out", at(std::string("made.ome.tif"))});
    fs::rename(at("made.ome.tif"), at(std::string("plate7/day1/") + name + ".tif"));
  }
  start_agent({"--allow-root"});
  const EndedRun run =
      drop_and_wait("files", shipped("nuclei-files.yaml", "{images: plate7/**/*.tif}"));
  ASSERT_EQ(run.ending, "done") << run.report << run.log;
  const auto lines = [&](const std::string& name) {
    const std::string text = read_text(result(run, name));
    return std::count(text.begin(), text.end(), '\n');
  };
  EXPECT_GT(lines("tables/day1/a.csv"), 5);
  EXPECT_EQ(lines("nuclei.csv") - 1, lines("tables/day1/a.csv") + lines("tables/day1/b.csv") - 2);
  EXPECT_EQ(lines("images.csv"), 3);
  EXPECT_TRUE(fs::exists(result(run, "labels/day1/b.ome.zarr/0/.zarray")));
}

TEST_F(Shipped, AWholeWithAHoleIsRefusedWhereTheRunCarriesOn) {
  make_nuclei("scan.ome.zarr", "24,140,150", "4");
  start_agent({"--allow-root"});
  const EndedRun run = drop_and_wait("blocks", R"yaml(workflow: blocks
on_error: continue
input: {dataset: scan.ome.zarr}
scatter: {by: block, size: {y: 70}, halo: {z: 8, y: 16, x: 16}}
steps:
  - id: segment
    run: [sh, -c, 'imgop segment --sigma 2 --threshold 100 --in "$1" --box "$2" --halo "$3" --out "$4"; test {task} = 0000', sh, "{input}", "{box}", "{halo}", "{work}/labels/{task}.zarr"]
  - id: merge
    gather: segment
    run: [imgop, merge-labels, --in, "{work}/labels", --table, "{output}/objects.csv", --out, "{output}/labels.ome.zarr"]
)yaml");
  EXPECT_EQ(run.ending, "failed") << run.report << run.log;
  EXPECT_NE(run.report.find("nothing succeeded: segment: exit code 1"), std::string::npos)
      << run.report;
  EXPECT_NE(run.log.find("merge.0000 | failed: exit code 1"), std::string::npos) << run.log;
  EXPECT_FALSE(fs::exists(at("results/root/blocks/" + run.run)));
}

}  // namespace
}  // namespace tierhub::test
