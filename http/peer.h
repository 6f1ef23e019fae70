// Who is at the other end of a connection.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tierhub::http {

// A user of this machine, as the kernel knows them.
struct Credentials {
  uint32_t uid = 0;
  uint32_t gid = 0;
  std::vector<uint32_t> groups;
};

struct Peer {
  std::optional<Credentials> credentials;  // of a unix socket
  std::string address;                     // of TCP: "192.0.2.7"
};

}  // namespace tierhub::http
