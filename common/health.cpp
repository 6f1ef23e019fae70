#include "common/health.h"

#include <chrono>

#include <fmt/format.h>

namespace tierhub {

void Health::set(std::string_view part, const std::string& sentence) {
  troubles_.with([&](auto& troubles) {
    const auto it = troubles.find(part);
    if (it == troubles.end()) {
      troubles.emplace(part, Trouble{sentence, SteadyClock::now()});
    } else {
      it->second.sentence = sentence;
    }
  });
}

void Health::clear(std::string_view part) {
  troubles_.with([&](auto& troubles) {
    if (const auto it = troubles.find(part); it != troubles.end()) troubles.erase(it);
  });
}

std::vector<std::string> Health::sentences() const {
  return troubles_.with([](const auto& troubles) {
    std::vector<std::string> result;
    for (const auto& [part, trouble] : troubles) {
      const auto age =
          std::chrono::duration_cast<std::chrono::seconds>(SteadyClock::now() - trouble.since);
      result.push_back(fmt::format("{} (since {} s)", trouble.sentence, age.count()));
    }
    return result;
  });
}

Health& health() {
  static Health instance;
  return instance;
}

}  // namespace tierhub
