// Serves HTTP/1.1 on unix sockets and TCP.
//
// One thread runs all connections as coroutines; the handler runs on a small pool. Everything is
// bounded: the number of connections, all and per party (a user of a unix socket, or the machine at
// the other end of TCP), the head of a request (64 KiB), its body (by the handler) and the bodies
// held at once, all and per party (body_budget.h), and the time that a caller may take to send a
// request or to take a piece of the response. Root has connections and bytes that no other party can
// take. A connection that takes too long, or stops in the middle of a request, is closed.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include <sys/types.h>

#include "common/result.h"
#include "common/unique_fd.h"
#include "http/message.h"
#include "http/peer.h"

namespace tierhub::http {

class Handler {
 public:
  virtual ~Handler() = default;
  // The response to a request whose head alone shows that it cannot be served, for example because a
  // body of that many bytes is too large. `head` has its headers if there is a body. Must not block.
  virtual std::optional<Response> refuse(const Request& head, uint64_t body_bytes) = 0;
  // Several threads at once; may block. Must not throw.
  virtual Response handle(const Peer& peer, const Request& request) = 0;
  // How this handler's callers expect to hear of what the server itself refuses. Must not block.
  virtual Response refusal(const Error& error) = 0;
};

class Server {
 public:
  struct Options {
    std::string name = "tierd";  // in the header Server, and in what the server itself refuses
    size_t pool_threads = 4;
    size_t max_connections = 256;
    size_t max_connections_per_user = 32;
    size_t root_connections = 32;  // of all, for root alone; a quarter of them at most
    // Addresses that speak for many parties ("unix": all users of unix sockets). They have all connections,
    // three quarters of them alone.
    std::set<std::string> proxies = {};
    uint64_t max_body_bytes_at_once = 128 << 20;  // of all parties, without root
    uint64_t max_body_bytes_of_user = 64 << 20;
    uint64_t max_body_bytes_of_root = 64 << 20;
    std::chrono::milliseconds idle_limit{60'000};  // until a request begins
    std::chrono::milliseconds stall_limit{
        10'000};  // for the rest of its head, and between parts of its body
    std::chrono::milliseconds transfer_limit{
        60'000};  // for its body, and again for a response or a piece of one
  };

  // `handler` must outlive the server.
  Server(Handler& handler, const Options& options);
  ~Server();

  // Before start(). Callers wait until then.
  Result<void> listen_unix(const std::string& path, mode_t mode);
  // Listens at sockets that were made elsewhere: listening, non-blocking.
  void adopt_unix(UniqueFd listener);
  void adopt_tcp(UniqueFd listener);
  // As http::listen_tcp. Returns the port.
  Result<uint16_t> listen_tcp(const std::string& address, uint16_t port);

  // Begins to answer. Call once.
  void start();
  // Closes every connection, waits for the calls of the handler that are running, removes the
  // sockets. Requests that were not answered never will be. Calling it again does nothing.
  void stop();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tierhub::http
