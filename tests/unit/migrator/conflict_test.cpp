// Both sides changed: neither change is lost, and nobody is asked. The table of what wins, entry by
// entry; once decided by the journal, which finds out when it acts, and once by a scan, which finds
// out first.
#include "migrator/scan/conflict.h"

#include <filesystem>
#include <fstream>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <gtest/gtest.h>

#include "common/fault_points.h"
#include "common/metrics.h"
#include "tests/unit/migrator/tier_by_path.h"

namespace tierhub::test::conflict_test {
namespace {

namespace fs = std::filesystem;

std::string read_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(ConflictName, KeepsTheEndingAndSaysWhenItWas) {
  const Timestamp now{1'795'000'000 * int64_t{1'000'000'000}};
  EXPECT_EQ(conflict_name("scan.tif", FileKind::file, now, 1),
            "scan (tierhub conflict 20261118-110640).tif");
  EXPECT_EQ(conflict_name("scan.ome.tif", FileKind::file, now, 2),
            "scan.ome (tierhub conflict 20261118-110640 2).tif");
  EXPECT_EQ(conflict_name(".profile", FileKind::file, now, 1),
            ".profile (tierhub conflict 20261118-110640)");
  EXPECT_EQ(conflict_name("run.zarr", FileKind::directory, now, 1),
            "run.zarr (tierhub conflict 20261118-110640)");
}

TEST(ConflictName, IsNoLongerThanANameAndCutBetweenCharacters) {
  std::string name;
  while (name.size() + 2 + 4 <= 255) name += "\u00e4";
  const std::string kept = conflict_name(name + ".tif", FileKind::file, Timestamp::now(), 1);
  EXPECT_LE(kept.size(), 255u);
  EXPECT_TRUE(kept.ends_with(").tif"));
  EXPECT_EQ(kept.find(" (tierhub") % 2, 0u) << kept;
}

enum class Finder { publisher, scan };

class Conflict : public ::testing::TestWithParam<Finder> {
 protected:
  void SetUp() override { conflicts_before_ = metrics().conflicts.value(); }
  void TearDown() override { arm_fault_point("", 1, nullptr); }

  // Who finds out, then everything that is left is published.
  void settle() {
    if (GetParam() == Finder::scan) world_.scan();
    world_.publish();
    world_.scan();
    world_.publish();
  }
  // Both sides are equal, nothing waits, and nothing is left over.
  void expect_settled() {
    EXPECT_EQ(world_.journal_keys(), 0u);
    EXPECT_EQ(world_.staged(), std::vector<std::string>{});
    EXPECT_EQ(names(world_.namespace_tree()), names(world_.archive_tree()));
    const ScanCounts counts = world_.scan();
    EXPECT_EQ(counts.added + counts.changed + counts.removed + counts.conflicts, 0u);
  }
  static std::vector<std::string> names(const std::map<std::string, std::string>& tree) {
    std::vector<std::string> all;
    for (const auto& [path, shown] : tree) all.push_back(path + " " + shown.substr(0, 1));
    return all;
  }
  // The one name beside `path` that a conflict gave to ours; "" if there is none.
  std::string kept(const std::string& path) {
    const std::string mark = path.substr(0, path.rfind('.')) + " (tierhub conflict ";
    std::string found;
    for (const auto& [name, shown] : world_.archive_tree()) {
      if (!name.starts_with(mark) || name.find('/', mark.size()) != std::string::npos) continue;
      EXPECT_EQ(found, "");
      found = name;
    }
    return found;
  }
  uint64_t conflicts() const { return metrics().conflicts.value() - conflicts_before_; }
  std::string in_archive(const std::string& path) { return read_text(world_.in_archive(path)); }

  TierByPath world_;
  uint64_t conflicts_before_ = 0;
};

INSTANTIATE_TEST_SUITE_P(FoundBy, Conflict, ::testing::Values(Finder::publisher, Finder::scan),
                         [](const auto& one) {
                           return one.param == Finder::publisher ? "ThePublisher" : "AScan";
                         });

TEST_P(Conflict, OfTwoChangesKeepsTheirsUnderTheNameAndOursBesideIt) {
  world_.write("file.tif", "first");
  world_.publish();
  const InodeNumber ours = world_.inode("file.tif");
  world_.write("file.tif", "ours, longer");
  world_.write_in_archive("file.tif", "theirs");
  settle();
  EXPECT_EQ(in_archive("file.tif"), "theirs");
  const std::string beside = kept("file.tif");
  ASSERT_NE(beside, "");
  EXPECT_TRUE(beside.ends_with(").tif"));
  EXPECT_EQ(in_archive(beside), "ours, longer");
  EXPECT_EQ(world_.inode(beside), ours) << "whoever has it open keeps it";
  EXPECT_NE(world_.inode("file.tif"), ours);
  EXPECT_EQ(conflicts(), 1u);
  expect_settled();
}

TEST_P(Conflict, OfTheSameChangeOnBothSidesIsNone) {
  world_.write("file", "first");
  world_.publish();
  const std::string text(3 * kChunk + 7, 'n');
  world_.write("file", text);
  world_.write_in_archive("file", text);
  settle();
  EXPECT_EQ(in_archive("file"), text);
  EXPECT_EQ(kept("file"), "");
  EXPECT_EQ(world_.state("file"), FileState::hot);
  EXPECT_EQ(conflicts(), 0u);
  expect_settled();
}

TEST_P(Conflict, OfContentThatDiffersInTheLastByteIsOne) {
  world_.write("file", "first");
  world_.publish();
  const std::string text(3 * kChunk, 'n');
  world_.write("file", text + "a");
  world_.write_in_archive("file", text + "b");
  settle();
  EXPECT_EQ(in_archive("file"), text + "b");
  EXPECT_EQ(in_archive(kept("file")), text + "a");
  expect_settled();
}

TEST_P(Conflict, OfAFileThatIsOpenForWritingLetsTheWriterGoOn) {
  world_.write("file", "first");
  world_.publish();
  const InodeNumber ours = world_.inode("file");
  const FileHandle writer = world_.open("file", O_WRONLY);
  world_.write_at("file", 0, "ours");
  world_.write_in_archive("file", "theirs, longer");
  world_.scan();
  // It has its new name at once, and goes on.
  const auto name = value_of(world_.catalog->names(ours)).at(0).name;
  EXPECT_TRUE(name.starts_with("file (tierhub conflict ")) << name;
  world_.write_at(name, 4, " and more");
  world_.close(ours, writer);
  settle();
  EXPECT_EQ(in_archive("file"), "theirs, longer");
  EXPECT_EQ(in_archive(kept("file")), "ours and more");
  expect_settled();
}

TEST_P(Conflict, OfAFileThatWasOpenedForWritingAndNotChangedIsNone) {
  world_.write("file", "first");
  world_.publish();
  world_.close(world_.inode("file"), world_.open("file", O_WRONLY));
  world_.write_in_archive("file", "theirs, longer");
  settle();
  EXPECT_EQ(in_archive("file"), "theirs, longer");
  EXPECT_EQ(conflicts(), 0u);
  expect_settled();
}

// Another content of the same length, and nothing of that in size and mtime.
void edit_in_place(const std::string& path, const std::string& text) {
  struct stat before {};
  ASSERT_EQ(::stat(path.c_str(), &before), 0);
  ASSERT_EQ(static_cast<size_t>(before.st_size), text.size());
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file << text;
  }
  const timespec times[2] = {before.st_atim, before.st_mtim};
  ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
}

TEST_P(Conflict, OfAnEditInPlaceThatKeepsSizeAndTimeKeepsBoth) {
  world_.write("file.tif", "first");
  world_.publish();
  world_.write("file.tif", "ours, longer");
  edit_in_place(world_.in_archive("file.tif"), "edits");
  settle();
  EXPECT_EQ(in_archive("file.tif"), "edits");
  EXPECT_EQ(in_archive(kept("file.tif")), "ours, longer");
  EXPECT_EQ(conflicts(), 1u);
  expect_settled();
}

TEST_P(Conflict, OfAnEditInPlaceKeepsBothThoughOurChangeHasItsTimeToo) {
  world_.write("file.tif", "first");
  world_.set_mtime("file.tif", 1'000'000'000);
  world_.publish();
  world_.write("file.tif", "ours!");
  world_.set_mtime("file.tif", 1'000'000'000);
  edit_in_place(world_.in_archive("file.tif"), "edits");
  settle();
  EXPECT_EQ(in_archive("file.tif"), "edits");
  EXPECT_EQ(in_archive(kept("file.tif")), "ours!");
  expect_settled();
}

TEST_P(Conflict, OfAnEditInPlaceIsFoundBehindAChangeOfModeHere) {
  world_.write("file", "first");
  world_.publish();
  edit_in_place(world_.in_archive("file"), "edits");
  world_.change_mode("file", 0600);
  if (GetParam() == Finder::publisher) world_.publish();
  world_.write("file", "ours, longer");
  settle();
  EXPECT_EQ(in_archive("file"), "edits");
  EXPECT_EQ(in_archive(kept("file")), "ours, longer");
  expect_settled();
}

TEST_P(Conflict, OfAnEditInPlaceOfWhatWasRemovedHereBringsTheirsBack) {
  world_.write("file", "first");
  world_.publish();
  world_.remove("file");
  edit_in_place(world_.in_archive("file"), "edits");
  settle();
  EXPECT_EQ(in_archive("file"), "edits");
  EXPECT_EQ(world_.state("file"), FileState::cold);
  expect_settled();
}

TEST_P(Conflict, OfAnEditInPlaceOfWhatWasReplacedHereKeepsBoth) {
  world_.write("file", "first");
  world_.publish();
  world_.write("tmp", "saved by rename");
  world_.rename("tmp", "file");
  edit_in_place(world_.in_archive("file"), "edits");
  settle();
  EXPECT_EQ(in_archive("file"), "edits");
  EXPECT_EQ(in_archive(kept("file")), "saved by rename");
  expect_settled();
}

TEST_P(Conflict, OfAChangeOfModeAndALinkOfOthersIsNone) {
  for (const char* name : {"mode", "link", "gone", "replaced"}) world_.write(name, "first");
  world_.publish();
  world_.write("mode", "ours, longer");
  world_.write("link", "ours, longer");
  world_.remove("gone");
  world_.write("tmp", "saved by rename");
  world_.rename("tmp", "replaced");
  for (const char* name : {"mode", "gone", "replaced"})
    ASSERT_EQ(::chmod(world_.in_archive(name).c_str(), 0600), 0);
  fs::create_hard_link(world_.in_archive("link"), world_.archive_folder + "/.tierhub/elsewhere");
  settle();
  EXPECT_EQ(in_archive("mode"), "ours, longer");
  EXPECT_EQ(in_archive("link"), "ours, longer");
  EXPECT_EQ(in_archive("replaced"), "saved by rename");
  EXPECT_FALSE(fs::exists(world_.in_archive("gone")));
  EXPECT_EQ(conflicts(), 0u);
  expect_settled();
}

TEST_P(Conflict, OfWhatNobodyReadIsOneIfItWasTouched) {
  world_.write_in_archive("touched", "their content");
  world_.write_in_archive("gone", "their content");
  world_.scan();
  ASSERT_EQ(::chmod(world_.in_archive("touched").c_str(), 0600), 0);
  ASSERT_EQ(::chmod(world_.in_archive("gone").c_str(), 0600), 0);
  world_.write("touched", "ours");
  world_.remove("gone");
  settle();
  EXPECT_EQ(in_archive("touched"), "their content");
  EXPECT_EQ(in_archive(kept("touched")), "ours");
  EXPECT_EQ(in_archive("gone"), "their content");
  expect_settled();
}

// Renames, links and removals of ours move the ctime, too.
TEST_P(Conflict, OfWhatOnlyWeTouchedIsNone) {
  for (const char* name : {"a", "b", "c", "d", "e", "f"})
    world_.write_in_archive(name, "nobody read it");
  fs::create_hard_link(world_.in_archive("a"), world_.in_archive("a2"));
  fs::create_hard_link(world_.in_archive("b"), world_.in_archive("b2"));
  world_.scan();
  world_.remove("a");
  world_.link("c", "c2");
  world_.change_mode("d", 0600);
  world_.rename("e", "f");
  world_.publish();
  world_.remove("a2");
  world_.write("b", "ours");
  world_.remove("c");
  world_.publish();
  world_.write("c2", "ours");
  world_.write("d", "ours");
  world_.remove("f");
  settle();
  EXPECT_EQ(in_archive("b"), "ours");
  EXPECT_EQ(in_archive("b2"), "ours");
  EXPECT_EQ(in_archive("c2"), "ours");
  EXPECT_EQ(in_archive("d"), "ours");
  world_.write("b2", "ours again");
  world_.publish();
  world_.remove("b");
  world_.publish();
  world_.remove("b2");
  settle();
  EXPECT_EQ(world_.archive_tree().size(), 2u);
  EXPECT_EQ(conflicts(), 0u);
  expect_settled();
}

TEST_P(Conflict, OfANewFileThatGotTwoMoreNamesAtOnceIsNone) {
  world_.write_in_archive("file", "nobody read it");
  world_.scan();
  world_.link("file", "second");
  world_.link("file", "third");
  world_.publish();
  const auto on_record = value_of(world_.catalog->version(world_.inode("file")));
  EXPECT_EQ(on_record->content_ctime, on_record->attributes.ctime);
  for (const char* name : {"file", "second", "third"}) world_.remove(name);
  settle();
  EXPECT_TRUE(world_.archive_tree().empty());
  EXPECT_EQ(conflicts(), 0u);
  expect_settled();
}

TEST_P(Conflict, OfAnEditInPlaceOfAFileThatChangedPlacesKeepsBoth) {
  world_.write("file", "first");
  world_.write("other", "other");
  world_.publish();
  world_.link("file", "second");
  world_.publish();
  world_.rename("file", "other", RENAME_EXCHANGE);
  world_.write("second", "ours, longer");
  edit_in_place(world_.in_archive("file"), "edits");
  settle();
  EXPECT_EQ(in_archive("file"), "edits");
  EXPECT_EQ(in_archive("second"), "edits");
  EXPECT_EQ(in_archive("other"), "ours, longer");
  EXPECT_EQ(in_archive(kept("file")), "other");
  EXPECT_EQ(in_archive(kept("second")), "ours, longer");
  expect_settled();
}

TEST_P(Conflict, WithWhatAScanDoesNotSeeWaitsAndIsNoProgress) {
  fs::create_directory(world_.in_archive("@eaDir"));
  world_.write("@eaDir", "ours");
  settle();
  EXPECT_GT(world_.journal_keys(), 0u);
  EXPECT_EQ(value_of(world_.publisher->run_round(Publisher::Urgency::demanded)), 0u);
}

TEST_P(Conflict, OfAFileThatAllTouchedAndNobodyChangedReadsItOnlyWhenOursIsToReplaceIt) {
  world_.write("file", std::string(3 * kChunk, 'f'));
  world_.publish();
  ASSERT_EQ(::chmod(world_.in_archive("file").c_str(), 0600), 0);
  const auto content_ctime = [&] {
    return value_of(world_.catalog->version(world_.inode("file")))->content_ctime;
  };
  const auto before = content_ctime();
  ASSERT_TRUE(before);
  world_.scan();
  EXPECT_EQ(content_ctime(), before) << "it was read";
  EXPECT_EQ(world_.state("file"), FileState::hot);
  world_.write_at("file", kChunk, "ours");
  settle();
  EXPECT_NE(content_ctime(), before);
  EXPECT_EQ(conflicts(), 0u);
  expect_settled();
}

TEST_P(Conflict, IsToldByTheCtimeThatAScanNotesInOldRecords) {
  world_.write("file", "first");
  world_.publish();
  const InodeNumber file = world_.inode("file");
  auto old = value_of(world_.catalog->version(file)).value();
  old.content_ctime.reset();
  Batch batch;
  batch.put_version(file, old);
  value_of(world_.catalog->commit(batch));
  world_.scan();
  EXPECT_EQ(value_of(world_.catalog->version(file))->content_ctime, old.attributes.ctime);
}

TEST_P(Conflict, OfTwoNewFilesKeepsBoth) {
  world_.write("file", "ours");
  world_.write_in_archive("file", "theirs");
  settle();
  EXPECT_EQ(in_archive("file"), "theirs");
  EXPECT_EQ(in_archive(kept("file")), "ours");
  expect_settled();
}

TEST_P(Conflict, OfTwoEqualNewFilesIsNone) {
  world_.write("file", "the same");
  world_.write_in_archive("file", "the same");
  world_.write("empty", "");
  world_.write_in_archive("empty", "");
  settle();
  EXPECT_EQ(conflicts(), 0u);
  EXPECT_EQ(world_.state("file"), FileState::hot);
  expect_settled();
}

TEST_P(Conflict, OfTwoFoldersIsOneFolderWithBothContents) {
  world_.make_folder("d");
  world_.write("d/ours", "ours");
  world_.write("d/both", "ours");
  fs::create_directory(world_.in_archive("d"));
  world_.write_in_archive("d/theirs", "theirs");
  world_.write_in_archive("d/both", "theirs");
  settle();
  EXPECT_EQ(in_archive("d/ours"), "ours");
  EXPECT_EQ(in_archive("d/theirs"), "theirs");
  EXPECT_EQ(in_archive("d/both"), "theirs");
  EXPECT_EQ(in_archive(kept("d/both")), "ours");
  expect_settled();
}

TEST_P(Conflict, OfAFolderAndAFileKeepsBoth) {
  world_.make_folder("name");
  world_.write("name/in", "ours");
  world_.write_in_archive("name", "theirs");
  settle();
  EXPECT_EQ(in_archive("name"), "theirs");
  EXPECT_EQ(in_archive(kept("name") + "/in"), "ours");
  expect_settled();
}

TEST_P(Conflict, OfAFileAndAFolderKeepsBoth) {
  world_.write("name", "ours");
  fs::create_directory(world_.in_archive("name"));
  world_.write_in_archive("name/in", "theirs");
  settle();
  EXPECT_EQ(in_archive("name/in"), "theirs");
  EXPECT_EQ(in_archive(kept("name")), "ours");
  expect_settled();
}

TEST_P(Conflict, OfLinksAndSpecialFilesGoesByWhatTheyAre) {
  world_.symlink("the same", "same link");
  fs::create_symlink("the same", world_.in_archive("same link"));
  world_.symlink("ours", "link");
  fs::create_symlink("theirs", world_.in_archive("link"));
  value_of(world_.fs->mknod(kRootInode, "fifo", S_IFIFO | 0600, 0, {}));
  ASSERT_EQ(::mkfifo(world_.in_archive("fifo").c_str(), 0600), 0);
  value_of(world_.fs->mknod(kRootInode, "special", S_IFIFO | 0600, 0, {}));
  world_.write_in_archive("special", "theirs");
  settle();
  EXPECT_EQ(fs::read_symlink(world_.in_archive("link")), "theirs");
  EXPECT_EQ(fs::read_symlink(world_.in_archive(kept("link"))), "ours");
  EXPECT_EQ(in_archive("special"), "theirs");
  EXPECT_TRUE(fs::is_fifo(world_.in_archive(kept("special"))));
  EXPECT_EQ(conflicts(), 2u);
  expect_settled();
}

TEST_P(Conflict, OfAFileThatWasRemovedThereIsOurs) {
  world_.make_folder("d");
  world_.write("d/file", "first");
  world_.publish();
  world_.write("d/file", "ours, longer");
  fs::remove_all(world_.in_archive("d"));
  settle();
  EXPECT_EQ(in_archive("d/file"), "ours, longer");
  EXPECT_EQ(conflicts(), 0u);
  expect_settled();
}

TEST_P(Conflict, OfAFileThatWasRemovedHereIsTheirs) {
  world_.write("file", "first");
  world_.publish();
  world_.remove("file");
  world_.write_in_archive("file", "theirs, longer");
  settle();
  EXPECT_EQ(in_archive("file"), "theirs, longer");
  EXPECT_EQ(world_.state("file"), FileState::cold);
  expect_settled();
}

TEST_P(Conflict, OfAFileThatBothRemovedIsNone) {
  world_.write("file", "first");
  world_.publish();
  world_.remove("file");
  fs::remove(world_.in_archive("file"));
  settle();
  EXPECT_TRUE(world_.archive_tree().empty());
  expect_settled();
}

TEST_P(Conflict, OfAFileThatWasReplacedHereKeepsBoth) {
  world_.write("file", "first");
  world_.publish();
  world_.write("tmp", "ours, saved by rename");
  world_.rename("tmp", "file");
  world_.write_in_archive("file", "theirs");
  settle();
  EXPECT_EQ(in_archive("file"), "theirs");
  EXPECT_EQ(in_archive(kept("file")), "ours, saved by rename");
  expect_settled();
}

TEST_P(Conflict, OfAFileThatWasReplacedThereKeepsBoth) {
  world_.write("file", "first");
  world_.publish();
  world_.write("file", "ours, longer");
  world_.write_in_archive("tmp", "theirs");
  fs::rename(world_.in_archive("tmp"), world_.in_archive("file"));
  settle();
  EXPECT_EQ(in_archive("file"), "theirs");
  EXPECT_EQ(in_archive(kept("file")), "ours, longer");
  expect_settled();
}

TEST_P(Conflict, OfAFileThatWasRenamedAndChangedHereLeavesItThere) {
  world_.write("old name", "first");
  world_.publish();
  world_.rename("old name", "new name");
  world_.write("new name", "ours, longer");
  world_.write_in_archive("old name", "theirs");
  settle();
  EXPECT_EQ(in_archive("old name"), "theirs");
  EXPECT_EQ(in_archive("new name"), "ours, longer");
  expect_settled();
}

TEST_P(Conflict, OfHardLinksGivesEachNameItsTwin) {
  world_.write("one", "first");
  world_.link("one", "two");
  world_.publish();
  world_.write("one", "ours, longer");
  std::ofstream(world_.in_archive("two"), std::ios::app) << " and theirs";
  settle();
  EXPECT_EQ(in_archive("one"), "first and theirs");
  EXPECT_TRUE(fs::equivalent(world_.in_archive("one"), world_.in_archive("two")));
  EXPECT_EQ(in_archive(kept("one")), "ours, longer");
  EXPECT_TRUE(fs::equivalent(world_.in_archive(kept("one")), world_.in_archive(kept("two"))));
  expect_settled();
}

TEST_P(Conflict, OfOneOfSeveralNamesConcernsThatNameOnly) {
  world_.write("one", "first");
  world_.link("one", "two");
  world_.publish();
  world_.write("one", "ours, longer");
  world_.write_in_archive("tmp", "theirs");
  fs::rename(world_.in_archive("tmp"), world_.in_archive("two"));
  settle();
  EXPECT_EQ(in_archive("one"), "ours, longer");
  EXPECT_EQ(in_archive("two"), "theirs");
  EXPECT_EQ(in_archive(kept("two")), "ours, longer");
  expect_settled();
}

TEST_P(Conflict, OfContentThereAndAttributesHereIsNone) {
  world_.write("file", "first");
  world_.publish();
  world_.change_mode("file", 0600);
  world_.write_in_archive("file", "theirs, longer");
  settle();
  EXPECT_EQ(in_archive("file"), "theirs, longer");
  struct stat st {};
  ASSERT_EQ(::stat(world_.in_archive("file").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777, 0600u);
  EXPECT_EQ(conflicts(), 0u);
  expect_settled();
}

TEST_P(Conflict, OfContentHereAndAttributesThereIsNone) {
  world_.write("file", "first");
  world_.publish();
  world_.write("file", "ours, longer");
  ::chmod(world_.in_archive("file").c_str(), 0600);
  settle();
  EXPECT_EQ(in_archive("file"), "ours, longer");
  EXPECT_EQ(conflicts(), 0u);
  expect_settled();
}

TEST_P(Conflict, MayHappenAgainToWhatItRenamed) {
  for (const char* theirs : {"theirs 1", "theirs no. 2"}) {
    world_.write("file", "ours");
    world_.write_in_archive("file", theirs);
    settle();
    EXPECT_EQ(in_archive("file"), theirs);
  }
  EXPECT_EQ(world_.archive_tree().size(), 3u);
  expect_settled();
}

struct Crash {};

TEST_P(Conflict, IsDecidedOnceThoughTheProcessDiesInIt) {
  for (const char* step : {"conflict.before_commit", "conflict.after_commit"}) {
    for (const auto death : {TierByPath::Death::killed, TierByPath::Death::power_lost}) {
      SCOPED_TRACE(step);
      TierByPath world;
      world.write("changed", "first");
      world.publish();
      world.write("changed", "ours, longer");
      world.write_in_archive("changed", "theirs");
      world.write("new", "ours");
      world.write_in_archive("new", "theirs");
      value_of(world.catalog->sync());
      arm_fault_point(step, 1, [] { throw Crash{}; });
      const auto look = [&] { GetParam() == Finder::scan ? (void)world.scan() : world.publish(); };
      EXPECT_THROW(look(), Crash);
      arm_fault_point("", 1, nullptr);
      world.restart(death);
      world.publish();
      world.scan();
      EXPECT_EQ(world.difference().find("only in"), std::string::npos) << world.difference();
      EXPECT_EQ(world.journal_keys(), 0u);
      EXPECT_EQ(world.archive_tree().size(), 4u);
      EXPECT_EQ(read_text(world.in_archive("changed")), "theirs");
      EXPECT_EQ(read_text(world.in_archive("new")), "theirs");
    }
  }
}

}  // namespace
}  // namespace tierhub::test::conflict_test
