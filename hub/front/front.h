// The process that faces the network. It has no rights and knows no data: it serves the page, knows
// who is signed in, and passes requests on to that person's worker.
//
//   1. Is it for us? The Host (against DNS rebinding), and whether the way here is safe.
//   2. /login, /logout and the files of the page are answered here.
//   3. Everything else needs a session, and no page of another site asks for it; what changes something,
//      also the header X-TierHub and an Origin that is ours.
//   4. /share/TOKEN needs no session: the worker of the person who made the share answers.
//   5. /api/events is a WebSocket: it needs an Origin that is ours, a session has kMostSockets at most,
//      and it is closed when the session ends.
//   6. The worker gets the request without cookies. Of its response only some headers and types of
//      content are passed on, so that a worker that a damaged image has taken over cannot serve a
//      page.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "common/clock.h"
#include "common/guarded.h"
#include "http/server.h"
#include "hub/front/assets.h"
#include "hub/front/sessions.h"
#include "hub/front/shares.h"
#include "hub/front/sign_in.h"
#include "hub/front/throttle.h"
#include "hub/front/workers.h"

namespace tierhub::hub {

// Any thread.
class Front final : public http::Handler {
 public:
  struct Options {
    // "127.0.0.1:8080", "hub.example.org": what the header Host may be.
    std::set<std::string> hosts;
    // Addresses whose X-Forwarded-Proto and X-Forwarded-For are believed.
    std::set<std::string> trusted_proxies;
    std::string cookie = "tierweb";  // on plain http; with https "__Host-tierweb"
    Sessions::Limits sessions;
  };

  static constexpr int kMostSockets = 8;

  // Who opens /login?token=TOKEN first is `person`. Call before the server starts.
  void set_one_time_token(std::string token, Person person);

  // `sign_in` is null where the token is the only way. All must outlive the front.
  Front(Options options, const Assets& assets, Workers& workers, SignIn* sign_in);

  std::optional<http::Response> refuse(const http::Request& head, uint64_t body_bytes) override;
  http::Response handle(const http::Peer& peer, const http::Request& request) override;
  http::Response refusal(const Error& error) override;

 private:
  struct Visit;  // a request and what is known about it

  Visit visit_of(const http::Peer& peer, const http::Request& request);
  http::Response answer(const Visit& visit);
  std::optional<http::Response> refuse_place(const Visit& visit) const;
  http::Response login(const Visit& visit);
  http::Response redeem_token(const Visit& visit, const std::string& token);
  http::Response submit_login(const Visit& visit);
  http::Response not_let_in(const Visit& visit, const std::string& user, const SignIn::Step& step);
  http::Response logout(const Visit& visit);
  // Also shares and the worker, if the person has no other session.
  void end_session(const Visit& visit);
  // All sessions, shares and the worker of a person.
  void end_person(uint32_t uid);
  http::Response without_worker(const Visit& visit, const Error& error);
  // Whose attempt to sign in it is; empty if that is not known.
  std::string user_of_attempt(const std::string& attempt);
  void note_attempt(const std::string& attempt, const std::string& user);
  http::Response welcome(const Visit& visit, const Person& person);
  http::Response without_session(const Visit& visit) const;
  http::Response relay(const Visit& visit);
  http::Response events(const Visit& visit);
  http::Response share(const Visit& visit);
  http::Response shared(const Visit& visit);
  http::Response asset(const Visit& visit) const;

  const Options options_;
  const Assets& assets_;
  Workers& workers_;
  SignIn* const sign_in_;
  Sessions sessions_;
  Shares shares_;
  // How many WebSockets each session has open, by its secret.
  std::shared_ptr<Guarded<std::map<std::string, int>>> sockets_ =
      std::make_shared<Guarded<std::map<std::string, int>>>();
  Throttle failures_of_user_{10, std::chrono::minutes(5)};
  Throttle failures_of_machine_{60, std::chrono::minutes(5)};
  Guarded<std::map<std::string, int>> signing_in_;  // how many, by machine
  // The user of each attempt that has been asked something: guesses of a second factor count for them.
  struct Attempt {
    std::string user;
    SteadyClock::time_point asked;
  };
  Guarded<std::map<std::string, Attempt>> attempts_;
  Mutex mutex_;
  std::string token_ GUARDED_BY(mutex_);  // empty: it has been used
  std::optional<Person> token_person_ GUARDED_BY(mutex_);
};

}  // namespace tierhub::hub
