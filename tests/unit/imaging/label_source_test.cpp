#include "imaging/labels/label_source.h"

#include <cstring>

#include <gtest/gtest.h>

#include "tests/unit/imaging/volumes.h"

namespace tierhub::imaging {
namespace {

using test::ScratchFolder;

// An OME-Zarr image of one row, of any type.
template <class T>
LabelSource source_of_row(const ScratchFolder& folder, const char* type,
                          const std::vector<T>& row) {
  ImageLayout layout;
  layout.axes = {formats::Axis::y, formats::Axis::x};
  layout.type = *formats::pixel_type_from(type);
  layout.shape = {1, 1, 1, 1, row.size()};
  layout.chunk = layout.shape;
  const std::string path = folder / std::string(type) + ".zarr";
  ImageWriter writer = must(ImageWriter::create(path, layout));
  must(writer.write_chunk(0, {0, 0, 0, 0, 0}, std::as_bytes(std::span(row))));
  must(writer.commit());
  return must(LabelSource::open(path));
}

template <class T>
Result<LabelVolume> read_row(const char* type, const std::vector<T>& row) {
  const ScratchFolder folder;
  const LabelSource source = source_of_row(folder, type, row);
  return source.read(whole_box({1, 1, row.size()}));
}

TEST(LabelSource, TakesWholeNumbersOfAnyType) {
  const std::vector<uint32_t> expected = {0, 7, 200};
  EXPECT_EQ(must(read_row<uint8_t>("uint8", {0, 7, 200})).voxels, expected);
  EXPECT_EQ(must(read_row<int32_t>("int32", {0, 7, 200})).voxels, expected);
  EXPECT_EQ(must(read_row<int64_t>("int64", {0, 7, 200})).voxels, expected);
  EXPECT_EQ(must(read_row<uint64_t>("uint64", {0, 7, 200})).voxels, expected);
  EXPECT_EQ(must(read_row<float>("float32", {0, 7, 200})).voxels, expected);
  EXPECT_EQ(must(read_row<double>("float64", {0, 7, 4294967295.0})).voxels[2], 4294967295);
}

TEST(LabelSource, SaysWhichNumberIsNoLabel) {
  const auto text = [](const Result<LabelVolume>& labels) {
    return labels ? std::string("none") : labels.error().text();
  };
  EXPECT_NE(text(read_row<int16_t>("int16", {0, -1})).find("a voxel of -1, and labels are whole"),
            std::string::npos);
  EXPECT_NE(text(read_row<float>("float32", {0, 0.5})).find("a voxel of 0.5"), std::string::npos);
  EXPECT_NE(text(read_row<double>("float64", {0, NAN})).find("a voxel of nan"), std::string::npos);
  EXPECT_NE(text(read_row<uint64_t>("uint64", {uint64_t{1} << 32})).find("4294967296"),
            std::string::npos);
}

TEST(LabelSource, ChoosesATimePoint) {
  const ScratchFolder folder;
  GreyVolume first({1, 1, 2}), second({1, 1, 2});
  first.voxels = {1, 0};
  second.voxels = {0, 2};
  write_channels(folder, "labels.zarr", {first, second});
  EXPECT_FALSE(LabelSource::open(folder / "labels.zarr"));
  const LabelSource source = must(LabelSource::open(folder / "labels.zarr", 1, "c=1"));
  EXPECT_EQ(must(source.read(whole_box({1, 1, 2}))).voxels, (std::vector<uint32_t>{0, 2}));
  Box box = whole_box({1, 1, 2});
  box.t = 5;
  EXPECT_EQ(must(source.read_of_volume(box)).voxels, (std::vector<uint32_t>{0, 2}));
}

TEST(LabelSource, IsBackgroundBeyondWhatLabelsCover) {
  const ScratchFolder folder;
  LabelRecord record;
  record.box = {0, 0, 0, {0, 1}, {1, 2}, {2, 4}};
  record.shape = {1, 3, 6};
  record.has_z = false;
  LabelVolume labels({1, 1, 2});
  labels.voxels = {1, 1};
  BlockObjects objects{measure_places(labels, record.box, 1), {}};
  must(LabelBlock::of(record, labels, objects).write(folder / "part.zarr", Parallel(1)));
  const LabelSource source = must(LabelSource::open(folder / "part.zarr"));
  EXPECT_EQ(must(source.read_of_volume({0, 0, 0, {0, 1}, {0, 2}, {1, 4}})).voxels,
            (std::vector<uint32_t>{0, 0, 0, 0, 1, 1}));
  EXPECT_EQ(must(source.read_of_volume({0, 0, 0, {0, 1}, {2, 3}, {0, 2}})).voxels,
            (std::vector<uint32_t>{0, 0}));
}

}  // namespace
}  // namespace tierhub::imaging
