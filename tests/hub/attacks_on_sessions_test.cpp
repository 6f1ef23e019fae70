// What somebody can do with requests, cookies, the sessions of others, and a worker that was taken over.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <optional>
#include <set>
#include <stdexcept>
#include <thread>
#include <utility>

#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <nlohmann/json.hpp>

#include "common/unique_fd.h"
#include "http/unix_socket.h"
#include "tests/hub/attacks_fixture.h"

namespace tierhub::test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using namespace std::string_literals;
using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::string content_of(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

using HubAttacksOnSessions = HubAttacks;

// A reverse proxy sends what several people ask over one connection.
TEST_F(HubAttacksOnSessions, RequestsOfSeveralPeopleOnOneConnectionStayApart) {
  start_with_both();
  const std::string session = "GET /api/session HTTP/1.1\r\n" + host();
  const std::string all = converse(
      port_, session + cookie(*attacker_) + "\r\n" + session + cookie(*victim_) + "\r\n" + session +
                 "\r\n" + session + cookie(*attacker_) + "Connection: close\r\n\r\n");
  std::vector<std::string> users;
  for (size_t at = all.find("HTTP/1.1 "); at != std::string::npos;) {
    const size_t next = all.find("HTTP/1.1 ", at + 1);
    const std::string one = all.substr(at, next - at);
    users.emplace_back(one.find("\"games\"") != std::string::npos    ? "games"
                       : one.find("\"daemon\"") != std::string::npos ? "daemon"
                                                                     : one.substr(9, 3));
    at = next;
  }
  EXPECT_THAT(users, ElementsAre("daemon", "games", "401", "daemon"));

  // Where a request ends: what another server would take for its body is never the next request.
  const std::string hidden = "GET /api/session HTTP/1.1\r\n" + host() + cookie(*victim_) + "\r\n";
  const std::string length = "Content-Length: " + std::to_string(hidden.size()) + "\r\n";
  for (const std::string& heads :
       {length + "Transfer-Encoding: chunked\r\n", "Transfer-Encoding: chunked\r\n" + length,
        std::string("Transfer-Encoding: chunked\r\n"),
        std::string("Transfer-Encoding: identity\r\n"),
        std::string("Transfer-Encoding: xchunked\r\n"), length + "Transfer-Encoding: gzip\r\n",
        std::string("Transfer-Encoding:\r\n chunked\r\n"),
        std::string("Transfer-Encoding: chunked, identity\r\n"),
        std::string("Transfer-Encoding : chunked\r\n"), length + "Content-Length: 0\r\n",
        length + length, std::string("Content-Length: 0, 5\r\n"),
        std::string("Content-Length: +5\r\n"), std::string("Content-Length: 0x5\r\n"),
        std::string("Content-Length: -1\r\n"), std::string("Content-Length : 5\r\n"),
        std::string("Content-Length: 99999999999999999999\r\n"), std::string("Content-Length\r\n"),
        std::string("X: y\n\r\n")}) {
    for (const char* method : {"POST", "GET"}) {
      const std::string head = std::string(method) + " /api/session HTTP/1.1\r\n" + host() +
                               cookie(*attacker_) + heads + "\r\n";
      const std::vector<int> answers = statuses(head + hidden);
      EXPECT_LE(answers.size(), 1u) << heads;
      for (const int status : answers) EXPECT_GE(status, 400) << heads;
    }
  }
  // Whom it is for.
  const auto ask = [&](const std::string& line, const std::string& heads) {
    const std::vector<int> answers =
        statuses(line + "\r\n" + heads + cookie(*victim_) + "Connection: close\r\n\r\n");
    return answers.size() == 1 ? answers.front() : 0;
  };
  const std::string line = "GET /api/session HTTP/1.1";
  EXPECT_EQ(ask(line, host()), 200);
  EXPECT_EQ(ask(line, ""), 421);
  EXPECT_EQ(ask(line, "Host: \r\n"), 421);
  EXPECT_EQ(ask(line, host() + "Host: evil.example\r\n"), 400);
  EXPECT_EQ(ask(line, "Host: 127.0.0.1\r\n"), 421);
  EXPECT_EQ(ask(line, "Host: 127.0.0.1.:" + std::to_string(port_) + "\r\n"), 421);
  EXPECT_EQ(ask(line, "Host: [::1]:" + std::to_string(port_) + "\r\n"), 421);
  EXPECT_EQ(ask(line, "Host: x@127.0.0.1:" + std::to_string(port_) + "\r\n"), 421);
  EXPECT_EQ(ask("GET http://evil.example/api/session HTTP/1.1", host()), 404);
  EXPECT_EQ(ask("GET //evil.example/api/session HTTP/1.1", host()), 404);
  EXPECT_GE(ask("CONNECT evil.example:443 HTTP/1.1", host()), 400);
  EXPECT_GE(ask("OPTIONS * HTTP/1.1", host()), 400);
  EXPECT_GE(ask("GET /api/sess\x01ion HTTP/1.1", host()), 400);
  EXPECT_EQ(ask(line, host() + "X: " + std::string(70'000, 'x') + "\r\n"), 431);
  // And from whose page.
  const std::string change = "POST /api/v1/prefetch HTTP/1.1";
  const std::string ours = host() + "X-TierHub: 1\r\nContent-Length: 0\r\n";
  const std::string origin = "Origin: " + victim_->origin();
  EXPECT_EQ(ask(change, ours + origin + "\r\n"), 400) << "tierd's answer: there is no body";
  for (const std::string& other :
       {std::string(), std::string("Origin: null\r\n"), std::string("Origin: \r\n"),
        origin + "0\r\n", origin + "/\r\n", origin + " http://evil.example\r\n",
        "Origin: http://127.0.0.1.:" + std::to_string(port_) + "\r\n",
        "Origin: http://[::1]:" + std::to_string(port_) + "\r\n",
        "Origin: http://x@127.0.0.1:" + std::to_string(port_) + "\r\n"})
    EXPECT_EQ(ask(change, ours + other), 403) << other;
  EXPECT_EQ(ask(change, ours + origin + "\r\nOrigin: http://evil.example\r\n"), 400);
}

TEST_F(HubAttacksOnSessions, CookiesThatOthersCanSetDoNotCount) {
  start_with_both();
  const std::string good = victim_->cookie_line();
  const std::string secret = good.substr(good.find('=') + 1);
  const std::string bad = attacker_->cookie_line();
  const auto ask = [&](const std::vector<std::string>& cookies) {
    Browser::Headers headers;
    for (const std::string& one : cookies) headers.push_back("Cookie: " + one);
    return Browser(port_).get("/api/session", headers).status;
  };
  ASSERT_EQ(good.substr(0, good.find('=')), "tierweb");
  EXPECT_EQ(ask({good}), 200);
  EXPECT_EQ(ask({"tierweb-8080=" + std::string(64, '0') + "; " + good}), 200) << "another port's";
  EXPECT_EQ(ask({"x=" + std::string(60'000, 'x') + "; " + good}), 200);
  EXPECT_EQ(ask({"x=" + std::string(70'000, 'x') + "; " + good}), 431);
  for (const auto& cookies : std::vector<std::vector<std::string>>{
           {good + "; " + bad},
           {bad + "; " + good},
           {good, bad},
           {good + "; tierweb="},
           {"tierweb=\"" + secret + "\""},
           {"Tierweb=" + secret},
           {"__Host-tierweb=" + secret},
           {"tierweb-" + std::to_string(port_) + "=" + secret},
           {"tierweb=" + secret.substr(0, 63)},
           {"tierweb=" + secret.substr(0, 32)},
           {"tierweb=" + secret + "0"},
           {"tierweb=" + secret.substr(0, 32) + std::string(32, '0')},
           {"tierweb=;tierweb"},
           {"tierweb=" + std::string(64, '0')}})
    EXPECT_EQ(ask(cookies), 401) << cookies.front();
}

TEST_F(HubAttacksOnSessions, NothingOfASessionSurvivesItsEnd) {
  start_with_both();
  // Signed in twice in one browser: nobody has the first cookie any more.
  Browser first(*victim_);
  ASSERT_EQ(sign_in(*victim_, "games", "secret"), 303);
  EXPECT_NE(first.cookie_line(), victim_->cookie_line());
  EXPECT_EQ(first.get("/api/session").status, 401);
  EXPECT_EQ(victim_->get("/api/session").status, 200);
  const Answer made = victim_->post("/api/shares?path=/scan.zarr&hours=1");
  const std::string link = "/share/" + json::parse(made.body).at("token").get<std::string>();
  // A worker that does not want to end.
  const pid_t worker = own_worker_of(kVictim);
  ASSERT_GT(worker, 0);
  ASSERT_EQ(::kill(worker, SIGSTOP), 0);
  const Answer out = victim_->post("/logout");
  EXPECT_EQ(out.status, 303);
  EXPECT_EQ(out.header("clear-site-data"), "\"cache\"") << "tiles that the browser has kept";
  EXPECT_EQ(Browser(port_).get(link + "/zarr/v2/.zattrs").status, 410);
  // Its person is not locked out by it meanwhile.
  Browser again(port_);
  ASSERT_EQ(sign_in(again, "games", "secret"), 303);
  EXPECT_EQ(json::parse(again.get("/api/session").body).at("user"), "games");
  eventually("it is killed", [&] { return ::kill(worker, 0) != 0; });
  EXPECT_GT(own_worker_of(kVictim), 0);

  // An account that PAM would not let in any more, behind more than are looked at at once.
  for (const char* user : {"bin", "sys", "sync"}) {
    Browser other(port_);
    ASSERT_EQ(sign_in(other, user, "secret"), 303);
    EXPECT_EQ(other.get("/api/session").status, 200);
  }
  write_file(place_ / "closed", "games\n");
  std::ofstream(place_ / "pam/tierweb", std::ios::app)
      << "account required pam_listfile.so item=user sense=deny onerr=succeed file="
      << (place_ / "closed") << "\n";
  Browser somebody(port_);
  ASSERT_EQ(sign_in(somebody, "daemon", "secret"), 303) << "accounts are looked at now";
  eventually("games has no session", [&] { return again.get("/api/session").status == 401; });
  EXPECT_EQ(somebody.get("/api/session").status, 200);
  EXPECT_LT(own_worker_of(kVictim), 0);
}

TEST_F(HubAttacksOnSessions, AnAccountThatIsGoneHasNoSession) {
  start_with_both();
  EXPECT_EQ(victim_->get("/api/session").status, 200);
  const std::string system = content_of("/etc/passwd");
  const size_t at = system.find("\ngames:") + 1;
  ASSERT_GT(at, 0u);
  // Somebody else has its number now.
  write_file(place_ / "passwd",
             system.substr(0, at) + "other" + system.substr(at + std::string("games").size()));
  ASSERT_EQ(::mount((place_ / "passwd").c_str(), "/etc/passwd", nullptr, MS_BIND, nullptr), 0);
  const pid_t worker = own_worker_of(kVictim);
  if (worker > 0) ::kill(worker, SIGKILL);  // -1 would be every process
  eventually("it is gone", [&] { return ::kill(worker, 0) != 0; });
  EXPECT_EQ(victim_->get("/api/session").status, 401) << "no worker for another person's number";
  EXPECT_LT(own_worker_of(kVictim), 0);
  EXPECT_EQ(attacker_->get("/api/session").status, 200);
  ::umount("/etc/passwd");
}

// As when the directory that has the account does not answer.
TEST_F(HubAttacksOnSessions, AnAccountThatIsNotFoundForAMomentKeepsItsSession) {
  start_with_both();
  make_image(tier.in_mount("scan.zarr"), "voxels", kVictim);
  const Answer made = victim_->post("/api/shares?path=/scan.zarr&hours=1");
  const std::string key =
      "/share/" + json::parse(made.body).at("token").get<std::string>() + "/zarr/v2/.zattrs";
  EXPECT_EQ(victim_->get("/api/session").status, 200);
  EXPECT_EQ(Browser(port_).get(key).status, 200);
  const std::string system = content_of("/etc/passwd");
  const size_t at = system.find("\ngames:") + 1;
  ASSERT_GT(at, 0u);
  write_file(place_ / "passwd", system.substr(0, at) + system.substr(system.find('\n', at) + 1));
  ASSERT_EQ(::mount((place_ / "passwd").c_str(), "/etc/passwd", nullptr, MS_BIND, nullptr), 0);
  const pid_t worker = own_worker_of(kVictim);
  ASSERT_GT(worker, 0);
  Browser somebody(port_);
  ASSERT_EQ(sign_in(somebody, "daemon", "secret"), 303) << "accounts are looked at now";
  EXPECT_EQ(victim_->get("/api/session").status, 200) << "by the worker that there is";
  ::kill(worker, SIGKILL);
  eventually("it is gone", [&] { return ::kill(worker, 0) != 0; });
  const Answer meanwhile = victim_->get("/api/session");
  EXPECT_EQ(meanwhile.status, 503) << meanwhile.body;
  EXPECT_THAT(meanwhile.body, HasSubstr("does not find your account now"));
  EXPECT_EQ(Browser(port_).get(key).status, 503) << "404 would be black";
  EXPECT_LT(own_worker_of(kVictim), 0) << "none without groups";
  ::umount("/etc/passwd");
  EXPECT_EQ(victim_->get("/api/session").status, 200);
  EXPECT_EQ(Browser(port_).get(key).status, 200);
}

TEST_F(HubAttacksOnSessions, SecretsAreNowhereAndFoldersArePrivate) {
  const mode_t before = ::umask(0);
  rlimit files = {};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &files), 0);
  const rlimit few = {256, files.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  start_with_both();
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &files), 0);
  ::umask(before);
  const Answer made = victim_->post("/api/shares?path=/scan.zarr&hours=1");
  const std::string token = json::parse(made.body).at("token");
  const std::string line = victim_->cookie_line();
  const std::string secret = line.substr(line.find('=') + 1);
  for (const std::string& one : {token, secret}) {
    EXPECT_EQ(one.size(), 64u);
    EXPECT_EQ(one.find_first_not_of("0123456789abcdef"), std::string::npos);
  }
  Browser(port_).get("/share/" + token + "/zarr/v2/.zattrs");
  Browser(port_).get("/login?token=" + secret);
  Browser wrong(port_);
  EXPECT_EQ(sign_in(wrong, "games", "my%20other%20password"), 401);
  EXPECT_EQ(sign_in(wrong, "mypassword", "games"), 401) << "typed into the wrong field";
  for (const char* other : {token.c_str(), secret.c_str(), "other password", "other%20", "mypassw"})
    EXPECT_THAT(printed(), Not(HasSubstr(other)));

  std::set<std::string> seen;
  std::vector<pid_t> processes = children_of(tierweb_);
  processes.push_back(tierweb_);
  for (const pid_t pid : processes) {
    const std::string process = "/proc/" + std::to_string(pid);
    const std::string arguments = content_of(process + "/cmdline");
    for (const char* file : {"/cmdline", "/environ"}) {
      const std::string text = content_of(process + file);
      for (const std::string& one : {token, secret, std::string("secret")})
        EXPECT_EQ(text.find(one), std::string::npos) << process << file;
    }
    EXPECT_THAT(content_of(process + "/limits"),
                ::testing::ContainsRegex("Max core file size +0 +0"));
    struct stat st = {};
    const bool is_worker = arguments.find("--worker") != std::string::npos;
    const bool is_front = arguments.find("--front\0"s) != std::string::npos;
    seen.insert(is_worker ? "worker" : is_front ? "front" : "login");
    if (is_worker) {
      EXPECT_EQ(process_status(pid, "Umask"), "0022");
    }
    // The memory of a process that may not be read by others of its user belongs to root.
    ASSERT_EQ(::stat((process + "/mem").c_str(), &st), 0);
    if (is_front) {
      EXPECT_EQ(st.st_uid, 0u);
      EXPECT_FALSE(process_status(pid, "Uid").starts_with("0\t"));
      // A few people who listen to events would take all descriptors of a program that may have few.
      EXPECT_THAT(content_of(process + "/limits"),
                  Not(::testing::ContainsRegex("Max open files +256 ")));
    }
  }
  EXPECT_THAT(seen, ElementsAre("front", "login", "worker"));
  struct stat st = {};
  ASSERT_EQ(::stat((place_ / "run").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777, 0700u);
  for (const auto& entry : fs::recursive_directory_iterator(place_ / "run")) {
    ASSERT_EQ(::lstat(entry.path().c_str(), &st), 0);
    EXPECT_EQ(st.st_mode & 0077, 0u) << entry.path();
  }
  EXPECT_EQ(stop_tierweb(), 0);

  // A folder that somebody else has made for the sockets, or a link.
  fs::create_directories(place_ / "theirs");
  ASSERT_EQ(::chown((place_ / "theirs").c_str(), kAttacker, kAttacker), 0);
  fs::create_directories(place_ / "roots");
  fs::create_directory_symlink(place_ / "roots", place_ / "link");
  for (const char* folder : {"theirs", "link"}) {
    start_tierweb({"--socket", tier.client().socket_path(), "--listen", "127.0.0.1:1", "--user",
                   "nobody", "--runtime-folder", place_ / folder});
    EXPECT_EQ(wait_for_exit(std::exchange(tierweb_, -1), 10s), 1) << printed();
    EXPECT_THAT(printed(), HasSubstr(folder));
  }
  ASSERT_EQ(::stat((place_ / "roots").c_str(), &st), 0);
  EXPECT_EQ(st.st_uid, 0u);
}

TEST_F(HubAttacksOnSessions, NoiseFillsNoLogAndHoldsNobodyUp) {
  start_with_both();
  // Callers that are gone before anybody can ask who they were, and requests that are none.
  for (int i = 0; i < 200; ++i) {
    const UniqueFd fd = connect_to(port_);
    ASSERT_TRUE(fd);
    const linger none = {1, 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &none, sizeof none);
    if (i % 2 == 0) ::send(fd.get(), "\x16\x03\x01\r\n\r\n", 7, MSG_NOSIGNAL);
  }
  for (int i = 0; i < 100; ++i) {
    Browser(port_).get("/api/v1/ls?path=/" + std::to_string(i));
    attacker_->get("/img/1/nothing/" + std::to_string(i));
  }
  // Guesses, as other texts for the same name.
  Browser guesser(port_);
  int refused = 0;
  for (int i = 0; i < 20; ++i) {
    const std::string name = i % 2 == 0 ? "games" : i % 3 == 0 ? "GAMES" : "Games";
    refused += sign_in(guesser, name, "guess" + std::to_string(i)) == 429 ? 1 : 0;
  }
  EXPECT_EQ(refused, 10);
  EXPECT_EQ(sign_in(guesser, "games%00x", "secret"), 401) << "a name that PAM does not get whole";
  EXPECT_EQ(sign_in(guesser, "daemon", "secret%00x"), 401);
  EXPECT_EQ(sign_in(guesser, std::string(2'000, 'x'), "secret"), 401);
  const std::string log = printed();
  EXPECT_LT(std::count(log.begin(), log.end(), '\n'), 40) << log;

  // PAM takes long for them.
  write_file(place_ / "check.sh", "#!/bin/sh\nread -r password\nwhile [ ! -e " + (place_ / "go") +
                                      " ]; do sleep 0.1; done\nexit 1\n");
  std::vector<std::jthread> slow;
  std::atomic<int> busy = 0, wrong = 0;
  for (int i = 0; i < 12; ++i) {
    slow.emplace_back([&, i] {
      Browser browser(port_);
      const int status = sign_in(browser, "user" + std::to_string(i), "x");
      busy += status == 503 ? 1 : 0;
      wrong += status == 401 ? 1 : 0;
    });
  }
  eventually("most are told to wait", [&] { return busy == 9; });
  EXPECT_EQ(attacker_->get("/api/session").status, 200) << "while PAM is asked for three";
  EXPECT_EQ(wrong, 0);
  write_file(place_ / "go", "");
  slow.clear();
  EXPECT_EQ(wrong, 3);
}

// Whoever knows one password begins to sign in and never types the code.
TEST_F(HubAttacksOnSessions, SignInsLeftHalfWayKeepNobodyOut) {
  port_ = start_for_everybody();
  std::ofstream(place_ / "pam/tierweb", std::ios::app) << "auth required " PAM_CODE_PATH "\n";
  const auto begin = [&](const std::string& user) {
    const Answer form = Browser(port_).post("/login", "user=" + user + "&password=secret");
    EXPECT_EQ(form.status, 200);
    EXPECT_THAT(form.body, HasSubstr("Code: "));
    const size_t at = form.body.find("name=\"attempt\" value=\"");
    return at == std::string::npos ? "" : form.body.substr(at + 22, 64);
  };
  const auto finish = [&](const std::string& attempt, const std::string& code) {
    return Browser(port_).post("/login", "attempt=" + attempt + "&answer=" + code).status;
  };
  const std::string victims = begin("games");
  std::string first, last;
  for (int i = 0; i < 20; ++i) {
    last = begin("daemon");
    if (i == 0) first = last;
  }
  EXPECT_EQ(finish(first, "1234"), 401) << "it made room";
  EXPECT_EQ(finish(victims, "1234"), 303);
  EXPECT_EQ(finish(begin("games"), "wrong"), 401);
  EXPECT_EQ(finish(begin("games"), "1234"), 303);
  EXPECT_EQ(finish(last, "1234"), 303);
  EXPECT_EQ(finish(last, "1234"), 401) << "it has ended";
}

// Says what it was told to whatever it is asked.
class FakeWorker {
 public:
  // Takes the place of the worker that listens there.
  explicit FakeWorker(const std::string& path) {
    fs::remove(path);
    auto listener = http::UnixListener::open(path, 0666);
    if (!listener) throw std::runtime_error(listener.error().text());
    listener_.emplace(*std::move(listener));
    thread_ = std::jthread([this](const std::stop_token& stop) { serve(stop); });
  }
  void say(const std::string& bytes) {
    const std::lock_guard lock(mutex_);
    answer_ = bytes;
  }

 private:
  void serve(const std::stop_token& stop) {
    std::vector<std::jthread> callers;
    while (!stop.stop_requested()) {
      UniqueFd fd(::accept(listener_->fd(), nullptr, nullptr));
      if (!fd) {
        std::this_thread::sleep_for(1ms);
        continue;
      }
      callers.emplace_back([this, caller = std::move(fd)] {
        const timeval limit = {2, 0};
        ::setsockopt(caller.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        std::string asked;
        char buffer[4096];
        while (true) {
          const ssize_t n = ::read(caller.get(), buffer, sizeof buffer);
          if (n <= 0) return;
          asked.append(buffer, static_cast<size_t>(n));
          if (asked.find("\r\n\r\n") == std::string::npos) continue;
          asked.clear();
          const std::lock_guard lock(mutex_);
          ::send(caller.get(), answer_.data(), answer_.size(), MSG_NOSIGNAL);
        }
      });
    }
  }

  std::optional<http::UnixListener> listener_;
  std::mutex mutex_;
  std::string answer_;
  std::jthread thread_;
};

TEST_F(HubAttacksOnSessions, AWorkerThatWasTakenOverServesNoPage) {
  start_with_both();
  const Answer made = attacker_->post("/api/shares?path=/scan.zarr&hours=1");
  const std::string link = "/share/" + json::parse(made.body).at("token").get<std::string>();
  ASSERT_EQ(attacker_->get("/api/session").status, 200);
  FakeWorker worker(place_ / ("run/worker-" + std::to_string(kAttacker) + ".sock"));
  // What changes something is never sent over a connection that was used before.
  const std::string good =
      "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
  worker.say(good);
  ASSERT_EQ(attacker_->post("/api/v1/prefetch", "{}").body, "{}");
  const std::string page = "<script>fetch('/api/session')</script>";
  const std::string size = "Content-Length: " + std::to_string(page.size()) + "\r\n";
  const auto typed = [&](const std::string& head, const std::string& body) {
    return "HTTP/1.1 " + head + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
           body;
  };
  const std::vector<std::string> refused = {
      typed("200 OK\r\nContent-Type: text/html", page),
      typed("200 OK\r\nContent-Type: TEXT/HTML", page),
      typed("200 OK", page),
      typed("200 OK\r\nContent-Type: image/svg+xml", page),
      typed("200 OK\r\nContent-Type: text/javascript", page),
      typed("200 OK\r\nContent-Type: application/json\r\nContent-Type: text/html", page),
      typed("200 OK\r\nContent-Type: application/json,\r\n text/html", page),
      typed("200 OK\r\nContent-Type: application/json, text/html", page),
      typed("200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=x", page),
      typed("100 Continue\r\nContent-Type: application/json", page),
      typed("101 Switching Protocols\r\nContent-Type: application/json\r\nUpgrade: h2c", page),
      typed("103 Early Hints\r\nContent-Type: application/json\r\nLink: </x.js>", page),
      typed("999 Strange\r\nContent-Type: application/json", page),
      typed("200 OK\r\nContent-Type: application/json\r\nX: " + std::string(70'000, 'x'), page),
      "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" + size + "Content-Length: 1\r\n\r\n" +
          page,
      "<html>" + page};
  for (const std::string& answer : refused) {
    worker.say(answer);
    Browser stranger(port_);
    for (const Answer& got :
         {attacker_->get("/api/session"), attacker_->get("/img/1/x/0/0/0/0/0/0"),
          stranger.get(link + "/zarr/v2/.zattrs")}) {
      EXPECT_EQ(got.status, 502) << answer.substr(0, 200);
      EXPECT_EQ(harm_in(got), "") << answer.substr(0, 200);
      EXPECT_THAT(got.body, Not(HasSubstr("<script>"))) << answer.substr(0, 200);
    }
  }
  // Data passes, and nothing that it says of the origin.
  worker.say(
      typed("200 OK\r\nContent-Type: text/plain\r\nSet-Cookie: tierweb=evil; Path=/\r\n"
            "Location: http://evil.example/\r\nRefresh: 0; url=//evil.example\r\n"
            "Link: </x.js>; rel=preload\r\nContent-Security-Policy: default-src *\r\n"
            "Access-Control-Allow-Credentials: true\r\nService-Worker-Allowed: /\r\n"
            "Clear-Site-Data: \"*\"\r\nStrict-Transport-Security: max-age=1\r\n"
            "WWW-Authenticate: Basic\r\nX-Frame-Options: ALLOWALL\r\nAlt-Svc: h2=\":1\"\r\n"
            "X-Content-Type-Options: none\r\nETag: \"1\"",
            page));
  const Answer data = attacker_->get("/api/session");
  EXPECT_EQ(data.status, 200);
  EXPECT_EQ(harm_in(data), "");
  EXPECT_EQ(data.header("etag"), "\"1\"");
  for (const char* status : {"302 Found", "401 Unauthorized", "304 Not Modified"}) {
    worker.say(typed(std::string(status) + "\r\nLocation: //evil.example\r\nContent-Type: "
                                           "application/json\r\nWWW-Authenticate: Basic",
                     ""));
    EXPECT_EQ(harm_in(attacker_->get("/api/session")), "") << status;
  }
  // What it says beyond its answer is nobody's answer but its own person's, and no page either.
  worker.say(good + typed("200 OK\r\nContent-Type: text/html", page));
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(harm_in(attacker_->get("/api/session")), "");
    EXPECT_EQ(json::parse(victim_->get("/api/session").body).at("user"), "games");
  }
  // A body that is shorter than it says, and one without an end.
  worker.say(
      "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
      "\r\nzz\r\n");
  attacker_->get("/api/session");
  EXPECT_EQ(victim_->get("/api/session").status, 200);
}

}  // namespace
}  // namespace tierhub::test
