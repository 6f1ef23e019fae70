// The API over HTTP on a unix socket, within the bounds of http/server.h and of each route (routes.h).
#pragma once

#include <memory>
#include <string>

#include <sys/types.h>

#include "api/service.h"
#include "common/result.h"
#include "http/server.h"

namespace tierhub::api {

class HttpServer {
 public:
  using Options = http::Server::Options;

  // Listens at `socket_path`; callers wait until start(). `service` must outlive the server.
  static Result<std::unique_ptr<HttpServer>> open(const std::string& socket_path, mode_t mode,
                                                  Service& service, const Options& options = {});

  // As those of http::Server.
  void start() { server_.start(); }
  void stop() { server_.stop(); }

 private:
  class Routes final : public http::Handler {
   public:
    explicit Routes(Service& service) : service_(service) {}
    std::optional<http::Response> refuse(const http::Request& head, uint64_t body_bytes) override;
    http::Response handle(const http::Peer& peer, const http::Request& request) override;
    http::Response refusal(const Error& error) override;

   private:
    Service& service_;
  };
  HttpServer(Service& service, const Options& options)
      : routes_(service), server_(routes_, options) {}

  Routes routes_;
  http::Server server_;
};

}  // namespace tierhub::api
