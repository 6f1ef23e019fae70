// Every damage that a check knows, made on purpose: the check reports exactly it, a repair ends it,
// and no other file is harmed.
#include <set>

#include <fcntl.h>

#include <fmt/format.h>

#include "common/hash.h"
#include "common/posix.h"
#include "tests/unit/recovery/world.h"

namespace tierhub::recovery {
namespace {

using Codes = std::vector<std::string>;

void cut(const std::string& path, uint64_t size_bytes) {
  const UniqueFd fd = value_of(posix::open_at(AT_FDCWD, path, O_RDWR));
  value_of(posix::truncate_fd(fd.get(), size_bytes));
}

void flip(const std::string& path, uint64_t offset_bytes) {
  const UniqueFd fd = value_of(posix::open_at(AT_FDCWD, path, O_RDWR));
  std::byte byte{};
  value_of(posix::read_at(fd.get(), {&byte, 1}, offset_bytes));
  byte ^= std::byte{0x40};
  value_of(posix::write_all_at(fd.get(), {&byte, 1}, offset_bytes));
}

template <class Edit>
void edit_inode(const World& world, const std::string& path, Edit edit) {
  const InodeNumber inode = path.empty() ? kRootInode : world.inode(path);
  world.change([&](KeyValueStore& store, Batch& batch) {
    const auto bytes = value_of(store.get(Family::inode, encoding::inode_key(inode)));
    InodeRecord record = value_of(encoding::decode_inode(bytes.value()));
    edit(record);
    batch.put_inode(inode, record);
  });
}

struct Damage {
  std::string name;
  std::string code;
  std::function<void(World&)> make;
  // Files that the repair takes away or moves: path -> where it is then; empty: nowhere.
  std::map<std::string, std::string> moved = {};
  bool reads_data = false;
  bool repairable = true;
};

void erase(const World& world, Family family, const std::string& key) {
  world.change([&](KeyValueStore& store, Batch& batch) {
    if (!value_of(store.get(family, key))) throw std::runtime_error("nothing to erase");
    batch.erase_record(family, key);
  });
}

void put_raw(const World& world, Family family, const std::string& key, const std::string& value) {
  const auto store = value_of(open_rocksdb_store(world.folder / "state/catalog"));
  WriteSet changes;
  changes.put(family, key, value);
  value_of(store->commit(changes, Durability::synced));
}

std::string recovered(const std::string& name) {
  return std::string(kRecoveredFolder) + "/" + name;
}

std::vector<Damage> damages_of_names() {
  return {
      {"DamagedInode", "record.damaged",
       [](World& w) { put_raw(w, Family::inode, encoding::inode_key(w.inode("new")), "x"); }},
      {"DamagedInodeOfACleanFile", "record.damaged",
       [](World& w) { put_raw(w, Family::inode, encoding::inode_key(w.inode("cold")), "x"); }},
      {"DamagedEntry",
       "record.damaged",
       [](World& w) {
         put_raw(w, Family::dirent, encoding::dirent_key(kRootInode, name_hash("new"), "new"), "");
       },
       {}},
      {"DamagedXattr", "record.damaged",
       [](World& w) { put_raw(w, Family::xattr, encoding::xattr_key(w.inode("hot"), "u"), ""); }},
      {"DamagedResidency", "record.damaged",
       [](World& w) {
         put_raw(w, Family::residency,
                 encoding::residency_key(w.inode("changed"), RangeKind::dirty, World::kChunk), "");
       }},
      {"MissingRoot", "root.missing",
       [](World& w) { erase(w, Family::inode, encoding::inode_key(kRootInode)); }},
      {"UnreservedNumber", "inode.number",
       [](World& w) {
         put_raw(w, Family::meta, "catalog.inode_next", encoding::encode_text("17"));
       }},
      {"MissingInodeOfANewFile", "inode.missing",
       [](World& w) { erase(w, Family::inode, encoding::inode_key(w.inode("a/b/new"))); }},
      {"MissingInodeOfAnArchivedFile", "inode.missing",
       [](World& w) { erase(w, Family::inode, encoding::inode_key(w.inode("a/cold"))); }},
      {"MissingInodeOfAFolder", "inode.missing",
       [](World& w) { erase(w, Family::inode, encoding::inode_key(w.inode("a/b"))); }},
      {"NamelessFile",
       "inode.nameless",
       [](World& w) {
         w.change(
             [&](KeyValueStore&, Batch& b) { b.erase_entry(kRootInode, "new", w.inode("new")); });
       },
       {{"new", recovered("new")}}},
      {"NamelessFolder",
       "inode.nameless",
       [](World& w) {
         w.change([&](KeyValueStore&, Batch& b) {
           b.erase_entry(w.inode("a"), "b", w.inode("a/b"));
           b.put_journal(JournalKey::of_entry(w.inode("a"), "b"), {Timestamp::now(), ""});
         });
         edit_inode(w, "a", [](InodeRecord& record) { record.nlink = 2; });
       },
       {{"a/b/new", recovered("b/new")}, {"a/b/linked", recovered("b/linked")}}},
      {"UnreapedFile",
       "inode.unreaped",
       [](World& w) {
         w.change(
             [&](KeyValueStore&, Batch& b) { b.erase_entry(kRootInode, "new", w.inode("new")); });
         edit_inode(w, "new", [](InodeRecord& record) { record.nlink = 0; });
       },
       {{"new", ""}}},
      {"WrongLinkCountOfAFile", "inode.links",
       [](World& w) { edit_inode(w, "a/linked", [](InodeRecord& r) { r.nlink = 7; }); }},
      {"WrongLinkCountOfAFolder", "inode.links",
       [](World& w) { edit_inode(w, "a", [](InodeRecord& r) { r.nlink = 2; }); }},
      {"FolderInItself",
       "folder.loop",
       [](World& w) {
         w.change([&](KeyValueStore&, Batch& b) {
           b.erase_entry(kRootInode, "a", w.inode("a"));
           b.put_entry(w.inode("a/b"), "a", w.inode("a"));
           b.put_journal(JournalKey::of_entry(kRootInode, "a"), {Timestamp::now(), ""});
           b.put_journal(JournalKey::of_entry(w.inode("a/b"), "a"), {Timestamp::now(), ""});
         });
         edit_inode(w, "", [](InodeRecord& r) { --r.nlink; });
         edit_inode(w, "a/b", [](InodeRecord& r) { ++r.nlink; });
       },
       {{"a/hot", recovered("a/hot")},
        {"a/cold", recovered("a/cold")},
        {"a/linked", recovered("a/linked")},
        {"a/b/linked", recovered("a/b/linked")},
        {"a/b/new", recovered("a/b/new")}}},
      {"FolderWithTwoNames", "folder.names",
       [](World& w) {
         w.change([&](KeyValueStore&, Batch& b) {
           b.put_entry(w.inode("a"), "zz", w.inode("a/b"));
           b.put_journal(JournalKey::of_entry(w.inode("a"), "zz"), {Timestamp::now(), ""});
         });
       }},
      {"EntryUnderAWrongHash", "dirent.cookie",
       [](World& w) {
         const std::string key = encoding::dirent_key(kRootInode, name_hash("new"), "new");
         erase(w, Family::dirent, key);
         put_raw(w, Family::dirent, encoding::dirent_key(kRootInode, 4711, "new"),
                 encoding::encode(w.inode("new")));
       }},
      {"EntryInAFile",
       "dirent.parent",
       [](World& w) {
         w.change([&](KeyValueStore&, Batch& b) {
           b.erase_entry(kRootInode, "new", w.inode("new"));
           b.put_entry(w.inode("hot"), "new", w.inode("new"));
         });
       },
       {{"new", recovered("new")}}},
      {"EntryWithoutLink", "dirent.link",
       [](World& w) {
         erase(w, Family::link, encoding::link_key(w.inode("new"), kRootInode, "new"));
       }},
      {"LinkWithoutEntry", "link.dirent",
       [](World& w) {
         erase(w, Family::dirent, encoding::dirent_key(kRootInode, name_hash("new"), "new"));
       }},
  };
}

std::vector<Damage> damages_of_records() {
  const InodeNumber nobody(999);
  const JournalRecord key{Timestamp::now(), ""};
  const auto put = [](auto edit) {
    return [edit](World& w) { w.change([&](KeyValueStore&, Batch& batch) { edit(w, batch); }); };
  };
  return {
      {"XattrOfNobody", "record.dangling",
       put([=](World&, Batch& b) { b.put_xattr(nobody, "user.x", "1"); })},
      {"ResidencyOfNobody", "record.dangling", put([=](World&, Batch& b) {
         b.change_ranges(nobody, RangeKind::clean, IntervalSet().add(0, 1));
       })},
      {"ChecksumsOfNobody", "record.dangling",
       put([=](World&, Batch& b) { b.put_checksums(nobody, 0, {}); })},
      {"LeaseOfNobody", "record.dangling", put([=](World&, Batch& b) {
         b.put_lease(nobody, {true, "me", "", {}, {}});
       })},
      {"HeatOfNobody", "record.dangling",
       put([=](World&, Batch& b) { b.put_heat(nobody, Timestamp::now()); })},
      {"VersionOfNobody", "record.dangling",
       put([=](World&, Batch& b) { b.put_version(nobody, {}); })},
      {"KeyOfNobody", "record.dangling",
       put([=](World&, Batch& b) { b.put_journal(JournalKey::of_inode(nobody), key); })},
      {"RemovalOfNobody", "record.dangling",
       put([=](World&, Batch& b) { b.put_reap(nobody, ReapKind::inode); })},
      {"RemovalOfAFileWithAName", "record.dangling",
       put([=](World& w, Batch& b) { b.put_reap(w.inode("new"), ReapKind::inode); })},
      {"ItemOfNoPrefetch", "record.dangling", put([=](World& w, Batch& b) {
         b.put_prefetch_item(5, 0, {w.inode("hot"), {}});
       })},
      {"DamagedIntent", "record.damaged",
       [](World& w) { put_raw(w, Family::intent, encoding::sequence_key(3), "x"); }},
      {"BaseWithoutLink", "base.link",
       [](World& w) {
         erase(w, Family::base_link, encoding::link_key(w.inode("cold"), kRootInode, "cold"));
       }},
      {"BaseLinkWithoutBase", "base.link",
       [](World& w) { erase(w, Family::base, encoding::name_key(kRootInode, "hot")); }},
      {"BaseWithoutVersion",
       "base.version",
       [](World& w) { erase(w, Family::version, encoding::inode_key(w.inode("cold"))); },
       {}},
      {"BaseBelowNothing", "base.parent", put([=](World&, Batch& b) {
         b.put_base({nobody, "x"}, {InodeNumber(998), FileKind::file});
         b.put_version(InodeNumber(998), {});
       })},
      {"UnexplainedEntryOfTheArchive", "journal.missing", put([=](World&, Batch& b) {
         b.put_base({kRootInode, "ghost"}, {InodeNumber(998), FileKind::file});
         b.put_version(InodeNumber(998), {});
       })},
      {"NewEntryWithoutKey", "journal.missing",
       put([=](World&, Batch& b) { b.erase_journal(JournalKey::of_entry(kRootInode, "new")); })},
      {"NewBytesWithoutKey", "journal.missing",
       put([=](World& w, Batch& b) { b.erase_journal(JournalKey::of_inode(w.inode("changed"))); })},
      {"ForgottenPlaceInTheArchive", "content.unreachable", put([=](World& w, Batch& b) {
         b.erase_base({kRootInode, "cold"}, w.inode("cold"));
         b.erase_version(w.inode("cold"));
         b.put_journal(JournalKey::of_entry(kRootInode, "cold"), key);
       })},
  };
}

std::vector<Damage> damages_of_content() {
  return {
      {"TouchingRanges", "residency.ranges",
       [](World& w) {
         put_raw(
             w, Family::residency,
             encoding::residency_key(w.inode("changed"), RangeKind::dirty, 2 * World::kChunk - 9),
             encoding::encode_number(2 * World::kChunk));
       }},
      {"CleanChunksBeyondTheFile", "residency.ranges",
       [](World& w) {
         put_raw(w, Family::residency,
                 encoding::residency_key(w.inode("partial"), RangeKind::clean, 9),
                 encoding::encode_number(10));
       }},
      {"CleanChunksOfANewFile", "residency.unarchived",
       [](World& w) {
         w.change([&](KeyValueStore&, Batch& b) {
           b.change_ranges(w.inode("new"), RangeKind::clean, IntervalSet().add(0, 1));
         });
       }},
      {"NoObjectOfACleanFile", "object.missing",
       [](World& w) { value_of(posix::unlink_at(AT_FDCWD, w.object("hot"))); }},
      {"NoObjectOfANewFile",
       "object.lost",
       [](World& w) { value_of(posix::unlink_at(AT_FDCWD, w.object("new"))); },
       {{"new", ""}}},
      {"ShortObject", "object.short", [](World& w) { cut(w.object("hot"), World::kChunk); }},
      {"LongObjectOfANewFile", "object.short",
       [](World& w) {
         cut(w.object("new"), 3 * World::kChunk);
         w.expected["new"].resize(3 * World::kChunk);
       }},
      {"StrayObject", "object.stray",
       [](World& w) {
         const Scratch scratch = value_of(Scratch::open(w.folder / "scratch"));
         const UniqueFd fd = value_of(scratch.create(InodeNumber(999)));
         ObjectTag tag;
         tag.inode = InodeNumber(999);
         tag.parent = w.inode("a/b");
         tag.name = "stray";
         tag.mode = 0600;
         value_of(scratch.tag(fd.get(), tag));
         value_of(posix::write_all_at(fd.get(), std::as_bytes(std::span("bytes", 5)), 0));
         w.expected["a/b/stray"] = "bytes";
       }},
      {"StrayObjectWithoutATag", "object.stray",
       [](World& w) {
         const Scratch scratch = value_of(Scratch::open(w.folder / "scratch"));
         const UniqueFd fd = value_of(scratch.create(InodeNumber(999)));
         value_of(posix::write_all_at(fd.get(), std::as_bytes(std::span("bytes", 5)), 0));
         w.expected[recovered("inode 999")] = "bytes";
       }},
      {"TagOfAnotherInode", "object.tag",
       [](World& w) {
         const Scratch scratch = value_of(Scratch::open(w.folder / "scratch"));
         const UniqueFd fd = value_of(scratch.open_object(w.inode("new"), O_RDONLY));
         ObjectTag tag = value_of(scratch.read_tag(fd.get()));
         tag.inode = InodeNumber(999);
         value_of(scratch.tag(fd.get(), tag));
       }},
      {"TagThatCallsNewBytesClean", "object.tag",
       [](World& w) {
         const Scratch scratch = value_of(Scratch::open(w.folder / "scratch"));
         const UniqueFd fd = value_of(scratch.open_object(w.inode("changed"), O_RDONLY));
         ObjectTag tag = value_of(scratch.read_tag(fd.get()));
         tag.bytes = ObjectTag::Bytes::none;
         value_of(scratch.tag(fd.get(), tag));
       }},
      {"FlippedByte",
       "chunk.differs",
       [](World& w) { flip(w.object("hot"), World::kChunk + 5); },
       {},
       true},
  };
}

class EachDamage : public ::testing::TestWithParam<Damage> {};

TEST_P(EachDamage, IsFoundAloneAndRepairedWithoutHarm) {
  const Damage& damage = GetParam();
  World world;
  CheckOptions options;
  if (damage.reads_data) options.data = CheckOptions::Data::read;
  damage.make(world);

  EXPECT_EQ(world.codes(options), Codes{damage.code});
  const RepairCounts counts = world.repair(options);
  EXPECT_GE(counts.repaired, 1u);
  EXPECT_EQ(counts.left, 0u);
  EXPECT_EQ(world.codes(options), Codes{});

  std::map<std::string, std::string> expected = world.expected;
  for (const auto& [from, to] : damage.moved) {
    auto file = expected.extract(from);
    ASSERT_FALSE(file.empty());
    if (!to.empty()) expected[to] = file.mapped();
  }
  auto tier = world.start();
  tier->publish();
  tier->scan_added();
  EXPECT_EQ(World::digests(World::contents(*tier)), World::digests(expected));
  World::stop(std::move(tier));
  EXPECT_EQ(world.codes(options), Codes{}) << "after it ran again";
}

std::string name_of(const ::testing::TestParamInfo<Damage>& info) { return info.param.name; }
INSTANTIATE_TEST_SUITE_P(Names, EachDamage, ::testing::ValuesIn(damages_of_names()), name_of);
INSTANTIATE_TEST_SUITE_P(Records, EachDamage, ::testing::ValuesIn(damages_of_records()), name_of);
INSTANTIATE_TEST_SUITE_P(Content, EachDamage, ::testing::ValuesIn(damages_of_content()), name_of);

TEST(Check, HasATestForEachDamage) {
  // Those with a test of their own below, and what an unclean stop leaves.
  std::set<std::string> tested = {"meta.damaged", "chunk.lost", "archive.differs", "start.pending"};
  for (const auto& damages : {damages_of_names(), damages_of_records(), damages_of_content()}) {
    for (const Damage& damage : damages) tested.insert(damage.code);
  }
  for (const FindingKind& kind : kFindingKinds)
    EXPECT_TRUE(tested.contains(std::string(kind.code))) << kind.code;
}

TEST(Check, FindsNothingInASoundTierAndChangesNothing) {
  const World world;
  EXPECT_EQ(world.codes(), Codes{});
  erase(world, Family::link, encoding::link_key(world.inode("new"), kRootInode, "new"));
  EXPECT_EQ(world.codes(), Codes{"dirent.link"});
  EXPECT_EQ(world.codes(), Codes{"dirent.link"});
}

TEST(Check, FindsNothingInWhatAFolderLeavesThatWasRemovedBeforeItWasPublished) {
  World world;
  {
    auto tier = world.start();
    const NodeInfo folder = value_of(tier->fs->mkdir(kRootInode, "short-lived", 0755, kRoot));
    value_of(tier->fs->symlink(folder.inode, "entry", "target", kRoot));
    value_of(tier->fs->unlink(folder.inode, "entry"));
    value_of(tier->evictor->reap());
    value_of(tier->fs->rmdir(kRootInode, "short-lived"));
    World::stop(std::move(tier));
  }
  EXPECT_EQ(world.codes(), Codes{});
}

TEST(Check, SaysThatACatalogWithoutItsOwnNumbersMustBeMadeAgain) {
  const World world;
  erase(world, Family::meta, "catalog.format");
  EXPECT_EQ(world.codes(), Codes{"meta.damaged"});
  const auto opened =
      Catalog::open(value_of(open_rocksdb_store(world.folder / "state/catalog")), {});
  ASSERT_FALSE(opened);
  EXPECT_TRUE(opened.error().is(std::errc::bad_message)) << "an empty catalog was made over it";
}

TEST(Check, RefusesACatalogOfANewerTierHub) {
  const World world;
  put_raw(world, Family::meta, "catalog.format", encoding::encode_text("2"));
  EXPECT_THROW(world.codes(), std::runtime_error);
}

TEST(Check, ComparesWithTheArchiveWhenAsked) {
  const World world;
  const auto archive = value_of(PosixArchive::open(world.in_archive(""), {}));
  CheckOptions options;
  options.archive = archive.get();
  options.data = CheckOptions::Data::read;
  ASSERT_EQ(world.codes(options), Codes{});

  // Changed there, and damaged here: nobody has the version on record any more.
  cut(world.in_archive("hot"), 5);
  flip(world.object("hot"), 5);
  EXPECT_EQ(world.codes(options), (Codes{"chunk.lost", "archive.differs"}));
  EXPECT_EQ(world.repair(options).left, 1u) << "a lost chunk was dropped";
}

TEST(Check, LeavesToTheNextStartWhatAnUncleanStopLeft) {
  const World world;
  {
    const Scratch scratch = value_of(Scratch::open(world.folder / "scratch"));
    value_of(scratch.create(InodeNumber(999)));
    // Not stopped well.
    const auto catalog =
        value_of(Catalog::open(value_of(open_rocksdb_store(world.folder / "state/catalog")), {}));
  }
  const auto findings = world.check();
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].code, FindingCode::left_to_tierd);
  EXPECT_FALSE(findings[0].is_damage());
}

}  // namespace
}  // namespace tierhub::recovery
