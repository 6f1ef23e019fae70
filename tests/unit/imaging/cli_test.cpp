// The program itself: its exit codes, and the workflow as the design writes it.
#include <cstdio>

#include <sys/wait.h>

#include <gtest/gtest.h>

#include "imaging/synth.h"
#include "tests/unit/imaging/volumes.h"

namespace tierhub::imaging {
namespace {

using testing::ScratchFolder;

struct Outcome {
  int exit_code;
  std::string text;  // stdout and stderr
};

Outcome imgop(const std::string& arguments) {
  const std::string command = std::string(IMGOP_PATH) + " " + arguments + " 2>&1";
  FILE* pipe = ::popen(command.c_str(), "r");
  std::string text;
  char buffer[4096];
  for (size_t n = 0; (n = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;) text.append(buffer, n);
  const int status = ::pclose(pipe);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, text};
}

TEST(Imgop, ExitsWithTwoOnWrongUse) {
  EXPECT_EQ(imgop("").exit_code, 2);
  EXPECT_EQ(imgop("paint").exit_code, 2);
  EXPECT_EQ(imgop("segment --in x").exit_code, 2);
  EXPECT_EQ(imgop("segment --in x --out y --box z=0:1,y=0 --threshold 1").exit_code, 2);
  EXPECT_EQ(imgop("segment --in x --out y --sigma -1").exit_code, 2);
  EXPECT_EQ(imgop("segment --in x --out y --connectivity some").exit_code, 2);
  const Outcome outcome = imgop("segment --in x --out y --box z=0:1,y=0:1,x=0:1");
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_NE(outcome.text.find("a box needs --threshold"), std::string::npos) << outcome.text;
}

TEST(Imgop, ExplainsItselfWithAnExample) {
  for (const char* command : {"", "info ", "synth ", "histogram ", "threshold ", "segment ",
                              "merge-labels ", "project "}) {
    const Outcome outcome = imgop(std::string(command) + "--help");
    EXPECT_EQ(outcome.exit_code, 0);
    EXPECT_NE(outcome.text.find(std::string("  imgop ") + command), std::string::npos) << command;
  }
}

TEST(Imgop, FailsWithOneSentenceAndLeavesNothing) {
  const ScratchFolder folder;
  testing::TiffBuilder builder;
  builder.add_page(64, 64, 16);
  builder.add_page(64, 64, 16);
  folder.write("in/cut.tif", builder.bytes().substr(0, builder.bytes().size() / 2));
  for (const std::string& path : {folder / "in/cut.tif", folder / "in/none.tif", folder / "in"}) {
    const Outcome outcome = imgop("segment --in " + path + " --out " + (folder / "out/l.zarr") +
                                  " --table " + (folder / "out/t.csv"));
    EXPECT_EQ(outcome.exit_code, 1);
    EXPECT_EQ(std::count(outcome.text.begin(), outcome.text.end(), '\n'), 1) << outcome.text;
  }
  EXPECT_TRUE(!std::filesystem::exists(folder / "out") ||
              std::filesystem::is_empty(folder / "out"));
}

TEST(Imgop, RunsTheWorkflowAsWellInBlocksAsAtOnce) {
  const ScratchFolder folder;
  const std::string image = folder / "vol.ome.zarr";
  ASSERT_EQ(
      imgop("synth --nuclei 6 --shape 24,64,80 --touching 0 --seed 2 --out " + image).exit_code, 0);
  const auto boxes = must(formats::tile(whole_box({24, 64, 80}), {16, 40, 80}));
  const std::string halo = " --halo z=8,y=16,x=16 ";
  const auto run = [](const std::string& arguments) {
    const Outcome outcome = imgop(arguments);
    EXPECT_EQ(outcome.exit_code, 0) << arguments << "\n" << outcome.text;
  };
  const std::string work = folder / "work";
  for (size_t i = 0; i < boxes.size(); ++i) {
    run(fmt::format("histogram --sigma 2 --in {} --box {} {} --out {}/histogram/{}.json", image,
                    formats::to_text(boxes[i]), halo, work, i));
  }
  run(fmt::format("threshold --otsu {0}/histogram --out {0}/threshold.json", work));
  for (size_t i = 0; i < boxes.size(); ++i) {
    run(
        fmt::format("segment --sigma 2 --threshold @{2}/threshold.json --in {0} --box {1} {3} "
                    "--out {2}/labels/{4}.zarr",
                    image, formats::to_text(boxes[i]), work, halo, i));
  }
  run(fmt::format("merge-labels --in {0}/labels --table {0}/objects.csv --out {0}/labels.ome.zarr",
                  work));
  run(fmt::format("segment --sigma 2 --in {0} --out {1}/whole.zarr --table {1}/whole.csv", image,
                  work));
  EXPECT_EQ(files_below(work + "/labels.ome.zarr"), files_below(work + "/whole.zarr"));
  EXPECT_EQ(testing::read_bytes(work + "/objects.csv"), testing::read_bytes(work + "/whole.csv"));
  run(fmt::format("merge-labels --in {0}/whole.zarr --out {0}/again.zarr", work));
  EXPECT_EQ(files_below(work + "/again.zarr"), files_below(work + "/whole.zarr"));
  run(fmt::format("project --in {} --labels {}/whole.zarr --out {}/picture.png", image, work,
                  work));
  EXPECT_EQ(testing::read_bytes(work + "/picture.png").substr(1, 3), "PNG");
  const Outcome wrong_sigma = imgop(fmt::format(
      "segment --sigma 1 --threshold @{0}/threshold.json --in {1} --out {0}/x.zarr", work, image));
  EXPECT_EQ(wrong_sigma.exit_code, 1);
  EXPECT_NE(wrong_sigma.text.find("--sigma 2"), std::string::npos);
}

TEST(Imgop, PrintsWhatADatasetIs) {
  const ScratchFolder folder;
  write_volume(folder / "a.zarr", GreyVolume({3, 20, 30}));
  const Outcome outcome = imgop("info --json --in " + (folder / "a.zarr"));
  EXPECT_EQ(outcome.exit_code, 0);
  const auto json = formats::Json::parse(outcome.text);
  EXPECT_EQ(json["axes"], "zyx");
  EXPECT_EQ(json["type"], "uint16");
  EXPECT_EQ(json["levels"][0]["shape"], (std::vector<int>{3, 20, 30}));
  EXPECT_EQ(json["levels"][0]["chunk"], (std::vector<int>{3, 8, 8}));
}

}  // namespace
}  // namespace tierhub::imaging
