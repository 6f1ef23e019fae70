#include "compute/run/reporter.h"

#include <chrono>
#include <deque>
#include <memory>
#include <optional>

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/json.h"
#include "common/clock.h"
#include "common/log.h"
#include "compute/executors/process.h"
#include "compute/run/slots.h"

namespace tierhub::compute {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kRetryDelay{1000};
constexpr milliseconds kFarewell{2000};
constexpr size_t kMostWaitingRuns = 256;
constexpr size_t kMaxReportPacketBytes = 128 * 1024;
constexpr std::string_view kAgent = "agent ";
constexpr std::string_view kRun = "run ";

// The child: has one thread, this socket, and standard error.
class Sender {
 public:
  Sender(const OpenTierClient& open_tier, const std::string& socket_path, int socket)
      : open_tier_(open_tier), socket_path_(socket_path), socket_(socket) {}

  // Until the agent closes its end and what it reported was sent, or the time is up.
  void work() {
    while (!closed_ || (waits() && SteadyClock::now() < deadline_)) {
      if (!closed_) wait_for_packets();
      const bool sent = send_waiting();
      if (closed_ && !sent) ::poll(nullptr, 0, static_cast<int>(kRetryDelay.count()) / 10);
    }
  }

 private:
  bool waits() const { return agent_.has_value() || !runs_.empty(); }

  void wait_for_packets() {
    pollfd polled{socket_, POLLIN, 0};
    ::poll(&polled, 1, waits() ? static_cast<int>(kRetryDelay.count()) : -1);
    std::string packet(kMaxReportPacketBytes, '\0');
    for (;;) {
      const ssize_t n = ::recv(socket_, packet.data(), packet.size(), MSG_DONTWAIT);
      if (n > 0) {
        take(std::string_view(packet).substr(0, static_cast<size_t>(n)));
        continue;
      }
      if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        closed_ = true;
        deadline_ = SteadyClock::now() + kFarewell;
      }
      return;
    }
  }

  void take(std::string_view packet) {
    using enum api::UnknownMembers;
    if (packet.starts_with(kAgent)) {
      const auto agent = api::decode<api::Agent>(packet.substr(kAgent.size()), refuse);
      if (agent) agent_ = *agent;
    } else if (packet.starts_with(kRun)) {
      const auto run = api::decode<api::Run>(packet.substr(kRun.size()), refuse);
      if (run && runs_.size() < kMostWaitingRuns) runs_.push_back(*run);
    }
  }

  // True if nothing is left.
  bool send_waiting() {
    if (!waits()) return true;
    if (!tier_) {
      Result<std::unique_ptr<TierClient>> tier = open_tier_(socket_path_);
      if (!tier) return false;
      tier_ = *std::move(tier);
    }
    while (!runs_.empty()) {
      if (must_wait(tier_->report_run(runs_.front()))) return false;
      runs_.pop_front();
    }
    if (agent_ && must_wait(tier_->report_agent(*agent_))) return false;
    agent_.reset();
    return true;
  }

  bool must_wait(const Result<void>& sent) const {
    if (sent) return false;
    if (tier_->may_pass(sent.error())) return true;
    log::warning("tierd refuses a report of the agent", {{"error", sent.error().text()}});
    return false;
  }

  const OpenTierClient& open_tier_;
  const std::string& socket_path_;
  const int socket_;
  std::unique_ptr<TierClient> tier_;
  std::optional<api::Agent> agent_;
  std::deque<api::Run> runs_;
  bool closed_ = false;
  SteadyClock::time_point deadline_;
};

}  // namespace

Result<void> Reporter::start() {
  TRY_ASSIGN(SocketPair sockets, make_socket_pair());
  const int agent_pid = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) return Error::from_errno(errno, "start the reporter");
  if (pid > 0) {
    child_ = pid;
    socket_ = std::move(sockets.agent);
    return {};
  }
  ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  if (::getppid() != agent_pid || ::chdir("/") < 0) ::_exit(1);
  Sender(open_tier_, socket_path_, keep_only_descriptor(sockets.runner.get())).work();
  ::_exit(0);
}

void Reporter::send(const std::string& packet) {
  if (socket_path_.empty()) return;
  if (child_ == 0) {
    const Result<void> started = start();
    if (!started) {
      log::error("this agent cannot be reported to tierd", {{"error", started.error().text()}});
      return;
    }
  }
  const Result<void> sent = send_packet(socket_.get(), packet);
  if (!sent) log::debug("dropped a report", {{"error", sent.error().text()}});
}

void Reporter::report(const api::Agent& agent) { send(std::string(kAgent) + api::encode(agent)); }

void Reporter::report(const api::Run& run) { send(std::string(kRun) + api::encode(run)); }

void Reporter::forget(pid_t pid) {
  if (pid != child_) return;
  child_ = 0;
  socket_.reset();
}

void Reporter::stop() {
  if (child_ == 0) return;
  socket_.reset();
  const SteadyClock::time_point deadline = SteadyClock::now() + kFarewell + kRetryDelay;
  while (::waitpid(child_, nullptr, WNOHANG) == 0) {
    if (SteadyClock::now() > deadline) ::kill(child_, SIGKILL);
    ::poll(nullptr, 0, 10);
  }
  child_ = 0;
}

}  // namespace tierhub::compute
