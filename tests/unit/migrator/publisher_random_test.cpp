// Random changes of a small tree, rounds that are cut short anywhere, restarts: in the end both
// sides are equal. TIERHUB_SEED=n repeats one run.
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <stdio.h>

#include "common/fault_points.h"
#include "tests/unit/migrator/tier_by_path.h"

namespace tierhub::test::publisher_random_test {
namespace {

struct Crash {};

class RandomPeople {
 public:
  RandomPeople(TierByPath& world, uint64_t seed) : world_(world), random_(seed) {}

  // One change; one that the file system refuses is no change.
  void act() {
    const std::string path = any_path();
    const std::string other = any_path();
    try_to([&] {
      switch (below(14)) {
        case 0:
        case 1:
          return world_.make_folder(path);
        case 2:
        case 3:
        case 4:
          return world_.write(path,
                              std::string(below(3 * kChunk), static_cast<char>('a' + below(26))));
        case 5:
        case 6:
        case 7:
          return rename(path, other, 0);
        case 8:
          return rename(path, other, RENAME_EXCHANGE);
        case 9:
          return link(path, other);
        case 10:
          return remove(path);
        case 11:
          return world_.change_mode(path, 0700 + static_cast<uint32_t>(below(64)));
        case 12:
          return world_.symlink("somewhere", path);
        case 13:
          return truncate(path);
      }
    });
  }

  // A round, which may die anywhere.
  void publish() {
    static constexpr std::array kSteps = {"publish.after_stage",   "publish.after_archive_sync",
                                          "publish.after_intent",  "publish.after_act",
                                          "publish.before_commit", "publish.after_commit"};
    if (below(3) > 0) return world_.publish();
    arm_fault_point(kSteps[below(kSteps.size())], static_cast<int>(1 + below(4)),
                    [] { throw Crash{}; });
    try {
      world_.publish();
    } catch (const Crash&) {
      arm_fault_point("", 1, nullptr);
      world_.restart(below(2) == 0 ? TierByPath::Death::killed : TierByPath::Death::power_lost);
    }
    arm_fault_point("", 1, nullptr);
  }

  uint64_t below(uint64_t n) { return random_() % n; }

 private:
  // Names meet often: three letters, three levels.
  std::string any_path() {
    std::string path(1, static_cast<char>('a' + below(3)));
    for (uint64_t depth = below(3); depth > 0; --depth)
      path += std::string("/") + static_cast<char>('a' + below(3));
    return path;
  }
  template <class F>
  void try_to(F change) {
    try {
      change();
    } catch (const std::runtime_error&) {
    }
  }
  std::pair<InodeNumber, std::string> split(const std::string& path) {
    const size_t slash = path.rfind('/');
    if (slash == std::string::npos) return {kRootInode, path};
    const InodeNumber parent = world_.inode(path.substr(0, slash));
    const auto record = value_of(world_.catalog->inode(parent));
    if (record->attributes.kind != FileKind::directory)
      throw std::runtime_error(path + ": not in a folder");
    return {parent, path.substr(slash + 1)};
  }
  // The kernel refuses to move or link something into itself, or into a file, before the file
  // system is asked.
  static bool lies_in(const std::string& path, const std::string& folder) {
    return (path + "/").starts_with(folder + "/");
  }

  void rename(const std::string& from, const std::string& to, unsigned flags) {
    if (lies_in(to, from) || lies_in(from, to)) return;
    const auto [parent, name] = split(from);
    const auto [new_parent, new_name] = split(to);
    static_cast<void>(world_.fs->rename(parent, name, new_parent, new_name, flags));
  }
  void link(const std::string& from, const std::string& to) {
    if (lies_in(to, from)) return;
    const auto [parent, name] = split(to);
    static_cast<void>(world_.fs->link(world_.inode(from), parent, name));
  }
  void remove(const std::string& path) {
    const auto [parent, name] = split(path);
    if (!world_.fs->unlink(parent, name)) static_cast<void>(world_.fs->rmdir(parent, name));
  }
  void truncate(const std::string& path) {
    AttributeChange change;
    change.size_bytes = below(4 * kChunk);
    world_.fs->setattr(world_.inode(path), change, [](const Result<NodeInfo>&) {});
  }

  TierByPath& world_;
  std::mt19937_64 random_;
};

void run(uint64_t seed) {
  SCOPED_TRACE("TIERHUB_SEED=" + std::to_string(seed));
  TierByPath world;
  world.options.publisher.retry_parked_s = 0;
  world.restart();
  RandomPeople people(world, seed);
  for (int round = 0; round < 12; ++round) {
    for (uint64_t changes = people.below(12); changes > 0; --changes) people.act();
    people.publish();
  }
  world.publish();
  EXPECT_EQ(world.difference(), "");
  EXPECT_EQ(world.journal_keys(), 0u);
  EXPECT_EQ(world.staged(), std::vector<std::string>{});
  EXPECT_TRUE(value_of(world.catalog->base_children(kAsideInode)).empty());
  const ScanCounts counts = world.scan();
  EXPECT_EQ(counts.added, 0u);
  EXPECT_EQ(counts.changed, 0u);
  EXPECT_EQ(counts.removed, 0u);
  EXPECT_EQ(counts.conflicts, 0u);
}

TEST(PublisherUnderRandomChanges, EndsWithAnEqualArchive) {
  if (const char* seed = std::getenv("TIERHUB_SEED")) return run(std::strtoull(seed, nullptr, 10));
  for (uint64_t seed = 1; seed <= 20 && !::testing::Test::HasFailure(); ++seed) run(seed);
}

}  // namespace
}  // namespace tierhub::test::publisher_random_test
