#include "daemon/keeper_link.h"

#include <csignal>

#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/frame_socket.h"

namespace tierhub {
namespace {

Result<UniqueFd> take_inherited(int fd) {
  if (::fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
    return Error::from_errno(errno, "take over a descriptor from the keeper");
  return UniqueFd(fd);
}

Result<UniqueFd> duplicate(int fd) {
  const int copy = ::fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) return Error::from_errno(errno, "duplicate a descriptor for the keeper");
  return UniqueFd(copy);
}

Result<void> say(const UniqueFd& socket, const char* word, UniqueFd fd) {
  OutgoingFrame frame(word, std::move(fd));
  TRY_ASSIGN(const bool sent, frame.send(socket.get()));
  if (!sent) return Error(std::errc::resource_unavailable_try_again, "notify the keeper");
  return {};
}

}  // namespace

Result<KeeperLink> KeeperLink::inherit(const std::string& how) {
  TRY_ASSIGN(UniqueFd socket, take_inherited(kKeeperSocket));
  KeeperLink link(std::move(socket));
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (how != kKeptAgain) return link;
  InheritedSession session;
  TRY_ASSIGN(session.device, take_inherited(kKeptDevice));
  TRY_ASSIGN(session.memory, take_inherited(kKeptMemory));
  link.session_ = std::move(session);
  return link;
}

Result<void> KeeperLink::ready_and_keep(int device_fd, int memory_fd) const {
  TRY_ASSIGN(UniqueFd device, duplicate(device_fd));
  TRY_ASSIGN(UniqueFd memory, duplicate(memory_fd));
  TRY(say(socket_, kWordMemory, std::move(memory)));
  TRY(say(socket_, kWordDevice, std::move(device)));
  return ready();
}

Result<void> KeeperLink::ready() const { return say(socket_, kWordReady, UniqueFd()); }

Result<void> KeeperLink::handing_over() const { return say(socket_, kWordHandingOver, UniqueFd()); }

}  // namespace tierhub
