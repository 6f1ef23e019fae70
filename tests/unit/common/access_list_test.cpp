#include "common/access_list.h"

#include <gtest/gtest.h>

namespace tierhub {
namespace {

using Entry = AccessList::Entry;

std::string bytes_of(const std::vector<Entry>& entries) {
  std::string bytes("\2\0\0\0", 4);
  for (const Entry& entry : entries) {
    for (const uint32_t half :
         {uint32_t{entry.tag}, uint32_t{entry.permissions}, entry.id & 0xffff, entry.id >> 16}) {
      bytes.push_back(static_cast<char>(half & 0xff));
      bytes.push_back(static_cast<char>(half >> 8));
    }
  }
  return bytes;
}

AccessList list_of(const std::vector<Entry>& entries) {
  return *AccessList::parse(bytes_of(entries));
}

const std::vector<Entry> kNaming{{AccessList::owner, 6, 0},        {AccessList::user, 7, 70000},
                                 {AccessList::owning_group, 4, 0}, {AccessList::group, 5, 9},
                                 {AccessList::mask, 6, 0},         {AccessList::other, 1, 0}};

TEST(AccessList, IsWrittenAsItWasRead) { EXPECT_EQ(list_of(kNaming).bytes(), bytes_of(kNaming)); }

TEST(AccessList, RefusesWhatIsNone) {
  EXPECT_FALSE(AccessList::parse(""));
  EXPECT_FALSE(AccessList::parse(std::string("\1\0\0\0", 4)));
  EXPECT_FALSE(AccessList::parse(bytes_of(kNaming).substr(0, 21)));
  EXPECT_FALSE(AccessList::parse(bytes_of({{AccessList::owner, 7, 0}})));
}

TEST(AccessList, ShowsItsMaskAsTheGroupsBits) {
  EXPECT_EQ(list_of(kNaming).mode(), 0661u);
  EXPECT_FALSE(list_of(kNaming).is_a_mode());
}

TEST(AccessList, WithoutNamesIsAMode) {
  const AccessList list = list_of(
      {{AccessList::owner, 7, 0}, {AccessList::owning_group, 5, 0}, {AccessList::other, 4, 0}});
  EXPECT_TRUE(list.is_a_mode());
  EXPECT_EQ(list.mode(), 0754u);
}

TEST(AccessList, ChangesItsMaskWithTheMode) {
  AccessList list = list_of(kNaming);
  list.set_mode(0104750);
  EXPECT_EQ(list.mode(), 0750u);
  EXPECT_EQ(list.entries()[1].permissions, 7) << "a named user keeps what the mask may forbid";
  EXPECT_EQ(list.entries()[2].permissions, 4);
}

TEST(AccessList, NarrowsToTheModeThatAFileIsMadeWith) {
  AccessList list = list_of(kNaming);
  list.narrow_to(0604);
  EXPECT_EQ(list.mode(), 0600u);
  EXPECT_EQ(list.entries()[3].permissions, 5);
}

}  // namespace
}  // namespace tierhub
