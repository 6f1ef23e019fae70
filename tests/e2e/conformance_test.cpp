// The mount against the native file system: the same operations must have the same outcome, while
// files are evicted, brought back, published and scanned behind the programs' backs.
//   TIERHUB_CONFORMANCE_SEED    first seed of the random sequences (else by the clock)
//   TIERHUB_CONFORMANCE_SEEDS   how many sequences (4)
//   TIERHUB_CONFORMANCE_STEPS   operations in each (2,000)
//   TIERHUB_CONFORMANCE_COLD_SEEDS, TIERHUB_CONFORMANCE_COLD_STEPS   the same (1, 200), where all
//     that is closed is cold before each operation
#include "tests/e2e/conformance.h"

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <thread>

#include <sys/stat.h>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/support/tier_fixture.h"

namespace tierhub::test::conformance {
namespace {

uint64_t setting(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

// What goes on behind the programs' backs, one after the other, as fast as it goes.
class Churn {
 public:
  explicit Churn(const TestTier& tier)
      : tier_(tier), thread_([this](const std::stop_token& stop) { run(stop); }) {}
  ~Churn() {
    thread_.request_stop();
    thread_.join();
    std::cout << fmt::format(
        "behind them: {} publishes, {} scans, {} evictions of {} files, {} prefetches\n",
        publishes_, scans_, evictions_, evicted_files_, prefetches_);
  }
  Churn(const Churn&) = delete;
  Churn& operator=(const Churn&) = delete;

  // Each of them was done, and there was something to evict.
  bool was_busy() const {
    return publishes_ > 0 && scans_ > 0 && evicted_files_ > 0 && prefetches_ > 0;
  }

 private:
  void run(const std::stop_token& stop) {
    const api::Client client = tier_.client();
    while (!stop.stop_requested()) {
      if (client.start_publish({"/"})) ++publishes_;
      if (const auto evicted = client.evict({"/"})) {
        ++evictions_;
        evicted_files_ += evicted->files;
      }
      if (client.start_scan()) ++scans_;
      api::PrefetchRequest request;
      request.paths = {"/"};
      if (client.start_prefetch(request)) ++prefetches_;
      if (const auto evicted = client.evict({"/"})) evicted_files_ += evicted->files;
    }
  }

  const TestTier& tier_;
  std::atomic<uint64_t> publishes_ = 0, scans_ = 0, evictions_ = 0, evicted_files_ = 0,
                        prefetches_ = 0;
  std::jthread thread_;
};

class Conformance : public TierTest, public ::testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    own_file_system_state();
    tier.settings["chunk_size"] = "16KiB";
    tier.settings["log_level"] = "info";
    tier.settings["passthrough"] = GetParam();
    tier.start();
    native_ = tier.folder("native");
  }

  // An empty folder on each side that everybody may write.
  void begin(const std::string& name) {
    for (const std::string& root : {native_, tier.mount}) {
      const std::string path = root + "/" + name;
      check(::mkdir(path.c_str(), 0777), "mkdir " + path);
      check(::chmod(path.c_str(), 0777), "chmod " + path);
    }
  }
  std::vector<Difference> run(
      const std::string& name, const std::vector<Op>& ops,
      const std::function<void()>& before_each = [] {}) {
    begin(name);
    Machine native(native_ + "/" + name), mount(tier.in_mount(name));
    return compare(native, mount, ops, counts_, before_each);
  }
  // Whatever nobody has open for writing is in the archive, and whatever nobody has open is there
  // alone. What waits for a writer stays: it is known by not getting less.
  void make_cold() {
    constexpr int kStill = 4;
    const api::Client client = tier.client();
    auto progress = client.start_publish({"/"});
    uint64_t left = 0;
    int still = 0;
    eventually("all that is closed is published", [&] {
      if (!progress || progress->done) return true;
      still = progress->pending_keys == left && !progress->waiting.empty() ? still + 1 : 0;
      left = progress->pending_keys;
      if (still >= kStill) return true;
      progress = client.publish_progress(progress->id);
      return false;
    });
    ASSERT_TRUE(progress) << progress.error().text();
    const auto evicted = client.evict({"/"});
    ASSERT_TRUE(evicted) << evicted.error().text();
    evicted_files_ += evicted->files;
  }
  void expect_none(const std::string& what, const std::vector<Difference>& differences) {
    constexpr size_t kShown = 20;
    for (size_t i = 0; i < std::min(differences.size(), kShown); ++i)
      ADD_FAILURE() << what << ", " << differences[i].text;
    if (differences.size() > kShown)
      ADD_FAILURE() << what << ": and " << differences.size() - kShown << " more";
  }

  std::string native_;
  Counts counts_;
  uint64_t evicted_files_ = 0;
};

TEST_P(Conformance, EdgesAreThoseOfALocalFileSystem) {
  for (const Case& one : cases()) expect_none(one.name, run(one.name, one.ops));
}

TEST_P(Conformance, RandomSequencesHaveTheSameOutcome) {
  const uint64_t first = setting("TIERHUB_CONFORMANCE_SEED", 1);
  const uint64_t seeds = setting("TIERHUB_CONFORMANCE_SEEDS", 4);
  const uint64_t steps = setting("TIERHUB_CONFORMANCE_STEPS", 2'000);
  {
    const Churn churn(tier);
    for (uint64_t seed = first; seed < first + seeds; ++seed) {
      const auto ops = random_sequence(seed, steps);
      expect_none(
          fmt::format("TIERHUB_CONFORMANCE_SEED={} TIERHUB_CONFORMANCE_STEPS={}", seed, steps),
          run(fmt::format("seed-{}", seed), ops));
    }
    EXPECT_TRUE(churn.was_busy());
  }
  std::cout << fmt::format("seeds {} to {}:", first, first + seeds - 1);
  for (int call = 0; call < kCalls; ++call) {
    const Count& count = counts_[static_cast<size_t>(call)];
    const char* name = name_of(static_cast<Call>(call));
    std::cout << fmt::format(" {} {}/{}", name, count.succeeded, count.ran);
    EXPECT_GT(count.succeeded, 0u) << name << " never succeeded: nothing is known of it";
  }
  std::cout << "\n";
}

// What they read is what was written, while it is published, evicted and brought back.
TEST_P(Conformance, RandomChangesOfContentHaveTheSameOutcome) {
  const uint64_t first = setting("TIERHUB_CONFORMANCE_SEED", 1);
  const uint64_t seeds = setting("TIERHUB_CONFORMANCE_SEEDS", 4);
  const uint64_t steps = setting("TIERHUB_CONFORMANCE_STEPS", 2'000);
  const Churn churn(tier);
  for (uint64_t seed = first; seed < first + seeds; ++seed) {
    expect_none(
        fmt::format("TIERHUB_CONFORMANCE_SEED={} TIERHUB_CONFORMANCE_STEPS={}", seed, steps),
        run(fmt::format("content-{}", seed), random_content_sequence(seed, steps)));
  }
  std::cout << fmt::format("seeds {} to {}\n", first, first + seeds - 1);
}

// Nothing is left to chance: each operation meets what is closed cold.
TEST_P(Conformance, RandomChangesOfColdFilesHaveTheSameOutcome) {
  const uint64_t first = setting("TIERHUB_CONFORMANCE_SEED", 1);
  const uint64_t seeds = setting("TIERHUB_CONFORMANCE_COLD_SEEDS", 1);
  const uint64_t steps = setting("TIERHUB_CONFORMANCE_COLD_STEPS", 200);
  for (uint64_t seed = first; seed < first + seeds; ++seed) {
    expect_none(
        fmt::format("TIERHUB_CONFORMANCE_SEED={} TIERHUB_CONFORMANCE_COLD_STEPS={}", seed, steps),
        run(fmt::format("cold-{}", seed), random_content_sequence(seed, steps),
            [this] { make_cold(); }));
  }
  EXPECT_GT(evicted_files_, 0u);
  std::cout << fmt::format("seeds {} to {}: {} evictions\n", first, first + seeds - 1,
                           evicted_files_);
}

// A publish that renames a file, or a folder above it, or sets its times, is in the archive before
// it is on record: who reads the cold file just then must not hear of it.
TEST_P(Conformance, ColdFilesAreReadWhileTheirNamesAndTimesArePublished) {
  begin("cold");
  const std::string content = random_bytes(100'000, 1);
  std::filesystem::create_directories(tier.in_mount("cold/a/b"));
  write_file(tier.in_mount("cold/a/b/file"), content);
  const Churn churn(tier);
  std::string folder = tier.in_mount("cold/a");
  for (int i = 0; i < 150; ++i) {
    const std::string moved = tier.in_mount(fmt::format("cold/{}", i));
    check(::rename(folder.c_str(), moved.c_str()), "rename");
    folder = moved;
    const timespec times[2] = {{i, 0}, {i, 0}};
    check(::utimensat(AT_FDCWD, (folder + "/b/file").c_str(), times, 0), "utimensat");
    ASSERT_EQ(read_file(folder + "/b/file"), content);
  }
}

INSTANTIATE_TEST_SUITE_P(Passthrough, Conformance, ::testing::Values("true", "false"));

}  // namespace
}  // namespace tierhub::test::conformance
