#include "hub/login/login.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <map>
#include <set>
#include <utility>

#include <poll.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/log.h"
#include "common/log_bounded.h"
#include "common/run_as.h"
#include "common/signals.h"
#include "common/spawn.h"
#include "hub/login/accounts.h"
#include "hub/login/messages.h"
#include "hub/login/waiting_room.h"

namespace tierhub::hub {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kPamLimit{60};      // for one step
constexpr std::chrono::seconds kPersonLimit{120};  // for an answer, while nobody needs the room
constexpr std::chrono::seconds kAccountsEvery{60};
// From SIGTERM to SIGKILL: one that has been taken over may not want to end.
constexpr std::chrono::seconds kGrace{5};
constexpr size_t kMaxChecks = 4;  // at once
constexpr int kTickMs = 1'000;

struct Attempt {
  UniqueFd socket;
  FrameReader reader;
  pid_t process = 0;
  Clock::time_point deadline;
  OpenAttempt open;
};

struct Worker {
  pid_t process = 0;
  std::vector<uint32_t> groups;
};

// A look at an account, in a process of its own.
struct Check {
  uint32_t uid = 0;
  pid_t worker = 0;  // whose groups were compared; 0: there was none
};

// Directories take "ADA" for "ada".
std::string in_one_spelling(std::string user) {
  for (char& c : user)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return user;
}

uint32_t uid_in(const std::string& text) {
  uint32_t uid = 0;
  std::from_chars(text.data(), text.data() + text.size(), uid);
  return uid;
}

// In a child that was forked: nothing of other people is left open, and signals work as usual.
void become_a_child_of_its_own(int first_to_close) {
  ::syscall(SYS_close_range, first_to_close, ~0U, 0);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

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
      look_at_accounts();
      kill_what_does_not_end();
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
      if (what == "begin" && message.size() > 3) begin(message[1], message[2], message[3]);
      if (what == "answer") answer(message[1], frame.body);
      if (what == "start") start(message[1], message[2], std::move(frame).fd());
      if (what == "end") end_person(message[2]);
    }
  }

  void tell(const Message& message, UniqueFd fd = UniqueFd()) {
    if (!send_message(options_.front.get(), message, std::move(fd))) stopping_ = true;
  }

  void begin(const std::string& attempt, const std::string& user, const std::string& machine) {
    if (user.empty()) {  // some modules take an empty name for "nobody"
      tell({"wrong", attempt, "Enter your user name."});
      return;
    }
    const auto now = Clock::now();
    const OpenAttempt newcomer{attempt, in_one_spelling(user), machine, now, now};
    if (attempts_.contains(attempt) || !make_room_for(newcomer)) {
      tell({"busy", attempt, "Many people are signing in: try again in a minute."});
      return;
    }
    auto pair = make_socket_pair();
    if (!pair) {
      tell({"trouble", attempt, pair.error().text()});
      return;
    }
    const pid_t process = ::fork();
    if (process == 0) {
      const int socket = pair->second.release();
      ::dup2(socket, kSocketOfAttempt);
      become_a_child_of_its_own(kSocketOfAttempt + 1);
      converse(kSocketOfAttempt, attempt, user, options_.pam);
    }
    if (process < 0) {
      tell({"busy", attempt, "The server is overloaded: try again in a minute."});
      return;
    }
    attempts_[attempt] = {std::move(pair->first), {}, process, now + kPamLimit, newcomer};
  }

  bool make_room_for(const OpenAttempt& newcomer) {
    std::vector<OpenAttempt> open;
    for (const auto& [name, attempt] : attempts_) open.push_back(attempt.open);
    const auto leaving = who_makes_room(std::move(open), newcomer);
    if (!leaving) return false;
    for (const std::string& name : *leaving) end_attempt(name, "late", kEnded);
    return true;
  }

  void answer(const std::string& attempt, const std::string& body) {
    const auto found = attempts_.find(attempt);
    if (found == attempts_.end()) {
      tell({"late", attempt, kEnded});
      return;
    }
    if (!std::exchange(found->second.open.waits_for_person, false)) return;  // nothing was asked
    found->second.deadline = Clock::now() + kPamLimit;
    if (!send_message(found->second.socket.get(), unpack(body)))
      log::bounded(log::Level::warning, "somebody who was signing in is gone");
  }

  void hear_attempt(const std::string& name) {
    const auto found = attempts_.find(name);
    if (found == attempts_.end()) return;
    auto frames = found->second.reader.receive(found->second.socket.get());
    if (!frames || frames->empty()) {
      if (!frames) end_attempt(name, "trouble", "Nobody can sign in now: see the system's log.");
      return;
    }
    for (const Frame& frame : *frames) {
      const Message message = unpack(frame.body);
      if (message.empty()) continue;
      if (message.size() > 3 && message[0] == "person") {
        signed_in_[message[2]] = message[3];
        missing_.forget(uid_in(message[2]));
        // Who signs in has the groups of now.
        end_worker_of_other_groups(uid_in(message[2]));
        next_look_ = Clock::now();
      }
      // Where a user name comes from is not said: it may be a password.
      if (message[0] != "person" && message[0] != "prompt")
        log::bounded(log::Level::warning, "somebody could not sign in");
      tell(message);
      if (message[0] != "prompt") {
        attempts_.erase(found);
        return;
      }
      found->second.open.waits_for_person = true;
      found->second.open.asked = Clock::now();
      found->second.deadline = Clock::now() + kPersonLimit;
    }
  }

  // `result` as in messages.h.
  void end_attempt(const std::string& name, const std::string& result, const std::string& why) {
    const auto found = attempts_.find(name);
    if (found == attempts_.end()) return;
    ::kill(found->second.process, SIGKILL);
    attempts_.erase(found);
    tell({result, name, why});
  }

  void end_late_attempts() {
    std::vector<std::string> late;
    for (const auto& [name, attempt] : attempts_)
      if (Clock::now() > attempt.deadline) late.push_back(name);
    for (const std::string& name : late) end_attempt(name, "late", kEnded);
  }

  void start(const std::string& call, const std::string& uid_text, UniqueFd listener) {
    const Right right = listener ? right_of(uid_text) : Right::gone;
    if (right == Right::gone) {
      signed_in_.erase(uid_text);
      missing_.forget(uid_in(uid_text));
      tell({"refused", call, "sign in again"});
      return;
    }
    if (right == Right::unknown) {
      tell({"later", call, "the system does not find your account now: try again in a minute"});
      return;
    }
    auto started = start_worker(uid_text, listener);
    if (started) {
      tell({"started", call, ""}, *std::move(started));
    } else {
      tell({"failed", call, started.error().text()});
    }
  }

  // Whether the name that signed in still belongs to that uid, which then may have a worker.
  enum class Right { holds, gone, unknown };
  Right right_of(const std::string& uid_text) {
    const auto found = signed_in_.find(uid_text);
    const uint32_t uid = uid_in(uid_text);
    if (found == signed_in_.end() || uid < options_.pam.first_uid) return Right::gone;
    switch (look_up_account(found->second, uid)) {
      case AccountState::same:
        missing_.forget(uid);
        return Right::holds;
      case AccountState::another:
        return Right::gone;
      case AccountState::not_found:
        return missing_.is_gone(uid) ? Right::gone : Right::unknown;
      case AccountState::unknown:
        missing_.forget(uid);
        return Right::unknown;
    }
    return Right::unknown;
  }

  Result<UniqueFd> start_worker(const std::string& uid_text, const UniqueFd& listener) {
    const uint32_t uid = uid_in(uid_text);
    end_worker(uid);
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
    missing_.forget(uid_in(uid_text));
    end_worker(uid_in(uid_text));
  }

  void end_worker_of_other_groups(uint32_t uid) {
    const auto worker = workers_.find(uid);
    if (worker == workers_.end()) return;
    const auto account = find_account(uid, uid);
    if (account && account->groups == worker->second.groups) return;
    log::info("the groups of a person have changed: ending their worker", {{"uid", uid}});
    end_worker(uid);
  }

  void end_worker(uint32_t uid) {
    const auto found = workers_.find(uid);
    if (found == workers_.end()) return;
    ::kill(found->second.process, SIGTERM);
    ending_[found->second.process] = Clock::now() + kGrace;
    workers_.erase(found);
  }

  void kill_what_does_not_end() {
    for (auto& [process, deadline] : ending_) {
      if (Clock::now() < deadline) continue;
      log::warning("a worker does not end: killing it", {{"process", process}});
      ::kill(-process, SIGKILL);  // its session
      ::kill(process, SIGKILL);
      deadline = Clock::time_point::max();
    }
  }

  void reap() {
    while (true) {
      int status = 0;
      const pid_t ended = ::waitpid(-1, &status, WNOHANG);
      if (ended <= 0) return;
      ending_.erase(ended);
      std::erase_if(workers_, [&](const auto& one) { return one.second.process == ended; });
      const auto check = checks_.extract(ended);
      if (!check.empty() && WIFEXITED(status)) hear_verdict(check.mapped(), WEXITSTATUS(status));
    }
  }

  // How check_account_and_exit() has ended.
  void hear_verdict(const Check& check, int verdict) {
    const bool is_gone = verdict == kAccountIsMissing && missing_.is_gone(check.uid);
    if (verdict != kAccountIsMissing) missing_.forget(check.uid);
    if (is_gone || verdict == kAccountIsClosed) {
      log::info("an account may not sign in any more: ending its worker", {{"uid", check.uid}});
      end_person(std::to_string(check.uid));
    }
    const auto worker = workers_.find(check.uid);
    if (verdict != kAccountHasOtherGroups || worker == workers_.end() ||
        worker->second.process != check.worker)
      return;
    log::info("the groups of a person have changed: ending their worker", {{"uid", check.uid}});
    end_worker(check.uid);
  }

  void look_at_accounts() {
    if (Clock::now() >= next_look_) {
      next_look_ = Clock::now() + kAccountsEvery;
      std::set<uint32_t> uids = missing_.uids();
      for (const auto& [uid, worker] : workers_) uids.insert(uid);
      to_check_ = std::move(uids);
    }
    while (!to_check_.empty() && checks_.size() < kMaxChecks)
      check_account(to_check_.extract(to_check_.begin()).value());
  }

  // In a process of its own, as each attempt: it may ask the network. reap() hears of its end.
  void check_account(uint32_t uid) {
    const auto found = signed_in_.find(std::to_string(uid));
    if (found == signed_in_.end()) return;
    const auto worker = workers_.find(uid);
    const bool has_worker = worker != workers_.end();
    const pid_t process = ::fork();
    if (process == 0) {
      become_a_child_of_its_own(STDERR_FILENO + 1);
      ::alarm(static_cast<unsigned>(kPamLimit.count()));
      check_account_and_exit(found->second, uid,
                             has_worker ? worker->second.groups : std::vector<uint32_t>(),
                             options_.pam);
    }
    if (process > 0) checks_[process] = {uid, has_worker ? worker->second.process : 0};
  }

  void end_all() {
    for (const auto& [name, attempt] : attempts_) ::kill(attempt.process, SIGKILL);
    for (const auto& [process, check] : checks_) ::kill(process, SIGKILL);
    while (!workers_.empty()) end_worker(workers_.begin()->first);
    while (!ending_.empty()) {
      reap();
      kill_what_does_not_end();
      ::poll(nullptr, 0, kSoonMs);
    }
  }

  static constexpr int kSocketOfAttempt = 3;
  static constexpr int kSoonMs = 5;
  static constexpr const char* kEnded =
      "That took too long, or others needed the room to sign in: begin again.";

  LoginOptions options_;
  FrameReader front_;
  std::map<std::string, Attempt> attempts_;
  std::map<uint32_t, Worker> workers_;
  std::map<pid_t, Clock::time_point> ending_;  // workers that were told to, and until when they may
  std::map<pid_t, Check> checks_;
  std::set<uint32_t> to_check_;  // accounts, soon
  MissingAccounts missing_;
  std::map<std::string, std::string> signed_in_;  // names, by uid as text
  Clock::time_point next_look_ = Clock::now() + kAccountsEvery;
  bool stopping_ = false;
};

}  // namespace

Result<void> serve_logins(LoginOptions options) { return Login(std::move(options)).serve(); }

}  // namespace tierhub::hub
