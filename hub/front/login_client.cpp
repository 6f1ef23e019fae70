#include "hub/front/login_client.h"

#include <charconv>

#include <fcntl.h>
#include <sys/socket.h>

#include "common/log.h"
#include "hub/front/secret.h"

namespace tierhub::hub {
namespace {

// PAM may ask servers that are far away.
constexpr std::chrono::seconds kPatience{60};

SignIn::Refused refused_because(const std::string& word) {
  if (word == "busy") return SignIn::Refused::busy;
  if (word == "trouble") return SignIn::Refused::trouble;
  return word == "late" ? SignIn::Refused::late : SignIn::Refused::guess;
}

}  // namespace

LoginClient::LoginClient(UniqueFd login)
    : login_(std::move(login)), listener_([this] { listen(); }) {}

LoginClient::~LoginClient() { ::shutdown(login_.get(), SHUT_RDWR); }

Result<SignIn::Step> LoginClient::begin(const std::string& user, const std::string& machine) {
  const std::string attempt = make_secret();
  return step(attempt, {"begin", attempt, user.substr(0, user.find('\0')), machine});
}

Result<SignIn::Step> LoginClient::answer(const std::string& attempt, const std::string& text) {
  return step(attempt,
              {"answer", attempt.substr(0, attempt.find('\0')), text.substr(0, text.find('\0'))});
}

Result<SignIn::Step> LoginClient::step(const std::string& attempt, const Message& message) {
  TRY_ASSIGN(const Reply reply, ask(attempt, message));
  const Message& said = reply.message;
  Step step;
  step.attempt = attempt;
  if (said[0] == "person" && said.size() > 3) {
    Person person{0, said[3]};
    std::from_chars(said[2].data(), said[2].data() + said[2].size(), person.uid);
    step.person = person;
  } else if (said[0] == "prompt" && said.size() > 4) {
    step.prompt = Prompt{said[3], said[2] == "1", said[4]};
  } else {
    step.refusal = said.size() > 2 ? said[2] : "Nobody can sign in now.";
    step.why = refused_because(said[0]);
  }
  return step;
}

Result<UniqueFd> LoginClient::start(const Person& person, UniqueFd listener) {
  const std::string call = make_secret();
  TRY_ASSIGN(Reply reply,
             ask(call, {"start", call, std::to_string(person.uid)}, std::move(listener)));
  if (reply.message[0] == "started" && reply.fd) return std::move(reply.fd);
  const std::string& result = reply.message[0];
  return Error(result == "refused" ? std::errc::permission_denied
               : result == "later" ? std::errc::resource_unavailable_try_again
                                   : std::errc::io_error,
               reply.message.size() > 2 ? reply.message[2] : "no worker could be started");
}

void LoginClient::end(uint32_t uid) {
  MutexLock lock(sending_);
  if (!send_message(login_.get(), {"end", "", std::to_string(uid)}))
    log::warning("a worker could not be ended");
}

Result<LoginClient::Reply> LoginClient::ask(const std::string& name, const Message& message,
                                            UniqueFd fd) {
  const Error gone(std::errc::connection_reset,
                   "tierweb is ending: try again in a moment, or ask the administrator");
  {
    MutexLock lock(mutex_);
    // The form was sent twice: two who wait for one reply would hold a thread for a minute.
    if (!asked_.emplace(name, true).second) {
      return Error(std::errc::operation_in_progress,
                   "your answer is being looked at already: wait a moment, or begin again");
    }
  }
  {
    MutexLock lock(sending_);
    if (gone_ || !send_message(login_.get(), message, std::move(fd))) return gone;
  }
  MutexLock lock(mutex_);
  replied_.wait_for(mutex_, kPatience,
                    [&]() REQUIRES(mutex_) { return replies_.contains(name) || gone_; });
  asked_.erase(name);
  auto reply = replies_.extract(name);
  if (reply.empty()) return gone_ ? gone : Error(std::errc::timed_out, "the login takes too long");
  return std::move(reply.mapped());
}

void LoginClient::listen() {
  FrameReader reader;
  while (true) {
    auto frames = reader.receive(login_.get());
    MutexLock lock(mutex_);
    if (!frames) break;
    for (Frame& frame : *frames) {
      Message message = unpack(frame.body);
      if (message.size() < 2 || !asked_.contains(message[1])) continue;
      const std::string name = message[1];
      replies_[name] = Reply{std::move(message), std::move(frame).fd()};
    }
    replied_.notify_all();
  }
  gone_ = true;
  replied_.notify_all();
}

}  // namespace tierhub::hub
