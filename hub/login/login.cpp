#include "hub/login/login.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <map>
#include <set>

#include <poll.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/log.h"
#include "common/run_as.h"
#include "common/signals.h"
#include "common/spawn.h"
#include "hub/login/messages.h"

namespace tierhub::hub {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kMaxAttempts = 16;
constexpr std::chrono::seconds kAttemptLimit{60};  // between two steps
constexpr std::chrono::seconds kGroupsEvery{60};
constexpr int kTickMs = 1'000;

struct Attempt {
  UniqueFd socket;
  FrameReader reader;
  pid_t process = 0;
  Clock::time_point deadline;
};

struct Worker {
  pid_t process = 0;
  std::vector<uint32_t> groups;
};

class Login {
 public:
  explicit Login(LoginOptions options) : options_(std::move(options)) {}

  Result<void> serve() {
    TRY_ASSIGN(const UniqueFd signals, block_and_open_signals({SIGTERM, SIGINT, SIGCHLD}));
    while (!stopping_) {
      std::vector<pollfd> waiting = {{options_.front.get(), POLLIN, 0}, {signals.get(), POLLIN, 0}};
      std::vector<std::string> names;
      for (const auto& [name, attempt] : attempts_) {
        waiting.push_back({attempt.socket.get(), POLLIN, 0});
        names.push_back(name);
      }
      ::poll(waiting.data(), waiting.size(), kTickMs);
      if (waiting[1].revents != 0) read_signals(signals);
      if (waiting[0].revents != 0) hear_front();
      for (size_t i = 0; i < names.size(); ++i)
        if (waiting[i + 2].revents != 0) hear_attempt(names[i]);
      reap();
      end_late_attempts();
      end_workers_with_other_groups();
    }
    end_all();
    return {};
  }

 private:
  void read_signals(const UniqueFd& signals) {
    signalfd_siginfo info{};
    while (::read(signals.get(), &info, sizeof info) == sizeof info)
      if (info.ssi_signo != SIGCHLD) stopping_ = true;
  }

  void hear_front() {
    auto frames = front_.receive(options_.front.get());
    if (!frames) {
      stopping_ = true;
      return;
    }
    for (Frame& frame : *frames) {
      const Message message = unpack(frame.body);
      if (message.size() < 3) continue;
      const std::string& what = message[0];
      if (what == "begin") begin(message[1], message[2]);
      if (what == "answer") answer(message[1], frame.body);
      if (what == "start") start(message[1], message[2], std::move(frame).fd());
      if (what == "end") end_person(message[2]);
    }
  }

  void tell(const Message& message, UniqueFd fd = UniqueFd()) {
    if (!send_message(options_.front.get(), message, std::move(fd))) stopping_ = true;
  }

  void begin(const std::string& attempt, const std::string& user) {
    if (user.empty()) {  // some modules take an empty name for "nobody"
      tell({"refused", attempt, "Enter your user name."});
      return;
    }
    if (attempts_.size() >= kMaxAttempts || attempts_.contains(attempt)) {
      tell({"refused", attempt, "Many people are signing in: try again in a minute."});
      return;
    }
    auto pair = make_socket_pair();
    if (!pair) {
      tell({"refused", attempt, pair.error().text()});
      return;
    }
    const pid_t process = ::fork();
    if (process == 0) {
      // Nothing of other people: not the front's socket, not other attempts.
      const int socket = pair->second.release();
      ::dup2(socket, kSocketOfAttempt);
      ::syscall(SYS_close_range, kSocketOfAttempt + 1, ~0U, 0);
      sigset_t none;
      sigemptyset(&none);
      ::sigprocmask(SIG_SETMASK, &none, nullptr);
      converse(kSocketOfAttempt, attempt, user, options_.pam);
    }
    if (process < 0) {
      tell({"refused", attempt, "The server is overloaded: try again in a minute."});
      return;
    }
    attempts_[attempt] = {std::move(pair->first), {}, process, Clock::now() + kAttemptLimit};
  }

  void answer(const std::string& attempt, const std::string& body) {
    const auto found = attempts_.find(attempt);
    if (found == attempts_.end()) {
      tell({"refused", attempt, "That took too long: begin again."});
      return;
    }
    found->second.deadline = Clock::now() + kAttemptLimit;
    if (!send_message(found->second.socket.get(), unpack(body)))
      log::warning("somebody who was signing in is gone");
  }

  void hear_attempt(const std::string& name) {
    const auto found = attempts_.find(name);
    if (found == attempts_.end()) return;
    auto frames = found->second.reader.receive(found->second.socket.get());
    if (!frames || frames->empty()) {
      if (!frames) end_attempt(name, "Nobody can sign in now: see the system's log.");
      return;
    }
    for (const Frame& frame : *frames) {
      const Message message = unpack(frame.body);
      if (message.size() > 2 && message[0] == "person") {
        signed_in_.insert(message[2]);
        next_look_ = Clock::now();  // who signs in has the groups of now
      }
      // Where a user name comes from is not said: it may be a password.
      if (!message.empty() && message[0] == "refused") log::warning("somebody could not sign in");
      tell(message);
      if (!message.empty() && message[0] != "prompt") {
        attempts_.erase(found);
        return;
      }
    }
  }

  void end_attempt(const std::string& name, const std::string& why) {
    const auto found = attempts_.find(name);
    if (found == attempts_.end()) return;
    ::kill(found->second.process, SIGKILL);
    attempts_.erase(found);
    tell({"refused", name, why});
  }

  void end_late_attempts() {
    std::vector<std::string> late;
    for (const auto& [name, attempt] : attempts_)
      if (Clock::now() > attempt.deadline) late.push_back(name);
    for (const std::string& name : late) end_attempt(name, "That took too long: begin again.");
  }

  void start(const std::string& call, const std::string& uid_text, UniqueFd listener) {
    auto started = start_worker(uid_text, listener);
    if (started) {
      tell({"started", call, ""}, *std::move(started));
    } else {
      tell({"failed", call, started.error().text()});
    }
  }

  Result<UniqueFd> start_worker(const std::string& uid_text, const UniqueFd& listener) {
    uint32_t uid = 0;
    std::from_chars(uid_text.data(), uid_text.data() + uid_text.size(), uid);
    if (!signed_in_.contains(uid_text) || uid < options_.pam.first_uid || !listener)
      return Error(std::errc::permission_denied, "sign in again");
    TRY_ASSIGN(Account account, find_account(uid, uid));
    SpawnPlan plan;
    plan.program = options_.program;
    plan.arguments = options_.worker_arguments;
    plan.descriptors = {SpawnPlan::kEmpty, STDERR_FILENO, STDERR_FILENO, listener.get()};
    plan.environment = environment_of(account);
    plan.folder = "/";
    plan.group = SpawnPlan::Group::own_session;
    plan.account = account;
    TRY_ASSIGN(const pid_t process, spawn(plan));
    workers_[uid] = {process, account.groups};
    return open_process(process);
  }

  void end_person(const std::string& uid_text) {
    signed_in_.erase(uid_text);
    uint32_t uid = 0;
    std::from_chars(uid_text.data(), uid_text.data() + uid_text.size(), uid);
    const auto found = workers_.find(uid);
    if (found != workers_.end()) ::kill(found->second.process, SIGTERM);
  }

  void reap() {
    while (true) {
      int status = 0;
      const pid_t ended = ::waitpid(-1, &status, WNOHANG);
      if (ended <= 0) return;
      std::erase_if(workers_, [&](const auto& one) { return one.second.process == ended; });
    }
  }

  void end_workers_with_other_groups() {
    if (Clock::now() < next_look_) return;
    next_look_ = Clock::now() + kGroupsEvery;
    for (const auto& [uid, worker] : workers_) {
      const auto account = find_account(uid, uid);
      if (account && account->groups == worker.groups) continue;
      log::info("the groups of a person have changed: ending their worker", {{"uid", uid}});
      ::kill(worker.process, SIGTERM);
    }
  }

  void end_all() {
    for (const auto& [name, attempt] : attempts_) ::kill(attempt.process, SIGKILL);
    for (const auto& [uid, worker] : workers_) ::kill(worker.process, SIGTERM);
    for (const auto& [uid, worker] : workers_) ::waitpid(worker.process, nullptr, 0);
  }

  static constexpr int kSocketOfAttempt = 3;

  LoginOptions options_;
  FrameReader front_;
  std::map<std::string, Attempt> attempts_;
  std::map<uint32_t, Worker> workers_;
  std::set<std::string> signed_in_;  // uids, as text
  Clock::time_point next_look_ = Clock::now() + kGroupsEvery;
  bool stopping_ = false;
};

}  // namespace

Result<void> serve_logins(LoginOptions options) { return Login(std::move(options)).serve(); }

}  // namespace tierhub::hub
