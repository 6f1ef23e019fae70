#include "storage/helper/client.h"

#include <csignal>
#include <future>
#include <thread>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/posix.h"
#include "fixture.h"

namespace tierhub::test {
namespace {

using std::chrono::milliseconds;

// Long enough for a helper under a sanitizer on a busy machine: a call that takes longer makes the
// archive hung.
constexpr uint64_t kTimeLimitMs = 2'000;
// What must be at once is still much faster than the limit of a call would allow.
constexpr milliseconds kSlack(3'000);
constexpr milliseconds kPatience(20'000);

class Client : public ::testing::Test {
 protected:
  void SetUp() override {
    start();
    ASSERT_TRUE(eventually([&] { return client_->state() == ArchiveState::online; }));
  }

  void start() {
    ArchiveClientOptions options;
    options.time_limit_ms = kTimeLimitMs;
    options.probe_interval_ms = 100;
    options.replace_after_ms = replace_after_ms_;
    options.slots = slots_;
    auto started = ArchiveClient::start(TIERHUB_ARCHIVE_HELPER, root_.path(), options);
    ASSERT_TRUE(started) << started.error().text();
    client_ = *std::move(started);
  }

  pid_t helper() {
    EXPECT_TRUE(client_->helper_pid());
    return client_->helper_pid().value_or(-1);
  }

  void hang() { ASSERT_EQ(::kill(helper(), SIGSTOP), 0); }

  // Looks until `condition` holds; false if it does not within kPatience.
  template <class Condition>
  bool eventually(const Condition& condition) {
    const auto give_up = std::chrono::steady_clock::now() + kPatience;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > give_up) return false;
      std::this_thread::yield();
    }
    return true;
  }

  bool works() { return client_->stat("").has_value(); }

  template <class Act>
  milliseconds time(const Act& act) {
    const auto start = std::chrono::steady_clock::now();
    act();
    return std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - start);
  }

  TemporaryDirectory root_;
  TemporaryDirectory work_;
  uint64_t replace_after_ms_ = 3'600'000;
  size_t slots_ = 64;
  std::unique_ptr<ArchiveClient> client_;
};

size_t count_descriptors(const std::string& process) {
  const auto folder = posix::open_at(AT_FDCWD, "/proc/" + process + "/fd", O_RDONLY | O_DIRECTORY);
  EXPECT_TRUE(folder) << folder.error().text();
  const auto names = posix::list_directory_fd(folder->get());
  EXPECT_TRUE(names) << names.error().text();
  return names->size();
}

TEST_F(Client, IsOnlineOnceStarted) { EXPECT_EQ(client_->state(), ArchiveState::online); }

TEST_F(Client, ShowsWhatTheArchiveCanHold) {
  const auto capabilities = client_->capabilities();
  ASSERT_TRUE(capabilities) << capabilities.error().text();
  EXPECT_TRUE(capabilities->writable);
  EXPECT_TRUE(capabilities->hard_links);
}

TEST_F(Client, FailsCallsWithinTheirTimeLimitIfTheArchiveHangs) {
  hang();
  const auto waited = time([&] {
    const auto found = client_->stat("");
    ASSERT_FALSE(found);
    EXPECT_TRUE(found.error().is(std::errc::timed_out)) << found.error().text();
    EXPECT_TRUE(is_archive_wide(found.error()));
  });
  EXPECT_GE(waited, milliseconds(kTimeLimitMs) / 2);
  EXPECT_LT(waited, milliseconds(kTimeLimitMs) + kSlack);
}

TEST_F(Client, FailsAtOnceWhileTheArchiveIsHung) {
  hang();
  ASSERT_FALSE(works());
  ASSERT_TRUE(eventually([&] { return client_->state() == ArchiveState::hung; }));
  const auto waited = time([&] {
    for (int i = 0; i < 100; ++i) ASSERT_FALSE(works());
  });
  EXPECT_LT(waited, milliseconds(100 * kTimeLimitMs) / 10);
}

TEST_F(Client, FailsFillsOfAHungArchive) {
  write_file(root_ / "file", "text");
  FillRequest request;
  const auto version = client_->stat("file");
  ASSERT_TRUE(version);
  request.path = "file";
  request.expected = **version;
  request.range = {0, 4};
  request.limit_bytes = 4;
  request.chunk_bytes = kChunk;
  const auto target = posix::open_at(AT_FDCWD, work_ / "target", O_RDWR | O_CREAT, 0600);
  ASSERT_TRUE(target);
  request.target_fd = target->get();
  hang();
  std::promise<Result<FillResult>> end;
  client_->fill(request, [&](Result<FillResult> result) { end.set_value(std::move(result)); });
  const auto filled = end.get_future().get();
  ASSERT_FALSE(filled);
  EXPECT_TRUE(filled.error().is(std::errc::timed_out)) << filled.error().text();
}

TEST_F(Client, ComesBackWhenTheArchiveDoes) {
  hang();
  ASSERT_FALSE(works());
  ASSERT_TRUE(eventually([&] { return client_->state() == ArchiveState::hung; }));
  ASSERT_EQ(::kill(helper(), SIGCONT), 0);
  EXPECT_TRUE(eventually([&] { return client_->state() == ArchiveState::online; }));
  EXPECT_TRUE(works());
}

// A call that came back as failed must not be carried out later, behind everyone's back.
TEST_F(Client, NeverCarriesOutACallThatWasGivenUp) {
  write_file(root_ / "file", "text");
  const auto version = client_->stat("file");
  ASSERT_TRUE(version);
  hang();
  ASSERT_FALSE(client_->remove("file", **version, "leaf"));
  ASSERT_EQ(::kill(helper(), SIGCONT), 0);
  ASSERT_TRUE(eventually([&] { return works(); }));
  EXPECT_TRUE(exists(root_ / "file"));
}

TEST_F(Client, NeverCarriesOutOneOfManyThatWereGivenUp) {
  StageFileRequest request;
  request.chunk_bytes = kChunk;
  for (const std::string leaf : {"a", "b"}) {
    request.leaf = leaf;
    ASSERT_TRUE(client_->stage_file(request));
  }
  hang();
  const auto placed = client_->place_all({{"a", "a", std::nullopt}, {"b", "b", std::nullopt}});
  ASSERT_EQ(placed.size(), 2u);
  for (const auto& one : placed) {
    ASSERT_FALSE(one);
    EXPECT_TRUE(one.error().is(std::errc::timed_out)) << one.error().text();
  }
  ASSERT_EQ(::kill(helper(), SIGCONT), 0);
  ASSERT_TRUE(eventually([&] { return works(); }));
  EXPECT_FALSE(exists(root_ / "a"));
  EXPECT_FALSE(exists(root_ / "b"));
}

TEST_F(Client, EndsSoonAlthoughTheArchiveHangs) {
  hang();
  const pid_t stuck = helper();
  EXPECT_LT(time([&] { client_.reset(); }), kSlack);
  EXPECT_LT(::kill(stuck, 0), 0) << "the helper is still there";
}

TEST_F(Client, ReplacesAHelperThatStaysHung) {
  client_.reset();
  replace_after_ms_ = 2'000;  // a new helper must answer within that time, however busy the machine
  start();
  const pid_t stuck = helper();
  hang();
  ASSERT_FALSE(works());
  EXPECT_TRUE(eventually([&] { return works(); }));
  EXPECT_NE(helper(), stuck);
  EXPECT_LT(::kill(stuck, 0), 0) << "the stuck helper was left behind";
}

TEST_F(Client, FailsWhatIsUnderWayWhenTheHelperDies) {
  hang();
  auto pending = std::async(std::launch::async, [&] { return client_->stat(""); });
  ASSERT_EQ(::kill(helper(), SIGKILL), 0);
  const auto found = pending.get();
  // Sent before the helper died it fails; sent after, it reaches the next helper.
  if (!found) {
    EXPECT_TRUE(is_archive_wide(found.error())) << found.error().text();
  }
}

TEST_F(Client, StartsAHelperThatDiedAgain) {
  const pid_t first = helper();
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(::kill(helper(), SIGKILL), 0);
    ASSERT_TRUE(eventually([&] { return works(); })) << "after death " << i + 1;
    ASSERT_TRUE(eventually([&] { return client_->helper_pid().has_value(); }));
  }
  EXPECT_NE(helper(), first);
}

TEST_F(Client, KeepsWorkingWithFewSlots) {
  client_.reset();
  slots_ = 2;
  start();
  write_file(root_ / "file", "text");
  std::vector<std::future<bool>> calls;
  for (int i = 0; i < 32; ++i) {
    calls.push_back(
        std::async(std::launch::async, [&] { return client_->stat("file").has_value(); }));
  }
  for (auto& call : calls) EXPECT_TRUE(call.get());
}

TEST_F(Client, IsOfflineUntilTheArchiveIsMounted) {
  const auto id = client_->archive_id();
  ASSERT_TRUE(id);
  client_.reset();
  ASSERT_EQ(::rename(root_.path().c_str(), (root_.path() + "-away").c_str()), 0);
  start();
  EXPECT_EQ(client_->state(), ArchiveState::offline);
  const auto found = client_->stat("");
  EXPECT_FALSE(found);
  EXPECT_TRUE(found.error().is(std::errc::no_such_device)) << found.error().text();
  ASSERT_EQ(::rename((root_.path() + "-away").c_str(), root_.path().c_str()), 0);
  EXPECT_TRUE(eventually([&] { return client_->state() == ArchiveState::online; }));
  EXPECT_TRUE(works());
}

TEST_F(Client, TakesNoOtherArchiveForItsOwn) {
  client_.reset();
  TemporaryDirectory other;
  ArchiveClientOptions options;
  options.expected_id = "another-archive";
  options.time_limit_ms = kTimeLimitMs;
  const auto client = ArchiveClient::start(TIERHUB_ARCHIVE_HELPER, other.path(), options);
  ASSERT_TRUE(client) << client.error().text();
  EXPECT_EQ((*client)->state(), ArchiveState::offline);
  EXPECT_FALSE(exists(other / ".tierhub")) << "a foreign folder was made an archive";
}

TEST_F(Client, SaysSoIfTheHelperCannotBeStarted) {
  const auto client = ArchiveClient::start("/nonexistent/tierd", root_.path(), {});
  ASSERT_FALSE(client);
  EXPECT_TRUE(client.error().is(std::errc::no_such_file_or_directory)) << client.error().text();
}

TEST_F(Client, GivesTheHelperNoDescriptorOfOurs) {
  client_.reset();
  const int ours = ::open("/dev/null", O_RDONLY);  // without O_CLOEXEC
  ASSERT_GE(ours, 0);
  const int high = ::fcntl(ours, F_DUPFD, 700);
  start();
  const std::string there = "/proc/" + std::to_string(helper()) + "/fd/" + std::to_string(high);
  EXPECT_FALSE(exists(there));
  ::close(high);
  ::close(ours);
}

TEST_F(Client, LeavesNoHelperBehind) {
  const pid_t ended = helper();
  client_.reset();
  EXPECT_LT(::kill(ended, 0), 0);
}

TEST_F(Client, OutlivesASignalToItsProcessGroup) {
  EXPECT_NE(::getpgid(helper()), ::getpgrp());
  ASSERT_EQ(::kill(helper(), SIGTERM), 0);
  ASSERT_EQ(::kill(helper(), SIGINT), 0);
  const pid_t before = helper();
  EXPECT_TRUE(works());
  EXPECT_EQ(helper(), before);
}

TEST_F(Client, LeaksNoDescriptors) {
  write_file(root_ / "file", random_text(3 * kChunk, 1));
  const auto version = client_->stat("file");
  ASSERT_TRUE(version);
  const auto use = [&] {
    FillRequest fill;
    fill.path = "file";
    fill.expected = **version;
    fill.range = {0, 3 * kChunk};
    fill.limit_bytes = 3 * kChunk;
    fill.chunk_bytes = kChunk;
    const auto fd = posix::open_at(AT_FDCWD, work_ / "object", O_RDWR | O_CREAT, 0600);
    ASSERT_TRUE(fd);
    fill.target_fd = fd->get();
    std::promise<void> end;
    client_->fill(fill, [&](const Result<FillResult>&) { end.set_value(); });
    end.get_future().get();
    StageFileRequest stage;
    stage.leaf = "leaf";
    stage.object_fd = fd->get();
    stage.size_bytes = 3 * kChunk;
    stage.chunk_bytes = kChunk;
    ASSERT_TRUE(client_->stage_file(stage));
    ASSERT_TRUE(client_->list("", 0, 100));
  };
  use();
  const std::string process = std::to_string(helper());
  ASSERT_TRUE(client_->stat(""));
  const size_t ours = count_descriptors("self");
  const size_t theirs = count_descriptors(process);
  for (int i = 0; i < 50; ++i) use();
  EXPECT_EQ(count_descriptors("self"), ours);
  // The helper may still be closing the last ones when we look.
  EXPECT_TRUE(eventually([&] { return count_descriptors(process) <= theirs; }));
}

}  // namespace
}  // namespace tierhub::test
