// A plate: one coloured cell for each well.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "common/result.h"
#include "imaging/pictures/canvas.h"
#include "imaging/tables/wells.h"

namespace tierhub::imaging {

// 96, 384 or 1536 wells.
struct PlateSize {
  size_t rows = 8;
  size_t columns = 12;
};
// The plate of so many wells; nothing for other numbers.
std::optional<PlateSize> plate_of(size_t wells);

// The smallest plate that has all wells.
PlateSize fitting_plate(const std::map<Well, double>& values);

// A plate with row letters, column numbers, a colour scale and its range. Wells without a value are
// hatched. `values` is not empty, and no well lies outside of the plate.
Canvas draw_plate(const std::map<Well, double>& values, const PlateSize& plate,
                  const std::string& column, const std::string& title);

}  // namespace tierhub::imaging
