// Scratch is full and the archive takes data: who writes waits for room. If none can come, or the
// archive takes nothing, ENOSPC comes at once.
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <future>
#include <memory>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/faulty_folder.h"
#include "tests/support/tier_fixture.h"

namespace tierhub::test::room_test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kCapacity = 60 * kMiB;
constexpr uint64_t kReserve = 8 * kMiB;

std::string name_of(int i) { return "file" + std::to_string(i); }

// 0, or the errno of what failed first.
int write_whole_file(const std::string& path, const std::string& content) {
  const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
  if (!file) return errno;
  for (size_t at = 0; at < content.size();) {
    const size_t piece = std::min<size_t>(kMiB, content.size() - at);
    const ssize_t n = ::write(file.get(), content.data() + at, piece);
    if (n < 0) return errno;
    at += static_cast<size_t>(n);
  }
  return 0;
}

// Scratch shares a file system with others, so that `capacity` is its only end. Nothing is
// published for having settled.
class Room : public TierTest {
 protected:
  void SetUp() override {
    backing = tier.folder("backing");
    archive = std::make_unique<FaultyFolder>(backing, tier.archive, tier.folder("faults") + "/now");
    tier.settings["capacity"] = std::to_string(kCapacity);
    tier.settings["reserve"] = std::to_string(kReserve);
  }
  void TearDown() override {
    archive->go_on();
    TierTest::TearDown();
    if (tier.running()) tier.kill();
    archive.reset();
  }
  std::string at(const std::string& name) const { return tier.in_mount(name); }

  // What the archive takes from now on.
  void set_rate(uint64_t bytes_per_s) const { archive->set({fmt::format("rate {}", bytes_per_s)}); }
  // More closed files than scratch may hold; the archive takes them so slowly that it stays full.
  void fill() const {
    for (int i = 0; i < 3; ++i)
      write_file(at("full" + std::to_string(i)), random_bytes(20 * kMiB, i));
    eventually("scratch is full", [&] { return tier.status().used_bytes >= kCapacity - kReserve; });
  }

  std::string backing;
  std::unique_ptr<FaultyFolder> archive;
};

// A file that is larger than scratch gets past its end by passthrough, which tells nobody.
TEST_F(Room, ComesForWritersWhileTheArchiveTakesWhatIsQuiet) {
  constexpr int kFiles = 40;
  constexpr uint64_t kBytes = 4 * kMiB;
  tier.start();
  write_file(at("large"), random_bytes(80 * kMiB, 1000));
  int refused = 0;
  for (int i = 0; i < kFiles; ++i) {
    const int error = write_whole_file(at(name_of(i)), random_bytes(kBytes, i));
    if (error != 0) ++refused;
    EXPECT_EQ(error, 0) << i << ": " << std::strerror(error);
  }
  EXPECT_EQ(refused, 0) << "of " << kFiles;
  tier.publish();
  for (int i = 0; i < kFiles; ++i)
    ASSERT_TRUE(read_file(backing + "/" + name_of(i)) == random_bytes(kBytes, i)) << i;
  EXPECT_TRUE(read_file(backing + "/large") == random_bytes(80 * kMiB, 1000));
}

TEST_F(Room, IsRefusedAtOnceToAFileThatOutgrowsScratchThroughOneOpen) {
  tier.settings["passthrough"] = "false";
  tier.start();
  const UniqueFd file(::open(at("endless").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
  ASSERT_TRUE(file);
  const std::string piece = random_bytes(kMiB, 1);
  int written = 0;
  auto begin = Clock::now();
  while (written < 100 && ::write(file.get(), piece.data(), piece.size()) > 0) {
    ++written;
    begin = Clock::now();
  }
  EXPECT_EQ(errno, ENOSPC);
  EXPECT_LT(Clock::now() - begin, 10s) << "what is open cannot be published";
  EXPECT_GE(written, 40);
  EXPECT_LT(written, 60);
}

TEST_F(Room, IsRefusedSoonWhenTheArchiveTakesNothing) {
  tier.start();
  set_rate(kMiB);
  fill();
  archive->set({"erofs"});
  const UniqueFd file(::open(at("new").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
  ASSERT_TRUE(file);
  const std::string piece = random_bytes(kMiB, 1);
  const auto refused_after = [&] {
    const auto begin = Clock::now();
    int writes = 0;
    while (::write(file.get(), piece.data(), piece.size()) > 0 && ++writes < 60) {
    }
    EXPECT_EQ(errno, ENOSPC);
    return Clock::now() - begin;
  };
  EXPECT_LT(refused_after(), 25s) << "until the journal has heard it";
  EXPECT_LT(refused_after(), 5s);
  archive->clear();
  eventually(
      "once it takes data again there is room",
      [&] { return ::write(file.get(), piece.data(), piece.size()) > 0; }, 60s);
}

// A child that writes, and gets SIGUSR1 while its write waits. Exits with the errno of the write.
pid_t start_waiting_writer(const std::string& path) {
  const pid_t child = ::fork();
  if (child != 0) return child;
  struct sigaction action {};
  action.sa_handler = [](int) {};
  ::sigaction(SIGUSR1, &action, nullptr);
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  static char bytes[kMiB];
  for (int i = 0; i < 200; ++i) {
    if (::write(file, bytes, sizeof bytes) < 0) ::_exit(errno);
  }
  ::_exit(0);
}

int exit_code_of(pid_t child) {
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

TEST_F(Room, AWriterThatWaitsHoldsUpNobodyIsShownAndCanBeInterrupted) {
  write_file(backing + "/hot", random_bytes(kMiB, 5));
  tier.start();
  tier.prefetch("/hot");
  ASSERT_EQ(tier.tierctl({"pin", "/hot"}).exit_code, 0);
  set_rate(kMiB / 2);
  fill();
  const pid_t writer = start_waiting_writer(at("waits"));
  eventually("it waits", [&] { return tier.status().oldest_writer_wait_s > 0.5; });
  EXPECT_THAT(tier.tierctl({"status"}).out,
              ::testing::ContainsRegex("1 writer waits for room: the oldest for .* s; publishing"));
  const auto begin = Clock::now();
  EXPECT_TRUE(read_file(at("hot")) == random_bytes(kMiB, 5));
  EXPECT_TRUE(fs::exists(at("full0")));
  fs::create_directory(at("folder"));
  EXPECT_GE(std::distance(fs::directory_iterator(tier.mount), fs::directory_iterator()), 5);
  EXPECT_LT(Clock::now() - begin, 3s);
  const auto interrupted = Clock::now();
  ::kill(writer, SIGUSR1);
  EXPECT_EQ(exit_code_of(writer), EINTR);
  EXPECT_LT(Clock::now() - interrupted, 3s);
  EXPECT_EQ(tier.status().writers_waiting, 0u);
}

TEST_F(Room, AWriterThatWaitsCanBeKilledAndDoesNotKeepTierd) {
  tier.start();
  set_rate(kMiB / 2);
  fill();
  const pid_t killed = start_waiting_writer(at("killed"));
  eventually("it waits", [&] { return tier.status().writers_waiting == 1; });
  const auto begin = Clock::now();
  ::kill(killed, SIGKILL);
  EXPECT_EQ(exit_code_of(killed), -SIGKILL);
  EXPECT_LT(Clock::now() - begin, 3s);
  const pid_t left = start_waiting_writer(at("left"));
  eventually("it waits", [&] { return tier.status().writers_waiting == 1; });
  EXPECT_LT(tier.stop(), 8s);
  EXPECT_GT(exit_code_of(left), 0);
}

TEST_F(Room, OpeningForWritingWaitsForRoomAndOpeningForReadingDoesNot) {
  tier.start();
  write_file(at("old"), "old");
  set_rate(4 * kMiB);
  fill();
  auto writer = std::async(std::launch::async, [&] {
    return UniqueFd(::open(at("old").c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
  });
  eventually("it waits", [&] { return tier.status().writers_waiting == 1; });
  EXPECT_EQ(read_file(at("old")), "old");
  const UniqueFd file = writer.get();
  ASSERT_TRUE(file) << std::strerror(errno);
  EXPECT_GT(::write(file.get(), "new", 3), 0);
  EXPECT_LT(tier.status().used_bytes, kCapacity);
}

TEST_F(Room, IsWaitedForNoLongerThanWriteWait) {
  tier.settings["write_wait"] = "2";
  tier.start();
  set_rate(kMiB / 2);
  fill();
  const UniqueFd file(::open(at("new").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
  ASSERT_TRUE(file);
  const std::string piece = random_bytes(kMiB, 1);
  const auto begin = Clock::now();
  EXPECT_LT(::write(file.get(), piece.data(), piece.size()), 0);
  EXPECT_EQ(errno, ENOSPC);
  EXPECT_GE(Clock::now() - begin, 2s);
  EXPECT_LT(Clock::now() - begin, 10s);
}

}  // namespace
}  // namespace tierhub::test::room_test
