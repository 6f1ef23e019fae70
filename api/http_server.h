// Serves the API over HTTP/1.1 on a unix socket.
//
// One thread runs all connections as coroutines; calls of the Service run on a small pool.
// Everything is bounded: the number of connections, in total and per user; the head of a request
// (64 KiB) and its body (routes.h); the bodies held at once, in total and per user (body_budget.h);
// and the time that a caller may take to send a request or to receive an answer. Root has
// connections and bytes that no user can take. A connection that takes too long, or stops in the
// middle of a request, is closed.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include <sys/types.h>

#include "api/service.h"
#include "common/result.h"

namespace tierhub::api {

class HttpServer {
 public:
  struct Options {
    size_t pool_threads = 4;
    size_t max_connections = 256;
    size_t max_connections_per_user = 32;
    size_t root_connections = 32;  // of all, for root alone; a quarter of them at most
    uint64_t max_body_bytes_at_once = 128 << 20;  // of all users, without root
    uint64_t max_body_bytes_of_user = 64 << 20;
    uint64_t max_body_bytes_of_root = 64 << 20;
    std::chrono::milliseconds idle_limit{60'000};  // until a request begins
    std::chrono::milliseconds stall_limit{
        10'000};  // for the rest of its head, and between parts of its body
    std::chrono::milliseconds transfer_limit{60'000};  // for its body, and again for the answer
  };

  // Listens at `socket_path`; callers wait until start(). `service` must outlive the server.
  static Result<std::unique_ptr<HttpServer>> open(const std::string& socket_path, mode_t mode,
                                                  Service& service, const Options& options);
  static Result<std::unique_ptr<HttpServer>> open(const std::string& socket_path, mode_t mode,
                                                  Service& service) {
    return open(socket_path, mode, service, Options());
  }
  ~HttpServer();

  // Begins to answer. Call once.
  void start();
  // Closes every connection, waits for the calls of the Service that are running, removes the
  // socket. Requests that were not answered never will be. Calling it again does nothing.
  void stop();

 private:
  class Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace tierhub::api
