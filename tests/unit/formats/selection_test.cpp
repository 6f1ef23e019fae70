#include "formats/selection.h"

#include <gtest/gtest.h>

namespace tierhub::formats {
namespace {

ImageInfo image() {
  ImageInfo dataset;
  dataset.path = "image";
  dataset.levels.resize(2);
  dataset.levels[0].shape = {3, 2, 8, 20, 30};
  dataset.levels[1].shape = {3, 2, 4, 10, 15};
  return dataset;
}

TEST(IndexRange, ParsesAllItsForms) {
  EXPECT_EQ(*parse_index_range("3"), (AxisRange{3, 4}));
  EXPECT_EQ(*parse_index_range("0-9"), (AxisRange{0, 10}));
  EXPECT_EQ(*parse_index_range("2-"), (AxisRange{2, kOpenEnd}));
  EXPECT_EQ(*parse_index_range("0:10"), (AxisRange{0, 10}));
  for (const char* text :
       {"", "-", "-1", "9-3", "4:4", "a", "1-2-3", "1.5", "99999999999999999999"}) {
    EXPECT_FALSE(parse_index_range(text)) << text;
  }
}

TEST(Selection, IsTheFinestLevelWhenNothingIsSaid) {
  const auto boxes = boxes_of(image(), {});
  ASSERT_TRUE(boxes);
  ASSERT_EQ(boxes->size(), 6u);
  EXPECT_EQ(to_text(boxes->front()), "level=0,t=0,c=0,z=0:8,y=0:20,x=0:30");
  EXPECT_EQ(to_text(boxes->back()), "level=0,t=2,c=1,z=0:8,y=0:20,x=0:30");
}

TEST(Selection, GivesABoxForEachLevelTimePointAndChannel) {
  Selection selection;
  ASSERT_TRUE(set_selected(selection, "level", "0-"));
  ASSERT_TRUE(set_selected(selection, "t", "1-2"));
  ASSERT_TRUE(set_selected(selection, "c", "1"));
  ASSERT_TRUE(set_selected(selection, "z", "1:3"));
  const auto boxes = boxes_of(image(), selection);
  ASSERT_TRUE(boxes) << boxes.error().text();
  ASSERT_EQ(boxes->size(), 4u);
  EXPECT_EQ(to_text(boxes->at(2)), "level=1,t=1,c=1,z=1:3,y=0:10,x=0:15");
}

TEST(Selection, IsReadFromOneText) {
  const auto selection = parse_selection("c=2,level=1,z=0:10,t=0-3,x=5-");
  ASSERT_TRUE(selection) << selection.error().text();
  EXPECT_EQ(*selection, (Selection{AxisRange{1, 2}, AxisRange{0, 4}, AxisRange{2, 3},
                                   AxisRange{0, 10}, std::nullopt, AxisRange{5, kOpenEnd}}));
  EXPECT_EQ(*parse_selection(""), Selection{});
  for (const char* text : {"c", "c=1,", ",c=1", "c=1,,t=0", "c=1,c=1", "q=1", "c=", "=1"}) {
    EXPECT_FALSE(parse_selection(text)) << text;
  }
}

TEST(Selection, IsThatOfABoxWhenItNamesExactlyItsVoxels) {
  const Box box{1, 2, 1, {0, 3}, {2, 9}, {4, 5}};
  EXPECT_EQ(*parse_selection(to_text(box)), selection_of(box));
}

TEST(Selection, IsAPartOfOneVolume) {
  const Box volume{0, 1, 2, {0, 8}, {0, 20}, {0, 30}};
  EXPECT_EQ(*part_of(volume, {}), volume);
  EXPECT_EQ(to_text(*part_of(volume, *parse_selection("c=2,z=3:5"))),
            "level=0,t=1,c=2,z=3:5,y=0:20,x=0:30");
  for (const char* text : {"level=1", "t=0", "c=3", "z=0:9"}) {
    EXPECT_FALSE(part_of(volume, *parse_selection(text))) << text;
  }
}

TEST(Selection, NamesTheAxisThatItLeaves) {
  Selection selection;
  selection.t = AxisRange{2, 4};
  const auto boxes = boxes_of(image(), selection);
  ASSERT_FALSE(boxes);
  EXPECT_NE(boxes.error().text().find("t 2-3 is selected, but the dataset has only t "),
            std::string::npos)
      << boxes.error().text();
  EXPECT_FALSE(set_selected(selection, "time", "1"));
}

}  // namespace
}  // namespace tierhub::formats
