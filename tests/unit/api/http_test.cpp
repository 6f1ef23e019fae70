// The server and the client together, over a socket.
#include <future>
#include <latch>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "api/client.h"
#include "api/http_server.h"
#include "common/posix.h"
#include "http/unix_socket.h"
#include "tests/unit/api/fake_service.h"

namespace tierhub::api {
namespace {

using namespace std::chrono_literals;

class Http : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = "/tmp/tierhub-http-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    socket_path_ = folder_ + "/tierd.sock";
    service_.with([](auto& state) { state.administrator_uid = ::getuid(); });
  }
  void TearDown() override {
    server_.reset();
    ::unlink(socket_path_.c_str());
    ::rmdir(folder_.c_str());
  }

  void serve(const HttpServer::Options& options = {}) {
    auto server = HttpServer::open(socket_path_, 0666, service_, options);
    ASSERT_TRUE(server) << server.error().text();
    server_ = *std::move(server);
    server_->start();
  }
  Client client() { return *Client::open(socket_path_, 10s); }
  UniqueFd connect() { return *http::connect_unix(socket_path_, 10s); }

  // Sends bytes as they are; what comes back until the server closes. The server may close before
  // it has read all.
  std::string converse(const UniqueFd& fd, std::string_view bytes) {
    while (!bytes.empty()) {
      ssize_t n = ::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) break;
      bytes.remove_prefix(static_cast<size_t>(n));
    }
    std::string answer;
    char buffer[4096];
    while (true) {
      ssize_t n = ::read(fd.get(), buffer, sizeof buffer);
      if (n <= 0) return answer;
      answer.append(buffer, static_cast<size_t>(n));
    }
  }

  std::string folder_;
  std::string socket_path_;
  FakeService service_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(Http, CarriesStatus) {
  service_.with([](auto& state) {
    state.status.mount = "/mnt/tier";
    state.status.capacity_bytes = UINT64_MAX;
    state.status.oldest_dirty_age_s = 1.25;
  });
  serve();
  auto status = client().status();
  ASSERT_TRUE(status) << status.error().text();
  EXPECT_EQ(status->mount, "/mnt/tier");
  EXPECT_EQ(status->capacity_bytes, UINT64_MAX);
  EXPECT_EQ(status->oldest_dirty_age_s, 1.25);
}

TEST_F(Http, TellsTheServiceWhoCallsByTheKernelsWord) {
  serve();
  ASSERT_TRUE(client().status());
  Caller caller = service_.with([](auto& state) { return state.caller; });
  EXPECT_EQ(caller.uid, ::getuid());
  EXPECT_EQ(caller.gid, ::getgid());
  std::vector<gid_t> groups(static_cast<size_t>(::getgroups(0, nullptr)));
  ::getgroups(static_cast<int>(groups.size()), groups.data());
  EXPECT_EQ(caller.groups, std::vector<uint32_t>(groups.begin(), groups.end()));
}

TEST_F(Http, CarriesListingsPageByPage) {
  service_.with([](auto& state) {
    for (std::string name : {"/a", "/b", "/caf\xe9", "/d"}) {
      state.entries[name] = make_file(name, "cold", 10, 0);
    }
  });
  serve();
  std::vector<std::string> paths;
  std::string after;
  do {
    auto listing = client().list("/", Service::Depth::children, after, 3);
    ASSERT_TRUE(listing) << listing.error().text();
    for (const Entry& entry : listing->entries) paths.push_back(entry.path);
    after = listing->next;
  } while (!after.empty());
  EXPECT_EQ(paths, (std::vector<std::string>{"/a", "/b", "/caf\xe9", "/d"}));
  EXPECT_EQ(service_.calls().back(), "list / depth=children after=/caf\xe9 limit=3");
}

TEST_F(Http, CarriesPrefetches) {
  Prefetch prefetch;
  prefetch.id = 7;
  prefetch.state = "running";
  prefetch.created = Timestamp{1'700'000'000'000'000'001};
  service_.with([&](auto& state) { state.prefetches[7] = {prefetch}; });
  serve();

  PrefetchRequest request;
  request.paths = {"/a"};
  request.files = {{"/b", {{0, 10}, {4096, UINT64_MAX}}}};
  request.lease_owner = "run-1";
  request.lease_ttl_s = 60;
  request.urgency = "later";
  auto started = client().start_prefetch(request);
  ASSERT_TRUE(started) << started.error().text();
  EXPECT_EQ(started->id, 7u);
  EXPECT_EQ(started->created, prefetch.created);
  auto seen = service_.with([](auto& state) { return state.prefetch_request; });
  EXPECT_EQ(seen.paths, request.paths);
  EXPECT_EQ(seen.files.at(0).ranges, request.files[0].ranges);
  EXPECT_EQ(seen.lease_owner, "run-1");
  EXPECT_EQ(seen.lease_ttl_s, 60u);
  EXPECT_EQ(seen.urgency, "later");

  EXPECT_EQ(client().prefetch(7)->state, "running");
  EXPECT_EQ(client().prefetches()->size(), 1u);
  EXPECT_EQ(client().cancel_prefetch(7)->state, "cancelled");
  EXPECT_EQ(client().resume_prefetch(7)->state, "queued");
}

TEST_F(Http, CarriesAPrefetchOfAHundredThousandFiles) {
  service_.with([](auto& state) { state.prefetches[7] = {Prefetch()}; });
  serve();
  PrefetchRequest request;
  for (int i = 0; i < 100'000; ++i) {
    request.files.push_back({"/brain42/scan.ome.zarr/0/" + std::to_string(i), {{0, 4096}}});
  }
  auto started = client().start_prefetch(request);
  ASSERT_TRUE(started) << started.error().text();
  EXPECT_EQ(service_.with([](auto& state) { return state.prefetch_request.files.size(); }),
            100'000u);
}

TEST_F(Http, CarriesTheOtherCalls) {
  service_.with([](auto& state) {
    state.evict_result = {3, 4096, {{"/a/x", "dirty"}}, 1};
    state.publishes = {PublishProgress{5, false, 2, 10, 0, 0, {}},
                       PublishProgress{5, true, 0, 0, 2, 10, {}}};
    state.scans = {ScanProgress{true, 1, 2, 0, 0, 0, 0, {}}, ScanProgress{}};
  });
  serve();
  Client tierd = client();
  EXPECT_TRUE(tierd.renew_lease("run-1", 0));
  auto evicted = tierd.evict({"/a", "/b"});
  ASSERT_TRUE(evicted);
  EXPECT_EQ(evicted->bytes, 4096u);
  EXPECT_EQ(evicted->skipped.at(0).reason, "dirty");
  EXPECT_FALSE(tierd.start_publish({"/a"})->done);
  EXPECT_TRUE(tierd.publish_progress(5)->done);
  EXPECT_EQ(*tierd.pin({"/a", "/b"}, "alice", "course on Monday"), 2u);
  EXPECT_EQ(*tierd.unpin({"/a"}, "alice"), 1u);
  EXPECT_TRUE(tierd.start_scan()->running);
  EXPECT_FALSE(tierd.scan_progress()->running);
  EXPECT_EQ(service_.calls(),
            (std::vector<std::string>{"renew_lease run-1 0", "evict /a /b", "start_publish /a",
                                      "publish_progress 5",
                                      "pin /a /b owner=alice reason=course on Monday",
                                      "unpin /a owner=alice", "start_scan", "scan_progress"}));
}

TEST_F(Http, CarriesRuns) {
  serve();
  api::Run run;
  run.run = "count nuclei/1?";
  run.state = "running";
  run.json = "{\"tasks\": {\"done\": 3}}\n";
  ASSERT_TRUE(client().report_run(run));
  auto back = client().run(run.run);
  ASSERT_TRUE(back) << back.error().text();
  EXPECT_EQ(back->json, run.json);
  EXPECT_EQ(back->uid, ::getuid());
  EXPECT_EQ(client().runs()->size(), 1u);
}

TEST_F(Http, BringsErrorsBackWithTheirCode) {
  service_.with([](auto& state) { state.administrator_uid = ::getuid() + 1; });
  serve();
  auto evicted = client().evict({"/a"});
  ASSERT_FALSE(evicted);
  EXPECT_TRUE(evicted.error().is(std::errc::permission_denied));
  EXPECT_EQ(evicted.error().text(), "only root may do this");
  EXPECT_TRUE(client().run("none").error().is(std::errc::no_such_file_or_directory));
  EXPECT_FALSE(is_unreachable(evicted.error()));
}

TEST_F(Http, SaysWhenNobodyListens) {
  auto status = client().status();
  ASSERT_FALSE(status);
  EXPECT_TRUE(status.error().is(std::errc::connection_refused));
  EXPECT_TRUE(is_unreachable(status.error()));
  EXPECT_TRUE(
      status.error().text().starts_with("tierd is not reachable at " + socket_path_ + ": is it"));
}

TEST_F(Http, SaysWhenTheServerGoesAwayBeforeItAnswers) {
  auto listener = http::UnixListener::open(socket_path_, 0666);
  ASSERT_TRUE(listener);
  auto status = std::async([&] { return client().status(); });
  pollfd waiting = {listener->fd(), POLLIN, 0};
  ASSERT_EQ(::poll(&waiting, 1, 10'000), 1);
  ::close(::accept(listener->fd(), nullptr, nullptr));
  auto result = status.get();
  ASSERT_FALSE(result);
  EXPECT_TRUE(result.error().is(std::errc::connection_reset)) << result.error().text();
}

TEST_F(Http, LimitsTheTimeOfACall) {
  auto listener = http::UnixListener::open(socket_path_, 0666);
  ASSERT_TRUE(listener);
  auto status = client().within(50ms).status();
  ASSERT_FALSE(status);
  EXPECT_TRUE(status.error().is(std::errc::timed_out));
}

TEST_F(Http, SaysWhenWhatAnswersIsNotTierd) {
  auto listener = http::UnixListener::open(socket_path_, 0666);
  ASSERT_TRUE(listener);
  auto status = std::async([&] { return client().status(); });
  pollfd waiting = {listener->fd(), POLLIN, 0};
  ASSERT_EQ(::poll(&waiting, 1, 10'000), 1);
  UniqueFd peer(::accept(listener->fd(), nullptr, nullptr));
  ASSERT_TRUE(posix::write_all(peer.get(), "220 mail.example.org ESMTP\r\n\r\n"));
  peer.reset();
  auto result = status.get();
  ASSERT_FALSE(result);
  EXPECT_TRUE(result.error().is(std::errc::protocol_error)) << result.error().text();
}

TEST_F(Http, KeepsAConnectionForSeveralRequests) {
  serve();
  UniqueFd fd = connect();
  std::string answers = converse(fd,
                                 "GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n"
                                 "GET /v1/nothing/else HTTP/1.1\r\nHost: x\r\n\r\n"
                                 "GET /v1/runs HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(answers.starts_with("HTTP/1.1 200 OK\r\n")) << answers;
  EXPECT_NE(answers.find("HTTP/1.1 404 Not Found\r\n"), std::string::npos);
  EXPECT_TRUE(answers.ends_with("{\"runs\":[]}\n")) << answers;
}

TEST_F(Http, RefusesALargeBodyBeforeItIsSent) {
  serve();
  UniqueFd fd = connect();
  std::string answer =
      converse(fd, "POST /v1/evict HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\n");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 413 ")) << answer;
  EXPECT_NE(answer.find("EMSGSIZE"), std::string::npos);
}

TEST_F(Http, BringsBackWhyALargeRequestWasRefused) {
  serve();
  PrefetchRequest request;
  request.paths = {std::string(33 << 20, 'x')};
  auto started = client().start_prefetch(request);
  ASSERT_FALSE(started);
  EXPECT_TRUE(started.error().is(std::errc::message_size)) << started.error().text();
}

TEST_F(Http, RefusesALargeHead) {
  serve();
  UniqueFd fd = connect();
  std::string answer = converse(fd, "GET /v1/status HTTP/1.1\r\nX: " + std::string(70'000, 'x'));
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 431 ")) << answer;
}

TEST_F(Http, RefusesWhatIsNotHttp) {
  serve();
  UniqueFd fd = connect();
  EXPECT_TRUE(converse(fd, "hello\r\n\r\n").starts_with("HTTP/1.1 400 "));
}

TEST_F(Http, RefusesChunkedBodies) {
  serve();
  UniqueFd fd = connect();
  std::string answer = converse(
      fd, "POST /v1/evict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 411 ")) << answer;
}

TEST_F(Http, TellsACallerWhoAsksFirstToGoOn) {
  serve();
  UniqueFd fd = connect();
  std::string answer = converse(fd,
                                "POST /v1/evict HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                                "Connection: close\r\nContent-Length: 16\r\n\r\n"
                                R"({"paths":["/a"]})");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK")) << answer;
}

TEST_F(Http, ClosesConnectionsOfSlowCallers) {
  HttpServer::Options options;
  options.idle_limit = 50ms;
  options.transfer_limit = 50ms;
  serve(options);
  UniqueFd silent = connect();
  EXPECT_EQ(converse(silent, ""), "");
  UniqueFd in_head = connect();
  EXPECT_EQ(converse(in_head, "GET /v1/sta"), "");
  UniqueFd in_body = connect();
  EXPECT_EQ(converse(in_body, "POST /v1/evict HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"),
            "");
}

TEST_F(Http, BoundsTheConnections) {
  HttpServer::Options options;
  options.max_connections = 2;
  serve(options);
  // An answer on each shows that both are being served.
  UniqueFd held[2] = {connect(), connect()};
  for (const UniqueFd& fd : held) {
    ASSERT_TRUE(posix::write_all(fd.get(), "GET /v1/runs HTTP/1.1\r\nHost: x\r\n\r\n"));
    char first = 0;
    ASSERT_EQ(::read(fd.get(), &first, 1), 1);
  }
  auto status = client().status();
  ASSERT_FALSE(status);
  EXPECT_TRUE(status.error().is(std::errc::resource_unavailable_try_again))
      << status.error().text();
}

TEST_F(Http, AnnouncedBytesAreNotHeldAgainstAnybody) {
  service_.with([](auto& state) { state.prefetches[7] = {Prefetch()}; });
  serve();
  UniqueFd idle[4];
  for (UniqueFd& fd : idle) {
    fd = connect();
    ASSERT_TRUE(posix::write_all(
        fd.get(), "POST /v1/prefetch HTTP/1.1\r\nHost: x\r\nContent-Length: 33554432\r\n\r\n{"));
  }
  // An answer to another request shows that the heads were read.
  ASSERT_TRUE(client().runs());
  PrefetchRequest request;
  request.paths = {"/a"};
  const auto started = client().start_prefetch(request);
  EXPECT_TRUE(started) << started.error().text();
}

TEST_F(Http, ClosesAConnectionThatStopsInTheMiddleOfARequest) {
  HttpServer::Options options;
  options.stall_limit = 50ms;
  serve(options);
  UniqueFd in_head = connect();
  EXPECT_EQ(converse(in_head, "GET /v1/sta"), "");
  UniqueFd in_body = connect();
  EXPECT_EQ(converse(in_body, "POST /v1/evict HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"),
            "");
}

TEST_F(Http, BoundsTheBodiesHeldAtOnce) {
  HttpServer::Options options;
  options.max_body_bytes_at_once = options.max_body_bytes_of_root = 10;
  serve(options);
  auto evicted = client().evict({"/a/long/path"});
  ASSERT_FALSE(evicted);
  EXPECT_TRUE(evicted.error().is(std::errc::resource_unavailable_try_again));
}

TEST_F(Http, AnswersOthersWhileOneCallBlocks) {
  std::latch entered(1);
  std::latch released(1);
  service_.with([&](auto& state) {
    state.on_status = [&] {
      entered.count_down();
      released.wait();
    };
  });
  serve();
  auto blocked = std::async([&] { return client().status(); });
  entered.wait();
  EXPECT_TRUE(client().runs());
  released.count_down();
  EXPECT_TRUE(blocked.get());
}

TEST_F(Http, StopWaitsForTheCallThatRuns) {
  std::latch entered(1);
  std::latch released(1);
  std::atomic<bool> ended = false;
  service_.with([&](auto& state) {
    state.on_status = [&] {
      entered.count_down();
      released.wait();
      ended = true;
    };
  });
  serve();
  auto blocked = std::async([&] { return client().status(); });
  entered.wait();
  auto stopping = std::async([&] { server_->stop(); });
  released.count_down();
  stopping.get();
  EXPECT_TRUE(ended);
  server_.reset();
  auto result = blocked.get();
  if (!result) {
    EXPECT_TRUE(is_unreachable(result.error())) << result.error().text();
  }
}

TEST_F(Http, RemovesItsSocketAtTheEnd) {
  serve();
  server_->stop();
  EXPECT_NE(::access(socket_path_.c_str(), F_OK), 0);
  EXPECT_TRUE(is_unreachable(client().status().error()));
}

TEST_F(Http, TakesOverTheSocketOfAProcessThatDied) {
  UniqueFd dead(::socket(AF_UNIX, SOCK_STREAM, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  socket_path_.copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(dead.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  dead.reset();
  serve();
  EXPECT_TRUE(client().status());
}

TEST_F(Http, LeavesTheSocketOfALivingProcessAlone) {
  serve();
  auto second = HttpServer::open(socket_path_, 0666, service_);
  ASSERT_FALSE(second);
  EXPECT_TRUE(second.error().is(std::errc::address_in_use));
  EXPECT_TRUE(client().status());
}

TEST_F(Http, LeavesAFileThatIsNoSocketAlone) {
  ASSERT_TRUE(posix::replace_file(socket_path_, "precious"));
  auto server = HttpServer::open(socket_path_, 0666, service_);
  ASSERT_FALSE(server);
  EXPECT_EQ(*posix::read_file(socket_path_), "precious");
}

TEST_F(Http, GivesTheSocketItsModeWhateverTheUmask) {
  mode_t old = ::umask(0077);
  serve();
  ::umask(old);
  EXPECT_EQ(posix::stat_at(AT_FDCWD, socket_path_)->st_mode & 0777, 0666u);
}

TEST(SocketPath, IsTheOptionThenTheVariableThenTheUsualOne) {
  ::unsetenv("TIERHUB_SOCKET");
  EXPECT_EQ(default_socket_path(), "/run/tierhub/tierd.sock");
  ::setenv("TIERHUB_SOCKET", "/from/environment", 1);
  EXPECT_EQ(default_socket_path(), "/from/environment");
  EXPECT_EQ(default_socket_path("/from/option"), "/from/option");
  ::unsetenv("TIERHUB_SOCKET");
}

TEST(SocketPath, HasTheKernelsLimit) {
  EXPECT_TRUE(Client::open("/" + std::string(106, 'x')));
  EXPECT_FALSE(Client::open("/" + std::string(107, 'x')));
  EXPECT_FALSE(Client::open(""));
}

}  // namespace
}  // namespace tierhub::api
