#include "imaging/pictures/line_plot.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include <fmt/format.h>

#include "imaging/pictures/axis.h"
#include "imaging/pictures/plot_frame.h"

namespace tierhub::imaging {
namespace {

// A line three pixels wide, drawn as a square for each step along its longer side.
void draw_line(Canvas& canvas, int64_t x0, int64_t y0, int64_t x1, int64_t y1) {
  const int64_t steps = std::max({std::abs(x1 - x0), std::abs(y1 - y0), int64_t{1}});
  for (int64_t i = 0; i <= steps; ++i) {
    const double share = static_cast<double>(i) / static_cast<double>(steps);
    const auto between = [share](int64_t a, int64_t b) {
      return a + std::llround(share * static_cast<double>(b - a));
    };
    canvas.fill({between(x0, x1) - 1, between(y0, y1) - 1, 3, 3}, kPlotBlue);
  }
}

// A little wider than the values; not empty if all are equal.
PlotAxis axis_of(double least, double most, bool from_zero, const std::string& name) {
  PlotAxis axis{from_zero ? std::min(least, 0.0) : least, most, column_title(name), false};
  if (axis.high <= axis.low) axis.high = axis.low + std::max(1.0, std::abs(axis.low) / 10);
  if (from_zero) axis.high += 0.05 * (axis.high - axis.low);
  return axis;
}

}  // namespace

Canvas draw_line_plot(const std::vector<PlotPoint>& points, const std::string& x,
                      const std::string& y, const std::string& title) {
  const auto by_y = [](const PlotPoint& a, const PlotPoint& b) { return a.y < b.y; };
  const auto [least, most] = std::minmax_element(points.begin(), points.end(), by_y);
  PlotAxis across = axis_of(points.front().x, points.back().x, false, x);
  across.has_whole_ticks = std::all_of(points.begin(), points.end(), [](const PlotPoint& point) {
    return point.x == std::floor(point.x);
  });
  PlotFrame frame(across, axis_of(least->y, most->y, true, y));
  for (size_t i = 0; i < points.size(); ++i) {
    const int64_t at_x = frame.x(points[i].x), at_y = frame.y(points[i].y);
    if (i > 0)
      draw_line(frame.canvas(), frame.x(points[i - 1].x), frame.y(points[i - 1].y), at_x, at_y);
    constexpr int64_t kDot = 3;
    if (points.size() <= 200)
      frame.canvas().fill({at_x - kDot, at_y - kDot, 2 * kDot + 1, 2 * kDot + 1}, kPlotBlue);
  }
  frame.note(fmt::format("n = {}", points.size()), kPlotInk);
  return std::move(frame).finish(title);
}

}  // namespace tierhub::imaging
