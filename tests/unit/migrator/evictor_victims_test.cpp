// Who is evicted first, with residency made of numbers.
#include <map>

#include <gtest/gtest.h>

#include "catalog/heat.h"
#include "migrator/evict/victims.h"

namespace tierhub::evictor_victims_test {
namespace {

constexpr int64_t kDay_ns = int64_t{24} * 3600 * 1'000'000'000;

class VictimsTest : public ::testing::Test {
 protected:
  Victims make(uint64_t seed) {
    Victims victims(
        [this](InodeNumber after) -> Result<std::optional<InodeNumber>> {
          ++steps_;
          const auto it = heat_.upper_bound(after);
          if (it == heat_.end()) return std::nullopt;
          return it->first;
        },
        [this](InodeNumber after) -> Result<Catalog::Nearby> {
          ++steps_;
          const auto it = heat_.upper_bound(after);
          if (it != heat_.end() && it->first.value() - after.value() > traces_passed_)
            return Catalog::Nearby{std::nullopt, true};
          return it == heat_.end() ? Catalog::Nearby{} : Catalog::Nearby{it->first};
        },
        [this](InodeNumber inode) -> Result<std::optional<Timestamp>> {
          ++looks_;
          if (unevictable_.contains(inode)) return std::nullopt;
          const auto it = heat_.find(inode);
          return it == heat_.end() ? std::nullopt : std::optional(it->second);
        },
        seed);
    victims.begin(InodeNumber{1 << 30});  // far behind the last one
    return victims;
  }
  static std::vector<InodeNumber> draw(Victims& victims) {
    auto coldest = victims.draw();
    EXPECT_TRUE(coldest);
    return coldest.value_or(std::vector<InodeNumber>());
  }

  std::map<InodeNumber, Timestamp> heat_;
  std::set<InodeNumber> unevictable_;
  uint64_t traces_passed_ = UINT64_MAX;  // a search for something near gives up behind so many
  uint64_t steps_ = 0;
  uint64_t looks_ = 0;
};

TEST_F(VictimsTest, CostTheSameHoweverManyFilesAreResident) {
  for (const uint64_t files : {1'000u, 300'000u}) {
    heat_.clear();
    for (uint64_t i = 0; i < files; ++i)
      heat_.emplace_hint(heat_.end(), InodeNumber{i + 16}, Timestamp{1});
    steps_ = looks_ = 0;
    Victims victims = make(1);
    ASSERT_EQ(draw(victims).size(), Victims::kPerDraw);
    EXPECT_LE(steps_, Victims::kLooks * 10);
    EXPECT_LE(looks_, Victims::kLooks * 2);
  }
}

TEST_F(VictimsTest, AreNearlyTheColdest) {
  constexpr uint64_t kFiles = 20'000;
  std::mt19937_64 random(7);
  std::vector<int64_t> ranks(kFiles);
  for (uint64_t i = 0; i < kFiles; ++i) ranks[i] = static_cast<int64_t>(i);
  std::shuffle(ranks.begin(), ranks.end(), random);
  uint64_t number = 16;
  for (uint64_t i = 0; i < kFiles; ++i) {
    number += i % 1000 == 0 ? 1 << 20 : 1;  // gaps, as unclean restarts leave them
    heat_.emplace(InodeNumber{number}, Timestamp{ranks[i]});
  }
  // A tenth is evicted.
  double sum = 0;
  uint64_t drawn = 0;
  Victims victims = make(7);
  while (drawn < kFiles / 10) {
    for (const InodeNumber inode : draw(victims)) {
      sum += static_cast<double>(heat_.at(inode).ns) / kFiles;
      heat_.erase(inode);
      ++drawn;
    }
  }
  EXPECT_LT(sum / static_cast<double>(drawn), 0.15) << "0.05 is exact, 0.5 is chance";
}

TEST_F(VictimsTest, AreEachGivenOnceAndAllInTheEnd) {
  for (uint64_t i = 0; i < 100; ++i)
    heat_.emplace(InodeNumber{16 + 3 * i + (i < 50 ? 0 : 5 << 20)},
                  Timestamp{static_cast<int64_t>(i)});
  Victims victims = make(3);
  std::set<InodeNumber> given;
  for (int draws = 0; draws < 100 && given.size() < heat_.size(); ++draws) {
    for (const InodeNumber inode : draw(victims))
      EXPECT_TRUE(given.insert(inode).second) << inode.value();
  }
  EXPECT_EQ(given.size(), heat_.size());
}

// The coldest half is pinned: what can go is found behind it, in one draw.
TEST_F(VictimsTest, AreNotHiddenByColderOnesThatCannotGo) {
  for (uint64_t i = 0; i < 10'000; ++i) {
    heat_.emplace(InodeNumber{16 + i}, Timestamp{i % 2 == 0 ? 1 : 1000});
    if (i % 2 == 0) unevictable_.insert(InodeNumber{16 + i});
  }
  Victims victims = make(5);
  const auto drawn = draw(victims);
  EXPECT_EQ(drawn.size(), Victims::kPerDraw);
  for (const InodeNumber inode : drawn) EXPECT_FALSE(unevictable_.contains(inode));
}

// A microscope writes for hours: behind the traces of all that was evicted are the files that may go.
TEST_F(VictimsTest, AreFoundBehindTheTracesOfManyThatWereEvicted) {
  traces_passed_ = 1000;
  for (uint64_t i = 0; i < 80; ++i)
    heat_.emplace(InodeNumber{100'000 + i}, Timestamp{static_cast<int64_t>(i)});
  Victims victims = make(9);
  victims.begin(InodeNumber{200'000});
  steps_ = 0;
  std::set<InodeNumber> given;
  for (int draws = 0; draws < 30; ++draws) {
    const auto drawn = draw(victims);
    given.insert(drawn.begin(), drawn.end());
  }
  EXPECT_EQ(given.size(), heat_.size());
}

TEST_F(VictimsTest, OfNothingAreNone) {
  Victims victims = make(1);
  EXPECT_TRUE(draw(victims).empty());
}

// Scratch holds 1,000 files that are used every day. Someone reads 20,000 others once, in one go.
TEST_F(VictimsTest, OneReadOfEverythingDoesNotPushOutWhatIsUsedDaily) {
  constexpr uint64_t kDaily = 1'000;
  constexpr uint64_t kRoom = 2'000;
  const Timestamp today{1000 * kDay_ns};
  std::set<InodeNumber> daily;
  for (uint64_t i = 0; i < kDaily; ++i) {
    Timestamp heat;
    for (int64_t day = 10; day >= 1; --day) heat = warmed(heat, {today.ns - day * kDay_ns}, 1);
    daily.insert(InodeNumber{16 + 21 * i});
    heat_.emplace(InodeNumber{16 + 21 * i}, heat);
  }
  Victims victims = make(11);
  for (uint64_t i = 0; i < 20'000; ++i) {
    heat_.emplace(InodeNumber{17 + i + i / 20}, warmed(Timestamp{}, today, 1));
    if (heat_.size() <= kRoom) continue;
    victims.begin(InodeNumber{1 << 30});
    for (const InodeNumber inode : draw(victims)) heat_.erase(inode);
  }
  uint64_t left = 0;
  for (const InodeNumber inode : daily) left += heat_.contains(inode) ? 1 : 0;
  EXPECT_GE(left, kDaily * 99 / 100);
}

}  // namespace
}  // namespace tierhub::evictor_victims_test
