// Pictures: what is drawn where.
#include <numeric>

#include <gtest/gtest.h>

#include "imaging/pictures/axis.h"
#include "imaging/pictures/heatmap.h"
#include "imaging/pictures/line_plot.h"
#include "imaging/pictures/montage.h"
#include "imaging/pictures/plot.h"
#include "imaging/pictures/projection.h"
#include "imaging/tables/summary.h"
#include "tests/unit/imaging/program.h"
#include "tests/unit/imaging/volumes.h"

namespace tierhub::imaging {
namespace {

using test::ScratchFolder;

size_t count_of(const Canvas& canvas, Colour colour) {
  size_t count = 0;
  for (uint32_t y = 0; y < canvas.height(); ++y) {
    for (uint32_t x = 0; x < canvas.width(); ++x)
      count += static_cast<size_t>(canvas.at(x, y) == colour);
  }
  return count;
}

TEST(Canvas, DrawsNothingOutside) {
  Canvas canvas(4, 3, kWhite);
  canvas.fill({-2, -2, 4, 4}, kBlack);
  canvas.text(3, -4, "W\u00b5\xff", kBlack, 3);
  canvas.frame({-1, -1, 9, 9}, kBlack);
  EXPECT_EQ(canvas.at(0, 0), kBlack);
  EXPECT_EQ(canvas.at(2, 2), kWhite);
}

TEST(Canvas, WritesLettersUprightAndUpwards) {
  Canvas canvas(20, 20, kWhite);
  canvas.text(0, 0, "L", kBlack, 1);
  EXPECT_EQ(canvas.at(0, 0), kBlack);
  EXPECT_EQ(canvas.at(0, 6), kBlack);
  EXPECT_EQ(canvas.at(4, 6), kBlack);
  EXPECT_EQ(canvas.at(4, 0), kWhite);
  Canvas upwards(20, 20, kWhite);
  upwards.text_upwards(0, 10, "L", kBlack, 1);  // turned to the left: the foot is at the right
  EXPECT_EQ(count_of(canvas, kBlack), count_of(upwards, kBlack));
  EXPECT_EQ(upwards.at(6, 7), kBlack);
  EXPECT_EQ(text_width("\u00b5m\u00b2", 2), 34);
  EXPECT_EQ(fitted_text("image_A1", 41, 1), "..ge_A1");
}

TEST(Axis, HasTicksAtRoundNumbers) {
  EXPECT_EQ(round_ticks(3, 98, 6), (std::vector<double>{20, 40, 60, 80}));
  EXPECT_EQ(round_ticks(0, 5, 6), (std::vector<double>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(round_ticks(-1, 1, 5), (std::vector<double>{-1, -0.5, 0, 0.5, 1}));
  EXPECT_EQ(round_ticks(7, 7, 5), (std::vector<double>{7}));
  EXPECT_EQ(tick_text(3 * 0.1), "0.3");
  for (const double high : {1e-9, 0.37, 12.0, 99999.0, 3e12}) {
    const auto ticks = round_ticks(0, high, 6);
    EXPECT_LE(ticks.size(), 6u);
    EXPECT_GE(ticks.size(), 3u);
  }
}

TEST(Axis, NamesTheUnitOfAColumn) {
  EXPECT_EQ(column_title("area_px"), "area (px)");
  EXPECT_EQ(column_title("area_um2_mean"), "area mean (\u00b5m\u00b2)");
  EXPECT_EQ(column_title("count"), "count");
  EXPECT_EQ(column_title("s_phase"), "s phase");
}

TEST(Histogram, CountsEachValueOnce) {
  const Bins asked = bins_of({0, 1, 2, 3, 4}, 2);
  EXPECT_EQ(asked.counts, (std::vector<uint64_t>{2, 3}));
  std::vector<double> values;
  for (int i = 0; i < 1000; ++i) values.push_back(i % 100);
  values.push_back(1e6);  // far away
  const Bins round = bins_of(values, 0);
  EXPECT_LE(round.counts.size(), 200u);
  EXPECT_EQ(std::accumulate(round.counts.begin(), round.counts.end(), uint64_t{0}), 1000u);
  EXPECT_EQ(round.beyond, 1u);
  EXPECT_EQ(bins_of({7, 7}, 0).counts, (std::vector<uint64_t>{2}));
  EXPECT_EQ(bins_of({0, 1, 1, 2}, 0).width, 1);
  EXPECT_EQ(median_of_values({4, 1, 3, 2}), 2.5);
  EXPECT_GT(count_of(draw_histogram(values, 10, "area_px", "t.csv"), {64, 115, 158}), 1000u);
}

TEST(Plate, IsTheSmallestThatHasAllWells) {
  EXPECT_EQ(fitting_plate({{{7, 11}, 1}}).columns, 12u);
  EXPECT_EQ(fitting_plate({{{8, 0}, 1}}).columns, 24u);
  EXPECT_EQ(fitting_plate({{{0, 24}, 1}}).rows, 32u);
  EXPECT_FALSE(plate_of(100));
  const Canvas canvas = draw_plate({{{0, 0}, 1}, {{7, 11}, 2}}, {8, 12}, "count", "w.csv");
  EXPECT_EQ(canvas.at(56 + 4, 104 + 4), scale_colour(0));
  EXPECT_EQ(canvas.at(56 + 11 * 68 + 4, 104 + 7 * 68 + 4), scale_colour(1));
}

TEST(ImgopPlot, DrawsAColumnAndExplainsWhatIsMissing) {
  const ScratchFolder folder;
  folder.write("t.csv", "label,area_px\n1,5\n2,9\n3,\n4,1\n");
  const std::string plot = "plot --table " + (folder / "t.csv") + " --out " + (folder / "h.png");
  const Outcome outcome = imgop(plot + " --column area_px");
  EXPECT_EQ(outcome.text,
            "report: h.png: area_px of t.csv, n = 3, median 5; 1 row without a value left out\n");
  EXPECT_EQ(test::read_bytes(folder / "h.png").substr(1, 3), "PNG");
  const Outcome none = imgop(plot + " --column size");
  EXPECT_EQ(none.exit_code, 1);
  EXPECT_NE(none.text.find("t.csv has no column size: its columns are label, area_px"),
            std::string::npos)
      << none.text;
}

TEST(ImgopPlot, DrawsAColumnOverAnother) {
  const ScratchFolder folder;
  folder.write("t.csv", "t,count\n2,9\n0,4\n1,\n3,12\n");
  folder.write("twice.csv", "t,count\n2,9\n2,4\n");
  const auto plot = [&](const std::string& table, const std::string& x) {
    return imgop("plot --column count --x " + x + " --table " + (folder / table) + " --out " +
                 (folder / "p.png"));
  };
  EXPECT_EQ(plot("t.csv", "t").text, "report: p.png: count over t of t.csv, n = 3\n");
  const Outcome twice = plot("twice.csv", "t");
  EXPECT_EQ(twice.exit_code, 1);
  EXPECT_NE(twice.text.find("line 3: t 2 appears twice"), std::string::npos) << twice.text;
  EXPECT_EQ(plot("t.csv", "t --bins 5").exit_code, 2);
  // The line begins at the first point and ends at the last one.
  const Canvas canvas = draw_line_plot({{0, 0}, {10, 5}}, "t", "count", "t.csv");
  EXPECT_EQ(canvas.at(860, 476 - (476 - 84) * 100 / 105), (Colour{64, 115, 158}));
  EXPECT_GT(count_of(canvas, {64, 115, 158}), 1000u);
  EXPECT_GT(count_of(draw_line_plot({{3, -2}}, "t", "count", "t.csv"), {64, 115, 158}), 20u);
}

TEST(ImgopHeatmap, DrawsOneRowAWell) {
  const ScratchFolder folder;
  folder.write("w.csv", "well,count\nA01,5\nB2,\nP24,1\n");
  folder.write("twice.csv", "well,count\nA01,5\nA1,6\n");
  const auto heatmap = [&](const std::string& table, const std::string& more) {
    return imgop(fmt::format("heatmap --table {0}/{1} --column count --out {0}/p.png {2}",
                             folder.path(), table, more));
  };
  EXPECT_EQ(heatmap("w.csv", "").text, "report: p.png: count of 2 of 384 wells in w.csv\n");
  const Outcome small = heatmap("w.csv", "--plate 96");
  EXPECT_NE(small.text.find("outside of a plate of 96: try --plate 384"), std::string::npos)
      << small.text;
  const Outcome twice = heatmap("twice.csv", "");
  EXPECT_EQ(twice.exit_code, 1);
  EXPECT_NE(twice.text.find("line 2 and"), std::string::npos) << twice.text;
}

TEST(ImgopMontage, DrawsTheImagesOfAFolderOnThePlate) {
  const ScratchFolder folder;
  for (const char* well : {"A01", "A02", "B02"})
    write_volume(fmt::format("{}/in/p_{}.zarr", folder.path(), well), speckle({3, 40, 60}, 3));
  write_volume(folder / "labels/p_A01.zarr", LabelVolume({3, 40, 60}));
  const auto montage = [&](const std::string& more) {
    return imgop(
        fmt::format("montage --in {0}/in --size 32 --out {0}/m.png {1}", folder.path(), more));
  };
  const Outcome outcome = montage("--names 'p_{well}'");
  EXPECT_EQ(outcome.text, "report: m.png: brightest along z of 3 images, one contrast for all\n");
  const Outcome names = montage("--names 'q_{well}'");
  EXPECT_NE(names.text.find("p_A01.zarr does not fit the pattern q_{well}"), std::string::npos)
      << names.text;
  const Outcome labels = montage("--labels " + (folder / "labels"));
  EXPECT_EQ(labels.exit_code, 1);
  EXPECT_NE(labels.text.find("has no labels of"), std::string::npos) << labels.text;
  EXPECT_EQ(imgop(fmt::format("montage --in {0}/in/p_A01.zarr --labels {0}/labels --out {0}/m.png",
                              folder.path()))
                .exit_code,
            0);
}

TEST(ImgopMontage, DrawsTheFieldsOfAPlate) {
  const ScratchFolder folder;
  folder.write("p.zarr/.zgroup", R"({"zarr_format":2})");
  folder.write("p.zarr/A/.zgroup", R"({"zarr_format":2})");
  folder.write("p.zarr/.zattrs", R"({"plate":{"wells":[{"path":"A/1"},{"path":"A/2"}]}})");
  for (const char* well : {"p.zarr/A/1", "p.zarr/A/2"}) {
    folder.write(std::string(well) + "/.zattrs", R"({"well":{"images":[{"path":"0"}]}})");
    write_volume(fmt::format("{}/{}/0", folder.path(), well), speckle({1, 16, 16}, 3));
  }
  write_volume(folder / "l/A1-0.zarr", LabelVolume({1, 16, 16}));
  write_volume(folder / "l/A2-0.zarr", LabelVolume({1, 16, 16}));
  const Outcome outcome =
      imgop(fmt::format("montage --in {0}/p.zarr/ --labels {0}/l --out {0}/m.png", folder.path()));
  EXPECT_EQ(outcome.text, "report: m.png: brightest along z of 2 images, one contrast for all\n");
}

TEST(Montage, LiesAsOnThePlateOrInSequence) {
  std::vector<Thumbnail> thumbnails(3);
  for (size_t i = 0; i < 3; ++i) {
    thumbnails[i].pixels = GreyVolume({1, 16, 16});
    thumbnails[i].well = Well{i, i};
    thumbnails[i].name = "A1";
  }
  const Canvas plate = must(draw_montage(thumbnails, 0));
  const Canvas row = must(draw_montage(thumbnails, 3));
  EXPECT_EQ(plate.width(), row.width());
  EXPECT_GT(plate.height(), 2 * row.height());
  EXPECT_FALSE(draw_montage(std::vector<Thumbnail>(10'000), 10'000));
}

TEST(Contrast, IsThatOfAllValues) {
  Contrast contrast;
  std::vector<uint16_t> values(1000);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<uint16_t>(i);
  contrast.add(values);
  contrast.settle();
  EXPECT_EQ(contrast.shown(10), 0);
  EXPECT_EQ(contrast.shown(998), 255);
  EXPECT_EQ(contrast.shown(60000), 255);
}

}  // namespace
}  // namespace tierhub::imaging
