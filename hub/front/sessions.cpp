#include "hub/front/sessions.h"

#include <algorithm>

#include "hub/front/secret.h"

namespace tierhub::hub {
namespace {

std::string first_half(const std::string& secret) { return secret.substr(0, secret.size() / 2); }

}  // namespace

std::string Sessions::begin(const Person& person, Clock::time_point now) {
  const std::string secret = make_secret();
  MutexLock lock(mutex_);
  forget_ended(now);
  const auto mine = std::count_if(sessions_.begin(), sessions_.end(), [&](const auto& one) {
    return one.second.person.uid == person.uid;
  });
  if (static_cast<size_t>(mine) >= limits_.of_person) make_room(person.uid);
  if (sessions_.size() >= limits_.sessions) make_room(std::nullopt);
  sessions_.emplace(first_half(secret), Session{person, secret, now, now});
  return secret;
}

std::optional<Person> Sessions::find(const std::string& secret, Clock::time_point now) {
  MutexLock lock(mutex_);
  const auto found = search(secret);
  if (found == sessions_.end()) return std::nullopt;
  if (has_ended(found->second, now)) {
    sessions_.erase(found);
    return std::nullopt;
  }
  found->second.used = now;
  return found->second.person;
}

bool Sessions::is_open(const std::string& secret, Clock::time_point now) {
  MutexLock lock(mutex_);
  const auto found = search(secret);
  return found != sessions_.end() && !has_ended(found->second, now);
}

void Sessions::end(const std::string& secret) {
  MutexLock lock(mutex_);
  const auto found = search(secret);
  if (found != sessions_.end()) sessions_.erase(found);
}

void Sessions::end_all(uint32_t uid) {
  MutexLock lock(mutex_);
  std::erase_if(sessions_, [&](const auto& one) { return one.second.person.uid == uid; });
}

void Sessions::make_room(std::optional<uint32_t> uid) {
  auto oldest = sessions_.end();
  for (auto one = sessions_.begin(); one != sessions_.end(); ++one) {
    if (uid && one->second.person.uid != *uid) continue;
    if (oldest == sessions_.end() || one->second.used < oldest->second.used) oldest = one;
  }
  if (oldest != sessions_.end()) sessions_.erase(oldest);
}

bool Sessions::has(uint32_t uid, Clock::time_point now) {
  MutexLock lock(mutex_);
  forget_ended(now);
  return std::any_of(sessions_.begin(), sessions_.end(),
                     [&](const auto& one) { return one.second.person.uid == uid; });
}

bool Sessions::has_ended(const Session& session, Clock::time_point now) const {
  return now - session.used > limits_.idle || now - session.begun > limits_.life;
}

void Sessions::forget_ended(Clock::time_point now) {
  std::erase_if(sessions_, [&](const auto& one) { return has_ended(one.second, now); });
}

std::map<std::string, Sessions::Session>::iterator Sessions::search(const std::string& secret) {
  const auto found = sessions_.find(first_half(secret));
  if (found == sessions_.end()) return found;
  return is_equal_in_constant_time(found->second.secret, secret) ? found : sessions_.end();
}

}  // namespace tierhub::hub
