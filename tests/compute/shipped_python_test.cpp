// The shipped workflows whose steps are Python programs.
#include <algorithm>
#include <filesystem>

#include "tests/compute/shipped_fixture.h"

namespace tierhub::test {
namespace {
namespace fs = std::filesystem;

TEST_F(Shipped, APythonProgramMeasuresTheObjectsOfEachFile) {
  fs::create_directories(at("plate7/day1"));
  for (const char* name : {"a", "b"}) {
    make_nuclei("made.ome.zarr", "160,170", *name == 'a' ? "1" : "2");
    imgop({"convert", "--in", at("made.ome.zarr"), "--out", at("made.ome.tif")});
    fs::rename(at("made.ome.tif"), at(std::string("plate7/day1/") + name + ".tif"));
  }
  start_agent({"--allow-root"});
  const EndedRun run =
      drop_and_wait("python", shipped("python-files.yaml", "{images: plate7/**/*.tif}"));
  ASSERT_EQ(run.ending, "done") << run.report << run.log;
  const std::string objects = read_text(result(run, "objects.csv"));
  EXPECT_EQ(objects.rfind("file,label,area_px,solidity,intensity_mean\nday1/a,1,", 0), 0u)
      << objects;
  // Its own threshold and labels: what imgop finds with the same sigma.
  imgop({"segment", "--sigma", "2", "--in", at("plate7/day1/a.tif"), "--out", at("a.zarr"),
         "--table", at("a.csv")});
  const std::string ours = read_text(at("a.csv"));
  const auto rows = std::count(ours.begin(), ours.end(), '\n') - 1;
  EXPECT_NE(run.report.find("day1/a: " + std::to_string(rows) + " objects"), std::string::npos)
      << run.report;
  const std::string images = read_text(result(run, "images.csv"));
  EXPECT_EQ(std::count(images.begin(), images.end(), '\n'), 3) << images;
}

TEST_F(Shipped, APythonProgramFindsTheSpotsOfBlocksThatItFindsInTheWhole) {
  make_nuclei("scan.ome.zarr", "24,140,150", "4");
  start_agent({"--allow-root"});
  std::vector<std::string> tables;
  for (const char* size : {"block_z: 16, block_yx: 64", "block_z: 24, block_yx: 150"}) {
    const EndedRun run = drop_and_wait(
        "spots" + std::to_string(tables.size()),
        shipped("python-blocks.yaml", std::string("{image: scan.ome.zarr, ") + size + "}"));
    ASSERT_EQ(run.ending, "done") << run.report << run.log;
    const std::string spots = result(run, "spots.csv");
    tables.push_back(run_command({"sort", spots}).out);
  }
  EXPECT_EQ(tables[0], tables[1]);
  EXPECT_GT(std::count(tables[0].begin(), tables[0].end(), '\n'), 20) << tables[0];
}

}  // namespace
}  // namespace tierhub::test
