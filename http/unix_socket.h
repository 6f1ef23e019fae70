// Unix sockets: listening at a path, connecting to one, and identifying the other end.
#pragma once

#include <chrono>
#include <string>
#include <utility>

#include <sys/stat.h>

#include "common/result.h"
#include "common/unique_fd.h"
#include "http/peer.h"

namespace tierhub::http {

// A listening, non-blocking socket at a path, which goes away with the object.
class UnixListener {
 public:
  // Takes over the path from a process that died. errc::address_in_use if somebody listens there,
  // or if it is not a socket.
  static Result<UnixListener> open(const std::string& path, mode_t mode);
  UnixListener(UnixListener&&) noexcept = default;
  UnixListener& operator=(UnixListener&&) = delete;
  ~UnixListener();

  int fd() const { return fd_.get(); }
  // For another process, which listens from now on. The path stays, also after that process has
  // ended: then connecting to it is refused, and open() takes it over.
  UniqueFd release() && { return std::move(fd_); }
  const std::string& path() const { return path_; }

 private:
  UnixListener(UniqueFd fd, std::string path, const struct stat& identity);

  UniqueFd fd_;
  std::string path_;
  dev_t device_;  // of the path, so that a successor's socket is never removed
  ino_t inode_;
};

// A connected, blocking socket. Waits at most `time_limit` for a listener that is busy. Errors as
// in api/client.h.
Result<UniqueFd> connect_unix(const std::string& path, std::chrono::milliseconds time_limit);

// The user who connected, with the groups that they had then.
Result<Credentials> peer_of(int fd);

// errc::invalid_argument if no socket can have this path: it is empty, or longer than 107 bytes.
Result<void> check_socket_path(const std::string& path);

}  // namespace tierhub::http
