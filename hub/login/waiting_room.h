// Who makes room when somebody begins to sign in. An attempt is a process that asks PAM, so there are few;
// those who leave theirs half way, at the question for a second factor for instance, must not keep others out.
//
//   1. A user, a machine and all together have a limit.
//   2. Where one is reached, an attempt that waits for its person ends: of the machine that has most of them
//      there, of the user who has most of those, the one that began first. The new one counts with them, so
//      whoever begins again and again ends their own.
//   3. The only one of its machine has some time first: its person may be reading a code from a telephone.
//   4. What PAM is judging never ends: it would be a guess that nobody counts.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace tierhub::hub {

// An attempt to sign in that has not ended.
struct OpenAttempt {
  using Clock = std::chrono::steady_clock;
  std::string name;     // of the attempt
  std::string user;     // in one spelling
  std::string machine;  // that it came from; "" is one, too
  Clock::time_point begun;
  Clock::time_point asked;        // when its person was asked last
  bool waits_for_person = false;  // else for PAM
};

struct AttemptLimits {
  size_t all = 16;
  size_t of_machine = 8;  // an institute may have one address
  size_t of_user = 4;
  std::chrono::seconds kept{20};  // the only one of a machine
};

// The names of the attempts that have to end before `newcomer` may begin; nothing if there is no room.
std::optional<std::vector<std::string>> who_makes_room(std::vector<OpenAttempt> open,
                                                       const OpenAttempt& newcomer,
                                                       const AttemptLimits& limits = {});

}  // namespace tierhub::hub
