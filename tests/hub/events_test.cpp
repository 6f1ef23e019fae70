// What happens is told to the pages that are open, and to nobody else's.
#include <chrono>
#include <filesystem>
#include <optional>
#include <string>

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <nlohmann/json.hpp>
#include <pwd.h>

#include "common/unique_fd.h"
#include "tests/hub/tierweb_fixture.h"

namespace tierhub::test {
namespace {

using nlohmann::json;

// A page's WebSocket, byte by byte.
class EventSocket {
 public:
  EventSocket(const Browser& browser, uint16_t port, const std::string& origin)
      : fd_(connect_to(port)) {
    if (!fd_) return;
    const timeval limit = {20, 0};
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    std::string request = "GET /api/events HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(port) +
                          "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                          "Sec-WebSocket-Version: 13\r\nOrigin: " +
                          origin + "\r\n";
    for (const auto& [name, value] : browser.cookies)
      request += "Cookie: " + name + "=" + value + "\r\n";
    request += "\r\n";
    if (::send(fd_.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0) return;
    while (received_.find("\r\n\r\n") == std::string::npos && receive()) continue;
    const size_t end = received_.find("\r\n\r\n");
    if (end == std::string::npos) return;
    head_ = received_.substr(0, end);
    received_.erase(0, end + 4);
  }

  int status() const { return head_.size() > 12 ? std::stoi(head_.substr(9, 3)) : 0; }
  const std::string& head() const { return head_; }
  // The next frame of text; nothing once the connection is closed.
  std::optional<json> next() {
    constexpr size_t kShort = 126;
    while (true) {
      size_t head = 2;
      if (received_.size() >= head) {
        size_t size = static_cast<uint8_t>(received_[1]) & 0x7F;
        if (size == kShort) head += 2;
        if (size == kShort && received_.size() >= head)
          size = static_cast<size_t>(static_cast<uint8_t>(received_[2])) << 8 |
                 static_cast<uint8_t>(received_[3]);
        if (received_.size() >= head && received_.size() >= head + size) {
          const int kind = received_[0] & 0x0F;
          const std::string text = received_.substr(head, size);
          received_.erase(0, head + size);
          if (kind == 1) return json::parse(text);
          continue;
        }
      }
      if (!receive()) return std::nullopt;
    }
  }
  // Frames until one fits; nothing if it does not come.
  template <class Fits>
  std::optional<json> wait_for(Fits&& fits) {
    while (auto frame = next())
      if (fits(*frame)) return frame;
    return std::nullopt;
  }
  bool is_closed_soon() {
    while (next()) continue;
    return is_closed_;
  }

 private:
  bool receive() {
    char buffer[4096];
    const ssize_t n = ::read(fd_.get(), buffer, sizeof buffer);
    is_closed_ = n == 0 || (n < 0 && errno == ECONNRESET);
    if (n <= 0) return false;
    received_.append(buffer, static_cast<size_t>(n));
    return true;
  }

  UniqueFd fd_;
  std::string head_;
  std::string received_;
  bool is_closed_ = false;
};

class HubEvents : public TierwebTest {
 protected:
  static uint16_t port_of(const Browser& browser) {
    const std::string origin = browser.origin();
    return static_cast<uint16_t>(std::stoul(origin.substr(origin.rfind(':') + 1)));
  }
  static EventSocket open(const Browser& browser) {
    return EventSocket(browser, port_of(browser), browser.origin());
  }
  static bool is_of(const json& frame, const std::string& path) {
    return frame.value("kind", "") == "residency" && frame.value("path", "") == path;
  }
};

TEST_F(HubEvents, APageHearsWhatHappens) {
  std::filesystem::create_directories(tier.in_mount("folder"));
  const Browser browser = start_here();
  EventSocket socket = open(browser);
  ASSERT_EQ(socket.status(), 101) << socket.head();
  EXPECT_NE(socket.head().find("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), std::string::npos)
      << "the answer to the key, of RFC 6455";
  const auto hello = socket.next();
  ASSERT_TRUE(hello);
  EXPECT_EQ((*hello)["kind"], "hello");
  // Events that came before it listens are not told: so it goes on writing.
  std::optional<json> heard;
  for (int i = 0; i < 10 && !heard; ++i) {
    write_file(tier.in_mount("folder/" + std::to_string(i)), "content");
    const auto frame = socket.next();
    ASSERT_TRUE(frame);
    if (is_of(*frame, "/folder")) heard = frame;
  }
  ASSERT_TRUE(heard);
  EXPECT_GT((*heard)["at"], 1'700'000'000);
  EXPECT_NE((*heard)["text"], "");
  Browser again = browser;
  const json recent = json::parse(again.get("/api/events/recent").body);
  ASSERT_FALSE(recent["events"].empty());
  EXPECT_EQ(recent["events"][0]["kind"], "residency") << recent.dump(1);
}

TEST_F(HubEvents, OnlyOurOwnPageMayListen) {
  const Browser browser = start_here();
  EXPECT_EQ(EventSocket(browser, port_of(browser), "http://evil.example").status(), 403);
  EXPECT_EQ(EventSocket(browser, port_of(browser), "null").status(), 403);
  const Browser stranger(port_of(browser));
  EXPECT_EQ(open(stranger).status(), 401);
  Browser plain = browser;
  EXPECT_EQ(plain.get("/api/events", {"Origin: " + plain.origin()}).status, 400);
}

TEST_F(HubEvents, SigningOutClosesThem) {
  Browser browser = start_here();
  EventSocket socket = open(browser);
  ASSERT_EQ(socket.status(), 101);
  ASSERT_TRUE(socket.next());
  EXPECT_EQ(browser.post("/logout").status, 303);
  EXPECT_TRUE(socket.is_closed_soon());
}

TEST_F(HubEvents, ASessionHasEightOfThem) {
  const Browser browser = start_here();
  std::vector<EventSocket> sockets;
  for (int i = 0; i < 8; ++i) {
    sockets.push_back(open(browser));
    ASSERT_EQ(sockets.back().status(), 101) << i;
  }
  EXPECT_EQ(open(browser).status(), 429);
  sockets.pop_back();
  eventually("there is room for another", [&] { return open(browser).status() == 101; });
}

TEST_F(HubEvents, NobodyHearsOfTheFilesOfOthers) {
  const auto uid_of = [](const char* name) { return ::getpwnam(name)->pw_uid; };
  for (const char* user : {"daemon", "games"}) {
    const std::string folder = tier.in_mount(user);
    std::filesystem::create_directories(folder);
    ASSERT_EQ(::chown(folder.c_str(), uid_of(user), uid_of(user)), 0);
    ASSERT_EQ(::chmod(folder.c_str(), 0700), 0);
  }
  const uint16_t port = start_for_everybody();
  Browser daemon(port), games(port);
  ASSERT_EQ(sign_in(daemon, "daemon", "secret"), 303);
  ASSERT_EQ(sign_in(games, "games", "secret"), 303);
  EventSocket of_daemon = open(daemon), of_games = open(games);
  ASSERT_TRUE(of_daemon.next());
  ASSERT_TRUE(of_games.next());
  const std::string root = tier.in_mount("");
  bool own = false;
  for (int i = 0; i < 10 && !own; ++i) {
    write_file(tier.in_mount("daemon/" + std::to_string(i)), "content");
    write_file(tier.in_mount("games/" + std::to_string(i)), "content");
    const auto frame = of_daemon.next();
    ASSERT_TRUE(frame);
    EXPECT_EQ(frame->dump().find("games"), std::string::npos) << frame->dump();
    own = is_of(*frame, "/daemon");
  }
  EXPECT_TRUE(own);
  const auto frame = of_games.wait_for([](const json& one) {
    EXPECT_EQ(one.dump().find("daemon"), std::string::npos) << one.dump();
    return is_of(one, "/games");
  });
  EXPECT_TRUE(frame);
}

}  // namespace
}  // namespace tierhub::test
