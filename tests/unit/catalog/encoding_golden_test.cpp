// The bytes that are on people's disks. If one of these tests fails, the change needs a new record
// version and the old bytes must stay readable: add a case, never edit one.
#include <gtest/gtest.h>

#include "catalog/encoding.h"
#include "catalog/key_value_store.h"

namespace tierhub {
namespace {

// "00 0a ff": how people read bytes.
std::string hex(std::string_view bytes) {
  std::string text;
  for (const char c : bytes)
    text += fmt::format("{}{:02x}", text.empty() ? "" : " ", static_cast<uint8_t>(c));
  return text;
}

constexpr InodeNumber kInode{0x0102030405060708};
constexpr InodeNumber kParent{0x10};

Attributes attributes(FileKind kind) {
  return {kind, 04755, 0x3e8, 0x64, 0x801, 0x123456789a, {1}, {2}, {3}, {-1}};
}

TEST(GoldenFamilies, HaveTheseNamesInThisOrder) {
  const std::vector<std::string> names(kFamilyNames.begin(), kFamilyNames.end());
  EXPECT_EQ(names,
            (std::vector<std::string>{"inode",    "dirent", "link",      "xattr",    "residency",
                                      "checksum", "base",   "base_link", "version",  "journal",
                                      "intent",   "reap",   "unsynced",  "prefetch", "lease",
                                      "heat",     "run",    "meta",      "answer",   "departure"}));
  EXPECT_EQ(static_cast<size_t>(Family::departure) + 1, kFamilyNames.size());
}

TEST(GoldenKeys, AreBigEndian) {
  EXPECT_EQ(hex(encoding::inode_key(kInode)), "01 02 03 04 05 06 07 08");
  EXPECT_EQ(hex(encoding::sequence_key(0x1ff)), "00 00 00 00 00 00 01 ff");
  EXPECT_EQ(hex(encoding::dirent_prefix(kParent)), "00 00 00 00 00 00 00 10");
  EXPECT_EQ(hex(encoding::dirent_key(kParent, 0x0123456789abcdef, "ab")),
            "00 00 00 00 00 00 00 10 01 23 45 67 89 ab cd ef 61 62");
  EXPECT_EQ(hex(encoding::name_key(kParent, "ab")), "00 00 00 00 00 00 00 10 61 62");
  EXPECT_EQ(hex(encoding::link_key(kInode, kParent, "ab")),
            "01 02 03 04 05 06 07 08 00 00 00 00 00 00 00 10 61 62");
  EXPECT_EQ(hex(encoding::xattr_key(kParent, "u.a")), "00 00 00 00 00 00 00 10 75 2e 61");
  EXPECT_EQ(hex(encoding::lease_key(kParent, "me")), "00 00 00 00 00 00 00 10 6d 65");
  EXPECT_EQ(hex(encoding::residency_prefix(kParent, RangeKind::dirty)),
            "00 00 00 00 00 00 00 10 02");
  EXPECT_EQ(hex(encoding::residency_key(kParent, RangeKind::clean, 7)),
            "00 00 00 00 00 00 00 10 01 00 00 00 00 00 00 00 07");
  EXPECT_EQ(hex(encoding::checksum_key(kParent, 7)),
            "00 00 00 00 00 00 00 10 00 00 00 00 00 00 00 07");
  EXPECT_EQ(hex(encoding::journal_key(JournalKey::of_inode(kParent))),
            "01 00 00 00 00 00 00 00 10");
  EXPECT_EQ(hex(encoding::journal_key(JournalKey::of_entry(kParent, "ab"))),
            "02 00 00 00 00 00 00 00 10 61 62");
  EXPECT_EQ(hex(encoding::unsynced_key(3, kParent)),
            "00 00 00 00 00 00 00 03 00 00 00 00 00 00 00 10");
  EXPECT_EQ(hex(encoding::prefetch_item_key(3, 4)),
            "00 00 00 00 00 00 00 03 00 00 00 00 00 00 00 04");
  EXPECT_EQ(hex(encoding::answer_key(3, 4)), "00 00 00 00 00 00 00 03 00 00 00 00 00 00 00 04");
}

TEST(GoldenKeys, ThePositionOfANameInItsFolderNeverChanges) {
  EXPECT_EQ(name_hash("a"), 0x7363195b0f4b270fULL);
  EXPECT_EQ(name_hash("scan.ome.zarr"), 0x6c783c7ff50e0911ULL);
}

TEST(GoldenRecords, InodeOfAFile) {
  InodeRecord record;
  record.attributes = attributes(FileKind::file);
  record.nlink = 2;
  record.generation = Generation{5};
  record.archived = true;
  record.has_object = true;
  record.archive_limit_bytes = 0x1000;
  EXPECT_EQ(hex(encoding::encode(record)),
            "01 0c 01 09 ed 00 00 03 e8 00 00 00 64 00 00 00 12 34 56 78 9a "
            "00 00 00 00 00 00 00 01 00 00 00 00 00 00 00 02 "
            "00 00 00 00 00 00 00 03 ff ff ff ff ff ff ff ff "
            "00 00 00 02 00 00 00 00 00 00 00 05 00 00 00 00 00 00 10 00");
}

TEST(GoldenRecords, InodeWithAllFlags) {
  InodeRecord record;
  record.writing = true;
  record.content = Content::unknown;
  record.archived = true;
  record.has_object = true;
  record.pending_truncate = PendingTruncate{0x20, 0x10};
  EXPECT_EQ(hex(encoding::encode(record)),
            "01 1f 01 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 "
            "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 "
            "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 "
            "00 00 00 01 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 "
            "00 00 00 00 00 00 00 20 00 00 00 00 00 00 00 10");
}

TEST(GoldenRecords, EachFlagOfAnInodeHasItsBit) {
  const auto flags = [](auto change) {
    InodeRecord record;
    change(record);
    return hex(encoding::encode(record).substr(1, 1));
  };
  EXPECT_EQ(flags([](InodeRecord& r) { r.writing = true; }), "01");
  EXPECT_EQ(flags([](InodeRecord& r) { r.content = Content::unknown; }), "02");
  EXPECT_EQ(flags([](InodeRecord& r) { r.archived = true; }), "04");
  EXPECT_EQ(flags([](InodeRecord& r) { r.has_object = true; }), "08");
  EXPECT_EQ(flags([](InodeRecord& r) { r.pending_truncate.emplace(); }), "10");
}

TEST(GoldenRecords, InodeOfASymlinkEndsInItsTarget) {
  InodeRecord record;
  record.attributes.kind = FileKind::symlink;
  record.symlink_target = "../x";
  const std::string bytes = encoding::encode(record);
  EXPECT_EQ(hex(bytes.substr(0, 3)), "01 00 03");
  EXPECT_EQ(hex(bytes.substr(bytes.size() - 8)), "00 00 00 04 2e 2e 2f 78");
  EXPECT_EQ(bytes.size(), 73U + 8);
}

TEST(GoldenRecords, InodeOfADeviceHasItsNumber) {
  InodeRecord record;
  record.attributes = attributes(FileKind::block_device);
  EXPECT_EQ(
      hex(encoding::encode(record).substr(0, 29)),
      "01 00 07 09 ed 00 00 03 e8 00 00 00 64 00 00 00 00 00 00 08 01 00 00 00 12 34 56 78 9a");
}

TEST(GoldenRecords, KindsHaveTheseNumbers) {
  int number = 0;
  for (const FileKind kind :
       {FileKind::file, FileKind::directory, FileKind::symlink, FileKind::fifo, FileKind::socket,
        FileKind::character_device, FileKind::block_device}) {
    EXPECT_EQ(static_cast<int>(kind), ++number);
  }
}

TEST(GoldenRecords, OneNumberOrTextOrNothing) {
  EXPECT_EQ(hex(encoding::encode(kInode)), "01 01 02 03 04 05 06 07 08");
  EXPECT_EQ(hex(encoding::encode_mark()), "01");
  EXPECT_EQ(hex(encoding::encode_text("ab")), "01 61 62");
  EXPECT_EQ(hex(encoding::encode_number(0x1ff)), "01 00 00 00 00 00 00 01 ff");
  EXPECT_EQ(hex(encoding::encode(Timestamp{-2})), "01 ff ff ff ff ff ff ff fe");
  EXPECT_EQ(hex(encoding::encode(ReapKind::inode)), "01 01");
  EXPECT_EQ(hex(encoding::encode(ReapKind::object)), "01 02");
}

TEST(GoldenRecords, Checksums) {
  ChecksumGroup group;
  group.chunks[0] = Checksum{1, 2};
  group.chunks[63] = Checksum{3, 4};
  EXPECT_EQ(hex(encoding::encode(group)),
            "01 80 00 00 00 00 00 00 01 "
            "00 00 00 00 00 00 00 01 00 00 00 00 00 00 00 02 "
            "00 00 00 00 00 00 00 03 00 00 00 00 00 00 00 04");
  EXPECT_EQ(hex(encoding::encode(ChecksumGroup{})), "01 00 00 00 00 00 00 00 00");
}

TEST(GoldenRecords, Base) {
  EXPECT_EQ(hex(encoding::encode(BaseRecord{kInode, FileKind::directory})),
            "01 01 02 03 04 05 06 07 08 02");
}

TEST(GoldenRecords, Version) {
  ArchiveVersion version;
  version.identity.bytes = "id";
  version.attributes = attributes(FileKind::file);
  version.nlink = 3;
  version.device = 0x99;
  EXPECT_EQ(hex(encoding::encode(version)),
            "01 00 00 00 02 69 64 "
            "01 09 ed 00 00 03 e8 00 00 00 64 00 00 00 12 34 56 78 9a "
            "00 00 00 00 00 00 00 01 00 00 00 00 00 00 00 02 "
            "00 00 00 00 00 00 00 03 ff ff ff ff ff ff ff ff "
            "00 00 00 03 00 00 00 00 00 00 00 99");
}

TEST(GoldenRecords, VersionWithTheCtimeOfItsContent) {
  ArchiveVersion version;
  version.identity.bytes = "id";
  version.attributes = attributes(FileKind::file);
  version.nlink = 3;
  version.device = 0x99;
  version.content_ctime = Timestamp{5};
  const std::string bytes = encoding::encode(version);
  EXPECT_EQ(hex(bytes),
            "02 00 00 00 02 69 64 "
            "01 09 ed 00 00 03 e8 00 00 00 64 00 00 00 12 34 56 78 9a "
            "00 00 00 00 00 00 00 01 00 00 00 00 00 00 00 02 "
            "00 00 00 00 00 00 00 03 ff ff ff ff ff ff ff ff "
            "00 00 00 03 00 00 00 00 00 00 00 99 00 00 00 00 00 00 00 05");
  EXPECT_EQ(encoding::decode_version(bytes)->content_ctime, version.content_ctime);
}

TEST(GoldenRecords, Departure) {
  EXPECT_EQ(hex(encoding::encode(DepartureRecord{DepartureRecord::How::replaced, "a/b"})),
            "01 02 00 00 00 03 61 2f 62");
}

TEST(GoldenRecords, Journal) {
  EXPECT_EQ(hex(encoding::encode(JournalRecord{Timestamp{7}, "no"})),
            "01 00 00 00 00 00 00 00 07 00 00 00 02 6e 6f");
}

TEST(GoldenRecords, Intent) {
  IntentRecord intent;
  intent.kind = IntentKind::move;
  intent.inode = InodeNumber{5};
  intent.generation = Generation{6};
  intent.source = {InodeNumber{7}, "s"};
  intent.target = {InodeNumber{8}, "tt"};
  intent.staged_leaf = "l";
  intent.before.bytes = "b";
  intent.after.bytes = "";
  EXPECT_EQ(hex(encoding::encode(intent)),
            "01 02 00 00 00 00 00 00 00 05 00 00 00 00 00 00 00 06 "
            "00 00 00 00 00 00 00 07 00 00 00 01 73 "
            "00 00 00 00 00 00 00 08 00 00 00 02 74 74 "
            "00 00 00 01 6c 00 00 00 01 62 00 00 00 00");
  EXPECT_EQ(static_cast<int>(IntentKind::place), 1);
  EXPECT_EQ(static_cast<int>(IntentKind::link), 3);
  EXPECT_EQ(static_cast<int>(IntentKind::remove), 4);
}

TEST(GoldenRecords, Prefetch) {
  PrefetchRecord record;
  record.id = 99;  // in the key
  record.state = PrefetchState::failed;
  record.owner_uid = 0x3e8;
  record.label = "l";
  record.created = {1};
  record.ended = {2};
  record.total_bytes = 3;
  record.total_files = 4;
  record.failed_files = 5;
  record.first_error = "e";
  record.lease_owner = "o";
  record.lease_ttl_s = 6;
  EXPECT_EQ(hex(encoding::encode(record)),
            "01 04 00 00 03 e8 00 00 00 01 6c "
            "00 00 00 00 00 00 00 01 00 00 00 00 00 00 00 02 "
            "00 00 00 00 00 00 00 03 00 00 00 00 00 00 00 04 00 00 00 00 00 00 00 05 "
            "00 00 00 01 65 00 00 00 01 6f 00 00 00 00 00 00 00 06");
}

TEST(GoldenRecords, PrefetchOfTheSecondVersion) {
  PrefetchRecord record;
  record.state = PrefetchState::parked;
  record.urgency = PrefetchUrgency::later;
  record.crashed_starts = 3;
  EXPECT_EQ(hex(encoding::encode(record)),
            "02 06 00 00 00 00 00 00 00 00 "
            "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 "
            "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 "
            "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 02 00 00 00 03");
}

TEST(GoldenRecords, PrefetchItem) {
  EXPECT_EQ(hex(encoding::encode(PrefetchItem{InodeNumber{5}, {}})),
            "01 00 00 00 00 00 00 00 05 00 00 00 00");
  EXPECT_EQ(hex(encoding::encode(PrefetchItem{InodeNumber{5}, {{1, 2}}})),
            "01 00 00 00 00 00 00 00 05 00 00 00 01 "
            "00 00 00 00 00 00 00 01 00 00 00 00 00 00 00 02");
}

TEST(GoldenRecords, Lease) {
  EXPECT_EQ(hex(encoding::encode(LeaseRecord{true, "in the key", "r", {1}, {2}})),
            "01 01 00 00 00 01 72 00 00 00 00 00 00 00 01 00 00 00 00 00 00 00 02");
}

TEST(GoldenRecords, Answer) {
  EXPECT_EQ(hex(encoding::encode(ReplyRecord{8, 9, 1, 2, InodeNumber{3}})),
            "01 00 00 00 00 00 00 00 01 00 00 00 00 00 00 00 02 00 00 00 00 00 00 00 03");
}

TEST(KeyOrder, PrefixEndIsAboveAllKeysOfThePrefix) {
  EXPECT_EQ(hex(encoding::prefix_end("ab")), "61 63");
  EXPECT_EQ(hex(encoding::prefix_end("a\xff\xff")), "62");
  EXPECT_EQ(encoding::prefix_end("\xff\xff"), "");
  EXPECT_EQ(encoding::prefix_end(""), "");
}

TEST(KeyOrder, AfterIsTheNextKey) { EXPECT_EQ(hex(encoding::after("a")), "61 00"); }

TEST(KeyOrder, JournalKeysSortAsOnDisk) {
  const std::vector<JournalKey> keys{
      JournalKey::of_inode(InodeNumber{1}),      JournalKey::of_inode(InodeNumber{256}),
      JournalKey::of_entry(InodeNumber{1}, "a"), JournalKey::of_entry(InodeNumber{1}, "a\xff"),
      JournalKey::of_entry(InodeNumber{1}, "b"), JournalKey::of_entry(InodeNumber{256}, "a")};
  for (size_t i = 0; i + 1 < keys.size(); ++i) {
    EXPECT_LT(keys[i], keys[i + 1]);
    EXPECT_LT(encoding::journal_key(keys[i]), encoding::journal_key(keys[i + 1]));
  }
}

}  // namespace
}  // namespace tierhub
