#include "api/http_server.h"

#include <optional>
#include <utility>

#include "api/routes.h"

namespace tierhub::api {

Result<std::unique_ptr<HttpServer>> HttpServer::open(const std::string& socket_path, mode_t mode,
                                                     Service& service, const Options& options) {
  std::unique_ptr<HttpServer> server(new HttpServer(service, options));
  TRY(server->server_.listen_unix(socket_path, mode));
  return server;
}

std::optional<http::Response> HttpServer::Routes::refuse(const http::Request& head,
                                                         uint64_t body_bytes) {
  auto refused = refuse_head(head, body_bytes);
  return refused ? std::optional(to_http(*std::move(refused))) : std::nullopt;
}

http::Response HttpServer::Routes::handle(const http::Peer& peer, const http::Request& request) {
  // Only those whom the kernel knows may call.
  if (!peer.credentials)
    return refusal(Error(std::errc::permission_denied, "the API is for users of this machine"));
  return to_http(api::handle(service_, *peer.credentials, request));
}

http::Response HttpServer::Routes::refusal(const Error& error) {
  return to_http(api::refusal(error));
}

}  // namespace tierhub::api
