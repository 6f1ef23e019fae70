// The server over TCP and a unix socket, with each kind of body.
#include "http/server.h"

#include <atomic>
#include <filesystem>
#include <string>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include "common/posix.h"
#include "http/tcp_socket.h"
#include "http/unix_socket.h"

namespace tierhub::http {
namespace {

using namespace std::chrono_literals;

class TestHandler final : public Handler {
 public:
  std::optional<Response> refuse(const Request& head, uint64_t body_bytes) override {
    if (body_bytes <= 100) return std::nullopt;
    return refusal(Error(std::errc::message_size, head.target + " takes 100 bytes"));
  }
  Response refusal(const Error& error) override {
    Response response;
    response.status = 400;
    response.content_type = "text/plain";
    response.body = error.text();
    return response;
  }
  Response handle(const Peer& peer, const Request& request) override {
    Response response;
    response.content_type = "text/plain";
    if (request.target == "/who") {
      response.body = peer.credentials ? "user " + std::to_string(peer.credentials->uid)
                                       : "address " + peer.address;
    } else if (request.target == "/header") {
      response.body = std::string(request.header("x-part"));
      response.headers.emplace_back("X-Answer", "yes");
    } else if (request.target == "/echo") {
      response.body = request.body;
    } else if (request.target == "/file") {
      response.body = file;
    } else if (request.target == "/stream") {
      response.body = StreamBody([n = 0, this]() mutable -> Result<std::string> {
        if (n == fails_at) return Error(std::errc::io_error, "the source failed");
        return n < 3 ? "piece " + std::to_string(n++) + "\n" : std::string();
      });
    }
    return response;
  }

  FileBody file;
  std::atomic<int> fails_at = -1;
};

class ServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = "/tmp/tierhub-http-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override {
    server_.reset();
    std::filesystem::remove_all(folder_);
  }
  void serve(const Server::Options& options = {}) {
    server_ = std::make_unique<Server>(handler_, options);
    ASSERT_TRUE(server_->listen_unix(folder_ + "/socket", 0600));
    const auto port = server_->listen_tcp("127.0.0.1", 0);
    ASSERT_TRUE(port) << port.error().text();
    port_ = *port;
    server_->start();
  }
  UniqueFd connect_tcp(const char* from = "127.0.0.1") const {
    UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    EXPECT_EQ(::inet_pton(AF_INET, from, &address.sin_addr), 1);
    EXPECT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    address.sin_port = htons(port_);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    return fd;
  }
  // What comes back until the server closes.
  static std::string converse(const UniqueFd& fd, const std::string& bytes) {
    EXPECT_EQ(::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
    std::string answer;
    char buffer[65536];
    for (;;) {
      const ssize_t n = ::read(fd.get(), buffer, sizeof buffer);
      if (n <= 0) return answer;
      answer.append(buffer, static_cast<size_t>(n));
    }
  }
  static std::string request(const std::string& method, const std::string& target,
                             const std::string& more = "", const std::string& version = "1.1") {
    return method + " " + target + " HTTP/" + version + "\r\nHost: x\r\nConnection: close\r\n" +
           more + "\r\n";
  }
  static std::string body_of(const std::string& answer) {
    const size_t end = answer.find("\r\n\r\n");
    return end == std::string::npos ? "no response: " + answer : answer.substr(end + 4);
  }
  void make_file(uint64_t size_bytes) {
    auto fd = std::make_shared<UniqueFd>(
        ::open((folder_ + "/file").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    std::string bytes(size_bytes, '\0');
    for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>('a' + i % 23);
    ASSERT_TRUE(posix::write_all(fd->get(), bytes));
    content_ = bytes;
    handler_.file = {fd, 0, size_bytes};
  }

  std::string folder_;
  TestHandler handler_;
  std::unique_ptr<Server> server_;
  uint16_t port_ = 0;
  std::string content_;
};

TEST_F(ServerTest, KnowsTheUserOfAUnixSocketAndTheAddressOfTcp) {
  serve();
  const auto local = connect_unix(folder_ + "/socket", 10s);
  ASSERT_TRUE(local);
  EXPECT_EQ(body_of(converse(*local, request("GET", "/who"))),
            "user " + std::to_string(::getuid()));
  EXPECT_EQ(body_of(converse(connect_tcp(), request("GET", "/who"))), "address 127.0.0.1");
}

TEST_F(ServerTest, GivesTheHandlerHeadersAndBody) {
  serve();
  const std::string answer =
      converse(connect_tcp(), request("GET", "/header", "X-Part: a tile\r\n"));
  EXPECT_EQ(body_of(answer), "a tile");
  EXPECT_NE(answer.find("X-Answer: yes\r\n"), std::string::npos);
  EXPECT_NE(answer.find("Content-Type: text/plain\r\n"), std::string::npos);
  EXPECT_EQ(
      body_of(converse(connect_tcp(), request("POST", "/echo", "Content-Length: 4\r\n") + "data")),
      "data");
}

TEST_F(ServerTest, SendsAPartOfAFileOfAnySize) {
  make_file(3'000'000);
  handler_.file.offset_bytes = 1000;
  handler_.file.size_bytes = 2'500'000;
  serve();
  const std::string answer = converse(connect_tcp(), request("GET", "/file"));
  EXPECT_NE(answer.find("Content-Length: 2500000\r\n"), std::string::npos);
  EXPECT_TRUE(body_of(answer) == content_.substr(1000, 2'500'000));
}

TEST_F(ServerTest, AnswersHeadWithTheHeadAlone) {
  make_file(5000);
  serve();
  const std::string answer = converse(connect_tcp(), request("HEAD", "/file"));
  EXPECT_NE(answer.find("Content-Length: 5000\r\n"), std::string::npos);
  EXPECT_EQ(body_of(answer), "");
  EXPECT_EQ(body_of(converse(connect_tcp(), request("HEAD", "/who"))), "");
}

// The caller must notice: what it has is shorter than what was announced.
TEST_F(ServerTest, ClosesTheConnectionWhenTheFileIsShorterThanItWas) {
  make_file(5000);
  handler_.file.size_bytes = 9000;
  serve();
  const std::string answer = converse(connect_tcp(), request("GET", "/file"));
  EXPECT_NE(answer.find("Content-Length: 9000\r\n"), std::string::npos);
  EXPECT_EQ(body_of(answer).size(), 5000u);
}

TEST_F(ServerTest, SendsAStreamInChunksAndItsEndIsSeen) {
  serve();
  const std::string answer = converse(connect_tcp(), request("GET", "/stream"));
  EXPECT_NE(answer.find("Transfer-Encoding: chunked\r\n"), std::string::npos);
  EXPECT_EQ(body_of(answer), "8\r\npiece 0\n\r\n8\r\npiece 1\n\r\n8\r\npiece 2\n\r\n0\r\n\r\n");
  EXPECT_EQ(body_of(converse(connect_tcp(), request("GET", "/stream", "", "1.0"))),
            "piece 0\npiece 1\npiece 2\n");
}

TEST_F(ServerTest, AStreamThatFailsHasNoEnd) {
  handler_.fails_at = 2;
  serve();
  EXPECT_EQ(body_of(converse(connect_tcp(), request("GET", "/stream"))),
            "8\r\npiece 0\n\r\n8\r\npiece 1\n\r\n");
}

TEST_F(ServerTest, RefusesByTheHeadInTheWordsOfTheHandler) {
  serve();
  const std::string answer =
      converse(connect_tcp(), request("POST", "/echo", "Content-Length: 101\r\n"));
  EXPECT_EQ(body_of(answer), "/echo takes 100 bytes");
}

TEST_F(ServerTest, TakesNothingWhoseEndIsNotClear) {
  serve();
  const std::string hidden = "GET /header HTTP/1.1\r\nHost: x\r\n\r\n";
  for (const char* head : {"Transfer-Encoding: chunked\r\n", "Transfer-Encoding: identity\r\n",
                           "Transfer-Encoding: gzip\r\nContent-Length: 39\r\n",
                           "Content-Length: 3\r\nContent-Length: 3\r\n", "Host: y\r\n"}) {
    const std::string answer = converse(
        connect_tcp(), "POST /echo HTTP/1.1\r\nHost: x\r\n" + std::string(head) + "\r\n" + hidden);
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 4")) << head << answer;
    EXPECT_EQ(answer.find("HTTP/1.1", 1), std::string::npos) << head << answer;
  }
}

TEST_F(ServerTest, LimitsTheConnectionsOfOneMachine) {
  Server::Options options;
  options.max_connections_per_user = 2;
  serve(options);
  const UniqueFd first = connect_tcp();
  const UniqueFd second = connect_tcp();
  const std::string answer = converse(connect_tcp(), "");
  EXPECT_NE(body_of(answer).find("too many connections"), std::string::npos) << answer;
  const auto local = connect_unix(folder_ + "/socket", 10s);
  ASSERT_TRUE(local);
  EXPECT_EQ(body_of(converse(*local, request("GET", "/who"))), "user " + std::to_string(::getuid()))
      << "users of the machine are another party";
}

TEST_F(ServerTest, OthersTakeNoConnectionsFromAProxy) {
  Server::Options options;
  options.max_connections = 12;
  options.root_connections = 0;
  options.max_connections_per_user = 8;
  options.proxies = {"127.0.0.2"};
  serve(options);
  const auto answer = [&](const UniqueFd& fd) {
    return body_of(converse(fd, request("GET", "/who")));
  };
  std::vector<UniqueFd> others, proxys;
  for (int i = 0; i < 3; ++i) others.push_back(connect_tcp());
  EXPECT_NE(converse(connect_tcp(), "").find("too many connections"), std::string::npos);
  for (int i = 0; i < 8; ++i) proxys.push_back(connect_tcp("127.0.0.2"));
  EXPECT_EQ(answer(connect_tcp("127.0.0.2")), "address 127.0.0.2") << "the ninth of its machine";
  EXPECT_EQ(answer(others.front()), "address 127.0.0.1");
}

TEST_F(ServerTest, ClosesAReaderThatTakesNothing) {
  Server::Options options;
  options.transfer_limit = 200ms;
  make_file(64'000'000);
  serve(options);
  const UniqueFd fd = connect_tcp();
  const std::string get = request("GET", "/file");
  ASSERT_EQ(::send(fd.get(), get.data(), get.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(get.size()));
  std::this_thread::sleep_for(600ms);
  EXPECT_LT(body_of(converse(fd, "")).size(), 64'000'000u);
}

TEST(TcpSocket, RefusesWhatIsNoAddressAndAPortThatIsTaken) {
  const auto no_address = listen_tcp("localhost", 0);
  ASSERT_FALSE(no_address);
  EXPECT_TRUE(no_address.error().is(std::errc::invalid_argument));
  const auto first = listen_tcp("127.0.0.1", 0);
  ASSERT_TRUE(first);
  const auto second = listen_tcp("127.0.0.1", first->port);
  ASSERT_FALSE(second);
  EXPECT_TRUE(second.error().is(std::errc::address_in_use)) << second.error().text();
}

}  // namespace
}  // namespace tierhub::http
