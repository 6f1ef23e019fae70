#include "tools/tierctl/human.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <ctime>

#include <unistd.h>

#include <fmt/format.h>
#include <pwd.h>

namespace tierhub::tierctl {
namespace {

// Columns on a terminal, roughly: UTF-8 characters, not bytes.
size_t width_of(std::string_view text) {
  return static_cast<size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<uint8_t>(c) & 0xC0) != 0x80; }));
}

std::string scaled(double value, std::string_view suffix) {
  constexpr std::array kUnits = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  size_t unit = 0;
  // 1023.95 would be printed as 1024.0.
  while (value >= (unit == 0 ? 1024 : 1023.95) && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return fmt::format("{:.{}f} {}{}", value, unit == 0 ? 0 : 1, kUnits[unit], suffix);
}

}  // namespace

std::string human_size(uint64_t bytes) { return scaled(static_cast<double>(bytes), ""); }

std::string human_rate(double bytes_per_s) { return scaled(std::max(bytes_per_s, 0.0), "/s"); }

std::string human_duration(double seconds) {
  constexpr double kMostSeconds = 1e12;
  const double tenths = std::round(seconds * 10);
  if (tenths > 0 && tenths < 100 && std::fmod(tenths, 10) != 0)
    return fmt::format("{:.1f} s", tenths / 10);
  auto s = static_cast<uint64_t>(std::clamp(seconds, 0.0, kMostSeconds) + 0.5);
  if (s < 60) return fmt::format("{} s", s);
  if (s < 3'600) return fmt::format("{} min {} s", s / 60, s % 60);
  if (s < 86'400) return fmt::format("{} h {} min", s / 3'600, s % 3'600 / 60);
  return fmt::format("{} d {} h", s / 86'400, s % 86'400 / 3'600);
}

std::string human_number(uint64_t count) {
  std::string digits = std::to_string(count);
  for (size_t i = digits.size(); i > 3;) {
    i -= 3;
    digits.insert(i, ",");
  }
  return digits;
}

std::string human_count(uint64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", human_number(count), noun, count == 1 ? "" : "s");
}

std::string human_time(Timestamp time) {
  time_t seconds = time.to_timespec().tv_sec;
  tm parts = {};
  ::localtime_r(&seconds, &parts);
  std::array<char, 32> text = {};
  std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S", &parts);
  return text.data();
}

std::string human_percent(uint64_t part, uint64_t whole) {
  if (part >= whole) return "100%";
  auto percent = static_cast<int>(100.0 * static_cast<double>(part) / static_cast<double>(whole));
  return fmt::format("{}%", part == 0 ? 0 : std::clamp(percent, 1, 99));
}

std::string printable(std::string_view name) {
  std::string out(name);
  for (size_t i = 0; i < out.size(); ++i) {
    auto c = static_cast<uint8_t>(out[i]);
    // U+0080 to U+009F, written C2 80 to C2 9F, steer terminals too.
    bool c1 = c == 0xC2 && i + 1 < out.size() && (static_cast<uint8_t>(out[i + 1]) & 0xE0) == 0x80;
    if (c1) out.erase(i, 1);
    if (c1 || c < 0x20 || c == 0x7F) out[i] = '?';
  }
  return out;
}

std::string user_name(uint32_t uid) {
  const passwd* user = ::getpwuid(uid);
  return user != nullptr ? user->pw_name : std::to_string(uid);
}

std::string Table::text() const {
  std::vector<size_t> widths;
  for (size_t i = 0; i < columns_.size(); ++i) {
    size_t width = width_of(columns_[i].title);
    for (const auto& row : rows_) width = std::max(width, width_of(row[i]));
    widths.push_back(width);
  }
  std::string out;
  auto add_cell = [&](size_t i, const std::string& cell) {
    std::string padding(widths[i] - width_of(cell), ' ');
    bool last = i + 1 == columns_.size();
    if (columns_[i].align == Align::right) {
      out += padding + cell;
    } else {
      out += cell + (last ? "" : padding);
    }
    if (!last) {
      out += "  ";
      return;
    }
    while (out.ends_with(' ')) out.pop_back();
    out += '\n';
  };
  for (size_t i = 0; i < columns_.size(); ++i) add_cell(i, columns_[i].title);
  for (const auto& row : rows_) {
    for (size_t i = 0; i < columns_.size(); ++i) add_cell(i, row[i]);
  }
  return out;
}

}  // namespace tierhub::tierctl
