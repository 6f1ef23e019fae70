#include "compute/run/slots.h"

#include <algorithm>
#include <charconv>

#include <sys/socket.h>

#include <fmt/format.h>

namespace tierhub::compute {
namespace {

constexpr size_t kMaxPacketBytes = 32 * 1024;

}  // namespace

SlotPool::SlotPool(unsigned workers, unsigned per_user) : holder_(std::max(workers, 1u)) {
  per_user_ = per_user == 0 ? this->workers() : std::min(per_user, this->workers());
}

void SlotPool::want(int client, unsigned count, uint32_t user) {
  std::erase_if(wishes_, [&](const Wish& wish) { return wish.client == client; });
  wishes_.push_back({client, std::clamp(count, 1u, per_user_), user});
  user_of_[client] = user;
}

void SlotPool::release(int client, const std::vector<unsigned>& slots) {
  for (const unsigned slot : slots) {
    if (slot < holder_.size() && holder_[slot] == client) holder_[slot].reset();
  }
}

void SlotPool::leave(int client) {
  std::erase_if(wishes_, [&](const Wish& wish) { return wish.client == client; });
  for (std::optional<int>& holder : holder_) {
    if (holder == client) holder.reset();
  }
  const auto found = user_of_.find(client);
  if (found == user_of_.end()) return;
  const uint32_t user = found->second;
  user_of_.erase(found);
  const bool has_others = std::any_of(user_of_.begin(), user_of_.end(),
                                      [&](const auto& entry) { return entry.second == user; });
  if (!has_others) last_grant_.erase(user);
}

unsigned SlotPool::held_by(uint32_t user) const {
  return static_cast<unsigned>(std::count_if(
      holder_.begin(), holder_.end(),
      [&](const std::optional<int>& holder) { return holder && user_of_.at(*holder) == user; }));
}

std::deque<SlotPool::Wish>::iterator SlotPool::next() {
  auto best = wishes_.end();
  std::pair<unsigned, uint64_t> best_key;
  std::set<uint32_t> seen;
  for (auto wish = wishes_.begin(); wish != wishes_.end(); ++wish) {
    if (!seen.insert(wish->user).second) continue;  // not the user's first
    const unsigned held = held_by(wish->user);
    if (held + wish->count > per_user_) continue;
    const auto last = last_grant_.find(wish->user);
    const std::pair key(held, last == last_grant_.end() ? 0 : last->second);
    if (best != wishes_.end() && key >= best_key) continue;
    best = wish;
    best_key = key;
  }
  return best;
}

std::vector<SlotPool::Grant> SlotPool::grant(size_t most) {
  std::vector<Grant> grants;
  for (auto wish = next(); wish != wishes_.end() && grants.size() < most; wish = next()) {
    const auto free = std::count(holder_.begin(), holder_.end(), std::nullopt);
    if (static_cast<unsigned>(free) < wish->count) break;
    Grant grant{wish->client, {}};
    for (unsigned slot = 0; slot < workers() && grant.slots.size() < wish->count; ++slot) {
      if (holder_[slot]) continue;
      holder_[slot] = wish->client;
      grant.slots.push_back(slot);
    }
    last_grant_[wish->user] = ++grants_;
    grants.push_back(std::move(grant));
    wishes_.erase(wish);
  }
  return grants;
}

Result<std::vector<unsigned>> parse_slots(std::string_view text) {
  std::vector<unsigned> slots;
  while (!text.empty()) {
    const char* end = text.data() + text.size();
    unsigned slot = 0;
    const auto [after, failure] = std::from_chars(text.data(), end, slot);
    if (failure != std::errc() || (after != end && *after != ',')) {
      return Error(std::errc::invalid_argument, "not a list of slots");
    }
    slots.push_back(slot);
    text.remove_prefix(static_cast<size_t>(after - text.data()) + (after != end ? 1 : 0));
  }
  return slots;
}

std::string slots_text(const std::vector<unsigned>& slots) {
  return fmt::format("{}", fmt::join(slots, ","));
}

Result<SocketPair> make_socket_pair() {
  int fds[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0) {
    return Error::from_errno(errno, "socketpair");
  }
  return SocketPair{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

Result<std::string> receive_packet(int fd) {
  std::string text(kMaxPacketBytes, '\0');
  for (;;) {
    const ssize_t n = ::recv(fd, text.data(), text.size(), MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error::from_errno(errno, "receive");
    if (n == 0) return Error(std::errc::connection_reset, "the other end is closed");
    text.resize(static_cast<size_t>(n));
    return text;
  }
}

Result<void> send_packet(int fd, std::string_view text) {
  for (;;) {
    const ssize_t n = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error::from_errno(errno, "send");
    return {};
  }
}

Result<void> SlotClient::want(unsigned count) {
  TRY(send_packet(fd(), fmt::format("want {}", count)));
  waiting_ = true;
  return {};
}

Result<void> SlotClient::release(const std::vector<unsigned>& slots) {
  return send_packet(fd(), "release " + slots_text(slots));
}

Result<std::optional<std::vector<unsigned>>> SlotClient::receive() {
  const Result<std::string> packet = receive_packet(fd());
  if (!packet && (packet.error().is(std::errc::operation_would_block) ||
                  packet.error().is(std::errc::resource_unavailable_try_again))) {
    return std::nullopt;
  }
  if (!packet) return packet.error();
  if (!packet->starts_with("grant ")) {
    return Error(std::errc::protocol_error, "the agent's message is not a grant");
  }
  waiting_ = false;
  TRY_ASSIGN(std::vector<unsigned> slots, parse_slots(std::string_view(*packet).substr(6)));
  return slots;
}

}  // namespace tierhub::compute
