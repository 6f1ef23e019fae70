// Passes responses of other servers on while they arrive.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "http/beast.h"
#include "http/message.h"

namespace tierhub::http {

// Keeps a few connections to each server, to be used again. One thread: that of `io`, which must
// outlive it.
class Relayer {
 public:
  explicit Relayer(asio::io_context& io);
  ~Relayer();
  Relayer(const Relayer&) = delete;
  Relayer& operator=(const Relayer&) = delete;

  struct Outcome {
    bool keep_alive = false;  // the caller's connection can be used again
    // Not empty: nothing has been sent to the caller, who is to get this instead.
    std::optional<Error> refused = {};
  };
  // Sends relay.request and passes its response on to `caller`.
  awaitable<Outcome> relay(Stream& caller, const Relay& relay, const std::string& server, Way way,
                           std::chrono::milliseconds piece_limit);

 private:
  struct Upstream;
  struct Limits;
  using Connection = std::unique_ptr<Upstream>;
  using Message = wire::response<wire::buffer_body>;
  using Parser = wire::response_parser<wire::buffer_body>;
  using Serializer = wire::response_serializer<wire::buffer_body>;

  // One that rests, or a new one; null if nobody listens there.
  awaitable<Connection> connect(const Relay& relay, bool fresh);
  awaitable<Connection> connect_anew(const std::string& socket_path);
  // A WebSocket: see Relay::is_over.
  struct Tunnel;
  awaitable<Outcome> open_tunnel(Stream& caller, const Relay& relay, Way way);
  awaitable<void> pass_bytes(std::shared_ptr<Tunnel> tunnel, Stream& from, Stream& to);
  // The body, of a length that is known, or until the other server ends it. False: it is not
  // complete.
  awaitable<bool> pass_on(Upstream& from, Stream& to, uint64_t left, const Limits& limits);
  awaitable<bool> pass_on_chunks(Upstream& from, Parser& parser, Stream& to, Message& out,
                                 Serializer& serializer, const Limits& limits);
  void keep(const Relay& relay, Connection connection);
  // Closes connections to servers that have been replaced, of all paths.
  void close_stale();

  asio::io_context& io_;
  std::chrono::steady_clock::time_point next_close_;
  std::map<std::string, std::vector<Connection>> idle_;  // by the path of the socket
};

}  // namespace tierhub::http
