// imgop measure and imgop merge-measures.
#include <gtest/gtest.h>

#include "pixels/reader.h"
#include "tests/unit/imaging/program.h"
#include "tests/unit/imaging/volumes.h"

namespace tierhub::imaging {
namespace {

using test::ScratchFolder;

// Labels 3 (a square of 4 x 4) and 9 (a row of 6), three pixels apart, and an image of two
// channels.
class MeasureCommandTest : public testing::Test {
 protected:
  MeasureCommandTest() {
    LabelVolume labels({1, 20, 30});
    GreyVolume first({1, 20, 30}), second({1, 20, 30});
    for (uint64_t i = 0; i < 16; ++i) {
      labels.at(0, 5 + i / 4, 6 + i % 4) = 3;
      first.at(0, 5 + i / 4, 6 + i % 4) = static_cast<uint16_t>(10 + i);
      second.at(0, 5 + i / 4, 6 + i % 4) = static_cast<uint16_t>(200 - 2 * i);
    }
    for (uint64_t x = 12; x < 18; ++x) {
      labels.at(0, 7, x) = 9;
      first.at(0, 7, x) = static_cast<uint16_t>(x % 2 == 0 ? 40 : 50);
      second.at(0, 7, x) = 7;
    }
    write_volume(folder / "labels.zarr", labels, {1, 20, 30});
    write_channels(folder, "image.zarr", {first, second});
  }

  Outcome run(const std::string& arguments) const {
    return imgop(fmt::format(fmt::runtime(arguments), fmt::arg("labels", folder / "labels.zarr"),
                             fmt::arg("image", folder / "image.zarr"),
                             fmt::arg("dir", folder.path())));
  }
  std::string table() const { return test::read_bytes(folder / "t.csv"); }

  const ScratchFolder folder;
};

TEST_F(MeasureCommandTest, MeasuresLabelsWithoutAnImage) {
  const Outcome outcome = run("measure --labels {labels} --table {dir}/t.csv");
  ASSERT_EQ(outcome.exit_code, 0) << outcome.text;
  EXPECT_EQ(outcome.text,
            "report: t.csv: 2 objects in labels.zarr, level 0, t 0, c 0, z 0\n2 objects\n");
  EXPECT_EQ(table(),
            "file,well,field,t,c,label,area_px,centroid_y_px,centroid_x_px,begin_y_px,end_y_px,"
            "begin_x_px,end_x_px\n"
            "labels.zarr,,,0,0,3,16,6.500,7.500,5,9,6,10\n"
            "labels.zarr,,,0,0,9,6,7.000,14.500,7,8,12,18\n");
}

TEST_F(MeasureCommandTest, MeasuresShapeIntensitiesNeighboursAndColocalisation) {
  const Outcome outcome =
      run("measure --labels {labels} --in {image} --select c=0 --with {image}:b_ --with-select c=1 "
          "--shape --neighbours 3 --colocalisation --threshold-1 15 --threshold-2 180 "
          "--table {dir}/t.csv");
  ASSERT_EQ(outcome.exit_code, 0) << outcome.text;
  // Of the square: the second channel falls as the first one rises. Of its sum above 15, 205, 70
  // lie where the second is above 180; of the second's, 1910, 740 where the first is above 15.
  EXPECT_EQ(
      table(),
      "file,well,field,t,c,label,area_px,centroid_z_px,centroid_y_px,centroid_x_px,begin_z_px,"
      "end_z_px,begin_y_px,end_y_px,begin_x_px,end_x_px,perimeter_px,equivalent_diameter_px,"
      "major_axis_px,minor_axis_px,eccentricity,orientation_deg,form_factor,extent,intensity_sum,"
      "intensity_mean,intensity_min,intensity_max,intensity_median,intensity_sd,b_intensity_sum,"
      "b_intensity_mean,b_intensity_min,b_intensity_max,b_intensity_median,b_intensity_sd,"
      "b_pearson,b_manders_1,b_manders_2,neighbours,nearest_label,nearest_distance_px\n"
      "image.zarr,,,0,0,3,16,0.000,6.500,7.500,0,1,5,9,6,10,14.0582,4.51352,4.47214,4.47214,0,"
      "-45,1.01735,1,280,17.5,10,25,17.5,4.60977,2960,185,170,200,185,9.21954,-1,0.341463,0.387435,"
      "1,9,3\n"
      "image.zarr,,,0,0,9,6,0.000,7.000,14.500,0,1,7,8,12,18,12.1621,2.76395,6.8313,0,1,90,"
      "0.509733,1,270,45,40,50,45,5,42,7,7,7,7,0,,0,,1,3,3\n");
}

TEST_F(MeasureCommandTest, GivesTheSameInBlocks) {
  const std::string what =
      " --labels {labels} --in {image} --with {image}:b_ --with-select c=1 --shape --neighbours 4 "
      "--colocalisation";
  ASSERT_EQ(run("measure --select c=0 --table {dir}/t.csv" + what).exit_code, 0);
  const char* const boxes[] = {"c=0,z=0:1,y=0:7,x=0:14", "c=0,z=0:1,y=0:7,x=14:30",
                               "c=0,z=0:1,y=7:20,x=0:14", "c=0,z=0:1,y=7:20,x=14:30"};
  for (int i = 0; i < 4; ++i) {
    const Outcome block = run(
        fmt::format("measure --box {} --halo y=4,x=4 --out {{dir}}/s/{}.sums", boxes[i], i) + what);
    ASSERT_EQ(block.exit_code, 0) << block.text;
    EXPECT_EQ(block.text, "");
  }
  const Outcome merged = run("merge-measures --in {dir}/s --table {dir}/m.csv");
  ASSERT_EQ(merged.exit_code, 0) << merged.text;
  EXPECT_NE(merged.text.find("report: m.csv: 2 objects in image.zarr"), std::string::npos);
  EXPECT_EQ(test::read_bytes(folder / "m.csv"), table());
}

TEST_F(MeasureCommandTest, RefusesBlocksThatDoNotBelongTogether) {
  const std::string part =
      "measure --labels {labels} --box y=0:10,x=0:30,z=0:1 --out {dir}/s/1.sums";
  ASSERT_EQ(run(part).exit_code, 0);
  const Outcome gap = run("merge-measures --in {dir}/s --table {dir}/t.csv");
  EXPECT_EQ(gap.exit_code, 1);
  EXPECT_NE(gap.text.find("use --select to name the part"), std::string::npos) << gap.text;
  EXPECT_EQ(run("merge-measures --in {dir}/s --select y=0:10 --table {dir}/t.csv").exit_code, 0);
  EXPECT_NE(table().find(",3,16,"), std::string::npos);
  ASSERT_EQ(run("measure --labels {labels} --shape --halo y=1,x=1 --box y=10:20,x=0:30,z=0:1 "
                "--out {dir}/s/2.sums")
                .exit_code,
            0);
  const Outcome other = run("merge-measures --in {dir}/s --table {dir}/t.csv");
  EXPECT_EQ(other.exit_code, 1);
  EXPECT_NE(other.text.find("2.sums does not fit"), std::string::npos) << other.text;
  const std::string sums = test::read_bytes(folder / "s/1.sums");
  folder.write("cut/1.sums", sums.substr(0, sums.size() - 9));
  const Outcome cut = run("merge-measures --in {dir}/cut --table {dir}/t.csv");
  EXPECT_EQ(cut.exit_code, 1);
  EXPECT_NE(cut.text.find("1.sums is truncated or damaged"), std::string::npos) << cut.text;
  folder.write("no/1.sums", "area\n1\n");
  EXPECT_NE(run("merge-measures --in {dir}/no --table {dir}/t.csv")
                .text.find("is not a file of sums that imgop measure wrote"),
            std::string::npos);
  EXPECT_NE(run("merge-measures --in {dir}/out --table {dir}/t.csv").text.find("imgop: "),
            std::string::npos);
}

TEST_F(MeasureCommandTest, SaysWhatIsWrong) {
  const auto text = [this](const std::string& arguments) {
    const Outcome outcome = run(arguments + " --table {dir}/x.csv");
    EXPECT_NE(outcome.exit_code, 0) << arguments;
    return outcome.text;
  };
  const auto expect = [&](const std::string& arguments, const std::string& words) {
    const std::string found = text(arguments);
    EXPECT_NE(found.find(words), std::string::npos) << arguments << "\n" << found;
  };
  expect("measure --labels {dir}/none.zarr", "none.zarr");
  expect("measure --labels {labels} --in {image}", "say which with --select c=0");
  expect("measure --labels {labels} --in {image} --select c=0 --with {image}:b_",
         "say which with --with-select c=0");
  expect("measure --labels {labels} --in {image} --select c=0 --with {image}",
         "--with must be IMAGE:PREFIX");
  expect("measure --labels {labels} --colocalisation", "--with");
  expect("measure --labels {labels} --neighbours far", "--neighbours far: use pixels");
  expect("measure --labels {labels} --neighbours 3um", "give --neighbours in pixels");
  expect("measure --labels {labels} --neighbours 1001", "between 0 and 1000");
  expect("measure --labels {labels} --box z=0:1,y=0:5,x=0:5", "a box needs --out");
  write_volume(folder / "small.zarr", GreyVolume({1, 10, 12}));
  expect("measure --labels {labels} --in {dir}/small.zarr",
         "small.zarr is z=1,y=10,x=12, and the labels in");
  expect("measure --labels {labels} --in {image} --select c=0 --with {dir}/small.zarr:b_",
         "small.zarr is z=1,y=10,x=12, and the labels in");
  const Outcome halo =
      run("measure --labels {labels} --neighbours 5 --box z=0:1,y=0:5,x=0:5 --halo y=4,x=4 --out "
          "{dir}/x.sums");
  EXPECT_EQ(halo.exit_code, 1);
  EXPECT_NE(halo.text.find("the halo z=0,y=4,x=4 is too small: blocks are exact only from "
                           "z=0,y=5,x=5 on"),
            std::string::npos)
      << halo.text;
}

TEST_F(MeasureCommandTest, TakesNoLabelsAndLabelsOfAPart) {
  LabelVolume none({1, 20, 30});
  write_volume(folder / "none.zarr", none, {1, 20, 30});
  ASSERT_EQ(
      run("measure --labels {dir}/none.zarr --shape --neighbours 2 --table {dir}/t.csv").exit_code,
      0);
  EXPECT_EQ(table().find('\n') + 1, table().size());
  // imgop's own, of a part of the image.
  ASSERT_EQ(run("segment --sigma 0 --threshold 5 --in {image} --select c=0,y=4:12 --out "
                "{dir}/own.zarr --table {dir}/own.csv")
                .exit_code,
            0);
  ASSERT_EQ(run("measure --labels {dir}/own.zarr --in {image} --select c=0 --table {dir}/t.csv")
                .exit_code,
            0);
  const std::string own = test::read_bytes(folder / "own.csv");
  const std::string row = own.substr(own.find('\n') + 1);
  EXPECT_NE(table().find(row.substr(0, row.find('\n'))), std::string::npos) << table() << own;
  const Outcome outside =
      run("measure --labels {dir}/own.zarr --in {image} --select c=0,y=15:20 --table {dir}/t.csv");
  EXPECT_EQ(outside.exit_code, 1);
  EXPECT_NE(outside.text.find("and nothing of"), std::string::npos) << outside.text;
}

}  // namespace
}  // namespace tierhub::imaging
