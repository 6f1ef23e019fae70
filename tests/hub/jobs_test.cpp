// What a person does with workflows in the browser: the real tierweb, tierd and tieragent.
#include <filesystem>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "tests/hub/tierweb_fixture.h"

namespace tierhub::test {
namespace {
namespace fs = std::filesystem;
using namespace std::chrono_literals;
using nlohmann::json;
using ::testing::HasSubstr;

constexpr const char* kCopy = R"(workflow: copy
parameters:
  files: {type: dataset}
  seconds: {type: number, default: 0, maximum: 60}
input: {dataset: "{files}"}
scatter: {by: file}
steps:
  - id: copy
    run: [sh, -c, 'echo "copies $1"; sleep {seconds}; echo "a,b" > "$2"', sh, "{input}", "{output}/{name}.csv"]
)";

class HubJobs : public TierwebTest {
 protected:
  void SetUp() override {
    TierwebTest::SetUp();
    fs::create_directories(tier.in_mount("data"));
    write_file(tier.in_mount("data/a.txt"), "one");
    write_file(tier.in_mount("data/b.txt"), "two");
  }
  void TearDown() override {
    if (agent_ > 0) {
      ::kill(agent_, SIGTERM);
      wait_for_exit(agent_, 20s);
    }
    TierwebTest::TearDown();
  }

  void start_agent() {
    agent_ =
        start_program({TIERAGENT_PATH, "--watch", place_ / "jobs", "--work", place_ / "work",
                       "--allow-root", "--workers", "2", "--socket", tier.client().socket_path()},
                      {}, STDERR_FILENO);
    eventually("tierd knows the agent", [&] { return tier.client().agents()->size() == 1; });
  }

  static std::string body(const json& values = json::object(), const std::string& text = kCopy) {
    return json{{"text", text}, {"values", values}}.dump();
  }
  static json post(Browser& browser, const std::string& target, const std::string& text) {
    const Answer answer = browser.post(target, text);
    EXPECT_EQ(answer.status, 200) << target << ": " << answer.body;
    return json::parse(answer.body);
  }
  // Starts it; returns the name of its run.
  std::string start_run(Browser& browser, const json& values) {
    const std::string job = post(browser, "/api/workflow/run", body(values)).at("job");
    std::string run;
    eventually("the run of " + job + " is known", [&] {
      const json listed = json::parse(browser.get("/api/v1/runs").body);
      for (const json& one : listed.at("runs"))
        if (one.at("run").get<std::string>().starts_with(job + "-")) run = one.at("run");
      return !run.empty();
    });
    return run;
  }
  static json status(Browser& browser, const std::string& run) {
    const Answer answer = browser.get("/api/runs/" + run);
    return answer.status == 200 ? json::parse(answer.body) : json{{"state", ""}};
  }

  pid_t agent_ = -1;
};

TEST_F(HubJobs, ListsWorkflowsAndSaysWhyNoneCanBeStarted) {
  Browser browser = start_here();
  json listed = json::parse(browser.get("/api/workflows").body);
  EXPECT_THAT(listed.at("problem").get<std::string>(), HasSubstr("no agent is running"));
  ASSERT_GE(listed.at("workflows").size(), 9u);
  for (const json& one : listed.at("workflows")) {
    EXPECT_FALSE(one.at("about").get<std::string>().empty()) << one.at("name");
    EXPECT_FALSE(one.at("parameters").empty()) << one.at("name");
  }
  start_agent();
  listed = json::parse(browser.get("/api/workflows").body);
  EXPECT_EQ(listed.at("problem"), "");
  EXPECT_EQ(listed.at("folder"), place_ / "jobs");
}

TEST_F(HubJobs, ChecksAndPlansWithTheAgentsParser) {
  Browser browser = start_here();
  EXPECT_EQ(post(browser, "/api/workflow/check", body({{"files", "data/*"}})).at("errors"),
            json::array());
  const json wrong = post(browser, "/api/workflow/check", body({{"seconds", 99}}));
  ASSERT_EQ(wrong.at("errors").size(), 2u) << "a value that does not fit, and one that is missing";
  EXPECT_EQ(wrong.at("errors").at(0).at("parameter"), "seconds");
  EXPECT_EQ(wrong.at("errors").at(0).at("line"), 0);
  EXPECT_EQ(wrong.at("errors").at(1).at("parameter"), "files");
  const json broken = post(browser, "/api/workflow/check", body({}, "workflow: w\nsteps: 3\n"));
  EXPECT_EQ(broken.at("errors").at(0).at("line"), 2);

  const json plan =
      post(browser, "/api/workflow/plan", body({{"files", {"data/a.txt", "data/b.txt"}}}));
  EXPECT_EQ(plan.at("tasks"), 2);
  EXPECT_EQ(plan.at("bytes"), 6);
  EXPECT_EQ(plan.at("bytes_to_bring"), 0);
  EXPECT_EQ(plan.at("output"), "/results/root/copy/{run}");
  EXPECT_THAT(post(browser, "/api/workflow/plan", body({{"files", "data/*.tif"}}))
                  .at("errors")
                  .at(0)
                  .at("message")
                  .get<std::string>(),
              HasSubstr("*.tif"));
  EXPECT_FALSE(fs::exists(tier.in_mount("results")));
}

TEST_F(HubJobs, RefusesRequestsThatMakeNoSense) {
  Browser browser = start_here();
  EXPECT_EQ(browser.post("/api/workflow/check", "[]").status, 400);
  const Answer wrong = browser.post("/api/workflow/run", body({{"files", "x"}, {"seconds", 99}}));
  EXPECT_EQ(wrong.status, 400);
  EXPECT_THAT(wrong.body, HasSubstr("must be at most 60"));
  EXPECT_EQ(browser.post("/api/workflow/check", "{}").status, 400);
  EXPECT_EQ(browser.post("/api/workflow/check", R"({"text": "w", "values": [1]})").status, 400);
  EXPECT_EQ(browser.post("/api/workflow/check", R"({"text": "w", "values": {"a": {}}})").status,
            400);
  EXPECT_EQ(browser.get("/api/workflow/check").status, 404);
  EXPECT_EQ(browser.ask("POST", "/api/workflow/run", body(), {}).status, 403) << "another page";
  EXPECT_EQ(browser.get("/api/runs/nothing").status, 404);
  EXPECT_EQ(browser.get("/api/runs/..%2Fdone").status, 400);
  Browser stranger(browser);
  stranger.cookies.clear();
  EXPECT_EQ(stranger.get("/api/workflows").status, 401);
}

TEST_F(HubJobs, StartsARunAndShowsWhatItWrote) {
  start_agent();
  Browser browser = start_here();
  const std::string run = start_run(browser, {{"files", "data/*"}});
  eventually("the run ends", [&] { return status(browser, run).at("state") == "done"; });
  // The report is written after the last status.
  eventually("there is a report", [&] { return status(browser, run).at("report") != ""; });
  const json ended = status(browser, run);
  EXPECT_EQ(ended.at("tasks").size(), 2u);
  EXPECT_EQ(ended.at("parameters").at("files"), "data/*");
  EXPECT_THAT(ended.at("report").get<std::string>(), HasSubstr("Everything is done"));
  EXPECT_THAT(ended.at("job").get<std::string>(), HasSubstr("values:\n  files: \"data/*\""));
  EXPECT_THAT(browser.get("/api/runs/" + run + "/log").body, HasSubstr("copies "));
  const json results = json::parse(browser.get("/api/runs/" + run + "/results").body);
  ASSERT_EQ(results.at("files").size(), 2u) << results;
  EXPECT_EQ(results.at("files").at(0).at("kind"), "table");
  const std::string path = results.at("files").at(0).at("path");
  EXPECT_EQ(path, "/results/root/copy/" + run + "/a.csv");
  const Answer table = browser.get("/api/file?path=" + path);
  EXPECT_EQ(table.body, "a,b\n");
  EXPECT_THAT(table.header("content-type"), HasSubstr("text/plain"));
  EXPECT_EQ(table.header("x-content-type-options"), "nosniff");
  EXPECT_EQ(browser.get("/api/file?path=" + path + "&begin=2&bytes=1").body, "b");
  EXPECT_EQ(browser.get("/api/file?path=%2Fdata").status, 400) << "a folder";
  EXPECT_EQ(browser.get("/api/file?path=%2F..%2F..%2Fetc%2Fpasswd").status, 403);
}

TEST_F(HubJobs, BringsAColdFileInsteadOfWaitingForIt) {
  Browser browser = start_here();
  ASSERT_EQ(tier.tierctl({"publish", "--wait", "/data/a.txt"}).exit_code, 0);
  ASSERT_TRUE(tier.evict("/data/a.txt").skipped.empty());
  const Answer cold = browser.get("/api/file?path=%2Fdata%2Fa.txt");
  EXPECT_EQ(cold.status, 503);
  EXPECT_EQ(cold.header("x-tierhub-state"), "recalling");
  eventually("it comes",
             [&] { return browser.get("/api/file?path=%2Fdata%2Fa.txt").body == "one"; });
}

TEST_F(HubJobs, NobodyLooksIntoARunOfSomebodyElseOrStopsIt) {
  ASSERT_EQ(::chmod(tier.in_mount("data").c_str(), 0755), 0);
  fs::create_directories(tier.in_mount("results"));
  ASSERT_EQ(::chmod(tier.in_mount("results").c_str(), 01777), 0);
  ASSERT_EQ(::chmod(place_.path().c_str(), 0755), 0);
  start_agent();
  ASSERT_EQ(::chmod((place_ / "jobs/incoming").c_str(), 01777), 0);
  const uint16_t port = start_for_everybody();
  Browser daemon(port), games(port);
  ASSERT_EQ(sign_in(daemon, "daemon", "secret"), 303);
  ASSERT_EQ(sign_in(games, "games", "secret"), 303);
  const std::string run = start_run(daemon, {{"files", "data/a.txt"}, {"seconds", 60}});
  eventually("it runs", [&] { return status(daemon, run).at("state") == "running"; });
  // The run's folder says who may read it, and only its owner writes there.
  EXPECT_EQ(games.get("/api/runs/" + run + "/log").status, 200);
  EXPECT_EQ(games.post("/api/runs/" + run + "/cancel").status, 403);
  ASSERT_EQ(::chmod((place_ / ("jobs/running/" + run)).c_str(), 0700), 0);
  for (const char* part : {"", "/log", "/results"})
    EXPECT_EQ(games.get("/api/runs/" + run + part).status, 403) << part;
  EXPECT_EQ(status(daemon, run).at("state"), "running");
  EXPECT_EQ(status(daemon, run).at("user"), "daemon");
  EXPECT_EQ(daemon.post("/api/runs/" + run + "/cancel").status, 200);
  eventually("it stops", [&] { return status(daemon, run).at("state") == "cancelled"; });
}

TEST_F(HubJobs, CancelsARun) {
  start_agent();
  Browser browser = start_here();
  const std::string run = start_run(browser, {{"files", "data/a.txt"}, {"seconds", 60}});
  eventually("it runs", [&] { return status(browser, run).at("state") == "running"; });
  EXPECT_EQ(browser.post("/api/runs/" + run + "/cancel").status, 200);
  eventually("it stops", [&] { return status(browser, run).at("state") == "cancelled"; });
  eventually("there is nothing more to cancel",
             [&] { return browser.post("/api/runs/" + run + "/cancel").status == 400; });
}

}  // namespace
}  // namespace tierhub::test
