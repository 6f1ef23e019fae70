#include "api/routes.h"

#include <gtest/gtest.h>

#include "api/json.h"
#include "tests/unit/api/fake_service.h"

namespace tierhub::api {
namespace {

class Routes : public testing::Test {
 protected:
  Response send(std::string method, std::string target, std::string body = {}) {
    return handle(service_, caller_, {std::move(method), std::move(target), std::move(body)});
  }
  // The answer's status, code and text.
  void expect_refusal(const Response& response, int status, std::string_view code,
                      std::string_view text) {
    EXPECT_EQ(response.status, status);
    auto reply = decode<ErrorReply>(response.body, UnknownMembers::refuse);
    ASSERT_TRUE(reply) << response.body;
    EXPECT_EQ(reply->code, code);
    EXPECT_EQ(reply->error, text);
  }

  FakeService service_;
  Caller caller_;
};

TEST_F(Routes, ListTakesItsParametersPercentEncoded) {
  service_.with([](auto& state) { state.entries["/a b"] = make_folder("/a b"); });
  EXPECT_EQ(send("GET", "/v1/ls?path=%2Fa%20b&recursive=true&after=%2Fa%20b%2Fc&limit=7").status,
            200);
  EXPECT_EQ(service_.calls().back(), "list /a b depth=all after=/a b/c limit=7");
}

TEST_F(Routes, ListShowsTheRootUnlessTold) {
  EXPECT_EQ(send("GET", "/v1/ls").status, 200);
  EXPECT_EQ(service_.calls().back(), "list / depth=children after= limit=1000");
}

TEST_F(Routes, ListRefusesParametersThatItDoesNotUnderstand) {
  expect_refusal(send("GET", "/v1/find"), 400, "EINVAL", "name must say what to look for");
  expect_refusal(send("GET", "/v1/find?name=a&limit=1001"), 400, "EINVAL",
                 "limit must be from 1 to 1000");
  expect_refusal(send("GET", "/v1/ls?limit=0"), 400, "EINVAL", "limit must be from 1 to 10000");
  expect_refusal(send("GET", "/v1/ls?limit=10001"), 400, "EINVAL", "limit must be from 1 to 10000");
  expect_refusal(send("GET", "/v1/ls?limit=1x"), 400, "EINVAL", "limit must be a whole number");
  expect_refusal(send("GET", "/v1/ls?recursive=yes"), 400, "EINVAL",
                 "recursive must be true or false");
  expect_refusal(send("GET", "/v1/ls?pth=/"), 400, "EINVAL", "unknown parameter pth");
  expect_refusal(send("GET", "/v1/status?path=/"), 400, "EINVAL", "unknown parameter path");
}

TEST_F(Routes, EventsAreThoseAfterANumberOrTheLast) {
  EXPECT_EQ(send("GET", "/v1/events?last=5").status, 200);
  EXPECT_EQ(service_.calls().back(), "events since=- last=5 wait=0");
  EXPECT_EQ(send("GET", "/v1/events?since=0&wait_ms=1000000").status, 200);
  EXPECT_EQ(service_.calls().back(), "events since=0 last=0 wait=20000");
  expect_refusal(send("GET", "/v1/events?last=1001"), 400, "EINVAL", "last must be from 0 to 1000");
  expect_refusal(send("GET", "/v1/events?since=x"), 400, "EINVAL", "since must be a whole number");
}

TEST_F(Routes, ResidencyIsThatOfTheWholeFileUnlessTold) {
  service_.with([](auto& state) { state.residencies["/a b"].size = 7; });
  EXPECT_EQ(send("GET", "/v1/residency?path=%2Fa%20b").status, 200);
  EXPECT_EQ(service_.calls().back(), "residency /a b begin=0 end=18446744073709551615 limit=1000");
  EXPECT_EQ(send("GET", "/v1/residency?path=%2Fa%20b&begin=3&end=5&limit=0").status, 200);
  EXPECT_EQ(service_.calls().back(), "residency /a b begin=3 end=5 limit=0");
}

TEST_F(Routes, ResidencyRefusesWhatItDoesNotUnderstand) {
  expect_refusal(send("GET", "/v1/residency"), 400, "EINVAL", "path must name a file");
  expect_refusal(send("GET", "/v1/residency?path=/a&begin=x"), 400, "EINVAL",
                 "begin must be a whole number");
  expect_refusal(send("GET", "/v1/residency?path=/a&begin=5&end=4"), 400, "EINVAL",
                 "begin must not be larger than end");
  expect_refusal(send("GET", "/v1/residency?path=/a&limit=10001"), 400, "EINVAL",
                 "limit must be from 0 to 10000");
  expect_refusal(send("POST", "/v1/residency", "{}"), 400, "EINVAL",
                 "files must name what to look at");
}

TEST_F(Routes, ResidencyOfManyFilesAnswersForEach) {
  service_.with([](auto& state) { state.residencies["/a"].size = 7; });
  const Response response =
      send("POST", "/v1/residency", R"({"files":[{"path":"/b"},{"path":"/a"}]})");
  EXPECT_EQ(response.status, 200);
  const auto list = decode<ResidencyList>(response.body, UnknownMembers::refuse);
  ASSERT_TRUE(list) << response.body;
  ASSERT_EQ(list->files.size(), 2u);
  EXPECT_EQ(list->files[0].code, "ENOENT");
  EXPECT_EQ(list->files[1].size, 7u);
}

TEST_F(Routes, SayWhatDoesNotExist) {
  expect_refusal(send("GET", "/v2/status"), 404, "ENOSYS",
                 "there is no /v2/status in this API: see docs/API.md");
  expect_refusal(send("GET", "/v1/prefetch/"), 404, "ENOSYS",
                 "there is no /v1/prefetch/ in this API: see docs/API.md");
  expect_refusal(send("GET", "/v1/ls?path=/missing"), 404, "ENOENT", "there is no /missing");
}

TEST_F(Routes, SayWhichMethodsATargetHas) {
  Response response = send("PATCH", "/v1/prefetch/7");
  expect_refusal(response, 405, "ENOSYS", "PATCH is not allowed here, only GET, DELETE");
  EXPECT_EQ(response.allow, "GET, DELETE");
}

TEST_F(Routes, RefuseBodiesThatTheyDoNotUnderstand) {
  expect_refusal(send("POST", "/v1/evict", "{"), 400, "EINVAL",
                 "body of the request: this is not JSON: see byte 2");
  expect_refusal(send("POST", "/v1/evict", R"({"path":[]})"), 400, "EINVAL",
                 "body of the request: member path is not a known member");
  expect_refusal(send("POST", "/v1/evict", R"({"paths":[]})"), 400, "EINVAL",
                 "paths must name what to evict");
  expect_refusal(send("POST", "/v1/pin", R"({"paths":["/a"]})"), 400, "EINVAL",
                 "owner must name the owner of the pin");
  expect_refusal(send("POST", "/v1/prefetch", "{}"), 400, "EINVAL",
                 "paths or files must name what to prefetch");
  expect_refusal(send("GET", "/v1/status", "{}"), 400, "EINVAL", "this request takes no body");
  EXPECT_TRUE(service_.calls().empty());
}

TEST_F(Routes, RefuseIdsThatAreNoNumbers) {
  expect_refusal(send("GET", "/v1/prefetch/seven"), 400, "EINVAL",
                 "the prefetch's id must be a whole number");
  expect_refusal(send("GET", "/v1/publish/-1"), 400, "EINVAL",
                 "the publish's id must be a whole number");
}

TEST_F(Routes, TellTheServiceWhoCalls) {
  caller_.uid = 1'234;
  expect_refusal(send("POST", "/v1/evict", R"({"paths":["/a"]})"), 403, "EACCES",
                 "only root may do this");
  EXPECT_EQ(service_.with([](auto& state) { return state.caller.uid; }), 1'234u);
}

TEST_F(Routes, TakeARunsUserFromTheCaller) {
  caller_.uid = 1'234;
  EXPECT_EQ(send("PUT", "/v1/runs/r-1", R"({"uid":0,"state":"running"})").status, 200);
  api::Run run = service_.with([](auto& state) { return state.runs["r-1"]; });
  EXPECT_EQ(run.uid, 1'234u);
  EXPECT_EQ(run.state, "running");
}

TEST_F(Routes, LetRootNameARunsUser) {
  caller_.uid = 0;
  EXPECT_EQ(send("PUT", "/v1/runs/r-1", R"({"uid":1234,"state":"failed"})").status, 200);
  EXPECT_EQ(service_.with([](auto& state) { return state.runs["r-1"].uid; }), 1'234u);
}

TEST_F(Routes, TakeAnAgentsUserFromTheCaller) {
  caller_.uid = 1'234;
  EXPECT_EQ(send("PUT", "/v1/agents/node-1", R"({"uid":0,"state":"watching"})").status, 200);
  const Agent agent = service_.with([](auto& state) { return state.agents.at(0); });
  EXPECT_EQ(agent.uid, 1'234u);
  EXPECT_EQ(agent.host, "node-1");
  expect_refusal(send("PUT", "/v1/agents/node-1", R"({"host":"node-2"})"), 400, "EINVAL",
                 "member host is not the host of the request's target");
  const Response list = send("GET", "/v1/agents");
  EXPECT_EQ(list.status, 200);
  const auto agents = decode<AgentList>(list.body, UnknownMembers::refuse);
  ASSERT_TRUE(agents) << list.body;
  EXPECT_EQ(agents->agents.size(), 1u);
}

TEST_F(Routes, RefuseARunUnderAnotherName) {
  expect_refusal(send("PUT", "/v1/runs/r-1", R"({"run":"r-2"})"), 400, "EINVAL",
                 "member run is not the run of the request's target");
}

TEST_F(Routes, AnswerStartedWorkAsAccepted) {
  service_.with([](auto& state) {
    state.prefetches[7] = {Prefetch()};
    state.publishes = {PublishProgress()};
    state.scans = {ScanProgress()};
  });
  EXPECT_EQ(send("POST", "/v1/prefetch", R"({"paths":["/a"]})").status, 202);
  EXPECT_EQ(send("POST", "/v1/publish", R"({"paths":["/a"]})").status, 202);
  EXPECT_EQ(send("POST", "/v1/scan").status, 202);
}

TEST_F(Routes, AnswerAnExceptionAsAnError) {
  service_.with([](auto& state) { state.on_status = [] { throw std::runtime_error("boom"); }; });
  expect_refusal(send("GET", "/v1/status"), 500, "EIO", "tierd could not answer: see its log");
}

TEST_F(Routes, RefuseAHeadWhoseBodyIsTooLarge) {
  auto refused = refuse_head({"POST", "/v1/evict", {}}, (1 << 20) + 1);
  ASSERT_TRUE(refused);
  expect_refusal(*refused, 413, "EMSGSIZE",
                 "the body is larger than 1048576 bytes: split the request into several");
  EXPECT_FALSE(refuse_head({"POST", "/v1/evict", {}}, 1 << 20));
  EXPECT_FALSE(refuse_head({"POST", "/v1/prefetch", {}}, 32 << 20));
  EXPECT_TRUE(refuse_head({"POST", "/v1/prefetch", {}}, (32 << 20) + 1));
  EXPECT_TRUE(refuse_head({"GET", "/v1/status", {}}, 1));
  EXPECT_FALSE(refuse_head({"GET", "/v1/status", {}}, 0));
}

}  // namespace
}  // namespace tierhub::api
