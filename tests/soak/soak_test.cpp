// Several processes do random operations on a mount for as long as TIERHUB_SOAK_MINUTES says (0.2
// if it says nothing), while the archive hangs, fails, fills up and turns read-only for seconds,
// and tierd is stopped, or killed, and started again. Whatever was acknowledged must be there, at
// any time and at the end, when mount and archive are equal. TIERHUB_SOAK_SEED repeats the choices,
// not their interleaving. scripts/soak.sh runs it.
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <map>
#include <optional>
#include <random>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/disk.h"
#include "tests/support/faulty_folder.h"
#include "tests/support/tier_fixture.h"

namespace tierhub::test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr int kWorkers = 3;
constexpr int kFiles = 12;
constexpr size_t kMaxBytes = 1 << 20;

// What the processes share.
struct Shared {
  std::atomic<bool> stop{false};
  // Faults and restarts: how many hold now, and how many began or ended so far.
  std::atomic<int> faults_now{0};
  std::atomic<uint64_t> fault_changes{0};
  std::atomic<uint64_t> operations{0};
  std::atomic<uint64_t> checked{0};
  std::atomic<uint64_t> refused{0};
  std::atomic<bool> failed{false};
  char failure[2000] = {};

  void fail(const std::string& text) {
    if (failed.exchange(true)) return;
    std::strncpy(failure, text.c_str(), sizeof failure - 1);
  }
};

// An operation that the tier did not carry out, with errno.
struct Refused {
  int code = 0;
  std::string action;
};

void must(long result, const std::string& action) {
  if (result < 0) throw Refused{errno, action};
}

// One process's own folder, and what must be in it.
class Worker {
 public:
  Worker(Shared& shared, std::string folder, uint64_t seed)
      : shared_(shared), folder_(std::move(folder)), random_(seed) {}

  void run() {
    while (!shared_.stop && !shared_.failed) step([this] { work(); });
    for (const auto& [name, content] : known_) {
      while (!shared_.failed && !step([&, n = name] { verify(n); })) {
      }
    }
  }

 private:
  using Content = std::optional<std::string>;  // none: there is no such file

  // Nothing may be refused while no fault holds. False: it was.
  template <class Act>
  bool step(Act act) {
    const uint64_t before = shared_.fault_changes;
    const bool calm = shared_.faults_now == 0;
    try {
      // While tierd starts again there is no mount, which does not mean that there are no files.
      open_folder_.reset(::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
      must(open_folder_.get(), "open " + folder_);
      act();
      ++shared_.operations;
      return true;
    } catch (const Refused& refused) {
      ++shared_.refused;
      const bool expected = refused.code == ENOSPC || !calm || shared_.faults_now != 0 ||
                            shared_.fault_changes != before;
      if (!expected) {
        shared_.fail(fmt::format("{}: {} though there was no fault", refused.action,
                                 std::strerror(refused.code)));
      }
      std::this_thread::sleep_for(20ms);
      return false;
    }
  }

  std::string path(const std::string& name) const {
    return fmt::format("/proc/self/fd/{}/{}", open_folder_.get(), name);
  }
  std::string some_name() { return fmt::format("f{}", random_() % kFiles); }
  std::string some_bytes(size_t most) { return random_bytes(random_() % most, random_()); }

  Content read(const std::string& name) const {
    const UniqueFd file(::open(path(name).c_str(), O_RDONLY | O_CLOEXEC));
    if (!file && errno == ENOENT) return std::nullopt;
    must(file.get(), "open " + name);
    std::string content;
    std::vector<char> buffer(256 << 10);
    for (;;) {
      const ssize_t n = ::read(file.get(), buffer.data(), buffer.size());
      must(n, "read " + name);
      if (n == 0) return content;
      content.append(buffer.data(), static_cast<size_t>(n));
    }
  }

  // What an interrupted operation left is looked at, and counts from then on.
  Content& content_of(const std::string& name) {
    auto it = known_.find(name);
    if (it == known_.end()) it = known_.emplace(name, read(name)).first;
    return it->second;
  }

  void verify(const std::string& name) {
    const Content& expected = content_of(name);
    const Content found = read(name);
    ++shared_.checked;
    if (found == expected) return;
    size_t at = 0;
    if (found && expected)
      while (at < found->size() && at < expected->size() && (*found)[at] == (*expected)[at]) ++at;
    shared_.fail(fmt::format("{}/{}: {} bytes instead of {}, different from byte {} on", folder_,
                             name, found ? static_cast<int64_t>(found->size()) : -1,
                             expected ? static_cast<int64_t>(expected->size()) : -1, at));
  }

  // Until it is acknowledged nobody knows what the file holds.
  template <class Act>
  void change(const std::string& name, Content after, Act act) {
    known_.erase(name);
    act();
    known_[name] = std::move(after);
  }

  void write(const std::string& name, int flags, size_t offset, const std::string& bytes,
             Content after) {
    change(name, std::move(after), [&] {
      const UniqueFd file(::open(path(name).c_str(), flags | O_CLOEXEC, 0644));
      must(file.get(), "open " + name);
      for (size_t done = 0; done < bytes.size();) {
        const ssize_t n = ::pwrite(file.get(), bytes.data() + done, bytes.size() - done,
                                   static_cast<off_t>(offset + done));
        must(n, "write " + name);
        done += static_cast<size_t>(n);
      }
      if (random_() % 4 == 0) must(::fsync(file.get()), "fsync " + name);
    });
  }

  void work() {
    const std::string name = some_name();
    switch (random_() % 10) {
      case 0:
      case 1: {
        const std::string bytes = some_bytes(kMaxBytes);
        return write(name, O_WRONLY | O_CREAT | O_TRUNC, 0, bytes, bytes);
      }
      case 2:
      case 3: {
        Content after = content_of(name);
        if (!after) return;
        const std::string bytes = some_bytes(100'000);
        const size_t offset = random_() % (after->size() + 1);
        after->resize(std::max(after->size(), offset + bytes.size()));
        after->replace(offset, bytes.size(), bytes);
        return write(name, O_WRONLY, offset, bytes, after);
      }
      case 4: {
        Content after = content_of(name);
        if (!after) return;
        after->resize(random_() % (after->size() + 1000));
        return change(name, after, [&] {
          must(::truncate(path(name).c_str(), static_cast<off_t>(after->size())),
               "truncate " + name);
        });
      }
      case 5: {
        const std::string other = some_name();
        Content moved = content_of(name);
        if (!moved || other == name) return;
        known_.erase(other);
        change(name, std::nullopt,
               [&] { must(::rename(path(name).c_str(), path(other).c_str()), "rename " + name); });
        known_[other] = std::move(moved);
        return;
      }
      case 6:
        if (!content_of(name)) return;
        return change(name, std::nullopt,
                      [&] { must(::unlink(path(name).c_str()), "unlink " + name); });
      default:
        return verify(name);
    }
  }

  Shared& shared_;
  const std::string folder_;
  UniqueFd open_folder_;
  std::mt19937_64 random_;
  std::map<std::string, Content> known_;
};

double minutes() {
  const char* text = std::getenv("TIERHUB_SOAK_MINUTES");
  return text == nullptr ? 0.2 : std::strtod(text, nullptr);
}

uint64_t seed() {
  const char* text = std::getenv("TIERHUB_SOAK_SEED");
  return text == nullptr ? std::random_device()() : std::strtoull(text, nullptr, 10);
}

class Soak : public ::testing::Test {
 protected:
  Soak() : tier(std::chrono::seconds(static_cast<int64_t>(minutes() * 60) + 240)) {}

  void SetUp() override {
    shared = new (::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_ANONYMOUS, -1, 0)) Shared;
    tier.settings["chunk_size"] = "64KiB";
    tier.settings["settle_s"] = "0.3";
    tier.settings["capacity"] = "40MiB";
    tier.settings["reserve"] = "4MiB";
    tier.settings["archive_time_limit_s"] = "1";
    tier.settings["log_level"] = "info";
    backing = tier.folder("backing");
    faulty = std::make_unique<FaultyFolder>(backing, tier.archive, tier.folder("faults") + "/now");
    random.seed(first_seed);
    std::cout << fmt::format("soak: {} minutes, seed {}\n", minutes(), first_seed) << std::flush;
    tier.start();
  }

  void TearDown() override {
    if (tier.running()) tier.kill();
    keep_evidence();
    faulty.reset();
  }

  // Where to look when it failed.
  void keep_evidence() const {
    const char* folder = std::getenv("TIERHUB_SOAK_EVIDENCE");
    if (!HasFailure() || folder == nullptr) return;
    const fs::path to = folder;
    fs::create_directories(to);
    write_file(to / "tierd.log", tier.log());
    for (const std::string& from : {backing, tier.scratch, tier.state})
      run_command({"cp", "-a", "--sparse=always", from, to});
    std::cout << "the evidence is in " << folder << "\n";
  }

  void start_workers() {
    for (int i = 0; i < kWorkers; ++i) {
      const std::string folder = tier.in_mount(fmt::format("worker{}", i));
      fs::create_directory(folder);
      const pid_t child = ::fork();
      if (child == 0) {
        Worker(*shared, folder, first_seed * 100 + static_cast<uint64_t>(i)).run();
        ::_exit(0);
      }
      children.push_back(child);
    }
  }

  void end_workers() {
    shared->stop = true;
    for (const pid_t child : children) {
      int status = 0;
      ::waitpid(child, &status, 0);
      EXPECT_EQ(status, 0) << "a worker died";
    }
    EXPECT_FALSE(shared->failed) << shared->failure;
  }

  void pause(int most_ms) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100 + random() % most_ms));
  }

  // `act` takes its time; meanwhile, and until the archive answers again, operations may fail.
  template <class Act>
  void with_fault(const std::string& what, Act act) {
    ++counts[what];
    ++shared->faults_now;
    ++shared->fault_changes;
    act();
    faulty->clear();
    faulty->go_on();
    eventually(
        "the archive is back after: " + what,
        [&] {
          const auto status = tier.client().status();
          return status && status->archive_state == "online";
        },
        30s);
    ++shared->fault_changes;
    --shared->faults_now;
  }

  void disturb() {
    switch (random() % 9) {
      case 0:
        return with_fault("kill -9", [&] {
          tier.kill();
          tier.start();
        });
      case 1:
        return with_fault("restart", [&] {
          tier.stop();
          tier.start();
        });
      case 2:
        return with_fault("archive hangs", [&] {
          faulty->hang();
          pause(3000);
        });
      case 3:
        return with_fault("killed while the archive hangs", [&] {
          faulty->hang();
          pause(1000);
          tier.kill();
          faulty->go_on();
          tier.start();
        });
      case 4:
        return with_fault("archive fails", [&] {
          faulty->set({"eio * 0 1000000000"});
          pause(2000);
        });
      case 5:
        return with_fault("archive is read-only", [&] {
          faulty->set({"erofs"});
          pause(2000);
        });
      case 6:
        return with_fault("archive is full", [&] {
          faulty->set({"enospc"});
          pause(2000);
        });
      case 7:
        ++counts["evict"];
        return static_cast<void>(tier.client().evict({"/"}));
      default:
        ++counts["publish"];
        return static_cast<void>(tier.client().start_publish({"/"}));
    }
  }

  const uint64_t first_seed = seed();
  TestTier tier;
  std::string backing;
  std::unique_ptr<FaultyFolder> faulty;
  Shared* shared = nullptr;
  std::mt19937_64 random;
  std::vector<pid_t> children;
  std::map<std::string, int> counts;
};

TEST_F(Soak, LosesNothingUntilTheTimeIsOver) {
  start_workers();
  const auto end = Clock::now() + std::chrono::duration<double>(minutes() * 60);
  try {
    while (Clock::now() < end && !shared->failed) {
      pause(700);
      disturb();
    }
  } catch (const std::exception& error) {
    ADD_FAILURE() << error.what();
    shared->fail("given up");
  }
  end_workers();
  std::string done;
  for (const auto& [what, count] : counts) done += fmt::format(", {}: {}", what, count);
  std::cout << fmt::format("soak: seed {}, {} operations, {} contents checked, {} refused{}\n",
                           first_seed, shared->operations.load(), shared->checked.load(),
                           shared->refused.load(), done);
  if (HasFailure()) return;

  const Tree found = describe_tree(tier.mount);
  tier.publish();
  EXPECT_THAT(differences(describe_tree(tier.mount), describe_tree(backing)), ::testing::IsEmpty());
  EXPECT_EQ(tier.evict("/").skipped_files, 0u);
  EXPECT_THAT(differences(found, describe_tree(tier.mount)), ::testing::IsEmpty());
  EXPECT_EQ(tier.status().summary, "ok");
  tier.stop();
}

}  // namespace
}  // namespace tierhub::test
