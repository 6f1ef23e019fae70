#include "hub/login/login.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <map>
#include <utility>

#include <poll.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>
#include <pwd.h>

#include "common/log.h"
#include "common/log_bounded.h"
#include "common/run_as.h"
#include "common/signals.h"
#include "common/spawn.h"
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
constexpr size_t kMaxChecks = 16;
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
        next_look_ = Clock::now();  // who signs in has the groups of now
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
    if (!is_same_account(uid_text) || !listener) {
      signed_in_.erase(uid_text);
      tell({"refused", call, "sign in again"});
      return;
    }
    auto started = start_worker(uid_text, listener);
    if (started) {
      tell({"started", call, ""}, *std::move(started));
    } else {
      tell({"failed", call, started.error().text()});
    }
  }

  // The name that signed in still belongs to that uid.
  bool is_same_account(const std::string& uid_text) const {
    const auto found = signed_in_.find(uid_text);
    if (found == signed_in_.end()) return false;
    const passwd* entry = ::getpwnam(found->second.c_str());
    return entry != nullptr && entry->pw_uid == uid_in(uid_text) &&
           entry->pw_uid >= options_.pam.first_uid;
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
    end_worker(uid_in(uid_text));
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
      if (check.empty() || !WIFEXITED(status) || WEXITSTATUS(status) != kAccountIsClosed) continue;
      log::info("an account may not sign in any more: ending its worker",
                {{"uid", check.mapped()}});
      end_person(check.mapped());
    }
  }

  void look_at_accounts() {
    if (Clock::now() < next_look_) return;
    next_look_ = Clock::now() + kAccountsEvery;
    std::vector<uint32_t> others;
    for (const auto& [uid, worker] : workers_) {
      const auto account = find_account(uid, uid);
      if (account && account->groups == worker.groups) continue;
      log::info("the groups of a person have changed: ending their worker", {{"uid", uid}});
      others.push_back(uid);
    }
    for (const uint32_t uid : others) end_worker(uid);
    for (const auto& [uid, worker] : workers_) check_account(std::to_string(uid));
  }

  // In a process of its own, as each attempt: PAM may ask the network. reap() hears of its end.
  void check_account(const std::string& uid_text) {
    const auto found = signed_in_.find(uid_text);
    if (found == signed_in_.end() || checks_.size() >= kMaxChecks) return;
    const pid_t process = ::fork();
    if (process == 0) {
      become_a_child_of_its_own(STDERR_FILENO + 1);
      ::alarm(static_cast<unsigned>(kPamLimit.count()));
      check_account_and_exit(found->second, options_.pam);
    }
    if (process > 0) checks_[process] = uid_text;
  }

  void end_all() {
    for (const auto& [name, attempt] : attempts_) ::kill(attempt.process, SIGKILL);
    for (const auto& [process, uid] : checks_) ::kill(process, SIGKILL);
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
  std::map<pid_t, std::string> checks_;        // of the account with that uid
  std::map<std::string, std::string> signed_in_;  // names, by uid as text
  Clock::time_point next_look_ = Clock::now() + kAccountsEvery;
  bool stopping_ = false;
};

}  // namespace

Result<void> serve_logins(LoginOptions options) { return Login(std::move(options)).serve(); }

}  // namespace tierhub::hub
