// How people prove who they are.
#pragma once

#include <optional>
#include <string>

#include "common/result.h"
#include "hub/front/sessions.h"

namespace tierhub::hub {

// The system's login, in steps. Any thread; a call may take some seconds.
class SignIn {
 public:
  virtual ~SignIn() = default;

  struct Prompt {
    std::string text;        // "Password: "
    bool is_secret = true;   // not to be shown while it is typed
    std::string messages{};  // what was said before it
  };
  enum class Refused {
    guess,    // what the person gave is wrong
    busy,     // too many people are signing in: nothing was looked at
    trouble,  // the system could not judge
    late,     // the attempt has ended before
  };
  // One of: somebody signed in, a prompt, a refusal (a sentence for the person).
  struct Step {
    std::optional<Person> person{};
    std::optional<Prompt> prompt{};
    std::string refusal{};
    std::string attempt{};  // to be given to answer()
    Refused why = Refused::guess;
  };
  // `machine` says where the person is: the same text for the same place, without zero bytes.
  virtual Result<Step> begin(const std::string& user, const std::string& machine) = 0;
  // Answers the prompt of an attempt. Attempts that nobody goes on with end after two minutes, or when
  // others need the room.
  virtual Result<Step> answer(const std::string& attempt, const std::string& text) = 0;
};

}  // namespace tierhub::hub
