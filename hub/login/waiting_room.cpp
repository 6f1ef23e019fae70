#include "hub/login/waiting_room.h"

#include <algorithm>
#include <functional>
#include <tuple>
#include <utility>

namespace tierhub::hub {
namespace {

using Among = std::function<bool(const OpenAttempt&)>;

// Of those, the one that ends first; the end of `open` if none may.
std::vector<OpenAttempt>::iterator first_to_end(std::vector<OpenAttempt>& open,
                                                const OpenAttempt& newcomer, const Among& among,
                                                std::chrono::seconds kept) {
  const auto count = [&](const Among& those) {
    const auto here = [&](const OpenAttempt& one) { return among(one) && those(one); };
    return std::count_if(open.begin(), open.end(), here) + (here(newcomer) ? 1 : 0);
  };
  auto found = open.end();
  std::tuple<ptrdiff_t, ptrdiff_t, OpenAttempt::Clock::duration> most;
  for (auto one = open.begin(); one != open.end(); ++one) {
    if (!one->waits_for_person || !among(*one)) continue;
    const auto of_machine =
        count([&](const OpenAttempt& other) { return other.machine == one->machine; });
    const auto of_both = count([&](const OpenAttempt& other) {
      return other.machine == one->machine && other.user == one->user;
    });
    if (of_machine == 1 && newcomer.begun - one->asked < kept) continue;
    const std::tuple weight(of_machine, of_both, newcomer.begun - one->begun);
    if (found != open.end() && weight <= most) continue;
    most = weight;
    found = one;
  }
  return found;
}

}  // namespace

std::optional<std::vector<std::string>> who_makes_room(std::vector<OpenAttempt> open,
                                                       const OpenAttempt& newcomer,
                                                       const AttemptLimits& limits) {
  const std::vector<std::pair<size_t, Among>> rules = {
      {limits.of_user, [&](const OpenAttempt& one) { return one.user == newcomer.user; }},
      {limits.of_machine, [&](const OpenAttempt& one) { return one.machine == newcomer.machine; }},
      {limits.all, [](const OpenAttempt&) { return true; }}};
  std::vector<std::string> leaving;
  for (const auto& [limit, among] : rules) {
    while (static_cast<size_t>(std::count_if(open.begin(), open.end(), among)) >= limit) {
      const auto one = first_to_end(open, newcomer, among, limits.kept);
      if (one == open.end()) return std::nullopt;
      leaving.push_back(one->name);
      open.erase(one);
    }
  }
  return leaving;
}

}  // namespace tierhub::hub
