#include "formats/ome_zarr.h"

#include <sys/stat.h>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "formats/selection.h"
#include "tests/unit/formats/samples.h"

namespace tierhub::formats {
namespace {

using test::ScratchFolder;

constexpr const char* kArray =
    R"({"zarr_format":2,"shape":[2,1,8,20,30],"chunks":[1,1,4,10,10],"dtype":"<u2",
  "compressor":{"id":"blosc","cname":"zstd","clevel":3,"shuffle":1},"fill_value":7,"order":"C","filters":null,
  "dimension_separator":"/"})";
constexpr const char* kHalf =
    R"({"zarr_format":2,"shape":[2,1,4,10,15],"chunks":[1,1,4,10,10],"dtype":">u2",
  "compressor":null,"fill_value":0,"order":"C","filters":[]})";
constexpr const char* kAttributes =
    R"({"multiscales":[{"version":"0.4","axes":[{"name":"t","type":"time"},
  {"name":"c","type":"channel"},{"name":"z","type":"space"},{"name":"y","type":"space"},{"name":"x","type":"space"}],
  "datasets":[{"path":"0","coordinateTransformations":[{"type":"scale","scale":[1,1,2,0.5,0.25]}]},{"path":"half"}]}]})";

void write_image(const ScratchFolder& folder, const std::string& name) {
  folder.write(name + "/.zgroup", R"({"zarr_format":2})");
  folder.write(name + "/.zattrs", kAttributes);
  folder.write(name + "/0/.zarray", kArray);
  folder.write(name + "/half/.zarray", kHalf);
}

Result<ImageInfo> info_of(const std::string& path) {
  TRY_ASSIGN(const auto image, Image::open(path));
  return image->info();
}

std::string error_of(const std::string& path) {
  const auto image = Image::open(path);
  return image ? "" : image.error().text();
}

// The first file of each chunk of a region.
std::string chunk_paths(const Image& image, const Region& region) {
  std::string text;
  const auto all = image.for_each_chunk(region, [&](const Chunk& chunk) -> Result<void> {
    text += chunk.bytes.empty() ? "(fill) " : chunk.bytes.front().path + " ";
    return {};
  });
  return all ? text : all.error().text();
}

TEST(OmeZarr, TellsAxesShapesChunksAndTypes) {
  const ScratchFolder folder;
  write_image(folder, "a.zarr");
  const auto dataset = info_of(folder / "a.zarr");
  ASSERT_TRUE(dataset) << dataset.error().text();
  EXPECT_EQ(dataset->axes_text(), "tczyx");
  ASSERT_EQ(dataset->levels.size(), 2u);
  EXPECT_EQ(dataset->levels[0].shape, (Shape{2, 1, 8, 20, 30}));
  EXPECT_EQ(dataset->levels[0].chunk, (Shape{1, 1, 4, 10, 10}));
  EXPECT_EQ(dataset->levels[0].compressor, "blosc-zstd");
  EXPECT_EQ(std::to_integer<int>(dataset->levels[0].fill_value[0]), 7);
  EXPECT_EQ(dataset->type, PixelType::uint16);
  EXPECT_EQ(dataset->levels[0].voxel_size, (VoxelSize{2, 0.5, 0.25}));
  EXPECT_EQ(dataset->levels[1].voxel_size, (VoxelSize{1, 1, 1}));
  EXPECT_FALSE(dataset->not_decodable);
}

TEST(OmeZarr, MapsChunkCoordinatesToFiles) {
  const ScratchFolder folder;
  write_image(folder, "a.zarr");
  const auto image = Image::open(folder / "a.zarr");
  ASSERT_TRUE(image);
  EXPECT_EQ(chunk_paths(**image, {0, {1, 2}, {0, 1}, {3, 5}, {10, 20}, {29, 30}}),
            "0/1/0/0/1/2 0/1/0/1/1/2 ");
  EXPECT_EQ(chunk_paths(**image, {1, {0, 2}, {0, 1}, {0, 1}, {0, 1}, {9, 11}}),
            "half/0.0.0.0.0 half/0.0.0.0.1 half/1.0.0.0.0 half/1.0.0.0.1 ");
}

TEST(OmeZarr, NeedsTheChunksThatTouchTheBoxAndItsHaloAndExist) {
  const ScratchFolder folder;
  write_image(folder, "a.zarr");
  for (int z = 0; z < 2; ++z) {
    for (int y = 0; y < 2; ++y) {
      for (int x = 0; x < 3; ++x) {
        if (x == 2 && y == 1) continue;
        for (int t = 0; t < 2; ++t)
          folder.write(fmt::format("a.zarr/0/{}/0/{}/{}/{}", t, z, y, x), "12345");
      }
    }
  }
  const auto image = Image::open(folder / "a.zarr");
  ASSERT_TRUE(image);
  const auto paths = [&](const char* box, const Halo& halo) {
    std::string text;
    const auto files = needed_files(**image, {*parse_box(box)}, halo);
    if (!files) return files.error().text();
    for (const NeededFile& file : *files) {
      EXPECT_TRUE(file.ranges.empty());
      if (file.path.starts_with("0/1/")) text += file.path + " ";
    }
    return text;
  };
  EXPECT_EQ(paths("t=1,z=0:4,y=0:10,x=0:10", {}), "0/1/0/0/0/0 ");
  EXPECT_EQ(paths("t=1,z=0:4,y=0:10,x=0:10", {0, 0, 1}), "0/1/0/0/0/0 0/1/0/0/0/1 ");
  EXPECT_EQ(paths("t=1,z=3:4,y=19:20,x=29:30", {1, 1, 10}), "0/1/0/0/1/1 0/1/0/1/1/1 ");
  EXPECT_NE(paths("t=2,z=0:4,y=0:10,x=0:10", {}).find("is not in"), std::string::npos);
}

TEST(OmeZarr, CountsMetadataFilesAsNeeded) {
  const ScratchFolder folder;
  write_image(folder, "a.zarr");
  const auto image = Image::open(folder / "a.zarr");
  ASSERT_TRUE(image);
  const auto files = needed_files(**image, {*whole_volume((*image)->info())});
  ASSERT_TRUE(files);
  std::vector<std::string> paths;
  for (const NeededFile& file : *files) paths.push_back(file.path);
  EXPECT_EQ(paths, (std::vector<std::string>{".zattrs", ".zgroup", "0/.zarray", "half/.zarray"}));
  EXPECT_EQ(files->at(2).size_bytes, std::string(kArray).size());
}

TEST(OmeZarr, OpensTheOnlyImageOfABioformats2rawFolder) {
  const ScratchFolder folder;
  folder.write("a.zarr/.zattrs", R"({"bioformats2raw.layout":3})");
  write_image(folder, "a.zarr/0");
  const auto dataset = info_of(folder / "a.zarr");
  ASSERT_TRUE(dataset) << dataset.error().text();
  EXPECT_EQ(dataset->levels[0].path, "0/0");
  write_image(folder, "a.zarr/1");
  EXPECT_NE(error_of(folder / "a.zarr").find("name one of them"), std::string::npos);
}

TEST(OmeZarr, RefusesWhatItDoesNotReadByName) {
  const ScratchFolder folder;
  folder.write("plate.zarr/.zattrs", R"({"plate":{}})");
  EXPECT_NE(error_of(folder / "plate.zarr").find("is a plate"), std::string::npos);
  folder.write("bare.zarr/.zarray", kArray);
  EXPECT_NE(error_of(folder / "bare.zarr").find("bare Zarr array"), std::string::npos);
  folder.write("plain/readme.txt", "");
  EXPECT_NE(error_of(folder / "plain").find("without Zarr metadata"), std::string::npos);
}

TEST(OmeZarr, DescribesPixelsThatImgopCannotDecode) {
  const ScratchFolder folder;
  write_image(folder, "a.zarr");
  std::string array = kArray;
  array.replace(array.find("<u2"), 3, "<c8");
  for (const char* level : {"0", "half"})
    folder.write(fmt::format("a.zarr/{}/.zarray", level), array);
  const auto dataset = info_of(folder / "a.zarr");
  ASSERT_TRUE(dataset) << dataset.error().text();
  ASSERT_TRUE(dataset->not_decodable);
  EXPECT_NE(dataset->not_decodable->find("<c8"), std::string::npos);
}

// Each text replaces .zattrs or 0/.zarray of a good image; all must give an error of one sentence.
TEST(OmeZarr, AnswersDamagedMetadataWithAnError) {
  const ScratchFolder folder;
  for (
      const char* attributes :
      {"", "{", "[]", "{\"multiscales\":[]}", "{\"multiscales\":{}}", "{\"multiscales\":[3]}",
       R"({"multiscales":[{"axes":[{"name":"y"},{"name":"x"}]}]})",
       R"({"multiscales":[{"axes":[{"name":"y"},{"name":"y"}],"datasets":[{"path":"0"}]}]})",
       R"({"multiscales":[{"axes":[{"name":"q"},{"name":"x"}],"datasets":[{"path":"0"}]}]})",
       R"({"multiscales":[{"axes":[{"name":"y"},{"name":"x"}],"datasets":[{"path":"../../etc"}]}]})",
       R"({"multiscales":[{"axes":[{"name":"y"},{"name":"x"}],"datasets":[{"path":"/etc"}]}]})",
       R"({"multiscales":[{"axes":[{"name":"y"},{"name":"x"}],"datasets":[{"path":7}]}]})",
       R"({"multiscales":[{"axes":[{"name":"y"},{"name":"x"}],"datasets":[{"path":"0"}]}]})",
       R"({"multiscales":[{"axes":[{"name":"y"},{"name":"x"}],"datasets":[{"path":"none"}]}]})"}) {
    write_image(folder, "a.zarr");
    folder.write("a.zarr/.zattrs", attributes);
    EXPECT_NE(error_of(folder / "a.zarr"), "") << attributes;
  }
  folder.write("a.zarr/.zattrs", std::string(1'000'000, '['));
  EXPECT_NE(error_of(folder / "a.zarr").find("nested"), std::string::npos);
  folder.write("a.zarr/.zattrs", std::string(17u << 20, ' '));
  EXPECT_NE(error_of(folder / "a.zarr").find("more than the limit"), std::string::npos);
}

TEST(OmeZarr, AnswersDamagedArraysWithAnError) {
  const ScratchFolder folder;
  const auto with = [&](std::string_view from, std::string_view to) {
    write_image(folder, "a.zarr");
    std::string array = kArray;
    array.replace(array.find(from), from.size(), to);
    folder.write("a.zarr/0/.zarray", array);
    return error_of(folder / "a.zarr");
  };
  EXPECT_NE(with("[2,1,8,20,30]", "[2,1,8,20]"), "");
  EXPECT_NE(with("[2,1,8,20,30]", "[2,1,8,20,-30]"), "");
  EXPECT_NE(with("[2,1,8,20,30]", "[2,1,8,20,0]"), "");
  EXPECT_NE(with("[2,1,8,20,30]", "[4294967296,4294967296,4294967296,4294967296,2]"), "");
  EXPECT_NE(with("[1,1,4,10,10]", "[1,1,4,10,0]"), "");
  EXPECT_NE(with("[1,1,4,10,10]", "[1,1,65536,65536,65536]"), "");
  EXPECT_NE(with("[1,1,4,10,10]", "\"all\""), "");
  EXPECT_NE(with("<u2", "<M8[ns]"), "");
  EXPECT_NE(with("\"/\"", "\"-\""), "");
  EXPECT_NE(with("\"zarr_format\":2", "\"zarr_format\":3"), "");
  EXPECT_EQ(with("\"/\"", "\".\""), "");
}

TEST(OmeZarr, DoesNotWaitForAPipeInPlaceOfMetadata) {
  const ScratchFolder folder;
  folder.write("a.zarr/.zgroup", R"({"zarr_format":2})");
  ASSERT_EQ(::mkfifo((folder / "a.zarr/.zattrs").c_str(), 0600), 0);
  EXPECT_NE(error_of(folder / "a.zarr"), "");
}

}  // namespace
}  // namespace tierhub::formats
