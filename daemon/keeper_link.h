// The messages between a keeper and its tierd: over a socket that tierd inherits, along with the
// descriptors of a session that is taken over.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/result.h"
#include "common/unique_fd.h"

namespace tierhub {

// The descriptors that a kept process starts with.
inline constexpr int kKeeperSocket = 3;
inline constexpr int kKeptDevice = 4;
inline constexpr int kKeptMemory = 5;
// The argument that says that they are there: of a process that mounts, and of one that takes the
// mount over.
inline constexpr const char* kKeptArgument = "--kept";
inline constexpr const char* kKeptNew = "new";
inline constexpr const char* kKeptAgain = "again";

// A session that is taken over: /dev/fuse, and the memory of the process before.
struct InheritedSession {
  UniqueFd device;
  UniqueFd memory;
};

// The kept process's end.
class KeeperLink {
 public:
  // Takes the inherited descriptors. `how`: kKeptNew or kKeptAgain. From here on the process gets
  // SIGTERM when its keeper dies.
  static Result<KeeperLink> inherit(const std::string& how);

  // The session to take over, once; none: mount.
  std::optional<InheritedSession> take_session() { return std::move(session_); }

  // The mount answers. Gives the keeper what it needs to keep the session; both are borrowed.
  Result<void> ready_and_keep(int device_fd, int memory_fd) const;
  // The mount answers, but the kernel cannot give its requests to another process.
  Result<void> ready() const;
  // This process ends without unmounting: start the next.
  Result<void> handing_over() const;

 private:
  explicit KeeperLink(UniqueFd socket) : socket_(std::move(socket)) {}

  UniqueFd socket_;
  std::optional<InheritedSession> session_;
};

// The words on the socket; `device` and `memory` bring a descriptor.
inline constexpr const char* kWordDevice = "device";
inline constexpr const char* kWordMemory = "memory";
inline constexpr const char* kWordReady = "ready";
inline constexpr const char* kWordHandingOver = "handing over";

}  // namespace tierhub
