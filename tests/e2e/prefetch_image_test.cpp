// Prefetches of parts of images: exactly the bytes that the part needs, in chunks of tierd.
#include <filesystem>
#include <map>

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "api/json.h"
#include "common/interval_set.h"
#include "formats/selection.h"
#include "tests/support/tier_fixture.h"
#include "tests/unit/formats/samples.h"
#include "tests/unit/pixels/samples.h"

namespace tierhub::test::prefetch_image_test {
namespace {

namespace fs = std::filesystem;

class PrefetchImage : public TierTest {
 protected:
  static constexpr uint64_t kChunk = 4096;

  PrefetchImage() : TierTest(std::chrono::minutes(5)) {
    tier.settings["chunk_size"] = std::to_string(kChunk);
  }
  // Without read-ahead of tierd and of the kernel, so that the look at the metadata fetches nothing
  // else.
  void start() {
    tier.settings["read_ahead"] = "0";
    tier.start();
    struct stat st {};
    check(::stat(tier.mount.c_str(), &st), "stat");
    write_file(
        fmt::format("/sys/class/bdi/{}:{}/read_ahead_kb", major(st.st_dev), minor(st.st_dev)), "0");
  }
  void write(const std::string& path, std::string_view bytes) {
    const std::string file = tier.in_archive(path);
    fs::create_directories(fs::path(file).parent_path());
    write_file(file, bytes);
  }
  // Three time points, two levels, chunks of 20,000 bytes.
  void write_zarr() {
    write("a.ome.zarr/.zgroup", R"({"zarr_format": 2})");
    write("a.ome.zarr/.zattrs", R"({"multiscales": [{"version": "0.4", "axes": [
      {"name": "t", "type": "time"}, {"name": "z", "type": "space"},
      {"name": "y", "type": "space"}, {"name": "x", "type": "space"}],
      "datasets": [
        {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1, 1, 1, 1]}]},
        {"path": "1", "coordinateTransformations": [{"type": "scale", "scale": [1, 1, 2, 2]}]}]}]})");
    for (const uint64_t level : {0, 1}) {
      const uint64_t side = level == 0 ? 2 : 1;
      const std::string folder = fmt::format("a.ome.zarr/{}/", level);
      write(folder + ".zarray", fmt::format(R"({{"zarr_format": 2, "shape": [3, 8, {0}, {0}],
        "chunks": [1, 4, 50, 50], "dtype": "<u2", "order": "C", "compressor": null, "filters": null,
        "fill_value": 0, "dimension_separator": "/"}})",
                                            side * 50));
      for (uint64_t i = 0; i < 3 * 2 * side * side; ++i) {
        const uint64_t t = i / (2 * side * side), z = i / (side * side) % 2, y = i / side % side;
        write(fmt::format("{}{}/{}/{}/{}", folder, t, z, y, i % side), random_bytes(20'000, i));
      }
    }
  }
  // What the archive's copy of the image needs, by path in it.
  std::vector<formats::NeededFile> needed(const std::string& path, const std::string& selection) {
    const auto image = formats::Image::open(tier.in_archive(path));
    if (!image) throw std::runtime_error(image.error().text());
    const auto boxes = formats::boxes_of((*image)->info(), *formats::parse_selection(selection));
    if (!boxes) throw std::runtime_error(boxes.error().text());
    return *formats::needed_files(**image, *boxes);
  }
  static uint64_t bytes_of(const std::vector<formats::NeededFile>& files) {
    uint64_t bytes = 0;
    for (const formats::NeededFile& file : files) {
      if (file.ranges.empty()) bytes += file.size_bytes;
      for (const ByteRange& range : file.ranges) bytes += range.size();
    }
    return bytes;
  }
  // How many chunks the finest level of the archive's copy has, and how many bytes they are.
  std::pair<uint64_t, uint64_t> stored(const std::string& path) {
    const auto image = formats::Image::open(tier.in_archive(path));
    if (!image) throw std::runtime_error(image.error().text());
    std::map<std::string, IntervalSet> files;
    uint64_t chunks = 0;
    const auto note = [&](const formats::Chunk& chunk) -> Result<void> {
      ++chunks;
      for (const formats::FileRange& range : chunk.bytes) {
        const uint64_t size = (*image)->files().size_of(range.path)->value_or(0);
        const uint64_t begin = std::min(range.offset_bytes, size);
        files[range.path].add(begin, begin + std::min(range.size_bytes, size - begin));
      }
      return {};
    };
    const auto walked =
        (*image)->for_each_chunk(formats::whole((*image)->info().levels.front().shape, 0), note);
    if (!walked) throw std::runtime_error(walked.error().text());
    uint64_t bytes = 0;
    for (const auto& [file, parts] : files) bytes += parts.size();
    return {chunks, bytes};
  }
  // In whole chunks.
  static std::vector<ByteRange> rounded(const formats::NeededFile& file) {
    IntervalSet chunks;
    for (const ByteRange& range : file.ranges)
      chunks.add(range.begin / kChunk, (range.end + kChunk - 1) / kChunk);
    if (file.ranges.empty()) chunks.add(0, (file.size_bytes + kChunk - 1) / kChunk);
    std::vector<ByteRange> ranges;
    for (const auto& part : chunks.intervals())
      ranges.push_back({part.begin * kChunk, std::min(part.end * kChunk, file.size_bytes)});
    return ranges;
  }
  // By `tierctl`.
  api::Prefetch prefetch(const std::string& path, const std::string& selection) {
    const auto result = tier.tierctl({"prefetch", "--wait", "--json", "--box", selection, path});
    EXPECT_EQ(result.exit_code, 0) << result.text;
    const auto receipt = api::decode<api::Prefetch>(result.out, api::UnknownMembers::refuse);
    if (!receipt) throw std::runtime_error(result.text);
    return *receipt;
  }
  // Every file at and below a folder of the namespace, with its resident ranges; cold files are left
  // out.
  std::map<std::string, std::vector<ByteRange>> resident(const std::string& folder) {
    std::map<std::string, std::vector<ByteRange>> found;
    const auto listing = tier.client().list(folder, api::Service::Depth::all, "", 10'000);
    for (const api::Entry& entry : listing->entries) {
      if (entry.kind != "file" || entry.size == 0) continue;
      const auto ranges = tier.client().residency(entry.path, {0, UINT64_MAX}, 10'000);
      EXPECT_FALSE(ranges->more);
      if (!ranges->ranges.empty()) found[entry.path] = ranges->ranges;
    }
    return found;
  }
};

TEST_F(PrefetchImage, OfAnOmeZarrFetchesTheChunksOfThePartAndNoOthers) {
  write_zarr();
  start();
  const std::string selection = "level=0:2,t=1:3,z=4:8,x=0:50";
  const auto announced = needed("a.ome.zarr", selection);
  const api::Prefetch receipt = prefetch("/a.ome.zarr", selection);
  EXPECT_EQ(receipt.total_bytes, bytes_of(announced));
  EXPECT_EQ(receipt.done_bytes, receipt.total_bytes);
  EXPECT_GT(receipt.total_bytes, 6 * 20'000u) << "two times, two levels, the left half";
  std::map<std::string, std::vector<ByteRange>> expected;
  for (const auto& file : announced) expected["/a.ome.zarr/" + file.path] = rounded(file);
  EXPECT_EQ(expected.size(), 6u + 4u);
  EXPECT_EQ(resident("/a.ome.zarr"), expected);
}

TEST_F(PrefetchImage, OfATiffFetchesTheStripsOfThePartAndTheMetadataAlone) {
  TiffBuilder tiff;
  for (int page = 0; page < 12; ++page) tiff.add_page(1000, 50, 16);
  write("a.tif", tiff.bytes());
  start();
  const auto announced = needed("a.tif", "z=3:5");
  ASSERT_EQ(announced.size(), 1u);
  const api::Prefetch receipt = prefetch("/a.tif", "z=3:5");
  EXPECT_EQ(receipt.total_bytes, bytes_of(announced));
  const auto found = resident("/");
  EXPECT_EQ(found,
            (std::map<std::string, std::vector<ByteRange>>{{"/a.tif", rounded(announced[0])}}));
  const uint64_t bytes = tier.entry("/a.tif").resident;
  EXPECT_GE(bytes, 200'000u);
  EXPECT_LT(bytes, 600'000u) << "of 1.2 MB";
}

TEST_F(PrefetchImage, OfEachFormatFetchesWhatIsNeededAndNoMore) {
  const std::vector<Sample> samples = all_samples();
  for (const Sample& sample : samples) {
    for (const auto& [path, bytes] : sample.files) write(sample.name + "/" + path, bytes);
  }
  start();
  std::map<std::string, int> formats;
  for (const Sample& sample : samples) {
    SCOPED_TRACE(sample.name);
    const std::string path = sample.name + (sample.file.empty() ? "" : "/" + sample.file);
    const auto format = (*formats::Image::open(tier.in_archive(path)))->info().format;
    // Many differ only in what a voxel is.
    const bool is_special =
        sample.name.find("Shards") != std::string::npos || sample.name.starts_with("Series");
    if (++formats[format] % 16 != 1 && !is_special) continue;
    const std::string selection =
        fmt::format("t={},c={},z={}", sample.shape.t - 1, sample.shape.c - 1, sample.shape.z - 1);
    const auto announced = needed(path, selection);
    const api::Prefetch receipt = prefetch("/" + path, selection);
    EXPECT_EQ(receipt.total_bytes, bytes_of(announced));
    std::map<std::string, std::vector<ByteRange>> expected;
    for (const auto& file : announced)
      expected["/" + sample.name + "/" + file.path] = rounded(file);
    EXPECT_EQ(resident("/" + sample.name), expected);
    const auto shown = tier.tierctl({"dataset", "show", "--json", "/" + path});
    ASSERT_EQ(shown.exit_code, 0) << shown.text;
    const auto document = nlohmann::json::parse(shown.out);
    EXPECT_EQ(document["format"], format);
    const auto [chunks, bytes] = stored(path);
    EXPECT_EQ(document["levels"][0]["chunks"], chunks);
    EXPECT_EQ(document["levels"][0]["stored"], bytes);
  }
  EXPECT_GT(formats.size(), 4u);
}

TEST_F(PrefetchImage, KeepsMetadataWhenTheRestIsEvicted) {
  constexpr uint64_t kMiB = 1 << 20;
  tier.settings["capacity"] = "16MiB";
  tier.settings["reserve"] = "1MiB";
  write_zarr();
  for (uint64_t i = 0; i < 30; ++i) write(fmt::format("others/{}", i), random_bytes(kMiB, i));
  start();
  const auto result = tier.tierctl({"prefetch", "--wait", "--keep-metadata", "/a.ome.zarr"});
  EXPECT_EQ(result.exit_code, 0) << result.text;
  const auto resident_below = [&](const std::string& folder) {
    uint64_t bytes = 0;
    for (const auto& [path, ranges] : resident(folder)) {
      for (const ByteRange& range : ranges) bytes += range.size();
    }
    return bytes;
  };
  EXPECT_GT(resident_below("/a.ome.zarr/0"), 24 * 20'000u);
  const auto expect_kept = [&] {
    for (const char* path :
         {"/a.ome.zarr/.zattrs", "/a.ome.zarr/0/.zarray", "/a.ome.zarr/1/.zarray"})
      EXPECT_EQ(tier.entry(path).state, "hot") << path;
  };
  // They are used more often than the image.
  const auto read_others = [&](uint64_t first) {
    for (uint64_t i = first; i < first + 15; ++i)
      EXPECT_EQ(read_file(tier.in_mount(fmt::format("others/{}", i))), random_bytes(kMiB, i));
  };
  read_others(0);
  tier.stop();
  start();
  expect_kept();
  read_others(15);
  eventually("the pixels are evicted", [&] {
    read_others(0);
    read_others(15);
    return resident_below("/a.ome.zarr/0/0") + resident_below("/a.ome.zarr/0/1") +
               resident_below("/a.ome.zarr/0/2") ==
           0;
  });
  expect_kept();
}

TEST_F(PrefetchImage, KeepsOnlyMetadata) {
  write("file", "x");
  tier.start();
  api::PrefetchRequest request;
  request.paths = {"/file"};
  request.keep = "pixels";
  const auto refused = tier.client().start_prefetch(request);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().text(), "keep must be metadata, or empty");
}

TEST_F(PrefetchImage, OutsideOfItIsAnError) {
  TiffBuilder tiff;
  tiff.add_page(10, 10, 16);
  write("a.tif", tiff.bytes());
  tier.start();
  const auto result = tier.tierctl({"prefetch", "--wait", "--level", "1", "/a.tif"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(result.err, "tierctl: /a.tif: level 1 is selected, but the dataset has only level 0\n");
  EXPECT_EQ(tier.client().prefetches()->size(), 0u);
}

}  // namespace
}  // namespace tierhub::test::prefetch_image_test
