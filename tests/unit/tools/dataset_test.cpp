// Images that tierctl opens, in a folder that the fake tierd calls its mount.
#include <algorithm>
#include <fstream>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "tests/unit/formats/samples.h"
#include "tests/unit/tools/fixture.h"

namespace tierhub::tierctl {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Json = nlohmann::json;

class Dataset : public TierctlTest {
 protected:
  void write(const std::string& path, std::string_view bytes) {
    const std::filesystem::path file = mount_ + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << bytes;
    service_.with([&](State& state) { state.residencies[path].size = bytes.size(); });
  }
  void make_resident(const std::string& path, uint64_t bytes) {
    service_.with([&](State& state) { state.residencies[path].resident = bytes; });
  }
  // Four time points and two levels, of 2 x 2 and 1 chunks, one of which is not stored.
  void write_zarr() {
    write("/a.ome.zarr/.zgroup", R"({"zarr_format": 2})");
    write("/a.ome.zarr/.zattrs", R"({"multiscales": [{"version": "0.4", "axes": [
        {"name": "t", "type": "time"}, {"name": "c", "type": "channel"},
        {"name": "y", "type": "space", "unit": "micrometer"},
        {"name": "x", "type": "space", "unit": "micrometer"}],
        "datasets": [
          {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1, 1, 0.5, 0.25]}]},
          {"path": "1", "coordinateTransformations": [{"type": "scale", "scale": [1, 1, 1, 0.5]}]}]}],
        "omero": {"channels": [{"label": "DAPI", "color": "0000FF"}]}})");
    for (const auto& [level, size] : {std::pair(0, 20), std::pair(1, 10)}) {
      const std::string folder = fmt::format("/a.ome.zarr/{}/", level);
      write(folder + ".zarray", fmt::format(R"({{"zarr_format": 2, "shape": [4, 1, {0}, {0}],
          "chunks": [1, 1, 10, 10], "dtype": "|u1", "order": "C", "compressor": null,
          "filters": null, "fill_value": 0, "dimension_separator": "."}})",
                                            size));
      for (int t = 0; t < 4; ++t) {
        for (int y = 0; y < size / 10; ++y) {
          for (int x = 0; x < size / 10; ++x) {
            if (level == 0 && t == 3 && y == 1 && x == 1) continue;
            write(folder + fmt::format("{}.0.{}.{}", t, y, x), std::string(100, '\1'));
          }
        }
      }
    }
  }
  // What tierd was asked to prefetch: "path begin-end" or "path" for a whole file.
  std::vector<std::string> prefetched() {
    std::vector<std::string> lines;
    service_.with([&](State& state) {
      for (const api::FileRanges& file : state.prefetch_request.files) {
        if (file.ranges.empty()) lines.push_back(file.path);
        for (const ByteRange& range : file.ranges)
          lines.push_back(fmt::format("{} {}-{}", file.path, range.begin, range.end));
      }
    });
    return lines;
  }
  void answer_prefetches() {
    api::Prefetch prefetch;
    prefetch.id = 7;
    prefetch.state = "done";
    service_.with([&](State& state) { state.prefetches[7] = {prefetch}; });
  }
};

TEST_F(Dataset, ShowSaysWhatItIsAndWhatOfItIsOnTheSsd) {
  write_zarr();
  make_resident("/a.ome.zarr/0/0.0.0.0", 100);
  make_resident("/a.ome.zarr/0/1.0.1.1", 50);
  for (int t = 0; t < 4; ++t) make_resident(fmt::format("/a.ome.zarr/1/{}.0.0.0", t), 100);
  const auto outcome = run({"dataset", "show", mount_ + "/a.ome.zarr"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "");
  EXPECT_THAT(outcome.out, HasSubstr("path         /a.ome.zarr\n"
                                     "format       OME-Zarr\n"
                                     "axes         tcyx\n"
                                     "shape        4 x 1 x 20 x 20\n"
                                     "type         uint8\n"
                                     "channels     1 (0 DAPI)\n"
                                     "voxel size   y 0.5, x 0.25 micrometer\n"
                                     "metadata     "));
  EXPECT_THAT(
      outcome.out,
      HasSubstr("LEVEL  SHAPE            CHUNK            CHUNKS   STORED  RESIDENT\n"
                "    0  4 x 1 x 20 x 20  1 x 1 x 10 x 10      16  1.5 KiB     150 B   10%\n"
                "    1  4 x 1 x 10 x 10  1 x 1 x 10 x 10       4    400 B     400 B  100%\n"));
}

TEST_F(Dataset, ShowAsJsonHasExactBytes) {
  write_zarr();
  make_resident("/a.ome.zarr/0/0.0.0.0", 100);
  const auto outcome = run({"dataset", "show", "--json", "/a.ome.zarr"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  const Json shown = Json::parse(outcome.out);
  EXPECT_EQ(shown["path"], "/a.ome.zarr");
  EXPECT_EQ(shown["axes"], "tcyx");
  EXPECT_EQ(shown["channel_names"], Json({"DAPI"}));
  EXPECT_GT(shown["metadata"]["stored"], 0);
  EXPECT_EQ(shown["levels"].size(), 2u);
  EXPECT_EQ(shown["levels"][0]["shape"], Json({4, 1, 20, 20}));
  EXPECT_EQ(shown["levels"][0]["stored"], 1500);
  EXPECT_EQ(shown["levels"][0]["resident"], 100);
  EXPECT_EQ(shown["levels"][0]["voxel_size"]["x"], 0.25);
  EXPECT_EQ(shown["levels"][1]["resident"], 0);
}

TEST_F(Dataset, ShowAsksAgainForWhatTierdHadNoTimeFor) {
  write_zarr();
  make_resident("/a.ome.zarr/0/0.0.0.0", 100);
  service_.with([](State& state) { state.residencies_at_once = 4; });
  const Json shown = Json::parse(run({"dataset", "show", "--json", "/a.ome.zarr"}).out);
  EXPECT_EQ(shown["levels"][0]["stored"], 1500);
  EXPECT_EQ(shown["levels"][0]["resident"], 100);
  EXPECT_EQ(shown["levels"][1]["stored"], 400);
}

TEST_F(Dataset, ShowOfWhatIsNoImageFails) {
  write("/text.txt", "no image");
  for (const std::string path : {"/text.txt", "/brain42", "/missing"}) {
    const auto outcome = run({"dataset", "show", path});
    EXPECT_EQ(outcome.exit_code, 1) << path;
    EXPECT_EQ(outcome.out, "") << path;
    EXPECT_THAT(outcome.err, HasSubstr(path));
  }
}

TEST_F(Dataset, APartOfAnOmeZarrIsPrefetchedChunkByChunk) {
  write_zarr();
  answer_prefetches();
  const auto outcome = run({"prefetch", "--t", "2-", "--y", "10-19", mount_ + "/a.ome.zarr"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(prefetched(),
              ElementsAre("/a.ome.zarr/.zattrs", "/a.ome.zarr/.zgroup", "/a.ome.zarr/0/.zarray",
                          "/a.ome.zarr/0/2.0.1.0", "/a.ome.zarr/0/2.0.1.1", "/a.ome.zarr/0/3.0.1.0",
                          "/a.ome.zarr/1/.zarray"));
  EXPECT_THAT(outcome.err, HasSubstr("/a.ome.zarr level=0,t=2:4,c=0,y=10:20"));
}

TEST_F(Dataset, ABoxIsASelectionInOneText) {
  write_zarr();
  answer_prefetches();
  const auto outcome =
      run({"prefetch", "--box", "level=1,t=1,c=0,z=0:1,y=0:5,x=0:5", "/a.ome.zarr"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(prefetched(), testing::Contains("/a.ome.zarr/1/1.0.0.0"));
  EXPECT_EQ(prefetched().size(), 5u);
}

TEST_F(Dataset, APlaneOfATiffIsItsStripAndTheMetadata) {
  test::TiffBuilder tiff;
  for (int page = 0; page < 3; ++page) tiff.add_page(200, 100, 16);
  write("/brain42/a.tif", tiff.bytes());
  answer_prefetches();
  current_folder_ = mount_ + "/brain42";
  const auto outcome = run({"prefetch", "--z", "1", "a.tif"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  constexpr uint64_t kStrip = 40'000;
  bool has_strip = false;
  uint64_t bytes = 0;
  service_.with([&](State& state) {
    ASSERT_EQ(state.prefetch_request.files.size(), 1u);
    EXPECT_EQ(state.prefetch_request.files[0].path, "/brain42/a.tif");
    for (const ByteRange& range : state.prefetch_request.files[0].ranges) {
      bytes += range.size();
      has_strip = has_strip || (range.begin <= kStrip + 200 && range.end >= 2 * kStrip);
    }
  });
  EXPECT_TRUE(has_strip);
  EXPECT_LT(bytes, 2 * kStrip);
}

TEST_F(Dataset, APartOutsideTheImageIsAnErrorByName) {
  write_zarr();
  const auto outcome = run({"prefetch", "--t", "4", "/a.ome.zarr"});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_EQ(outcome.err, "tierctl: /a.ome.zarr: t 4 is selected, but the dataset has only t 0-3\n");
  EXPECT_EQ(run({"prefetch", "--level", "2-", "/a.ome.zarr"}).exit_code, 1);
  EXPECT_EQ(run({"prefetch", "--z", "1", "/a.ome.zarr"}).exit_code, 1);
}

TEST_F(Dataset, MetadataToKeepIsAPrefetchOfItsOwn) {
  write_zarr();
  answer_prefetches();
  const auto outcome = run({"prefetch", "--keep-metadata", "--t", "0", "--json", "/a.ome.zarr"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(Json::parse(outcome.out)["prefetches"].size(), 2u);
  EXPECT_EQ(run({"prefetch", "--keep-metadata", "/a.ome.zarr"}).exit_code, 0);
  const auto requests = service_.with([](State& state) { return state.prefetch_requests; });
  ASSERT_EQ(requests.size(), 4u);
  for (const size_t of_metadata : {0, 2}) {
    const api::PrefetchRequest& request = requests[of_metadata];
    EXPECT_EQ(request.keep, "metadata");
    EXPECT_EQ(request.label, "metadata of /a.ome.zarr");
    std::vector<std::string> paths;
    for (const api::FileRanges& file : request.files) paths.push_back(file.path);
    EXPECT_THAT(paths, ElementsAre("/a.ome.zarr/.zattrs", "/a.ome.zarr/.zgroup",
                                   "/a.ome.zarr/0/.zarray", "/a.ome.zarr/1/.zarray"));
  }
  EXPECT_EQ(requests[1].keep, "");
  EXPECT_EQ(requests[1].files.size(), 8u);
  EXPECT_EQ(requests[3].keep, "");
  EXPECT_THAT(requests[3].paths, ElementsAre("/a.ome.zarr"));
}

TEST_F(Dataset, SeveralImagesArePrefetchedTogether) {
  write_zarr();
  test::TiffBuilder tiff;
  tiff.add_page(20, 10, 8);
  write("/b.tif", tiff.bytes());
  answer_prefetches();
  const auto outcome = run({"prefetch", "--x", "0", "/a.ome.zarr", "/b.tif"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(prefetched(), testing::Contains("/a.ome.zarr/0/0.0.0.0"));
  EXPECT_THAT(prefetched(), testing::Contains(HasSubstr("/b.tif")));
}

}  // namespace
}  // namespace tierhub::tierctl
