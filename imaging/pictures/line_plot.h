// A column of a table over another one: how a count changes over time.
#pragma once

#include <string>
#include <vector>

#include "imaging/pictures/canvas.h"

namespace tierhub::imaging {

struct PlotPoint {
  double x = 0;
  double y = 0;
};

// Points in the order of x, at least one, joined by a line. The axis of y begins at 0 unless values
// are negative. `x` and `y` are the names of the columns; `title` says where they are from.
Canvas draw_line_plot(const std::vector<PlotPoint>& points, const std::string& x,
                      const std::string& y, const std::string& title);

}  // namespace tierhub::imaging
