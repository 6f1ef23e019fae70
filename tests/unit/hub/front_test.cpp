// Who gets an answer from the front, and what it lets through. No network.
#include "hub/front/front.h"

#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include <sys/syscall.h>
#include <unistd.h>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "hub/front/headers.h"
#include "hub/front/pages.h"
#include "hub/front/secret.h"

namespace tierhub::hub {
namespace {

using namespace std::chrono_literals;
using http::Headers;
using http::Request;
using http::Response;

// Workers that are this process.
class NoStarter final : public WorkerStarter {
 public:
  Result<UniqueFd> start(const Person& person, UniqueFd) override {
    started.push_back(person);
    if (fails) return Error(*fails, "no");
    return UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0)));
  }
  void end(uint32_t uid) override { ended.push_back(uid); }
  std::vector<Person> started;
  std::vector<uint32_t> ended;
  std::optional<std::errc> fails;
};

// Asks for a password, and then for a code if the user is "ada".
class TwoSteps final : public SignIn {
 public:
  Result<Step> begin(const std::string& user, const std::string& machine) override {
    machines.insert(machine);
    if (refuses) return Step{{}, {}, "Not now.", "", *refuses};
    user_ = user;
    if (user == "eve") return Step{{}, Prompt{"Word: ", false}, "", fmt::format("eve-{}", ++eves_)};
    return Step{{}, Prompt{"Password: "}, "", "attempt-1"};
  }
  Result<Step> answer(const std::string& attempt, const std::string& text) override {
    if (attempt != "attempt-1") return Step{{}, {}, "That took too long.", ""};
    if (text == "secret" && user_ == "ada")
      return Step{{}, Prompt{"Code <1>: ", false, "look at your token"}, "", attempt};
    if (text == "secret" || text == "123") return Step{Person{1001, user_}, {}, "", attempt};
    return Step{{}, {}, "The user name or the password is wrong.", ""};
  }

  std::optional<Refused> refuses;
  std::set<std::string> machines;

 private:
  std::string user_;
  int eves_ = 0;
};

class FrontTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = "/tmp/tierhub-front-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    std::filesystem::create_directories(folder_ + "/page/assets");
    std::ofstream(folder_ + "/page/index.html") << "<!doctype html>the page";
    std::ofstream(folder_ + "/page/assets/main-1a.js") << "1";
    std::ofstream(folder_ + "/page/notes.tmp") << "no part of the page";
    std::filesystem::create_directories(folder_ + "/page/.vite");
    std::ofstream(folder_ + "/page/.vite/manifest.json") << "{}";
    auto assets = Assets::load(folder_ + "/page");
    ASSERT_TRUE(assets) << assets.error().text();
    assets_ = *assets;
    workers_ = std::make_unique<Workers>(folder_, starter_);
    make_front(nullptr);
    front_->set_one_time_token(std::string(64, 'a'), {1000, "grace"});
  }
  void TearDown() override {
    front_.reset();
    workers_.reset();
    std::filesystem::remove_all(folder_);
  }
  void make_front(SignIn* sign_in) {
    Front::Options options;
    options.hosts = {"127.0.0.1:80", "hub.example.org"};
    options.trusted_proxies = {"127.0.0.9"};
    options.cookie = "tierweb-80";
    front_ = std::make_unique<Front>(options, assets_, *workers_, sign_in);
  }
  Response ask(const std::string& method, const std::string& target, Headers headers = {},
               const std::string& body = "", const std::string& address = "127.0.0.1") {
    Request request{method, target, body, std::move(headers)};
    if (request.header("host").empty()) request.headers.emplace_back("host", "127.0.0.1:80");
    return front_->handle(http::Peer{{}, address}, request);
  }
  static std::string header(const Response& response, const std::string& name) {
    std::string found;
    for (const auto& [field, value] : response.headers)
      if (field == name) found += value;
    return found;
  }
  static std::string text(const Response& response) {
    const auto* body = std::get_if<std::string>(&response.body);
    return body != nullptr ? *body : "not a text";
  }
  static bool is_relayed(const Response& response) {
    return std::holds_alternative<http::Relay>(response.body);
  }
  // The cookie that a response sets, as a request has it.
  static std::string cookie(const Response& response) {
    const std::string set = header(response, "Set-Cookie");
    return set.substr(0, set.find(';'));
  }
  std::string sign_in_by_token() {
    return cookie(ask("GET", "/login?token=" + std::string(64, 'a')));
  }
  // As the page sends what changes something.
  Headers ours(const std::string& session) {
    return {{"cookie", session}, {"x-tierhub", "1"}, {"origin", "http://127.0.0.1:80"}};
  }

  std::string folder_;
  Assets assets_;
  NoStarter starter_;
  std::unique_ptr<Workers> workers_;
  std::unique_ptr<Front> front_;
};

TEST_F(FrontTest, TheTokenOpensThePageOnce) {
  const Response wrong = ask("GET", "/login?token=" + std::string(64, 'b'));
  EXPECT_EQ(wrong.status, 401);
  // Programs that show what is behind a link send HEAD first.
  EXPECT_EQ(ask("HEAD", "/login?token=" + std::string(64, 'a')).status, 401);
  const Response first = ask("GET", "/login?token=" + std::string(64, 'a'));
  EXPECT_EQ(first.status, 303);
  EXPECT_EQ(header(first, "Location"), "/");
  EXPECT_NE(header(first, "Set-Cookie").find("HttpOnly; SameSite=Strict"), std::string::npos);
  const Response second = ask("GET", "/login?token=" + std::string(64, 'a'));
  EXPECT_EQ(second.status, 401);
  EXPECT_NE(text(second).find("start it again"), std::string::npos) << "says what to do";
  EXPECT_EQ(header(second, "Set-Cookie"), "");
  // Whoever has the session and opens the link again gets on.
  EXPECT_EQ(ask("GET", "/login?token=x", {{"cookie", cookie(first)}}).status, 303);
}

TEST_F(FrontTest, WithoutASessionThereIsThePageAndNoData) {
  EXPECT_EQ(ask("GET", "/").status, 200);
  EXPECT_EQ(ask("GET", "/assets/main-1a.js").status, 200);
  EXPECT_EQ(ask("GET", "/notes.tmp").status, 404);
  EXPECT_EQ(ask("GET", "/.vite/manifest.json").status, 404);
  EXPECT_EQ(ask("GET", "/../front_test.cpp").status, 404);
  for (const char* target :
       {"/api/session", "/api/v1/status", "/img/1/a/0/0/0/0/0/0", "/zarr/v2/a"}) {
    const Response response = ask("GET", target);
    EXPECT_EQ(response.status, 401) << target;
    EXPECT_EQ(response.content_type, "application/json");
    EXPECT_FALSE(is_relayed(ask("GET", target, {{"cookie", "tierweb-80=" + make_secret()}})));
  }
  EXPECT_TRUE(starter_.started.empty());
}

TEST_F(FrontTest, PassesRequestsToTheWorkerOfThePerson) {
  const std::string session = sign_in_by_token();
  const Response response = ask("GET", "/api/session?a=b",
                                {{"cookie", session},
                                 {"accept-encoding", "zstd"},
                                 {"authorization", "x"},
                                 {"x-forwarded-for", "1"}});
  ASSERT_TRUE(is_relayed(response));
  const auto& relay = std::get<http::Relay>(response.body);
  EXPECT_EQ(relay.request.target, "/api/session?a=b");
  EXPECT_EQ(relay.request.headers, (Headers{{"accept-encoding", "zstd"}}));
  EXPECT_TRUE(relay.socket_path.starts_with(folder_ + "/worker-1000"));
  EXPECT_EQ(starter_.started, (std::vector<Person>{{1000, "grace"}}));
  const Response again = ask("GET", "/api/session", {{"cookie", session}});
  EXPECT_EQ(starter_.started.size(), 1u) << "it is running already";
  EXPECT_EQ(std::get<http::Relay>(again.body).generation, relay.generation);
  // What rests from before the end of a worker is not for the next one.
  workers_->end(1000);
  const Response next = ask("GET", "/api/session", {{"cookie", session}});
  EXPECT_EQ(starter_.started.size(), 2u);
  EXPECT_NE(std::get<http::Relay>(next.body).generation, nullptr);
  EXPECT_NE(std::get<http::Relay>(next.body).generation, relay.generation);
}

TEST_F(FrontTest, SaysSoIfAWorkerCannotBeStarted) {
  starter_.fails = std::errc::permission_denied;
  const Response response = ask("GET", "/api/session", {{"cookie", sign_in_by_token()}});
  EXPECT_EQ(response.status, 403);
  EXPECT_NE(text(response).find("start your worker: no"), std::string::npos);
}

// As while the directory of accounts does not answer.
TEST_F(FrontTest, OnlyAClosedAccountLosesItsSessionsAndShares) {
  TwoSteps steps;
  make_front(&steps);
  const std::string session = cookie(
      ask("POST", "/login", {{"origin", "http://127.0.0.1:80"}}, "user=grace&password=secret"));
  const Response made = ask("POST", "/api/shares?path=%2Fscan.tif&hours=1", ours(session));
  const std::string link =
      "/share/" + nlohmann::json::parse(text(made)).at("token").get<std::string>();
  const auto status = [&](const std::string& target) {
    return ask("GET", target, {{"cookie", session}}).status;
  };
  for (const std::errc error : {std::errc::resource_unavailable_try_again, std::errc::io_error}) {
    starter_.fails = error;
    EXPECT_GE(status("/api/session"), 500);
    EXPECT_GE(status(link + "/zarr/v2/.zattrs"), 500) << "404 would be black";
  }
  starter_.fails = std::errc::resource_unavailable_try_again;
  EXPECT_EQ(header(ask("GET", "/api/session", {{"cookie", session}}), "Retry-After"), "10");
  starter_.fails.reset();
  EXPECT_TRUE(is_relayed(ask("GET", "/api/session", {{"cookie", session}})));
  EXPECT_TRUE(is_relayed(ask("GET", link + "/zarr/v2/.zattrs")));
  workers_->end(1001);
  starter_.fails = std::errc::permission_denied;
  EXPECT_EQ(status("/api/session"), 401);
  EXPECT_EQ(status(link + "/zarr/v2/.zattrs"), 410);
}

// Starts no worker of others than grace until it may.
class SlowStarter final : public WorkerStarter {
 public:
  Result<UniqueFd> start(const Person& person, UniqueFd) override {
    if (person.name != "grace") {
      ++waiting;
      may_start.wait(false);
    }
    return UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0)));
  }
  void end(uint32_t) override {}
  std::atomic<int> waiting = 0;
  std::atomic<bool> may_start = false;
};

TEST_F(FrontTest, WhileManyWorkersStartThoseThatRunAreReached) {
  SlowStarter starter;
  Workers workers(folder_, starter);
  EXPECT_TRUE(workers.place_of({1000, "grace"}));
  std::atomic<int> reached = 0;
  {
    std::vector<std::jthread> people;
    for (uint32_t i = 0; i < Workers::kMostWaiting; ++i)
      people.emplace_back([&, i] { reached += workers.place_of({2000 + i, "ada"}) ? 1 : 0; });
    while (starter.waiting < Workers::kMostWaiting) std::this_thread::sleep_for(1ms);
    for (const uint32_t uid : {2000, 3000}) {
      const auto refused = workers.place_of({uid, "ada"});
      EXPECT_TRUE(!refused && refused.error().is(std::errc::resource_unavailable_try_again));
    }
    EXPECT_TRUE(workers.place_of({1000, "grace"}));
    starter.may_start = true;
    starter.may_start.notify_all();
  }
  EXPECT_EQ(reached, Workers::kMostWaiting);
  EXPECT_TRUE(workers.place_of({2000, "ada"}));
  EXPECT_EQ(starter.waiting, Workers::kMostWaiting) << "it is running already";
}

TEST_F(FrontTest, ChangesNeedOurHeaderAndOurOrigin) {
  const std::string session = sign_in_by_token();
  EXPECT_TRUE(is_relayed(ask("POST", "/api/v1/scan", ours(session))));
  for (size_t left_out = 1; left_out < 3; ++left_out) {
    Headers headers = ours(session);
    headers.erase(headers.begin() + static_cast<long>(left_out));
    EXPECT_EQ(ask("POST", "/api/v1/scan", headers).status, 403);
    EXPECT_EQ(ask("DELETE", "/api/v1/scan", headers).status, 403);
  }
  for (const char* origin : {"null", "http://127.0.0.1", "https://127.0.0.1:80",
                             "http://127.0.0.1:80.evil.example", "http://evil.example"}) {
    Headers headers = ours(session);
    headers[2].second = origin;
    EXPECT_EQ(ask("POST", "/api/v1/scan", headers).status, 403) << origin;
    EXPECT_EQ(ask("POST", "/logout", headers).status, 403) << origin;
  }
}

// Pages of the same domain, and of other ports of this machine, have our cookie.
TEST_F(FrontTest, PagesOfOthersAskForNoData) {
  const std::string session = sign_in_by_token();
  const auto ask_as = [&](const std::string& target, const std::string& site) {
    return ask("GET", target, {{"cookie", session}, {"sec-fetch-site", site}});
  };
  for (const char* target : {"/api/session", "/img/1/a/0/0/0/0/0/0", "/png/a", "/zarr/v2/a"}) {
    for (const char* site : {"same-site", "cross-site", "something else"})
      EXPECT_EQ(ask_as(target, site).status, 403) << target << site;
    for (const char* site : {"same-origin", "none", ""})
      EXPECT_TRUE(is_relayed(ask_as(target, site))) << target << site;
  }
  EXPECT_EQ(ask_as("/api/shares", "same-site").status, 403);
  EXPECT_EQ(ask_as("/", "cross-site").status, 200) << "a link in a mail";
  EXPECT_EQ(ask_as("/share/x/zarr/v2/.zattrs", "cross-site").status, 410) << "a share is for all";
}

TEST_F(FrontTest, AnswersOnlyToItsNames) {
  EXPECT_EQ(ask("GET", "/", {{"host", "evil.example"}}).status, 421);
  EXPECT_EQ(ask("GET", "/", {{"host", "127.0.0.1"}}).status, 421);
  EXPECT_EQ(ask("GET", "/", {{"host", "HUB.example.org"}}).status, 200);
}

TEST_F(FrontTest, OtherMachinesNeedAProxyThatIsTrusted) {
  EXPECT_EQ(ask("GET", "/", {}, "", "192.0.2.7").status, 403);
  EXPECT_EQ(ask("GET", "/", {{"x-forwarded-proto", "https"}}, "", "192.0.2.7").status, 403);
  EXPECT_EQ(ask("GET", "/", {}, "", "127.0.0.9").status, 200);
}

TEST_F(FrontTest, BehindHttpsTheCookieIsForHttpsAlone) {
  const Response response =
      ask("GET", "/login?token=" + std::string(64, 'a'),
          {{"host", "hub.example.org"}, {"x-forwarded-proto", "https"}}, "", "127.0.0.9");
  EXPECT_TRUE(header(response, "Set-Cookie").starts_with("__Host-tierweb="));
  EXPECT_NE(header(response, "Set-Cookie").find("; Secure"), std::string::npos);
  // Nobody else can claim to come by https.
  EXPECT_EQ(
      ask("GET", "/api/session", {{"x-forwarded-proto", "https"}, {"cookie", cookie(response)}})
          .status,
      401);
}

TEST_F(FrontTest, SigningOutEndsSessionAndWorker) {
  const std::string session = sign_in_by_token();
  ask("GET", "/api/session", {{"cookie", session}});
  EXPECT_EQ(ask("GET", "/logout", ours(session)).status, 405);
  EXPECT_EQ(ask("POST", "/logout", ours(session)).status, 303);
  EXPECT_EQ(ask("GET", "/api/session", {{"cookie", session}}).status, 401);
  EXPECT_EQ(starter_.ended, (std::vector<uint32_t>{1000}));
}

TEST_F(FrontTest, SignsInInAsManyStepsAsTheSystemWants) {
  TwoSteps steps;
  make_front(&steps);
  const Headers headers = {{"origin", "http://127.0.0.1:80"}};
  EXPECT_EQ(ask("GET", "/login").status, 200);
  const Response one = ask("POST", "/login", headers, "user=grace&password=secret");
  EXPECT_EQ(one.status, 303);
  EXPECT_TRUE(is_relayed(ask("GET", "/api/session", {{"cookie", cookie(one)}})));

  const Response two = ask("POST", "/login", headers, "user=ada&password=secret");
  EXPECT_EQ(two.status, 200);
  EXPECT_NE(text(two).find("Code &lt;1&gt;: "), std::string::npos) << text(two);
  EXPECT_NE(text(two).find("look at your token"), std::string::npos);
  EXPECT_EQ(ask("POST", "/login", headers, "attempt=attempt-1&answer=123").status, 303);
  EXPECT_EQ(ask("POST", "/login", headers, "attempt=attempt-2&answer=123").status, 401);
  const Response wrong = ask("POST", "/login", headers, "user=grace&password=%22wrong");
  EXPECT_EQ(wrong.status, 401);
  EXPECT_EQ(text(wrong).find("wrong\""), std::string::npos);
  EXPECT_EQ(ask("POST", "/login", {{"origin", "http://evil.example"}}, "user=grace&password=secret")
                .status,
            403);
}

TEST_F(FrontTest, SlowsDownWhoeverGuesses) {
  TwoSteps steps;
  make_front(&steps);
  const Headers headers = {{"origin", "http://127.0.0.1:80"}};
  for (int i = 0; i < 10; ++i)
    EXPECT_EQ(ask("POST", "/login", headers, "user=grace&password=no").status, 401);
  EXPECT_EQ(ask("POST", "/login", headers, "user=grace&password=secret").status, 429);
  EXPECT_EQ(ask("POST", "/login", headers, "user=mary&password=secret").status, 303);
}

TEST_F(FrontTest, CountsGuessesWhateverTheNameLooksLike) {
  TwoSteps steps;
  make_front(&steps);
  const Headers headers = {{"origin", "http://127.0.0.1:80"}};
  for (int i = 0; i < 10; ++i) {
    const std::string name = i % 2 == 0 ? "grace" : "Grace";
    EXPECT_EQ(ask("POST", "/login", headers, "user=" + name + "&password=no").status, 401);
    EXPECT_EQ(ask("POST", "/login", headers, "user=mary%00" + name + "&password=secret").status,
              401)
        << "PAM would get mary alone";
  }
  EXPECT_EQ(ask("POST", "/login", headers, "user=GRACE&password=secret").status, 429);
  EXPECT_EQ(ask("POST", "/login", headers, "user=mary&password=secret%00").status, 401);
  EXPECT_EQ(ask("POST", "/login", headers, "user=mary&password=secret").status, 303);
}

TEST_F(FrontTest, CountsGuessesOfASecondFactor) {
  TwoSteps steps;
  make_front(&steps);
  const Headers headers = {{"origin", "http://127.0.0.1:80"}};
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(ask("POST", "/login", headers, "user=ada&password=secret").status, 200);
    // Attempts of somebody else do not make anybody forget whose this one is.
    for (int other = 0; other < 100; ++other)
      EXPECT_EQ(ask("POST", "/login", headers, "user=eve&password=no").status, 200);
    EXPECT_EQ(ask("POST", "/login", headers, "attempt=attempt-1&answer=999").status, 401);
  }
  EXPECT_EQ(ask("POST", "/login", headers, "user=ada&password=secret").status, 429);
  EXPECT_EQ(ask("POST", "/login", headers, "attempt=attempt-1&answer=123").status, 429);
}

TEST_F(FrontTest, ARefusalForLackOfRoomIsNoGuess) {
  TwoSteps steps;
  make_front(&steps);
  const auto sign_in = [&](const std::string& user, int machine) {
    return ask("POST", "/login",
               {{"origin", "http://127.0.0.1:80"},
                {"x-forwarded-for", fmt::format("192.0.2.{}", machine)}},
               "user=" + user + "&password=secret", "127.0.0.9");
  };
  steps.refuses = SignIn::Refused::busy;
  for (int i = 0; i < 70; ++i) {
    const Response response = sign_in("grace", 1);
    EXPECT_EQ(response.status, 503);
    EXPECT_EQ(header(response, "Retry-After"), "10");
  }
  steps.refuses = SignIn::Refused::late;
  for (int i = 0; i < 70; ++i) EXPECT_EQ(sign_in("grace", 1).status, 401);
  steps.refuses.reset();
  EXPECT_EQ(sign_in("grace", 1).status, 303) << "nothing was counted";
  // What the system could not judge closes no name, and a machine that goes on and on.
  steps.refuses = SignIn::Refused::trouble;
  for (int i = 0; i < 60; ++i) EXPECT_EQ(sign_in("grace", 2).status, 503);
  EXPECT_EQ(sign_in("grace", 2).status, 429);
  steps.refuses.reset();
  EXPECT_EQ(sign_in("grace", 1).status, 303);
}

TEST_F(FrontTest, SaysFromWhichMachineSomebodySignsIn) {
  TwoSteps steps;
  make_front(&steps);
  for (const char* machine : {"192.0.2.1", "192.0.2.2", "2001:db8:0:1::1", "2001:db8:0:1::2",
                              "2001:db8:0:2::1", "2001:db8::1"}) {
    ask("POST", "/login", {{"origin", "http://127.0.0.1:80"}, {"x-forwarded-for", machine}},
        "user=grace&password=secret", "127.0.0.9");
  }
  EXPECT_EQ(steps.machines, (std::set<std::string>{"192.0.2.1", "192.0.2.2", "20010db800000000",
                                                   "20010db800000001", "20010db800000002"}));
}

// Else one machine could keep everybody behind the proxy from signing in.
TEST_F(FrontTest, BehindAProxyMachinesAreCountedOneByOne) {
  TwoSteps steps;
  make_front(&steps);
  const auto guess = [&](int i, const std::string& forwarded, const std::string& proxy) {
    return ask("POST", "/login",
               {{"origin", "http://127.0.0.1:80"}, {"x-forwarded-for", forwarded}},
               "user=u" + std::to_string(i) + "&password=no", proxy)
        .status;
  };
  // What the proxy adds is the last: the caller can send the others.
  for (int i = 0; i < 60; ++i)
    EXPECT_EQ(guess(i, "10.0.0." + std::to_string(i) + ", 192.0.2.7", "127.0.0.9"), 401);
  EXPECT_EQ(guess(60, "10.0.0.60, 192.0.2.7", "127.0.0.9"), 429);
  EXPECT_EQ(guess(60, "192.0.2.7, 192.0.2.8", "127.0.0.9"), 401);
  // All addresses of a /64 are one customer's.
  for (int i = 0; i < 60; ++i)
    EXPECT_EQ(guess(i, "2001:db8:0:1::" + std::to_string(i), "127.0.0.9"), 401);
  EXPECT_EQ(guess(60, "2001:db8:0:1:ffff::1", "127.0.0.9"), 429);
  EXPECT_EQ(guess(60, "2001:db8:0:2::1", "127.0.0.9"), 401);
  // Who is no trusted proxy says nothing about others.
  for (int i = 0; i < 60; ++i) EXPECT_EQ(guess(i, "10.0.0." + std::to_string(i), "127.0.0.1"), 401);
  EXPECT_EQ(guess(60, "10.0.0.200", "127.0.0.1"), 429);
}

TEST_F(FrontTest, RefusesLargeForms) {
  const Request head{"POST", "/login", "", {}};
  EXPECT_TRUE(front_->refuse(head, 65'537));
  EXPECT_FALSE(front_->refuse(head, 65'536));
  const Headers headers = {{"cookie", sign_in_by_token()}};
  EXPECT_FALSE(front_->refuse({"POST", "/api/v1/prefetch", "", headers}, 32 << 20));
  EXPECT_TRUE(front_->refuse({"POST", "/api/v1/prefetch", "", headers}, (32 << 20) + 1));
}

// They would take the bytes that all have together for requests.
TEST_F(FrontTest, ALargeBodyNeedsASession) {
  for (const std::string& session : {std::string(), "tierweb-80=" + make_secret()}) {
    const Headers headers = {{"cookie", session}};
    EXPECT_FALSE(front_->refuse({"POST", "/api/v1/prefetch", "", headers}, 65'536));
    const auto refused = front_->refuse({"POST", "/api/v1/prefetch", "", headers}, 65'537);
    ASSERT_TRUE(refused);
    EXPECT_EQ(refused->status, 401);
  }
}

TEST_F(FrontTest, EveryAnswerHasTheSecurityHeaders) {
  const std::string session = sign_in_by_token();
  for (const char* target :
       {"/", "/assets/main-1a.js", "/nothing", "/login", "/tierweb.css", "/api/x"}) {
    const Response response = ask("GET", target);
    EXPECT_TRUE(header(response, "Content-Security-Policy").starts_with("default-src 'none'"))
        << target;
    EXPECT_EQ(header(response, "X-Content-Type-Options"), "nosniff") << target;
  }
  EXPECT_EQ(header(ask("GET", "/"), "Content-Security-Policy").find("unsafe"), std::string::npos);
}

// A worker that a damaged image has taken over.
TEST(WorkersResponses, ArePassedOnOnlyIfTheyAreData) {
  const auto passed = [](const std::string& type, int status = 200) {
    Response head;
    head.status = status;
    head.content_type = type;
    return check_response_of_worker(head).has_value();
  };
  EXPECT_TRUE(passed("application/json"));
  EXPECT_TRUE(passed("application/octet-stream"));
  EXPECT_TRUE(passed("image/png"));
  EXPECT_TRUE(passed("text/plain; charset=utf-8"));
  EXPECT_TRUE(passed("", 304));
  // Behind it, a proxy would take the answer to the next request for the end of this one.
  for (const int status : {100, 101, 103, 199, 600, 999})
    EXPECT_FALSE(passed("application/json", status)) << status;
  for (const char* type : {"text/html", "image/svg+xml", "text/javascript", "application/xhtml+xml",
                           "text/html; charset=application/json", "", "application/pdf"})
    EXPECT_FALSE(passed(type)) << type;
}

// A cache in front of the hub would give them to everybody.
TEST(WorkersResponses, AreKeptByNoCacheOfSeveralPeople) {
  const auto passed = [](const std::string& said) {
    Response head;
    head.headers = {{"cache-control", said}};
    EXPECT_TRUE(check_response_of_worker(head));
    std::string all;
    for (const auto& [name, value] : head.headers)
      if (name == "cache-control" || name == "Cache-Control") all += value;
    return all;
  };
  for (const char* good : {"no-store", "private, no-cache", "private, max-age=31536000, immutable"})
    EXPECT_EQ(passed(good), good);
  for (const char* bad : {"public", "public, max-age=99", "max-age=99", "private, s-maxage=99",
                          "no-store, public", "PRIVATE", "", "immutable", "private=\"x\""})
    EXPECT_EQ(passed(bad), "private, no-cache") << bad;
}

TEST(WorkersResponses, LoseTheHeadersThatAreNotTheirs) {
  Response head;
  head.headers = {{"set-cookie", "a=b"},
                  {"etag", "\"1\""},
                  {"location", "/"},
                  {"content-security-policy", "default-src *"},
                  {"x-tierhub-state", "recalling"},
                  {"access-control-allow-origin", "*"}};
  ASSERT_TRUE(check_response_of_worker(head));
  std::set<std::string> names;
  for (const auto& [name, value] : head.headers) names.insert(name);
  EXPECT_TRUE(names.contains("etag"));
  EXPECT_TRUE(names.contains("x-tierhub-state"));
  EXPECT_TRUE(names.contains("Content-Security-Policy"));
  for (const char* name :
       {"set-cookie", "location", "content-security-policy", "access-control-allow-origin"})
    EXPECT_FALSE(names.contains(name)) << name;
}

TEST(Cookies, AreReadByTheirWholeName) {
  const auto found = [](const std::string& header) {
    return cookie_of(Request{"GET", "/", "", {{"cookie", header}}}, "tierweb-80");
  };
  EXPECT_EQ(found("a=b; tierweb-80=x; c=d"), "x");
  EXPECT_EQ(found("tierweb-80=x"), "x");
  EXPECT_EQ(found("tierweb-800=x; xtierweb-80=y; tierweb-80"), std::nullopt);
  EXPECT_EQ(found(""), std::nullopt);
  // One of them may have been set by another site of the same domain.
  EXPECT_EQ(found("tierweb-80=x; tierweb-80=y"), std::nullopt);
}

TEST(Sessions, EndAfterAWhile) {
  const auto start = Sessions::Clock::now();
  Sessions sessions({10min, 60min, 3});
  const std::string one = sessions.begin({1000, "grace"}, start);
  EXPECT_TRUE(sessions.find(one, start + 9min));
  EXPECT_TRUE(sessions.find(one, start + 18min)) << "it was used";
  EXPECT_FALSE(sessions.find(one, start + 29min));
  const std::string two = sessions.begin({1000, "grace"}, start);
  for (int i = 1; i <= 6; ++i) EXPECT_TRUE(sessions.find(two, start + i * 10min)) << i;
  EXPECT_FALSE(sessions.find(two, start + 61min)) << "it is too old";
}

TEST(Sessions, MakeRoomForNewOnes) {
  const auto start = Sessions::Clock::now();
  Sessions sessions({10min, 60min, 2});
  const std::string one = sessions.begin({1000, "grace"}, start);
  const std::string two = sessions.begin({1001, "ada"}, start + 1s);
  EXPECT_TRUE(sessions.find(one, start + 2s));
  const std::string three = sessions.begin({1002, "mary"}, start + 3s);
  EXPECT_FALSE(sessions.find(two, start + 4s)) << "it was used longest ago";
  EXPECT_TRUE(sessions.find(one, start + 4s));
  EXPECT_TRUE(sessions.has(1002, start + 4s));
  EXPECT_FALSE(sessions.has(1001, start + 4s));
}

TEST(Sessions, OfOnePersonPushNobodyElseOut) {
  const auto start = Sessions::Clock::now();
  Sessions sessions({10min, 60min, 100, 2});
  const std::string ada = sessions.begin({1001, "ada"}, start);
  const std::string one = sessions.begin({1000, "grace"}, start + 1s);
  const std::string two = sessions.begin({1000, "grace"}, start + 2s);
  EXPECT_TRUE(sessions.find(one, start + 3s));
  const std::string three = sessions.begin({1000, "grace"}, start + 4s);
  EXPECT_FALSE(sessions.find(two, start + 5s)) << "it was used longest ago";
  for (const std::string& kept : {ada, one, three}) EXPECT_TRUE(sessions.find(kept, start + 5s));
  sessions.end_all(1000);
  EXPECT_FALSE(sessions.has(1000, start + 5s));
  EXPECT_TRUE(sessions.has(1001, start + 5s));
}

TEST(Throttle, ManyMadeUpNamesHideNoGuesses) {
  const auto start = Throttle::Clock::now();
  Throttle throttle(3, 5min, 50);
  for (int i = 0; i < 50; ++i) throttle.count(fmt::format("made up {}", i), start);
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(throttle.is_open("grace", start + 1s));
    throttle.count("grace", start + 1s);
  }
  EXPECT_FALSE(throttle.is_open("grace", start + 2s));
  EXPECT_TRUE(throttle.is_open("made up 7", start + 2s));
  EXPECT_TRUE(throttle.is_open("grace", start + 302s));
}

TEST(Secrets, AreLongAndNeverTheSame) {
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) seen.insert(make_secret());
  EXPECT_EQ(seen.size(), 100u);
  for (const std::string& secret : seen) EXPECT_EQ(secret.size(), 64u);
}

TEST(ShareTarget, IsAKeyOfAZarrImageAndNothingElse) {
  for (const char* key :
       {".zattrs", ".zgroup", "zarr.json", "0/.zarray", "12/zarr.json", "0/0/1/2/3/4",
        "0/c/0/1/2/3/4", "labels/.zattrs", "labels/nuclei/.zattrs", "labels/nuclei/0/0/0/0/0/0"}) {
    const auto target = parse_share_target(std::string("/share/abc/zarr/v2/") + key);
    ASSERT_TRUE(target) << key;
    EXPECT_EQ(target->token, "abc");
    EXPECT_EQ(target->version, "v2");
    EXPECT_EQ(target->key, key);
  }
  for (const char* path :
       {"/share/abc/zarr/v2/", "/share/abc/zarr/v2", "/share/abc/zarr/v4/.zattrs",
        "/share/abc/img/v2/.zattrs", "/share/abc/zarr/v2/../other/.zattrs",
        "/share/abc/zarr/v2/%2e%2e/other/.zattrs", "/share/abc/zarr/v2/other.zarr/.zattrs",
        "/share/abc/zarr/v2/0/0/1/2", "/share/abc/zarr/v2/0//.zarray",
        "/share/abc/zarr/v2/labels/../x/.zattrs", "/share/abc/zarr/v2/labels/a/b/.zattrs",
        "/share/abc/zarr/v2/labels/.hidden/.zattrs", "/shared/abc/zarr/v2/.zattrs"})
    EXPECT_FALSE(parse_share_target(path)) << path;
}

TEST_F(FrontTest, AShareShowsOneImageToWhoeverHasTheLink) {
  const std::string mine = cookie(ask("GET", "/login?token=" + std::string(64, 'a')));
  const Headers ours = {{"cookie", mine}, {"x-tierhub", "1"}, {"origin", "http://127.0.0.1:80"}};
  EXPECT_EQ(ask("POST", "/api/shares?path=%2Fa%20b%2Fscan.tif&hours=1", {{"cookie", mine}}).status,
            403)
      << "another page";
  EXPECT_EQ(ask("POST", "/api/shares?path=%2Fscan.tif&hours=1").status, 401);
  const Response made = ask("POST", "/api/shares?path=%2Fa%20b%2Fscan.tif&hours=1", ours);
  EXPECT_EQ(made.status, 200) << text(made);
  const std::string token = nlohmann::json::parse(text(made)).at("token");

  // Without any cookie.
  const Response shown = ask("GET", "/share/" + token + "/zarr/v3/zarr.json");
  ASSERT_TRUE(is_relayed(shown));
  const auto& relay = std::get<http::Relay>(shown.body);
  EXPECT_EQ(relay.request.target, "/zarr/v3/a%20b/scan.tif/zarr.json");
  EXPECT_EQ(relay.request.header("x-tierhub-share"), "2");
  Response answer;
  EXPECT_TRUE(relay.accept(answer));
  EXPECT_EQ(header(answer, "Access-Control-Allow-Origin"), "*");
  EXPECT_EQ(header(answer, "Cross-Origin-Resource-Policy"), "cross-origin");

  EXPECT_EQ(ask("GET", "/share/" + token + "/zarr/v3/../x/zarr.json").status, 404);
  EXPECT_EQ(ask("PUT", "/share/" + token + "/zarr/v3/zarr.json").status, 404);
  std::string other = token;
  other.back() = other.back() == '0' ? '1' : '0';
  EXPECT_EQ(ask("GET", "/share/" + other + "/zarr/v3/zarr.json").status, 410);

  EXPECT_EQ(nlohmann::json::parse(text(ask("GET", "/api/shares", ours))).at("shares").size(), 1u);
  EXPECT_EQ(ask("DELETE", "/api/shares?token=" + other, ours).status, 404);
  EXPECT_EQ(ask("DELETE", "/api/shares?token=" + token, ours).status, 200);
  // 404 would mean "all voxels have the fill value" to whoever reads chunks.
  const Response gone = ask("GET", "/share/" + token + "/zarr/v3/0/c/0/0/0/0/0");
  EXPECT_EQ(gone.status, 410);
  EXPECT_EQ(header(gone, "Access-Control-Allow-Origin"), "*");
}

TEST_F(FrontTest, AShareEndsWithTheSessionOfWhoMadeIt) {
  const std::string mine = cookie(ask("GET", "/login?token=" + std::string(64, 'a')));
  const Headers ours = {{"cookie", mine}, {"x-tierhub", "1"}, {"origin", "http://127.0.0.1:80"}};
  const Response made = ask("POST", "/api/shares?path=%2Fscan.tif&hours=1", ours);
  const std::string token = nlohmann::json::parse(text(made)).at("token");
  EXPECT_TRUE(is_relayed(ask("GET", "/share/" + token + "/zarr/v2/.zattrs")));
  EXPECT_EQ(ask("POST", "/logout", ours).status, 303);
  EXPECT_EQ(ask("GET", "/share/" + token + "/zarr/v2/.zattrs").status, 410);
}

TEST(Shares, ExpireAndAreBounded) {
  Shares shares;
  const Person ada{1000, "ada"}, bob{1001, "bob"};
  EXPECT_FALSE(shares.add(ada, "/", std::chrono::hours(1)));
  EXPECT_FALSE(shares.add(ada, "a", std::chrono::hours(1)));
  EXPECT_FALSE(shares.add(ada, "/a", std::chrono::hours(0)));
  EXPECT_FALSE(shares.add(ada, "/a", std::chrono::hours(32 * 24)));
  const auto made = shares.add(ada, "/a", std::chrono::hours(1));
  EXPECT_EQ(shares.find(made->token)->path, "/a");
  EXPECT_FALSE(shares.end(bob.uid, made->token)) << "it is not bob's";
  EXPECT_TRUE(shares.end(ada.uid, made->token));
  for (size_t i = 0; i < Shares::kMostOfAPerson; ++i)
    EXPECT_TRUE(shares.add(ada, "/a", std::chrono::hours(1)));
  EXPECT_FALSE(shares.add(ada, "/a", std::chrono::hours(1)));
  EXPECT_TRUE(shares.add(bob, "/a", std::chrono::hours(1)));
  EXPECT_EQ(shares.of(bob.uid).size(), 1u);
  shares.end_all(ada.uid);
  EXPECT_TRUE(shares.of(ada.uid).empty());
}

TEST(Forms, DecodeOnlyWholeHexadecimalNumbers) {
  EXPECT_EQ(form_of("a=%4g&b=%41&c=%+1&d=%").at("a"), "%4g");
  EXPECT_EQ(form_of("a=%4g&b=%41&c=%+1&d=%").at("b"), "A");
}

}  // namespace
}  // namespace tierhub::hub
