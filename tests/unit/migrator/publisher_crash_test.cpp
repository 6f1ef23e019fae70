// The process dies at each step of a round, in each kind of change; then the journal starts again.
// Whatever was on its way, both sides must end equal, and nothing may be left over.
#include <array>
#include <functional>
#include <string>
#include <string_view>

#include <gtest/gtest.h>
#include <stdio.h>

#include "common/fault_points.h"
#include "tests/unit/migrator/tier_by_path.h"

namespace tierhub::test::publisher_crash_test {
namespace {

struct Crash {};

constexpr std::array kSteps = {"publish.after_stage",   "publish.after_archive_sync",
                               "publish.after_intent",  "publish.after_act",
                               "publish.before_commit", "publish.after_commit"};

struct Change {
  std::string_view name;
  std::function<void(TierByPath&)> before;  // published before the change
  std::function<void(TierByPath&)> change;
};

const std::vector<Change>& changes() {
  static const std::vector<Change> all = {
      {"NewTree", [](TierByPath&) {},
       [](TierByPath& w) {
         w.make_folder("d");
         w.write("d/file", std::string(kChunk + 1, 'n'));
         w.symlink("file", "d/link");
         w.link("d/file", "second");
       }},
      {"Overwrite", [](TierByPath& w) { w.write("file", "old"); },
       [](TierByPath& w) { w.write("file", std::string(2 * kChunk, 'n')); }},
      {"OverwriteWithLinks",
       [](TierByPath& w) {
         w.write("one", "old");
         w.link("one", "two");
         w.link("one", "three");
       },
       [](TierByPath& w) { w.write("two", "new content"); }},
      {"SaveByRename", [](TierByPath& w) { w.write("doc", "old"); },
       [](TierByPath& w) {
         w.write("tmp", "new");
         w.rename("tmp", "doc");
       }},
      {"RenameOver",
       [](TierByPath& w) {
         w.write("a", "was a");
         w.write("b", "was b");
       },
       [](TierByPath& w) { w.rename("a", "b"); }},
      {"RenameAndRemake", [](TierByPath& w) { w.write("a", "first"); },
       [](TierByPath& w) {
         w.rename("a", "b");
         w.write("a", "second");
       }},
      {"Exchange",
       [](TierByPath& w) {
         w.write("a", "was a");
         w.make_folder("b");
         w.write("b/in", "in b");
       },
       [](TierByPath& w) { w.rename("a", "b", RENAME_EXCHANGE); }},
      {"InsideOut",
       [](TierByPath& w) {
         w.make_folder("a");
         w.make_folder("a/b");
         w.write("a/b/file", "deep");
       },
       [](TierByPath& w) {
         w.rename("a/b", "t");
         w.rename("a", "t/b");
         w.rename("t", "a");
       }},
      {"RemoveTree",
       [](TierByPath& w) {
         w.make_folder("a");
         w.make_folder("a/b");
         w.write("a/b/file", "deep");
         w.write("other", "stays");
       },
       [](TierByPath& w) { w.remove_tree("a"); }},
      {"Attributes",
       [](TierByPath& w) {
         w.write("file", "text");
         w.make_folder("d");
       },
       [](TierByPath& w) {
         w.change_mode("file", 0600);
         w.set_mtime("file", 1'000'000'000);
         w.set_mtime("d", 1'000'000'000);
         w.set_xattr("file", "user.note", "note");
       }},
      {"SetAside",
       [](TierByPath& w) {
         w.make_folder("d");
         w.write("d/file", "in d");
       },
       [](TierByPath& w) {
         w.rename("d", "e");
         w.write("d", "a file now");
       }},
  };
  return all;
}

using Parameter = std::tuple<size_t, TierByPath::Death>;

class PublisherCrash : public ::testing::TestWithParam<Parameter> {
 protected:
  // True if the process died at the `nth` time that `step` was reached.
  static bool dies_at(TierByPath& world, const char* step, int nth) {
    arm_fault_point(step, nth, [] { throw Crash{}; });
    bool died = false;
    try {
      world.publish();
    } catch (const Crash&) {
      died = true;
    }
    arm_fault_point("", 1, nullptr);
    return died;
  }
};

void expect_settled(TierByPath& world) {
  EXPECT_TRUE(value_of(world.catalog->intents()).empty());
  EXPECT_EQ(world.staged(), std::vector<std::string>{});
  world.publish();
  EXPECT_EQ(world.difference(), "");
  EXPECT_EQ(world.journal_keys(), 0u);
  EXPECT_EQ(world.staged(), std::vector<std::string>{});
  EXPECT_TRUE(value_of(world.catalog->base_children(kAsideInode)).empty());
}

TEST_P(PublisherCrash, LeavesTheReplicaRight) {
  const auto [index, death] = GetParam();
  const Change& change = changes()[index];
  for (const char* step : kSteps) {
    int deaths = 0;
    for (int nth = 1;; ++nth) {
      SCOPED_TRACE(std::string(change.name) + ", killed at " + step + ", time " +
                   std::to_string(nth));
      TierByPath world;
      change.before(world);
      world.publish();
      change.change(world);
      // What is lost here was never acted on, and is not what this test is about.
      value_of(world.catalog->sync());
      const auto wanted = world.namespace_tree();
      if (!dies_at(world, step, nth)) break;
      ++deaths;
      world.restart(death);
      expect_settled(world);
      EXPECT_EQ(world.namespace_tree(), wanted);
      if (HasFailure()) return;
    }
    EXPECT_GT(deaths, 0) << step << " was never reached";
  }
}

INSTANTIATE_TEST_SUITE_P(AtEachStep, PublisherCrash,
                         ::testing::Combine(::testing::Range(size_t{0}, changes().size()),
                                            ::testing::Values(TierByPath::Death::killed,
                                                              TierByPath::Death::power_lost)),
                         [](const ::testing::TestParamInfo<Parameter>& one) {
                           const bool killed = std::get<1>(one.param) == TierByPath::Death::killed;
                           return std::string(changes()[std::get<0>(one.param)].name) +
                                  (killed ? "Killed" : "PowerLost");
                         });

}  // namespace
}  // namespace tierhub::test::publisher_crash_test
