// Images as OME-Zarr, over HTTP.
#include <chrono>
#include <filesystem>
#include <thread>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <zstd.h>

#include "tests/unit/hub/hub_fixture.h"

namespace tierhub::hub {
namespace {

using formats::AxisRange;
using formats::Json;
using formats::Shape;

constexpr Shape kStack{2, 2, 3, 700, 1100};
constexpr uint64_t kChunkBytes = 512 * 512 * 2;

class ZarrView : public ::testing::Test {
 protected:
  ZarrView() {
    test::Files files = zarr_image(kStack, {1, 1, 3, 256, 256});
    files["labels/.zgroup"] = R"({"zarr_format":2})";
    files["labels/.zattrs"] = R"({"labels":["cells"]})";
    for (const auto& [name, bytes] : zarr_image({1, 1, 1, 600, 700}, {1, 1, 1, 512, 512}))
      files["labels/cells/" + name] = bytes;
    std::string& attributes = files["labels/cells/.zattrs"];
    attributes.insert(1, R"("image-label":{"version":"0.4","colors":[]},)");
    folder_.write("scan.zarr", files);
    routes_ = ImageRoutes::open({folder_.path(), make_tiers(tierd_.calls())}).value();
  }
  http::Response at(const std::string& key, const http::Headers& headers = {}) {
    return get(*routes_, "/zarr/" + key, headers);
  }
  Json json_at(const std::string& key) {
    const auto response = at(key);
    EXPECT_EQ(response.status, 200) << key << ": " << body_of(response);
    EXPECT_EQ(response.content_type, "application/json");
    return json_of(response);
  }
  static std::string expected(uint64_t t, uint64_t c, uint64_t z, AxisRange y, AxisRange x) {
    test::Sample sample;
    sample.type = formats::PixelType::uint16;
    std::string chunk(kChunkBytes, '\0');
    for (uint64_t row = y.begin; row < y.end; ++row) {
      const std::string voxels =
          expected_voxels(sample, {0, {t, t + 1}, {c, c + 1}, {z, z + 1}, {row, row + 1}, x});
      chunk.replace((row - y.begin) * 1024, voxels.size(), voxels);
    }
    return chunk;
  }

  HubFolder folder_;
  FakeTierd tierd_;
  std::unique_ptr<ImageRoutes> routes_;
};

TEST_F(ZarrView, EdgeChunksArePadded) {
  for (uint64_t t = 0; t < 2; ++t) {
    for (uint64_t y = 0; y < 2; ++y) {
      for (uint64_t x = 0; x < 3; ++x) {
        const std::string key = fmt::format("{}/1/2/{}/{}", t, y, x);
        const std::string chunk =
            expected(t, 1, 2, {y * 512, std::min<uint64_t>(700, y * 512 + 512)},
                     {x * 512, std::min<uint64_t>(1100, x * 512 + 512)});
        EXPECT_TRUE(body_of(at("v2/scan.zarr/0/" + key)) == chunk) << key;
        EXPECT_TRUE(body_of(at("v3/scan.zarr/0/c/" + key)) == chunk) << key;
      }
    }
  }
}

TEST_F(ZarrView, KeysThatAreNotInTheArrayAreMissing) {
  for (const char* key :
       {"v2/scan.zarr/0/2/0/0/0/0", "v2/scan.zarr/0/0/0/0/2/0", "v2/scan.zarr/3/0/0/0/0/0",
        "v2/scan.zarr/0/0/0/0/0/-1", "v2/scan.zarr/0/0/0/0/0/00", "v2/scan.zarr/0/.zgroup",
        "v2/scan.zarr/.zarray", "v2/scan.zarr/zarr.json", "v2/none/.zgroup",
        "v3/scan.zarr/0/0/0/0/0/0", "v3/scan.zarr/.zattrs", "v2/.zgroup",
        "v3/scan.zarr/9/zarr.json", "v4/scan.zarr/.zgroup", "v2/scan.zarr/labels/none/.zgroup"})
    EXPECT_GE(at(key).status, 400) << key;
  for (const char* key : {"v2/scan.zarr/0/2/0/0/0/0", "v2/scan.zarr/.zarray", "v2/none/.zgroup"})
    EXPECT_EQ(at(key).status, 404) << key;
}

TEST_F(ZarrView, MetadataOfVersion2) {
  EXPECT_EQ(json_at("v2/scan.zarr/.zgroup"), Json::parse(R"({"zarr_format":2})"));
  const Json attributes = json_at("v2/scan.zarr/.zattrs");
  const Json& multiscale = attributes["multiscales"][0];
  EXPECT_EQ(multiscale["version"], "0.4");
  EXPECT_EQ(multiscale["axes"][2],
            Json::parse(R"({"name":"z","type":"space","unit":"micrometer"})"));
  ASSERT_EQ(multiscale["datasets"].size(), 3u);
  const Json& first = multiscale["datasets"][0];
  EXPECT_EQ(first["path"], "0");
  EXPECT_EQ(first["coordinateTransformations"],
            Json::parse(R"([{"type":"scale","scale":[1.0,1.0,2.0,0.5,0.25]}])"));
  const Json& second = multiscale["datasets"][2]["coordinateTransformations"];
  EXPECT_EQ(second[0]["scale"], Json::parse("[1.0,1.0,2.0,2.0,1.0]"));
  EXPECT_EQ(second[1]["translation"], Json::parse("[0.0,0.0,0.0,0.75,0.375]"));
  const Json& channels = attributes["omero"]["channels"];
  ASSERT_EQ(channels.size(), 2u);
  EXPECT_EQ(channels[0]["color"].get<std::string>().size(), 6u);
  EXPECT_LT(channels[0]["window"]["start"], channels[0]["window"]["end"]);
  const Json array = json_at("v2/scan.zarr/1/.zarray");
  EXPECT_EQ(array["shape"], Json::parse("[2,2,3,350,550]"));
  EXPECT_EQ(array["chunks"], Json::parse("[1,1,1,512,512]"));
  EXPECT_EQ(array["dtype"], "<u2");
  EXPECT_EQ(array["dimension_separator"], "/");
  EXPECT_EQ(json_at("v2/scan.zarr/1/.zattrs")["_ARRAY_DIMENSIONS"][0], "t");
  const Json all = json_at("v2/scan.zarr/.zmetadata")["metadata"];
  EXPECT_EQ(all["1/.zarray"], array);
  EXPECT_EQ(all[".zattrs"], attributes);
  EXPECT_TRUE(all.contains("labels/cells/0/.zarray")) << all.dump();
}

TEST_F(ZarrView, MetadataOfVersion3) {
  const Json group = json_at("v3/scan.zarr/zarr.json");
  EXPECT_EQ(group["node_type"], "group");
  const Json& ome = group["attributes"]["ome"];
  EXPECT_EQ(ome["version"], "0.5");
  EXPECT_EQ(ome["multiscales"][0]["datasets"].size(), 3u);
  EXPECT_FALSE(ome["multiscales"][0].contains("version"));
  EXPECT_EQ(ome["omero"]["channels"].size(), 2u);
  const Json array = json_at("v3/scan.zarr/0/zarr.json");
  EXPECT_EQ(array["node_type"], "array");
  EXPECT_EQ(array["shape"], Json::parse("[2,2,3,700,1100]"));
  EXPECT_EQ(array["data_type"], "uint16");
  EXPECT_EQ(array["dimension_names"].size(), 5u);
}

TEST_F(ZarrView, LabelsAreImagesInside) {
  EXPECT_EQ(json_at("v2/scan.zarr/labels/.zattrs"), Json::parse(R"({"labels":["cells"]})"));
  EXPECT_EQ(json_at("v3/scan.zarr/labels/zarr.json")["attributes"]["ome"]["labels"][0], "cells");
  const Json attributes = json_at("v2/scan.zarr/labels/cells/.zattrs");
  EXPECT_TRUE(attributes["image-label"].contains("colors"));
  EXPECT_FALSE(attributes.contains("omero"));
  // Of names there is no mean.
  std::string level(at("v2/scan.zarr/labels/cells/1/0/0/0/0/0").status == 200
                        ? body_of(at("v2/scan.zarr/labels/cells/1/0/0/0/0/0"))
                        : "");
  ASSERT_EQ(level.size(), kChunkBytes);
  uint16_t voxel = 0;
  std::memcpy(&voxel, level.data() + (3 * 512 + 5) * 2, sizeof voxel);
  EXPECT_EQ(voxel, test::voxel_at<uint16_t>(0, 0, 0, 6, 10));
  EXPECT_EQ(json_of(get(*routes_, "/api/dataset?path=/scan.zarr"))["labels"],
            Json::parse(R"(["cells"])"));
}

TEST_F(ZarrView, OfAShareNoLinkIsFollowedInsideTheImage) {
  folder_.write("private.zarr", zarr_image({1, 1, 1, 8, 8}, {1, 1, 1, 8, 8}));
  std::filesystem::create_directory_symlink("../../private.zarr",
                                            folder_.path() + "/scan.zarr/labels/linked");
  const http::Headers share = {{"x-tierhub-share", "1"}};
  for (const char* key :
       {"v2/scan.zarr/labels/linked/.zattrs", "v3/scan.zarr/labels/linked/zarr.json",
        "v2/scan.zarr/labels/linked/0/0/0/0/0/0"}) {
    EXPECT_EQ(at(key).status, 200) << key << " may be read by the person";
    const int status = at(key, share).status;
    EXPECT_GE(status, 400) << key;
    EXPECT_NE(status, 404) << key << ": to a client that means voxels of the fill value";
  }
  EXPECT_EQ(at("v2/scan.zarr/labels/cells/.zattrs", share).status, 200);
}

TEST_F(ZarrView, PlatesAndWellsLeadToTheirFields) {
  test::Files plate;
  plate[".zgroup"] = plate["A/.zgroup"] = plate["A/1/.zgroup"] = R"({"zarr_format":2})";
  plate[".zattrs"] = R"({"plate":{"version":"0.4","rows":[{"name":"A"}],"columns":[{"name":"1"}],
      "wells":[{"path":"A/1","rowIndex":0,"columnIndex":0}]}})";
  plate["A/1/.zattrs"] = R"({"well":{"version":"0.4","images":[{"path":"0"}]}})";
  for (const auto& [name, bytes] : zarr_image({1, 1, 1, 20, 30}, {1, 1, 1, 20, 30}))
    plate["A/1/0/" + name] = bytes;
  folder_.write("p.zarr", plate);
  EXPECT_EQ(json_at("v2/p.zarr/.zattrs")["plate"]["wells"][0]["path"], "A/1");
  EXPECT_EQ(json_at("v2/p.zarr/.zgroup")["zarr_format"], 2);
  EXPECT_EQ(json_at("v2/p.zarr/A/.zgroup")["zarr_format"], 2);
  EXPECT_EQ(json_at("v2/p.zarr/A/1/.zattrs")["well"]["images"][0]["path"], "0");
  EXPECT_EQ(json_at("v2/p.zarr/A/1/0/.zattrs")["multiscales"].size(), 1u);
  EXPECT_EQ(json_at("v2/p.zarr/A/1/0/0/.zarray")["shape"], Json::parse("[1,1,1,20,30]"));
  EXPECT_EQ(at("v2/p.zarr/A/1/0/0/0/0/0/0/0").status, 200);
  const Json ome = json_at("v3/p.zarr/zarr.json")["attributes"]["ome"];
  EXPECT_EQ(ome["version"], "0.5");
  EXPECT_EQ(ome["plate"]["wells"].size(), 1u);
  EXPECT_EQ(json_at("v3/p.zarr/A/1/zarr.json")["attributes"]["ome"]["well"]["images"].size(), 1u);
  EXPECT_EQ(json_of(get(*routes_, "/api/dataset?path=/p.zarr/A/1/0"))["plate"], "/p.zarr");
}

TEST_F(ZarrView, ChunksHaveTagsRangesAndHeads) {
  const std::string key = "v2/scan.zarr/0/0/0/0/0/0";
  const auto all = at(key);
  const std::string chunk = body_of(all);
  ASSERT_EQ(chunk.size(), kChunkBytes);
  const std::string tag = header_of(all, "ETag");
  EXPECT_EQ(at(key, {{"if-none-match", "\"other\", " + tag}}).status, 304);
  EXPECT_EQ(at(key, {{"if-none-match", "\"other\""}}).status, 200);

  const auto head = routes_->handle({"HEAD", "/zarr/" + key, {}, {}});
  ASSERT_TRUE(std::holds_alternative<http::FileBody>(head.body));
  EXPECT_EQ(std::get<http::FileBody>(head.body).size_bytes, kChunkBytes);
  EXPECT_EQ(header_of(head, "ETag"), tag);

  const auto part = at(key, {{"range", "bytes=100-199"}});
  EXPECT_EQ(part.status, 206);
  EXPECT_EQ(body_of(part), chunk.substr(100, 100));
  EXPECT_EQ(header_of(part, "Content-Range"), "bytes 100-199/524288");
  EXPECT_EQ(body_of(at(key, {{"range", "bytes=524200-"}})), chunk.substr(524200));
  EXPECT_EQ(body_of(at(key, {{"range", "bytes=-10"}})), chunk.substr(kChunkBytes - 10));
  EXPECT_EQ(body_of(at(key, {{"range", "bytes=524280-999999"}})), chunk.substr(524280));
  const auto beyond = at(key, {{"range", "bytes=524288-"}});
  EXPECT_EQ(beyond.status, 416);
  EXPECT_EQ(header_of(beyond, "Content-Range"), "bytes */524288");
  EXPECT_EQ(at(key, {{"range", "bytes=0-9"}, {"if-range", tag}}).status, 206);
  EXPECT_EQ(at(key, {{"range", "bytes=0-9"}, {"if-range", "\"old\""}}).status, 200);
  // Several ranges, and what is no range, get everything.
  for (const char* ignored : {"bytes=0-1,4-5", "bytes=5-4", "bytes=x-", "lines=1-2", "bytes=-"})
    EXPECT_EQ(at(key, {{"range", ignored}}).status, 200) << ignored;
}

TEST_F(ZarrView, ChunksArePackedIfTheClientTakesZstd) {
  // The corner is mostly padding.
  const std::string key = "v2/scan.zarr/0/0/0/0/1/2";
  const std::string chunk = body_of(at(key));
  const auto packed = at(key, {{"accept-encoding", "gzip, zstd;q=0.9"}});
  EXPECT_EQ(header_of(packed, "Content-Encoding"), "zstd");
  EXPECT_NE(header_of(packed, "ETag"), header_of(at(key), "ETag"));
  std::string unpacked(kChunkBytes, '?');
  const std::string bytes = body_of(packed);
  EXPECT_LT(bytes.size(), chunk.size());
  EXPECT_EQ(ZSTD_decompress(unpacked.data(), unpacked.size(), bytes.data(), bytes.size()),
            kChunkBytes);
  EXPECT_TRUE(unpacked == chunk);
  EXPECT_EQ(
      at(key, {{"accept-encoding", "zstd"}, {"if-none-match", header_of(packed, "ETag")}}).status,
      304);
  EXPECT_EQ(header_of(at(key, {{"accept-encoding", "zstd;q=0"}}), "Content-Encoding"), "");
  EXPECT_EQ(header_of(at(key, {{"accept-encoding", "gzip"}}), "Content-Encoding"), "");
  // A range is one of the bytes themselves.
  const auto part = at(key, {{"accept-encoding", "zstd"}, {"range", "bytes=0-3"}});
  EXPECT_EQ(body_of(part), chunk.substr(0, 4));
  EXPECT_EQ(header_of(part, "Content-Encoding"), "");
}

// An image whose chunks are tiles that the source has packed.
std::string packed_by_zstd(const std::string& bytes, int level = 5) {
  std::string packed(ZSTD_compressBound(bytes.size()), '\0');
  packed.resize(ZSTD_compress(packed.data(), packed.size(), bytes.data(), bytes.size(), level));
  return packed;
}

TEST_F(ZarrView, ATileThatTheSourceHasPackedPassesThrough) {
  test::Files files = zarr_image({1, 1, 2, 700, 512}, {1, 1, 1, 512, 512});
  std::string& array = files["0/.zarray"];
  const std::string none = R"("compressor":null)";
  array.replace(array.find(none), none.size(), R"("compressor":{"id":"zstd","level":5})");
  const std::string voxels = files["0/0/0/0/0/0"];
  for (auto& [name, bytes] : files)
    if (bytes.size() == kChunkBytes) bytes = packed_by_zstd(bytes);
  const std::string stored = files["0/0/0/0/0/0"];
  // One of other voxels than a tile has.
  files["0/0/0/1/0/0"] = packed_by_zstd(voxels.substr(2));
  folder_.write("packed.zarr", files);
  const std::string key = "v3/packed.zarr/0/c/0/0/0/0/0";
  const auto packed = at(key, {{"accept-encoding", "br, zstd"}});
  ASSERT_EQ(packed.status, 200);
  EXPECT_EQ(header_of(packed, "Content-Encoding"), "zstd");
  EXPECT_TRUE(body_of(packed) == stored) << "byte for byte";
  const http::Headers known = {{"accept-encoding", "zstd"},
                               {"if-none-match", header_of(packed, "ETag")}};
  EXPECT_EQ(at(key, known).status, 304);
  EXPECT_TRUE(body_of(at(key)) == voxels) << "to others it is unpacked";
  EXPECT_EQ(header_of(at(key, {{"accept-encoding", "gzip"}}), "Content-Encoding"), "");
  const auto part = at(key, {{"accept-encoding", "zstd"}, {"range", "bytes=2-3"}});
  EXPECT_EQ(body_of(part), voxels.substr(2, 2));
  // At the edge of the image what lies beyond it is padded with 0, whatever the source has there.
  const auto edge = at("v3/packed.zarr/0/c/0/0/0/1/0", {{"accept-encoding", "zstd"}});
  ASSERT_EQ(edge.status, 200);
  EXPECT_FALSE(body_of(edge) == files["0/0/0/0/1/0"]);
  EXPECT_EQ(at("v3/packed.zarr/0/c/0/0/1/0/0", {{"accept-encoding", "zstd"}}).status, 422)
      << "a chunk of another size is damaged";
  // One that is cut is not passed on.
  folder_.write("packed.zarr", {{"0/0/0/0/0/0", stored.substr(0, stored.size() - 1)}});
  EXPECT_EQ(at(key, {{"accept-encoding", "zstd"}}).status, 422);
}

TEST_F(ZarrView, AColdChunkThatPassesThroughIsWaitedForAsOthersAre) {
  test::Files files = zarr_image({1, 1, 1, 512, 512}, {1, 1, 1, 512, 512});
  std::string& array = files["0/.zarray"];
  const std::string none = R"("compressor":null)";
  array.replace(array.find(none), none.size(), R"("compressor":{"id":"zstd","level":5})");
  files["0/0/0/0/0/0"] = packed_by_zstd(files["0/0/0/0/0/0"]);
  folder_.write("packed.zarr", files);
  tierd_.make_cold("/packed.zarr/0/0/0/0/0/0");
  std::jthread later([&] {
    while (tierd_.requests().empty()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    tierd_.make_hot();
  });
  const auto chunk = at("v2/packed.zarr/0/0/0/0/0/0", {{"accept-encoding", "zstd"}});
  EXPECT_EQ(chunk.status, 200);
  EXPECT_EQ(header_of(chunk, "Content-Encoding"), "zstd");
}

TEST_F(ZarrView, AColdChunkIsAskedForAndComes) {
  tierd_.make_cold("/scan.zarr/0/0/0/0/0/0");
  std::jthread archive([&] {
    while (tierd_.requests().empty()) std::this_thread::yield();
    tierd_.make_hot();
  });
  EXPECT_EQ(at("v2/scan.zarr/0/0/0/0/0/0").status, 200);
  ASSERT_EQ(tierd_.requests().size(), 1u);
  EXPECT_EQ(tierd_.requests()[0].files.size(), 4u);
}

TEST_F(ZarrView, NoMoreRequestsThanAllowedWaitForTheArchive) {
  routes_ =
      ImageRoutes::open({.root = folder_.path(), .tiers = make_tiers(tierd_.calls()), .waiting = 0})
          .value();
  EXPECT_EQ(at("v2/scan.zarr/0/0/0/0/1/0").status, 200) << "it is hot";
  tierd_.make_cold("/scan.zarr/0/0/0/0/0/0");
  const auto response = at("v2/scan.zarr/0/0/0/0/0/0");
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(json_of(response)["code"], "EAGAIN");
  EXPECT_EQ(tierd_.requests().size(), 1u) << "it is asked for all the same";
}

TEST_F(ZarrView, AChunkThatCannotBeReadIsNotMissing) {
  test::Files files = zarr_image({1, 1, 1, 20, 30}, {1, 1, 1, 20, 30});
  files["0/0/0/0/0/0"].resize(100);
  folder_.write("cut.zarr", files);
  const auto response = at("v2/cut.zarr/0/0/0/0/0/0");
  EXPECT_EQ(response.status, 422) << body_of(response);
  EXPECT_NE(json_of(response)["error"].get<std::string>().find("truncated"), std::string::npos);
}

}  // namespace
}  // namespace tierhub::hub
