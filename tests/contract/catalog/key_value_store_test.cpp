// What every KeyValueStore does.
#include <atomic>
#include <latch>
#include <random>
#include <thread>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "catalog/encoding.h"
#include "tests/contract/catalog/backend.h"

namespace tierhub::key_value_store_test {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

// A key of the form that all families take: 8 bytes, then text.
std::string key(uint64_t number, std::string_view text = "") {
  return encoding::name_key(InodeNumber{number}, text);
}

class KeyValueStoreContract : public ::testing::TestWithParam<BackendKind> {
 protected:
  void SetUp() override {
    backend_ = GetParam().make();
    reopen();
  }

  void reopen() {
    store_.reset();
    auto opened = backend_->open();
    ASSERT_TRUE(opened.has_value()) << opened.error().text();
    store_ = *std::move(opened);
  }

  void put(Family family, const std::string& at, const std::string& value) {
    WriteSet changes;
    changes.put(family, at, value);
    commit(changes);
  }
  void erase(Family family, const std::string& at) {
    WriteSet changes;
    changes.erase(family, at);
    commit(changes);
  }
  void commit(const WriteSet& changes, Durability durability = Durability::wal) {
    const auto result = store_->commit(changes, durability);
    ASSERT_TRUE(result.has_value()) << result.error().text();
  }

  std::optional<std::string> get(Family family, const std::string& at) {
    auto result = store_->get(family, at);
    EXPECT_TRUE(result.has_value()) << result.error().text();
    return result.value_or(std::nullopt);
  }

  Pairs scan(Family family, std::string_view begin = {}, std::string_view end = {},
             size_t limit = SIZE_MAX) {
    Pairs pairs;
    const auto result =
        store_->scan(family, begin, end, [&](std::string_view k, std::string_view v) {
          pairs.emplace_back(k, v);
          return pairs.size() < limit;
        });
    EXPECT_TRUE(result.has_value()) << result.error().text();
    return pairs;
  }

  std::unique_ptr<StoreBackend> backend_;
  std::unique_ptr<KeyValueStore> store_;
};

TEST_P(KeyValueStoreContract, AnswersNoneForAKeyThatWasNeverPut) {
  EXPECT_EQ(get(Family::inode, key(7)), std::nullopt);
  EXPECT_TRUE(scan(Family::inode).empty());
}

TEST_P(KeyValueStoreContract, KeepsArbitraryBytes) {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes.push_back(static_cast<char>(i));
  put(Family::xattr, key(1, bytes), bytes);
  put(Family::xattr, key(2), "");
  EXPECT_EQ(get(Family::xattr, key(1, bytes)), bytes);
  EXPECT_EQ(get(Family::xattr, key(2)), "");
}

TEST_P(KeyValueStoreContract, KeepsFamiliesApart) {
  for (size_t i = 0; i < kFamilyNames.size(); ++i)
    put(static_cast<Family>(i), key(1), kFamilyNames[i]);
  for (size_t i = 0; i < kFamilyNames.size(); ++i) {
    EXPECT_EQ(scan(static_cast<Family>(i)), (Pairs{{key(1), kFamilyNames[i]}}));
  }
}

TEST_P(KeyValueStoreContract, KeepsWhatWasCommittedOverAReopen) {
  put(Family::inode, key(1), "one");
  put(Family::inode, key(2), "two");
  erase(Family::inode, key(1));
  reopen();
  EXPECT_EQ(scan(Family::inode), (Pairs{{key(2), "two"}}));
}

TEST_P(KeyValueStoreContract, ScansInTheOrderOfBytes) {
  const std::vector<std::string> ordered{key(0),   key(0, "a"), key(1),   key(127),
                                         key(128), key(255),    key(256), key(1ULL << 63)};
  for (auto it = ordered.rbegin(); it != ordered.rend(); ++it) put(Family::inode, *it, "x");
  Pairs expected;
  for (const auto& k : ordered) expected.emplace_back(k, "x");
  EXPECT_EQ(scan(Family::inode), expected);
}

TEST_P(KeyValueStoreContract, ScansAHalfOpenRangeUntilTheVisitorStops) {
  for (uint64_t i = 1; i <= 6; ++i) put(Family::inode, key(i), std::to_string(i));
  EXPECT_EQ(scan(Family::inode, key(2), key(5)),
            (Pairs{{key(2), "2"}, {key(3), "3"}, {key(4), "4"}}));
  EXPECT_EQ(scan(Family::inode, key(2), key(5), 1), (Pairs{{key(2), "2"}}));
  EXPECT_TRUE(scan(Family::inode, key(7), {}).empty());
  EXPECT_TRUE(scan(Family::inode, key(5), key(2)).empty());
}

TEST_P(KeyValueStoreContract, ScansOnePrefixAlsoAtTheEdgesOfANumber) {
  for (const uint64_t number : {0xfeULL, 0xffULL, 0x100ULL, ~0ULL}) {
    put(Family::xattr, key(number, "a"), "1");
    put(Family::xattr, key(number, "b"), "2");
  }
  for (const uint64_t number : {0xfeULL, 0xffULL, 0x100ULL, ~0ULL}) {
    const Pairs expected{{key(number, "a"), "1"}, {key(number, "b"), "2"}};
    EXPECT_EQ(scan(Family::xattr, key(number), encoding::prefix_end(key(number))), expected)
        << number;
  }
  EXPECT_TRUE(scan(Family::xattr, key(3), encoding::prefix_end(key(3))).empty());
}

TEST_P(KeyValueStoreContract, AppliesChangesOfOneSetInOrder) {
  WriteSet changes;
  changes.put(Family::inode, key(1), "first");
  changes.put(Family::inode, key(1), "second");
  changes.put(Family::inode, key(2), "gone");
  changes.erase(Family::inode, key(2));
  changes.erase(Family::inode, key(3));
  changes.put(Family::inode, key(3), "back");
  commit(changes);
  EXPECT_EQ(scan(Family::inode), (Pairs{{key(1), "second"}, {key(3), "back"}}));
}

TEST_P(KeyValueStoreContract, TakesAnEmptySet) {
  commit(WriteSet(), Durability::wal);
  commit(WriteSet(), Durability::synced);
}

TEST_P(KeyValueStoreContract, ScansASnapshotWhileTheVisitorCommits) {
  for (uint64_t i = 1; i <= 5; ++i) put(Family::inode, key(i), "old");
  std::vector<std::string> seen;
  const auto result =
      store_->scan(Family::inode, {}, {}, [&](std::string_view k, std::string_view v) {
        EXPECT_EQ(v, "old");
        seen.emplace_back(k);
        WriteSet changes;
        changes.erase(Family::inode, key(seen.size() + 1));
        changes.put(Family::inode, key(seen.size() + 10), "new");
        commit(changes);
        return true;
      });
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(seen, (std::vector{key(1), key(2), key(3), key(4), key(5)}));
  EXPECT_EQ(scan(Family::inode).size(), 6U);  // key 1, and five new ones
}

// A reader sees all of a set or nothing of it. `unsynced` and `journal` are queues, which scan in
// their own way.
TEST_P(KeyValueStoreContract, ShowsASetWhollyOrNotAtAll) {
  constexpr uint64_t kSets = 300;
  for (const Family family : {Family::inode, Family::journal}) {
    std::atomic<bool> done{false};
    std::jthread reader([&] {
      while (!done) {
        const Pairs pairs = scan(family, {}, {}, 3);
        EXPECT_TRUE(pairs.empty() || pairs.size() == 3) << pairs.size();
        if (!pairs.empty()) {
          EXPECT_EQ(pairs.front().second, pairs.back().second);
        }
      }
    });
    for (uint64_t i = 1; i <= kSets; ++i) {
      WriteSet changes;
      for (uint64_t k = 1; k <= 3; ++k) {
        if (i % 3 == 0) {
          changes.erase(family, key(k));
        } else {
          changes.put(family, key(k), std::to_string(i));
        }
      }
      commit(changes);
    }
    done = true;
  }
}

TEST_P(KeyValueStoreContract, CommitsOfManyThreadsAllArrive) {
  constexpr uint64_t kThreads = 8;
  constexpr uint64_t kCommits = 100;
  {
    std::latch start(kThreads);
    std::vector<std::jthread> threads;
    for (uint64_t t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        start.arrive_and_wait();
        for (uint64_t i = 0; i < kCommits; ++i) {
          WriteSet changes;
          changes.put(Family::inode, key(t, std::to_string(i)), "x");
          changes.put(Family::journal, key(t, std::to_string(i)), "x");
          commit(changes, i % 20 == 0 ? Durability::synced : Durability::wal);
        }
        EXPECT_TRUE(store_->sync().has_value());
      });
    }
  }
  EXPECT_EQ(scan(Family::inode).size(), kThreads * kCommits);
  reopen();
  EXPECT_EQ(scan(Family::inode).size(), kThreads * kCommits);
  EXPECT_EQ(scan(Family::journal).size(), kThreads * kCommits);
}

TEST_P(KeyValueStoreContract, AQueueDrainsAndFillsFromEitherEnd) {
  const uint64_t seed = std::random_device{}();
  RecordProperty("seed", std::to_string(seed));
  SCOPED_TRACE(fmt::format("seed {}", seed));
  std::mt19937_64 random(seed);
  std::map<std::string, std::string> expected;
  for (int step = 0; step < 2000; ++step) {
    const std::string at = key(random() % 50);
    switch (random() % 4) {
      case 0:
        put(Family::journal, at, std::to_string(step));
        expected[at] = std::to_string(step);
        break;
      case 1:
        erase(Family::journal, at);
        expected.erase(at);
        break;
      case 2:  // drain the first
        if (!expected.empty()) {
          erase(Family::journal, expected.begin()->first);
          expected.erase(expected.begin());
        }
        break;
      default:
        ASSERT_EQ(scan(Family::journal), Pairs(expected.begin(), expected.end()));
    }
    if (step % 500 == 499) reopen();
  }
}

INSTANTIATE_TEST_SUITE_P(Stores, KeyValueStoreContract, ::testing::ValuesIn(backend_kinds()),
                         [](const auto& kind) { return kind.param.name; });

TEST(MemoryStore, LosesWhatWasNeverSyncedAndNothingElse) {
  const auto store = MemoryStore::create();
  const auto put = [&](uint64_t number, const std::string& value, Durability durability) {
    WriteSet changes;
    changes.put(Family::inode, key(number), value);
    ASSERT_TRUE(store->commit(changes, durability).has_value());
  };
  put(1, "synced by the next one", Durability::wal);
  put(2, "synced", Durability::synced);
  put(3, "synced by sync()", Durability::wal);
  ASSERT_TRUE(store->sync().has_value());
  put(2, "overwritten", Durability::wal);
  put(4, "lost", Durability::wal);
  WriteSet erase;
  erase.erase(Family::inode, key(1));
  ASSERT_TRUE(store->commit(erase, Durability::wal).has_value());

  store->lose_power();

  EXPECT_EQ(*store->get(Family::inode, key(1)), "synced by the next one");
  EXPECT_EQ(*store->get(Family::inode, key(2)), "synced");
  EXPECT_EQ(*store->get(Family::inode, key(3)), "synced by sync()");
  EXPECT_EQ(*store->get(Family::inode, key(4)), std::nullopt);
}

TEST(MemoryStore, KeepsItsDataAsLongAsOneHandleLives) {
  auto first = MemoryStore::create();
  auto second = first->another_handle();
  WriteSet changes;
  changes.put(Family::inode, key(1), "x");
  ASSERT_TRUE(first->commit(changes, Durability::wal).has_value());
  first.reset();
  EXPECT_EQ(*second->get(Family::inode, key(1)), "x");
}

}  // namespace
}  // namespace tierhub::key_value_store_test
