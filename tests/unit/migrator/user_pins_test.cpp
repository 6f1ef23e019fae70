// What persons keep by pins of their own: whose count, and whose hold.
#include "migrator/evict/user_pins.h"

#include <fcntl.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/posix.h"
#include "migrator/evict/capacity_held.h"
#include "tests/support/local_tier.h"
#include "tests/support/temporary_directory.h"

namespace tierhub::test::user_pins_test {
namespace {

using ::testing::ElementsAre;

constexpr uint32_t kAda = 1000;
constexpr uint32_t kBob = 1001;
constexpr uint32_t kEve = 1002;
constexpr uint64_t kChunk = 4096;

class UserPinsTest : public ::testing::Test {
 protected:
  LeaseRecord pin_of(uint32_t uid) {
    LeaseRecord pin;
    pin.pin = true;
    pin.owner = std::to_string(uid) + ":name";
    return pin;
  }
  void pin(InodeNumber inode, uint32_t uid) {
    Batch batch;
    batch.put_lease(inode, pin_of(uid));
    ASSERT_TRUE(tier_.catalog->commit(batch));
  }
  // Without an object: what the catalog says of its size is all that counts.
  InodeNumber add_pinned(uint32_t uid, uint64_t size_bytes) {
    const InodeNumber inode{++last_};
    InodeRecord record;
    record.attributes.size_bytes = size_bytes;
    Batch batch;
    batch.put_inode(inode, record);
    batch.put_lease(inode, pin_of(uid));
    EXPECT_TRUE(tier_.catalog->commit(batch));
    return inode;
  }
  std::unique_ptr<UserPins> pins(uint64_t user_bytes, uint64_t all_bytes) {
    return std::make_unique<UserPins>(*tier_.catalog, [=] {
      return UserPins::Limits{user_bytes, all_bytes};
    });
  }
  std::vector<uint32_t> holders(uint64_t user_bytes, uint64_t all_bytes) {
    const auto looked = pins(user_bytes, all_bytes);
    looked->look();
    std::vector<uint32_t> result;
    for (const uint32_t uid : {kAda, kBob, kEve})
      if (looked->holds(pin_of(uid))) result.push_back(uid);
    return result;
  }

  TemporaryDirectory place_;
  LocalTier tier_{place_.path(), LocalTier::Options{}};
  uint64_t last_ = 1'000'000;
};

TEST_F(UserPinsTest, WhoHasGrownBeyondTheirLimitTakesNoRoomFromOthers) {
  add_pinned(kAda, uint64_t{1} << 40);
  add_pinned(kBob, 50);
  const InodeNumber more{++last_};
  EXPECT_TRUE(pins(100, 150)->admit(kBob, {{more, 50}}));
  EXPECT_FALSE(pins(100, 150)->admit(kBob, {{more, 51}})) << "their own limit holds";
  EXPECT_FALSE(pins(100, 90)->admit(kBob, {{more, 50}})) << "and that of all";
  EXPECT_FALSE(pins(100, 150)->admit(kAda, {{more, 1}}));
  EXPECT_THAT(holders(100, 150), ElementsAre(kBob, kEve));
}

TEST_F(UserPinsTest, SizesOfSparseFilesDoNotAddUpToNothing) {
  add_pinned(kAda, uint64_t{1} << 63);
  add_pinned(kAda, uint64_t{1} << 63);
  EXPECT_FALSE(pins(100, 150)->admit(kAda, {{InodeNumber{++last_}, 1}}));
  EXPECT_THAT(holders(100, 150), ElementsAre(kBob, kEve));
}

TEST_F(UserPinsTest, WhoKeepsMostGivesWayWhenAllHaveGrownBeyondWhatTheyMayTogether) {
  add_pinned(kAda, 60);
  add_pinned(kBob, 90);
  add_pinned(kEve, 30);
  EXPECT_THAT(holders(100, 180), ElementsAre(kAda, kBob, kEve));
  EXPECT_THAT(holders(100, 179), ElementsAre(kAda, kEve));
  EXPECT_THAT(holders(100, 89), ElementsAre(kEve));
  EXPECT_FALSE(pins(100, 179)->admit(kEve, {{InodeNumber{++last_}, 1}}))
      << "what gives way is not handed to others";
}

TEST_F(UserPinsTest, WhatDoesNotHoldTakesNoRoomFromLeases) {
  const UniqueFd file(::open((place_ / "archive/file").c_str(), O_WRONLY | O_CREAT, 0644));
  const std::string content(4 * kChunk, 'x');
  ASSERT_EQ(::write(file.get(), content.data(), content.size()), ssize_t{4 * kChunk});
  tier_.scan_added();
  const InodeNumber inode = tier_.fs->lookup(kRootInode, "file")->inode;
  ASSERT_TRUE(tier_.prefetch(inode));
  pin(inode, kAda);
  const auto held_bytes = [&](uint64_t user_bytes) {
    const auto limited = pins(user_bytes, 10 * kChunk);
    return *HeldBytes(*tier_.inodes, *tier_.scratch, *limited).get();
  };
  EXPECT_EQ(held_bytes(4 * kChunk), 4 * kChunk);
  EXPECT_EQ(held_bytes(4 * kChunk - 1), 0u);
}

}  // namespace
}  // namespace tierhub::test::user_pins_test
