// Small levels that are built in the background.
#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "hub/images/pyramid_file.h"
#include "pixels/tiff_writer.h"
#include "tests/unit/hub/hub_fixture.h"

namespace tierhub::hub {
namespace {

using formats::Json;
using formats::Shape;
using std::chrono::milliseconds;

// Small levels of 2 x 2 tiles, those at the edge cut, and of one.
constexpr Shape kFlatShape{1, 2, 2, 1100, 1300};

class PyramidsInACache : public ::testing::Test {
 protected:
  PyramidsInACache() {
    write_flat();
    open({});
  }
  // A TIFF file without small levels, each time another file.
  void write_flat() {
    static const HubFolder made;
    static const std::string file = made.path() + "/flat.tif";
    if (!std::filesystem::exists(file)) {
      made.write("source.zarr", zarr_image(kFlatShape, {1, 1, 1, 512, 512}));
      const auto reader = pixels::PixelReader::open(made.path() + "/source.zarr", {}).value();
      EXPECT_TRUE(pixels::write_ome_tiff(*reader, 1, file));
    }
    std::filesystem::copy_file(file, folder_.path() + "/flat.tif",
                               std::filesystem::copy_options::overwrite_existing);
    folder_.settle();
  }

  std::string cache() const { return cache_.path() + "/deep/pyramids"; }
  void open_with_limit(uint64_t limit_bytes) {
    Pyramids::Options options;
    options.limit_bytes = limit_bytes;
    open(options);
  }
  void open(Pyramids::Options options) {
    routes_.reset();
    options.folder = options.limit_bytes > 0 ? cache() : "";
    options.least_bytes = 1;
    options.look_every = milliseconds(10);
    options.gives_way = false;  // other tests keep the processors busy
    ImageRoutes::Options all{folder_.path(), make_tiers(tierd_.calls())};
    all.pyramids = options;
    routes_ = ImageRoutes::open(std::move(all)).value();
  }
  Json dataset() { return json_of(get(*routes_, "/api/dataset?path=/flat.tif")); }
  std::string state() { return dataset()["pyramid"].value("state", ""); }
  template <class Holds>
  bool becomes(Holds&& holds) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(120);
    while (!holds()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::sleep_for(milliseconds(20));
    }
    return true;
  }
  bool is_built() {
    return becomes([&] { return state() == "ready"; });
  }
  // All tiles of the small levels, by their addresses.
  std::map<std::string, std::string> tiles(const std::string& kind) {
    std::map<std::string, std::string> all;
    const Json json = dataset();
    for (size_t level = 1; level < json["levels"].size(); ++level) {
      const Json& shape = json["levels"][level]["shape"];
      for (uint64_t z = 0; z < 2; ++z) {
        for (uint64_t y = 0; y * 512 < shape["y"]; ++y) {
          for (uint64_t x = 0; x * 512 < shape["x"]; ++x) {
            std::string at = fmt::format("{}/0/0,1/{}/{}/{}", level, z, y, x);
            std::string target = fmt::format("/img/{}/flat.tif/{}", json.value("version", ""), at);
            if (kind == "zarr") {
              at = fmt::format("{}/c/0/1/{}/{}/{}", level, z, y, x);
              target = "/zarr/v3/flat.tif/" + at;
            }
            if (kind == "png") {
              at = fmt::format("{}/0/{}/{}/{}", level, z, y, x);
              target = fmt::format("/png/{}/flat.tif/{}?c=0,1", json.value("version", ""), at);
            }
            const auto response = get(*routes_, target);
            EXPECT_EQ(response.status, 200) << target << body_of(response);
            all[at] = body_of(response);
          }
        }
      }
    }
    return all;
  }
  std::vector<std::string> files() const {
    std::vector<std::string> names;
    std::error_code none;
    for (const auto& entry : std::filesystem::directory_iterator(cache(), none))
      names.push_back(entry.path().filename());
    return names;
  }

  HubFolder folder_;
  TemporaryDirectory cache_;
  FakeTierd tierd_;
  std::unique_ptr<ImageRoutes> routes_;
};

TEST_F(PyramidsInACache, AreEqualToWhatIsComputed) {
  open_with_limit(0);
  EXPECT_EQ(dataset()["pyramid"], nullptr);
  const auto img = tiles("img"), zarr = tiles("zarr"), png = tiles("png");
  ASSERT_EQ(img.size(), 2u * (4 + 1));
  const std::string version = dataset()["version"];
  open({});
  ASSERT_TRUE(is_built()) << dataset().dump(1);
  EXPECT_EQ(dataset()["version"], version) << "the voxels are the same";
  EXPECT_EQ(files().size(), 1u);
  // They come from the cache: the file itself is cold.
  open({});
  ASSERT_TRUE(is_built());
  tierd_.make_cold("/flat.tif");
  EXPECT_TRUE(tiles("img") == img);
  EXPECT_TRUE(tiles("zarr") == zarr);
  EXPECT_TRUE(tiles("png") == png);
  EXPECT_EQ(tierd_.requests().size(), 0u);
}

TEST_F(PyramidsInACache, NothingComesFromTheArchiveForThem) {
  dataset();
  open({});
  tierd_.make_cold("/flat.tif");
  EXPECT_TRUE(becomes([&] {
    const Json pyramid = dataset()["pyramid"];
    return pyramid["state"] == "waiting" &&
           pyramid.value("reason", "").find("archive") != std::string::npos;
  })) << dataset().dump(1);
  EXPECT_EQ(tierd_.requests().size(), 0u);
  tierd_.make_hot();
  EXPECT_TRUE(is_built()) << "it goes on by itself";
}

TEST_F(PyramidsInACache, AChangedFileHasAnother) {
  ASSERT_TRUE(is_built());
  const auto before = files();
  ASSERT_EQ(before.size(), 1u);
  write_flat();
  ASSERT_TRUE(becomes([&] { return state() == "ready" && files().size() == 2; }));
}

TEST_F(PyramidsInACache, ADamagedOneIsRemovedAndBuiltAgain) {
  ASSERT_TRUE(is_built());
  const auto good = tiles("img");
  const std::string file = cache() + "/" + files().at(0);
  {
    // The tiles, but not the index.
    std::fstream bytes(file, std::ios::in | std::ios::out | std::ios::binary);
    bytes.seekp(64);
    bytes << std::string(100'000, 'x');
  }
  open({});
  ASSERT_TRUE(is_built());
  bool any_failed = false;
  const Json json = dataset();
  const auto response =
      get(*routes_, fmt::format("/img/{}/flat.tif/1/0/0/0/0/0", json.value("version", "")));
  any_failed = response.status != 200;
  EXPECT_TRUE(any_failed) << "old bytes are never shown as if they were right";
  ASSERT_TRUE(is_built());
  EXPECT_TRUE(tiles("img") == good);
  // Cut anywhere, it is no pyramid.
  const std::string again = cache() + "/" + files().at(0);
  std::filesystem::resize_file(again, std::filesystem::file_size(again) - 1);
  open({});
  ASSERT_TRUE(is_built());
  EXPECT_TRUE(tiles("img") == good);
}

// Where the cache is in a folder of everybody, for instance.
TEST_F(PyramidsInACache, OfAFolderThatOthersCanChangeNoneIsTaken) {
  ASSERT_TRUE(is_built());
  open({});
  EXPECT_EQ(state(), "ready");
  std::filesystem::permissions(cache(), std::filesystem::perms::all);
  open({});
  EXPECT_TRUE(becomes([&] { return state() == "failed"; }));
  EXPECT_NE(dataset()["pyramid"].value("reason", "").find("you alone"), std::string::npos);
  std::filesystem::permissions(cache(), std::filesystem::perms::owner_all);
  open({});
  EXPECT_EQ(state(), "ready");
  if (::geteuid() != 0) return;
  ASSERT_EQ(::chown((cache() + "/" + files().front()).c_str(), 1, 1), 0);
  open({});
  EXPECT_TRUE(is_built()) << "another user's file is removed, and it is built again";
  struct stat st = {};
  ASSERT_EQ(::stat((cache() + "/" + files().front()).c_str(), &st), 0);
  EXPECT_EQ(st.st_uid, ::geteuid());
}

TEST_F(PyramidsInACache, TheOldestAreRemoved) {
  ASSERT_TRUE(is_built());
  const std::string first = files().at(0);
  const uint64_t bytes = std::filesystem::file_size(cache() + "/" + first);
  std::ofstream(cache() + "/.building-left-by-a-crash") << "x";
  write_flat();
  open_with_limit(bytes + bytes / 2);
  ASSERT_TRUE(is_built());
  ASSERT_EQ(files().size(), 1u);
  EXPECT_NE(files().at(0), first);
}

TEST_F(PyramidsInACache, OneThatIsTooLargeIsNotKept) {
  open_with_limit(1'000);
  EXPECT_TRUE(becomes([&] { return state() == "failed"; }));
  EXPECT_NE(dataset()["pyramid"].value("reason", "").find("1000 bytes"), std::string::npos)
      << dataset()["pyramid"].dump();
  EXPECT_EQ(files().size(), 0u);
}

TEST_F(PyramidsInACache, EndWhenNobodyLooks) {
  Pyramids::Options options;
  options.left_after = milliseconds(0);
  open(options);
  EXPECT_EQ(state(), "waiting");
  routes_.reset();
  EXPECT_EQ(files().size(), 0u) << "nothing half built is left";
}

TEST_F(PyramidsInACache, AnOmeZarrHasNone) {
  folder_.write("source.zarr", zarr_image(kFlatShape, {1, 1, 1, 512, 512}));
  EXPECT_EQ(json_of(get(*routes_, "/api/dataset?path=/source.zarr"))["pyramid"], nullptr);
}

}  // namespace
}  // namespace tierhub::hub
