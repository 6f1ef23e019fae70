// The disks of scratch and of the catalog fill up, or fail.
#include <cerrno>
#include <cstring>
#include <filesystem>

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/disk.h"
#include "tests/support/faulty_folder.h"
#include "tests/support/tier_fixture.h"

namespace tierhub::test::fault_disk_test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr uint64_t kMiB = 1 << 20;

class DiskFault : public TierTest {
 protected:
  void SetUp() override {
    images = tier.folder("images");
    mount_memory(images, uint64_t{2} << 30);
    tier.settings["chunk_size"] = "64KiB";
    tier.settings["capacity"] = "0";
    tier.settings["reserve"] = "4MiB";
  }
  void TearDown() override {
    TierTest::TearDown();
    if (tier.running()) tier.kill();
    ::umount2(tier.mount.c_str(), MNT_DETACH);
    disk.reset();
    faulty.reset();
    ::umount2(images.c_str(), MNT_DETACH);
  }
  void expect_status_says(const std::string& what) const {
    eventually("status says: " + what,
               [&] { return ::testing::Matches(Contains(HasSubstr(what)))(tier.status().health); });
    EXPECT_THAT(tier.tierctl({"status"}).out, HasSubstr(what));
  }
  void expect_replica() {
    tier.publish();
    EXPECT_THAT(differences(describe_tree(tier.mount), describe_tree(tier.archive)), IsEmpty());
    eventually("status says ok", [&] { return tier.status().summary == "ok"; });
  }

  std::string images;
  std::unique_ptr<FaultyFolder> faulty;
  std::unique_ptr<Disk> disk;
};

TEST_F(DiskFault, AFullScratchRefusesWritesUntilThereIsRoom) {
  Disk::Options options;
  options.bytes = 64 * kMiB;
  disk = std::make_unique<Disk>(images + "/scratch", tier.scratch, options);
  write_file(tier.in_archive("cold"), random_bytes(kMiB, 1));
  tier.start();
  std::vector<std::string> written;
  std::vector<UniqueFd> opened;  // what is open for writing is not published, so no room can come
  int refused = 0;
  for (int i = 0; i < 100 && refused == 0; ++i) {
    const std::string name = "f" + std::to_string(i);
    const std::string content = random_bytes(kMiB, static_cast<uint64_t>(i));
    opened.emplace_back(::open(tier.in_mount(name).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    const int fd = opened.back().get();
    check(fd, "open " + name);
    size_t done = 0;
    while (done < content.size() && refused == 0) {
      const ssize_t n = ::write(fd, content.data() + done, content.size() - done);
      if (n < 0) refused = errno;  // what of it is there stays, or there would be room again
      if (n > 0) done += static_cast<size_t>(n);
    }
    if (refused == 0) written.push_back(name);
  }
  EXPECT_EQ(refused, ENOSPC);
  expect_status_says("scratch is full");
  EXPECT_EQ(read_file(tier.in_mount("cold")), random_bytes(kMiB, 1)) << "answered, not kept";
  opened.clear();
  tier.publish();
  eventually("there is room again", [&] {
    try {
      write_file(tier.in_mount("later"), random_bytes(4 * kMiB, 2));
      return true;
    } catch (const std::runtime_error&) {
      return false;
    }
  });
  for (const std::string& name : written)
    EXPECT_EQ(read_file(tier.in_mount(name)), random_bytes(kMiB, std::stoull(name.substr(1))));
  expect_replica();
}

TEST_F(DiskFault, BytesThatScratchCouldNotWriteAreNeverPublished) {
  fs::create_directory(images + "/backing");
  fs::create_directory(images + "/faulty");
  faulty = std::make_unique<FaultyFolder>(images + "/backing", images + "/faulty",
                                          tier.folder("faults") + "/now");
  Disk::Options options;
  options.bytes = 64 * kMiB;
  options.journal = false;  // an ext4 that cannot write its journal turns read-only
  disk = std::make_unique<Disk>(images + "/faulty/scratch", tier.scratch, options);
  write_file(tier.in_archive("file"), "the good version");
  tier.start();
  tier.prefetch("/file");
  {
    const UniqueFd file(::open(tier.in_mount("file").c_str(), O_RDWR | O_CLOEXEC));
    check(file.get(), "open");
    faulty->set({"eio-write scratch"});
    check(::pwrite(file.get(), "never on disk ", 14, 0), "write");
    EXPECT_EQ(::fsync(file.get()), -1) << "the user is told";
    EXPECT_EQ(errno, EIO);
    EXPECT_EQ(::fsync(file.get()), -1) << "and not only once";
  }
  faulty->clear();
  EXPECT_THROW(tier.publish(), std::runtime_error);
  EXPECT_EQ(read_file(tier.in_archive("file")), "the good version");
  expect_status_says("scratch lost data that was written");
  // Also after a restart.
  tier.stop();
  tier.start();
  EXPECT_THROW(tier.publish(), std::runtime_error);
  EXPECT_EQ(read_file(tier.in_archive("file")), "the good version");
  write_file(tier.in_mount("file"), "written again");
  expect_replica();
}

TEST_F(DiskFault, AFullDiskOfTheCatalogRefusesChangesUntilThereIsRoom) {
  disk = std::make_unique<Disk>(images + "/state", tier.state, Disk::Options());
  write_file(tier.in_archive("hot"), random_bytes(kMiB, 3));
  tier.start();
  tier.prefetch("/hot");
  write_file(tier.in_mount("before"), "before");
  const std::string filler = tier.state + "/filler";
  const auto fill = [&] {
    const UniqueFd file(::open(filler.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    struct statvfs space {};
    check(::fstatvfs(file.get(), &space), "statvfs");
    const auto most = static_cast<off_t>(space.f_bavail * space.f_frsize);
    const off_t size = ::lseek(file.get(), 0, SEEK_END);
    for (off_t left = most; left > 0; left /= 2) {
      if (::fallocate(file.get(), 0, size, left) == 0) return;
    }
  };
  // Each attempt has a name of its own: the disk may become full between a file and its removal.
  int attempt = 0;
  eventually("a change is refused", [&] {
    fill();
    const std::string path = tier.in_mount("attempt" + std::to_string(attempt++));
    const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
    return !file && errno == ENOSPC;
  });
  expect_status_says("the catalog's disk is full");
  EXPECT_EQ(read_file(tier.in_mount("hot")), random_bytes(kMiB, 3));
  EXPECT_EQ(read_file(tier.in_mount("before")), "before");
  fs::remove(filler);
  eventually("changes are taken again", [&] {
    const UniqueFd file(
        ::open(tier.in_mount("after").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    return file.valid();
  });
  expect_replica();
}

}  // namespace
}  // namespace tierhub::test::fault_disk_test
