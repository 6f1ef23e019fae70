// imgop relate, imgop filter-labels and imgop segment --high.
#include <gtest/gtest.h>

#include "imaging/tables/condition.h"
#include "imaging/tables/csv.h"
#include "tests/unit/imaging/program.h"
#include "tests/unit/imaging/volumes.h"

namespace tierhub::imaging {
namespace {

using test::ScratchFolder;

void draw(LabelVolume& labels, uint64_t y, uint64_t x, uint64_t side, uint32_t label) {
  for (uint64_t i = 0; i < side * side; ++i) labels.at(0, y + i / side, x + i % side) = label;
}

// Cells 1 and 2 of 100 pixels, cell 3 of 25; two spots in cell 1, one that reaches beyond cell 2,
// one in none.
class RelateCommands : public testing::Test {
 protected:
  RelateCommands() {
    LabelVolume cells({1, 30, 40}), spots({1, 30, 40});
    draw(cells, 2, 2, 10, 1);
    draw(cells, 2, 20, 10, 2);
    draw(cells, 20, 20, 5, 3);
    draw(spots, 3, 3, 2, 1);
    draw(spots, 8, 8, 1, 2);
    draw(spots, 10, 20, 4, 3);
    draw(spots, 28, 1, 1, 4);
    write_volume(folder / "cells.zarr", cells, {1, 30, 40});
    write_volume(folder / "spots.zarr", spots, {1, 30, 40});
  }

  Outcome run(std::string arguments) const {
    for (size_t at; (at = arguments.find("DIR")) != std::string::npos;)
      arguments.replace(at, 3, folder.path());
    return imgop(arguments);
  }
  std::string text(const std::string& name) const { return test::read_bytes(folder / name); }

  const ScratchFolder folder;
};

TEST_F(RelateCommands, CountsSpotsInCells) {
  const Outcome outcome =
      run("relate --children DIR/spots.zarr --parents DIR/cells.zarr --name "
          "spots --table DIR/spots.csv --summary DIR/cells.csv");
  ASSERT_EQ(outcome.exit_code, 0) << outcome.text;
  EXPECT_EQ(outcome.text, "report: cells.csv: 3 of 4 spots lie in 2 of 3 parents\n");
  const Table spots = must(read_csv(folder / "spots.csv"));
  const Table cells = must(read_csv(folder / "cells.csv"));
  const auto cell = [](const Table& table, size_t row, const char* column) {
    return std::string(table.cell(row, *table.find(column)));
  };
  ASSERT_EQ(spots.rows(), 4u);
  EXPECT_EQ(cell(spots, 1, "parent"), "1");
  EXPECT_EQ(cell(spots, 1, "parent_share"), "1");
  EXPECT_EQ(cell(spots, 2, "parent"), "2");
  EXPECT_EQ(cell(spots, 2, "parent_share"), "0.5");
  EXPECT_EQ(cell(spots, 3, "parent"), "0");
  ASSERT_EQ(cells.rows(), 3u);
  EXPECT_EQ(cell(cells, 0, "spots_count"), "2");
  EXPECT_EQ(cell(cells, 0, "spots_area_px_sum"), "5");
  EXPECT_EQ(cell(cells, 0, "spots_area_px_mean"), "2.5");
  EXPECT_EQ(cell(cells, 1, "spots_area_px_sum"), "16");
  EXPECT_EQ(cell(cells, 2, "spots_count"), "0");
  EXPECT_EQ(cell(cells, 2, "spots_area_px_mean"), "");
}

TEST_F(RelateCommands, RefusesLabelsOfOtherImages) {
  write_volume(folder / "other.zarr", LabelVolume({1, 30, 41}), {1, 30, 41});
  const Outcome outcome =
      run("relate --children DIR/spots.zarr --parents DIR/other.zarr --table DIR/t.csv");
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_NE(outcome.text.find("must be of the same size"), std::string::npos) << outcome.text;
  EXPECT_EQ(run("relate --children DIR/spots.zarr --parents DIR/cells.zarr").exit_code, 2);
}

TEST_F(RelateCommands, KeepsObjectsOfWhichATableSaysSo) {
  ASSERT_EQ(run("relate --children DIR/spots.zarr --parents DIR/cells.zarr --name spots --summary "
                "DIR/cells.csv")
                .exit_code,
            0);
  const Outcome outcome =
      run("filter-labels --labels DIR/cells.zarr --in DIR/cells.csv --where "
          "\"area_px < 100\" --out DIR/small.zarr --table DIR/small.csv");
  ASSERT_EQ(outcome.exit_code, 0) << outcome.text;
  EXPECT_NE(outcome.text.find("; where area_px < 100\n1 of 3 objects kept\n"), std::string::npos)
      << outcome.text;
  const ImageReader small = must(ImageReader::open(folder / "small.zarr"));
  const LabelVolume labels = must(small.read_labels(whole_box({1, 30, 40})));
  EXPECT_EQ(std::count(labels.voxels.begin(), labels.voxels.end(), 1u), 25);
  EXPECT_EQ(std::count(labels.voxels.begin(), labels.voxels.end(), 0u), 30 * 40 - 25);
  EXPECT_EQ(text("small.csv").substr(text("small.csv").find('\n') + 1),
            "cells.zarr,,,0,0,1,25,22.000,22.000,20,25,20,25,0,0,\n");

  ASSERT_EQ(run("filter-labels --labels DIR/cells.zarr --in DIR/cells.csv --where \"area_px>=25\" "
                "--where spots_count!=2 --keep-numbers --out DIR/some.zarr --table DIR/some.csv")
                .exit_code,
            0);
  const Table some = must(read_csv(folder / "some.csv"));
  ASSERT_EQ(some.rows(), 2u);
  EXPECT_EQ(some.cell(1, *some.find("label")), "3");
  // What is written can be filtered again, by its own table.
  const Outcome none =
      run("filter-labels --labels DIR/some.zarr --in DIR/some.csv --where "
          "\"area_px > 1000\" --out DIR/none.zarr --table DIR/none.csv");
  EXPECT_EQ(none.exit_code, 0) << none.text;
  EXPECT_NE(none.text.find("0 of 2 objects kept"), std::string::npos) << none.text;
  EXPECT_EQ(must(read_csv(folder / "none.csv")).rows(), 0u);
}

TEST_F(RelateCommands, RefusesTablesThatDoNotFit) {
  folder.write("twice.csv", "label,area_px\n1,5\n1,6\n");
  folder.write("more.csv", "label,area_px\n4,5\n");
  folder.write("text.csv", "label,area_px\n1,five\n");
  const struct {
    const char* table;
    const char* where;
    int exit_code;
    const char* words;
  } kCases[] = {{"twice", "area_px > 1", 1, "line 3: label 1 appears twice"},
                {"more", "area_px > 1", 1, "line 2: label 4 is not in"},
                {"text", "area_px > 1", 1, "\"five\", which is not a number"},
                {"more", "volume > 1", 1, "has no column volume: its columns are label, area_px"},
                {"more", "area_px 1", 2, "write a column, one of < <= > >= = !=, and a number"},
                {"more", "area_px > five", 2, "write a column, one of < <= > >= = !=, and"}};
  for (const auto& [table, where, exit_code, words] : kCases) {
    const Outcome outcome =
        run(fmt::format("filter-labels --labels DIR/cells.zarr --in DIR/{}.csv --where \"{}\" "
                        "--out DIR/out.zarr",
                        table, where));
    EXPECT_EQ(outcome.exit_code, exit_code) << outcome.text;
    EXPECT_NE(outcome.text.find(words), std::string::npos) << outcome.text;
  }
}

TEST_F(RelateCommands, SegmentKeepsObjectsWithABrightVoxel) {
  GreyVolume image({1, 10, 20});
  image.at(0, 2, 2) = image.at(0, 2, 3) = 50;
  image.at(0, 7, 12) = 60;
  image.at(0, 7, 13) = 200;
  write_volume(folder / "image.zarr", image, {1, 10, 20});
  const Outcome outcome =
      run("segment --sigma 0 --threshold 40 --high 150 --in DIR/image.zarr "
          "--out DIR/bright.zarr --table DIR/bright.csv");
  ASSERT_EQ(outcome.exit_code, 0) << outcome.text;
  EXPECT_NE(outcome.text.find("1 object in image.zarr, level 0, t 0, c 0, z 0; threshold 40 "
                              "(given), and a voxel above 150\n"),
            std::string::npos)
      << outcome.text;
  const std::string table = text("bright.csv");
  EXPECT_TRUE(table.ends_with(",7,8,12,14,260,130\n")) << table;
}

TEST(Condition, ReadsWhatPeopleWrite) {
  const auto parsed = [](const char* text) { return must(Condition::parse(text)); };
  EXPECT_EQ(parsed("area_um2>=50.5").column, "area_um2");
  EXPECT_EQ(parsed("area_um2>=50.5").sign, Condition::Sign::at_least);
  EXPECT_EQ(parsed("area_um2>=50.5").value, "50.5");
  EXPECT_EQ(parsed("  mean area <  -3 ").column, "mean area");
  EXPECT_EQ(parsed("  mean area <  -3 ").value, "-3");
  EXPECT_EQ(parsed("well = A1").value, "A1");
  for (const char* wrong : {"", "area", "area >", "> 5", "area => 5", "area < x", "area ! 5"})
    EXPECT_FALSE(Condition::parse(wrong)) << wrong;
}

TEST(Condition, MissingValuesFulfilNone) {
  const Table table = must(parse_csv("a,b\n1,x\n,y\nnan,x\n2,\n", "t.csv"));
  const auto rows = [&](const char* text) {
    return must(rows_where(table, {must(Condition::parse(text))}));
  };
  EXPECT_EQ(rows("a <= 1"), (std::vector{true, false, false, false}));
  EXPECT_EQ(rows("a != 1"), (std::vector{false, false, false, true}));
  EXPECT_EQ(rows("b != x"), (std::vector{false, true, false, false}));
  EXPECT_EQ(rows("b = x"), (std::vector{true, false, true, false}));
}

}  // namespace
}  // namespace tierhub::imaging
