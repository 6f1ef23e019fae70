// kill -9 at each named fault point, while one client holds a passthrough descriptor and another a
// mapping whose descriptor is closed, and both keep writing across the restarts. Afterwards the
// invariants hold: nothing acknowledged is lost, nobody sees a half file, the archive becomes a
// replica.
#include <cstring>
#include <filesystem>
#include <set>
#include <vector>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <unistd.h>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/fault_points.h"
#include "tests/crash/deaths.h"
#include "tests/crash/workload.h"
#include "tests/support/disk.h"

namespace tierhub::test {
namespace {

using ::testing::IsEmpty;
using namespace std::chrono_literals;

constexpr int kKilled = 128 + 9;
constexpr size_t kMappingBytes = 64 * 1024;
// Open for writing until the end: never published before.
const std::vector<std::string> kPatient = {"held", "mapped"};

// Appends through a descriptor that it never closes.
class HeldWriter {
 public:
  void open(const std::string& path) {
    file_.reset(::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
    check(file_.get(), "open " + path);
  }
  void write() {
    const std::string line = fmt::format("line {}\n", ++lines_);
    check(::write(file_.get(), line.data(), line.size()), "write to the held descriptor");
    content_ += line;
  }
  void close() { file_.reset(); }
  const std::string& content() const { return content_; }

 private:
  UniqueFd file_;
  int lines_ = 0;
  std::string content_;
};

// Stores into a mapping whose descriptor is closed.
class MappedWriter {
 public:
  ~MappedWriter() { close(); }
  void open(const std::string& path) {
    write_file(path, content_);
    const UniqueFd file(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    check(file.get(), "open " + path);
    void* address =
        ::mmap(nullptr, kMappingBytes, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
    if (address == MAP_FAILED) check(-1, "mmap " + path);
    bytes_ = static_cast<char*>(address);
  }
  void write() {
    const std::string mark = fmt::format("store {};", ++stores_);
    const size_t offset = (static_cast<size_t>(stores_) * 1021) % (kMappingBytes - mark.size());
    std::memcpy(bytes_ + offset, mark.data(), mark.size());
    content_.replace(offset, mark.size(), mark);
  }
  void close() {
    if (bytes_ != nullptr) ::munmap(bytes_, kMappingBytes);
    bytes_ = nullptr;
  }
  const std::string& content() const { return content_; }

 private:
  char* bytes_ = nullptr;
  int stores_ = 0;
  std::string content_ = std::string(kMappingBytes, '.');
};

class Crash : public ::testing::TestWithParam<Death> {
 protected:
  void SetUp() override {
    // In memory: each test waits for many syncs.
    mount_memory(tier.folder("memory"), uint64_t{2} << 30);
    for (std::string* folder : {&tier.archive, &tier.scratch, &tier.state}) {
      *folder = tier.folder("memory/" + std::filesystem::path(*folder).filename().string());
    }
    // Small chunks: every file has several.
    tier.settings["chunk_size"] = "64KiB";
    make_archive(tier, before);
    after = before;
    note_versions();
    tier.start();
    tier.prefetch("/old/hot");
    tier.prefetch("/old/victim");
    read_range(tier.in_mount("old/partial"), 0, 1);
    held.open(tier.in_mount("held"));
    mapped.open(tier.in_mount("mapped"));
    keep_writing();
    tier.kill();
    keep_writing();
  }
  void TearDown() override {
    if (HasFailure()) std::cerr << "---- log of tierd ----\n" << tier.log();
    if (tier.running()) tier.kill();
    ::umount2(tier.folder("memory").c_str(), MNT_DETACH);
  }

  void keep_writing() {
    held.write();
    mapped.write();
  }

  void note_versions() {
    for (const auto& [path, text] : after.describe()) versions.insert(text);
  }

  static std::string armed(const Death& death) {
    return fmt::format("TIERHUB_FAULT_POINT={}:{}", death.point, death.reach);
  }

  // Works until tierd is killed; `before` and `after` frame the step in which it was.
  void work_until_killed(const Death& death) {
    tier.start({armed(death)});
    for (const Step& step : workload(tier, kPatient)) {
      before = after;
      step.effect(after);
      if (step.at_rest) note_versions();
      last_step = step.name;
      try {
        step.act();
      } catch (const std::exception& error) {
        ASSERT_EQ(tier.wait_for_end(10s), kKilled) << step.name << ": " << error.what();
        return;
      }
      before = after;  // acknowledged
      keep_writing();
      if (tier.wait_for_end(0ms) == kKilled) return;
    }
    if (comes_by_itself(death.point) && tier.wait_for_end(10s) == kKilled) return;
    // Every point is reached once; those that are not reached again kill nobody.
    ASSERT_GT(death.reach, 1) << "the fault point was never reached";
    tier.kill();
  }

  // What stands in the archive under a final name is a whole version of some file.
  void expect_no_half_file_in_the_archive() {
    for (const auto& [path, text] : observe(tier.archive, {})) {
      EXPECT_TRUE(versions.contains(text)) << path << ": " << text << "\nis no whole version";
      EXPECT_THAT(kPatient, ::testing::Not(::testing::Contains(path))) << "it is open for writing";
    }
  }

  void expect_nothing_lost() {
    const Tree found = at_rest([&] { return observe(tier.mount, kPatient); });
    const auto to_before = differences(before.describe(), found);
    const auto to_after = differences(after.describe(), found);
    EXPECT_TRUE(to_before.empty() || to_after.empty())
        << "neither as before the step nor as after it; against before:\n"
        << fmt::format("{}\nagainst after:\n{}", fmt::join(to_before, "\n"),
                       fmt::join(to_after, "\n"));
    EXPECT_EQ(read_file(tier.in_mount("held")), held.content());
    EXPECT_EQ(read_file(tier.in_mount("mapped")), mapped.content());
  }

  void expect_replica() {
    EXPECT_THAT(differences(describe_tree(tier.mount), describe_tree(tier.archive)), IsEmpty());
    const api::Status status = tier.status();
    EXPECT_EQ(status.summary, "ok");
    EXPECT_EQ(status.journal_keys, 0u);
    EXPECT_EQ(status.dirty_files, 0u);
  }

  TestTier tier;
  Model before;
  Model after;
  std::set<std::string> versions;
  std::string last_step;
  HeldWriter held;
  MappedWriter mapped;
};

TEST_P(Crash, LosesNothingAndLeavesNothingHalf) {
  const Death first = death_before(GetParam().point);
  work_until_killed(first.point.empty() ? GetParam() : first);
  if (HasFatalFailure()) return;
  if (!first.point.empty()) {
    tier.spawn({armed(GetParam())});
    ASSERT_EQ(tier.wait_for_end(30s), kKilled) << "the fault point was never reached";
  }
  SCOPED_TRACE("killed in the step: " + last_step);
  keep_writing();
  expect_no_half_file_in_the_archive();

  tier.start();
  keep_writing();
  expect_nothing_lost();
  tier.scan();  // killed in a scan, it is scanned again
  held.close();
  mapped.close();
  tier.publish();
  expect_nothing_lost();
  expect_replica();
  // All of it comes back from the archive alone.
  EXPECT_EQ(tier.evict("/").skipped_files, 0u);
  expect_nothing_lost();
  EXPECT_LT(tier.stop(), 10s);
}

std::string test_name(const ::testing::TestParamInfo<Death>& info) {
  std::string name = fmt::format("{}_reach_{}", info.param.point, info.param.reach);
  for (char& c : name) c = c == '.' ? '_' : c;
  return name;
}

std::vector<Death> at_reach(int reach) {
  std::vector<Death> deaths;
  for (const std::string_view point : kFaultPointNames) {
    if (is_of_fsck(point) || is_of_lost_power(point)) continue;
    if (reach == 1 || (death_before(point).point.empty() && !comes_by_itself(point)))
      deaths.push_back({point, reach});
  }
  return deaths;
}

INSTANTIATE_TEST_SUITE_P(AtFirst, Crash, ::testing::ValuesIn(at_reach(1)), test_name);
// TIERHUB_CRASH_REACH=n kills at the n-th reach of each point as well.
std::vector<Death> at_chosen_reach() {
  const char* reach = std::getenv("TIERHUB_CRASH_REACH");
  return reach == nullptr ? std::vector<Death>() : at_reach(std::stoi(reach));
}

INSTANTIATE_TEST_SUITE_P(Later, Crash, ::testing::ValuesIn(at_chosen_reach()), test_name);

}  // namespace
}  // namespace tierhub::test
