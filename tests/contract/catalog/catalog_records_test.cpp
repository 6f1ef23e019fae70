// What the catalog stores, on every store.
#include <map>
#include <random>
#include <set>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "catalog/encoding.h"
#include "tests/contract/catalog/catalog_fixture.h"

namespace tierhub::catalog_records_test {
namespace {

TEST_P(CatalogContract, KeepsInodesOverAReopen) {
  InodeRecord link;
  link.attributes.kind = FileKind::symlink;
  link.symlink_target = "../somewhere else";
  Batch batch;
  batch.put_inode(kFile, some_file());
  batch.put_inode(kFolder, link);
  commit(batch);
  reopen();
  EXPECT_EQ(value_of(catalog_->inode(kFile)), some_file());
  EXPECT_EQ(value_of(catalog_->inode(kFolder)), link);
  Batch erase;
  erase.erase_inode(kFile);
  commit(erase);
  EXPECT_EQ(value_of(catalog_->inode(kFile)), std::nullopt);
}

TEST_P(CatalogContract, ReadsManyInodesAsItReadsEach) {
  constexpr uint64_t kFirst = 1000;
  constexpr uint64_t kLast = 1100;
  Batch batch;
  for (uint64_t number = kFirst; number <= kLast; ++number) {
    InodeRecord record = some_file();
    record.attributes.size_bytes = number;
    if (number % 7 != 0) batch.put_inode(InodeNumber{number}, record);
  }
  commit(batch);
  std::vector<InodeNumber> numbers{kRootInode, InodeNumber{5000}, InodeNumber{UINT64_MAX}};
  for (uint64_t i = 0; i <= kLast - kFirst + 4; ++i)
    numbers.push_back(InodeNumber{kFirst - 2 + i * 37 % (kLast - kFirst + 5)});
  numbers.insert(numbers.end(), {InodeNumber{kFirst + 1}, InodeNumber{kFirst + 1}});
  const auto records = value_of(catalog_->inodes(numbers));
  ASSERT_EQ(records.size(), numbers.size());
  for (size_t i = 0; i < numbers.size(); ++i)
    EXPECT_EQ(records[i], value_of(catalog_->inode(numbers[i]))) << "inode " << numbers[i].value();
  EXPECT_TRUE(value_of(catalog_->inodes({})).empty());
}

TEST_P(CatalogContract, FindsAnEntryByItsExactName) {
  put_entry(kFolder, "scan.ome.tif", kFile);
  EXPECT_EQ(value_of(catalog_->lookup(kFolder, "scan.ome.tif")), kFile);
  EXPECT_EQ(value_of(catalog_->lookup(kFolder, "Scan.ome.tif")), std::nullopt);
  EXPECT_EQ(value_of(catalog_->lookup(kFolder, "scan.ome")), std::nullopt);
  EXPECT_EQ(value_of(catalog_->lookup(kRootInode, "scan.ome.tif")), std::nullopt);
  EXPECT_FALSE(value_of(catalog_->is_empty(kFolder)));
  put_entry(kFolder, "scan.ome.tif", InodeNumber{102});
  EXPECT_EQ(value_of(catalog_->lookup(kFolder, "scan.ome.tif")), InodeNumber{102});
}

TEST_P(CatalogContract, ErasingAnEntryErasesTheName) {
  put_entry(kFolder, "a", kFile);
  put_entry(kRootInode, "b", kFile);
  Batch batch;
  batch.erase_entry(kFolder, "a", kFile);
  commit(batch);
  EXPECT_TRUE(value_of(catalog_->is_empty(kFolder)));
  EXPECT_EQ(value_of(catalog_->names(kFile)), (std::vector<Name>{{kRootInode, "b"}}));
}

TEST_P(CatalogContract, ListsAFolderInPagesOfAnySize) {
  Batch batch;
  std::set<std::string> expected;
  for (int i = 0; i < 100; ++i) {
    expected.insert(fmt::format("file-{}", i));
    batch.put_entry(kFolder, fmt::format("file-{}", i),
                    InodeNumber{200U + static_cast<uint64_t>(i)});
  }
  batch.put_entry(InodeNumber{99}, "not here", kFile);
  batch.put_entry(InodeNumber{101}, "not here either", kFile);
  commit(batch);
  const auto whole = list_names(kFolder, 1000);
  EXPECT_EQ(std::set(whole.begin(), whole.end()), expected);
  EXPECT_EQ(whole.size(), expected.size());
  for (const size_t page : {1, 3, 7, 99, 100, 101})
    EXPECT_EQ(list_names(kFolder, page), whole) << page;
  EXPECT_TRUE(value_of(catalog_->list(kFolder, 0, "", 0)).empty());
}

TEST_P(CatalogContract, ListsEntriesInTheOrderOfTheirCookies) {
  for (int i = 0; i < 50; ++i) put_entry(kFolder, std::to_string(i), kFile);
  uint64_t last = 0;
  for (const auto& entry : value_of(catalog_->list(kFolder, 0, "", 100))) {
    EXPECT_EQ(entry.cookie, name_hash(entry.name));
    EXPECT_GT(entry.cookie, last);
    last = entry.cookie;
  }
}

TEST_P(CatalogContract, PagesOverEntriesThatShareACookie) {
  WriteSet changes;
  for (const std::string name : {"a", "ab", "b", "c", "d"}) {
    changes.put(Family::dirent, encoding::dirent_key(kFolder, 7, name), encoding::encode(kFile));
  }
  changes.put(Family::dirent, encoding::dirent_key(kFolder, 8, "0"), encoding::encode(kFile));
  write_raw(changes);
  reopen();
  for (const size_t page : {1, 2, 3, 10}) {
    EXPECT_EQ(list_names(kFolder, page), (std::vector<std::string>{"a", "ab", "b", "c", "d", "0"}))
        << page;
  }
}

TEST_P(CatalogContract, AListingGoesOnBehindAnEntryThatIsGone) {
  for (int i = 0; i < 10; ++i) put_entry(kFolder, std::to_string(i), kFile);
  const auto all = value_of(catalog_->list(kFolder, 0, "", 100));
  const auto& fourth = all[3];
  Batch batch;
  batch.erase_entry(kFolder, fourth.name, kFile);
  commit(batch);
  const auto rest = value_of(catalog_->list(kFolder, fourth.cookie, fourth.name, 100));
  ASSERT_EQ(rest.size(), 6U);
  EXPECT_EQ(rest.front().name, all[4].name);
}

TEST_P(CatalogContract, KnowsAllNamesOfAHardLinkedFile) {
  put_entry(kFolder, "one", kFile);
  put_entry(kFolder, "two", kFile);
  put_entry(kRootInode, "three", kFile);
  const auto names = value_of(catalog_->names(kFile));
  EXPECT_EQ(std::set<Name>(names.begin(), names.end()),
            (std::set<Name>{{kFolder, "one"}, {kFolder, "two"}, {kRootInode, "three"}}));
}

TEST_P(CatalogContract, BuildsAPathFromTheNamesOfTheParents) {
  put_entry(kRootInode, "lab", kFolder);
  put_entry(kFolder, "scan.tif", kFile);
  EXPECT_EQ(value_of(catalog_->path(kFile)), "/lab/scan.tif");
  EXPECT_EQ(value_of(catalog_->path(kFolder)), "/lab");
  EXPECT_EQ(value_of(catalog_->path(InodeNumber{999})), std::nullopt);
  Batch batch;
  batch.erase_entry(kRootInode, "lab", kFolder);
  commit(batch);
  EXPECT_EQ(value_of(catalog_->path(kFile)), std::nullopt);
}

TEST_P(CatalogContract, CallsALoopOfFoldersDamage) {
  Batch batch;
  for (uint64_t i = 0; i < 7; ++i)
    batch.put_entry(InodeNumber{200 + (i + 1) % 7}, "a", InodeNumber{200 + i});
  for (uint64_t i = 0; i < 9; ++i)
    batch.put_entry(InodeNumber{200 + i % 7}, "b", InodeNumber{300 + i});
  batch.put_entry(kFolder, "its own parent", kFolder);
  commit(batch);
  for (const InodeNumber inode : {InodeNumber{200}, InodeNumber{206}, InodeNumber{308}, kFolder}) {
    const auto path = catalog_->path(inode);
    ASSERT_FALSE(path.has_value());
    EXPECT_EQ(path.error().text(), "the catalog is damaged: a folder is inside itself");
  }
}

TEST_P(CatalogContract, BuildsAPathOfAnyDepth) {
  constexpr uint64_t kDepth = 5000;
  Batch batch;
  for (uint64_t i = 0; i < kDepth; ++i) {
    batch.put_entry(i == 0 ? kRootInode : InodeNumber{1000 + i - 1}, "d", InodeNumber{1000 + i});
  }
  commit(batch);
  EXPECT_EQ(value_of(catalog_->path(InodeNumber{1000 + kDepth - 1}))->size(), 2 * kDepth);
}

TEST_P(CatalogContract, KeepsExtendedAttributesOfAnInodeApart) {
  Batch batch;
  batch.put_xattr(kFile, "user.a", std::string("v\0w", 3));
  batch.put_xattr(kFile, "user.b", "");
  batch.put_xattr(kFolder, "user.a", "other");
  commit(batch);
  EXPECT_EQ(value_of(catalog_->xattr(kFile, "user.a")), std::string("v\0w", 3));
  EXPECT_EQ(value_of(catalog_->xattr(kFile, "user.b")), "");
  EXPECT_EQ(value_of(catalog_->xattr(kFile, "user.c")), std::nullopt);
  EXPECT_EQ(value_of(catalog_->xattrs(kFile)).size(), 2U);
  Batch erase;
  erase.erase_xattr(kFile, "user.a");
  commit(erase);
  EXPECT_EQ(value_of(catalog_->xattrs(kFile)),
            (std::vector<std::pair<std::string, std::string>>{{"user.b", ""}}));
}

TEST_P(CatalogContract, FollowsEveryChangeOfAnIntervalSet) {
  const uint64_t seed = std::random_device{}();
  RecordProperty("seed", std::to_string(seed));
  SCOPED_TRACE(fmt::format("seed {}", seed));
  std::mt19937_64 random(seed);
  std::map<RangeKind, IntervalSet> sets;
  for (int step = 0; step < 400; ++step) {
    const RangeKind kind = random() % 2 == 0 ? RangeKind::clean : RangeKind::dirty;
    const uint64_t begin = random() % 64;
    const uint64_t end = begin + random() % 10;
    Batch batch;
    if (random() % 50 == 0) {
      batch.change_ranges(kFile, kind, sets[kind].clear());
    } else if (random() % 3 == 0) {
      batch.change_ranges(kFile, kind, sets[kind].remove(begin, end));
    } else {
      batch.change_ranges(kFile, kind, sets[kind].add(begin, end));
    }
    commit(batch);
    ASSERT_EQ(value_of(catalog_->ranges(kFile, kind)), sets[kind]) << "step " << step;
  }
  reopen();
  for (const auto& [kind, set] : sets) EXPECT_EQ(value_of(catalog_->ranges(kFile, kind)), set);
}

TEST_P(CatalogContract, CallsRangesThatMeetDamage) {
  WriteSet changes;
  changes.put(Family::residency, encoding::residency_key(kFile, RangeKind::clean, 0),
              encoding::encode_number(5));
  changes.put(Family::residency, encoding::residency_key(kFile, RangeKind::clean, 5),
              encoding::encode_number(6));
  changes.put(Family::residency, encoding::residency_key(kFolder, RangeKind::clean, 5),
              encoding::encode_number(5));
  write_raw(changes);
  reopen();
  EXPECT_FALSE(catalog_->ranges(kFile, RangeKind::clean).has_value());
  EXPECT_FALSE(catalog_->ranges(kFolder, RangeKind::clean).has_value());
  EXPECT_TRUE(value_of(catalog_->ranges(kFile, RangeKind::dirty)).empty());
}

TEST_P(CatalogContract, FindsTheNextResidentInode) {
  Batch batch;
  for (const uint64_t inode : {0xffULL, 0x100ULL, 300ULL, ~0ULL}) {
    batch.change_ranges(InodeNumber{inode}, RangeKind::clean, {{}, {{0, 1}, {5, 6}}});
    batch.change_ranges(InodeNumber{inode}, RangeKind::dirty, {{}, {{0, 1}}});
  }
  commit(batch);
  std::vector<uint64_t> seen;
  for (auto inode = value_of(catalog_->resident_after(kNoInode)); inode;
       inode = value_of(catalog_->resident_after(*inode)))
    seen.push_back(inode->value());
  EXPECT_EQ(seen, (std::vector<uint64_t>{0xff, 0x100, 300, ~0ULL}));
  EXPECT_EQ(value_of(catalog_->resident_after(InodeNumber{0x101})), InodeNumber{300});
}

// What was evicted leaves traces until the store has cleaned them away. Nobody walks over all of
// them to find one file.
TEST_P(CatalogContract, FindsWhatIsResidentBehindManyThatWereEvicted) {
  constexpr uint64_t kEvicted = 20'000;
  Batch add;
  for (uint64_t inode = 100; inode < 100 + kEvicted; ++inode)
    add.change_ranges(InodeNumber{inode}, RangeKind::clean, {{}, {{0, 1}}});
  const InodeNumber last{100 + kEvicted};
  add.change_ranges(last, RangeKind::clean, {{}, {{0, 1}}});
  commit(add);
  Batch erase;
  for (uint64_t inode = 100; inode < 100 + kEvicted; ++inode)
    erase.change_ranges(InodeNumber{inode}, RangeKind::clean, {{0}, {}});
  commit(erase);
  const auto begin = SteadyClock::now();
  for (int i = 0; i < 1000; ++i) {
    const auto found = value_of(catalog_->resident_near(kNoInode));
    if (!found.too_far) {
      EXPECT_EQ(found.inode, last);
    }
  }
  EXPECT_LT(SteadyClock::now() - begin, std::chrono::seconds(2));
  EXPECT_EQ(value_of(catalog_->resident_near(InodeNumber{last.value() - 10})).inode, last);
  EXPECT_EQ(value_of(catalog_->resident_after(kNoInode)), last);
  const auto behind = value_of(catalog_->resident_near(last));
  EXPECT_FALSE(behind.inode || behind.too_far);
}

TEST_P(CatalogContract, KeepsChecksumsInGroups) {
  ChecksumGroup group;
  group.chunks[0] = Checksum{1, 2};
  group.chunks[63] = Checksum{3, 4};
  Batch batch;
  batch.put_checksums(kFile, 5, group);
  commit(batch);
  EXPECT_EQ(value_of(catalog_->checksums(kFile, 5)), group);
  EXPECT_EQ(value_of(catalog_->checksums(kFile, 4)), std::nullopt);
  Batch erase;
  erase.erase_checksums(kFile, 5);
  commit(erase);
  EXPECT_EQ(value_of(catalog_->checksums(kFile, 5)), std::nullopt);
}

TEST_P(CatalogContract, KeepsTheBaseByNameAndByInode) {
  Batch batch;
  batch.put_base({kRootInode, "lab"}, {kFolder, FileKind::directory});
  batch.put_base({kFolder, "a"}, {kFile, FileKind::file});
  batch.put_base({kFolder, "b"}, {kFile, FileKind::file});
  batch.put_base({kAsideInode, "103"}, {InodeNumber{103}, FileKind::directory});
  batch.put_base({InodeNumber{103}, "x"}, {InodeNumber{104}, FileKind::symlink});
  batch.put_version(kFile, some_version());
  commit(batch);
  EXPECT_EQ(value_of(catalog_->base({kFolder, "a"})), (BaseRecord{kFile, FileKind::file}));
  EXPECT_EQ(value_of(catalog_->base({kFolder, "c"})), std::nullopt);
  EXPECT_EQ(value_of(catalog_->base_children(kFolder)),
            (std::vector<std::pair<std::string, BaseRecord>>{{"a", {kFile, FileKind::file}},
                                                             {"b", {kFile, FileKind::file}}}));
  EXPECT_EQ(value_of(catalog_->base_names(kFile)),
            (std::vector<Name>{{kFolder, "a"}, {kFolder, "b"}}));
  EXPECT_EQ(value_of(catalog_->base_path(kFile)), "lab/a");
  EXPECT_EQ(value_of(catalog_->base_path(kAsideInode)), ".tierhub/aside");
  EXPECT_EQ(value_of(catalog_->base_path(InodeNumber{104})), ".tierhub/aside/103/x");
  EXPECT_EQ(value_of(catalog_->base_path(InodeNumber{999})), std::nullopt);
  EXPECT_EQ(value_of(catalog_->version(kFile)), some_version());

  Batch erase;
  erase.erase_base({kFolder, "a"}, kFile);
  erase.erase_version(kFile);
  commit(erase);
  EXPECT_EQ(value_of(catalog_->base_path(kFile)), "lab/b");
  EXPECT_EQ(value_of(catalog_->version(kFile)), std::nullopt);
}

TEST_P(CatalogContract, KeepsEachJournalKeyOnceAndPagesOverThem) {
  const std::vector<JournalKey> keys{
      JournalKey::of_inode(InodeNumber{20}), JournalKey::of_inode(InodeNumber{300}),
      JournalKey::of_entry(InodeNumber{2}, "b"), JournalKey::of_entry(InodeNumber{20}, "a"),
      JournalKey::of_entry(InodeNumber{20}, "ab")};
  for (auto it = keys.rbegin(); it != keys.rend(); ++it) {
    Batch batch;
    batch.put_journal(*it, {Timestamp{1}, "parked"});
    batch.put_journal(*it, {Timestamp{2}, ""});
    commit(batch);
  }
  for (const size_t page : {1, 2, 5, 10}) {
    std::vector<JournalKey> seen;
    std::optional<JournalKey> after;
    for (;;) {
      const auto found = value_of(catalog_->journal(after, page));
      if (found.empty()) break;
      for (const auto& [key, record] : found) {
        EXPECT_EQ(record, (JournalRecord{Timestamp{2}, ""}));
        seen.push_back(key);
      }
      after = seen.back();
    }
    EXPECT_EQ(seen, keys) << page;
  }
  Batch erase;
  erase.erase_journal(keys[0]);
  commit(erase);
  EXPECT_EQ(value_of(catalog_->journal_record(keys[0])), std::nullopt);
  EXPECT_EQ(value_of(catalog_->journal_record(keys[1])), (JournalRecord{Timestamp{2}, ""}));
  EXPECT_EQ(value_of(catalog_->journal(std::nullopt, 1)).front().first, keys[1]);
}

TEST_P(CatalogContract, KeepsIntentsInTheOrderOfTheirSequence) {
  IntentRecord intent;
  intent.kind = IntentKind::move;
  intent.inode = kFile;
  intent.generation = Generation{9};
  intent.source = {kRootInode, "from"};
  intent.target = {kFolder, "to"};
  intent.staged_leaf = "staged";
  intent.before.bytes = "before";
  intent.after.bytes = "after";
  Batch batch;
  for (const uint64_t sequence : {300U, 2U, 255U}) batch.put_intent(sequence, intent);
  commit(batch);
  const auto intents = value_of(catalog_->intents());
  ASSERT_EQ(intents.size(), 3U);
  EXPECT_EQ(intents[0].first, 2U);
  EXPECT_EQ(intents[1].first, 255U);
  EXPECT_EQ(intents[2].first, 300U);
  EXPECT_EQ(intents[1].second, intent);
  Batch erase;
  erase.erase_intent(2);
  commit(erase);
  EXPECT_EQ(value_of(catalog_->intents()).size(), 2U);
}

TEST_P(CatalogContract, KeepsWhatIsToBeReaped) {
  Batch batch;
  batch.put_reap(InodeNumber{5}, ReapKind::object);
  batch.put_reap(InodeNumber{4}, ReapKind::inode);
  commit(batch);
  using Reaps = std::vector<std::pair<InodeNumber, ReapKind>>;
  EXPECT_EQ(value_of(catalog_->reaps(kNoInode, 10)),
            (Reaps{{InodeNumber{4}, ReapKind::inode}, {InodeNumber{5}, ReapKind::object}}));
  EXPECT_EQ(value_of(catalog_->reaps(kNoInode, 1)), (Reaps{{InodeNumber{4}, ReapKind::inode}}));
  EXPECT_TRUE(value_of(catalog_->reaps(kNoInode, 0)).empty());
  EXPECT_EQ(value_of(catalog_->reaps(InodeNumber{4}, 10)),
            (Reaps{{InodeNumber{5}, ReapKind::object}}));
  EXPECT_EQ(value_of(catalog_->reap(InodeNumber{5})), ReapKind::object);
  Batch erase;
  erase.erase_reap(InodeNumber{4});
  commit(erase);
  EXPECT_EQ(value_of(catalog_->reap(InodeNumber{4})), std::nullopt);
}

TEST_P(CatalogContract, KeepsUnsyncedInodesByEpoch) {
  Batch batch;
  batch.put_unsynced(2, InodeNumber{1});
  batch.put_unsynced(1, InodeNumber{9});
  batch.put_unsynced(1, InodeNumber{8});
  commit(batch);
  using Unsynced = std::vector<std::pair<uint64_t, InodeNumber>>;
  EXPECT_EQ(value_of(catalog_->unsynced()),
            (Unsynced{{1, InodeNumber{8}}, {1, InodeNumber{9}}, {2, InodeNumber{1}}}));
  Batch erase;
  erase.erase_unsynced(1, InodeNumber{8});
  erase.erase_unsynced(1, InodeNumber{9});
  commit(erase);
  EXPECT_EQ(value_of(catalog_->unsynced()), (Unsynced{{2, InodeNumber{1}}}));
}

TEST_P(CatalogContract, KeepsAPrefetchAndItsItems) {
  PrefetchRecord record;
  record.id = 3;
  record.state = PrefetchState::running;
  record.owner_uid = 1000;
  record.label = "/lab/scan.ome.zarr level 2";
  record.created = {1};
  record.ended = {2};
  record.total_bytes = 3;
  record.total_files = 4;
  record.failed_files = 5;
  record.first_error = "too bad";
  record.lease_owner = "run-1";
  record.lease_ttl_s = 60;
  Batch batch;
  batch.put_prefetch(record);
  for (uint64_t i = 0; i < 5; ++i)
    batch.put_prefetch_item(3, i, {InodeNumber{i + 20}, {{i, i + 1}, {9, 10}}});
  batch.put_prefetch_item(2, 0, {InodeNumber{20}, {}});  // its record is gone
  PrefetchRecord other;
  other.id = 255;
  batch.put_prefetch(other);
  commit(batch);
  EXPECT_EQ(value_of(catalog_->prefetches()), (std::vector{record, other}));
  EXPECT_EQ(value_of(catalog_->prefetches_without_record()), (std::vector<uint64_t>{2}));
  EXPECT_EQ(value_of(catalog_->prefetch(3)), record);
  EXPECT_EQ(value_of(catalog_->prefetch(2)), std::nullopt);
  const auto items = value_of(catalog_->prefetch_items(3, 2, 2));
  ASSERT_EQ(items.size(), 2U);
  EXPECT_EQ(items[0].first, 2U);
  EXPECT_EQ(items[1].second, (PrefetchItem{InodeNumber{23}, {{3, 4}, {9, 10}}}));
  EXPECT_EQ(value_of(catalog_->prefetch_items(3, 0, 100)).size(), 5U);
  EXPECT_TRUE(value_of(catalog_->prefetch_items(255, 0, 100)).empty());
  Batch erase;
  erase.erase_prefetch_item(2, 0);
  erase.erase_prefetch(255);
  commit(erase);
  EXPECT_EQ(value_of(catalog_->prefetches()), (std::vector{record}));
}

TEST_P(CatalogContract, KeepsOneLeaseForEachOwner) {
  const LeaseRecord lease{false, "run-1", "reads it", {1}, {2}};
  const LeaseRecord pin{true, "uid:1000", "", {3}, {}};
  Batch batch;
  batch.put_lease(kFile, {false, "run-1", "older", {0}, {1}});
  batch.put_lease(kFile, lease);
  batch.put_lease(kFile, pin);
  batch.put_lease(kFolder, pin);
  commit(batch);
  EXPECT_EQ(value_of(catalog_->leases(kFile)), (std::vector{lease, pin}));
  std::vector<std::pair<InodeNumber, LeaseRecord>> all;
  EXPECT_TRUE(catalog_
                  ->for_each_lease([&](InodeNumber inode, const LeaseRecord& record) {
                    all.emplace_back(inode, record);
                    return all.size() < 2;
                  })
                  .has_value());
  EXPECT_EQ(all,
            (std::vector<std::pair<InodeNumber, LeaseRecord>>{{kFolder, pin}, {kFile, lease}}));
  Batch erase;
  erase.erase_lease(kFile, "run-1");
  commit(erase);
  EXPECT_EQ(value_of(catalog_->leases(kFile)), (std::vector{pin}));
}

TEST_P(CatalogContract, KeepsTheLastAnswerOfEachWorker) {
  const ReplyRecord older{1, 0, 77, 5, kFile};
  const ReplyRecord newer{1, 0, 77, 9, kNoInode};
  const ReplyRecord other{2, 0, 77, 11, kFolder};
  Batch batch;
  batch.put_reply(older);
  batch.put_reply(newer);
  batch.put_reply(other);
  commit(batch);
  EXPECT_EQ(value_of(catalog_->replies()), (std::vector{newer, other}));
  Batch erase;
  erase.erase_reply(1, 0);
  commit(erase);
  EXPECT_EQ(value_of(catalog_->replies()), (std::vector{other}));
}

TEST_P(CatalogContract, KeepsHeatRunsAndMeta) {
  Batch batch;
  batch.put_heat(kFile, Timestamp{-5});
  batch.put_run("segment-20260102-abcd", R"({"state":"done"})");
  batch.put_meta("scan.cursor", "17");
  commit(batch);
  EXPECT_EQ(value_of(catalog_->heat(kFile)), Timestamp{-5});
  EXPECT_EQ(value_of(catalog_->heat(kFolder)), Timestamp{});
  EXPECT_EQ(value_of(catalog_->run("segment-20260102-abcd")), R"({"state":"done"})");
  EXPECT_EQ(value_of(catalog_->run("other")), std::nullopt);
  EXPECT_EQ(value_of(catalog_->runs()).size(), 1U);
  EXPECT_EQ(value_of(catalog_->meta("scan.cursor")), "17");
  EXPECT_EQ(value_of(catalog_->meta("nothing")), std::nullopt);
  Batch erase;
  erase.erase_heat(kFile);
  commit(erase);
  EXPECT_EQ(value_of(catalog_->heat(kFile)), Timestamp{});
}

INSTANTIATE_TEST_SUITE_P(Stores, CatalogContract, ::testing::ValuesIn(backend_kinds()),
                         [](const auto& kind) { return kind.param.name; });

}  // namespace
}  // namespace tierhub::catalog_records_test
