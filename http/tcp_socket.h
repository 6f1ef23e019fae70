// Listening for TCP connections.
#pragma once

#include <cstdint>
#include <string>

#include "common/result.h"
#include "common/unique_fd.h"

namespace tierhub::http {

struct TcpListener {
  UniqueFd fd;        // listening, non-blocking
  uint16_t port = 0;  // the one that was chosen, where 0 was asked for
};

// `address` is a literal IPv4 or IPv6 address of this machine ("127.0.0.1", "::1"); errc::
// invalid_argument if it is none. errc::address_in_use if another process listens there. Port 0: any
// that is free.
Result<TcpListener> listen_tcp(const std::string& address, uint16_t port);

// "192.0.2.7" of the other end of a connection.
Result<std::string> address_of_peer(int fd);

}  // namespace tierhub::http
