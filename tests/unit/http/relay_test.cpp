// A server that passes on what another one answers.
#include <atomic>
#include <filesystem>
#include <string>
#include <thread>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include "common/posix.h"
#include "http/server.h"
#include "http/unix_socket.h"

namespace tierhub::http {
namespace {

using namespace std::chrono_literals;

Response plain(int status, std::string text) {
  Response response;
  response.status = status;
  response.content_type = "text/plain";
  response.body = std::move(text);
  return response;
}

class Behind final : public Handler {
 public:
  std::optional<Response> refuse(const Request&, uint64_t) override { return std::nullopt; }
  Response refusal(const Error& error) override { return plain(400, error.text()); }
  Response handle(const Peer&, const Request& request) override {
    ++calls;
    if (request.target == "/echo") return plain(200, request.method + " " + request.body);
    if (request.target == "/nothing") {
      Response response;
      response.status = 304;
      response.content_type.clear();
      response.headers = {{"ETag", "\"1\""}};
      return response;
    }
    if (request.target == "/frames") {
      Response response = plain(200, "");
      response.body = TextFrames{[this]() -> Result<std::optional<std::string>> {
        ++asked;
        if (frames == 0) return std::optional<std::string>();
        --frames;
        return std::optional(std::string(static_cast<size_t>(frame_bytes), 'f'));
      }};
      return response;
    }
    if (request.target == "/large") return plain(200, std::string(5'000'000, 'x'));
    if (request.target == "/headers") {
      Response response = plain(201, std::string(request.header("x-part")));
      response.headers = {{"X-One", "1"}, {"Set-Cookie", "a=b"}};
      return response;
    }
    if (request.target == "/stream") {
      Response response = plain(200, "");
      response.body = StreamBody([n = 0]() mutable -> Result<std::string> {
        return n < 3 ? "piece " + std::to_string(n++) + "\n" : std::string();
      });
      return response;
    }
    if (request.target == "/breaks") {
      Response response = plain(200, "");
      response.body = StreamBody([n = 0]() mutable -> Result<std::string> {
        if (n++ < 1) return std::string("piece");
        return Error(std::errc::io_error, "the source failed");
      });
      return response;
    }
    return plain(404, "there is no " + request.target);
  }
  std::atomic<int> calls = 0;
  std::atomic<int> asked = 0;   // for frames
  std::atomic<int> frames = 0;  // to be sent
  std::atomic<int> frame_bytes = 5;
};

class InFront final : public Handler {
 public:
  std::optional<Response> refuse(const Request&, uint64_t) override { return std::nullopt; }
  Response refusal(const Error& error) override { return plain(400, error.text()); }
  Response handle(const Peer&, const Request& request) override {
    Relay relay{socket_path, request, {}, 5s};
    relay.accept = [](Response& head) -> Result<void> {
      if (head.content_type == "text/html") return Error(std::errc::io_error, "no pages");
      std::erase_if(head.headers, [](const auto& field) { return field.first == "set-cookie"; });
      head.headers.emplace_back("X-Front", "was here");
      return {};
    };
    if (request.target == "/frames") relay.is_over = [this] { return is_over.load(); };
    relay.generation = generation;
    Response response;
    response.body = std::move(relay);
    return response;
  }
  std::atomic<bool> is_over = false;
  std::shared_ptr<const void> generation;  // between requests
  std::string socket_path;
};

class RelayTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = "/tmp/tierhub-relay-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    in_front_.socket_path = folder_ + "/behind";
    start_behind();
    front_ = std::make_unique<Server>(in_front_, Server::Options{});
    ASSERT_TRUE(front_->listen_unix(folder_ + "/front", 0600));
    front_->start();
  }
  void TearDown() override {
    front_.reset();
    server_.reset();
    std::filesystem::remove_all(folder_);
  }
  void start_behind() {
    server_.reset();
    Server::Options options;
    options.stall_limit = behind_limit_;
    server_ = std::make_unique<Server>(behind_, options);
    ASSERT_TRUE(server_->listen_unix(in_front_.socket_path, 0600));
    server_->start();
  }
  UniqueFd connect() const { return *connect_unix(folder_ + "/front", 10s); }
  static void send(const UniqueFd& fd, const std::string& bytes) {
    ASSERT_EQ(::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }
  static std::string read_to_end(const UniqueFd& fd) {
    std::string answer;
    char buffer[65536];
    for (;;) {
      const ssize_t n = ::read(fd.get(), buffer, sizeof buffer);
      if (n <= 0) return answer;
      answer.append(buffer, static_cast<size_t>(n));
    }
  }
  std::string ask(const std::string& method, const std::string& target,
                  const std::string& more = "", const std::string& body = "") const {
    const UniqueFd fd = connect();
    send(fd, method + " " + target + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + more +
                 "\r\n" + body);
    return read_to_end(fd);
  }
  static std::string body_of(const std::string& answer) {
    const size_t end = answer.find("\r\n\r\n");
    return end == std::string::npos ? "no response: " + answer : answer.substr(end + 4);
  }

  static constexpr const char* kHandshake =
      "GET /frames HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
  // Until `end` has come.
  static std::string read_until(const UniqueFd& fd, const std::string& end) {
    std::string answer;
    char buffer[4096];
    while (answer.find(end) == std::string::npos) {
      const ssize_t n = ::read(fd.get(), buffer, sizeof buffer);
      if (n <= 0) break;
      answer.append(buffer, static_cast<size_t>(n));
    }
    return answer;
  }

  std::chrono::milliseconds behind_limit_ = 10s;
  std::string folder_;
  Behind behind_;
  InFront in_front_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<Server> front_;
};

TEST_F(RelayTest, PassesOnMethodBodyStatusAndHeaders) {
  EXPECT_EQ(body_of(ask("POST", "/echo", "Content-Length: 4\r\n", "data")), "POST data");
  const std::string answer = ask("GET", "/headers", "X-Part: a tile\r\n");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 201")) << answer;
  EXPECT_EQ(body_of(answer), "a tile");
  EXPECT_NE(answer.find("x-one: 1\r\n"), std::string::npos) << answer;
  EXPECT_NE(answer.find("Content-Type: text/plain\r\n"), std::string::npos) << answer;
}

TEST_F(RelayTest, LetsTheOneInFrontChangeTheHead) {
  const std::string answer = ask("GET", "/headers");
  EXPECT_EQ(answer.find("ookie"), std::string::npos) << answer;
  EXPECT_NE(answer.find("X-Front: was here\r\n"), std::string::npos) << answer;
}

TEST_F(RelayTest, PassesOnBodiesOfAnyLength) {
  EXPECT_TRUE(body_of(ask("GET", "/large")) == std::string(5'000'000, 'x'));
  EXPECT_NE(ask("GET", "/stream").find("piece 2\n"), std::string::npos);
  EXPECT_TRUE(ask("GET", "/stream").ends_with("\r\n0\r\n\r\n"));
  const std::string head = ask("HEAD", "/large");
  EXPECT_NE(head.find("Content-Length: 5000000\r\n"), std::string::npos) << head;
  EXPECT_EQ(body_of(head), "");
  const std::string nothing = ask("GET", "/nothing");
  EXPECT_TRUE(nothing.starts_with("HTTP/1.1 304")) << nothing;
  EXPECT_NE(nothing.find("etag: \"1\"\r\n"), std::string::npos) << nothing;
}

TEST_F(RelayTest, AnEndThatIsMissingIsMissingForTheCallerToo) {
  const std::string answer = ask("GET", "/breaks");
  EXPECT_NE(answer.find("piece"), std::string::npos);
  EXPECT_FALSE(answer.ends_with("0\r\n\r\n")) << answer;
}

TEST_F(RelayTest, PassesOnFramesOfAWebSocket) {
  const UniqueFd fd = connect();
  send(fd, kHandshake);
  const std::string head = read_until(fd, "\r\n\r\n");
  EXPECT_TRUE(head.starts_with("HTTP/1.1 101")) << head;
  EXPECT_NE(head.find("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), std::string::npos) << head;
  behind_.frames = 2;
  const std::string frame =
      "\x81\x05"
      "fffff";
  EXPECT_EQ(read_until(fd, frame + frame), frame + frame);
  // A ping of ours, masked with 0, is answered through both.
  send(fd, std::string("\x89\x82\0\0\0\0hi", 8));
  EXPECT_EQ(read_until(fd, "hi"),
            "\x8A\x02"
            "hi");
  in_front_.is_over = true;
  EXPECT_EQ(read_to_end(fd), "") << "it is closed";
  const int asked = behind_.asked;
  std::this_thread::sleep_for(500ms);
  EXPECT_LE(behind_.asked, asked + 2) << "also behind";
}

TEST_F(RelayTest, AWebSocketThatNobodyReadsIsDropped) {
  behind_limit_ = 300ms;
  start_behind();
  const UniqueFd fd(*connect_unix(in_front_.socket_path, 10s));
  send(fd, kHandshake);
  read_until(fd, "\r\n\r\n");
  behind_.frame_bytes = 1 << 20;
  behind_.frames = 1'000;
  const auto deadline = std::chrono::steady_clock::now() + 20s;
  int left = behind_.frames;
  // Those that fit into the sockets are taken; then no more.
  for (int same = 0; same < 10 && std::chrono::steady_clock::now() < deadline;) {
    std::this_thread::sleep_for(100ms);
    same = behind_.frames == left ? same + 1 : 0;
    left = behind_.frames;
  }
  EXPECT_GT(left, 900);
  std::string rest = read_to_end(fd);
  EXPECT_LT(rest.size(), 100u << 20) << "it was closed";
}

TEST_F(RelayTest, ACallerThatTakesNothingIsDropped) {
  Server::Options options;
  options.transfer_limit = 300ms;
  front_ = nullptr;
  front_ = std::make_unique<Server>(in_front_, options);
  ASSERT_TRUE(front_->listen_unix(folder_ + "/front", 0600));
  front_->start();
  const UniqueFd fd = connect();
  send(fd, "GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
  std::this_thread::sleep_for(1s);
  // What fits into the socket had been sent.
  EXPECT_LT(read_to_end(fd).size(), 4'000'000u);
  EXPECT_EQ(body_of(ask("GET", "/echo")), "GET ") << "others are answered";
}

TEST_F(RelayTest, AWebSocketThatIsRefusedIsAnAnswer) {
  in_front_.socket_path = folder_ + "/nobody";
  const UniqueFd fd = connect();
  send(fd, kHandshake);
  EXPECT_TRUE(read_until(fd, "\r\n\r\n").starts_with("HTTP/1.1 502"));
}

TEST_F(RelayTest, UsesAConnectionForManyRequests) {
  const UniqueFd fd = connect();
  for (int i = 0; i < 50; ++i) {
    send(fd, "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n");
    std::string answer;
    char buffer[4096];
    while (answer.find("GET ") == std::string::npos) {
      const ssize_t n = ::read(fd.get(), buffer, sizeof buffer);
      ASSERT_GT(n, 0) << answer;
      answer.append(buffer, static_cast<size_t>(n));
    }
  }
  EXPECT_EQ(behind_.calls, 50);
}

// The first request after it would meet a connection that is closed at the other end.
TEST_F(RelayTest, DoesNotReachTheServerBeforeWhichStillAnswers) {
  in_front_.generation = std::make_shared<int>();
  for (int i = 0; i < 2; ++i) EXPECT_EQ(body_of(ask("GET", "/echo")), "GET ");
  EXPECT_EQ(behind_.calls, 2);
  // Another one listens at the same place; the first has its connections, and answers.
  const std::unique_ptr<Server> before = std::move(server_);
  std::filesystem::remove(in_front_.socket_path);
  Behind other;
  Server after(other, {});
  ASSERT_TRUE(after.listen_unix(in_front_.socket_path, 0600));
  after.start();
  in_front_.generation = std::make_shared<int>();
  for (int i = 0; i < 2; ++i) EXPECT_EQ(body_of(ask("GET", "/echo")), "GET ");
  EXPECT_EQ(behind_.calls, 2);
  EXPECT_EQ(other.calls, 2);
  front_.reset();
}

TEST_F(RelayTest, ReachesAServerThatWasReplaced) {
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(body_of(ask("GET", "/echo")), "GET ");
    start_behind();
  }
}

TEST_F(RelayTest, SaysSoIfNobodyIsThere) {
  server_.reset();
  const std::string answer = ask("GET", "/echo");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 502")) << answer;
  EXPECT_NE(answer.find("not running"), std::string::npos) << answer;
}

TEST_F(RelayTest, ServesManyAtOnce) {
  std::vector<std::jthread> callers;
  std::atomic<int> right = 0;
  for (int i = 0; i < 16; ++i) {
    callers.emplace_back([&] {
      for (int k = 0; k < 20; ++k) right += body_of(ask("GET", "/echo")) == "GET " ? 1 : 0;
    });
  }
  callers.clear();
  EXPECT_EQ(right, 320);
}

}  // namespace
}  // namespace tierhub::http
