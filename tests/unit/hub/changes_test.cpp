// Files that change while an image is shown: nobody sees old voxels for longer than one request.
#include <filesystem>
#include <fstream>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "common/posix.h"
#include "common/unique_fd.h"
#include "tests/unit/hub/hub_fixture.h"

namespace tierhub::hub {
namespace {

using formats::Json;
using formats::Shape;

constexpr Shape kTwoRows{1, 1, 2, 1024, 512};
constexpr const char* kChunk = "a.zarr/0/0/0/0/1/0";

class ChangedFiles : public ::testing::Test {
 protected:
  ChangedFiles() {
    folder_.write("a.zarr", zarr_image(kTwoRows, {1, 1, 1, 512, 512}));
    routes_ = ImageRoutes::open({folder_.path(), make_tiers(tierd_.calls())}).value();
  }

  std::string absolute(const std::string& path) const { return folder_.path() + "/" + path; }
  std::string version(const std::string& path) {
    return json_of(get(*routes_, "/api/dataset?path=" + path)).value("version", "");
  }
  http::Response tile(const std::string& rest, const http::Headers& headers = {}) {
    return get(*routes_, fmt::format("/img/{}/a.zarr/{}", version("/a.zarr"), rest), headers);
  }
  static std::string filled(uint16_t number, uint64_t voxels = 512 * 512) {
    std::string bytes;
    for (uint64_t i = 0; i < voxels; ++i) bytes += test::bytes_of_number(number, false);
    return bytes;
  }
  // As a program does that opens the file and writes.
  void write_in_place(const std::string& path, const std::string& bytes) {
    const UniqueFd fd = posix::open_at(AT_FDCWD, absolute(path), O_WRONLY).value();
    ASSERT_EQ(::pwrite(fd.get(), bytes.data(), bytes.size(), 0),
              static_cast<ssize_t>(bytes.size()));
  }
  void write_by_rename(const std::string& path, const std::string& bytes) {
    std::ofstream(absolute(path + ".new"), std::ios::binary) << bytes;
    std::filesystem::rename(absolute(path + ".new"), absolute(path));
  }

  HubFolder folder_;
  FakeTierd tierd_;
  std::unique_ptr<ImageRoutes> routes_;
};

TEST_F(ChangedFiles, ATileOfAnOmeZarrIsAskedForAgainButNotSentAgain) {
  const auto first = tile("0/0/0/0/1/0");
  ASSERT_EQ(first.status, 200) << body_of(first);
  EXPECT_EQ(header_of(first, "Cache-Control"), "private, no-cache");
  const std::string tag = header_of(first, "ETag");
  const auto again = tile("0/0/0/0/1/0", {{"if-none-match", tag}});
  EXPECT_EQ(again.status, 304);
  EXPECT_EQ(header_of(again, "ETag"), tag);
  EXPECT_NE(header_of(tile("0/0/0/0/0/0"), "ETag"), tag) << "it comes from another file";
  // While the files are as they were, nothing is read.
  tierd_.make_cold("/a.zarr/0/0/0/0/1/0");
  EXPECT_EQ(tile("0/0/0/0/1/0", {{"if-none-match", tag}}).status, 304);
  EXPECT_EQ(tierd_.requests().size(), 0u);
}

TEST_F(ChangedFiles, AChunkOverwrittenInPlaceShowsAtTheNextRequest) {
  const auto before = tile("0/0/0/0/1/0");
  const std::string version_before = version("/a.zarr");
  write_in_place(kChunk, filled(77));
  const http::Headers known = {{"if-none-match", header_of(before, "ETag")}};
  const auto after = tile("0/0/0/0/1/0", known);
  EXPECT_EQ(after.status, 200);
  EXPECT_EQ(body_of(after), filled(77));
  EXPECT_EQ(version("/a.zarr"), version_before) << "the image is the same";
  const auto picture =
      get(*routes_, fmt::format("/png/{}/a.zarr/0/0/0/1/0?c=0&min=76&max=77", version("/a.zarr")));
  EXPECT_EQ(picture.status, 200);
  EXPECT_NE(header_of(picture, "Cache-Control").find("no-"), std::string::npos);
}

TEST_F(ChangedFiles, AChunkReplacedByRenameShowsAtTheNextRequest) {
  const auto before = tile("0/0/0/0/1/0");
  write_by_rename(kChunk, filled(78));
  const auto after = tile("0/0/0/0/1/0", {{"if-none-match", header_of(before, "ETag")}});
  EXPECT_EQ(after.status, 200);
  EXPECT_EQ(body_of(after), filled(78));
}

TEST_F(ChangedFiles, AnMtimeThatIsSetBackHidesNothing) {
  const auto before = tile("0/0/0/0/1/0");
  struct stat st {};
  ASSERT_EQ(::stat(absolute(kChunk).c_str(), &st), 0);
  write_in_place(kChunk, filled(79));
  const std::array<timespec, 2> times = {st.st_atim, st.st_mtim};
  ASSERT_EQ(::utimensat(AT_FDCWD, absolute(kChunk).c_str(), times.data(), 0), 0);
  const auto after = tile("0/0/0/0/1/0", {{"if-none-match", header_of(before, "ETag")}});
  EXPECT_EQ(after.status, 200);
  EXPECT_EQ(body_of(after), filled(79));
}

TEST_F(ChangedFiles, AChunkThatAppearsOrGoesShowsAtTheNextRequest) {
  EXPECT_EQ(tile("0/0/0/0/1/0").status, 200);
  std::filesystem::rename(absolute(kChunk), absolute("kept"));
  EXPECT_EQ(body_of(tile("0/0/0/0/1/0")), filled(0)) << "the fill value";
  std::filesystem::rename(absolute("kept"), absolute(kChunk));
  EXPECT_NE(body_of(tile("0/0/0/0/1/0")), filled(0));
}

TEST_F(ChangedFiles, SmallLevelsFollowTheirChunks) {
  const auto before = tile("1/0/0/0/0/0");
  ASSERT_EQ(before.status, 200);
  write_in_place(kChunk, filled(80));
  const auto after = tile("1/0/0/0/0/0", {{"if-none-match", header_of(before, "ETag")}});
  ASSERT_EQ(after.status, 200);
  const uint64_t half = body_of(after).size() / 2;
  EXPECT_EQ(body_of(after).substr(0, half), body_of(before).substr(0, half));
  EXPECT_EQ(body_of(after).substr(half), filled(80, 256 * 256));
}

TEST_F(ChangedFiles, ZarrChunksFollowTheirFiles) {
  const std::string target = "/zarr/v3/a.zarr/0/c/0/0/0/1/0";
  const auto before = get(*routes_, target);
  ASSERT_EQ(before.status, 200);
  const std::string tag = header_of(before, "ETag");
  EXPECT_EQ(get(*routes_, target, {{"if-none-match", tag}}).status, 304);
  write_in_place(kChunk, filled(81));
  const auto after = get(*routes_, target, {{"if-none-match", tag}});
  EXPECT_EQ(after.status, 200);
  EXPECT_EQ(body_of(after), filled(81));
  const auto range = get(*routes_, target, {{"if-range", tag}, {"range", "bytes=0-3"}});
  EXPECT_EQ(range.status, 200) << "a range of other bytes is of no use";
}

TEST_F(ChangedFiles, HistogramsAndThumbnailsFollowTheirChunks) {
  const auto histogram = [&] {
    return json_of(get(*routes_, "/api/histogram?path=/a.zarr&level=0&z=0"));
  };
  EXPECT_GT(histogram()["high"], 1000);
  const auto thumbnail = get(*routes_, "/api/thumbnail?path=/a.zarr");
  ASSERT_EQ(thumbnail.status, 200);
  const http::Headers known = {{"if-none-match", header_of(thumbnail, "ETag")}};
  EXPECT_EQ(get(*routes_, "/api/thumbnail?path=/a.zarr", known).status, 304);
  for (const char* chunk :
       {"a.zarr/0/0/0/0/0/0", "a.zarr/0/0/0/0/1/0", "a.zarr/0/0/0/1/0/0", "a.zarr/0/0/0/1/1/0"})
    write_in_place(chunk, filled(7));
  EXPECT_EQ(histogram()["high"], 7);
  const auto after = get(*routes_, "/api/thumbnail?path=/a.zarr", known);
  EXPECT_EQ(after.status, 200);
  EXPECT_NE(body_of(after), body_of(thumbnail));
}

TEST_F(ChangedFiles, WhatChangedAMomentAgoIsNotKept) {
  write_in_place(kChunk, filled(5));
  const auto now = tile("0/0/0/0/1/0");
  folder_.settle();
  const auto later = tile("0/0/0/0/1/0");
  if (header_of(now, "Cache-Control") == "no-store") {
    EXPECT_EQ(header_of(now, "ETag"), "");
  }
  EXPECT_EQ(header_of(later, "Cache-Control"), "private, no-cache");
  EXPECT_EQ(body_of(now), body_of(later));
}

// A write that moves no time stamp: tierd alone knows of it.
TEST_F(ChangedFiles, AnOpenForWritingIsAChange) {
  const auto before = tile("0/0/0/0/1/0");
  const std::string tag = header_of(before, "ETag");
  tierd_.set_writes("/a.zarr/0/0/0/0/1/0", {1, true});
  const auto meanwhile = tile("0/0/0/0/1/0", {{"if-none-match", tag}});
  EXPECT_EQ(meanwhile.status, 200);
  EXPECT_EQ(header_of(meanwhile, "Cache-Control"), "no-store");
  const auto chunk = get(*routes_, "/zarr/v2/a.zarr/0/0/0/0/1/0", {{"if-none-match", tag}});
  EXPECT_EQ(header_of(chunk, "Cache-Control"), "no-store");
  tierd_.set_writes("/a.zarr/0/0/0/0/1/0", {1, false});
  const auto after = tile("0/0/0/0/1/0", {{"if-none-match", tag}});
  EXPECT_EQ(after.status, 200);
  EXPECT_NE(header_of(after, "ETag"), tag);
}

// While a file is open for writing its bytes change without a trace: nothing decoded is kept.
TEST_F(ChangedFiles, WhatIsBeingWrittenIsDecodedEachTime) {
  tierd_.set_writes("/a.zarr/0/0/0/0/1/0", {1, true});
  EXPECT_EQ(tile("0/0/0/0/1/0").status, 200);
  tierd_.make_cold("/a.zarr/0/0/0/0/1/0");
  EXPECT_EQ(tile("0/0/0/0/1/0").status, 503) << "it would have to be read again";
}

std::string shard_of(uint16_t left, uint16_t right, bool right_first) {
  constexpr uint64_t kBytes = 32;  // of a chunk of 4 x 4
  const auto chunk = [](uint16_t number) {
    std::string bytes;
    for (int i = 0; i < 16; ++i) bytes += test::bytes_of_number(number, false);
    return bytes;
  };
  const uint64_t at_left = right_first ? kBytes : 0, at_right = right_first ? 0 : kBytes;
  std::string bytes = right_first ? chunk(right) + chunk(left) : chunk(left) + chunk(right);
  for (const uint64_t number : {at_left, kBytes, at_right, kBytes})
    bytes += test::bytes_of_number(number, false);
  return bytes;
}

TEST_F(ChangedFiles, AShardWithAnotherIndexIsReadByIt) {
  test::Files files;
  files["zarr.json"] = R"({"zarr_format":3,"node_type":"group","attributes":{"ome":{"version":"0.5",
      "multiscales":[{"axes":[{"name":"y"},{"name":"x"}],"datasets":[{"path":"0"}]}]}}})";
  files["0/zarr.json"] = R"({"zarr_format":3,"node_type":"array","shape":[4,8],"data_type":"uint16",
      "chunk_grid":{"name":"regular","configuration":{"chunk_shape":[4,8]}},
      "chunk_key_encoding":{"name":"default","configuration":{"separator":"/"}},"fill_value":0,
      "codecs":[{"name":"sharding_indexed","configuration":{"chunk_shape":[4,4],
      "codecs":[{"name":"bytes","configuration":{"endian":"little"}}],
      "index_codecs":[{"name":"bytes","configuration":{"endian":"little"}}]}}]})";
  files["0/c/0/0"] = shard_of(1, 2, false);
  folder_.write("shards.zarr", files);
  const std::string target =
      fmt::format("/img/{}/shards.zarr/0/0/0/0/0/0", version("/shards.zarr"));
  std::string row;
  for (const int number : {1, 1, 1, 1, 2, 2, 2, 2})
    row += test::bytes_of_number(static_cast<uint16_t>(number), false);
  EXPECT_EQ(body_of(get(*routes_, target)), row + row + row + row);
  row.clear();
  for (const int number : {3, 3, 3, 3, 4, 4, 4, 4})
    row += test::bytes_of_number(static_cast<uint16_t>(number), false);
  write_by_rename("shards.zarr/0/c/0/0", shard_of(3, 4, true));
  EXPECT_EQ(body_of(get(*routes_, target)), row + row + row + row);
  folder_.settle();
  EXPECT_EQ(body_of(get(*routes_, target)), row + row + row + row);
  write_in_place("shards.zarr/0/c/0/0", shard_of(3, 4, false));
  EXPECT_EQ(body_of(get(*routes_, target)), row + row + row + row);
}

// A series of more files than were looked at one by one before.
TEST_F(ChangedFiles, AnyFileOfASeriesMakesAnotherVersion) {
  const auto samples = test::tiff_samples();
  const auto sample = std::find_if(samples.begin(), samples.end(), [](const test::Sample& one) {
    return one.files.size() == 1 && one.shape.t * one.shape.c * one.shape.z == 1;
  });
  ASSERT_NE(sample, samples.end());
  const std::string bytes = sample->files.begin()->second;
  test::Files files;
  for (int z = 1; z <= 120; ++z) files[fmt::format("a_z{:03}.tif", z)] = bytes;
  folder_.write("series", files);
  const std::string before = version("/series");
  ASSERT_NE(before, "");
  const std::string target = fmt::format("/img/{}/series/0/0/0/119/0/0", before);
  const auto tile = get(*routes_, target);
  ASSERT_EQ(tile.status, 200) << body_of(tile);
  EXPECT_NE(header_of(tile, "Cache-Control").find("immutable"), std::string::npos);
  write_by_rename("series/a_z120.tif", bytes);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (get(*routes_, target).status != 410 && std::chrono::steady_clock::now() < deadline) {
  }
  EXPECT_EQ(get(*routes_, target).status, 410);
  EXPECT_NE(version("/series"), before);
}

}  // namespace
}  // namespace tierhub::hub
