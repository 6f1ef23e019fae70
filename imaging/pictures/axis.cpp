#include "imaging/pictures/axis.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace tierhub::imaging {

double round_step(double step) {
  if (!(step > 0)) return 1;
  const double power = std::pow(10, std::floor(std::log10(step)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= step * (1 - 1e-9)) return factor * power;
  }
  return 10 * power;
}

std::vector<double> round_ticks(double low, double high, size_t most) {
  if (!(high > low)) return {low};
  double step = round_step((high - low) / static_cast<double>(most));
  const double slack = (high - low) * 1e-9;
  while (std::floor((high + slack) / step) - std::ceil((low - slack) / step) + 1 >
         static_cast<double>(most))
    step = round_step(step * 1.5);
  std::vector<double> ticks;
  for (double i = std::ceil((low - slack) / step); i * step <= high + slack; ++i)
    ticks.push_back(i == 0 ? 0 : i * step);
  return ticks;
}

std::string tick_text(double tick) { return fmt::format("{:.6g}", tick); }

std::string column_title(const std::string& column) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 12> kUnits = {
      {{"px", "px"},
       {"px2", "px\u00b2"},
       {"vx", "voxels"},
       {"um", "\u00b5m"},
       {"um2", "\u00b5m\u00b2"},
       {"um3", "\u00b5m\u00b3"},
       {"nm", "nm"},
       {"mm", "mm"},
       {"mm2", "mm\u00b2"},
       {"s", "s"},
       {"deg", "degrees"},
       {"percent", "%"}}};
  std::string words;
  std::string unit;
  for (std::string_view rest = column; !rest.empty();) {
    const size_t end = std::min(rest.find('_'), rest.size());
    const std::string_view word = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    const auto known = std::find_if(kUnits.begin(), kUnits.end(),
                                    [&](const auto& one) { return one.first == word; });
    const bool is_last = rest.empty() || rest == "mean" || rest == "median" || rest == "sd";
    if (known != kUnits.end() && is_last && !words.empty()) {
      unit = known->second;
    } else {
      words += (words.empty() ? "" : " ") + std::string(word);
    }
  }
  return unit.empty() ? words : fmt::format("{} ({})", words, unit);
}

}  // namespace tierhub::imaging
