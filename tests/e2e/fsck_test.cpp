// tierctl fsck on the tier of a tierd that is stopped, killed, or has lost its state.
#include <filesystem>
#include <regex>

#include <fcntl.h>
#include <unistd.h>

#include <gmock/gmock.h>

#include "catalog/catalog.h"
#include "catalog/encoding.h"
#include "common/fault_points.h"
#include "tests/support/tier_fixture.h"

namespace tierhub::test::fsck_test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

// All but the times of folders, which a rebuild cannot know.
Tree without_folder_times(Tree tree) {
  static const std::regex time("(mode 40.*) mtime .*");
  for (auto& [path, text] : tree) text = std::regex_replace(text, time, "$1");
  return tree;
}

class Fsck : public TierTest {
 protected:
  CommandResult fsck(std::vector<std::string> arguments = {}, const Environment& environment = {}) {
    std::vector<std::string> command{program("tierctl"), "fsck",       "--archive", tier.archive,
                                     "--scratch",        tier.scratch, "--state",   tier.state};
    command.insert(command.end(), arguments.begin(), arguments.end());
    return run_command(command, environment);
  }

  // What is in the archive, new, changed, renamed, linked, removed while open.
  void work() {
    for (const char* path : {"plain", "changed", "dir/inner", "dir/moved"})
      write_file(tier.in_mount(path), random_bytes(9'000'000, seed_++));
    tier.publish();
    overwrite(tier.in_mount("changed"), 5'000'000, "here it is different");
    overwrite(tier.in_mount("dir/moved"), 10, "here too");
    check(::rename(tier.in_mount("dir/moved").c_str(), tier.in_mount("moved").c_str()), "rename");
    check(::mkdir(tier.in_mount("new").c_str(), 0750), "mkdir");
    check(::mkdir(tier.in_mount("new/deeper").c_str(), 0755), "mkdir");
    write_file(tier.in_mount("new/deeper/file"), random_bytes(70'000, seed_++));
    check(::link(tier.in_mount("new/deeper/file").c_str(), tier.in_mount("new/link").c_str()),
          "link");
    check(::rename(tier.in_mount("new").c_str(), tier.in_mount("renamed").c_str()), "rename");
    write_file(tier.in_mount("gone"), "gone");
    open_.reset(::open(tier.in_mount("gone").c_str(), O_RDWR | O_CLOEXEC));
    check(::unlink(tier.in_mount("gone").c_str()), "unlink");
  }

  UniqueFd open_;
  uint64_t seed_ = 1;
};

TEST_F(Fsck, RefusesWhileTierdRuns) {
  tier.start();
  for (const char* mode : {"--data", "--repair", "--rebuild"}) {
    const CommandResult result = fsck({mode});
    EXPECT_EQ(result.exit_code, 1) << result.text;
    EXPECT_THAT(result.err, HasSubstr("tierd is running")) << mode;
  }
}

TEST_F(Fsck, FindsNothingAfterAStopAndNothingButNotesAfterACrash) {
  check(::mkdir(tier.in_archive("dir").c_str(), 0755), "mkdir");
  tier.start();
  work();
  open_.reset();
  tier.stop();
  CommandResult result = fsck({"--data", "--compare"});
  EXPECT_EQ(result.exit_code, 0) << result.text;
  EXPECT_EQ(result.out, "clean: nothing is damaged\n");
  tier.start();
  write_file(tier.in_mount("more"), "more");
  tier.kill();
  result = fsck({"--data"});
  EXPECT_EQ(result.exit_code, 0) << result.text;
}

// Exit code 4, one line a finding; killed at each step of a repair, and run again, it ends well.
TEST_F(Fsck, RepairsDamageAlsoWhenItIsKilledOnTheWay) {
  tier.start();
  for (int i = 0; i < 3; ++i) write_file(tier.in_mount("file" + std::to_string(i)), "content");
  tier.stop();
  for (const std::string_view point : kFaultPointNames) {
    if (!point.starts_with("fsck.")) continue;
    SCOPED_TRACE(std::string(point));
    {
      const auto store = open_rocksdb_store(tier.state + "/catalog").value();
      Batch batch;
      std::vector<std::string> links;
      ASSERT_TRUE(store->scan(Family::link, "", "", [&](std::string_view key, std::string_view) {
        links.emplace_back(key);
        return true;
      }));
      ASSERT_EQ(links.size(), 3u);
      for (const std::string& key : links) batch.erase_record(Family::link, key);
      ASSERT_TRUE(store->commit(batch.changes(), Durability::synced));
    }
    CommandResult result = fsck();
    EXPECT_EQ(result.exit_code, 4) << result.text;
    EXPECT_THAT(result.out, HasSubstr("damage dirent.link inode"));
    EXPECT_THAT(result.out, HasSubstr("3 findings; nothing was changed"));
    result = fsck({"--json"});
    EXPECT_EQ(result.exit_code, 4);
    EXPECT_THAT(result.out, HasSubstr("\"code\":\"dirent.link\""));
    EXPECT_THAT(result.out, HasSubstr("\"damage\": 3"));

    result = fsck({"--repair"}, {"TIERHUB_FAULT_POINT=" + std::string(point) + ":2"});
    EXPECT_EQ(result.exit_code, 128 + SIGKILL) << "never reached: " << result.text;
    result = fsck({"--repair"});
    EXPECT_EQ(result.exit_code, 0) << result.text;
    EXPECT_EQ(fsck().exit_code, 0);
  }
  tier.start();
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(read_file(tier.in_mount("file" + std::to_string(i))), "content");
}

TEST_F(Fsck, RebuildsALostCatalogWithEveryAcknowledgedByte) {
  check(::mkdir(tier.in_archive("dir").c_str(), 0755), "mkdir");
  tier.start();
  work();
  const Tree before = without_folder_times(describe_tree(tier.mount));
  tier.kill();
  open_.reset();
  std::filesystem::remove_all(tier.state);

  const CommandResult refused = tier.start_and_fail();
  EXPECT_THAT(refused.err + tier.log(), HasSubstr("tierctl fsck --rebuild"));
  for (const std::string_view point : kFaultPointNames) {
    // There is no old catalog to be moved aside here: see the next test.
    if (!point.starts_with("rebuild.") || point == "rebuild.after_aside") continue;
    const CommandResult killed = fsck({"--rebuild"}, {"TIERHUB_FAULT_POINT=" + std::string(point)});
    EXPECT_EQ(killed.exit_code, 128 + SIGKILL) << point << " was never reached: " << killed.text;
  }
  const CommandResult rebuilt = fsck({"--rebuild"});
  EXPECT_EQ(rebuilt.exit_code, 0) << rebuilt.text;
  EXPECT_THAT(rebuilt.out,
              HasSubstr("2 newer than the archive, 1 not yet in it, 0 under another name"));

  tier.start();
  EXPECT_THAT(differences(before, without_folder_times(describe_tree(tier.mount))), IsEmpty());
  tier.publish();
  EXPECT_THAT(differences(describe_tree(tier.mount), describe_tree(tier.archive)), IsEmpty());
  EXPECT_THAT(differences(before, without_folder_times(describe_tree(tier.archive))), IsEmpty());
  tier.stop();
  const CommandResult clean = fsck({"--data", "--compare"});
  EXPECT_EQ(clean.exit_code, 0) << clean.text;
}

TEST_F(Fsck, RebuildsOverADamagedCatalogAndKeepsIt) {
  tier.start();
  write_file(tier.in_mount("new"), "never published");
  tier.stop();
  std::filesystem::resize_file(tier.state + "/catalog/CURRENT", 3);
  EXPECT_NE(fsck().exit_code, 0);
  const CommandResult killed = fsck({"--rebuild"}, {"TIERHUB_FAULT_POINT=rebuild.after_aside"});
  EXPECT_EQ(killed.exit_code, 128 + SIGKILL) << killed.text;
  const CommandResult rebuilt = fsck({"--rebuild"});
  EXPECT_EQ(rebuilt.exit_code, 0) << rebuilt.text;
  size_t kept = 0;
  for (const auto& entry : std::filesystem::directory_iterator(tier.state))
    kept += entry.path().filename().string().starts_with("catalog.old-") ? 1 : 0;
  EXPECT_EQ(kept, 1u);
  tier.start();
  EXPECT_EQ(read_file(tier.in_mount("new")), "never published");
}

TEST_F(Fsck, TakesFromABackupWhatNeitherTierKnows) {
  tier.settings["catalog_backup_s"] = "1";
  tier.start();
  check(::symlink("nowhere", tier.in_mount("link").c_str()), "symlink");
  const auto backups = [&] {
    size_t count = 0;
    std::error_code missing;
    for (const auto& file :
         std::filesystem::directory_iterator(tier.in_archive(".tierhub/catalog-backups"), missing))
      count += file.path().extension() == ".backup" ? 1 : 0;
    return count;
  };
  // The second one was begun after the link was made.
  eventually("two backups were made", [&] { return backups() >= 2; });
  tier.kill();
  std::filesystem::remove_all(tier.state);
  const CommandResult rebuilt = fsck({"--rebuild"});
  EXPECT_EQ(rebuilt.exit_code, 0) << rebuilt.text;
  EXPECT_THAT(rebuilt.out, HasSubstr("from the backup of"));
  tier.settings.erase("catalog_backup_s");
  tier.start();
  EXPECT_EQ(std::filesystem::read_symlink(tier.in_mount("link")), "nowhere");
  EXPECT_FALSE(std::filesystem::exists(tier.in_mount(".tierhub")));
}

}  // namespace
}  // namespace tierhub::test::fsck_test
