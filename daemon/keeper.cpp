// How a death is healed:
//
//   1. The child ended by a signal or with an error, and nobody asked it to. What it had sent is
//      read first: the descriptors may have come with its last breath.
//   2. /dev/fuse is open here, too: the mount stands, the kernel queues requests, and holds those
//      that were read and not answered. Passthrough files go on by themselves.
//   3. Another child is started, at once the first time, later each time it dies again; it inherits
//      the descriptors and goes on (FuseSession::take_over). Died too often: the keeper unmounts
//      and closes the device, which ends all that waits with an error, and says so.
//
// Before a child said that its mount answers there is nothing to keep: its failure is ours.
#include "daemon/keeper.h"

#include <algorithm>
#include <csignal>
#include <deque>
#include <optional>

#include <fcntl.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/clock.h"
#include "common/frame_socket.h"
#include "common/log.h"
#include "common/spawn.h"
#include "daemon/keeper_link.h"
#include "daemon/service_manager.h"
#include "fusefs/kernel/kept_session.h"
#include "fusefs/mount/table.h"

namespace tierhub {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFirstDelay{100};
constexpr milliseconds kLongestDelay{500};

std::string ending(int status) {
  if (WIFSIGNALED(status)) return fmt::format("by signal {}", WTERMSIG(status));
  return fmt::format("with exit code {}", WEXITSTATUS(status));
}

int exit_code(int status) {
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

// What a kept process is not to see: our place at the service manager, and a fault point that was
// reached already.
bool is_for_child(std::string_view variable, bool first) {
  if (variable.starts_with("NOTIFY_SOCKET=")) return false;
  return first || !variable.starts_with("TIERHUB_FAULT_POINT=");
}

class Keeper {
 public:
  explicit Keeper(const KeeperOptions& options) : options_(options) {}

  int run();

 private:
  Result<void> open_signals();
  Result<void> start_child();
  void wait();
  void read_signals();
  void read_link();
  void stop_child(int signal);
  std::optional<int> child_ended(int status);
  int give_up();
  void leave_mount();

  const KeeperOptions options_;
  UniqueFd signals_;
  UniqueFd link_;
  FrameReader frames_;
  pid_t child_ = -1;
  bool first_ = true;
  bool ready_ = false;      // this child's mount answers
  bool was_ready_ = false;  // some child's did
  bool stopping_ = false;
  bool handing_over_ = false;
  std::optional<SteadyClock::time_point> kill_at_;
  std::optional<SteadyClock::time_point> start_at_;
  std::deque<SteadyClock::time_point> deaths_;
  UniqueFd device_;
  UniqueFd memory_;
};

Result<void> Keeper::open_signals() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGCHLD}) ::sigaddset(&set, signal);
  signals_.reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals_) return Error::from_errno(errno, "signalfd");
  return {};
}

Result<void> Keeper::start_child() {
  TRY_ASSIGN(auto sockets, make_socket_pair());
  if (::fcntl(sockets.first.get(), F_SETFL, O_NONBLOCK) < 0)
    return Error::from_errno(errno, "fcntl");
  const bool again = device_.valid();
  SpawnPlan plan{options_.program, options_.arguments};
  if (!first_) std::erase(plan.arguments, options_.first_only);
  plan.arguments[0] = options_.program;
  plan.arguments.insert(plan.arguments.end(), {kKeptArgument, again ? kKeptAgain : kKeptNew});
  plan.descriptors.push_back(sockets.second.get());
  if (again) plan.descriptors.insert(plan.descriptors.end(), {device_.get(), memory_.get()});
  static_assert(kKeeperSocket == 3 && kKeptDevice == 4 && kKeptMemory == 5);
  plan.environment = own_environment();
  std::erase_if(*plan.environment, [&](auto& variable) { return !is_for_child(variable, first_); });
  TRY_ASSIGN(child_, spawn(plan));
  link_ = std::move(sockets.first);
  frames_ = FrameReader();
  first_ = ready_ = handing_over_ = false;
  kill_at_.reset();
  return {};
}

void Keeper::wait() {
  milliseconds limit{-1};
  for (const auto& deadline : {kill_at_, start_at_}) {
    if (!deadline) continue;
    const auto left = std::chrono::ceil<milliseconds>(*deadline - SteadyClock::now());
    limit = std::max(left, milliseconds(0));
  }
  pollfd ready[] = {{signals_.get(), POLLIN, 0}, {link_.get(), POLLIN, 0}};
  ::poll(ready, link_ ? 2 : 1, static_cast<int>(limit.count()));
}

void Keeper::stop_child(int signal) {
  if (child_ < 0) return;
  ::kill(child_, signal);
  if (!kill_at_) kill_at_ = SteadyClock::now() + options_.stop_limit;
}

void Keeper::read_signals() {
  signalfd_siginfo info{};
  while (::read(signals_.get(), &info, sizeof info) == sizeof info) {
    switch (info.ssi_signo) {
      case SIGTERM:
      case SIGINT:
        if (!stopping_) notify_service_manager("STOPPING=1");
        stopping_ = true;
        stop_child(SIGTERM);
        break;
      case SIGHUP:
        if (stopping_ || !ready_ || handing_over_) break;
        if (!device_) {
          log::warning("tierd cannot be replaced while it runs: this needs Linux 6.9 or later");
          break;
        }
        ::kill(child_, SIGHUP);
        break;
      default:
        break;
    }
  }
}

void Keeper::read_link() {
  while (link_) {
    auto frames = frames_.receive(link_.get());
    if (!frames) return link_.reset();
    if (frames->empty()) return;
    for (Frame& frame : *frames) {
      if (frame.body == kWordMemory) memory_ = std::move(frame).fd();
      if (frame.body == kWordDevice) device_ = std::move(frame).fd();
      if (frame.body == kWordHandingOver) {
        handing_over_ = true;
        kill_at_ = SteadyClock::now() + options_.stop_limit;
      }
      if (frame.body == kWordReady) {
        ready_ = was_ready_ = true;
        notify_service_manager("READY=1");
      }
    }
  }
}

// The exit code of the keeper, or none: the child is started again.
std::optional<int> Keeper::child_ended(int status) {
  child_ = -1;
  kill_at_.reset();
  read_link();
  link_.reset();
  const int code = exit_code(status);
  if (stopping_ || (code == 0 && !handing_over_) || !was_ready_) {
    leave_mount();
    if (WIFSIGNALED(status)) log::error(fmt::format("tierd ended {}", ending(status)));
    return code;
  }
  start_at_ = SteadyClock::now();
  if (handing_over_) {
    log::info("tierd handed over; starting the next one");
    return std::nullopt;
  }
  while (!deaths_.empty() && SteadyClock::now() - deaths_.front() > options_.restart_window)
    deaths_.pop_front();
  if (deaths_.size() >= options_.restarts_max) {
    log::error(fmt::format("tierd ended {}, more than {} times within {} s: giving up",
                           ending(status), options_.restarts_max,
                           options_.restart_window.count() / 1000));
    return give_up();
  }
  milliseconds delay{0};
  if (!deaths_.empty())
    delay = std::min(kFirstDelay * (1 << std::min<size_t>(deaths_.size() - 1, 6)), kLongestDelay);
  deaths_.push_back(SteadyClock::now());
  *start_at_ += delay;
  log::warning(fmt::format("tierd ended {}; restarting it", ending(status)),
               {{"mount_kept", device_.valid()}, {"delay_ms", delay.count()}});
  return std::nullopt;
}

int Keeper::give_up() {
  leave_mount();
  return 1;
}

// Whoever still waits gets an error when the last descriptor of the device is closed.
void Keeper::leave_mount() {
  if (!memory_) return;
  if (const auto place = KeptSession::place_in(std::move(memory_)))
    detach_mount(place->mount_point, place->device);
  device_.reset();
}

int Keeper::run() {
  if (auto opened = open_signals(); !opened) {
    log::error(opened.error().text());
    return 1;
  }
  start_at_ = SteadyClock::now();
  while (true) {
    if (start_at_ && SteadyClock::now() >= *start_at_) {
      start_at_.reset();
      if (auto started = start_child(); !started) {
        log::error(started.error().text());
        return give_up();
      }
    }
    if (kill_at_ && SteadyClock::now() >= *kill_at_) {
      log::error("tierd did not stop in time: killing it",
                 {{"limit_ms", options_.stop_limit.count()}});
      kill_at_.reset();
      ::kill(child_, SIGKILL);
    }
    wait();
    read_signals();
    read_link();
    int status = 0;
    if (child_ > 0 && ::waitpid(child_, &status, WNOHANG) == child_) {
      if (const auto code = child_ended(status)) return *code;
    }
    if (stopping_ && child_ < 0) {
      leave_mount();
      return 0;
    }
  }
}

}  // namespace

int run_keeper(const KeeperOptions& options) { return Keeper(options).run(); }

}  // namespace tierhub
