#include "compute/workflow/job_names.h"

#include <set>

#include <gtest/gtest.h>

namespace tierhub::compute {
namespace {

using std::chrono::milliseconds;

TEST(JobNames, OnlyWorkflowFilesAreTaken) {
  for (const char* name : {"a.yaml", "a.yml", "a b.yaml", "a.b.yaml"}) {
    EXPECT_TRUE(is_workflow_file(name)) << name;
  }
  for (const char* name : {".a.yaml", "~$a.yaml", "a.yaml~", "a.yaml.tmp", "a.yaml.part", "a.txt",
                           ".yaml", ".yml", "yaml", "a.YAML", "CANCEL"}) {
    EXPECT_FALSE(is_workflow_file(name)) << name;
  }
}

TEST(JobNames, ARunIsNamedByFileTimeAndLetters) {
  const Timestamp time{1767323045'000000000};
  const std::string run = make_run_name("count.yaml", time, 0);
  EXPECT_EQ(run, "count-20260102T030405Z-aaaa");
  EXPECT_NE(make_run_name("count.yaml", time, 1), run);
}

TEST(JobNames, ARunIsNeverACraftedName) {
  EXPECT_TRUE(make_run_name("a b;rm.yaml", {}, 0).starts_with("a_b_rm-"));
  EXPECT_TRUE(make_run_name("-x.yaml", {}, 0).starts_with("_x-"));
  EXPECT_TRUE(make_run_name("a\nb\xff{c}.yaml", {}, 0).starts_with("a_b__c_-"));
  EXPECT_TRUE(make_run_name("größe.yaml", {}, 0).starts_with("größe-"));
  EXPECT_LE(make_run_name(std::string(250, 'x') + ".yaml", {}, 0).size(), 160u);
}

TEST(JobNames, TheNameOfAFileIsItsStem) {
  EXPECT_EQ(stem_of("/x/scan.ome.zarr"), "scan");
  EXPECT_EQ(stem_of("/x/scan.ome.tif/"), "scan");
  EXPECT_EQ(stem_of("/x/a.b.tif"), "a.b");
  EXPECT_EQ(stem_of("/x/plain"), "plain");
  EXPECT_EQ(stem_of("/x/.hidden"), ".hidden");
}

struct stat looks(ino_t inode, off_t size, time_t modified) {
  struct stat st {};
  st.st_ino = inode;
  st.st_size = size;
  st.st_mtim.tv_sec = modified;
  return st;
}

TEST(ReadyRule, WhatWasRenamedIntoPlaceIsReady) {
  ReadyRule rule;
  rule.renamed_into_place("a.yaml");
  EXPECT_TRUE(rule.is_ready("a.yaml", looks(1, 2, 3), SteadyClock::now()));
}

TEST(ReadyRule, WhatWasWrittenInPlaceIsReadyWhenItStoodStill) {
  ReadyRule rule;
  const SteadyClock::time_point start = SteadyClock::now();
  EXPECT_FALSE(rule.is_ready("a.yaml", looks(1, 2, 3), start));
  EXPECT_FALSE(rule.is_ready("a.yaml", looks(1, 2, 3), start + milliseconds(1999)));
  EXPECT_TRUE(rule.is_ready("a.yaml", looks(1, 2, 3), start + milliseconds(2000)));
}

TEST(ReadyRule, AnyChangeBeginsTheWaitAnew) {
  ReadyRule rule;
  const SteadyClock::time_point start = SteadyClock::now();
  EXPECT_FALSE(rule.is_ready("a.yaml", looks(1, 2, 3), start));
  EXPECT_FALSE(rule.is_ready("a.yaml", looks(1, 9, 3), start + milliseconds(2000)));
  EXPECT_FALSE(rule.is_ready("a.yaml", looks(1, 9, 4), start + milliseconds(4000)));
  EXPECT_FALSE(rule.is_ready("a.yaml", looks(5, 9, 4), start + milliseconds(6000)));
  EXPECT_TRUE(rule.is_ready("a.yaml", looks(5, 9, 4), start + milliseconds(8000)));
}

TEST(ReadyRule, ANameThatWentAwayIsForgotten) {
  ReadyRule rule;
  const SteadyClock::time_point start = SteadyClock::now();
  EXPECT_FALSE(rule.is_ready("a.yaml", looks(1, 2, 3), start));
  rule.keep_only(std::set<std::string>());
  EXPECT_FALSE(rule.watching());
  EXPECT_FALSE(rule.is_ready("a.yaml", looks(1, 2, 3), start + milliseconds(2000)));
}

}  // namespace
}  // namespace tierhub::compute
