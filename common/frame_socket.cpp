#include "common/frame_socket.h"

#include <array>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <iterator>

#include <sys/socket.h>
#include <sys/uio.h>

#include "common/bytes.h"

namespace tierhub {
namespace {

constexpr size_t kFrameHeaderBytes = 5;
constexpr uint32_t kMaxBodyBytes = uint32_t{1} << 30;

}  // namespace

Result<std::pair<UniqueFd, UniqueFd>> make_socket_pair() {
  int fds[2] = {-1, -1};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) {
    return Error::from_errno(errno, "make a socket pair");
  }
  return std::pair(UniqueFd(fds[0]), UniqueFd(fds[1]));
}

namespace {

std::vector<UniqueFd> one_or_none(UniqueFd fd) {
  std::vector<UniqueFd> fds;
  if (fd) fds.push_back(std::move(fd));
  return fds;
}

}  // namespace

OutgoingFrame::OutgoingFrame(const std::string& body, UniqueFd fd)
    : OutgoingFrame(body, one_or_none(std::move(fd))) {}

OutgoingFrame::OutgoingFrame(const std::string& body, std::vector<UniqueFd> fds)
    : fds_(std::move(fds)) {
  assert(fds_.size() <= kMaxFrameFds);
  ByteWriter out;
  out.u32(static_cast<uint32_t>(body.size())).u8(static_cast<uint8_t>(fds_.size())).raw(body);
  bytes_ = out.take();
}

Result<bool> OutgoingFrame::send(int socket_fd) {
  while (sent_ < bytes_.size()) {
    iovec part{bytes_.data() + sent_, bytes_.size() - sent_};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxFrameFds)] = {};
    if (!fds_.empty()) {
      message.msg_control = control;
      message.msg_controllen = CMSG_SPACE(sizeof(int) * fds_.size());
      cmsghdr* header = CMSG_FIRSTHDR(&message);
      header->cmsg_level = SOL_SOCKET;
      header->cmsg_type = SCM_RIGHTS;
      header->cmsg_len = CMSG_LEN(sizeof(int) * fds_.size());
      for (size_t i = 0; i < fds_.size(); ++i) {
        const int fd = fds_[i].get();
        std::memcpy(CMSG_DATA(header) + i * sizeof fd, &fd, sizeof fd);
      }
    }
    const ssize_t n = ::sendmsg(socket_fd, &message, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EAGAIN || errno == ETOOMANYREFS)) return false;
    if (n < 0) return Error::from_errno(errno, "send to the archive helper");
    sent_ += static_cast<size_t>(n);
    fds_.clear();
  }
  return true;
}

Result<Received> receive_some(int socket_fd, std::span<char> buffer) {
  iovec part{buffer.data(), buffer.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxFrameFds)];
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t n = 0;
  do {
    n = ::recvmsg(socket_fd, &message, MSG_CMSG_CLOEXEC);
  } while (n < 0 && errno == EINTR);
  if (n < 0 && errno == EAGAIN) return Received();
  if (n < 0 && errno == ECONNRESET) n = 0;
  if (n < 0) return Error::from_errno(errno, "receive");
  if (n == 0) return Error(std::errc::not_connected, "the other end of the socket is closed");
  Received received;
  received.bytes = static_cast<size_t>(n);
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(header) + i * sizeof fd, sizeof fd);
      received.fds.emplace_back(fd);
    }
  }
  return received;
}

Result<void> FrameReader::receive_bytes(int socket_fd) {
  std::array<char, 65536> buffer;
  TRY_ASSIGN(Received received, receive_some(socket_fd, buffer));
  bytes_.append(buffer.data(), received.bytes);
  std::move(received.fds.begin(), received.fds.end(), std::back_inserter(fds_));
  return {};
}

Result<std::vector<Frame>> FrameReader::receive(int socket_fd) {
  TRY(receive_bytes(socket_fd));
  std::vector<Frame> frames;
  size_t at = 0;
  while (bytes_.size() - at >= kFrameHeaderBytes) {
    ByteReader header(std::string_view(bytes_).substr(at, kFrameHeaderBytes));
    const uint32_t body_bytes = header.u32();
    const size_t fd_count = header.u8();
    if (body_bytes > kMaxBodyBytes)
      return Error(std::errc::protocol_error, "receive: a frame is too long");
    if (bytes_.size() - at - kFrameHeaderBytes < body_bytes) break;
    Frame frame;
    frame.body = bytes_.substr(at + kFrameHeaderBytes, body_bytes);
    if (fds_.size() < fd_count)
      return Error(std::errc::protocol_error, "receive: a descriptor is missing");
    for (size_t i = 0; i < fd_count; ++i) {
      frame.fds.push_back(std::move(fds_.front()));
      fds_.pop_front();
    }
    frames.push_back(std::move(frame));
    at += kFrameHeaderBytes + body_bytes;
  }
  bytes_.erase(0, at);
  return frames;
}

}  // namespace tierhub
