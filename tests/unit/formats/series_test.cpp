// Which names are a series, and what is wrong with one.
#include "formats/series.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "formats/selection.h"
#include "tests/unit/formats/samples.h"
#include "tests/unit/formats/trees.h"

namespace tierhub::formats {
namespace {

using test::CountingTree;
using test::MemoryTree;
using test::TiffBuilder;
using Names = std::vector<std::string>;

// "PATTERN t c z" of each series, sorted; "PATTERN lacks NAME"; then the other images.
Names found(const Names& names) {
  const FolderNames all = find_series(names);
  Names texts;
  for (const SeriesFiles& one : all.series) {
    texts.push_back(one.missing.empty() ? fmt::format("{} {} {} {}", one.pattern, one.counts.t,
                                                      one.counts.c, one.counts.z)
                                        : fmt::format("{} lacks {}", one.pattern, one.missing));
  }
  texts.insert(texts.end(), all.others.begin(), all.others.end());
  return texts;
}

std::string tiff(uint32_t width, uint32_t height, uint16_t bits = 16, size_t pages = 1) {
  TiffBuilder builder;
  for (size_t i = 0; i < pages; ++i) builder.add_page(width, height, bits);
  return builder.bytes();
}

Result<std::unique_ptr<Image>> open_files(const std::map<std::string, std::string>& files,
                                          const std::string& file = "") {
  return Image::open(std::make_shared<MemoryTree>(file, files));
}

Result<void> touch(const Image& image, const Region& region) {
  return image.for_each_chunk(region, [](const Chunk&) { return Result<void>(); });
}

TEST(SeriesNames, NumbersBehindTheLettersOfAxesAreSeries) {
  EXPECT_EQ(found({"a_t1.tif", "a_t2.tif"}), Names{"a_t<1-2>.tif 2 1 1"});
  EXPECT_EQ(found({"e_ch00.tif", "e_ch01.tif"}), Names{"e_ch<00-01>.tif 1 2 1"});
  EXPECT_EQ(found({"w1.png", "w2.png"}), Names{"w<1-2>.png 1 2 1"});
  EXPECT_EQ(found({"Channel_0.tif", "Channel_1.tif"}), Names{"Channel_<0-1>.tif 1 2 1"});
  EXPECT_EQ(found({"a_frame-1_slice 2.tif", "a_frame-1_slice 3.tif"}),
            Names{"a_frame-1_slice <2-3>.tif 1 1 2"});
  EXPECT_EQ(found({"a_c_1.tif", "a_c_2.tif"}), (Names{"a_c_1.tif", "a_c_2.tif"}));
  EXPECT_EQ(found({"A-Time3-Z7.JPG", "A-Time3-Z8.JPG"}), Names{"A-Time3-Z<7-8>.JPG 1 1 2"});
  EXPECT_EQ(found({"a t001z02c1.ome.tif", "a t002z02c1.ome.tif"}),
            Names{"a t<001-002>z02c1.ome.tif 2 1 1"});
  EXPECT_EQ(found({"s_t0_channel0_z0.mrc", "s_t0_channel0_z1.mrc", "s_t0_channel1_z0.mrc",
                   "s_t0_channel1_z1.mrc", "s_t1_channel0_z0.mrc", "s_t1_channel0_z1.mrc",
                   "s_t1_channel1_z0.mrc", "s_t1_channel1_z1.mrc"}),
            Names{"s_t<0-1>_channel<0-1>_z<0-1>.mrc 2 2 2"});
  EXPECT_EQ(found({"s_z9.tif", "s_z10.tif", "s_z11.tif"}), Names{"s_z<9-11>.tif 1 1 3"});
}

TEST(SeriesNames, OtherNumbersAreNot) {
  EXPECT_EQ(found({"plant01.tif", "plant02.tif"}), (Names{"plant01.tif", "plant02.tif"}));
  EXPECT_EQ(found({"a_001.tif", "a_002.tif"}), (Names{"a_001.tif", "a_002.tif"}));
  EXPECT_EQ(found({"r01c01.tif", "r01c02.tif"}), (Names{"r01c01.tif", "r01c02.tif"}));
  EXPECT_EQ(found({"a_t20260102030405.tif", "a_t20260102030406.tif"}),
            (Names{"a_t20260102030405.tif", "a_t20260102030406.tif"}));
  EXPECT_EQ(found({"a_t1b.tif", "a_t2b.tif"}), (Names{"a_t1b.tif", "a_t2b.tif"}));
  EXPECT_EQ(found({"a_t1.tif"}), Names{"a_t1.tif"}) << "one file is no series";
  EXPECT_EQ(found({"a_t1.csv", "a_t2.csv", ".a_t1.tif", ".a_t2.tif"}), Names{}) << "no images";
}

TEST(SeriesNames, ANumberThatNeverChangesIsText) {
  EXPECT_EQ(found({"c57_c0.tif", "c57_c1.tif"}), Names{"c57_c<0-1>.tif 1 2 1"});
  EXPECT_EQ(found({"w1_c0.tif", "w1_c1.tif", "w2_c0.tif", "w2_c1.tif"}),
            (Names{"w1_c0.tif", "w1_c1.tif", "w2_c0.tif", "w2_c1.tif"}))
      << "two numbers along c: nobody knows which is which";
  EXPECT_EQ(found({"a_t1.tif", "a_t01.tif", "a_t2.tif"}),
            (Names{"a_t01.tif", "a_t1.tif", "a_t2.tif"}));
}

TEST(SeriesNames, EachEndingAndEachNameIsASeriesOfItsOwn) {
  EXPECT_EQ(
      found({"a_t1.tif", "a_t2.tif", "a_t1.png", "a_t2.png", "b_t1.tif", "b_t2.tif", "c.tif"}),
      (Names{"a_t<1-2>.png 2 1 1", "a_t<1-2>.tif 2 1 1", "b_t<1-2>.tif 2 1 1", "c.tif"}));
}

TEST(SeriesNames, TheFirstMissingFileIsNamed) {
  EXPECT_EQ(found({"a_t001.tif", "a_t003.tif"}), Names{"a_t<001-003>.tif lacks a_t002.tif"});
  EXPECT_EQ(found({"a_t1_z1.tif", "a_t1_z2.tif", "a_t2_z1.tif"}),
            Names{"a_t<1-2>_z<1-2>.tif lacks a_t2_z2.tif"});
  EXPECT_EQ(found({"a_t1_z2.tif", "a_t2_z1.tif"}), Names{"a_t<1-2>_z<1-2>.tif lacks a_t1_z1.tif"});
  EXPECT_EQ(found({"a_t0_c0_z0.tif", "a_t999999999_c999999999_z999999999.tif"}),
            Names{"a_t<0-999999999>_c<0-999999999>_z<0-999999999>.tif lacks a_t0_c0_z1.tif"});
}

TEST(Series, TheFolderIsTheSeriesAndAFileIsItself) {
  const std::map<std::string, std::string> files = {{"a_t1_ch00.tif", tiff(8, 4, 16, 3)},
                                                    {"a_t1_ch01.tif", tiff(8, 4, 16, 3)},
                                                    {"a_t2_ch00.tif", tiff(8, 4, 16, 3)},
                                                    {"a_t2_ch01.tif", tiff(8, 4, 16, 3)},
                                                    {"notes.txt", "n"}};
  const auto series = open_files(files);
  ASSERT_TRUE(series) << series.error().text();
  const ImageInfo& info = (*series)->info();
  EXPECT_EQ(info.format, "TIFF series");
  EXPECT_EQ(info.series, "a_t<1-2>_ch<00-01>.tif");
  EXPECT_EQ(info.files, 4u);
  EXPECT_EQ(info.axes_text(), "tczyx");
  EXPECT_EQ(info.levels.front().shape, (Shape{2, 2, 3, 4, 8}));
  ASSERT_EQ(info.channels.size(), 2u);
  EXPECT_EQ(info.channels[1].name, "ch01");
  EXPECT_TRUE(info.z_assumed);
  EXPECT_EQ((*series)->members().size(), 4u);
  const auto one = open_files(files, "a_t1_ch00.tif");
  ASSERT_TRUE(one);
  EXPECT_EQ((*one)->info().levels.front().shape, (Shape{1, 1, 3, 4, 8}));
}

TEST(Series, AFolderWithMoreThanOneSeriesIsRefusedByName) {
  const std::string page = tiff(8, 4);
  const auto error = [&](const Names& names) {
    std::map<std::string, std::string> files;
    for (const std::string& name : names) files[name] = page;
    const auto image = open_files(files);
    if (image) return std::string();
    EXPECT_TRUE(image.error().is(std::errc::not_supported));
    return image.error().text();
  };
  EXPECT_NE(error({"a_t1.tif", "a_t2.tif", "b.tif"}).find("a_t<1-2>.tif and b.tif"),
            std::string::npos);
  EXPECT_NE(error({"a_t1.tif", "a_t2.tif", "a_t1.png", "a_t2.png"}).find("several datasets"),
            std::string::npos);
  EXPECT_NE(error({"a.tif", "b.tif"}).find("without a numbered series"), std::string::npos);
  EXPECT_NE(error({}).find("without a numbered series"), std::string::npos);
}

TEST(Series, AMissingFileIsAnErrorThatNamesIt) {
  const auto image = open_files({{"a_t1.tif", tiff(8, 4)}, {"a_t3.tif", tiff(8, 4)}});
  ASSERT_FALSE(image);
  EXPECT_EQ(image.error().text().find("image: the series a_t<1-3>.tif lacks a_t2.tif"), 0u)
      << image.error().text();
}

TEST(Series, AFileUnlikeTheFirstIsAnErrorWhenItIsReadAndNamesIt) {
  for (const std::string& other :
       {tiff(8, 5), tiff(8, 4, 8), tiff(8, 4, 16, 2), std::string("no image"), std::string()}) {
    const auto image =
        open_files({{"a_t0.tif", tiff(8, 4)}, {"a_t1.tif", other}, {"a_t2.tif", tiff(8, 4)}});
    ASSERT_TRUE(image) << image.error().text();
    EXPECT_TRUE(touch(**image, {0, {0, 1}, {0, 1}, {0, 1}, {0, 4}, {0, 8}}));
    EXPECT_TRUE(touch(**image, {0, {2, 3}, {0, 1}, {0, 1}, {0, 4}, {0, 8}}));
    const auto read = touch(**image, whole((*image)->info().levels.front().shape, 0));
    ASSERT_FALSE(read);
    EXPECT_NE(read.error().text().find("image/a_t1.tif"), std::string::npos) << read.error().text();
  }
}

TEST(Series, ASetOfOmeTiffFilesIsNamedByOneOfThem) {
  std::map<std::string, std::string> files;
  for (const char* name : {"a_t0.ome.tif", "a_t1.ome.tif"}) {
    TiffBuilder builder;
    builder.add_page(
        8, 4, 16,
        {{270,
          2,
          {},
          R"(<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">)"
          R"(<Image ID="Image:0"><Pixels DimensionOrder="XYZCT" SizeX="8" SizeY="4" SizeZ="1")"
          R"( SizeC="1" SizeT="2" Type="uint16"><TiffData FirstT="0" PlaneCount="1">)"
          R"(<UUID FileName="a_t0.ome.tif">u</UUID></TiffData><TiffData FirstT="1" PlaneCount="1">)"
          R"(<UUID FileName="a_t1.ome.tif">v</UUID></TiffData></Pixels></Image></OME>)"}});
    files[name] = builder.bytes();
  }
  const auto folder = open_files(files);
  ASSERT_FALSE(folder);
  EXPECT_NE(folder.error().text().find("such as image/a_t0.ome.tif"), std::string::npos)
      << folder.error().text();
  const auto set = open_files(files, "a_t1.ome.tif");
  ASSERT_TRUE(set) << set.error().text();
  EXPECT_EQ((*set)->info().levels.front().shape.t, 2u);
  EXPECT_EQ((*set)->members(), (Names{"a_t1.ome.tif", "a_t0.ome.tif"}));
}

TEST(Series, IsNamedByAnyMemberNextToOtherImages) {
  const test::ScratchFolder folder;
  for (const char* name : {"a_t1.tif", "a_t2.tif", "b_z1.tif", "b_z2.tif", "b_z3.tif", "other.tif"})
    folder.write(name, tiff(8, 4));
  const auto series = Image::open_series_of(folder / "b_z2.tif");
  ASSERT_TRUE(series) << series.error().text();
  EXPECT_EQ((*series)->info().series, "b_z<1-3>.tif");
  EXPECT_EQ((*series)->info().levels.front().shape, (Shape{1, 1, 3, 4, 8}));
  EXPECT_TRUE(touch(**series, whole({1, 1, 3, 4, 8}, 0)));
  const auto alone = Image::open(folder / "b_z2.tif");
  ASSERT_TRUE(alone);
  EXPECT_EQ((*alone)->info().levels.front().shape, (Shape{1, 1, 1, 4, 8}));
  for (const char* name : {"other.tif", "absent_t1.tif"}) {
    const auto none = Image::open_series_of(folder / name);
    ASSERT_FALSE(none);
    EXPECT_NE(none.error().text().find("belongs to no numbered series"), std::string::npos);
  }
}

TEST(Series, OpeningReadsTheFirstFileAlone) {
  std::map<std::string, std::string> files;
  const std::string page = tiff(8, 4);
  for (int t = 0; t < 30; ++t)
    for (int z = 0; z < 10; ++z) files[fmt::format("a_t{:03}_z{}.tif", t, z)] = page;
  const auto tree = std::make_shared<CountingTree>(std::make_shared<MemoryTree>("", files));
  const auto image = Image::open(tree);
  ASSERT_TRUE(image);
  EXPECT_EQ(tree->take().size(), 1u);
  ASSERT_TRUE(touch(**image, {0, {7, 8}, {0, 1}, {2, 4}, {0, 4}, {0, 8}}));
  const auto read = tree->take();
  EXPECT_EQ(read.size(), 2u);
  EXPECT_EQ(read.begin()->first, "a_t007_z2.tif");
  const auto needed = needed_files(**image, {Box{0, 29, 0, {9, 10}, {0, 4}, {0, 8}}}).value();
  EXPECT_EQ(needed.back().path, "a_t029_z9.tif");
}

TEST(Series, ManyFilesAreGroupedInTime) {
  Names names;
  for (int i = 0; i < 100'000; ++i) names.push_back(fmt::format("a_t{:06}.tif", i));
  EXPECT_EQ(found(names), Names{"a_t<000000-099999>.tif 100000 1 1"});
}

}  // namespace
}  // namespace tierhub::formats
