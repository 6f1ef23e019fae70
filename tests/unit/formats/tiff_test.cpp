#include "formats/tiff.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "formats/selection.h"
#include "tests/unit/formats/samples.h"
#include "tests/unit/formats/trees.h"

namespace tierhub::formats {
namespace {

using test::ScratchFolder;
using test::TiffBuilder;

Result<ImageInfo> info_of(Result<std::unique_ptr<Image>> image) {
  if (!image) return image.error();
  return (*image)->info();
}

Result<ImageInfo> open_bytes(const ScratchFolder& folder, const std::string& bytes) {
  return info_of(Image::open(folder.write("a.tif", bytes)));
}

// The number in the file of the page of a plane, in a file that TiffBuilder wrote: its pages follow
// each other.
uint64_t page_number(const Image& image, uint64_t t, uint64_t c, uint64_t z) {
  std::vector<uint64_t> begins;
  const auto begin_of = [&](const Region& region) {
    uint64_t begin = 0;
    EXPECT_TRUE(image.for_each_chunk(region, [&](const Chunk& chunk) -> Result<void> {
      begin = chunk.bytes.front().offset_bytes;
      return {};
    }));
    return begin;
  };
  const Shape& shape = image.info().levels[0].shape;
  const AxisRange one{0, 1};
  for (uint64_t i = 0; i < shape.t; ++i)
    for (uint64_t j = 0; j < shape.c; ++j)
      for (uint64_t k = 0; k < shape.z; ++k)
        begins.push_back(begin_of({0, {i, i + 1}, {j, j + 1}, {k, k + 1}, one, one}));
  const uint64_t own = begin_of({0, {t, t + 1}, {c, c + 1}, {z, z + 1}, one, one});
  return static_cast<uint64_t>(
      std::count_if(begins.begin(), begins.end(), [&](uint64_t begin) { return begin < own; }));
}

std::string refusal(const ScratchFolder& folder, uint16_t bits,
                    const std::vector<TiffBuilder::Entry>& extra) {
  TiffBuilder builder;
  builder.add_page(4, 4, bits, extra);
  const auto dataset = open_bytes(folder, builder.bytes());
  return dataset ? dataset->not_decodable.value_or("") : dataset.error().text();
}

TiffBuilder::Entry description(const std::string& text) { return {270, 2, {}, text}; }

TEST(Tiff, ReadsPagesAsPlanesAlongZ) {
  const ScratchFolder folder;
  for (const bool big_endian : {false, true}) {
    TiffBuilder builder(big_endian);
    for (int page = 0; page < 5; ++page) builder.add_page(30, 20, 16);
    const auto dataset = open_bytes(folder, builder.bytes());
    ASSERT_TRUE(dataset) << dataset.error().text();
    EXPECT_EQ(dataset->levels[0].shape, (Shape{1, 1, 5, 20, 30}));
    EXPECT_EQ(dataset->type, PixelType::uint16);
    EXPECT_FALSE(dataset->not_decodable);
    EXPECT_EQ(page_number(**Image::open(folder / "a.tif"), 0, 0, 3), 3u);
  }
}

TEST(Tiff, LeavesOutReducedCopies) {
  const ScratchFolder folder;
  TiffBuilder builder;
  builder.add_page(30, 20, 8);
  builder.add_page(15, 10, 8, {{254, 4, {1}, {}}});
  builder.add_page(30, 20, 8);
  const auto dataset = open_bytes(folder, builder.bytes());
  ASSERT_TRUE(dataset) << dataset.error().text();
  EXPECT_EQ(dataset->levels[0].shape.z, 2u);
}

TEST(Tiff, TakesTheAxesFromOmeXml) {
  const ScratchFolder folder;
  TiffBuilder builder;
  const std::string xml =
      R"(<?xml version="1.0"?><OME><Image><Pixels DimensionOrder="XYCTZ" SizeT="3" SizeC="2" SizeZ="1" SizeX="4" SizeY="4">)"
      R"(<TiffData FirstT="1" IFD="2" PlaneCount="4"/><TiffData PlaneCount="2" IFD="0"/></Pixels></Image></OME>)";
  builder.add_page(4, 4, 16, {description(xml)});
  for (int page = 1; page < 6; ++page) builder.add_page(4, 4, 16);
  const auto dataset = open_bytes(folder, builder.bytes());
  ASSERT_TRUE(dataset) << dataset.error().text();
  EXPECT_EQ(dataset->levels[0].shape, (Shape{3, 2, 1, 4, 4}));
  EXPECT_EQ(page_number(**Image::open(folder / "a.tif"), 2, 1, 0), 5u);
}

TEST(Tiff, RefusesOmeXmlThatDoesNotSayWherePagesBelong) {
  const ScratchFolder folder;
  const auto open_with = [&](const std::string& size_z, const std::string& directory) {
    TiffBuilder builder;
    const std::string xml =
        "<OME><Image><Pixels DimensionOrder=\"XYZCT\" SizeT=\"1\" SizeC=\"1\" SizeZ=\"" + size_z +
        "\"><TiffData IFD=\"0\"/><TiffData FirstZ=\"1\" IFD=\"" + directory +
        "\"/></Pixels></Image></OME>";
    builder.add_page(4, 4, 16, {description(xml)});
    builder.add_page(4, 4, 16);
    const auto dataset = open_bytes(folder, builder.bytes());
    return dataset ? "" : dataset.error().text();
  };
  EXPECT_EQ(open_with("2", "1"), "");
  EXPECT_EQ(open_with("7", "1"), "") << "an acquisition that was stopped";
  EXPECT_NE(open_with("2", "0").find("does not say where all of them are"), std::string::npos);
  EXPECT_NE(open_with("x", "0").find("OME-XML"), std::string::npos);
  EXPECT_NE(open_with("0", "0").find("OME-XML"), std::string::npos);
}

Result<ImageInfo> open_described(const ScratchFolder& folder, int pages, const std::string& text) {
  TiffBuilder builder;
  builder.add_page(4, 4, 8, {description(text)});
  for (int page = 1; page < pages; ++page) builder.add_page(4, 4, 8);
  return open_bytes(folder, builder.bytes());
}

TEST(Tiff, NamesAPlaneThatAnAcquisitionLacks) {
  const ScratchFolder folder;
  TiffBuilder builder;
  builder.add_page(
      4, 4, 16,
      {description("<OME><Image><Pixels DimensionOrder=\"XYZCT\" SizeT=\"3\" SizeC=\"1\" "
                   "SizeZ=\"1\"><TiffData IFD=\"0\"/></Pixels></Image></OME>")});
  const auto image = Image::open(folder.write("a.tif", builder.bytes()));
  ASSERT_TRUE(image) << image.error().text();
  const auto use = [](const Chunk&) -> Result<void> { return {}; };
  EXPECT_TRUE((*image)->for_each_chunk({0, {0, 1}, {0, 1}, {0, 1}, {0, 4}, {0, 4}}, use));
  const auto missing = (*image)->for_each_chunk({0, {0, 3}, {0, 1}, {0, 1}, {0, 4}, {0, 4}}, use);
  ASSERT_FALSE(missing);
  EXPECT_NE(missing.error().text().find("lacks the plane t 1, c 0, z 0"), std::string::npos);
}

TEST(Tiff, OfSeveralImagesTakesTheOneThatIsInTheFile) {
  const ScratchFolder folder;
  const auto pixels = [](int id, int times, const std::string& file) {
    std::string text = fmt::format(
        R"(<Image ID="Image:{}"><Pixels DimensionOrder="XYZCT" SizeX="4" SizeY="4" SizeZ="1" )"
        R"(SizeC="1" SizeT="{}" Type="uint16">)",
        id, times);
    for (int t = 0; t < times; ++t)
      text += fmt::format(R"(<TiffData FirstT="{0}" IFD="{0}" PlaneCount="1"><UUID FileName="{1}">)"
                          R"(u</UUID></TiffData>)",
                          t, file);
    return text + "</Pixels></Image>";
  };
  const std::string head =
      R"(<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">)";
  const std::string positions =
      head + pixels(0, 2, "p0.tif") + pixels(1, 3, "a.tif") + pixels(2, 1, "p2.tif") + "</OME>";
  const auto image = open_described(folder, 3, positions);
  ASSERT_TRUE(image) << image.error().text();
  EXPECT_EQ(image->levels[0].shape, (Shape{3, 1, 1, 4, 4}));
  EXPECT_TRUE((*Image::open(folder / "a.tif"))->members().empty());
  const std::string both = head + pixels(0, 1, "a.tif") + pixels(1, 1, "a.tif") + "</OME>";
  const auto several = open_described(folder, 2, both);
  ASSERT_FALSE(several);
  EXPECT_NE(several.error().text().find("holds 2 images"), std::string::npos)
      << several.error().text();
  const std::string neither = head + pixels(0, 1, "b.tif") + pixels(1, 1, "c.tif") + "</OME>";
  EXPECT_FALSE(open_described(folder, 1, neither));
}

TEST(Tiff, TakesTheAxesFromImageJ) {
  const ScratchFolder folder;
  struct Case {
    int pages;
    std::string text;
    std::string axes;
    Shape shape;
  };
  for (const Case& c : {
           Case{6, "images=6\nchannels=2\nslices=3\n", "czyx", {1, 2, 3, 4, 4}},
           Case{3,
                "images=3\nchannels=3\nhyperstack=true\nmode=composite\n",
                "cyx",
                {1, 3, 1, 4, 4}},
           Case{5, "images=5\nframes=5\n", "tyx", {5, 1, 1, 4, 4}},
           Case{6, "channels=3\r\nframes=2\r\n", "tcyx", {2, 3, 1, 4, 4}},
           Case{4, "images=4\nslices=4\n", "zyx", {1, 1, 4, 4, 4}},
           Case{1, "unit=pixel\n", "yx", {1, 1, 1, 4, 4}},
       }) {
    const auto dataset = open_described(folder, c.pages, "ImageJ=1.53t\n" + c.text);
    ASSERT_TRUE(dataset) << dataset.error().text();
    EXPECT_EQ(dataset->axes_text(), c.axes) << c.text;
    EXPECT_EQ(dataset->levels[0].shape, c.shape) << c.text;
    EXPECT_FALSE(dataset->z_assumed) << c.text;
  }
  const auto dataset = open_described(
      folder, 12, "ImageJ=1.53t\nimages=12\nchannels=2\nslices=3\nframes=2\nloop=false");
  ASSERT_TRUE(dataset) << dataset.error().text();
  EXPECT_EQ(page_number(**Image::open(folder / "a.tif"), 1, 1, 2), 11u);
  EXPECT_EQ(page_number(**Image::open(folder / "a.tif"), 0, 1, 0), 1u);
  EXPECT_EQ(page_number(**Image::open(folder / "a.tif"), 0, 0, 1), 2u);
}

TEST(Tiff, SaysWhenZIsAssumed) {
  const ScratchFolder folder;
  for (const char* text : {"a note", "ImageJ=1.53t\nimages=3\n", "ImageJ=1.53t\n",
                           R"({"shape": [3, 4, 4]})", R"({"shape": [3, 4, 4], "axes": "QYX"})"}) {
    const auto dataset = open_described(folder, 3, text);
    ASSERT_TRUE(dataset) << dataset.error().text();
    EXPECT_EQ(dataset->axes_text(), "zyx");
    EXPECT_TRUE(dataset->z_assumed) << text;
  }
  EXPECT_FALSE(open_described(folder, 1, "a note")->z_assumed);
}

TEST(Tiff, RefusesADescriptionThatContradictsThePages) {
  const ScratchFolder folder;
  for (const char* text :
       {"ImageJ=1\nimages=6\nchannels=3\n", "ImageJ=1\nchannels=2\n", "ImageJ=1\nimages=5\n",
        "ImageJ=1\nimages=6\nchannels=2\nslices=2\n", "ImageJ=1\nimages=6\nchannels=many\n",
        "ImageJ=1\nimages=6\nframes=0\n", "ImageJ=1\nimages=9\nslices=9\n",
        R"({"shape": [5, 4, 4], "axes": "ZYX"})"}) {
    const auto dataset = open_described(folder, 6, text);
    ASSERT_FALSE(dataset) << text;
    EXPECT_TRUE(dataset.error().is(std::errc::not_supported));
    EXPECT_NE(dataset.error().text().find("contradicts the file"), std::string::npos)
        << dataset.error().text();
  }
}

TEST(Tiff, FindsTheDescriptionAmongSeveralTexts) {
  const ScratchFolder folder;
  TiffBuilder builder;
  builder.add_page(4, 4, 8,
                   {description("a note"), {270, 2, {}, "made by\nImageJ=1.53t\nchannels=2\n"}});
  builder.add_page(4, 4, 8);
  const auto one = open_bytes(folder, builder.bytes());
  ASSERT_TRUE(one) << one.error().text();
  EXPECT_EQ(one->axes_text(), "cyx");
}

TEST(Tiff, TakesTheAxesFromTifffile) {
  const ScratchFolder folder;
  const auto dataset = open_described(
      folder, 6, R"({"shape": [3, 2, 4, 4], "axes": "ZCYX"})" + std::string(1, '\0'));
  ASSERT_TRUE(dataset) << dataset.error().text();
  EXPECT_EQ(dataset->levels[0].shape, (Shape{1, 2, 3, 4, 4}));
  EXPECT_EQ(page_number(**Image::open(folder / "a.tif"), 0, 1, 2), 5u);
  EXPECT_EQ(page_number(**Image::open(folder / "a.tif"), 0, 1, 0), 1u);
  EXPECT_FALSE(dataset->z_assumed);
}

TEST(Tiff, TakesColoursForNoPages) {
  const ScratchFolder folder;
  for (
      const char* text :
      {R"(<OME><Image><Pixels DimensionOrder="XYCZT" SizeT="1" SizeC="3" SizeZ="1"/></Image></OME>)",
       "ImageJ=1.53t\nimages=3\nchannels=3\n"}) {
    TiffBuilder builder;
    builder.add_page(
        4, 4, 8,
        {description(text), {258, 3, {8, 8, 8}, {}}, {277, 3, {3}, {}}, {262, 3, {2}, {}}});
    const auto dataset = open_bytes(folder, builder.bytes());
    ASSERT_TRUE(dataset) << dataset.error().text();
    EXPECT_EQ(dataset->axes_text(), "cyx");
    EXPECT_EQ(dataset->levels[0].shape, (Shape{1, 3, 1, 4, 4}));
    EXPECT_FALSE(dataset->not_decodable);
  }
}

TEST(Tiff, TellsChannelNamesAndVoxelSizes) {
  const ScratchFolder folder;
  const auto ome = open_described(
      folder, 2,
      R"(<OME><Image><Pixels DimensionOrder="XYCZT" SizeT="1" SizeC="2" SizeZ="1" PhysicalSizeX="0.5" PhysicalSizeY="0.25">)"
      R"(<Channel ID="Channel:0:0" Name="DNA"/><Channel ID="Channel:0:1" Name="ER"><LightPath/></Channel></Pixels></Image></OME>)");
  ASSERT_TRUE(ome) << ome.error().text();
  EXPECT_EQ(ome->axes_text(), "cyx");
  ASSERT_EQ(ome->channels.size(), 2u);
  EXPECT_EQ(ome->channels[0].name, "DNA");
  EXPECT_EQ(ome->channels[1].name, "ER");
  EXPECT_EQ(ome->levels[0].voxel_size, (VoxelSize{1, 0.25, 0.5}));
  EXPECT_EQ(ome->voxel_unit, "micrometer");
  const auto elsewhere =
      open_described(folder, 2, R"(<OME><BinaryOnly MetadataFile="set.companion.ome"/></OME>)");
  ASSERT_FALSE(elsewhere);
  EXPECT_NE(elsewhere.error().text().find("set.companion.ome, which does not exist"),
            std::string::npos);
}

TEST(Tiff, RefusesAnImageJStackWhosePlanesAreNotAllThere) {
  const ScratchFolder folder;
  EXPECT_NE(
      refusal(folder, 8, {description("ImageJ=1.53t\nimages=600\nslices=600\n")}).find("truncated"),
      std::string::npos);
}

TEST(Tiff, NamesWhatItCannotDecode) {
  const ScratchFolder folder;
  EXPECT_NE(refusal(folder, 8, {{259, 3, {34712}, {}}}).find("jpeg2000"), std::string::npos);
  EXPECT_NE(refusal(folder, 32, {{339, 3, {6}, {}}}).find("format 6"), std::string::npos);
  EXPECT_NE(refusal(folder, 8, {{262, 3, {5}, {}}}).find("CMYK"), std::string::npos);
  EXPECT_EQ(refusal(folder, 32, {{339, 3, {3}, {}}}), "");
  EXPECT_EQ(refusal(folder, 16, {{339, 3, {2}, {}}}), "");
  EXPECT_EQ(refusal(folder, 1, {}), "");
}

TEST(Tiff, TakesAPaletteOfPlainGreysForGrey) {
  const ScratchFolder folder;
  for (const int wrong : {0, 1}) {
    TiffBuilder builder;
    std::vector<uint32_t> palette;
    for (uint32_t i = 0; i < 768; ++i) palette.push_back(i % 256 * 257);
    palette[300] += static_cast<uint32_t>(wrong) * 256;
    builder.add_page(4, 4, 8, {{262, 3, {3}, {}}, {320, 3, palette, {}}});
    const auto dataset = open_bytes(folder, builder.bytes());
    ASSERT_TRUE(dataset) << dataset.error().text();
    EXPECT_EQ(dataset->axes_text(), wrong == 1 ? "cyx" : "yx");
  }
}

TEST(Tiff, NeedsThePlaneAndTheDirectoriesAlone) {
  const ScratchFolder folder;
  TiffBuilder builder;
  for (int page = 0; page < 9; ++page) builder.add_page(256, 256, 16);
  const auto image = Image::open(folder.write("a.tif", builder.bytes()));
  ASSERT_TRUE(image);
  const auto files = needed_files(**image, {Box{0, 0, 0, {4, 5}, {0, 256}, {0, 256}}});
  ASSERT_TRUE(files);
  ASSERT_EQ(files->size(), 1u);
  EXPECT_EQ(files->front().path, "a.tif");
  EXPECT_EQ(files->front().size_bytes, builder.bytes().size());
  uint64_t bytes = 0;
  for (const ByteRange& range : files->front().ranges) bytes += range.size();
  // Of each page its directory, which reaches into at most two pages of memory.
  EXPECT_GE(bytes, 256u * 256 * 2);
  EXPECT_LE(bytes, 256u * 256 * 2 + 10 * 8192);
}

TEST(Tiff, AnswersADirectoryLoopWithAnError) {
  const ScratchFolder folder;
  TiffBuilder builder;
  const uint32_t first = builder.add_page(4, 4, 16);
  builder.add_page(4, 4, 16);
  builder.link_last_to(first);
  const auto dataset = open_bytes(folder, builder.bytes());
  ASSERT_FALSE(dataset);
  EXPECT_NE(dataset.error().text().find("loop"), std::string::npos);
}

TEST(Tiff, RefusesPagesOfDifferentSize) {
  const ScratchFolder folder;
  TiffBuilder builder;
  builder.add_page(4, 4, 16);
  builder.add_page(5, 4, 16);
  const auto dataset = open_bytes(folder, builder.bytes());
  ASSERT_FALSE(dataset);
  EXPECT_NE(dataset.error().text().find("differ"), std::string::npos);
}

// No cut and no changed byte may crash, hang or allocate wildly; a cut through a directory is
// named.
TEST(Tiff, SurvivesCutAndChangedFiles) {
  for (const char* text : {"<OME><Image><Pixels DimensionOrder=\"XYZCT\" SizeT=\"1\" SizeC=\"1\" "
                           "SizeZ=\"2\"/></Image></OME>",
                           "ImageJ=1\nimages=2\nslices=2\nunit=um\nspacing=2\n",
                           R"({"shape": [2, 3, 2], "axes": "ZYX"})"}) {
    TiffBuilder builder;
    builder.add_page(3, 2, 16, {description(text)});
    builder.add_page(3, 2, 16);
    const std::string good = builder.bytes();
    EXPECT_TRUE(test::open_bytes(good));
    for (size_t size = 0; size < good.size(); ++size) {
      EXPECT_FALSE(test::open_bytes(good.substr(0, size))) << size;
    }
    for (size_t at = 0; at < good.size(); ++at) {
      for (const char value : {'\0', '\x7f', '\xff'}) {
        std::string changed = good;
        changed[at] = value;
        const auto image = test::open_bytes(changed);
        if (!image) continue;
        EXPECT_FALSE((*image)->info().levels.empty());
        // An error or not: it ends.
        (void)(*image)->for_each_chunk(whole((*image)->info().levels[0].shape, 0),
                                       [](const Chunk&) -> Result<void> { return {}; });
      }
    }
  }
}

TEST(Dataset, RefusesOtherFormatsByName) {
  const ScratchFolder folder;
  using namespace std::string_literals;
  const auto text = [&](const std::string& bytes) {
    const auto dataset = info_of(Image::open(folder.write("file", bytes)));
    if (dataset) return ""s;
    EXPECT_TRUE(dataset.error().is(std::errc::not_supported));
    return dataset.error().text();
  };
  EXPECT_NE(text("ZISRAWFILE").find("CZI"), std::string::npos);
  EXPECT_NE(text("\xDA\xCE\xBE\x0A...").find("ND2"), std::string::npos);
  EXPECT_NE(text("p\0\0\0"s).find("LIF"), std::string::npos);
  EXPECT_NE(text("hello").find("unknown format"), std::string::npos);
  EXPECT_FALSE(Image::open(folder.write("empty", "")));
  EXPECT_FALSE(Image::open(folder / "nowhere"));
}

}  // namespace
}  // namespace tierhub::formats
