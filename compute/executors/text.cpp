#include "compute/executors/text.h"

#include <array>

#include <fmt/format.h>

#include "api/time_text.h"

namespace tierhub::compute {

std::string time_text(Timestamp time) {
  constexpr int64_t kSecond = 1'000'000'000;
  std::string text = api::to_time_text({time.ns / kSecond * kSecond});
  text.pop_back();
  return fmt::format("{}.{:03}Z", text, time.ns % kSecond / 1'000'000);
}

std::string size_text(uint64_t bytes) {
  constexpr std::array kUnits = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  double size = static_cast<double>(bytes);
  size_t unit = 0;
  for (; size >= 1024 && unit + 1 < kUnits.size(); ++unit) size /= 1024;
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", size, kUnits[unit]);
}

std::string duration_text(double seconds) {
  if (seconds < 60) return fmt::format("{:.1f} s", seconds);
  const auto minutes = static_cast<int64_t>(seconds / 60);
  if (minutes < 60) {
    return fmt::format("{} min {:02} s", minutes, static_cast<int64_t>(seconds) % 60);
  }
  return fmt::format("{} h {:02} min", minutes / 60, minutes % 60);
}

}  // namespace tierhub::compute
