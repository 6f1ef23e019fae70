// Commands that start work and can wait for it.
#include <algorithm>
#include <csignal>
#include <thread>

#include <gmock/gmock.h>

#include "api/json.h"
#include "tests/unit/tools/fixture.h"

namespace tierhub::tierctl {
namespace {

using testing::HasSubstr;

class TierctlWait : public TierctlTest {
 protected:
  // Until the fake has been asked for `call` at least `times`.
  void wait_for_calls(const std::string& call, size_t times) {
    while (true) {
      auto calls = service_.calls();
      if (static_cast<size_t>(std::count(calls.begin(), calls.end(), call)) >= times) return;
      std::this_thread::yield();
    }
  }
};

api::Prefetch make_prefetch(const std::string& state, uint64_t done_bytes) {
  api::Prefetch prefetch;
  prefetch.id = 7;
  prefetch.state = state;
  prefetch.label = "brain42";
  prefetch.total_bytes = 4 << 20;
  prefetch.done_bytes = done_bytes;
  prefetch.total_files = 2;
  prefetch.done_files = done_bytes >> 21;
  prefetch.rate_bytes_per_s = 1 << 20;
  prefetch.eta_s = 3;
  return prefetch;
}

TEST_F(TierctlWait, PrefetchAnswersAtOnceUnlessTold) {
  service_.with([](State& state) { state.prefetches[7] = {make_prefetch("queued", 0)}; });
  auto outcome = run({"prefetch", "--label", "brain", "/brain42"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "prefetch 7 queued: 0 of 2 files, 0 B of 4.0 MiB\n");
  EXPECT_EQ(service_.with([](State& state) { return state.prefetch_request.label; }), "brain");
}

TEST_F(TierctlWait, PrefetchWaitsUntilItIsDone) {
  service_.with([](State& state) {
    state.prefetches[7] = {make_prefetch("queued", 0), make_prefetch("running", 1 << 20),
                           make_prefetch("done", 4 << 20)};
  });
  auto outcome = run({"prefetch", "--wait", "/brain42"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "prefetch 7 done: 2 of 2 files, 4.0 MiB of 4.0 MiB\n");
  EXPECT_EQ(outcome.err,
            "prefetch 7: 0%, 0 B of 4.0 MiB, queued\n"
            "prefetch 7: 100%, 4.0 MiB of 4.0 MiB, done\n");
}

TEST_F(TierctlWait, PrefetchDrawsABarOnATerminal) {
  service_.with([](State& state) {
    state.prefetches[7] = {make_prefetch("running", 2 << 20), make_prefetch("done", 4 << 20)};
  });
  auto outcome = start({"prefetch", "--wait", "/brain42"}, StandardError::terminal)->wait();
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.err,
              HasSubstr("\r\033[Kprefetch 7  50% [===================>                  ] 2.0 MiB "
                        "of 4.0 MiB, 1.0 MiB/s, 3 s left"));
  EXPECT_TRUE(outcome.err.ends_with("4.0 MiB of 4.0 MiB, done\r\n")) << outcome.err;
  EXPECT_EQ(outcome.out, "prefetch 7 done: 2 of 2 files, 4.0 MiB of 4.0 MiB\n");
}

TEST_F(TierctlWait, PrefetchFailsWithTheReason) {
  service_.with([](State& state) {
    auto failed = make_prefetch("failed", 1 << 20);
    failed.failed_files = 1;
    failed.first_error = "/brain42/a.tif: Input/output error";
    state.prefetches[7] = {make_prefetch("running", 0), failed};
  });
  auto outcome = run({"prefetch", "--wait", "--json", "/brain42"});
  EXPECT_EQ(outcome.exit_code, 1);
  auto prefetch = api::decode<api::Prefetch>(outcome.out, api::UnknownMembers::refuse);
  ASSERT_TRUE(prefetch) << outcome.out;
  EXPECT_EQ(prefetch->state, "failed");
  EXPECT_THAT(outcome.err, HasSubstr("tierctl: 1 file could not be fetched; the first: "
                                     "/brain42/a.tif: Input/output error\n"));
}

TEST_F(TierctlWait, PrefetchGoesOnWhenTheWaitingIsInterrupted) {
  service_.with([](State& state) { state.prefetches[7] = {make_prefetch("running", 0)}; });
  auto tierctl = start({"prefetch", "--wait", "/brain42"});
  wait_for_calls("prefetch 7", 2);
  ::kill(tierctl->pid(), SIGINT);
  auto outcome = tierctl->wait();
  EXPECT_EQ(outcome.exit_code, 130);
  EXPECT_THAT(outcome.err, HasSubstr("tierctl: interrupted: prefetch 7 continues; to cancel it: "
                                     "tierctl prefetch --cancel 7\n"));
}

TEST_F(TierctlWait, EndsWith3WhenTierdGoesAway) {
  service_.with([](State& state) { state.prefetches[7] = {make_prefetch("running", 0)}; });
  auto tierctl = start({"prefetch", "--wait", "/brain42"});
  wait_for_calls("prefetch 7", 2);
  server_.reset();
  EXPECT_EQ(tierctl->wait().exit_code, 3);
}

TEST_F(TierctlWait, PrefetchListIsATable) {
  service_.with([](State& state) { state.prefetches[7] = {make_prefetch("running", 1 << 20)}; });
  EXPECT_EQ(run({"prefetch", "--list"}).out,
            "ID  STATE    DONE     SIZE  FILES       RATE  LEFT  USER  LABEL\n"
            " 7  running   25%  4.0 MiB      2  1.0 MiB/s   3 s  root  brain42\n");
  auto list = api::decode<api::PrefetchList>(run({"prefetch", "--list", "--json"}).out,
                                             api::UnknownMembers::refuse);
  ASSERT_TRUE(list);
  EXPECT_EQ(list->prefetches.at(0).done_bytes, uint64_t{1} << 20);
}

TEST_F(TierctlWait, PrefetchCancelStopsOne) {
  service_.with([](State& state) { state.prefetches[7] = {make_prefetch("running", 0)}; });
  auto outcome = run({"prefetch", "--cancel", "7"});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.out, "prefetch 7 cancelled: 0 of 2 files, 0 B of 4.0 MiB\n");
  EXPECT_EQ(run({"prefetch", "--cancel", "8"}).exit_code, 1);
}

api::PublishProgress make_publish(uint64_t pending, std::vector<api::Waiting> waiting) {
  api::PublishProgress progress;
  progress.id = 5;
  progress.done = pending == 0;
  progress.pending_keys = pending;
  progress.pending_bytes = pending << 20;
  progress.published_files = 3 - pending;
  progress.published_bytes = (3 - pending) << 20;
  progress.waiting = std::move(waiting);
  return progress;
}

TEST_F(TierctlWait, PublishWaitsForWritersAndSaysSo) {
  service_.with([](State& state) {
    state.publishes = {make_publish(1, {{"/a/x.tif", "open for writing", true}}),
                       make_publish(0, {})};
  });
  auto outcome = run({"publish", "--wait", "/a"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "publish 5 done: 3 files, 3.0 MiB\n");
  EXPECT_EQ(outcome.err,
            "publish 5: 66%, 1 change, 1.0 MiB to go; waits for /a/x.tif: open for writing\n"
            "publish 5: 100%, done\n");
}

TEST_F(TierctlWait, PublishFailsWithAListWhenOnlySomebodyCanHelp) {
  service_.with([](State& state) {
    state.publishes = {make_publish(3, {{"/a/x", "conflict: the archive's copy changed"}}),
                       make_publish(2, {{"/a/x", "conflict: the archive's copy changed"},
                                        {"/a/y", "Permission denied"}})};
  });
  auto outcome = run({"publish", "--wait", "/a"});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_EQ(outcome.out,
            "publish 5: 2 changes, 2.0 MiB to go\n"
            "  /a/x: conflict: the archive's copy changed\n"
            "  /a/y: Permission denied\n");
  EXPECT_THAT(outcome.err, HasSubstr("cannot be published until somebody acts"));
}

TEST_F(TierctlWait, PublishGoesOnWhenTheWaitingIsInterrupted) {
  service_.with([](State& state) {
    state.publishes = {make_publish(1, {{"/a/x.tif", "open for writing", true}})};
  });
  auto tierctl = start({"publish", "--wait", "/a"});
  wait_for_calls("publish_progress 5", 2);
  ::kill(tierctl->pid(), SIGINT);
  auto outcome = tierctl->wait();
  EXPECT_EQ(outcome.exit_code, 130);
  EXPECT_THAT(outcome.err, HasSubstr("tierctl: interrupted: publish 5 continues\n"));
}

TEST_F(TierctlWait, ScanWaitsUntilItHasEnded) {
  service_.with([](State& state) {
    api::ScanProgress running{true, 1, 2, 0, 0, 0, 0, {}};
    api::ScanProgress ended{false, 3, 1'200, 4, 1, 0, 1, {}};
    state.scans = {running, running, ended};
  });
  auto outcome = run({"scan", "--wait"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.out,
            "scan ended: 3 folders, 1,200 files: 4 new, 1 changed, 0 removed, 1 conflict\n");
  EXPECT_EQ(service_.calls(),
            (std::vector<std::string>{"start_scan", "scan_progress", "scan_progress"}));
}

TEST_F(TierctlWait, TrashListsRestoresAndPurges) {
  EXPECT_EQ(run({"trash", "list"}).out, "2026-11-22      2.9 KiB  /a/removed\n");
  EXPECT_EQ(run({"trash", "restore", "/a/removed", "--to", "/b"}).out, "restored 1 name\n");
  EXPECT_EQ(run({"trash", "purge", "--older-than", "2"}).out, "deleted 7 names\n");
  EXPECT_EQ(service_.calls(), (std::vector<std::string>{"trash /", "restore /a/removed to=/b",
                                                        "purge / older_than_s=172800"}));
  EXPECT_EQ(run({"trash", "purge"}).exit_code, 2);
}

TEST_F(TierctlWait, ScanAcceptsThatMuchIsMissing) {
  service_.with([](State& state) { state.scans = {api::ScanProgress{}}; });
  EXPECT_EQ(run({"scan", "--accept"}).exit_code, 0);
  EXPECT_EQ(service_.calls(), std::vector<std::string>{"start_scan accept"});
  EXPECT_EQ(run({"scan", "--accept", "--show"}).exit_code, 2);
}

TEST_F(TierctlWait, ScanFailsWithTheReason) {
  service_.with([](State& state) {
    api::ScanProgress failed;
    failed.error = "the archive is offline";
    state.scans = {failed};
  });
  auto outcome = run({"scan", "--show"});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_EQ(outcome.err, "tierctl: the scan failed: the archive is offline\n");
}

}  // namespace
}  // namespace tierhub::tierctl
