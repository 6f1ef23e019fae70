#include <algorithm>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "api/json.h"
#include "tests/unit/tools/fixture.h"

namespace tierhub::tierctl {
namespace {

using testing::HasSubstr;

class Tierctl : public TierctlTest {};

TEST_F(Tierctl, TeachesWithHelp) {
  auto help = run({"--help"});
  EXPECT_EQ(help.exit_code, 0);
  EXPECT_THAT(help.out, HasSubstr("Exit codes: 0 done, 1 failed, 2 usage"));
  for (const char* command :
       {"status", "ls", "dataset", "prefetch", "publish", "evict", "pin", "unpin", "scan", "trash", "jobs"}) {
    EXPECT_THAT(help.out, HasSubstr(std::string("\n  ") + command + " "));
    auto own = run({command, "--help"});
    EXPECT_EQ(own.exit_code, 0) << command;
    EXPECT_THAT(own.out, HasSubstr(command));
  }
}

TEST_F(Tierctl, EndsWith2WhenItIsCalledWrongly) {
  for (const std::vector<std::string>& wrong :
       std::vector<std::vector<std::string>>{{},
                                             {"frobnicate"},
                                             {"status", "--frobnicate"},
                                             {"evict"},
                                             {"publish"},
                                             {"pin"},
                                             {"prefetch"},
                                             {"prefetch", "--list", "/a"},
                                             {"prefetch", "--cancel", "seven"},
                                             {"prefetch", "--cancel", "7", "--wait"},
                                             {"prefetch", "--cancel", "7", "--level", "2"},
                                             {"prefetch", "--level", "2"},
                                             {"prefetch", "--keep-metadata"},
                                             {"prefetch", "--t", "nine", "/a"},
                                             {"prefetch", "--t", "9-0", "/a"},
                                             {"prefetch", "--box", "t=0,w=1", "/a"},
                                             {"prefetch", "--box", "t=0", "--t", "0", "/a"},
                                             {"dataset"},
                                             {"dataset", "show"},
                                             {"dataset", "show", "/a", "/b"},
                                             {"scan", "--show", "--wait"},
                                             {"jobs", "show"}}) {
    auto outcome = run(wrong);
    EXPECT_EQ(outcome.exit_code, 2) << testing::PrintToString(wrong);
    EXPECT_EQ(outcome.out, "") << testing::PrintToString(wrong);
    EXPECT_NE(outcome.err, "") << testing::PrintToString(wrong);
  }
  EXPECT_TRUE(service_.calls().empty());
}

TEST_F(Tierctl, EndsWith3WhenTierdIsNotReachable) {
  std::string nowhere = folder_ + "/nowhere.sock";
  for (const char* command : {"status", "ls"}) {
    auto outcome = run({"--socket", nowhere, command});
    EXPECT_EQ(outcome.exit_code, 3);
    EXPECT_EQ(outcome.out, "");
    EXPECT_THAT(outcome.err, HasSubstr("tierctl: tierd is not reachable at " + nowhere + ": is"));
  }
}

TEST_F(Tierctl, EndsWith1WhenTierdRefuses) {
  service_.with([](State& state) { state.administrator_uid = ::getuid() + 1; });
  auto outcome = run({"evict", "/brain42"});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(outcome.err, "tierctl: only root may do this\n");
}

TEST_F(Tierctl, StatusSaysWhatIsAtRisk) {
  service_.with([](State& state) {
    api::Status& s = state.status;
    s.summary = "1 change cannot be published: see the journal";
    s.capacity_bytes = uint64_t{4} << 40;
    s.used_bytes = uint64_t{1} << 40;
    s.dirty_files = 3;
    s.dirty_bytes = 3 << 20;
    s.oldest_dirty_age_s = 750;
    s.parked_keys = 1;
    s.first_parked_reason = "/a: No space left on device";
  });
  auto outcome = run({"status"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("1 change cannot be published: see the journal\n"));
  EXPECT_THAT(outcome.out, HasSubstr("1.0 TiB of 4.0 TiB used (25%)"));
  EXPECT_THAT(outcome.out, HasSubstr("3 files, 3.0 MiB, would be lost if the SSD died now; the "
                                     "oldest change is 12 min 30 s old"));
  EXPECT_THAT(outcome.out, HasSubstr("parked: /a: No space left on device\n"));
  EXPECT_EQ(outcome.err, "");
}

TEST_F(Tierctl, StatusAsJsonHasExactBytes) {
  service_.with([](State& state) { state.status.used_bytes = 1'234'567'890'123; });
  auto outcome = run({"status", "--json"});
  auto status = api::decode<api::Status>(outcome.out, api::UnknownMembers::refuse);
  ASSERT_TRUE(status) << outcome.out;
  EXPECT_EQ(status->used_bytes, 1'234'567'890'123u);
}

void add_tree(api::FakeService::State& state) {
  state.entries["/brain42"] = api::make_folder("/brain42");
  state.entries["/brain42/cold.tif"] =
      api::make_file("/brain42/cold.tif", "cold", uint64_t{3} << 30, 0);
  state.entries["/brain42/hot.tif"] = api::make_file("/brain42/hot.tif", "hot", 1'024, 1'024);
  state.entries["/brain42/part.tif"] = api::make_file("/brain42/part.tif", "partial", 1'000, 420);
  state.entries["/brain42/sub"] = api::make_folder("/brain42/sub");
  state.entries["/brain42/sub/new.tif"] = api::make_file("/brain42/sub/new.tif", "dirty", 5, 5);
}

TEST_F(Tierctl, LsIsATableOfStates) {
  service_.with(add_tree);
  auto outcome = run({"ls", "/brain42"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(
      outcome.out,
      "STATE          SIZE  RESIDENT  NAME\n"
      "cold        3.0 GiB        0%  cold.tif\n"
      "hot         1.0 KiB      100%  hot.tif\n"
      "partial      1000 B       42%  part.tif\n"
      "-                 -         -  sub/\n"
      "1 folder, 3 files, 3.0 GiB (not counting the folders that show no size); 1% on the SSD\n");
}

TEST_F(Tierctl, LsShowsTheSumsOfAFolderAndOfAll) {
  service_.with([](State& state) {
    add_tree(state);
    api::Entry& folder = state.entries["/brain42/sub"];
    folder.state = "dirty";
    folder.size = folder.resident = 1'024;
    folder.files = 2;
  });
  auto outcome = run({"ls", "/brain42"});
  EXPECT_THAT(outcome.out, HasSubstr("dirty       1.0 KiB      100%  sub/\n"
                                     "1 folder, 5 files, 3.0 GiB; 1% on the SSD\n"));
  EXPECT_EQ(service_.calls().back(), "list /brain42 depth=totals after= limit=1000");
}

TEST_F(Tierctl, WhySaysWhatKeepsAFileAndWhatAPrefetchWaitsFor) {
  service_.with([](State& state) {
    add_tree(state);
    state.status.archive_state = "online";
    state.status.high_bytes = 1 << 20;
    state.entries["/brain42/part.tif"].pins = {"alice: course"};
    api::Prefetch waiting;
    waiting.id = 7;
    waiting.state = "queued";
    waiting.label = "run 3";
    waiting.reason = "waits for room: it needs 30.0 MiB";
    state.prefetches[7] = {waiting};
  });
  EXPECT_THAT(run({"why", "/brain42/cold.tif"}).out, HasSubstr("/brain42/cold.tif: cold: "));
  EXPECT_THAT(run({"why", "/brain42/part.tif"}).out,
              HasSubstr("  is not evicted: pinned or leased by alice: course\n"));
  EXPECT_THAT(run({"why", "/brain42/sub/new.tif"}).out, HasSubstr("not published yet"));
  const auto hot = run({"why", "/brain42/hot.tif"});
  EXPECT_THAT(hot.out, HasSubstr("there is room; eviction starts at 1.0 MiB"));
  EXPECT_THAT(hot.out, HasSubstr("prefetch 7 (run 3) waits for room: it needs 30.0 MiB\n"));
  EXPECT_EQ(run({"why", "/brain42"}).exit_code, 1);
}

TEST_F(Tierctl, LsOfATreeShowsWholePaths) {
  service_.with(add_tree);
  auto outcome = run({"ls", "-r", "/brain42"});
  EXPECT_THAT(outcome.out, HasSubstr("dirty           5 B      100%  /brain42/sub/new.tif\n"
                                     "1 folder, 4 files, 3.0 GiB; 1% on the SSD\n"));
}

TEST_F(Tierctl, LsAsJsonHasEveryEntryOfEveryPage) {
  service_.with([](State& state) {
    for (int i = 0; i < 2'500; ++i) {
      std::string path = "/" + std::to_string(i);
      state.entries[path] = api::make_file(path, "cold", 10, 0);
    }
  });
  auto outcome = run({"ls", "--json", "/"});
  auto listing = api::decode<api::Listing>(outcome.out, api::UnknownMembers::refuse);
  ASSERT_TRUE(listing) << listing.error().text();
  EXPECT_EQ(listing->entries.size(), 2'500u);
  EXPECT_TRUE(std::ranges::is_sorted(listing->entries, {}, &api::Entry::path));
}

TEST_F(Tierctl, LsInFullShowsPins) {
  service_.with([](State& state) {
    api::Entry entry = api::make_file("/a.tif", "hot", 1, 1);
    entry.pins = {"alice: course on Monday"};
    entry.writing = true;
    state.entries["/a.tif"] = entry;
  });
  auto outcome = run({"ls", "--long", "/a.tif"});
  EXPECT_THAT(
      outcome.out,
      HasSubstr("1970-01-01 00:00:00  root        a.tif  (open for writing)  [alice: course "
                "on Monday]\n"));
}

TEST_F(Tierctl, LsOfWhatDoesNotExistFails) {
  auto outcome = run({"ls", "/missing"});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_EQ(outcome.err, "tierctl: there is no /missing\n");
}

TEST_F(Tierctl, TakesARelativePathForOneInTheCurrentFolder) {
  current_folder_ = mount_ + "/brain42";
  run({"evict", "../brain42/./raw/", "/in/namespace"});
  EXPECT_EQ(service_.calls().back(), "evict " + mount_ + "/brain42/raw /in/namespace");
}

TEST_F(Tierctl, FollowsLinksIntoTheMount) {
  std::filesystem::create_directory_symlink(mount_, folder_ + "/data");
  std::filesystem::create_directory_symlink("/usr", folder_ + "/elsewhere");
  std::string outside = folder_ + "/elsewhere/bin";
  run({"evict", folder_ + "/data/brain42", outside});
  EXPECT_EQ(service_.calls().back(), "evict " + mount_ + "/brain42 " + outside);
}

TEST_F(Tierctl, LsWithoutAPathShowsTheCurrentFolderOfTheMount) {
  run({"ls"});
  EXPECT_EQ(service_.calls().back(), "list / depth=totals after= limit=1000");
  current_folder_ = mount_ + "/brain42";
  run({"ls"});
  EXPECT_EQ(service_.calls().back(), "list " + current_folder_ + " depth=totals after= limit=1000");
}

TEST_F(Tierctl, EvictSaysWhatItSkippedAndWhy) {
  service_.with([](State& state) {
    state.evict_result = {3, 3 << 20, {{"/a/x.tif", "dirty"}, {"/a/y.tif", "pinned by bob"}}, 7};
  });
  auto outcome = run({"evict", "/a"});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.out,
            "evicted 3 files, 3.0 MiB; skipped 7\n"
            "SKIPPED BECAUSE  NAME\n"
            "dirty            /a/x.tif\n"
            "pinned by bob    /a/y.tif\n"
            "and 5 more\n");
}

TEST_F(Tierctl, EvictFailsWhenEverythingWasSkipped) {
  service_.with([](State& state) { state.evict_result = {0, 0, {{"/a", "in use"}}, 1}; });
  EXPECT_EQ(run({"evict", "/a"}).exit_code, 1);
  EXPECT_EQ(run({"evict", "--json", "/a"}).exit_code, 1);
}

TEST_F(Tierctl, PinsInTheNameOfThePersonBehindSudo) {
  auto outcome = run({"pin", "--reason", "course", "/a", "/b"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "pinned 2 files for alice\n");
  EXPECT_EQ(service_.calls().back(), "pin /a /b owner=alice reason=course");
  outcome = run({"unpin", "--owner", "bob", "/a"});
  EXPECT_EQ(outcome.out, "unpinned 1 file of bob\n");
  EXPECT_EQ(service_.calls().back(), "unpin /a owner=bob");
}

TEST_F(Tierctl, JobsListShowsTheLatestFirst) {
  service_.with([](State& state) {
    state.runs["a"] = {"a", 0, "done", "count-nuclei", Timestamp{0}, "{}"};
    state.runs["b"] = {"b", 0, "running", "stitch", Timestamp{60'000'000'000}, "{}"};
  });
  auto outcome = run({"jobs", "list"});
  EXPECT_EQ(outcome.out,
            "STATE    CHANGED              USER  WORKFLOW      RUN  NOTE\n"
            "running  1970-01-01 00:01:00  root  stitch        b\n"
            "done     1970-01-01 00:00:00  root  count-nuclei  a\n");
  EXPECT_EQ(run({"jobs"}).out, outcome.out);
}

TEST_F(Tierctl, JobsAreJsonAllTheWay) {
  service_.with([](State& state) {
    state.runs["a"] = {"a", 0, "done", "w", Timestamp{0}, R"({"progress": 1.0, "tasks": [{}]})"};
    state.runs["b"] = {"b", 0, "failed", "w", Timestamp{60'000'000'000}, "{oops"};
  });
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"jobs", "list", "--json"}, {"jobs", "--json"}}) {
    const auto list = nlohmann::json::parse(run(arguments).out);
    ASSERT_EQ(list.at("runs").size(), 2u);
    EXPECT_EQ(list["runs"][0]["run"], "b");
    EXPECT_TRUE(list["runs"][0]["json"].is_null());
    EXPECT_EQ(list["runs"][1]["json"]["progress"], 1.0);
    EXPECT_EQ(list["runs"][1]["updated"], "1970-01-01T00:00:00Z");
  }
  const auto one = nlohmann::json::parse(run({"jobs", "show", "a", "--json"}).out);
  EXPECT_EQ(one["run"], "a");
  EXPECT_EQ(one["json"]["tasks"].size(), 1u);
}

TEST_F(Tierctl, JobsListSaysWhyARunFailedOrWaits) {
  service_.with([](State& state) {
    state.runs["a"] = {"a", 0, "failed", "w", Timestamp{0}, R"({"error": "no such file\nmore"})"};
    state.runs["b"] = {"b", 0, "staging", "w", Timestamp{1}, R"({"waits_for": "room\u001b[31m"})"};
    state.runs["c"] = {"c", 0, "running", "w", Timestamp{2}, R"({"error": 7})"};
  });
  const auto outcome = run({"jobs", "list"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("a    no such file\n"));
  EXPECT_THAT(outcome.out, HasSubstr("b    room?[31m\n"));
  EXPECT_THAT(outcome.out, HasSubstr("w         c\n"));
}

TEST_F(Tierctl, JobsSayThatTheirAgentIsGone) {
  service_.with([](State& state) {
    api::Run& run = state.runs["a"];
    run = {"a", 0, "running", "w", Timestamp{0}, R"({"waits_for": "room"})"};
    run.agent = "node-7";
    run.agent_gone = Timestamp{60'000'000'000};
  });
  const std::string gone = "the agent on node-7 has been gone since 1970-01-01 00:01:00\n";
  EXPECT_THAT(run({"jobs", "list"}).out, HasSubstr("a    " + gone));
  EXPECT_THAT(run({"jobs", "show", "a"}).out, HasSubstr("agent            " + gone));
}

TEST_F(Tierctl, SaysThatNoAgentIsRunning) {
  service_.with([](State& state) { state.status.uptime_s = 3'600; });
  EXPECT_EQ(run({"jobs", "list"}).err,
            "tierctl: no agent is running: jobs wait until tieragent is started\n");
  EXPECT_THAT(run({"status"}).out, HasSubstr("agents       none known: jobs are not run\n"));
  service_.with([](State& state) { state.status.uptime_s = 3; });
  EXPECT_EQ(run({"jobs", "list"}).err, "tierctl: no agent has reported since tierd was started\n");
  service_.with([](State& state) {
    api::Agent agent;
    agent.host = "node-7";
    agent.state = "watching";
    agent.folders = {"/srv/jobs"};
    agent.workers = 8;
    agent.runs = 1;
    state.agents = {agent};
    agent.host = "node-8";
    agent.gone = true;
    agent.heard = Timestamp{60'000'000'000};
    state.agents.push_back(agent);
  });
  EXPECT_EQ(run({"jobs", "list"}).err, "");
  EXPECT_THAT(run({"status"}).out,
              HasSubstr("agents       on node-7: 1 run, 8 workers, /srv/jobs\n             on "
                        "node-8 has been gone since 1970-01-01 00:01:00\n"));
}

TEST_F(Tierctl, GuessesWhatWasMeantByAnUnknownCommand) {
  const std::map<std::vector<std::string>, std::string> cases = {
      {{"stauts"}, "unknown command 'stauts'; did you mean 'status'?"},
      {{"--json", "prefetc", "/a"}, "unknown command 'prefetc'; did you mean 'prefetch'?"},
      {{"--socket", "status", "lss"}, "unknown command 'lss'; did you mean 'ls'?"},
      {{"jobs", "lsit"}, "unknown command 'jobs lsit'; did you mean 'jobs list'?"},
      {{"trash", "xyz"}, "unknown command 'trash xyz'; 'tierctl trash --help' lists them"},
      {{"frobnicate"}, "unknown command 'frobnicate'; 'tierctl --help' lists them"},
  };
  for (const auto& [arguments, answer] : cases) {
    const auto outcome = run(arguments);
    EXPECT_EQ(outcome.exit_code, 2);
    EXPECT_EQ(outcome.err, "tierctl: " + answer + "\n");
    EXPECT_EQ(outcome.out, "");
  }
}

TEST_F(Tierctl, JobsShowReadsTheRunsStatus) {
  service_.with([](State& state) {
    state.runs["a"] = {"a",
                       0,
                       "running",
                       "count-nuclei",
                       Timestamp{0},
                       R"({"run": "a", "state": "running", "tasks": {"total": 8, "done": 3},
                           "staged_bytes": 3221225472, "eta_s": 90, "error": "bad\u001b[31m"})"};
  });
  auto outcome = run({"jobs", "show", "a"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.out,
            "run              a\n"
            "state            running\n"
            "workflow         count-nuclei\n"
            "user             root\n"
            "changed          1970-01-01 00:00:00\n"
            "tasks:\n"
            "  total          8\n"
            "  done           3\n"
            "staged           3.0 GiB\n"
            "eta              1 min 30 s\n"
            "error            bad?[31m\n");
}

TEST_F(Tierctl, JobsShowSurvivesAStatusThatIsNotJson) {
  service_.with([](State& state) { state.runs["a"] = {"a", 0, "failed", "w", {}, "{oops"}; });
  auto outcome = run({"jobs", "show", "a"});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.out, HasSubstr("failed"));
  EXPECT_EQ(outcome.err, "tierctl: the run's status.json cannot be read\n");
  EXPECT_EQ(run({"jobs", "show", "none"}).exit_code, 1);
}

}  // namespace
}  // namespace tierhub::tierctl
