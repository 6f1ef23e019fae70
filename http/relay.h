// Passes responses of other servers on while they arrive.
#pragma once

#include <map>
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
  explicit Relayer(asio::io_context& io) : io_(io) {}

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
  using Connection = std::unique_ptr<Upstream>;

  // One that rests, or a new one; null if nobody listens there.
  awaitable<Connection> connect(const std::string& socket_path, bool fresh);
  void keep(const std::string& socket_path, Connection connection);

  asio::io_context& io_;
  std::map<std::string, std::vector<Connection>> idle_;  // by the path of the socket
};

}  // namespace tierhub::http
