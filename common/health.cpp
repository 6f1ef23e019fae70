#include "common/health.h"

#include <chrono>

#include <fmt/format.h>

namespace tierhub {

void Health::set(HealthPart part, Trouble trouble, std::string_view instance) {
  reported_.with([&](auto& reported) {
    const auto [it, is_new] =
        reported.try_emplace(Key(part, instance), Reported{{}, SteadyClock::now()});
    it->second.trouble = std::move(trouble);
  });
}

void Health::clear(HealthPart part, std::string_view instance) {
  reported_.with([&](auto& reported) { reported.erase(Key(part, instance)); });
}

std::vector<Trouble> Health::troubles() const {
  return reported_.with([](const auto& reported) {
    std::vector<Trouble> result;
    for (const auto& [key, one] : reported) {
      const auto age =
          std::chrono::duration_cast<std::chrono::seconds>(SteadyClock::now() - one.since);
      result.push_back(
          {one.trouble.what, fmt::format("{} (since {} s)", one.trouble.detail, age.count())});
    }
    return result;
  });
}

Health& health() {
  static Health instance;
  return instance;
}

}  // namespace tierhub
