#include "http/unix_socket.h"

#include <cstring>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/posix.h"

namespace tierhub::http {
namespace {

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

Result<UniqueFd> make_socket(int flags) {
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
  if (!fd) return Error::from_errno(errno, "make a socket");
  return fd;
}

// 0, or the errno value.
int connect_to(int fd, const std::string& path) {
  sockaddr_un address = address_of(path);
  int result = ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  return result == 0 ? 0 : errno;
}

Result<void> remove_stale(const std::string& path) {
  struct stat st = {};
  if (::lstat(path.c_str(), &st) != 0) {
    if (errno == ENOENT) return {};
    return Error::from_errno(errno, "look at the socket " + path);
  }
  if (!S_ISSOCK(st.st_mode)) {
    return Error(std::errc::address_in_use,
                 path + " is not a socket: remove it, or choose another path for the socket");
  }
  TRY_ASSIGN(UniqueFd probe, make_socket(SOCK_NONBLOCK));
  int error = connect_to(probe.get(), path);
  if (error == ECONNREFUSED) return posix::unlink_at(AT_FDCWD, path);
  if (error == ENOENT) return {};
  // Connected, or a full queue of callers (EAGAIN): somebody lives there.
  return Error(std::errc::address_in_use,
               "another process listens at " + path + ": stop it, or choose another socket");
}

Error connect_error(int error, const std::string& path) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
    case ECONNREFUSED:
      return Error(std::errc::connection_refused,
                   fmt::format("tierd is not reachable at {}: is it running? Start it, or name its "
                               "socket with --socket or TIERHUB_SOCKET",
                               path));
    case EACCES:
      return Error(std::errc::permission_denied,
                   fmt::format("you may not use the socket {}: ask the administrator", path));
    case EAGAIN:
      return Error(std::errc::timed_out,
                   fmt::format("tierd at {} is too busy to accept a connection", path));
    default:
      return Error::from_errno(error, "connect to " + path);
  }
}

}  // namespace

Result<void> check_socket_path(const std::string& path) {
  constexpr size_t kLongest = sizeof(sockaddr_un::sun_path) - 1;
  if (path.empty()) return Error(std::errc::invalid_argument, "the path of the socket is empty");
  if (path.size() <= kLongest) return {};
  return Error(std::errc::invalid_argument,
               fmt::format("the path of the socket is longer than {} bytes: {}", kLongest, path));
}

UnixListener::UnixListener(UniqueFd fd, std::string path, const struct stat& identity)
    : fd_(std::move(fd)),
      path_(std::move(path)),
      device_(identity.st_dev),
      inode_(identity.st_ino) {}

Result<UnixListener> UnixListener::open(const std::string& path, mode_t mode) {
  TRY(check_socket_path(path));
  TRY(remove_stale(path));
  TRY_ASSIGN(UniqueFd fd, make_socket(SOCK_NONBLOCK));
  // The mode of the unbound socket is what bind gives to the path, less the umask.
  if (::fchmod(fd.get(), mode) != 0) return Error::from_errno(errno, "set the mode of " + path);
  sockaddr_un address = address_of(path);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return Error::from_errno(errno, "make the socket " + path);
  }
  if (::chmod(path.c_str(), mode) != 0) {
    return Error::from_errno(errno, "set the mode of " + path);
  }
  if (::listen(fd.get(), SOMAXCONN) != 0) return Error::from_errno(errno, "listen at " + path);
  TRY_ASSIGN(auto identity, posix::stat_at(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW));
  return UnixListener(std::move(fd), path, identity);
}

UnixListener::~UnixListener() {
  if (!fd_) return;
  auto st = posix::stat_at(AT_FDCWD, path_, AT_SYMLINK_NOFOLLOW);
  if (st && st->st_dev == device_ && st->st_ino == inode_) ::unlink(path_.c_str());
}

Result<UniqueFd> connect_unix(const std::string& path, std::chrono::milliseconds time_limit) {
  TRY(check_socket_path(path));
  TRY_ASSIGN(UniqueFd fd, make_socket(0));
  timeval limit = {time_limit.count() / 1'000, time_limit.count() % 1'000 * 1'000};
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) != 0) {
    return Error::from_errno(errno, "limit the time of a connection");
  }
  int error = connect_to(fd.get(), path);
  if (error != 0) return connect_error(error, path);
  return fd;
}

Result<Credentials> peer_of(int fd) {
  ucred credentials = {};
  socklen_t length = sizeof credentials;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) {
    return Error::from_errno(errno, "ask who calls");
  }
  Credentials caller{credentials.uid, credentials.gid, {}};
  static_assert(sizeof(gid_t) == sizeof(uint32_t));
  length = 0;
  // With no room the kernel answers ERANGE and how much it needs.
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, nullptr, &length) == 0) return caller;
  if (errno != ERANGE) return Error::from_errno(errno, "ask for the caller's groups");
  caller.groups.resize(length / sizeof(gid_t));
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, caller.groups.data(), &length) != 0) {
    return Error::from_errno(errno, "ask for the caller's groups");
  }
  return caller;
}

}  // namespace tierhub::http
