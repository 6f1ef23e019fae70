#include "migrator/scan/scanner.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "common/metrics.h"
#include "migrator/scan/folder.h"
#include "tests/unit/migrator/tier_by_path.h"

namespace tierhub::test::scanner_test {
namespace {

namespace fs = std::filesystem;

std::string read_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class ScannerTest : public ::testing::Test {
 protected:
  // Names, kinds, modes, times and xattrs are equal; content that was not recalled is not compared.
  void expect_same_names() {
    std::vector<std::string> here;
    std::vector<std::string> there;
    for (const auto& [path, shown] : world_.namespace_tree())
      here.push_back(path + " " + shown.substr(0, shown.find('[')));
    for (const auto& [path, shown] : world_.archive_tree())
      there.push_back(path + " " + shown.substr(0, shown.find('[')));
    EXPECT_EQ(here, there);
  }
  void expect_nothing_to_publish() {
    EXPECT_EQ(world_.journal_keys(), 0u);
    world_.publish();
    expect_same_names();
  }
  void make_archive_tree() {
    fs::create_directories(world_.in_archive("a/b"));
    world_.write_in_archive("a/b/file", std::string(3 * kChunk, 'f'));
    world_.write_in_archive("a/small", "small");
    world_.write_in_archive("top", "top");
    fs::create_symlink("a/small", world_.in_archive("link"));
    ::chmod(world_.in_archive("a").c_str(), 0710);
    ::setxattr(world_.in_archive("top").c_str(), "user.note", "hello", 5, 0);
  }

  TierByPath world_;
};

TEST_F(ScannerTest, ImportsATree) {
  make_archive_tree();
  const ScanCounts counts = world_.scan();
  EXPECT_EQ(counts.added, 6u);
  EXPECT_EQ(counts.files, 4u);
  EXPECT_EQ(counts.folders, 3u);
  expect_nothing_to_publish();
  EXPECT_EQ(world_.state("a/b/file"), FileState::cold);
  EXPECT_EQ(value_of(world_.catalog->inode(world_.inode("a")))->nlink, 3u);
}

TEST_F(ScannerTest, FindsNothingNewTheSecondTime) {
  make_archive_tree();
  world_.scan();
  const auto before = world_.namespace_tree();
  const ScanCounts counts = world_.scan();
  EXPECT_EQ(counts.added + counts.changed + counts.removed + counts.conflicts, 0u);
  EXPECT_EQ(world_.namespace_tree(), before);
}

TEST_F(ScannerTest, FindsNothingNewAfterAPublish) {
  world_.make_folder("d");
  world_.write("d/file", "text");
  world_.link("d/file", "second");
  world_.symlink("d", "link");
  world_.publish();
  const ScanCounts counts = world_.scan();
  EXPECT_EQ(counts.added + counts.changed + counts.removed + counts.conflicts, 0u);
  expect_nothing_to_publish();
}

TEST_F(ScannerTest, TakesAFileThatChangedThere) {
  world_.write("file", "ours");
  world_.publish();
  const Generation before = value_of(world_.catalog->inode(world_.inode("file")))->generation;
  world_.write_in_archive("file", "theirs, longer");
  EXPECT_EQ(world_.scan().changed, 1u);
  EXPECT_EQ(world_.state("file"), FileState::cold);
  const auto record = value_of(world_.catalog->inode(world_.inode("file"))).value();
  EXPECT_EQ(record.attributes.size_bytes, 14u);
  EXPECT_GT(record.generation, before);
  expect_nothing_to_publish();
}

TEST_F(ScannerTest, TakesAFileThatWasReplacedThere) {
  make_archive_tree();
  world_.scan();
  world_.write_in_archive("a/new", "replaced");
  fs::rename(world_.in_archive("a/new"), world_.in_archive("a/small"));
  EXPECT_EQ(world_.scan().changed, 2u);  // and the folder's time
  expect_nothing_to_publish();
}

TEST_F(ScannerTest, TakesModeAndExtendedAttributes) {
  make_archive_tree();
  world_.scan();
  ::chmod(world_.in_archive("a/small").c_str(), 0600);
  ::setxattr(world_.in_archive("a").c_str(), "user.note", "folder", 6, 0);
  ::removexattr(world_.in_archive("top").c_str(), "user.note");
  EXPECT_EQ(world_.scan().changed, 3u);
  expect_nothing_to_publish();
}

TEST_F(ScannerTest, KeepsAttributesThatTheArchiveMayHaveRefused) {
  world_.write("file", "content");
  // More than ext4 holds of one file.
  const std::string large(12'000, 'x');
  world_.set_xattr("file", "user.large", large);
  world_.publish();
  ::chmod(world_.in_archive("file").c_str(), 0600);
  EXPECT_EQ(world_.scan().changed, 1u);
  EXPECT_EQ(world_.catalog->xattr(world_.inode("file"), "user.large").value(), large);
  world_.write_in_archive("file", "their content");
  EXPECT_EQ(world_.scan().changed, 1u);
  EXPECT_EQ(world_.catalog->xattr(world_.inode("file"), "user.large").value(), large);
}

// An archive that leaves all files to the user whom it takes everybody for, as NFS with
// root_squash.
class SquashingArchive : public ScannerTest {
 protected:
  void SetUp() override {
    __user_cap_data_struct capabilities[2]{};
    ASSERT_EQ(::syscall(SYS_capget, &header_, capabilities), 0);
    std::copy(std::begin(capabilities), std::end(capabilities), before_);
    // Of this thread, and of those that it makes.
    capabilities[0].effective &= ~(1U << CAP_CHOWN);
    ASSERT_EQ(::syscall(SYS_capset, &header_, capabilities), 0);
    world_.make_folder("folder");
    world_.write("file", "content");
    for (const char* path : {"folder", "file"}) give_away(path, kAlice);
    world_.change_mode("file", 04755);
    world_.publish();
    ASSERT_EQ(world_.journal_keys(), 0u);
    struct stat st {};
    ASSERT_EQ(::stat(world_.in_archive("file").c_str(), &st), 0);
    ASSERT_EQ(st.st_uid, ::geteuid());
    ASSERT_EQ(st.st_mode & 07777, 0755u);
  }
  void TearDown() override { ::syscall(SYS_capset, &header_, before_); }
  void give_away(const std::string& path, uint32_t owner) {
    AttributeChange change;
    change.uid = owner;
    change.gid = owner;
    world_.fs->setattr(world_.inode(path), change,
                       [](const Result<NodeInfo>& node) { value_of(node); });
  }
  Attributes attributes(const std::string& path) {
    return value_of(world_.catalog->inode(world_.inode(path)))->attributes;
  }
  void expect_alices(const std::string& path) {
    EXPECT_EQ(attributes(path).uid, kAlice) << path;
    EXPECT_EQ(attributes(path).gid, kAlice) << path;
  }

  static constexpr uint32_t kAlice = 4711;

 private:
  __user_cap_header_struct header_{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct before_[2]{};
};

TEST_F(SquashingArchive, LeavesOwnersAndPrivilegesAsTheyAreHere) {
  world_.scan();
  for (const char* path : {"folder", "file"}) {
    ASSERT_EQ(::setxattr(world_.in_archive(path).c_str(), "user.note", "theirs", 6, 0), 0);
    world_.scan();
    EXPECT_EQ(world_.catalog->xattr(world_.inode(path), "user.note").value(), "theirs") << path;
    expect_alices(path);
  }
  EXPECT_EQ(attributes("file").mode, 04755u);
}

TEST_F(SquashingArchive, TakesTheModeThatOthersGaveAFileThere) {
  ASSERT_EQ(::chmod(world_.in_archive("file").c_str(), 0640), 0);
  EXPECT_EQ(world_.scan().changed, 1u);
  expect_alices("file");
  EXPECT_EQ(attributes("file").mode, 0640u);
}

TEST_F(SquashingArchive, LeavesTheOwnerOfAFileWhoseContentOthersChangedThere) {
  world_.write_in_archive("file", "theirs, longer");
  EXPECT_EQ(world_.scan().changed, 1u);
  expect_alices("file");
}

TEST_F(SquashingArchive, LeavesTheOwnerOfAFileThatIsOpenWhileOthersChangeIt) {
  const InodeNumber before = world_.inode("file");
  const FileHandle reader = world_.open("file", O_RDONLY);
  world_.write_in_archive("file", "theirs, longer");
  EXPECT_EQ(world_.scan().changed, 1u);
  EXPECT_NE(world_.inode("file"), before);
  expect_alices("file");
  world_.close(before, reader);
}

TEST_F(SquashingArchive, LeavesTheOwnerOfTheRoot) {
  world_.scan();
  give_away("", kAlice);
  world_.publish();
  ASSERT_EQ(::chmod(world_.archive_folder.c_str(), 0711), 0);
  world_.scan();
  expect_alices("");
  EXPECT_EQ(attributes("").mode, 0711u);
}

TEST(OwnerAndMode, OfAProgramThatOthersGaveAwayThereAreWithoutSetUserId) {
  Attributes ours;
  ours.mode = 04755;
  ours.uid = 1;
  Attributes on_record = ours;
  on_record.mode = 0755;
  on_record.uid = 2;
  Attributes theirs = on_record;
  theirs.uid = 3;
  keep_owner_and_mode(theirs, ours, on_record);
  EXPECT_EQ(theirs.uid, 3u);
  EXPECT_EQ(theirs.mode, 0755u);
}

TEST_F(ScannerTest, RemovesWhatWasRemovedThere) {
  make_archive_tree();
  world_.scan();
  fs::remove_all(world_.in_archive("a"));
  fs::remove(world_.in_archive("top"));
  EXPECT_EQ(world_.scan().removed, 5u);
  EXPECT_EQ(world_.namespace_tree().size(), 1u);
  expect_nothing_to_publish();
}

TEST_F(ScannerTest, ReplacesAFileByAFolder) {
  make_archive_tree();
  world_.scan();
  fs::remove(world_.in_archive("top"));
  fs::create_directory(world_.in_archive("top"));
  world_.write_in_archive("top/in", "in");
  world_.scan();
  expect_nothing_to_publish();
}

TEST_F(ScannerTest, KeepsAndPublishesAChangedFileThatWasRemovedThere) {
  world_.make_folder("d");
  world_.write("d/file", "ours 1");
  world_.write("d/other", "other");
  world_.publish();
  world_.write("d/file", "ours 2");
  fs::remove_all(world_.in_archive("d"));
  world_.scan();
  world_.publish();
  EXPECT_EQ(world_.difference(), "");
  EXPECT_EQ(read_text(world_.in_archive("d/file")), "ours 2");
  EXPECT_FALSE(fs::exists(world_.in_archive("d/other")));
}

TEST_F(ScannerTest, BringsBackAFileThatWasRemovedHereAndChangedThere) {
  world_.write("file", "ours");
  world_.publish();
  world_.remove("file");
  world_.write_in_archive("file", "theirs, longer");
  world_.scan();
  world_.publish();
  expect_same_names();
  EXPECT_EQ(read_text(world_.in_archive("file")), "theirs, longer");
}

TEST_F(ScannerTest, BringsBackAFolderThatGotANewFileThere) {
  world_.make_folder("a");
  world_.make_folder("a/b");
  world_.write("a/b/ours", "ours");
  world_.publish();
  world_.remove_tree("a");
  world_.write_in_archive("a/b/theirs", "theirs");
  world_.publish();
  EXPECT_EQ(read_text(world_.in_archive("a/b/theirs")), "theirs");
  world_.scan();
  world_.publisher->retry_parked();
  world_.publish();
  EXPECT_EQ(world_.journal_keys(), 0u);
  expect_same_names();
  EXPECT_EQ(world_.namespace_tree().size(), 3u);
}

TEST_F(ScannerTest, MakesOneFolderOfTwoWithTheSameName) {
  world_.make_folder("d");
  world_.write("d/ours", "ours");
  fs::create_directory(world_.in_archive("d"));
  world_.write_in_archive("d/theirs", "theirs");
  EXPECT_EQ(world_.scan().conflicts, 0u);
  world_.publish();
  EXPECT_EQ(world_.journal_keys(), 0u);
  expect_same_names();
  EXPECT_EQ(world_.namespace_tree().size(), 3u);
}

TEST_F(ScannerTest, JoinsHardLinks) {
  make_archive_tree();
  fs::create_hard_link(world_.in_archive("a/small"), world_.in_archive("a/b/second"));
  fs::create_hard_link(world_.in_archive("a/small"), world_.in_archive("third"));
  world_.scan();
  EXPECT_EQ(world_.inode("a/small"), world_.inode("third"));
  EXPECT_EQ(world_.inode("a/small"), world_.inode("a/b/second"));
  EXPECT_EQ(value_of(world_.catalog->inode(world_.inode("third")))->nlink, 3u);
  expect_nothing_to_publish();
}

TEST_F(ScannerTest, JoinsAHardLinkThatCameLater) {
  make_archive_tree();
  world_.scan();
  fs::create_hard_link(world_.in_archive("top"), world_.in_archive("a/second"));
  world_.scan();
  EXPECT_EQ(world_.inode("top"), world_.inode("a/second"));
  fs::remove(world_.in_archive("top"));
  world_.scan();
  EXPECT_EQ(value_of(world_.catalog->inode(world_.inode("a/second")))->nlink, 1u);
  expect_nothing_to_publish();
}

TEST_F(ScannerTest, TellsTheKernelOfHardLinksThatComeAndGo) {
  make_archive_tree();
  world_.scan();
  std::vector<std::string> entries;
  std::vector<InodeNumber> inodes;
  Scanner::Options options;
  options.invalidate_entry = [&](InodeNumber, const std::string& name) { entries.push_back(name); };
  options.invalidate_inode = [&](InodeNumber inode) { inodes.push_back(inode); };
  const InodeNumber file = world_.inode("top");
  options.content_changed = [&](InodeNumber inode) {
    EXPECT_NE(inode, file) << "its content is as it was";
  };
  Scanner scanner(*world_.inodes, *world_.scratch, *world_.archive, world_.tree_mutex, options);
  const auto scan = [&] { value_of(scanner.run([](const ScanCounts&) { return true; })); };
  fs::create_hard_link(world_.in_archive("top"), world_.in_archive("a/second"));
  scan();
  EXPECT_EQ(entries, std::vector<std::string>{"second"});
  EXPECT_EQ(std::count(inodes.begin(), inodes.end(), file), 1);
  fs::remove(world_.in_archive("top"));
  scan();
  EXPECT_EQ(entries, (std::vector<std::string>{"second", "top"}));
  EXPECT_EQ(std::count(inodes.begin(), inodes.end(), file), 2);
}

TEST_F(ScannerTest, LeavesAReaderTheVersionThatItOpened) {
  world_.write("file", "ours");
  world_.publish();
  const InodeNumber old = world_.inode("file");
  const FileHandle handle = world_.open("file", O_RDONLY);
  world_.write_in_archive("file", "theirs, longer");
  EXPECT_EQ(world_.scan().changed, 1u);
  EXPECT_NE(world_.inode("file"), old);
  EXPECT_EQ(world_.read_bytes(old, 4), "ours");
  EXPECT_EQ(world_.read_bytes(world_.inode("file"), 14), "theirs, longer");
  EXPECT_EQ(value_of(world_.catalog->inode(old))->nlink, 0u);
  world_.close(old, handle);
  expect_nothing_to_publish();
}

TEST_F(ScannerTest, LeavesAReaderWhatWasRemovedThere) {
  world_.write("file", "ours");
  world_.publish();
  const InodeNumber old = world_.inode("file");
  const FileHandle handle = world_.open("file", O_RDONLY);
  fs::remove(world_.in_archive("file"));
  EXPECT_EQ(world_.scan().removed, 1u);
  EXPECT_EQ(world_.read_bytes(old, 4), "ours");
  world_.close(old, handle);
  expect_nothing_to_publish();
}

TEST_F(ScannerTest, FailsAReadOfWhatTheArchiveNoLongerHas) {
  make_archive_tree();
  world_.scan();
  const InodeNumber old = world_.inode("a/b/file");
  const FileHandle handle = world_.open("a/b/file", O_RDONLY);
  EXPECT_EQ(world_.read_bytes(old, kChunk), std::string(kChunk, 'f'));
  world_.write_in_archive("a/b/file", std::string(2 * kChunk, 'n'));
  world_.scan();
  EXPECT_EQ(world_.read_bytes(old, kChunk), std::string(kChunk, 'f'));
  EXPECT_THROW(world_.read_bytes(old, 3 * kChunk), std::runtime_error);
  EXPECT_EQ(world_.read_bytes(world_.inode("a/b/file"), 2 * kChunk), std::string(2 * kChunk, 'n'));
  world_.close(old, handle);
}

TEST_F(ScannerTest, PassesAPinOnToTheNewVersion) {
  world_.write("file", "ours");
  world_.publish();
  const InodeNumber old = world_.inode("file");
  Batch batch;
  LeaseRecord pin;
  pin.pin = true;
  pin.owner = "root";
  batch.put_lease(old, pin);
  value_of(world_.catalog->commit(batch));
  const FileHandle handle = world_.open("file", O_RDONLY);
  world_.write_in_archive("file", "theirs, longer");
  world_.scan();
  EXPECT_EQ(value_of(world_.catalog->leases(world_.inode("file"))).size(), 1u);
  world_.close(old, handle);
}

TEST_F(ScannerTest, SeesARenameByTheFilesHandle) {
  make_archive_tree();
  world_.scan();
  const InodeNumber file = world_.inode("a/b/file");
  EXPECT_EQ(world_.read_bytes(file, kChunk), std::string(kChunk, 'f'));
  EXPECT_EQ(world_.state("a/b/file"), FileState::partial);
  fs::rename(world_.in_archive("a/b/file"), world_.in_archive("moved"));
  const ScanCounts counts = world_.scan();
  EXPECT_EQ(counts.added + counts.removed, 0u);
  EXPECT_EQ(world_.inode("moved"), file);
  EXPECT_EQ(world_.state("moved"), FileState::partial);
  expect_nothing_to_publish();
}

TEST_F(ScannerTest, SeesARenamedFolderWithAllThatIsInIt) {
  make_archive_tree();
  world_.scan();
  const InodeNumber folder = world_.inode("a/b");
  const InodeNumber file = world_.inode("a/b/file");
  fs::create_directory(world_.in_archive("new"));
  fs::rename(world_.in_archive("a/b"), world_.in_archive("new/c"));
  fs::rename(world_.in_archive("new/c/file"), world_.in_archive("top2"));
  world_.write_in_archive("new/c/added", "added");
  const ScanCounts counts = world_.scan();
  EXPECT_EQ(counts.added, 2u);
  EXPECT_EQ(counts.removed, 0u);
  EXPECT_EQ(world_.inode("new/c"), folder);
  EXPECT_EQ(world_.inode("top2"), file);
  EXPECT_EQ(value_of(world_.catalog->inode(world_.inode("a")))->nlink, 2u);
  EXPECT_EQ(value_of(world_.catalog->inode(world_.inode("new")))->nlink, 3u);
  expect_nothing_to_publish();
}

TEST_F(ScannerTest, PublishesAChangedFileUnderTheNameThatItWasGivenThere) {
  world_.write("file", "first");
  world_.publish();
  world_.write("file", "ours, longer");
  fs::rename(world_.in_archive("file"), world_.in_archive("moved"));
  EXPECT_EQ(world_.scan().removed, 0u);
  world_.publish();
  EXPECT_EQ(read_text(world_.in_archive("moved")), "ours, longer");
  EXPECT_FALSE(fs::exists(world_.in_archive("file")));
  expect_nothing_to_publish();
}

TEST_F(ScannerTest, LetsOurNewNameWinOverTheirs) {
  world_.write("file", "text");
  world_.publish();
  world_.rename("file", "our name");
  fs::rename(world_.in_archive("file"), world_.in_archive("their name"));
  world_.scan();
  world_.publish();
  EXPECT_EQ(read_text(world_.in_archive("our name")), "text");
  EXPECT_FALSE(fs::exists(world_.in_archive("their name")));
  expect_nothing_to_publish();
}

TEST_F(ScannerTest, LooksAtOneFolderAlone) {
  make_archive_tree();
  world_.scan();
  world_.write_in_archive("a/new", "new");
  world_.write_in_archive("elsewhere", "new");
  fs::remove(world_.in_archive("a/small"));
  fs::create_directories(world_.in_archive("a/d/e"));
  world_.write_in_archive("a/d/e/deep", "new");
  Scanner scanner(*world_.inodes, *world_.scratch, *world_.archive, world_.tree_mutex, {});
  const Scanner::Look look = value_of(scanner.look({world_.inode("a")}));
  EXPECT_EQ(look.counts.added, 4u);
  EXPECT_EQ(look.counts.removed, 1u);
  EXPECT_FALSE(look.wants_whole_scan);
  EXPECT_EQ(world_.state("a/d/e/deep"), FileState::cold);
  EXPECT_THROW(world_.inode("elsewhere"), std::runtime_error);
}

TEST_F(ScannerTest, LeavesWhatMayHaveMovedInToAWholeScan) {
  make_archive_tree();
  world_.scan();
  Scanner scanner(*world_.inodes, *world_.scratch, *world_.archive, world_.tree_mutex, {});
  value_of(scanner.run([](const ScanCounts&) { return true; }));
  const InodeNumber file = world_.inode("a/small");
  fs::rename(world_.in_archive("a/small"), world_.in_archive("a/b/moved"));
  const Scanner::Look look = value_of(scanner.look({world_.inode("a/b")}));
  EXPECT_TRUE(look.wants_whole_scan);
  EXPECT_EQ(look.counts.added, 0u);
  world_.scan();
  EXPECT_EQ(world_.inode("a/b/moved"), file);
}

TEST_F(ScannerTest, AsksBeforeItRemovesMuch) {
  fs::create_directory(world_.in_archive("d"));
  for (int i = 0; i < 1100; ++i) world_.write_in_archive("d/" + std::to_string(i), "");
  world_.write_in_archive("stays", "");
  world_.scan();
  fs::remove_all(world_.in_archive("d"));
  const auto scan = world_.try_scan();
  ASSERT_FALSE(scan.has_value());
  EXPECT_TRUE(scan.error().is(std::errc::operation_not_permitted));
  EXPECT_EQ(world_.namespace_tree().size(), 1102u);
  EXPECT_EQ(world_.scan(Scanner::Removals::accepted).removed, 1101u);
  EXPECT_EQ(world_.namespace_tree().size(), 1u);
}

TEST_F(ScannerTest, TakesAnArchiveThatIsNotThereForOfflineNeverForEmpty) {
  make_archive_tree();
  world_.scan();
  const auto before = world_.namespace_tree();
  fs::rename(world_.in_archive(".tierhub/id"), world_.in_archive(".tierhub/hidden"));
  const auto scan = world_.try_scan();
  ASSERT_FALSE(scan.has_value());
  EXPECT_TRUE(is_archive_wide(scan.error()));
  EXPECT_EQ(world_.namespace_tree(), before);
}

TEST_F(ScannerTest, StopsWhenItIsToldTo) {
  make_archive_tree();
  Scanner scanner(*world_.inodes, *world_.scratch, *world_.archive, world_.tree_mutex, {});
  const auto stopped = scanner.run([](const ScanCounts&) { return false; });
  ASSERT_FALSE(stopped.has_value());
  EXPECT_TRUE(stopped.error().is(std::errc::operation_canceled));
}

TEST_F(ScannerTest, TakesTheAttributesOfTheRoot) {
  ::chmod(world_.archive_folder.c_str(), 0751);
  world_.scan();
  EXPECT_EQ(value_of(world_.catalog->inode(kRootInode))->attributes.mode, 0751u);
}

TEST_F(ScannerTest, LetsTheJournalWorkOnWhatWasImported) {
  make_archive_tree();
  world_.scan();
  world_.rename("a/b", "b");
  world_.remove("top");
  world_.write("a/small", "changed here");
  world_.link("b/file", "second");
  world_.change_mode("a", 0700);
  world_.publish();
  EXPECT_EQ(world_.journal_keys(), 0u);
  expect_same_names();
  EXPECT_EQ(read_text(world_.in_archive("second")), std::string(3 * kChunk, 'f'));
}

TEST_F(ScannerTest, PublishesAPartlyColdFileWhole) {
  make_archive_tree();
  world_.scan();
  world_.write_at("a/b/file", kChunk, std::string(kChunk, 'n'));
  world_.publish();
  EXPECT_EQ(read_text(world_.in_archive("a/b/file")),
            std::string(kChunk, 'f') + std::string(kChunk, 'n') + std::string(kChunk, 'f'));
  EXPECT_EQ(world_.state("a/b/file"), FileState::partial);
  EXPECT_EQ(world_.journal_keys(), 0u);
}

}  // namespace
}  // namespace tierhub::test::scanner_test
