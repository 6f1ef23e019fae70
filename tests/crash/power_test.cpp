// Lost power. State, scratch and archive each are a real file system on a loop device. tierd is
// killed at a fault point; then each of the three loses what it had not written yet, or keeps it,
// or keeps a part of it, independently of the others: its file system is stopped at once, without
// writing data or journal, and mounted again from its image. tierd then starts with another boot
// id. What was synced is there; everything else is old, new or absent.
//
// Each fault point is tried with TIERHUB_POWER_SEEDS seeds (1 if not given), counted from
// TIERHUB_POWER_SEED (1). A name ends in its seed.
#include <array>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <random>
#include <set>
#include <vector>

#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/fault_points.h"
#include "tests/crash/deaths.h"
#include "tests/crash/promises.h"
#include "tests/support/disk.h"

namespace tierhub::test {
namespace {

namespace fs = std::filesystem;
using ::testing::IsEmpty;
using namespace std::chrono_literals;

constexpr int kKilled = 128 + 9;
constexpr const char* kBootId = "/proc/sys/kernel/random/boot_id";
// The kernel writes back nothing by itself as long as a test takes.
constexpr const char* kExt4Options = "commit=900";
// The mount before the power cut may still be ending.
constexpr const char* kXfsOptions = "nouuid";

uint64_t number_from_environment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

// What became of a disk's unwritten bytes when the power went.
enum class Fate { lost, kept, partly };
constexpr std::array kFateNames = {"lost", "kept", "partly"};

// What all tests of this run did, printed at its end.
struct Statistics : ::testing::Environment {
  std::set<std::string> points;
  std::set<uint64_t> seeds;
  std::set<std::string> fates;
  uint64_t cuts = 0;
  uint64_t reached = 0;
  void TearDown() override {
    std::cout << fmt::format(
        "power: {} crash points x {} seeds, {} reached, {} power cuts, {} of 27 combinations of "
        "what three disks kept\n",
        points.size(), seeds.size(), reached, cuts, fates.size());
  }
};
auto* const statistics =
    static_cast<Statistics*>(::testing::AddGlobalTestEnvironment(new Statistics));

struct Case {
  std::string_view point;
  uint64_t seed = 0;
  uint64_t variant = 0;  // chooses scratch's file system and the reach
};

class Power : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    images = tier.folder("images");
    mount_memory(images, uint64_t{3} << 30);
    const bool xfs = GetParam().variant % 3 == 0;
    archive = make_disk("archive", tier.archive, Disk::Format::ext4);
    state = make_disk("state", tier.state, Disk::Format::ext4);
    scratch = make_disk("scratch", tier.scratch, xfs ? Disk::Format::xfs : Disk::Format::ext4);
    // Small chunks: every file has several.
    tier.settings["chunk_size"] = "64KiB";
    make_archive(tier, model);
    archive->sync();
    promises = std::make_unique<Promises>(model);
    statistics->points.insert(std::string(GetParam().point));
    statistics->seeds.insert(GetParam().seed);
    random.seed(GetParam().seed * 1000 + std::hash<std::string_view>()(GetParam().point) % 1000);
  }
  void TearDown() override {
    if (HasFailure()) std::cerr << "---- log of tierd ----\n" << tier.log();
    if (tier.running()) tier.kill();
    while (::umount2(tier.mount.c_str(), MNT_DETACH) == 0) {
    }
    for (auto* disk : {&archive, &state, &scratch}) disk->reset();
    ::umount2(images.c_str(), MNT_DETACH);
    while (reboots-- > 0) ::umount2(kBootId, MNT_DETACH);
  }

  std::unique_ptr<Disk> make_disk(const std::string& name, const std::string& folder,
                                  Disk::Format format) const {
    Disk::Options options;
    options.format = format;
    options.mount_options = format == Disk::Format::ext4 ? kExt4Options : kXfsOptions;
    return std::make_unique<Disk>(images + "/" + name, folder, options);
  }

  static std::string armed(const Death& death) {
    return fmt::format("TIERHUB_FAULT_POINT={}:{}", death.point, death.reach);
  }

  // Some files of it, as the kernel might have written them back.
  void sync_some(const Disk& disk) {
    for (const auto& entry : fs::recursive_directory_iterator(disk.folder())) {
      if (!entry.is_regular_file() || random() % 2 == 0) continue;
      const UniqueFd file(::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC));
      if (file) check(::fdatasync(file.get()), "sync " + entry.path().string());
    }
  }

  // By chance, unless the point needs a log that ends too early, or one that still has its
  // prefetch.
  Fate fate_of(const Disk* disk) {
    const auto fate = static_cast<Fate>(random() % 3);
    const std::string_view point = GetParam().point;
    if (disk == state.get() && is_of_lost_power(point)) return Fate::lost;
    if (disk == state.get() && point == "prefetch.resumed" && reboots == 0) return Fate::kept;
    return fate;
  }

  void cut_power() {
    std::string fates;
    const std::array disks = {state.get(), scratch.get(), archive.get()};
    for (Disk* disk : disks) {
      const Fate fate = fate_of(disk);
      if (fate == Fate::kept) disk->sync();
      if (fate == Fate::partly) sync_some(*disk);
      fates += fmt::format(" {}", kFateNames[static_cast<size_t>(fate)]);
    }
    for (Disk* disk : disks) disk->cut_power();
    for (Disk* disk : disks) disk->mount();
    ++reboots;
    const std::string boot_id = tier.folder("boot") + fmt::format("/{}", reboots);
    write_file(boot_id, fmt::format("00000000-0000-4000-8000-{:012}\n", reboots));
    check(::mount(boot_id.c_str(), kBootId, nullptr, MS_BIND, nullptr), "another boot id");
    happened += fmt::format("power cut: state, scratch, archive{}; ", fates);
    statistics->fates.insert(fates);
    ++statistics->cuts;
  }

  // Works until tierd is killed, or to the end.
  void work_until(const Death& death) {
    tier.start();
    tier.prefetch("/old/hot");
    tier.prefetch("/old/victim");
    read_range(tier.in_mount("old/partial"), 0, 1);
    tier.kill();
    tier.start({armed(death)});
    for (const Step& step : workload(tier, {})) {
      step.effect(model);
      promises->step(model);
      try {
        step.act();
      } catch (const std::exception& error) {
        ASSERT_EQ(tier.wait_for_end(10s), kKilled) << step.name << ": " << error.what();
        happened +=
            fmt::format("killed at {}:{} in the step: {}; ", death.point, death.reach, step.name);
        ++statistics->reached;
        return;
      }
      promises->acknowledge(model, step.synced);
      if (!step.written_through.empty()) promises->written_through(model, step.written_through);
      if (tier.wait_for_end(0ms) == kKilled) {
        happened += fmt::format("killed at {}:{} after the step: {}; ", death.point, death.reach,
                                step.name);
        ++statistics->reached;
        return;
      }
    }
    if (comes_by_itself(death.point) && tier.wait_for_end(10s) == kKilled) {
      ++statistics->reached;
      return;
    }
    // Points are reached once at least; those that are not reached again kill nobody.
    ASSERT_GT(death.reach, 1) << "the fault point was never reached";
    happened += "killed at the end; ";
    tier.kill();
  }

  // The recovery itself is killed, and the power goes again.
  void die_recovering() {
    tier.spawn({armed({GetParam().point, 1})});
    ASSERT_EQ(tier.wait_for_end(30s), kKilled) << "the fault point was never reached";
    ++statistics->reached;
    happened += "killed while it recovered; ";
  }

  void expect_whole_files_in_the_archive() {
    for (const auto& entry : fs::recursive_directory_iterator(tier.archive)) {
      const std::string path = entry.path().lexically_relative(tier.archive);
      if (path.starts_with(".tierhub") || path.starts_with("lost+found")) continue;
      if (!entry.is_regular_file() || entry.is_symlink()) continue;
      EXPECT_TRUE(promises->is_a_version(read_file(entry.path())))
          << path << " in the archive is no whole version of a file";
    }
  }

  TestTier tier;
  std::string images;
  std::unique_ptr<Disk> archive;
  std::unique_ptr<Disk> state;
  std::unique_ptr<Disk> scratch;
  Model model;
  std::unique_ptr<Promises> promises;
  std::mt19937_64 random;
  std::string happened;
  int reboots = 0;
};

TEST_P(Power, LosesNothingThatWasPromisedAndLeavesNothingTorn) {
  const Death first = death_before(GetParam().point);
  const bool twice = !first.point.empty();
  constexpr std::array kReaches = {1, 2, 3, 6};
  const int reach = comes_by_itself(GetParam().point) ? 1 : kReaches[GetParam().variant % 4];
  work_until(twice ? first : Death{GetParam().point, reach});
  if (HasFatalFailure()) return;
  SCOPED_TRACE(::testing::Message() << happened);
  if (!twice || is_of_lost_power(GetParam().point) || random() % 2 == 0) cut_power();
  if (twice) {
    die_recovering();
    if (HasFatalFailure()) return;
    cut_power();
  }
  SCOPED_TRACE(::testing::Message() << happened);
  expect_whole_files_in_the_archive();

  tier.start();
  EXPECT_THAT(promises->broken(tier.mount), IsEmpty());
  // What others added is found again if the catalog forgot it.
  tier.scan();
  tier.publish();
  const Tree found = observe(tier.mount, {});
  Tree archived = describe_tree(tier.archive);
  archived.erase("lost+found");
  EXPECT_THAT(differences(describe_tree(tier.mount), archived), IsEmpty());
  const api::Status status = tier.status();
  EXPECT_EQ(status.summary, "ok");
  EXPECT_EQ(status.parked_keys, 0u);
  EXPECT_EQ(status.journal_keys, 0u);
  EXPECT_EQ(status.dirty_files, 0u);
  // All of it comes back from the archive alone.
  EXPECT_EQ(tier.evict("/").skipped_files, 0u);
  EXPECT_THAT(differences(found, observe(tier.mount, {})), IsEmpty()) << "eviction changed it";
  EXPECT_LT(tier.stop(), 10s);
}

std::vector<Case> cases() {
  const uint64_t first = number_from_environment("TIERHUB_POWER_SEED", 1);
  const uint64_t seeds = number_from_environment("TIERHUB_POWER_SEEDS", 1);
  std::vector<Case> result;
  // Points next to each other get different seeds, so that each of them dies at another reach.
  uint64_t offset = 0;
  for (const std::string_view point : kFaultPointNames) {
    if (is_of_fsck(point)) continue;
    for (uint64_t i = 0; i < seeds; ++i) result.push_back({point, first + i, first + i + offset});
    ++offset;
  }
  return result;
}

std::string case_name(const ::testing::TestParamInfo<Case>& info) {
  std::string name = fmt::format("{}_seed_{}", info.param.point, info.param.seed);
  for (char& c : name) c = c == '.' ? '_' : c;
  return name;
}

INSTANTIATE_TEST_SUITE_P(AtEachPoint, Power, ::testing::ValuesIn(cases()), case_name);

}  // namespace
}  // namespace tierhub::test
