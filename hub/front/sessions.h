// Who is signed in. Sessions live in memory only: they end with the front.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "common/mutex.h"

namespace tierhub::hub {

struct Person {
  uint32_t uid = 0;
  std::string name;
  bool operator==(const Person&) const = default;
};

// Any thread.
class Sessions {
 public:
  using Clock = std::chrono::steady_clock;
  struct Limits {
    std::chrono::seconds idle{12 * 3600};
    std::chrono::seconds life{7 * 24 * 3600};
    // The one that was used longest ago makes room: of all, and of one person, so that nobody can push
    // others out.
    size_t sessions = 1'000;
    size_t of_person = 32;
  };
  explicit Sessions(Limits limits) : limits_(limits) {}

  // Returns the secret that the browser keeps.
  std::string begin(const Person& person, Clock::time_point now = Clock::now());
  // The person who has this secret. Asking counts as using the session.
  std::optional<Person> find(const std::string& secret, Clock::time_point now = Clock::now());
  // The same, without using it.
  bool is_open(const std::string& secret, Clock::time_point now = Clock::now());
  void end(const std::string& secret);
  void end_all(uint32_t uid);
  // Some session of that person is left.
  bool has(uint32_t uid, Clock::time_point now = Clock::now());

 private:
  struct Session {
    Person person;
    std::string secret;
    Clock::time_point begun;
    Clock::time_point used;
  };
  bool has_ended(const Session& session, Clock::time_point now) const;
  void forget_ended(Clock::time_point now) REQUIRES(mutex_);
  // Ends the one that was used longest ago, of one person or of all.
  void make_room(std::optional<uint32_t> uid) REQUIRES(mutex_);
  std::map<std::string, Session>::iterator search(const std::string& secret) REQUIRES(mutex_);

  const Limits limits_;
  Mutex mutex_;
  // By the first half of the secret: comparing keys takes a time that may be measured, and must tell
  // nothing about the other half.
  std::map<std::string, Session> sessions_ GUARDED_BY(mutex_);
};

}  // namespace tierhub::hub
