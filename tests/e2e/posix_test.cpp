// The mount is a file system like another: what programs expect of one.
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/quota.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/tier_fixture.h"

namespace tierhub::test::posix_test {
namespace {

namespace fs = std::filesystem;
constexpr uint64_t kMiB = 1 << 20;

class Posix : public TierTest {
 protected:
  void SetUp() override {
    write_file(tier.in_archive("cold"), random_bytes(9 * kMiB, 1));
    tier.start();
  }
  std::string at(const std::string& name) const { return tier.in_mount(name); }
  struct stat stat_of(const std::string& name) const {
    struct stat st {};
    check(::lstat(at(name).c_str(), &st), "stat " + name);
    return st;
  }
};

int rename_with(const std::string& from, const std::string& to, unsigned flags) {
  return ::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), flags) == 0 ? 0 : errno;
}

TEST_F(Posix, StatfsShowsTheArchive) {
  struct statvfs mount {};
  struct statvfs archive {};
  eventually("statfs knows the archive", [&] {
    check(::statvfs(tier.mount.c_str(), &mount), "statvfs");
    return mount.f_blocks > 0;
  });
  check(::statvfs(tier.archive.c_str(), &archive), "statvfs");
  EXPECT_EQ(mount.f_blocks * mount.f_frsize, archive.f_blocks * archive.f_frsize);
  EXPECT_EQ(mount.f_namemax, 255u);
}

TEST_F(Posix, BlocksOfAColdFileAreThoseOfTheFile) {
  EXPECT_GE(stat_of("cold").st_blocks * 512, static_cast<off_t>(9 * kMiB));
}

TEST_F(Posix, BlocksOfASparseFileAreThoseThatItTakes) {
  write_file(at("a"), std::string(8192, 'x'));
  check(::truncate(at("a").c_str(), 64 * kMiB), "truncate");
  EXPECT_LT(stat_of("a").st_blocks * 512, static_cast<off_t>(kMiB));
  tier.publish();
  EXPECT_LT(stat_of("a").st_blocks * 512, static_cast<off_t>(kMiB)) << "published, and still hot";
  tier.evict("/a");
  EXPECT_EQ(read_range(at("a"), 0, 8192), std::string(8192, 'x'));
  EXPECT_GE(stat_of("a").st_blocks * 512, static_cast<off_t>(64 * kMiB))
      << "nobody may take what is not resident for a hole";
}

TEST_F(Posix, SymlinksAreKept) {
  fs::create_symlink("cold", at("link"));
  EXPECT_EQ(fs::read_symlink(at("link")), "cold");
  EXPECT_EQ(read_file(at("link")), read_file(tier.in_archive("cold")));
}

TEST_F(Posix, HardLinksAreOneFile) {
  write_file(at("a"), "one");
  fs::create_hard_link(at("a"), at("b"));
  append_to_file(at("b"), " two");
  EXPECT_EQ(read_file(at("a")), "one two");
  EXPECT_EQ(stat_of("a").st_ino, stat_of("b").st_ino);
  EXPECT_EQ(stat_of("a").st_nlink, 2u);
  fs::remove(at("a"));
  EXPECT_EQ(read_file(at("b")), "one two");
  EXPECT_EQ(stat_of("b").st_nlink, 1u);
}

TEST_F(Posix, RenameReplaces) {
  write_file(at("a"), "new");
  write_file(at("b"), "old");
  EXPECT_EQ(rename_with(at("a"), at("b"), 0), 0);
  EXPECT_EQ(read_file(at("b")), "new");
  EXPECT_FALSE(fs::exists(at("a")));
}

TEST_F(Posix, RenameNoReplaceRefusesAnExistingName) {
  write_file(at("a"), "1");
  write_file(at("b"), "2");
  EXPECT_EQ(rename_with(at("a"), at("b"), RENAME_NOREPLACE), EEXIST);
  EXPECT_EQ(rename_with(at("a"), at("c"), RENAME_NOREPLACE), 0);
  EXPECT_EQ(read_file(at("c")), "1");
}

TEST_F(Posix, RenameExchangeSwaps) {
  write_file(at("a"), "1");
  fs::create_directory(at("d"));
  write_file(at("d/b"), "2");
  EXPECT_EQ(rename_with(at("a"), at("d/b"), RENAME_EXCHANGE), 0);
  EXPECT_EQ(read_file(at("a")), "2");
  EXPECT_EQ(read_file(at("d/b")), "1");
}

TEST_F(Posix, AFolderCannotMoveIntoItself) {
  fs::create_directory(at("d"));
  EXPECT_EQ(rename_with(at("d"), at("d/e"), 0), EINVAL);
}

TEST_F(Posix, AFullFolderIsNotRemoved) {
  fs::create_directories(at("d/e"));
  EXPECT_EQ(::rmdir(at("d").c_str()), -1);
  EXPECT_EQ(errno, ENOTEMPTY);
  EXPECT_EQ(stat_of("d").st_nlink, 3u);
  EXPECT_EQ(::rmdir(at("d/e").c_str()), 0);
  EXPECT_EQ(::rmdir(at("d").c_str()), 0);
}

TEST_F(Posix, XattrsAreKeptAndTierHubsOwnAreNotListed) {
  write_file(at("a"), "");
  check(::setxattr(at("a").c_str(), "user.note", "hello", 5, XATTR_CREATE), "setxattr");
  EXPECT_EQ(::setxattr(at("a").c_str(), "user.note", "again", 5, XATTR_CREATE), -1);
  EXPECT_EQ(errno, EEXIST);
  char value[64] = {};
  EXPECT_EQ(::getxattr(at("a").c_str(), "user.note", value, sizeof value), 5);
  EXPECT_STREQ(value, "hello");
  char names[256] = {};
  EXPECT_EQ(::listxattr(at("cold").c_str(), names, sizeof names), 0);
  EXPECT_GT(::getxattr(at("cold").c_str(), "user.tierhub.state", value, sizeof value), 0);
  EXPECT_THAT(value, ::testing::StartsWith("cold"));
  EXPECT_EQ(::getxattr(at("a").c_str(), "user.none", value, sizeof value), -1);
  EXPECT_EQ(errno, ENODATA);
}

TEST_F(Posix, AttributesOf64KiBOutliveAScanThoughTheArchiveRefusesThem) {
  write_file(at("a"), "x");
  const std::string value = random_bytes(65536, 1);
  const std::string more = value + "1";
  EXPECT_EQ(::setxattr(at("a").c_str(), "user.large", more.data(), more.size(), 0), -1);
  EXPECT_EQ(errno, E2BIG);
  check(::setxattr(at("a").c_str(), "user.large", value.data(), value.size(), 0), "setxattr");
  tier.publish();
  check(::chmod(tier.in_archive("a").c_str(), 0600), "chmod");
  tier.scan();
  EXPECT_EQ(stat_of("a").st_mode & 07777, 0600u);
  std::string kept(65536, '\0');
  EXPECT_EQ(::getxattr(at("a").c_str(), "user.large", kept.data(), kept.size()), 65536);
  EXPECT_TRUE(kept == value);
}

TEST_F(Posix, FallocateReservesAndPunches) {
  write_file(at("a"), std::string(kMiB, 'x'));
  const UniqueFd file(::open(at("a").c_str(), O_RDWR | O_CLOEXEC));
  check(::fallocate(file.get(), 0, 0, 2 * kMiB), "fallocate");
  EXPECT_EQ(stat_of("a").st_size, static_cast<off_t>(2 * kMiB));
  check(::fallocate(file.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 8192), "punch");
  EXPECT_EQ(read_range(at("a"), 4096, 8192), std::string(8192, '\0'));
  EXPECT_EQ(read_range(at("a"), 0, 4096), std::string(4096, 'x'));
}

TEST_F(Posix, PunchingAColdFileKeepsTheRest) {
  std::string expected = read_file(tier.in_archive("cold"));
  const UniqueFd file(::open(at("cold").c_str(), O_RDWR | O_CLOEXEC));
  check(::fallocate(file.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 5 * kMiB, 8192),
        "punch");
  expected.replace(5 * kMiB, 8192, 8192, '\0');
  EXPECT_EQ(read_file(at("cold")), expected);
}

TEST_F(Posix, SeekFindsDataAndHoles) {
  write_file(at("a"), std::string(4096, 'x'));
  check(::truncate(at("a").c_str(), 8 * kMiB), "truncate");
  const UniqueFd file(::open(at("a").c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(::lseek(file.get(), 0, SEEK_DATA), 0);
  EXPECT_GE(::lseek(file.get(), 0, SEEK_HOLE), 4096);
  EXPECT_EQ(::lseek(file.get(), 0, SEEK_END), static_cast<off_t>(8 * kMiB));
  const UniqueFd cold(::open(at("cold").c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(::lseek(cold.get(), 100, SEEK_DATA), 100) << "a cold file is not a hole";
}

TEST_F(Posix, TruncatingAColdFileBringsNothingBack) {
  check(::truncate(at("cold").c_str(), 3 * kMiB), "truncate");
  check(::truncate(at("cold").c_str(), 9 * kMiB), "truncate");
  std::string expected = read_file(tier.in_archive("cold"));
  expected.replace(3 * kMiB, 6 * kMiB, 6 * kMiB, '\0');
  EXPECT_EQ(read_file(at("cold")), expected);
}

TEST_F(Posix, OpenWithTruncateEmptiesAFile) {
  write_file(at("cold"), "short");
  EXPECT_EQ(read_file(at("cold")), "short");
}

TEST_F(Posix, AnUnlinkedOpenFileLivesUntilItsClose) {
  UniqueFd file(::open(at("a").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  check(::write(file.get(), "alive", 5), "write");
  fs::remove(at("a"));
  char bytes[6] = {};
  EXPECT_EQ(::pread(file.get(), bytes, 5, 0), 5);
  EXPECT_STREQ(bytes, "alive");
  struct stat st {};
  check(::fstat(file.get(), &st), "fstat");
  EXPECT_EQ(st.st_nlink, 0u);
}

TEST_F(Posix, TimesCanBeSet) {
  write_file(at("a"), "x");
  const timespec times[2] = {{1'000'000'000, 5}, {1'100'000'000, 7}};
  check(::utimensat(AT_FDCWD, at("a").c_str(), times, 0), "utimensat");
  EXPECT_EQ(stat_of("a").st_mtim.tv_sec, 1'100'000'000);
  EXPECT_EQ(stat_of("a").st_mtim.tv_nsec, 7);
  EXPECT_EQ(stat_of("a").st_atim.tv_sec, 1'000'000'000);
}

TEST_F(Posix, TimesReachAsFarAsThoseOfExt4) {
  const std::map<std::string, timespec> times = {{"first", {-2'147'483'648, 0}},
                                                 {"before 1970", {-5, 1}},
                                                 {"in 2286", {10'000'000'000, 7}},
                                                 {"last", {15'032'385'535, 0}}};
  const auto expect_times = [&](const std::string& folder) {
    for (const auto& [name, time] : times) {
      struct stat st {};
      check(::stat((folder + "/" + name).c_str(), &st), "stat " + name);
      EXPECT_EQ(st.st_mtim.tv_sec, time.tv_sec) << name;
      EXPECT_EQ(st.st_mtim.tv_nsec, time.tv_nsec) << name;
    }
  };
  for (const auto& [name, time] : times) {
    write_file(at(name), "x");
    const timespec both[2] = {time, time};
    check(::utimensat(AT_FDCWD, at(name).c_str(), both, 0), "utimensat");
  }
  expect_times(tier.mount);
  tier.publish();
  expect_times(tier.archive);
  tier.evict("/");
  tier.scan();
  EXPECT_EQ(tier.tierctl({"ls", "-l", "/"}).exit_code, 0);
  tier.stop();
  tier.start();
  expect_times(tier.mount);
}

TEST_F(Posix, AccessListsReachTheArchiveAndComeFromIt) {
  write_file(at("a"), "x", 0640);
  check(::chmod(tier.mount.c_str(), 0755), "chmod");
  EXPECT_EQ(run_command({"setfacl", "-m", "u:65534:r", at("a")}).exit_code, 0);
  EXPECT_EQ(run_command({"setfacl", "-m", "u:65534:r", tier.in_archive("cold")}).exit_code, 0);
  check(::chmod(tier.in_archive("cold").c_str(), 0640), "chmod");
  tier.publish();
  tier.scan();
  const auto list_of = [](const std::string& path) {
    return run_command({"getfacl", "-ncp", path}).out;
  };
  EXPECT_THAT(list_of(at("a")), ::testing::HasSubstr("user:65534:r--"));
  EXPECT_EQ(list_of(tier.in_archive("a")), list_of(at("a")));
  EXPECT_THAT(list_of(at("cold")), ::testing::HasSubstr("user:65534:r--"));
  for (const char* name : {"a", "cold"}) {
    const auto read = run_command(
        {"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "head", "-c1", at(name)});
    EXPECT_EQ(read.exit_code, 0) << name << ": " << read.text;
  }
}

TEST_F(Posix, OtherProcessesLocksAreRespected) {
  write_file(at("a"), "x");
  const UniqueFd file(::open(at("a").c_str(), O_RDWR | O_CLOEXEC));
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_start = 10;
  lock.l_len = 5;
  check(::fcntl(file.get(), F_SETLK, &lock), "fcntl");
  const std::string script =
      "import fcntl, sys\n"
      "f = open(sys.argv[1], 'r+')\n"
      "fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 0)\n"
      "try: fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 14)\n"
      "except OSError: print('locked')\n";
  EXPECT_EQ(run_command({"/usr/bin/python3", "-c", script, at("a")}).out, "locked\n");
  lock.l_type = F_UNLCK;
  check(::fcntl(file.get(), F_SETLK, &lock), "fcntl");
  EXPECT_EQ(run_command({"/usr/bin/python3", "-c", script, at("a")}).out, "");
}

TEST_F(Posix, AttributesThatTheArchiveDoesNotHoldOutliveAScan) {
  write_file(at("a"), "x");
  fs::create_symlink("a", at("l"));
  check(::setxattr(at("a").c_str(), "trusted.note", "1", 1, 0), "setxattr");
  check(::setxattr(at("a").c_str(), "security.note", "2", 1, 0), "setxattr");
  check(::lsetxattr(at("l").c_str(), "trusted.note", "3", 1, 0), "setxattr");
  tier.publish();
  tier.scan();
  char value[8];
  EXPECT_EQ(::getxattr(at("a").c_str(), "trusted.note", value, sizeof value), 1);
  EXPECT_EQ(::getxattr(at("a").c_str(), "security.note", value, sizeof value), 1);
  EXPECT_EQ(::lgetxattr(at("l").c_str(), "trusted.note", value, sizeof value), 1);
}

TEST_F(Posix, ASocketOfTheMountIsConnectedTo) {
  const UniqueFd listening(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  ASSERT_LT(at("s").size(), sizeof address.sun_path);
  std::strcpy(address.sun_path, at("s").c_str());
  const auto* const to = reinterpret_cast<const sockaddr*>(&address);
  check(::bind(listening.get(), to, sizeof address), "bind");
  check(::listen(listening.get(), 1), "listen");
  const UniqueFd client(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::connect(client.get(), to, sizeof address), 0);
}

TEST_F(Posix, CloningFlagsAndQuotasAreRefused) {
  write_file(at("a"), "x");
  write_file(at("b"), "");
  const UniqueFd from(::open(at("a").c_str(), O_RDONLY | O_CLOEXEC));
  const UniqueFd to(::open(at("b").c_str(), O_RDWR | O_CLOEXEC));
  EXPECT_EQ(::ioctl(to.get(), FICLONE, from.get()), -1);
  EXPECT_EQ(errno, EOPNOTSUPP);
  int flags = 0;
  EXPECT_EQ(::ioctl(to.get(), FS_IOC_GETFLAGS, &flags), -1);
  EXPECT_EQ(errno, ENOTTY);
  dqblk quota{};
  EXPECT_EQ(::syscall(SYS_quotactl_fd, to.get(), QCMD(Q_GETQUOTA, USRQUOTA), 0, &quota), -1);
  EXPECT_EQ(errno, ENOSYS);
}

TEST_F(Posix, WhiteoutsAreRefused) {
  write_file(at("a"), "x");
  EXPECT_EQ(rename_with(at("a"), at("b"), RENAME_WHITEOUT), EINVAL);
  EXPECT_EQ(read_file(at("a")), "x");
}

TEST_F(Posix, ThereIsNoTimeOfBirth) {
  write_file(at("a"), "x");
  struct statx found {};
  check(::statx(AT_FDCWD, at("a").c_str(), 0, STATX_BASIC_STATS | STATX_BTIME, &found), "statx");
  EXPECT_EQ(found.stx_mask & STATX_BTIME, 0u);
}

TEST_F(Posix, FoldersHaveNoSize) {
  fs::create_directory(at("d"));
  write_file(at("d/a"), "x");
  EXPECT_EQ(stat_of("d").st_size, 0);
  EXPECT_EQ(stat_of("d").st_blocks, 0);
}

TEST_F(Posix, ExtendedAttributesOfARemovedFolderAreGone) {
  fs::create_directory(at("d"));
  check(::setxattr(at("d").c_str(), "user.note", "hello", 5, 0), "setxattr");
  const UniqueFd folder(::open(at("d").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  char value[8] = {};
  ASSERT_EQ(::fgetxattr(folder.get(), "user.note", value, sizeof value), 5);
  fs::remove(at("d"));
  EXPECT_EQ(::fgetxattr(folder.get(), "user.note", value, sizeof value), -1);
  EXPECT_EQ(errno, ENODATA);
  struct stat st {};
  EXPECT_EQ(::fstat(folder.get(), &st), 0);
}

TEST_F(Posix, CollapsingAndInsertingRangesIsRefused) {
  write_file(at("a"), std::string(kMiB, 'x'));
  const UniqueFd file(::open(at("a").c_str(), O_RDWR | O_CLOEXEC));
  for (const int mode : {FALLOC_FL_COLLAPSE_RANGE, FALLOC_FL_INSERT_RANGE}) {
    EXPECT_EQ(::fallocate(file.get(), mode, 4096, 4096), -1);
    EXPECT_EQ(errno, EOPNOTSUPP);
  }
  EXPECT_EQ(read_file(at("a")), std::string(kMiB, 'x'));
}

TEST_F(Posix, ReadingDoesNotChangeTheAccessTime) {
  const auto before = stat_of("cold").st_atim;
  read_file(at("cold"));
  EXPECT_EQ(stat_of("cold").st_atim.tv_sec, before.tv_sec);
  EXPECT_EQ(stat_of("cold").st_atim.tv_nsec, before.tv_nsec);
}

TEST_F(Posix, ModesAreChecked) {
  write_file(at("secret"), "x", 0600);
  check(::chmod(tier.mount.c_str(), 0755), "chmod");
  const auto read = run_command(
      {"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "cat", at("secret")});
  EXPECT_EQ(read.exit_code, 1) << read.text;
  EXPECT_THAT(read.err, ::testing::HasSubstr("Permission denied"));
}

TEST_F(Posix, AThousandNamesAreListedOnceEach) {
  fs::create_directory(at("many"));
  for (int i = 0; i < 1000; ++i) write_file(at("many/" + std::to_string(i)), "");
  std::set<std::string> names;
  size_t count = 0;
  for (const auto& entry : fs::directory_iterator(at("many"))) {
    names.insert(entry.path().filename());
    ++count;
  }
  EXPECT_EQ(names.size(), 1000u);
  EXPECT_EQ(count, 1000u);
}

TEST_F(Posix, TheArchivesOwnFolderIsNotVisible) {
  EXPECT_TRUE(fs::exists(tier.in_archive(".tierhub")));
  EXPECT_FALSE(fs::exists(at(".tierhub")));
  for (const auto& entry : fs::directory_iterator(tier.mount))
    EXPECT_NE(entry.path().filename(), ".tierhub");
}

TEST_F(Posix, FsyncSucceeds) {
  const UniqueFd file(::open(at("a").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  check(::write(file.get(), "x", 1), "write");
  EXPECT_EQ(::fsync(file.get()), 0);
  EXPECT_EQ(::fdatasync(file.get()), 0);
  const UniqueFd folder(::open(tier.mount.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  EXPECT_EQ(::fsync(folder.get()), 0);
}

// The kernel keeps it from us.
TEST_F(Posix, SyncfsSucceeds) {
  const UniqueFd file(::open(at("a").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  check(::write(file.get(), "x", 1), "write");
  EXPECT_EQ(::syncfs(file.get()), 0);
}

// What a kernel's NFS server keeps of a file.
class Handles : public Posix {
 protected:
  struct Handle {
    file_handle head;
    unsigned char bytes[MAX_HANDLE_SZ];
  };
  Handle handle_of(const std::string& name) const {
    Handle handle{};
    handle.head.handle_bytes = MAX_HANDLE_SZ;
    int mount_id = 0;
    check(::name_to_handle_at(AT_FDCWD, at(name).c_str(), &handle.head, &mount_id, 0),
          "name_to_handle_at " + name);
    return handle;
  }
  UniqueFd open_by(Handle handle, int flags = O_RDONLY) const {
    const UniqueFd mount(::open(tier.mount.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    return UniqueFd(::open_by_handle_at(mount.get(), &handle.head, flags | O_CLOEXEC));
  }
  static std::string read_of(const UniqueFd& file) {
    std::string bytes(100, '\0');
    const ssize_t n = ::pread(file.get(), bytes.data(), bytes.size(), 0);
    return n < 0 ? std::strerror(errno) : bytes.substr(0, static_cast<size_t>(n));
  }
  void expect_found(const Handle& file, const Handle& cold, const Handle& folder) {
    const UniqueFd found = open_by(file, O_RDWR);
    EXPECT_EQ(read_of(found), "content");
    EXPECT_EQ(read_of(open_by(cold)), random_bytes(9 * kMiB, 1).substr(0, 100));
    const UniqueFd found_folder = open_by(folder, O_RDONLY | O_DIRECTORY);
    struct stat st {};
    EXPECT_EQ(::fstatat(found_folder.get(), "file", &st, 0), 0) << std::strerror(errno);
    EXPECT_EQ(::fstatat(found_folder.get(), "../../cold", &st, 0), 0) << std::strerror(errno);
  }
};

TEST_F(Handles, FindTheirFileWhateverTheKernelHasForgotten) {
  fs::create_directories(at("outer/folder"));
  write_file(at("outer/folder/file"), "content");
  const Handle file = handle_of("outer/folder/file");
  const Handle cold = handle_of("cold");
  const Handle folder = handle_of("outer/folder");
  expect_found(file, cold, folder);
  write_file("/proc/sys/vm/drop_caches", "2");
  expect_found(file, cold, folder);
  fs::rename(at("outer/folder"), at("outer/renamed"));
  tier.stop();
  tier.start();
  expect_found(file, cold, folder);
  tier.kill();
  tier.start();
  expect_found(file, cold, folder);
}

TEST_F(Handles, OfWhatWasRemovedAreStale) {
  write_file(at("file"), "content");
  const Handle file = handle_of("file");
  fs::remove(at("file"));
  write_file(at("file"), "another");
  eventually("the handle is stale", [&] { return !open_by(file) && errno == ESTALE; });
}

// As on ext4: at once if nobody has the file open, whatever tierd has still to do with it.
TEST_F(Handles, OfWhatWasRemovedAreStaleAtOnceAndStaySo) {
  constexpr int kFiles = 20;
  fs::create_directory(at("d"));
  std::vector<Handle> handles{handle_of("cold")};
  for (int i = 0; i < kFiles; ++i) {
    const std::string name = "d/" + std::to_string(i);
    check(::mknod(at(name).c_str(), S_IFREG | 0600, 0), "mknod");
    handles.push_back(handle_of(name));
    fs::remove(at(name));
    EXPECT_FALSE(open_by(handles.back())) << name;
    EXPECT_EQ(errno, ESTALE) << name;
  }
  handles.push_back(handle_of("d"));
  fs::remove(at("cold"));
  fs::remove(at("d"));
  const auto expect_stale = [&](const char* when) {
    for (size_t i = 0; i < handles.size(); ++i) {
      EXPECT_FALSE(open_by(handles[i])) << when << ": " << i;
      EXPECT_EQ(errno, ESTALE) << when << ": " << i;
    }
  };
  expect_stale("at once");
  write_file("/proc/sys/vm/drop_caches", "2");
  expect_stale("when the kernel has forgotten them");
  tier.stop();
  tier.start();
  expect_stale("after a restart");
  tier.kill();
  tier.start();
  expect_stale("after a death");
}

TEST_F(Handles, OfARemovedFileThatIsOpenFindIt) {
  write_file(at("file"), "content");
  const Handle handle = handle_of("file");
  UniqueFd open_file(::open(at("file").c_str(), O_RDONLY | O_CLOEXEC));
  fs::remove(at("file"));
  EXPECT_EQ(read_of(open_by(handle)), "content");
  write_file("/proc/sys/vm/drop_caches", "2");
  EXPECT_EQ(read_of(open_by(handle)), "content");
  open_file.reset();
  eventually("the handle is stale", [&] { return !open_by(handle) && errno == ESTALE; });
}

}  // namespace
}  // namespace tierhub::test::posix_test
