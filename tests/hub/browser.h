// What a browser does, without its page: requests over TCP, cookies, the Origin of its own page.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/unique_fd.h"

namespace tierhub::test {

struct Answer {
  int status = 0;                              // 0: none came
  std::map<std::string, std::string> headers;  // by name in lower case
  std::string body;
  std::string header(const std::string& name) const {
    const auto found = headers.find(name);
    return found == headers.end() ? "" : found->second;
  }
};

// A connection to that port of this machine; an empty one if there is none.
UniqueFd connect_to(uint16_t port);

// Sends these bytes over a connection of its own; what comes until the server closes it.
std::string converse(uint16_t port, const std::string& bytes);

class Browser {
 public:
  explicit Browser(uint16_t port) : port_(port) {}

  using Headers = std::vector<std::string>;  // "Name: value"
  Answer get(const std::string& target, const Headers& headers = {}) {
    return ask("GET", target, "", headers);
  }
  // As a form or a script of our own page sends it.
  Answer post(const std::string& target, const std::string& body = "") {
    return ask("POST", target, body, {"X-TierHub: 1", "Origin: " + origin()});
  }
  // One connection for each request.
  Answer ask(const std::string& method, const std::string& target, const std::string& body,
             const Headers& headers);

  // "tierweb=0123...", as the header Cookie has it.
  std::string cookie_line() const;

  std::string host = "127.0.0.1";  // of the header Host, with the port
  std::map<std::string, std::string> cookies;
  std::string origin() const { return "http://" + host + ":" + std::to_string(port_); }

 private:
  void keep_cookies(const std::string& set);

  const uint16_t port_;
};

}  // namespace tierhub::test
