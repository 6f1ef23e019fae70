#include "tests/hub/browser.h"

#include <algorithm>
#include <cctype>
#include <stdexcept>

#include <sys/socket.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>

namespace tierhub::test {
namespace {

// The data of a chunked body.
std::string joined(const std::string& chunked) {
  std::string out;
  for (size_t at = 0; at < chunked.size();) {
    const size_t end = chunked.find("\r\n", at);
    if (end == std::string::npos) break;
    const size_t size = std::stoul(chunked.substr(at, end - at), nullptr, 16);
    if (size == 0) break;
    out += chunked.substr(end + 2, size);
    at = end + 2 + size + 2;
  }
  return out;
}

}  // namespace

UniqueFd connect_to(uint16_t port) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return {};
  return fd;
}

std::string converse(uint16_t port, const std::string& bytes) {
  const UniqueFd fd = connect_to(port);
  if (!fd) return "";
  const timeval limit = {60, 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  for (size_t sent = 0; sent < bytes.size();) {
    const ssize_t n = ::send(fd.get(), bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (n <= 0) break;
    sent += static_cast<size_t>(n);
  }
  std::string answer;
  std::vector<char> buffer(1 << 16);
  while (true) {
    const ssize_t n = ::read(fd.get(), buffer.data(), buffer.size());
    if (n <= 0) return answer;
    answer.append(buffer.data(), static_cast<size_t>(n));
  }
}

Answer Browser::ask(const std::string& method, const std::string& target, const std::string& body,
                    const Headers& headers) {
  std::string request = method + " " + target + " HTTP/1.1\r\nHost: " + host + ":" +
                        std::to_string(port_) + "\r\nConnection: close\r\n";
  for (const std::string& header : headers) request += header + "\r\n";
  if (!cookies.empty()) request += "Cookie: " + cookie_line() + "\r\n";
  if (method != "GET" && method != "HEAD")
    request += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  const std::string text = converse(port_, request + "\r\n" + body);

  Answer answer;
  size_t end = text.find("\r\n\r\n");
  if (end == std::string::npos) return answer;
  answer.status = std::stoi(text.substr(9, 3));
  for (size_t at = text.find("\r\n") + 2; at < end;) {
    const size_t line_end = text.find("\r\n", at);
    const std::string line = text.substr(at, line_end - at);
    std::string name = line.substr(0, line.find(':'));
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    const std::string value = line.substr(line.find(':') + 2);
    answer.headers[name] = value;
    if (name == "set-cookie") keep_cookies(value);
    at = line_end + 2;
  }
  answer.body = text.substr(end + 4);
  if (answer.header("transfer-encoding") == "chunked") answer.body = joined(answer.body);
  return answer;
}

std::string Browser::cookie_line() const {
  std::string line;
  for (const auto& [name, value] : cookies)
    line.append(line.empty() ? "" : "; ").append(name).append("=").append(value);
  return line;
}

void Browser::keep_cookies(const std::string& set) {
  const std::string one = set.substr(0, set.find(';'));
  const std::string name = one.substr(0, one.find('='));
  const std::string value = one.substr(one.find('=') + 1);
  if (value.empty()) {
    cookies.erase(name);
  } else {
    cookies[name] = value;
  }
}

}  // namespace tierhub::test
