#include "http/tcp_socket.h"

#include <array>
#include <cerrno>
#include <cstring>

#include <sys/socket.h>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

namespace tierhub::http {
namespace {

struct Address {
  sockaddr_storage storage = {};
  socklen_t length = sizeof storage;
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

Result<Address> parse(const std::string& text, uint16_t port) {
  Address address;
  auto* const v4 = reinterpret_cast<sockaddr_in*>(&address.storage);
  auto* const v6 = reinterpret_cast<sockaddr_in6*>(&address.storage);
  if (::inet_pton(AF_INET, text.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    address.length = sizeof *v4;
    return address;
  }
  if (::inet_pton(AF_INET6, text.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    address.length = sizeof *v6;
    return address;
  }
  return Error(std::errc::invalid_argument,
               fmt::format("{} is not an IP address such as 127.0.0.1 or ::1", text));
}

}  // namespace

Result<TcpListener> listen_tcp(const std::string& text, uint16_t port) {
  TRY_ASSIGN(Address address, parse(text, port));
  const std::string place = fmt::format("listen at {}, port {}", text, port);
  TcpListener listener;
  listener.fd.reset(
      ::socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener.fd) return Error::from_errno(errno, "make a socket");
  const int fd = listener.fd.get();
  const int on = 1;
  if (::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0)
    return Error::from_errno(errno, place);
  if (::bind(fd, address.get(), address.length) != 0) return Error::from_errno(errno, place);
  if (::listen(fd, SOMAXCONN) != 0) return Error::from_errno(errno, place);
  address.length = sizeof address.storage;
  if (::getsockname(fd, address.get(), &address.length) != 0)
    return Error::from_errno(errno, place);
  // At the same place in both kinds of address.
  listener.port = ntohs(reinterpret_cast<sockaddr_in*>(&address.storage)->sin_port);
  return listener;
}

Result<std::string> address_of_peer(int fd) {
  Address address;
  if (::getpeername(fd, address.get(), &address.length) != 0)
    return Error::from_errno(errno, "ask for the address of a caller");
  const bool is_v4 = address.storage.ss_family == AF_INET;
  const void* const number =
      is_v4 ? static_cast<void*>(&reinterpret_cast<sockaddr_in*>(&address.storage)->sin_addr)
            : static_cast<void*>(&reinterpret_cast<sockaddr_in6*>(&address.storage)->sin6_addr);
  std::array<char, INET6_ADDRSTRLEN> text = {};
  if (::inet_ntop(address.storage.ss_family, number, text.data(), text.size()) == nullptr)
    return Error::from_errno(errno, "ask for the address of a caller");
  return std::string(text.data());
}

}  // namespace tierhub::http
