// tierweb for everybody: a process that is root and lets people sign in, the front, which faces the
// network without any rights, and a worker for each person.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/result.h"
#include "hub/login/conversation.h"

namespace tierhub::hub {

struct ServerOptions {
  std::string program = "/proc/self/exe";
  std::string page;
  std::string tierd_socket;
  std::string listen = "127.0.0.1:8443";     // ADDRESS:PORT, or unix:/PATH
  std::vector<std::string> names;            // what the hub is called in addresses
  std::vector<std::string> trusted_proxies;  // addresses, or "unix"
  std::string front_user = "tierweb";
  std::string runtime_folder = "/run/tierweb";  // for the sockets of workers
  PamOptions pam;
  uint64_t pyramid_bytes = 0;  // of each person: see WorkerRoutes::Place
};

// As root, in a process with one thread: starts the front and serves logins until a signal comes or
// the front has ended.
Result<void> serve_everybody(const ServerOptions& options);

// What serve_everybody() starts as front_user, with the listening socket and the socket of the
// login as descriptors 3 and 4.
Result<void> run_front(const ServerOptions& options);

}  // namespace tierhub::hub
