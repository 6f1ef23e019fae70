// Opening images, and the levels that are not stored.
#include "hub/images/store.h"

#include <filesystem>
#include <fstream>
#include <thread>

#include <fcntl.h>

#include <gtest/gtest.h>

#include "hub/images/planes.h"
#include "tests/unit/hub/hub_fixture.h"

namespace tierhub::hub {
namespace {

using formats::Region;
using formats::Shape;

class Store : public ::testing::Test {
 protected:
  void write_samples(const std::string& start) {
    for (const test::Sample& sample : test::all_samples()) {
      if (sample.name.starts_with(start)) folder_.write(sample.name, sample.files);
    }
  }
  std::vector<std::string> folders() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path()))
      names.push_back("/" + entry.path().filename().string());
    return names;
  }
  size_t children() const {
    size_t count = 0;
    const std::string path = "/proc/self/task";
    for (const auto& task : std::filesystem::directory_iterator(path)) {
      std::ifstream file(task.path() / "children");
      for (int child = 0; file >> child;) ++count;
    }
    return count;
  }

  HubFolder folder_;
  const Root root_ = Root::open(folder_.path()).value();
};

TEST_F(Store, OpensAnImageOnceForAllThreads) {
  folder_.write("a.zarr", zarr_image({1, 1, 1, 20, 30}, {1, 1, 1, 20, 30}));
  ImageStore store(root_, {});
  std::vector<std::shared_ptr<const OpenImage>> images(8);
  {
    std::vector<std::jthread> threads;
    for (auto& image : images) {
      threads.emplace_back([&] { image = store.open("/a.zarr").value(); });
    }
  }
  for (const auto& image : images) EXPECT_EQ(image.get(), images.front().get());
}

TEST_F(Store, ClosesTheImageThatWasUsedLongestAgo) {
  for (const char* name : {"a.zarr", "b.zarr", "c.zarr"})
    folder_.write(name, zarr_image({1, 1, 1, 20, 30}, {1, 1, 1, 20, 30}));
  ImageStore store(root_, {.images = 2});
  const auto a = store.open("/a.zarr").value();
  const auto b = store.open("/b.zarr").value();
  EXPECT_EQ(store.open("/a.zarr").value(), a);
  store.open("/c.zarr").value();
  EXPECT_EQ(store.open("/a.zarr").value(), a);
  EXPECT_NE(store.open("/b.zarr").value(), b);
}

TEST_F(Store, KeepsFewProcesses) {
  write_samples("Hdf5U");
  ASSERT_GT(folders().size(), 3u);
  const size_t before = children();
  ImageStore store(root_, {.processes = 2});
  for (const std::string& folder : folders()) {
    for (const auto& file : std::filesystem::directory_iterator(folder_.path() + folder)) {
      EXPECT_TRUE(store.open(folder + "/" + file.path().filename().string()));
    }
  }
  EXPECT_LE(children(), before + 2);
}

TEST_F(Store, OpensASeriesByItsPattern) {
  const auto samples = test::series_samples();
  const auto series = std::find_if(samples.begin(), samples.end(), [](const test::Sample& one) {
    return one.files.begin()->first.ends_with(".txt") && one.shape.t * one.shape.z > 1;
  });
  ASSERT_NE(series, samples.end());
  folder_.write("s", series->files);
  ImageStore store(root_, {});
  const auto by_folder = store.open("/s");
  ASSERT_TRUE(by_folder) << by_folder.error().text();
  const auto by_pattern = store.open("/s/" + (*by_folder)->info.series);
  ASSERT_TRUE(by_pattern) << by_pattern.error().text();
  EXPECT_EQ((*by_pattern)->info.levels[0].shape, (*by_folder)->info.levels[0].shape);
  EXPECT_EQ((*by_pattern)->folder, "/s");
  EXPECT_FALSE(store.open("/s/none_t<1-2>.tif"));
}

TEST_F(Store, APathIsCheckedBeforeItIsOpened) {
  EXPECT_TRUE(root_.resolve("none").error().is(std::errc::invalid_argument));
  EXPECT_TRUE(root_.resolve("/none").error().is(std::errc::no_such_file_or_directory));
  EXPECT_TRUE(root_.resolve("/../etc").error().is(std::errc::permission_denied));
  EXPECT_EQ(*root_.resolve("/"), "/");
  EXPECT_EQ(*root_.resolve("//"), "/");
}

// A level that is too much to decode is sampled.
TEST_F(Store, WhatWasResolvedIsOpenedWithoutLinks) {
  const Root root = Root::open(folder_.path()).value();
  folder_.write("a/scan.zarr", zarr_image({1, 1, 1, 8, 8}, {1, 1, 1, 8, 8}));
  folder_.write("b/scan.zarr", zarr_image({1, 1, 1, 8, 8}, {1, 1, 1, 8, 8}));
  const std::string path = root.resolve("/a/scan.zarr").value();
  EXPECT_TRUE(root.open_tree(path));
  EXPECT_TRUE(root.open_tree(path + "/.zattrs"));
  // Somebody puts a link there before it is opened, at its end or on the way.
  std::filesystem::rename(folder_.path() + "/a", folder_.path() + "/c");
  std::filesystem::create_directory_symlink("b", folder_.path() + "/a");
  EXPECT_FALSE(root.open_tree(path));
  EXPECT_FALSE(root.open_tree(path + "/.zattrs"));
  EXPECT_FALSE(root.open_file(path + "/.zattrs", O_RDONLY));
  std::filesystem::create_directory_symlink("scan.zarr", folder_.path() + "/b/linked.zarr");
  EXPECT_FALSE(root.open_tree("/b/linked.zarr"));
  EXPECT_TRUE(root.open_tree("/b/scan.zarr"));
}

TEST_F(Store, LevelsOfLargePlanesAreSampled) {
  // Not stored, so that the test needs no room: every voxel has the fill value 0.
  test::Files files = zarr_image({1, 1, 1, 10, 10}, {1, 1, 1, 10, 10});
  const auto with_shape = [&](const std::string& shape, const std::string& chunks) {
    test::Files other = files;
    other["0/.zarray"] =
        R"({"zarr_format":2,"shape":)" + shape + R"(,"chunks":)" + chunks +
        R"(,"dtype":"<u2","compressor":null,"fill_value":0,"order":"C","filters":null})";
    return other;
  };
  folder_.write("wide.zarr", with_shape("[1,1,1,65536,65536]", "[1,1,1,1,65536]"));
  folder_.write("tiled.zarr", with_shape("[1,1,1,65536,65536]", "[1,1,1,1024,1024]"));
  ImageStore store(root_, {});
  const auto wide = store.open("/wide.zarr").value();
  ASSERT_EQ(wide->levels().size(), 8u);
  EXPECT_EQ(source_of(*wide, 0), LevelSource::stored);
  // Of rows that are stored whole, 512 are read for a tile.
  EXPECT_EQ(source_of(*wide, 2), LevelSource::computed);
  EXPECT_EQ(source_of(*wide, 7), LevelSource::sampled);
  const auto tiled = store.open("/tiled.zarr").value();
  EXPECT_EQ(source_of(*tiled, 4), LevelSource::computed);
  EXPECT_EQ(source_of(*tiled, 5), LevelSource::too_large);
  const Region small = whole(tiled->levels()[7].shape, 7);
  const auto parts = needed_parts(*tiled, {&small, 1});
  ASSERT_FALSE(parts);
  EXPECT_NE(parts.error().text().find("imgop pyramid"), std::string::npos);
}

TEST_F(Store, ASampleHasTheVoxelsOfItsRowsAndColumns) {
  const Shape shape{1, 1, 1, 300, 4000};
  folder_.write("a.zarr", zarr_image(shape, {1, 1, 1, 1, 4000}));
  ImageStore store(root_, {});
  OpenImage image = *store.open("/a.zarr").value();
  // As if its rows were longer than may be decoded.
  image.info.levels[0].chunk = {1, 1, 100'000, 1, 4000};
  image.info.levels[0].shape.z = 100'000;
  ASSERT_EQ(source_of(image, 3), LevelSource::too_large);
  image.info.levels[0].chunk.z = image.info.levels[0].shape.z = 200;
  ASSERT_EQ(source_of(image, 3), LevelSource::sampled);
  const Region region{3, {0, 1}, {0, 1}, {0, 1}, {3, 30}, {5, 410}};
  const auto parts = needed_parts(image, {&region, 1});
  ASSERT_TRUE(parts);
  EXPECT_EQ(parts->size(), 27u) << "one file a row";
  std::vector<uint16_t> voxels(region.shape().voxels());
  ASSERT_TRUE(read_region(image, region, std::as_writable_bytes(std::span(voxels))));
  size_t at = 0;
  for (uint64_t y = 3; y < 30; ++y)
    for (uint64_t x = 5; x < 410; ++x, ++at)
      ASSERT_EQ(voxels[at], test::voxel_at<uint16_t>(0, 0, 0, y * 8, x * 8)) << y << " " << x;
}

}  // namespace
}  // namespace tierhub::hub
