#include "bench/hub_load.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <fstream>
#include <sstream>
#include <thread>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "bench/measure.h"

namespace tierhub::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kPieceBytes = 256 << 10;
constexpr int kSilenceLimit_s = 30;

struct Viewers {
  uint16_t port = 0;
  std::vector<std::string> cookies;
  std::vector<std::string> targets;
  size_t connections = 1;
  double rate = 0;
  double seconds = 1;
  std::atomic<size_t> next = 0;  // of the targets that are asked for once each
};

struct Seen {
  std::vector<double> times_ms;
  uint64_t failed = 0;
  uint64_t bytes = 0;
};

UniqueFd connect_to(uint16_t port) {
  UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int on = 1;
  ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const timeval limit{kSilenceLimit_s, 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0)
    fail(fmt::format("nobody listens on port {}", port));
  return socket;
}

// One answer: its status and how long its body is. -1: the connection is gone.
int read_answer(int socket, std::string& buffer, uint64_t& body_bytes) {
  size_t got = 0;
  size_t head = std::string::npos;
  while (head == std::string::npos) {
    const ssize_t n = ::recv(socket, buffer.data() + got, buffer.size() - got, 0);
    if (n <= 0) return -1;
    got += static_cast<size_t>(n);
    head = std::string_view(buffer.data(), got).find("\r\n\r\n");
  }
  const std::string_view text(buffer.data(), head);
  int status = 0;
  std::from_chars(text.data() + 9, text.data() + text.size(), status);
  const std::string_view name = "Content-Length: ";
  const size_t length = text.find(name);
  if (length == std::string_view::npos) return -1;
  std::from_chars(text.data() + length + name.size(), text.data() + text.size(), body_bytes);
  for (uint64_t rest = body_bytes - std::min<uint64_t>(body_bytes, got - head - 4); rest > 0;) {
    const ssize_t n = ::recv(socket, buffer.data(), std::min<uint64_t>(rest, buffer.size()), 0);
    if (n <= 0) return -1;
    rest -= static_cast<uint64_t>(n);
  }
  return status;
}

Seen view(Viewers& viewers, size_t number, Clock::time_point begin) {
  Seen seen;
  const UniqueFd socket = connect_to(viewers.port);
  std::string buffer(kPieceBytes, '\0');
  const auto span = std::chrono::duration<double>(viewers.seconds);
  const size_t first = number * viewers.targets.size() / viewers.connections;
  for (size_t round = 0;; ++round) {
    size_t target = (first + round) % viewers.targets.size();
    auto due = Clock::now();
    if (viewers.rate > 0) {
      const double at = (static_cast<double>(round) +
                         static_cast<double>(number) / static_cast<double>(viewers.connections)) /
                        viewers.rate;
      due = begin + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(at));
      if (at > viewers.seconds) break;
      std::this_thread::sleep_until(due);
    } else {
      target = viewers.next++;
      if (target >= viewers.targets.size() || due - begin > span) break;
    }
    const std::string request = fmt::format(
        "GET {} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nCookie: {}\r\n\r\n", viewers.targets[target],
        viewers.port, viewers.cookies[number % viewers.cookies.size()]);
    uint64_t body_bytes = 0;
    if (::send(socket.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0) break;
    const int status = read_answer(socket.get(), buffer, body_bytes);
    if (status != 200) ++seen.failed;
    if (status < 0) break;
    seen.bytes += body_bytes;
    seen.times_ms.push_back(std::chrono::duration<double, std::milli>(Clock::now() - due).count());
  }
  return seen;
}

double part_of(const std::vector<double>& ascending, double part) {
  if (ascending.empty()) return 0;
  const auto at = static_cast<size_t>(part * static_cast<double>(ascending.size()));
  return ascending[std::min(at, ascending.size() - 1)];
}

double seconds_to_read(const std::string& path, std::string& buffer) {
  const UniqueFd file = open_file(path, O_RDONLY);
  const Stopwatch watch;
  for (off_t offset = 0;;) {
    const ssize_t n = ::pread(file.get(), buffer.data(), buffer.size(), offset);
    if (n < 0) fail(path + " cannot be read");
    if (n == 0) return watch.seconds();
    offset += n;
  }
}

}  // namespace

int load_viewers(const std::vector<std::string>& arguments) {
  Viewers viewers;
  viewers.port = static_cast<uint16_t>(std::stoul(arguments.at(0)));
  std::stringstream cookies(arguments.at(1));
  for (std::string cookie; std::getline(cookies, cookie, ',');) viewers.cookies.push_back(cookie);
  std::ifstream file(arguments.at(2));
  for (std::string line; std::getline(file, line);) viewers.targets.push_back(line);
  viewers.connections = std::stoul(arguments.at(3));
  viewers.rate = std::stod(arguments.at(4));
  viewers.seconds = std::stod(arguments.at(5));
  if (viewers.cookies.empty()) fail("there is no cookie");
  if (viewers.targets.empty()) fail(arguments.at(2) + " has no targets");

  std::vector<Seen> all(viewers.connections);
  const Stopwatch watch;
  const auto begin = Clock::now();
  {
    std::vector<std::jthread> threads;
    for (size_t i = 0; i < viewers.connections; ++i)
      threads.emplace_back([&, i] { all[i] = view(viewers, i, begin); });
  }
  const double seconds = watch.seconds();
  Seen sum;
  for (const Seen& one : all) {
    sum.times_ms.insert(sum.times_ms.end(), one.times_ms.begin(), one.times_ms.end());
    sum.failed += one.failed;
    sum.bytes += one.bytes;
  }
  std::sort(sum.times_ms.begin(), sum.times_ms.end());
  fmt::print(
      R"({{"requests": {}, "failed": {}, "seconds": {:.3f}, "per_s": {:.1f}, "bytes": {}, "p50_ms": {:.2f}, "p95_ms": {:.2f}, "p99_ms": {:.2f}}})"
      "\n",
      sum.times_ms.size(), sum.failed, seconds, static_cast<double>(sum.times_ms.size()) / seconds,
      sum.bytes, part_of(sum.times_ms, 0.5), part_of(sum.times_ms, 0.95),
      part_of(sum.times_ms, 0.99));
  return 0;
}

int read_beside(const std::vector<std::string>& arguments) {
  const std::string& a = arguments.at(0);
  const std::string& b = arguments.at(1);
  const double limit_s = std::stod(arguments.at(2));
  const double mib = static_cast<double>(size_of(open_file(a, O_RDONLY).get())) / kMiB;
  std::string buffer(kMiB, '\0');
  // Both are in the page cache because somebody has read them, not because somebody wrote them.
  for (const std::string& file : {a, b}) {
    forget_pages(file);
    seconds_to_read(file, buffer);
  }
  std::vector<double> ratios;
  std::vector<double> a_times;
  std::vector<double> b_times;
  for (const Stopwatch watch; watch.seconds() < limit_s;) {
    const bool a_first = ratios.size() % 2 == 0;
    const double first = seconds_to_read(a_first ? a : b, buffer);
    const double second = seconds_to_read(a_first ? b : a, buffer);
    a_times.push_back(a_first ? first : second);
    b_times.push_back(a_first ? second : first);
    ratios.push_back(b_times.back() / a_times.back());
  }
  fmt::print(R"({{"rounds": {}, "ratio": {:.3f}, "a_mib_s": {:.0f}, "b_mib_s": {:.0f}}})"
             "\n",
             ratios.size(), median(ratios), mib / median(a_times), mib / median(b_times));
  return 0;
}

}  // namespace tierhub::bench
