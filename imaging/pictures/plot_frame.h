// What plots have in common: axes with round ticks, names, a title.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "imaging/pictures/canvas.h"

namespace tierhub::imaging {

struct PlotAxis {
  double low = 0;
  double high = 1;  // above low
  std::string name;
  bool has_whole_ticks = false;  // there is no half object
};

// Draws the grid at once; then what is plotted, in pixels from x() and y(); finish() draws the axes
// over it.
class PlotFrame {
 public:
  PlotFrame(PlotAxis x, PlotAxis y);

  // Where a value lies.
  int64_t x(double value) const;
  int64_t y(double value) const;
  int64_t left() const { return left_; }
  int64_t right() const;
  int64_t top() const;
  int64_t bottom() const;
  Canvas& canvas() { return canvas_; }

  // Adds words to the line below the title.
  void note(const std::string& words, Colour colour);
  Canvas finish(const std::string& title) &&;

 private:
  PlotAxis x_;
  PlotAxis y_;
  int64_t left_;
  Canvas canvas_;
  std::string noted_;
};

inline constexpr Colour kPlotInk{40, 40, 40};
inline constexpr Colour kPlotBlue{64, 115, 158};
inline constexpr Colour kPlotRed{205, 60, 40};

}  // namespace tierhub::imaging
