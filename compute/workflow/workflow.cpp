#include "compute/workflow/workflow.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <map>

#include <fmt/format.h>

namespace tierhub::compute {
namespace {

struct NumberAndUnit {
  uint64_t number = 0;
  std::string_view unit;
  std::string_view rest;
};

// "12" and "GiB" of "12GiB...", with spaces between them.
std::optional<NumberAndUnit> take_number_and_unit(std::string_view text) {
  NumberAndUnit taken;
  const char* end = text.data() + text.size();
  const auto [after, failure] = std::from_chars(text.data(), end, taken.number);
  if (failure != std::errc()) return std::nullopt;
  text = std::string_view(after, static_cast<size_t>(end - after));
  while (text.starts_with(' ')) text.remove_prefix(1);
  const size_t unit_end = std::min(text.find_first_of("0123456789 "), text.size());
  taken.unit = text.substr(0, unit_end);
  taken.rest = text.substr(unit_end);
  return taken;
}

}  // namespace

bool Step::mentions(Placeholder placeholder) const {
  const auto in = [&](const Argument& argument) { return argument.text.mentions(placeholder); };
  return std::any_of(run.begin(), run.end(), in) ||
         std::any_of(env.begin(), env.end(), [&](const auto& entry) { return in(entry.second); });
}

bool Workflow::mentions(Placeholder placeholder) const {
  return std::any_of(steps.begin(), steps.end(),
                     [&](const Step& step) { return step.mentions(placeholder); });
}

Result<uint64_t> parse_size(std::string_view text) {
  static const std::map<std::string_view, uint64_t> units = {{"", 1},
                                                             {"B", 1},
                                                             {"KiB", 1ull << 10},
                                                             {"MiB", 1ull << 20},
                                                             {"GiB", 1ull << 30},
                                                             {"TiB", 1ull << 40},
                                                             {"kB", 1000},
                                                             {"KB", 1000},
                                                             {"MB", 1000000},
                                                             {"GB", 1000000000},
                                                             {"TB", 1000000000000},
                                                             {"K", 1ull << 10},
                                                             {"M", 1ull << 20},
                                                             {"G", 1ull << 30},
                                                             {"T", 1ull << 40}};
  const std::optional<NumberAndUnit> taken = take_number_and_unit(text);
  const auto unit = taken ? units.find(taken->unit) : units.end();
  if (unit == units.end() || !taken->rest.empty() || taken->number == 0 ||
      taken->number > std::numeric_limits<int64_t>::max() / unit->second) {
    return Error(
        std::errc::invalid_argument,
        fmt::format("a size must be a number and a unit, such as 4GiB or 500MB, not '{}'", text));
  }
  return taken->number * unit->second;
}

Result<std::chrono::seconds> parse_duration(std::string_view text) {
  static const std::map<std::string_view, uint64_t> units = {
      {"s", 1}, {"m", 60}, {"min", 60}, {"h", 3600}, {"d", 86400}};
  constexpr uint64_t kMaxSeconds = 366ull * 86400;
  uint64_t seconds = 0;
  std::string_view rest = text;
  do {
    while (rest.starts_with(' ')) rest.remove_prefix(1);
    const std::optional<NumberAndUnit> taken = take_number_and_unit(rest);
    const auto unit = taken ? units.find(taken->unit) : units.end();
    if (unit == units.end() || taken->number > kMaxSeconds) {
      return Error(
          std::errc::invalid_argument,
          fmt::format("a time must be a number and a unit, such as 90s, 1h30m or 2d, not '{}'",
                      text));
    }
    seconds += taken->number * unit->second;
    rest = taken->rest;
  } while (!rest.empty());
  if (seconds == 0 || seconds > kMaxSeconds) {
    return Error(std::errc::invalid_argument,
                 fmt::format("a time must be from 1 second to 366 days, not '{}'", text));
  }
  return std::chrono::seconds(seconds);
}

}  // namespace tierhub::compute
