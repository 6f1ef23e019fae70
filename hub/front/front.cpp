#include "hub/front/front.h"

#include <algorithm>
#include <charconv>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "api/byte_text.h"
#include "api/routes.h"
#include "api/target.h"
#include "api/time_text.h"
#include "hub/front/headers.h"
#include "hub/front/pages.h"
#include "hub/front/secret.h"

namespace tierhub::hub {
namespace {

constexpr int kSeeOther = 303;
constexpr int kBadRequest = 400;
constexpr int kUnauthorized = 401;
constexpr int kForbidden = 403;
constexpr int kNotFound = 404;
constexpr int kMethodNotAllowed = 405;
constexpr int kGone = 410;
constexpr int kMisdirected = 421;
constexpr int kTooMany = 429;
constexpr int kUnavailable = 503;
constexpr uint64_t kMaxBodyBytes = 32 << 20;  // as tierd's API
constexpr uint64_t kMaxFormBytes = 64 << 10;
constexpr size_t kMostOfAField = 1'024;
constexpr const char* kHttpsCookie = "__Host-tierweb";
// Of the threads that answer everybody's requests (server.cpp), some are left.
constexpr int kMostSigningIn = 4;
constexpr int kMostSigningInOfMachine = 3;
// Longer than login keeps an attempt that is not answered.
constexpr std::chrono::minutes kAttemptsAreKnown{5};

// One of the few who may sign in at the same time.
class Turn {
 public:
  using Counts = Guarded<std::map<std::string, int>>;  // by machine
  Turn(Counts& all, std::string machine) : all_(all), machine_(std::move(machine)) {
    has_begun_ = all_.with([&](auto& counts) {
      int sum = 0;
      for (const auto& [other, count] : counts) sum += count;
      int& mine = counts[machine_];
      if (sum >= kMostSigningIn || mine >= kMostSigningInOfMachine) return false;
      ++mine;
      return true;
    });
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  ~Turn() {
    all_.with([&](auto& counts) {
      int& mine = counts[machine_];
      mine -= has_begun_ ? 1 : 0;
      if (mine == 0) counts.erase(machine_);
    });
  }
  bool has_begun() const { return has_begun_; }

 private:
  Counts& all_;
  const std::string machine_;
  bool has_begun_ = false;
};

// Nothing was judged, and it may be tried again.
http::Response sign_in_later(const std::string& why) {
  http::Response response = name_page(kUnavailable, why);
  response.headers.emplace_back("Retry-After", "10");
  return response;
}

http::Response json_refusal(int status, const std::string& why, std::errc code) {
  http::Response response = api::to_http(api::refusal(Error(code, why)));
  response.status = status;
  response.headers.emplace_back("Cache-Control", "no-store");
  return response;
}

http::Response see_other(const std::string& where) {
  http::Response response = message_page(kSeeOther, "Go on", "Continue at " + where);
  response.headers.emplace_back("Location", where);
  return response;
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

bool is_loopback(const std::string& address) {
  return address.starts_with("127.") || address == "::1" || address == "::ffff:127.0.0.1";
}

http::Response not_signed_in() {
  return json_refusal(kUnauthorized, "you are not signed in: open the page, and sign in",
                      std::errc::operation_not_permitted);
}

http::Response asked_by_other_page() {
  return json_refusal(kForbidden, "only pages of this server may ask for this",
                      std::errc::permission_denied);
}

http::Response not_ours() {
  return json_refusal(kForbidden,
                      "what changes something needs the header X-TierHub, and an Origin that is "
                      "this server",
                      std::errc::permission_denied);
}

http::Response json_answer(const nlohmann::json& json) {
  http::Response response;
  response.body = json.dump() + "\n";
  response.headers.emplace_back("Cache-Control", "no-store");
  return response;
}

nlohmann::json to_json(const Share& share) {
  return {{"token", share.token},
          {"path", api::to_wire_text(share.path)},
          {"address", "/share/" + share.token + "/zarr/v3/"},
          {"expires", api::to_time_text(share.expires)}};
}

// Each name of a path, percent-encoded.
std::string to_target_path(const std::string& path) {
  std::string out;
  for (size_t begin = 0; begin < path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    if (end > begin)
      out += "/" + api::to_target_text(std::string_view(path).substr(begin, end - begin));
    begin = end + 1;
  }
  return out;
}

// What counts as one machine, as text: an IPv6 customer has 2^64 addresses, the rest of which are no other
// machine. Empty if it is no address.
std::string machine_of(const std::string& address) {
  constexpr size_t kNetworkBytes = 8;
  in6_addr v6{};
  in_addr v4{};
  if (::inet_pton(AF_INET, address.c_str(), &v4) == 1) return address;
  if (::inet_pton(AF_INET6, address.c_str(), &v6) != 1) return "";
  const size_t bytes = IN6_IS_ADDR_V4MAPPED(&v6) ? sizeof v6.s6_addr : kNetworkBytes;
  std::string text;
  for (size_t i = 0; i < bytes; ++i) text += fmt::format("{:02x}", v6.s6_addr[i]);
  return text;
}

// The machine that a trusted proxy speaks for: what that proxy has added is the last.
std::string last_forwarded_for(const http::Request& request) {
  std::string_view last;
  for (const auto& [name, value] : request.headers)
    if (name == "x-forwarded-for") last = value;
  last.remove_prefix(std::min(last.size(), last.rfind(',') + 1));
  while (last.starts_with(' ')) last.remove_prefix(1);
  while (last.ends_with(' ')) last.remove_suffix(1);
  return machine_of(std::string(last));
}

http::Relay relay_to(const Workers::Place& worker, http::Request request,
                     std::function<Result<void>(http::Response&)> accept) {
  http::Relay relay{worker.socket_path, std::move(request), std::move(accept)};
  relay.generation = worker.generation;
  return relay;
}

bool is_for_worker(std::string_view path) {
  return path.starts_with("/api/") || path.starts_with("/img/") || path.starts_with("/png/") ||
         path.starts_with("/zarr/");
}

}  // namespace

struct Front::Visit {
  const http::Request& request;
  std::string machine = {};  // for the throttle
  std::string path = {};     // without the query
  std::string host = {};
  bool is_https = false;
  bool is_local = false;    // from this machine, or through a proxy that is trusted
  std::string cookie = {};  // the name of ours
  std::string secret = {};  // empty: there is no cookie
  std::optional<Person> person = {};

  bool changes_something() const { return request.method != "GET" && request.method != "HEAD"; }
  bool comes_from_our_page() const {
    return request.header("origin") == (is_https ? "https://" : "http://") + host;
  }
  // A page of another site asks, as its browser says: one of the same domain or of another port of this
  // machine is the "same site" and has our cookie, and what it only looks at may bring data from an archive.
  bool comes_from_other_page() const {
    const std::string_view site = request.header("sec-fetch-site");
    return !site.empty() && site != "same-origin" && site != "none";
  }
  // Of what changes something: our page sends a header that other pages cannot.
  bool is_ours() const { return comes_from_our_page() && !request.header("x-tierhub").empty(); }
  std::string parameter(const std::string& name) const {
    const size_t question = request.target.find('?');
    if (question == std::string::npos) return "";
    const auto form = form_of(std::string_view(request.target).substr(question + 1));
    const auto found = form.find(name);
    return found == form.end() ? "" : found->second;
  }
};

Front::Front(Options options, const Assets& assets, Workers& workers, SignIn* sign_in)
    : options_(std::move(options)),
      assets_(assets),
      workers_(workers),
      sign_in_(sign_in),
      sessions_(options_.sessions) {}

void Front::set_one_time_token(std::string token, Person person) {
  MutexLock lock(mutex_);
  token_ = std::move(token);
  token_person_ = std::move(person);
}

std::optional<http::Response> Front::refuse(const http::Request& head, uint64_t body_bytes) {
  if (body_bytes <= kMaxFormBytes) return std::nullopt;
  if (!is_for_worker(head.target) || body_bytes > kMaxBodyBytes)
    return refusal(Error(std::errc::message_size, "the body of the request is too large"));
  // Large bodies share a limit of bytes: strangers take none of it.
  for (const std::string& name : {options_.cookie, std::string(kHttpsCookie)})
    if (sessions_.is_open(cookie_of(head, name).value_or(""))) return std::nullopt;
  http::Response response = not_signed_in();
  add_security_headers(response, response.content_type);
  return response;
}

http::Response Front::refusal(const Error& error) {
  http::Response response = api::to_http(api::refusal(error));
  response.headers.emplace_back("Cache-Control", "no-store");
  if (response.status == kUnavailable) response.headers.emplace_back("Retry-After", "10");
  add_security_headers(response, response.content_type);
  return response;
}

http::Response Front::handle(const http::Peer& peer, const http::Request& request) {
  const Visit visit = visit_of(peer, request);
  auto refused = refuse_place(visit);
  http::Response response = refused ? *std::move(refused) : answer(visit);
  const bool is_relayed = std::holds_alternative<http::Relay>(response.body);
  if (!is_relayed) add_security_headers(response, response.content_type);
  if (!is_relayed && visit.path.starts_with("/share/")) open_to_other_pages(response);
  return response;
}

Front::Visit Front::visit_of(const http::Peer& peer, const http::Request& request) {
  Visit visit{request, machine_of(peer.address), request.target.substr(0, request.target.find('?')),
              lower(request.header("host"))};
  const bool is_proxied = options_.trusted_proxies.contains(peer.address) ||
                          (peer.credentials && options_.trusted_proxies.contains("unix"));
  visit.is_https = is_proxied && request.header("x-forwarded-proto") == "https";
  visit.is_local = is_loopback(peer.address) || is_proxied;
  if (const std::string behind = is_proxied ? last_forwarded_for(request) : ""; !behind.empty())
    visit.machine = behind;
  visit.cookie = visit.is_https ? kHttpsCookie : options_.cookie;
  visit.secret = cookie_of(request, visit.cookie).value_or("");
  if (!visit.secret.empty()) visit.person = sessions_.find(visit.secret);
  return visit;
}

std::optional<http::Response> Front::refuse_place(const Visit& visit) const {
  if (!visit.is_local) {
    return message_page(kForbidden, "This connection is not encrypted",
                        "Open the address that your administrator gave you, which begins with "
                        "https. (tierweb answers other machines only through a proxy that it "
                        "trusts: --trusted-proxy.)");
  }
  if (options_.hosts.contains(visit.host)) return std::nullopt;
  return message_page(
      kMisdirected, "This server has another name",
      fmt::format("It does not know the name {}. Administrators add it with --name.", visit.host));
}

http::Response Front::answer(const Visit& visit) {
  if (visit.path == "/login") return login(visit);
  if (visit.path == "/logout") return logout(visit);
  if (visit.path == kStyleSheetPath) return style_sheet();
  if (visit.path.starts_with("/share/")) return shared(visit);
  if (is_for_worker(visit.path) && visit.comes_from_other_page()) return asked_by_other_page();
  if (visit.path == "/api/shares") return share(visit);
  if (visit.path == "/api/events") return events(visit);
  if (is_for_worker(visit.path)) return relay(visit);
  return asset(visit);
}

http::Response Front::login(const Visit& visit) {
  if (visit.request.method == "POST") return submit_login(visit);
  if (visit.changes_something()) return message_page(kMethodNotAllowed, "Not like this", "");
  const std::string token = visit.parameter("token");
  if (!token.empty()) return redeem_token(visit, token);
  return sign_in_ != nullptr ? name_page(200) : without_session(visit);
}

// HEAD is what programs send that only look at a link: it does not use up the token.
http::Response Front::redeem_token(const Visit& visit, const std::string& token) {
  std::optional<Person> person;
  if (visit.request.method == "GET") {
    MutexLock lock(mutex_);
    if (!token_.empty() && is_equal_in_constant_time(token, token_)) {
      token_.clear();
      person = token_person_;
    }
  }
  if (person) return welcome(visit, *person);
  if (visit.person) return see_other("/");
  return without_session(visit);
}

// Signing in again in the same browser leaves no session behind that nobody can end.
http::Response Front::welcome(const Visit& visit, const Person& person) {
  const std::string secret = sessions_.begin(person);
  end_session(visit);
  http::Response response = see_other("/");
  response.headers.emplace_back(
      "Set-Cookie", fmt::format("{}={}; Path=/; HttpOnly; SameSite=Strict{}", visit.cookie, secret,
                                visit.is_https ? "; Secure" : ""));
  return response;
}

http::Response Front::without_session(const Visit& visit) const {
  if (is_for_worker(visit.path)) return not_signed_in();
  if (sign_in_ != nullptr) return see_other("/login");
  return message_page(kUnauthorized, "This link does not open the page any more",
                      "A link of tierweb works once, in one browser. Go back to the terminal in "
                      "which it runs: end it with Ctrl-C, start it again, and open the new link.");
}

http::Response Front::submit_login(const Visit& visit) {
  if (sign_in_ == nullptr) return without_session(visit);
  if (!visit.comes_from_our_page())
    return message_page(kForbidden, "This form came from another site", "Open the page itself.");
  const auto form = form_of(visit.request.body);
  const auto field = [&](const char* name) {
    const auto found = form.find(name);
    return found == form.end() ? std::string() : found->second;
  };
  // PAM sees texts up to a zero byte: they would be other names for the throttle.
  for (const auto& [name, value] : form) {
    if (value.find('\0') != std::string::npos || value.size() > kMostOfAField)
      return name_page(kUnauthorized, "The user name or the password is wrong.");
  }
  const std::string attempt = field("attempt");
  // Directories take "ADA" for "ada".
  const std::string user = lower(attempt.empty() ? field("user") : user_of_attempt(attempt));
  if (!failures_of_user_.is_open(user) || !failures_of_machine_.is_open(visit.machine)) {
    return name_page(kTooMany, "Too many attempts failed. Wait five minutes, and try again.");
  }
  // Each takes a thread for seconds, and is counted when it has failed.
  const Turn turn(signing_in_, visit.machine);
  if (!turn.has_begun())
    return sign_in_later("Many people are signing in: try again in some seconds.");
  Result<SignIn::Step> step = attempt.empty() ? sign_in_->begin(field("user"), visit.machine)
                                              : sign_in_->answer(attempt, field("answer"));
  // The form has asked for a password already: that is what the first secret prompt wants.
  if (step && step->prompt && step->prompt->is_secret && attempt.empty())
    step = sign_in_->answer(step->attempt, field("password"));
  if (!step) return sign_in_later(step.error().text());
  if (step->person) return welcome(visit, *step->person);
  if (step->prompt) {
    note_attempt(step->attempt, user);
    return prompt_page(step->attempt, *step->prompt);
  }
  return not_let_in(visit, user, *step);
}

http::Response Front::not_let_in(const Visit& visit, const std::string& user,
                                 const SignIn::Step& step) {
  switch (step.why) {
    case SignIn::Refused::guess:
      if (!user.empty()) failures_of_user_.count(user);
      failures_of_machine_.count(visit.machine);
      return name_page(kUnauthorized, step.refusal);
    case SignIn::Refused::trouble:
      // An outage closes nobody's name; some modules report it for a guess, too.
      failures_of_machine_.count(visit.machine);
      return sign_in_later(step.refusal);
    case SignIn::Refused::busy:
      return sign_in_later(step.refusal);
    case SignIn::Refused::late:
      return name_page(kUnauthorized, step.refusal);
  }
  return sign_in_later(step.refusal);
}

void Front::note_attempt(const std::string& attempt, const std::string& user) {
  attempts_.with([&](auto& attempts) {
    const auto now = SteadyClock::now();
    std::erase_if(attempts,
                  [&](const auto& one) { return now - one.second.asked > kAttemptsAreKnown; });
    attempts[attempt] = {user, now};
  });
}

std::string Front::user_of_attempt(const std::string& attempt) {
  return attempts_.with([&](auto& attempts) {
    const auto found = attempts.find(attempt);
    return found == attempts.end() ? std::string() : found->second.user;
  });
}

http::Response Front::logout(const Visit& visit) {
  if (visit.request.method != "POST")
    return message_page(kMethodNotAllowed, "Not like this", "Sign out on the page.");
  if (!visit.comes_from_our_page())
    return json_refusal(kForbidden, "this came from another site", std::errc::permission_denied);
  end_session(visit);
  http::Response response = see_other(sign_in_ != nullptr ? "/login" : "/");
  response.headers.emplace_back(
      "Set-Cookie", fmt::format("{}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0{}", visit.cookie,
                                visit.is_https ? "; Secure" : ""));
  // Tiles that the browser has kept are not for who uses it next.
  response.headers.emplace_back("Clear-Site-Data", "\"cache\"");
  return response;
}

void Front::end_session(const Visit& visit) {
  sessions_.end(visit.secret);
  if (visit.person && !sessions_.has(visit.person->uid)) end_person(visit.person->uid);
}

void Front::end_person(uint32_t uid) {
  sessions_.end_all(uid);
  shares_.end_all(uid);
  workers_.end(uid);
}

// An account that is closed, or another person's by now, has no sessions.
http::Response Front::without_worker(const Visit& visit, const Error& error) {
  if (sign_in_ == nullptr || !error.is(std::errc::permission_denied))
    return refusal(error.in("start your worker"));
  end_person(visit.person->uid);
  return without_session(visit);
}

http::Response Front::relay(const Visit& visit) {
  if (!visit.person) return without_session(visit);
  if (visit.changes_something() && !visit.is_ours()) return not_ours();
  auto place = workers_.place_of(*visit.person);
  if (!place) return without_worker(visit, place.error());
  http::Response response;
  response.body = relay_to(*place, for_worker(visit.request), check_response_of_worker);
  return response;
}

http::Response Front::events(const Visit& visit) {
  if (!visit.person) return without_session(visit);
  // Pages of others can open one too, with our cookie: the browser says whose page it is.
  if (!visit.comes_from_our_page()) return not_ours();
  if (visit.request.method != "GET" || lower(visit.request.header("upgrade")) != "websocket") {
    return json_refusal(kBadRequest, "open this as a WebSocket", std::errc::invalid_argument);
  }
  const bool has_room = sockets_->with([&](auto& sockets) {
    int& open = sockets[visit.secret];
    if (open >= kMostSockets) return false;
    ++open;
    return true;
  });
  if (!has_room) {
    return json_refusal(kTooMany, "too many pages listen already: close some",
                        std::errc::resource_unavailable_try_again);
  }
  // Counted as long as the answer exists.
  const std::shared_ptr<void> counted(nullptr, [sockets = sockets_, secret = visit.secret](void*) {
    sockets->with([&](auto& all) {
      if (--all[secret] == 0) all.erase(secret);
    });
  });
  auto place = workers_.place_of(*visit.person);
  if (!place) return without_worker(visit, place.error());
  http::Relay relay = relay_to(*place, for_worker(visit.request), nullptr);
  for (const char* name : {"upgrade", "connection", "sec-websocket-key", "sec-websocket-version"})
    relay.request.headers.emplace_back(name, std::string(visit.request.header(name)));
  relay.is_over = [this, counted, secret = visit.secret] { return !sessions_.is_open(secret); };
  http::Response response;
  response.body = std::move(relay);
  return response;
}

http::Response Front::share(const Visit& visit) {
  if (!visit.person) return without_session(visit);
  if (visit.changes_something() && !visit.is_ours()) return not_ours();
  const uint32_t uid = visit.person->uid;
  if (visit.request.method == "POST") {
    uint64_t hours = 0;
    const std::string text = visit.parameter("hours");
    std::from_chars(text.data(), text.data() + text.size(), hours);
    const auto made = shares_.add(*visit.person, api::from_wire_text(visit.parameter("path")),
                                  std::chrono::hours(std::min<uint64_t>(hours, 100'000)));
    return made ? json_answer(to_json(*made)) : refusal(made.error());
  }
  if (visit.request.method == "DELETE") {
    if (shares_.end(uid, visit.parameter("token"))) return json_answer(nlohmann::json::object());
    return json_refusal(kNotFound, "there is no such share", std::errc::no_such_file_or_directory);
  }
  nlohmann::json list = nlohmann::json::array();
  for (const Share& one : shares_.of(uid)) list.push_back(to_json(one));
  return json_answer({{"shares", std::move(list)}});
}

http::Response Front::shared(const Visit& visit) {
  const auto target = parse_share_target(visit.path);
  const auto share = target ? shares_.find(target->token) : std::nullopt;
  if (!target || visit.changes_something()) {
    return json_refusal(kNotFound, "this address is no key of a shared image",
                        std::errc::no_such_file_or_directory);
  }
  // To a Zarr client 404 means voxels of the fill value: an end must not look like black.
  if (!share || !sessions_.has(share->person.uid)) {
    return json_refusal(kGone,
                        "this link shows nothing any more: it has expired, or who shared the image "
                        "took it back or signed out",
                        std::errc::permission_denied);
  }
  auto place = workers_.place_of(share->person);
  if (!place) return refusal(place.error().in("start the worker of who shares this"));
  http::Request asked = for_worker(visit.request);
  const std::string path = to_target_path(share->path);
  asked.target = fmt::format("/zarr/{}{}/{}", target->version, path, target->key);
  asked.headers.emplace_back("x-tierhub-share",
                             std::to_string(std::count(path.begin(), path.end(), '/')));
  http::Response response;
  response.body = relay_to(*place, std::move(asked), check_response_of_share);
  return response;
}

http::Response Front::asset(const Visit& visit) const {
  if (visit.changes_something())
    return message_page(kMethodNotAllowed, "Not like this", "Open the page itself.");
  // The page itself says nothing about anybody, so it needs no session: a link in a mail, whose
  // first request comes without the cookie (SameSite=Strict), opens what it names.
  auto found = assets_.find(visit.path);
  return found ? *std::move(found)
               : message_page(kNotFound, "There is no such page", "Begin at the first page: /");
}

}  // namespace tierhub::hub
