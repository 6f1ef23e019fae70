// Many names, long paths, large files, and what statfs says.
//   TIERHUB_MANY_ENTRIES   how many entries the large folder has (100,000)
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <thread>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <dirent.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/loop_mount.h"
#include "tests/support/tier_fixture.h"

namespace tierhub::test {
namespace {

class PosixLimits : public TierTest {
 protected:
  using TierTest::TierTest;
  std::string at(const std::string& name) const { return tier.in_mount(name); }
};

void make_empty(int folder, const std::string& name) {
  check(::mknodat(folder, name.c_str(), S_IFREG | 0644, 0), "mknod " + name);
}

UniqueFd open_folder(const std::string& path) {
  UniqueFd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  check(folder.get(), "open " + path);
  return folder;
}

struct CloseFolder {
  void operator()(DIR* folder) const { ::closedir(folder); }
};
using Listing = std::unique_ptr<DIR, CloseFolder>;

// A folder of a great many entries "kept-N", which stay, while "gone-N" are removed and "new-N" are
// made all the time.
class ManyEntries : public PosixLimits {
 protected:
  ManyEntries() : PosixLimits(time_for(wanted_count())) {}
  static uint64_t wanted_count() {
    const char* const text = std::getenv("TIERHUB_MANY_ENTRIES");
    return text != nullptr ? std::strtoull(text, nullptr, 10) : 100'000;
  }
  static std::chrono::seconds time_for(uint64_t count) {
    return std::chrono::minutes(4 + count / 50'000);
  }
  void SetUp() override {
    tier.start_limit = time_for(count_) / 2;
    std::filesystem::create_directory(tier.in_archive("many"));
    const UniqueFd folder = open_folder(tier.in_archive("many"));
    for (uint64_t i = 0; i < count_; ++i)
      make_empty(folder.get(), fmt::format("{}-{}", i % 10 == 0 ? "gone" : "kept", i));
    tier.settings["log_level"] = "info";
    tier.start();
  }
  uint64_t kept() const { return count_ - (count_ + 9) / 10; }

  void change_names(const std::stop_token& stop) {
    const UniqueFd folder = open_folder(at("many"));
    for (uint64_t i = 0; i < count_ && !stop.stop_requested(); i += 10) {
      check(::unlinkat(folder.get(), fmt::format("gone-{}", i).c_str(), 0), "unlink");
      make_empty(folder.get(), fmt::format("new-{}", i));
      ++changes_;
    }
  }

  const uint64_t count_ = wanted_count();
  std::atomic<uint64_t> changes_ = 0;
};

// Places before some names that stay.
std::vector<std::pair<long, std::string>> places_in(DIR* folder, uint64_t& names) {
  std::vector<std::pair<long, std::string>> places;
  for (long place = ::telldir(folder);; place = ::telldir(folder)) {
    const dirent* const entry = ::readdir(folder);
    if (entry == nullptr) return places;
    const std::string name = entry->d_name;
    if (names++ % 997 == 0 && name.starts_with("kept-")) places.emplace_back(place, name);
  }
}

// Two claims, one folder: making it costs more than looking at it.
TEST_F(ManyEntries, AreListedOnceAndKeepTheirPlacesWhileOthersComeAndGo) {
  const Listing folder(::opendir(at("many").c_str()));
  ASSERT_NE(folder, nullptr);
  uint64_t names = 0;
  const auto places = places_in(folder.get(), names);
  EXPECT_EQ(names, count_ + 2);
  ASSERT_GT(places.size(), 10u);

  const std::jthread changes([this](const std::stop_token& stop) { change_names(stop); });
  eventually("names change", [this] { return changes_ > 0; });
  // From the last to the first: nothing is read on by chance.
  for (auto place = places.rbegin(); place != places.rend(); ++place) {
    ::seekdir(folder.get(), place->first);
    std::string name;
    do {
      const dirent* const entry = ::readdir(folder.get());
      ASSERT_NE(entry, nullptr) << "nothing behind the place of " << place->second;
      name = entry->d_name;
    } while (!name.starts_with("kept-"));
    EXPECT_EQ(name, place->second);
  }
  ::rewinddir(folder.get());
  std::map<std::string, int> seen;
  while (const dirent* entry = ::readdir(folder.get())) ++seen[entry->d_name];
  uint64_t found = 0;
  for (const auto& [name, times] : seen) {
    EXPECT_EQ(times, 1) << name;
    if (name.starts_with("kept-")) ++found;
  }
  EXPECT_EQ(found, kept());
}

TEST_F(PosixLimits, APathMayBeAsLongAsLinuxAllows) {
  tier.start();
  std::string path = tier.mount;
  // Room for a last name of one byte at least.
  while (PATH_MAX - 1 - path.size() > 202) {
    path += "/" + std::string(200, 'd');
    check(::mkdir(path.c_str(), 0755), "mkdir");
  }
  const std::string longest = path + "/" + std::string(PATH_MAX - 2 - path.size(), 'f');
  ASSERT_EQ(longest.size(), static_cast<size_t>(PATH_MAX - 1));
  write_file(longest, "deep");
  EXPECT_EQ(read_file(longest), "deep");
  struct stat st {};
  EXPECT_EQ(::stat((longest + "f").c_str(), &st), -1);
  EXPECT_EQ(errno, ENAMETOOLONG);
  tier.publish();
  tier.evict("/");
  EXPECT_EQ(read_file(longest), "deep") << "from the archive";
}

TEST_F(PosixLimits, AFileMayBeLargerThanFourTebibytes) {
  constexpr int64_t kPlace = (int64_t{4} << 40) + (int64_t{700} << 30) + 5;
  tier.start();
  const UniqueFd file(::open(at("large").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  ASSERT_EQ(::pwrite(file.get(), "far", 3, kPlace), 3);
  struct stat st {};
  check(::fstat(file.get(), &st), "fstat");
  EXPECT_EQ(st.st_size, kPlace + 3);
  EXPECT_LT(st.st_blocks * 512, 1 << 20) << "the hole takes no room";
  const off_t data = ::lseek(file.get(), 0, SEEK_DATA);
  EXPECT_GT(data, kPlace - (1 << 20));
  EXPECT_LE(data, kPlace);
  char bytes[4] = {};
  EXPECT_EQ(::pread(file.get(), bytes, 3, kPlace), 3);
  EXPECT_STREQ(bytes, "far");
  check(::ftruncate(file.get(), kPlace - 1), "ftruncate");
  EXPECT_EQ(::pread(file.get(), bytes, 3, kPlace - 1), 0);
  ASSERT_EQ(::pwrite(file.get(), "end", 3, (int64_t{16} << 40) - 8192), 3)
      << "ext4 itself ends at 16 TiB";
}

TEST_F(PosixLimits, StatfsCountsBytesAndFilesAsTheArchiveDoes) {
  write_file(tier.in_archive("file"), std::string(1 << 20, 'x'));
  tier.start();
  struct statvfs mount {};
  struct statvfs archive {};
  eventually("statfs knows the archive", [&] {
    check(::statvfs(tier.mount.c_str(), &mount), "statvfs");
    return mount.f_blocks > 0;
  });
  check(::statvfs(tier.archive.c_str(), &archive), "statvfs");
  EXPECT_EQ(mount.f_blocks * mount.f_frsize, archive.f_blocks * archive.f_frsize);
  EXPECT_EQ(mount.f_files, archive.f_files);
  // Others write to the same disk meanwhile.
  const auto near = [](uint64_t a, uint64_t b, uint64_t within) {
    return std::max(a, b) - std::min(a, b) <= within;
  };
  EXPECT_TRUE(near(mount.f_bfree * mount.f_frsize, archive.f_bfree * archive.f_frsize,
                   archive.f_blocks * archive.f_frsize / 20));
  EXPECT_TRUE(near(mount.f_ffree, archive.f_ffree, archive.f_files / 20));
  EXPECT_LE(mount.f_bavail, mount.f_bfree);
  EXPECT_EQ(mount.f_namemax, 255u);
}

TEST_F(PosixLimits, StatfsShowsNothingOfWhatWaitsToBePublished) {
  const LoopMount disk("ext4", tier.folder("disk"));
  tier.archive = disk.path() + "/archive";
  std::filesystem::create_directory(tier.archive);
  tier.start();
  struct statvfs before {};
  eventually("statfs knows the archive", [&] {
    check(::statvfs(tier.mount.c_str(), &before), "statvfs");
    return before.f_blocks > 0;
  });
  constexpr uint64_t kBytes = 50 << 20;
  write_file(at("waits"), random_bytes(kBytes, 1));
  const auto taken = [&] {
    struct statvfs after {};
    check(::statvfs(tier.mount.c_str(), &after), "statvfs");
    return before.f_bfree * before.f_frsize - after.f_bfree * after.f_frsize;
  };
  EXPECT_LT(taken(), kBytes / 2);
  tier.publish();
  eventually("it is taken off", [&] { return taken() >= kBytes; });
  tier.stop();
}

}  // namespace
}  // namespace tierhub::test
