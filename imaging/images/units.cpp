#include "imaging/images/units.h"

#include <array>
#include <utility>

namespace tierhub::imaging {

std::optional<double> micrometres(std::string_view unit) {
  static constexpr std::array<std::pair<std::string_view, double>, 14> kUnits = {
      {{"micrometer", 1},
       {"micrometre", 1},
       {"micron", 1},
       {"um", 1},
       {"\u00b5m", 1},
       {"\u03bcm", 1},
       {"nanometer", 1e-3},
       {"nm", 1e-3},
       {"millimeter", 1e3},
       {"mm", 1e3},
       {"angstrom", 1e-4},
       {"picometer", 1e-6},
       {"centimeter", 1e4},
       {"meter", 1e6}}};
  for (const auto& [name, size] : kUnits) {
    if (name == unit) return size;
  }
  return std::nullopt;
}

}  // namespace tierhub::imaging
