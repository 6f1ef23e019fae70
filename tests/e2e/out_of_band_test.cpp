// What others do in the archive, on a real mount: it appears in the mount, nothing of either side
// is lost, and who has a file open keeps it.
#include <filesystem>

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/tier_fixture.h"

namespace tierhub::test::out_of_band_test {
namespace {

namespace fs = std::filesystem;
using ::testing::IsEmpty;
using ::testing::SizeIs;
constexpr uint64_t kMiB = 1 << 20;

class OutOfBand : public TierTest {
 protected:
  std::string at(const std::string& name) const { return tier.in_mount(name); }
  std::string there(const std::string& name) const { return tier.in_archive(name); }

  std::vector<std::string> names_in_mount() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(tier.mount))
      names.push_back(entry.path().filename());
    return names;
  }
  // The name that a conflict gave to ours, or "".
  std::string kept(const std::string& stem) const {
    for (const std::string& name : names_in_mount()) {
      if (name.starts_with(stem + " (tierhub conflict ")) return name;
    }
    return "";
  }
  void expect_replica() {
    tier.publish();
    EXPECT_THAT(differences(describe_tree(tier.archive), describe_tree(tier.mount)), IsEmpty());
  }
};

TEST_F(OutOfBand, AScanBringsWhatOthersChangedInTheArchive) {
  write_file(there("changed"), random_bytes(5 * kMiB, 5));
  write_file(there("removed"), "x");
  tier.start();
  EXPECT_EQ(read_file(at("changed")), random_bytes(5 * kMiB, 5));
  write_file(there("added"), "new");
  write_file(there("changed"), random_bytes(6 * kMiB, 6));
  fs::remove(there("removed"));
  tier.scan();
  EXPECT_THAT(differences(describe_tree(tier.archive), describe_tree(tier.mount)), IsEmpty());
}

TEST_F(OutOfBand, WatchersHearNothingOfWhatOthersChange) {
  write_file(there("changed"), "old");
  tier.start();
  EXPECT_EQ(read_file(at("changed")), "old");
  const UniqueFd watch(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  check(::inotify_add_watch(watch.get(), tier.mount.c_str(), IN_CREATE | IN_MODIFY | IN_ATTRIB),
        "inotify_add_watch");
  write_file(there("added"), "new");
  write_file(there("changed"), "newer");
  tier.scan();
  EXPECT_EQ(read_file(at("added")), "new");
  EXPECT_EQ(read_file(at("changed")), "newer");
  char event[4096];
  EXPECT_EQ(::read(watch.get(), event, sizeof event), -1);
  EXPECT_EQ(errno, EAGAIN);
  write_file(at("here"), "x");
  EXPECT_GT(::read(watch.get(), event, sizeof event), 0) << "it watches";
}

TEST_F(OutOfBand, AConflictKeepsBoth) {
  write_file(there("shared.txt"), "first");
  tier.start();
  EXPECT_EQ(read_file(at("shared.txt")), "first");
  write_file(there("shared.txt"), "changed behind our back");
  append_to_file(at("shared.txt"), " and ours");
  const auto published = tier.tierctl({"publish", "--wait", "/"});
  EXPECT_EQ(published.exit_code, 0) << published.text;
  EXPECT_EQ(read_file(there("shared.txt")), "changed behind our back");
  EXPECT_EQ(read_file(at("shared.txt")), "changed behind our back");
  const std::string ours = kept("shared");
  EXPECT_TRUE(ours.ends_with(").txt")) << ours;
  EXPECT_EQ(read_file(there(ours)), "first and ours");
  EXPECT_EQ(tier.status().conflicts, 1u);
  expect_replica();
}

TEST_F(OutOfBand, AConflictLetsAWriterGoOn) {
  tier.start();
  write_file(at("log.txt"), "first");
  tier.publish();
  UniqueFd writer(::open(at("log.txt").c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
  check(writer.get(), "open");
  check(::write(writer.get(), " ours", 5), "write");
  write_file(there("log.txt"), "theirs, longer");
  tier.scan();
  EXPECT_EQ(read_file(at("log.txt")), "theirs, longer");
  check(::write(writer.get(), " to the end", 11), "write");
  EXPECT_EQ(read_file(at(kept("log"))), "first ours to the end");
  writer.reset();
  expect_replica();
  EXPECT_EQ(read_file(there(kept("log"))), "first ours to the end");
}

TEST_F(OutOfBand, ANewVersionLeavesAReaderAndAMappingTheOldOne) {
  const std::string old = random_bytes(5 * kMiB, 1);
  const std::string fresh = random_bytes(6 * kMiB, 2);
  write_file(there("scan"), old);
  tier.start();
  tier.prefetch("/scan");
  const UniqueFd reader(::open(at("scan").c_str(), O_RDONLY | O_CLOEXEC));
  check(reader.get(), "open");
  void* mapping = ::mmap(nullptr, old.size(), PROT_READ, MAP_SHARED, reader.get(), 0);
  ASSERT_NE(mapping, MAP_FAILED);
  write_file(there("scan"), fresh);
  tier.scan();
  EXPECT_EQ(read_file(at("scan")), fresh);
  std::string seen(old.size(), '\0');
  EXPECT_EQ(::pread(reader.get(), seen.data(), seen.size(), 0), static_cast<ssize_t>(old.size()));
  EXPECT_TRUE(seen == old);
  EXPECT_TRUE(std::string_view(static_cast<char*>(mapping), old.size()) == old);
  struct stat opened {};
  struct stat named {};
  check(::fstat(reader.get(), &opened), "fstat");
  check(::stat(at("scan").c_str(), &named), "stat");
  EXPECT_NE(opened.st_ino, named.st_ino);
  EXPECT_EQ(opened.st_nlink, 0u);
  ::munmap(mapping, old.size());
}

TEST_F(OutOfBand, AFileThatWasRemovedThereStaysOpenHere) {
  write_file(there("scan"), "its content");
  tier.start();
  tier.prefetch("/scan");
  const UniqueFd reader(::open(at("scan").c_str(), O_RDONLY | O_CLOEXEC));
  check(reader.get(), "open");
  fs::remove(there("scan"));
  tier.scan();
  EXPECT_FALSE(fs::exists(at("scan")));
  char seen[16] = {};
  EXPECT_EQ(::pread(reader.get(), seen, sizeof seen, 0), 11);
  EXPECT_STREQ(seen, "its content");
}

TEST_F(OutOfBand, ARenameThereIsARenameHere) {
  fs::create_directory(there("day 1"));
  write_file(there("day 1/scan"), random_bytes(5 * kMiB, 1));
  tier.start();
  tier.prefetch("/day 1/scan");
  struct stat before {};
  struct stat after {};
  check(::stat(at("day 1/scan").c_str(), &before), "stat");
  fs::rename(there("day 1"), there("day one"));
  fs::rename(there("day one/scan"), there("day one/brain"));
  tier.scan();
  EXPECT_FALSE(fs::exists(at("day 1")));
  check(::stat(at("day one/brain").c_str(), &after), "stat");
  EXPECT_EQ(before.st_ino, after.st_ino);
  EXPECT_EQ(tier.entry("/day one/brain").state, "hot");
  EXPECT_THAT(differences(describe_tree(tier.archive), describe_tree(tier.mount)), IsEmpty());
}

TEST_F(OutOfBand, AListingBringsWhatOthersChangedWithoutWaitingForIt) {
  fs::create_directory(there("d"));
  write_file(there("d/old"), "old");
  tier.settings["scan_every_s"] = "0";
  tier.start();
  EXPECT_TRUE(fs::exists(at("d/old")));
  write_file(there("d/new"), "new");
  fs::create_directories(there("d/sub/deep"));
  fs::remove(there("d/old"));
  const auto names = [&] {
    std::vector<std::string> all;
    for (const auto& entry : fs::directory_iterator(at("d")))
      all.push_back(entry.path().filename());
    return all;
  };
  eventually("the listing shows it", [&] {
    const auto all = names();
    return all.size() == 2 && fs::exists(at("d/sub/deep")) && !fs::exists(at("d/old"));
  });
  EXPECT_EQ(read_file(at("d/new")), "new");
  // Also what does not move the time of the folder, by way of TierHub's own changes to it.
  write_file(at("d/ours"), "ours");
  tier.publish();
  write_file(there("d/newer"), "newer");
  struct stat st {};
  check(::stat(at("d").c_str(), &st), "stat");
  const timespec times[2] = {st.st_atim, st.st_mtim};
  check(::utimensat(AT_FDCWD, there("d").c_str(), times, 0), "utimensat");
  eventually("the listing shows it too", [&] { return names().size() == 4; });
}

TEST_F(OutOfBand, EachStartLooksAtTheArchive) {
  write_file(there("first"), "first");
  tier.start();
  tier.stop();
  write_file(there("second"), "second");
  tier.start();
  eventually("what came meanwhile is there", [&] { return fs::exists(at("second")); });
}

TEST_F(OutOfBand, TheScheduleLooksAtTheArchive) {
  tier.settings["scan_every_s"] = "0.2";
  tier.start();
  write_file(there("new"), "new");
  eventually("it is there", [&] { return fs::exists(at("new")); });
}

TEST_F(OutOfBand, AGrowingFileIsShownAndReadButNotKept) {
  tier.settings["growing_s"] = "3600";
  tier.settings["prefetch_room_wait_s"] = "0.1";
  tier.start();
  write_file(there("scan"), "half of ");
  tier.scan();
  EXPECT_EQ(read_file(at("scan")), "half of ");
  EXPECT_EQ(tier.entry("/scan").resident, 0u);
  const auto refused = tier.tierctl({"prefetch", "--wait", "/scan"});
  EXPECT_NE(refused.exit_code, 0);
  EXPECT_THAT(refused.text, ::testing::HasSubstr("still being written in the archive"));
  append_to_file(there("scan"), "it");
  tier.scan();
  EXPECT_EQ(read_file(at("scan")), "half of it");
  // It has rested: it is a file like any other.
  const timespec old[2] = {{1'000'000'000, 0}, {1'000'000'000, 0}};
  check(::utimensat(AT_FDCWD, there("scan").c_str(), old, 0), "utimensat");
  tier.scan();
  tier.prefetch("/scan");
  EXPECT_EQ(tier.entry("/scan").state, "hot");
  EXPECT_EQ(read_file(at("scan")), "half of it");
}

TEST_F(OutOfBand, APrefetchSaysThatItWaitsForAYoungFileToRestAndForHowLong) {
  constexpr double kGrowing_s = 8;
  tier.settings["growing_s"] = "8";
  tier.start();
  write_file(there("scan"), random_bytes(kMiB, 3));
  tier.scan();
  EXPECT_EQ(read_file(at("scan")).size(), kMiB);
  const api::Status status = tier.status();
  EXPECT_EQ(status.growing_recall_bytes, kMiB);
  EXPECT_EQ(status.unkept_recall_bytes, 0u) << "there was room";
  EXPECT_THAT(tier.tierctl({"status"}).out,
              ::testing::HasSubstr("1.0 MiB from files still being written in the archive"));
  api::PrefetchRequest request;
  request.paths = {"/scan"};
  const auto begin = std::chrono::steady_clock::now();
  api::Prefetch prefetch = tier.client().start_prefetch(request).value();
  size_t looks = 0;
  double promised_s = 0;
  while (!prefetch.finished()) {
    prefetch = tier.client().prefetch(prefetch.id).value();
    const std::chrono::duration<double> waited = std::chrono::steady_clock::now() - begin;
    if (prefetch.finished() || prefetch.state != "running" || prefetch.reason.empty()) continue;
    EXPECT_EQ(prefetch.reason, "waits until /scan has not changed for 8 s");
    EXPECT_GT(prefetch.eta_s, 0);
    EXPECT_LE(prefetch.eta_s, kGrowing_s);
    promised_s = std::max(promised_s, waited.count() + prefetch.eta_s);
    if (++looks == 10) {
      EXPECT_THAT(tier.tierctl({"prefetch", "--list"}).out, ::testing::HasSubstr(prefetch.reason));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  EXPECT_EQ(prefetch.state, "done") << prefetch.first_error;
  EXPECT_GT(looks, 10u);
  EXPECT_GT(promised_s, took.count() - 2);
  EXPECT_LT(promised_s, took.count() + 1);
}

TEST_F(OutOfBand, AFileThatGrowsOnIsFollowedWithoutAScan) {
  tier.settings["scan_every_s"] = "0";
  tier.settings["growing_s"] = "0.5";
  tier.start();
  write_file(there("scan"), "half of ");
  eventually("a listing finds it",
             [&] { return !names_in_mount().empty() && fs::exists(at("scan")); });
  // The folder's time does not move any more.
  append_to_file(there("scan"), "it");
  eventually("the rest is seen", [&] { return fs::file_size(at("scan")) == 10; });
}

TEST_F(OutOfBand, AReadOfWhatChangedThereBringsTheNewVersion) {
  write_file(there("scan"), random_bytes(kMiB, 1));
  tier.settings["scan_every_s"] = "0";
  tier.start();
  write_file(there("scan"), random_bytes(kMiB, 2));
  char byte = 0;
  {
    const UniqueFd reader(::open(at("scan").c_str(), O_RDONLY | O_CLOEXEC));
    EXPECT_LT(::pread(reader.get(), &byte, 1, 0), 0) << "never a mix of two versions";
  }
  eventually("the new version is read", [&] {
    const UniqueFd reader(::open(at("scan").c_str(), O_RDONLY | O_CLOEXEC));
    return ::pread(reader.get(), &byte, 1, 0) == 1;
  });
  EXPECT_TRUE(read_file(at("scan")) == random_bytes(kMiB, 2));
}

TEST_F(OutOfBand, WhatWasRemovedHereCanBeRestoredFromTheTrash) {
  tier.start();
  fs::create_directories(at("brain/raw"));
  write_file(at("brain/raw/scan"), random_bytes(5 * kMiB, 9), 0640);
  write_file(at("brain/raw/log"), "log");
  fs::create_hard_link(at("brain/raw/scan"), at("brain/raw/link"));
  check(::chmod(at("brain/raw").c_str(), 0750), "chmod");
  tier.publish();
  const Tree before = describe_tree(tier.mount);
  fs::remove_all(at("brain"));
  tier.publish();
  EXPECT_FALSE(fs::exists(there("brain")));
  const auto listed = tier.tierctl({"trash", "list"});
  EXPECT_THAT(listed.out, ::testing::HasSubstr("/brain/raw/scan\n"));
  EXPECT_THAT(listed.out, ::testing::HasSubstr("/brain/raw/\n"));
  const auto restored = tier.tierctl({"trash", "restore", at("brain")});
  EXPECT_EQ(restored.exit_code, 0) << restored.text;
  std::vector<std::string> missing;
  EXPECT_NO_THROW(eventually("all of it is back", [&] {
    missing = differences(before, describe_tree(tier.mount));
    return missing.empty();
  })) << fmt::format("{}", fmt::join(missing, "\n"));
  expect_replica();
  EXPECT_EQ(tier.tierctl({"trash", "list"}).out, "");
}

TEST_F(OutOfBand, TheTrashIsForThoseWhoseThingsTheyWere) {
  fs::permissions(fs::path(tier.mount).parent_path(), fs::perms(0755));
  tier.start();
  fs::permissions(tier.mount, fs::perms(0777));
  fs::create_directory(at("shared"));
  fs::permissions(at("shared"), fs::perms(0755));
  for (const char* name : {"alices", "shared/alices"}) {
    write_file(at(name), "secret");
    check(::chown(at(name).c_str(), 4001, 4001), "chown");
  }
  tier.publish();
  fs::remove(at("alices"));
  fs::remove(at("shared/alices"));
  tier.publish();
  const auto as = [&](unsigned uid, const std::string& call, const std::string& body) {
    std::vector<std::string> line{"setpriv",
                                  fmt::format("--reuid={}", uid),
                                  fmt::format("--regid={}", uid),
                                  "--clear-groups",
                                  "curl",
                                  "-sS",
                                  "--unix-socket",
                                  tier.client().socket_path(),
                                  "http://tierd/v1/" + call};
    if (!body.empty()) line.insert(line.end(), {"-d", body});
    return run_command(line).out;
  };
  EXPECT_THAT(as(4001, "trash", ""), ::testing::HasSubstr("alices"));
  EXPECT_THAT(as(4002, "trash", ""), ::testing::Not(::testing::HasSubstr("alices")));
  EXPECT_THAT(as(4002, "trash/restore", R"({"paths": ["/alices"]})"),
              ::testing::HasSubstr("not in the trash"));
  EXPECT_THAT(as(4002, "trash/purge", R"({"paths": ["/alices"]})"),
              ::testing::HasSubstr("not in the trash"));
  // Where she may not write she cannot restore.
  EXPECT_THAT(as(4001, "trash/restore", R"({"paths": ["/shared/alices"]})"),
              ::testing::HasSubstr("may not write"));
  EXPECT_THAT(as(4001, "trash/restore", R"({"paths": ["/alices"]})"),
              ::testing::HasSubstr("\"entries\":1"));
  EXPECT_EQ(read_file(at("alices")), "secret");
  EXPECT_THAT(as(4001, "trash/purge", R"({"paths": ["/shared/alices"]})"),
              ::testing::HasSubstr("\"entries\":1"));
  EXPECT_EQ(tier.tierctl({"trash", "list"}).out, "");
}

TEST_F(OutOfBand, AScanThatWouldRemoveMuchAsksFirst) {
  fs::create_directory(there("d"));
  for (int i = 0; i < 1010; ++i) write_file(there("d/" + std::to_string(i)), "");
  tier.start();
  fs::remove_all(there("d"));
  const auto asked = tier.tierctl({"scan", "--wait"});
  EXPECT_EQ(asked.exit_code, 1);
  EXPECT_THAT(asked.text, ::testing::HasSubstr("tierctl scan --accept"));
  EXPECT_TRUE(fs::exists(at("d/1009")));
  const auto accepted = tier.tierctl({"scan", "--accept", "--wait"});
  EXPECT_EQ(accepted.exit_code, 0) << accepted.text;
  EXPECT_FALSE(fs::exists(at("d")));
}

TEST_F(OutOfBand, AnArchiveThatIsUnmountedUnderUsIsOfflineNotEmpty) {
  // A file system of its own, as a NAS is.
  check(::mount("none", tier.archive.c_str(), "tmpfs", 0, "size=64m"), "mount a tmpfs");
  write_file(there("cold"), "cold");
  write_file(there("hot"), "hot");
  tier.start();
  tier.prefetch("/hot");
  check(::umount2(tier.archive.c_str(), MNT_DETACH), "umount");
  EXPECT_FALSE(tier.client().start_scan().has_value() && [&] {
    eventually("the scan has ended", [&] { return !tier.client().scan_progress()->running; });
    return tier.client().scan_progress()->error.empty();
  }());
  EXPECT_THAT(names_in_mount(), SizeIs(2));
  EXPECT_EQ(read_file(at("hot")), "hot");
  write_file(at("new"), "written while it is away");
  EXPECT_THAT(names_in_mount(), SizeIs(3));
  EXPECT_TRUE(fs::is_empty(tier.archive)) << "nothing is written under the mount point";
}

}  // namespace
}  // namespace tierhub::test::out_of_band_test
