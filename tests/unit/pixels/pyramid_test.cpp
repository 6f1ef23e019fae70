// Levels that are not stored, compared with a slow computation of each voxel.
#include <set>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "pixels/reader.h"
#include "tests/unit/formats/trees.h"
#include "tests/unit/pixels/samples.h"

namespace tierhub::pixels {
namespace {

using formats::AxisRange;
using formats::PixelType;
using formats::Region;
using formats::Shape;

const Shape kShape{1, 1, 2, 1301, 2051};

// An OME-Zarr 0.4 image of one level without compressor, in chunks of one plane.
template <class T>
test::Files image_of(std::string_view dtype) {
  test::Files files;
  files[".zattrs"] =
      R"({"multiscales":[{"version":"0.4","axes":[{"name":"z","type":"space"},{"name":"y","type":"space"},{"name":"x","type":"space"}],
      "datasets":[{"path":"0","coordinateTransformations":[{"type":"scale","scale":[3,0.5,0.25]}]}]}]})";
  files[".zgroup"] = R"({"zarr_format":2})";
  files["0/.zarray"] = fmt::format(
      R"({{"zarr_format":2,"shape":[2,1301,2051],"chunks":[1,1301,2051],"dtype":"{}","compressor":null,"fill_value":0,"order":"C","filters":null,"dimension_separator":"/"}})",
      dtype);
  for (uint64_t z = 0; z < kShape.z; ++z) {
    std::string& plane = files[fmt::format("0/{}/0/0", z)];
    plane.reserve(kShape.y * kShape.x * sizeof(T));
    for (uint64_t y = 0; y < kShape.y; ++y) {
      for (uint64_t x = 0; x < kShape.x; ++x) {
        const T value = test::voxel_at<T>(0, 0, z, y, x);
        plane.append(reinterpret_cast<const char*>(&value), sizeof value);
      }
    }
  }
  return files;
}

template <class T>
std::unique_ptr<PixelReader> reader_of(std::string_view dtype, Shrink how, size_t threads = 1) {
  auto image = formats::Image::open(std::make_shared<test::MemoryTree>("", image_of<T>(dtype)));
  PixelReader::Options options;
  options.threads = threads;
  options.shrink = how;
  return PixelReader::open(std::move(image).value(), options).value();
}

template <class T>
std::vector<T> read(const PixelReader& reader, const Region& region) {
  std::vector<T> voxels(region.shape().voxels());
  const auto done =
      reader.read(region, reader.info().type, std::as_writable_bytes(std::span(voxels)));
  EXPECT_TRUE(done) << done.error().text();
  return voxels;
}

// One voxel of a level, out of the four behind it.
template <class T>
T expected(uint64_t level, uint64_t z, uint64_t y, uint64_t x, Shrink how) {
  if (level == 0) return test::voxel_at<T>(0, 0, z, y, x);
  if (how == Shrink::nearest) return expected<T>(level - 1, z, 2 * y, 2 * x, how);
  Shape behind = kShape;
  for (uint64_t i = 1; i < level; ++i) behind = halved(behind);
  std::conditional_t<std::is_integral_v<T>, __int128, long double> sum = 0;
  int count = 0;
  for (uint64_t i = 2 * y; i < std::min(2 * y + 2, behind.y); ++i)
    for (uint64_t k = 2 * x; k < std::min(2 * x + 2, behind.x); ++k, ++count)
      sum += expected<T>(level - 1, z, i, k, how);
  if constexpr (std::is_floating_point_v<T>) {
    return static_cast<T>(sum / count);
  } else {
    // The nearest number, halves up.
    auto nearest = static_cast<T>(sum / count);
    while (2 * (sum - __int128{nearest} * count) >= count) ++nearest;
    while (2 * (sum - __int128{nearest} * count) < -count) --nearest;
    return nearest;
  }
}

template <class T>
void check(std::string_view dtype, Shrink how) {
  const auto reader = reader_of<T>(dtype, how);
  ASSERT_EQ(reader->levels().size(), 4u);
  ASSERT_EQ(reader->levels()[3].shape, (Shape{1, 1, 2, 163, 257}));
  EXPECT_EQ(reader->levels()[3].voxel_size, (formats::VoxelSize{3, 4, 2}));
  for (uint64_t level = 1; level < 4; ++level) {
    const Shape& shape = reader->levels()[level].shape;
    // A corner, the last rows and columns, and what crosses the edges of the computed chunks.
    for (const auto& [y, x] : {std::pair<AxisRange, AxisRange>({0, 3}, {0, 5}),
                               {{shape.y - 2, shape.y}, {shape.x - 3, shape.x}},
                               {{shape.y / 2, shape.y / 2 + 2}, {0, shape.x}}}) {
      const Region region{level, {0, 1}, {0, 1}, {0, 2}, y, x};
      const auto voxels = read<T>(*reader, region);
      size_t at = 0;
      for (uint64_t z = 0; z < 2; ++z)
        for (uint64_t i = y.begin; i < y.end; ++i)
          for (uint64_t k = x.begin; k < x.end; ++k, ++at)
            ASSERT_EQ(voxels[at], expected<T>(level, z, i, k, how))
                << dtype << " level " << level << " z " << z << " y " << i << " x " << k;
    }
  }
}

TEST(Pyramid, HasTheMeansOfWhatIsBehind) {
  check<uint8_t>("|u1", Shrink::mean);
  check<int8_t>("|i1", Shrink::mean);
  check<uint16_t>("<u2", Shrink::mean);
  check<int16_t>("<i2", Shrink::mean);
  check<uint32_t>("<u4", Shrink::mean);
  check<int64_t>("<i8", Shrink::mean);
  check<float>("<f4", Shrink::mean);
  check<double>("<f8", Shrink::mean);
}

TEST(Pyramid, HasTheNearestOfLabels) { check<uint32_t>("<u4", Shrink::nearest); }

TEST(Pyramid, IsTheSameWithSeveralThreadsAndInOtherTypes) {
  const auto one = reader_of<uint8_t>("|u1", Shrink::mean);
  const auto three = reader_of<uint8_t>("|u1", Shrink::mean, 3);
  const Shape& shape = one->levels()[1].shape;
  const Region all = whole(shape, 1);
  const auto voxels = read<uint8_t>(*one, all);
  EXPECT_EQ(voxels, read<uint8_t>(*three, all));
  std::vector<uint16_t> wide(shape.voxels());
  ASSERT_TRUE(three->read(all, PixelType::uint16, std::as_writable_bytes(std::span(wide))));
  EXPECT_TRUE(std::equal(wide.begin(), wide.end(), voxels.begin(), voxels.end()));
}

TEST(Pyramid, NamesTheChunksThatAreNotDecodedYet) {
  const auto reader = reader_of<uint8_t>("|u1", Shrink::mean);
  const auto unread = [&](const Region& region) {
    std::set<std::string> files;
    EXPECT_TRUE(
        reader->for_each_unread_chunk(region, [&](const formats::Chunk& chunk) -> Result<void> {
          files.insert(chunk.bytes.front().path);
          return {};
        }));
    return files;
  };
  const Region small{3, {0, 1}, {0, 1}, {1, 2}, {0, 163}, {0, 257}};
  const Region behind{0, {0, 1}, {0, 1}, {1, 2}, {10, 20}, {0, 2051}};
  EXPECT_EQ(unread(small), std::set<std::string>{"0/1/0/0"});
  EXPECT_EQ(unread(behind), std::set<std::string>{"0/1/0/0"});
  read<uint8_t>(*reader, small);
  EXPECT_EQ(unread(small), std::set<std::string>());
  EXPECT_EQ(unread(behind), std::set<std::string>()) << "its chunk was decoded for the small level";
  const Region all = whole(reader->levels()[0].shape, 0);
  EXPECT_EQ(unread(all), std::set<std::string>{"0/0/0/0"});
  const auto stopped = reader->for_each_unread_chunk(
      all,
      [](const formats::Chunk&) -> Result<void> { return Error(std::errc::io_error, "enough"); });
  EXPECT_FALSE(stopped);
}

TEST(Pyramid, EndsWithTheSmallestLevel) {
  const auto reader = reader_of<uint8_t>("|u1", Shrink::mean);
  const Region beyond{4, {0, 1}, {0, 1}, {0, 1}, {0, 1}, {0, 1}};
  std::byte voxel{};
  const auto done = reader->read(beyond, PixelType::uint8, std::span(&voxel, 1));
  ASSERT_FALSE(done);
  EXPECT_NE(done.error().text().find("level 4 is not in"), std::string::npos);
}

}  // namespace
}  // namespace tierhub::pixels
