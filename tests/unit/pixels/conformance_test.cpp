// What every format must do: regions at every edge have their voxels, in every type, and reading
// touches the bytes that were announced and no others.
#include <random>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "formats/selection.h"
#include "pixels/reader.h"
#include "tests/unit/formats/trees.h"
#include "tests/unit/pixels/samples.h"

namespace tierhub::pixels {
namespace {

using formats::AxisRange;
using formats::Region;
using test::CountingTree;
using test::MemoryTree;
using test::Sample;

const std::vector<Sample>& samples() {
  static const std::vector<Sample> all = test::all_samples();
  return all;
}

class Conformance : public ::testing::TestWithParam<size_t> {
 protected:
  const Sample& sample_ = samples()[GetParam()];
  std::shared_ptr<const CountingTree> tree_ =
      std::make_shared<CountingTree>(std::make_shared<MemoryTree>(sample_.file, sample_.files));

  std::unique_ptr<PixelReader> open(size_t threads = 1) const {
    auto image = formats::Image::open(tree_);
    if (!image) throw std::runtime_error(image.error().text());
    auto reader = PixelReader::open(*std::move(image), {threads, uint64_t{1} << 20});
    if (!reader) throw std::runtime_error(reader.error().text());
    return *std::move(reader);
  }
  std::string read(const PixelReader& reader, const Region& region) const {
    std::string bytes(region.shape().voxels() * formats::bytes_of(sample_.type), '?');
    const auto done = reader.read(region, sample_.type, std::as_writable_bytes(std::span(bytes)));
    if (!done) throw std::runtime_error(done.error().text());
    return bytes;
  }
  // Regions that begin or end at each edge of the image and of its chunks, and some others.
  std::vector<Region> regions(int others = 40) const {
    std::mt19937_64 random(GetParam());
    const formats::Shape& shape = sample_.shape;
    std::vector<Region> all = {whole(shape, 0)};
    const auto range = [&](uint64_t size) {
      AxisRange one;
      one.begin = random() % size;
      one.end = one.begin + 1 + random() % (size - one.begin);
      return one;
    };
    for (int i = 0; i < others; ++i)
      all.push_back(
          {0, range(shape.t), range(shape.c), range(shape.z), range(shape.y), range(shape.x)});
    const auto last = [](uint64_t size) { return AxisRange{size - 1, size}; };
    all.push_back({0, last(shape.t), last(shape.c), last(shape.z), last(shape.y), last(shape.x)});
    all.push_back({0, {0, 1}, {0, 1}, {0, 1}, {0, 1}, {0, 1}});
    return all;
  }
};

TEST_P(Conformance, SaysWhatTheImageIs) {
  const auto reader = open();
  const formats::ImageInfo& info = reader->info();
  EXPECT_EQ(info.levels.front().shape, sample_.shape);
  EXPECT_EQ(to_text(info.type), to_text(sample_.type));
  EXPECT_EQ(info.type_name, to_text(sample_.type));
  EXPECT_FALSE(info.not_decodable) << *info.not_decodable;
}

TEST_P(Conformance, RegionsHaveTheirVoxels) {
  for (const size_t threads : {1, 3}) {
    const auto reader = open(threads);
    for (const Region& region : regions())
      ASSERT_EQ(read(*reader, region), expected_voxels(sample_, region))
          << fmt::format("t {}:{} c {}:{} z {}:{} y {}:{} x {}:{}", region.t.begin, region.t.end,
                         region.c.begin, region.c.end, region.z.begin, region.z.end, region.y.begin,
                         region.y.end, region.x.begin, region.x.end);
  }
}

TEST_P(Conformance, ReadingTouchesTheBytesThatWereAnnouncedAndNoOthers) {
  for (const Region& region : regions(10)) {
    const formats::Box box{0, region.t.begin, region.c.begin, region.z, region.y, region.x};
    tree_->take();
    auto image = formats::Image::open(tree_);
    ASSERT_TRUE(image);
    const auto files = formats::needed_files(**image, {box});
    ASSERT_TRUE(files) << files.error().text();
    std::map<std::string, IntervalSet> announced;
    for (const formats::NeededFile& file : *files) {
      if (file.ranges.empty()) announced[file.path].add(0, file.size_bytes);
      for (const ByteRange& range : file.ranges) announced[file.path].add(range.begin, range.end);
    }
    const auto reader = PixelReader::open(*std::move(image), {});
    ASSERT_TRUE(reader);
    EXPECT_EQ(read(**reader, box), expected_voxels(sample_, box));
    for (const auto& [path, touched] : tree_->take()) {
      for (const IntervalSet::Interval& part : touched.intervals())
        EXPECT_TRUE(announced[path].contains(part.begin, part.end))
            << path << " " << part.begin << "-" << part.end;
    }
  }
}

TEST_P(Conformance, ACutFileIsAnErrorOrHasTheSameVoxels) {
  const Region all = whole(sample_.shape, 0);
  const std::string good = expected_voxels(sample_, all);
  std::mt19937_64 random(GetParam());
  for (const auto& [path, bytes] : sample_.files) {
    const bool metadata = path.find(".z") != std::string::npos || path.ends_with(".json");
    if (sample_.files.size() > 10 && !metadata && random() % 20 != 0) continue;
    for (int i = 0; i < 5; ++i) {
      test::Files files = sample_.files;
      files[path] = bytes.substr(0, random() % bytes.size());
      auto image = formats::Image::open(std::make_shared<MemoryTree>(sample_.file, files));
      if (!image) continue;
      if (whole((*image)->info().levels[0].shape, 0) != all ||
          (*image)->info().type != sample_.type)
        continue;
      const auto reader = PixelReader::open(*std::move(image), {});
      ASSERT_TRUE(reader);
      std::string voxels(good.size(), '?');
      const auto read =
          (*reader)->read(all, sample_.type, std::as_writable_bytes(std::span(voxels)));
      if (read) {
        EXPECT_EQ(voxels, good) << path;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Format, Conformance, ::testing::Range(size_t{0}, samples().size()),
                         [](const auto& one) { return samples()[one.param].name; });

}  // namespace
}  // namespace tierhub::pixels
