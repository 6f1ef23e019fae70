#include "formats/box.h"

#include <gtest/gtest.h>

namespace tierhub::formats {
namespace {

TEST(Box, PrintsTheTextThatItParses) {
  const std::string text = "level=1,t=2,c=3,z=32:64,y=0:128,x=128:256";
  const auto box = parse_box(text);
  ASSERT_TRUE(box) << box.error().text();
  EXPECT_EQ(*box, (Box{1, 2, 3, {32, 64}, {0, 128}, {128, 256}}));
  EXPECT_EQ(to_text(*box), text);
}

TEST(Box, ParsesKeysInAnyOrderAndDefaultsToTheFirstVolume) {
  const auto box = parse_box("x=1:2,z=0:1,y=5:9");
  ASSERT_TRUE(box);
  EXPECT_EQ(*box, (Box{0, 0, 0, {0, 1}, {5, 9}, {1, 2}}));
}

TEST(Box, RefusesTextThatIsNoBox) {
  for (const char* text : {"", "z=0:1", "z=0:1,y=0:1", "z=0:1,y=0:1,x=1:1", "z=0:1,y=0:1,x=2:1",
                           "z=0:1,y=0:1,x=0:1,", "z=0:1,y=0:1,x=-1:1", "z=0:1,y=0:1,x=0:1,x=0:1",
                           "z=0:1,y=0:1,x=0:1,q=3", "z=0:1,y=0:1,x=0:99999999999999999999999",
                           "level=a,z=0:1,y=0:1,x=0:1", "z=0:1,y=0:1,x=0", "z=0:1 ,y=0:1,x=0:1"}) {
    EXPECT_FALSE(parse_box(text)) << text;
  }
}

TEST(Box, CountsForPeopleFromTheFirstToTheLast) {
  EXPECT_EQ(to_words("c", {1, 2}), "c 1");
  EXPECT_EQ(to_words("z", {0, 10}), "z 0-9");
  EXPECT_EQ(to_words("z", {2, uint64_t{1} << 48}), "z 2 and up");
  EXPECT_EQ(to_words(Box{0, 3, 1, {0, 4}, {5, 6}, {0, 128}}),
            "level 0, t 3, c 1, z 0-3, y 5, x 0-127");
}

TEST(Halo, LeavesOutAxesAsZero) {
  const auto halo = parse_halo("y=16,x=15");
  ASSERT_TRUE(halo);
  EXPECT_EQ(*halo, (Halo{0, 16, 15}));
  EXPECT_EQ(to_text(*halo), "z=0,y=16,x=15");
  EXPECT_FALSE(parse_halo("y=16,y=15"));
  EXPECT_FALSE(parse_halo("16"));
  EXPECT_FALSE(parse_halo("zy=1"));
}

TEST(Grow, ClipsTheHaloAtTheBorderOfTheVolume) {
  const Box box{0, 0, 0, {2, 4}, {0, 10}, {90, 100}};
  EXPECT_EQ(grow(box, {3, 3, 3}, {5, 20, 100}), (Box{0, 0, 0, {0, 5}, {0, 13}, {87, 100}}));
}

TEST(Tile, CutsARegionInOrderWithSmallerBlocksAtItsEnd) {
  const Box region{1, 2, 3, {10, 15}, {0, 4}, {5, 8}};
  const auto boxes = tile(region, {3, 4, 2});
  ASSERT_TRUE(boxes);
  ASSERT_EQ(boxes->size(), 4u);
  EXPECT_EQ(to_text((*boxes)[0]), "level=1,t=2,c=3,z=10:13,y=0:4,x=5:7");
  EXPECT_EQ(to_text((*boxes)[1]), "level=1,t=2,c=3,z=10:13,y=0:4,x=7:8");
  EXPECT_EQ(to_text((*boxes)[3]), "level=1,t=2,c=3,z=13:15,y=0:4,x=7:8");
  EXPECT_TRUE(check_tiling(*boxes, region));
}

TEST(Tile, RefusesEmptyAndFarTooManyBlocks) {
  const Box region{0, 0, 0, {0, 1u << 20}, {0, 1u << 20}, {0, 1u << 20}};
  EXPECT_FALSE(tile(region, {0, 4, 4}));
  EXPECT_FALSE(tile(region, {1, 1, 1}));
  EXPECT_TRUE(tile(region, {1u << 30, 1u << 30, 1u << 30}));
}

TEST(CheckTiling, NamesAnOverlap) {
  const Box region{0, 0, 0, {0, 4}, {0, 4}, {0, 4}};
  auto boxes = *tile(region, {2, 4, 4});
  boxes[1].z.begin = 1;
  const auto result = check_tiling(boxes, region);
  ASSERT_FALSE(result);
  EXPECT_NE(result.error().text().find("overlap"), std::string::npos);
}

TEST(CheckTiling, NamesAVoxelThatNoBlockCovers) {
  const Box region{0, 0, 0, {0, 4}, {0, 4}, {0, 4}};
  auto boxes = *tile(region, {2, 2, 2});
  boxes.erase(boxes.begin() + 6);
  const auto result = check_tiling(boxes, region);
  ASSERT_FALSE(result);
  EXPECT_NE(result.error().text().find("z 2, y 2, x 0"), std::string::npos)
      << result.error().text();
}

TEST(CheckTiling, RefusesBlocksOutsideTheRegionOrOfAnotherVolume) {
  const Box region{0, 0, 0, {0, 4}, {0, 4}, {0, 4}};
  Box other = region;
  other.t = 1;
  EXPECT_FALSE(check_tiling({other}, region));
  other = region;
  other.x.end = 5;
  EXPECT_FALSE(check_tiling({other}, region));
  EXPECT_FALSE(check_tiling({}, region));
}

}  // namespace
}  // namespace tierhub::formats
