// Lines of the log that a caller can cause as often as they like.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "common/log.h"

namespace tierhub::log {

// Of each message kMostInAWindow lines are written in a window of a minute. Before the first one of a
// later window a line says how many were left out. `message` is the program's own, not a caller's. Any thread.
void bounded(Level level, std::string_view message, std::initializer_list<Field> fields = {});

// Which of these lines are written. Not for several threads at once.
class Bound {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr uint64_t kMostInAWindow = 10;
  static constexpr std::chrono::seconds kWindow{60};

  // Nothing: the line is left out. Otherwise how many were left out before it.
  std::optional<uint64_t> admit(std::string_view message, Clock::time_point now = Clock::now());

 private:
  struct Window {
    Clock::time_point begin;
    uint64_t lines = 0;
  };
  std::map<std::string, Window, std::less<>> windows_;
};

}  // namespace tierhub::log
