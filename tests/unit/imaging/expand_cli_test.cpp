// imgop expand and imgop ring.
#include <gtest/gtest.h>

#include "tests/unit/imaging/program.h"
#include "tests/unit/imaging/volumes.h"

namespace tierhub::imaging {
namespace {

using test::ScratchFolder;

std::string last_line(const std::string& path) {
  std::string text = test::read_bytes(path);
  text.pop_back();
  return text.substr(text.rfind('\n') + 1);
}

// Two nuclei, 3 and 7, and an image that is bright in the right half.
class ExpandCommand : public testing::Test {
 protected:
  ExpandCommand() {
    LabelVolume labels({1, 30, 60});
    labels.at(0, 15, 29) = 3;
    labels.at(0, 15, 40) = 7;
    write_volume(folder / "nuclei.zarr", labels, {1, 30, 60});
    GreyVolume image({1, 30, 60});
    for (uint64_t y = 0; y < 30; ++y)
      for (uint64_t x = 0; x < 60; ++x) image.at(0, y, x) = x < 30 ? 10 : 100;
    write_channels(folder, "image.zarr", {GreyVolume({1, 30, 60}), image});
  }

  Outcome run(const std::string& arguments) {
    const auto with = [&](std::string text, const std::string& name, const std::string& path) {
      for (size_t at; (at = text.find(name)) != std::string::npos;)
        text.replace(at, name.size(), path);
      return text;
    };
    std::string text = with(arguments, "DIR", folder.path());
    text = with(text, "NUCLEI", folder / "nuclei.zarr");
    text = with(text, "IMAGE", folder / "image.zarr");
    return imgop(with(text, "OUT", folder / "out"));
  }

  const ScratchFolder folder;
};

TEST_F(ExpandCommand, WritesLabelsAndATableWithTheNumbersOfTheNuclei) {
  const Outcome outcome = run("expand --distance 2 --labels NUCLEI --out OUT.zarr --table OUT.csv");
  ASSERT_EQ(outcome.exit_code, 0) << outcome.text;
  EXPECT_NE(outcome.text.find("report: out.csv: 2 objects in nuclei.zarr, level 0, t 0, c 0, z 0; "
                              "expanded by 2\n2 objects\n"),
            std::string::npos)
      << outcome.text;
  EXPECT_EQ(test::read_bytes(folder / "out.csv"),
            "file,well,field,t,c,label,area_px,centroid_y_px,centroid_x_px,begin_y_px,end_y_px,"
            "begin_x_px,end_x_px\n"
            "nuclei.zarr,,,0,0,3,13,15.000,29.000,13,18,27,32\n"
            "nuclei.zarr,,,0,0,7,13,15.000,40.000,13,18,38,43\n");
}

TEST_F(ExpandCommand, StaysWhereTheImageIsBright) {
  const Outcome outcome =
      run("expand --distance 2 --labels NUCLEI --in IMAGE --select c=1 --threshold 50 "
          "--out OUT.zarr --table OUT.csv");
  ASSERT_EQ(outcome.exit_code, 0) << outcome.text;
  const std::string table = test::read_bytes(folder / "out.csv");
  // The nucleus itself stays, though it lies in the dark.
  EXPECT_NE(table.find("\nimage.zarr,,,0,1,3,5,"), std::string::npos) << table;
  EXPECT_NE(table.find(",29,32,410,82\n"), std::string::npos) << table;
  EXPECT_TRUE(last_line(folder / "out.csv").starts_with("image.zarr,,,0,1,7,13,")) << table;
}

TEST_F(ExpandCommand, MakesRings) {
  const Outcome outcome =
      run("ring --from 1 --to 2 --labels NUCLEI --in IMAGE --select c=1 --out OUT.zarr --table "
          "OUT.csv");
  ASSERT_EQ(outcome.exit_code, 0) << outcome.text;
  EXPECT_NE(outcome.text.find("; ring from 1 to 2"), std::string::npos) << outcome.text;
  EXPECT_EQ(last_line(folder / "out.csv"),
            "image.zarr,,,0,1,7,8,0.000,15.000,40.000,0,1,13,18,38,43,800,100");
  EXPECT_EQ(run("expand --distance 1 --labels OUT.zarr --out OUT2.zarr").exit_code, 0);
}

TEST_F(ExpandCommand, WorksOnBlocks) {
  ASSERT_EQ(
      run("ring --to 3 --labels NUCLEI --in IMAGE --select c=1 --out OUT.zarr --table OUT.csv")
          .exit_code,
      0);
  for (const char* x : {"0:31", "31:60"}) {
    const std::string box = std::string("t=0,c=1,z=0:1,y=0:30,x=") + x;
    const Outcome outcome = run("ring --to 3 --labels NUCLEI --in IMAGE --box " + box +
                                " --halo y=3,x=3 --out OUT-blocks/" + x + ".zarr");
    ASSERT_EQ(outcome.exit_code, 0) << outcome.text;
  }
  const Outcome merged =
      run("merge-labels --in OUT-blocks --select c=1 --out OUT-merged.zarr --table OUT-merged.csv");
  ASSERT_EQ(merged.exit_code, 0) << merged.text;
  EXPECT_EQ(files_below(folder / "out-merged.zarr"), files_below(folder / "out.zarr"));
  EXPECT_EQ(test::read_bytes(folder / "out-merged.csv"), test::read_bytes(folder / "out.csv"));
}

TEST_F(ExpandCommand, TakesMicrometres) {
  LabelVolume labels({3, 9, 9});
  labels.at(1, 4, 4) = 1;
  write_volume(folder / "scaled.zarr", labels, {3, 9, 9}, {2, 0.5, 0.5});
  const Outcome outcome =
      run("expand --distance 1um --labels DIR/scaled.zarr --out OUT.zarr "
          "--table OUT.csv");
  // The tests' writer leaves the unit out.
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_NE(outcome.text.find("does not say how large a voxel is: give --distance in pixels"),
            std::string::npos)
      << outcome.text;
  ASSERT_EQ(
      run("expand --distance 2 --labels DIR/scaled.zarr --out OUT.zarr --table OUT.csv").exit_code,
      0);
  // A disc in the plane: the planes above and below are four voxels away.
  EXPECT_NE(last_line(folder / "out.csv").find(",1,13,"), std::string::npos);
}

TEST_F(ExpandCommand, SaysWhatIsWrong) {
  const struct {
    const char* arguments;
    int exit_code;
    const char* words;
  } kCases[] = {
      {"expand --labels NUCLEI --out OUT.zarr", 2, "--distance is required"},
      {"expand --distance 2 --labels NUCLEI --out OUT.zarr --threshold 5", 2, "--in"},
      {"expand --distance 2 --labels NUCLEI --out OUT.zarr --box z=0:1,y=0:9,x=0:9 --table OUT.csv",
       2, "let imgop merge-labels do this"},
      {"expand --distance 2 --labels NUCLEI --out OUT.zarr --box z=0:1,y=0:9,x=0:9 --halo y=1,x=2",
       1, "the halo z=0,y=1,x=2 is too small: blocks are exact only from z=0,y=2,x=2 on"},
      {"expand --distance 2 --labels NUCLEI --out OUT.zarr --box z=0:1,y=0:31,x=0:9", 1, "covers"},
      {"expand --distance two --labels NUCLEI --out OUT.zarr", 1, "use pixels, such as 24, or"},
      {"expand --distance -1 --labels NUCLEI --out OUT.zarr", 1, "between 0 and 1000"},
      {"ring --from 3 --to 2 --labels NUCLEI --out OUT.zarr", 1, "must begin between 0 and"},
      {"expand --distance 2 --labels NUCLEI --in IMAGE --out OUT.zarr", 1, "say which with"},
      {"expand --distance 2 --labels IMAGE --out OUT.zarr", 1, "2 channels"},
      {"expand --distance 2 --labels OUT.none --out OUT.zarr", 1, "out.none"},
  };
  for (const auto& [arguments, exit_code, words] : kCases) {
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.exit_code, exit_code) << arguments << "\n" << outcome.text;
    EXPECT_NE(outcome.text.find(words), std::string::npos) << arguments << "\n" << outcome.text;
  }
  write_volume(folder / "small.zarr", GreyVolume({1, 20, 60}), {1, 20, 60});
  const Outcome outcome =
      run("expand --distance 2 --labels NUCLEI --in DIR/small.zarr --out OUT.zarr");
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_NE(outcome.text.find("they must be of the same size"), std::string::npos) << outcome.text;
}

}  // namespace
}  // namespace tierhub::imaging
