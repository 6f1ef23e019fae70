// The histogram of a column of a table.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "imaging/pictures/canvas.h"

namespace tierhub::imaging {

// Value v is in bin i if first + i * width <= v < first + (i + 1) * width; the largest value is in
// the last bin.
struct Bins {
  double first = 0;
  double width = 1;
  std::vector<uint64_t> counts;
  uint64_t beyond = 0;  // values that are in none of them
};

// `values` has at least one value. With `bins` of 0 their width is a round number near that of
// Freedman and Diaconis, 2 IQR / cbrt(n), and there are at most 200; if a few values lie so far away
// that they would squeeze all others together, those more than 5 IQR beyond the quartiles are in no
// bin. Else there are `bins` of them from the smallest to the largest value.
Bins bins_of(const std::vector<double>& values, size_t bins);

// A histogram with axes, the number of values, and the median as a line. `column` is the name of the
// column; `title` says where it is from.
Canvas draw_histogram(const std::vector<double>& values, size_t bins, const std::string& column,
                      const std::string& title);

}  // namespace tierhub::imaging
