#include "api/time_text.h"

#include <charconv>
#include <chrono>

#include <fmt/format.h>

namespace tierhub::api {
namespace {

// Takes exactly `digits` decimal digits off the front of `text`.
std::optional<int> take_number(std::string_view& text, size_t digits) {
  if (text.size() < digits) return std::nullopt;
  int value = 0;
  for (char c : text.substr(0, digits)) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  text.remove_prefix(digits);
  return value;
}

bool take(std::string_view& text, char expected) {
  if (text.empty() || text.front() != expected) return false;
  text.remove_prefix(1);
  return true;
}

// ".5" is 500,000,000 ns; no fraction is 0. More than nine digits are refused.
std::optional<int> take_fraction(std::string_view& text) {
  if (!take(text, '.')) return 0;
  size_t digits = text.find_first_not_of("0123456789");
  if (digits == std::string_view::npos || digits == 0 || digits > 9) return std::nullopt;
  auto value = take_number(text, digits);
  for (size_t i = digits; value && i < 9; ++i) *value *= 10;
  return value;
}

}  // namespace

std::string to_time_text(Timestamp time) {
  timespec t = time.to_timespec();
  std::chrono::sys_seconds seconds{std::chrono::seconds(t.tv_sec)};
  auto day = std::chrono::floor<std::chrono::days>(seconds);
  std::chrono::year_month_day date(day);
  std::chrono::hh_mm_ss clock(seconds - day);
  std::string fraction;
  if (t.tv_nsec != 0) {
    fraction = fmt::format(".{:09}", t.tv_nsec);
    fraction.erase(fraction.find_last_not_of('0') + 1);
  }
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{}Z", int{date.year()},
                     unsigned{date.month()}, unsigned{date.day()}, clock.hours().count(),
                     clock.minutes().count(), clock.seconds().count(), fraction);
}

std::optional<Timestamp> from_time_text(std::string_view text) {
  auto year = take_number(text, 4);
  if (!year || *year < 1901 || *year > 2486 || !take(text, '-')) return std::nullopt;
  auto month = take_number(text, 2);
  if (!month || !take(text, '-')) return std::nullopt;
  auto day = take_number(text, 2);
  if (!day || !take(text, 'T')) return std::nullopt;
  std::chrono::year_month_day date{std::chrono::year(*year), std::chrono::month(*month),
                                   std::chrono::day(*day)};
  auto hour = take_number(text, 2);
  if (!date.ok() || !hour || *hour > 23 || !take(text, ':')) return std::nullopt;
  auto minute = take_number(text, 2);
  if (!minute || *minute > 59 || !take(text, ':')) return std::nullopt;
  auto second = take_number(text, 2);
  if (!second || *second > 59) return std::nullopt;
  auto fraction = take_fraction(text);
  if (!fraction || text != "Z") return std::nullopt;
  int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  int64_t seconds = ((days * 24 + *hour) * 60 + *minute) * 60 + *second;
  const Timestamp time = Timestamp::from({seconds, *fraction});
  if (time.to_timespec().tv_sec != seconds) return std::nullopt;
  return time;
}

}  // namespace tierhub::api
