#include "imaging/pictures/plot_frame.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "imaging/pictures/axis.h"

namespace tierhub::imaging {
namespace {

constexpr Colour kGrid{225, 225, 225};
constexpr int64_t kTextScale = 2;
constexpr int64_t kWidth = 900, kHeight = 560;
constexpr int64_t kTop = 84, kBottom = 84, kRight = 40;

std::vector<double> ticks_of(const PlotAxis& axis, size_t most) {
  std::vector<double> ticks = round_ticks(axis.low, axis.high, most);
  if (axis.has_whole_ticks) std::erase_if(ticks, [](double t) { return t != std::floor(t); });
  return ticks;
}

int64_t left_of(const PlotAxis& y) {
  int64_t widest = 0;
  for (const double tick : ticks_of(y, 6))
    widest = std::max(widest, text_width(tick_text(tick), kTextScale));
  return 20 + kTextDots * kTextScale + 12 + widest + 12;
}

int64_t place(const PlotAxis& axis, double value, int64_t begin, int64_t end) {
  const double share = (value - axis.low) / (axis.high - axis.low);
  return begin + std::llround(share * static_cast<double>(end - begin));
}

}  // namespace

PlotFrame::PlotFrame(PlotAxis x, PlotAxis y)
    : x_(std::move(x)), y_(std::move(y)), left_(left_of(y_)), canvas_(kWidth, kHeight, kWhite) {
  for (const double tick : ticks_of(y_, 6)) {
    canvas_.fill({left_, this->y(tick), right() - left_, 1}, kGrid);
    canvas_.text(left_ - 12, this->y(tick) - kCapitalDots * kTextScale / 2, tick_text(tick),
                 kPlotInk, kTextScale, Align::right);
  }
}

int64_t PlotFrame::right() const { return kWidth - kRight; }
int64_t PlotFrame::top() const { return kTop; }
int64_t PlotFrame::bottom() const { return kHeight - kBottom; }
int64_t PlotFrame::x(double value) const { return place(x_, value, left_, right()); }
int64_t PlotFrame::y(double value) const { return place(y_, value, bottom(), top()); }

void PlotFrame::note(const std::string& words, Colour colour) {
  canvas_.text(left_ + text_width(noted_, kTextScale), 46, words, colour, kTextScale);
  noted_ += words + "   ";
}

Canvas PlotFrame::finish(const std::string& title) && {
  canvas_.fill({left_, bottom(), right() - left_, 2}, kPlotInk);
  canvas_.fill({left_ - 1, top(), 2, bottom() - top()}, kPlotInk);
  // As many numbers as fit below the axis without touching.
  std::vector<double> ticks;
  for (size_t most = 10; most >= 2; --most) {
    ticks = ticks_of(x_, most);
    int64_t needed = 0;
    for (const double tick : ticks) needed += text_width(tick_text(tick), kTextScale) + 24;
    if (needed <= right() - left_) break;
  }
  for (const double tick : ticks) {
    canvas_.fill({x(tick) - 1, bottom(), 2, 8}, kPlotInk);
    canvas_.text(x(tick), bottom() + 14, tick_text(tick), kPlotInk, kTextScale, Align::centre);
  }
  canvas_.text((left_ + right()) / 2, kHeight - 34,
               fitted_text(x_.name, right() - left_, kTextScale), kPlotInk, kTextScale,
               Align::centre);
  canvas_.text_upwards(20, (top() + bottom()) / 2,
                       fitted_text(y_.name, bottom() - top(), kTextScale), kPlotInk, kTextScale);
  canvas_.text(left_, 18, fitted_text(title, right() - left_, kTextScale), kPlotInk, kTextScale);
  return std::move(canvas_);
}

}  // namespace tierhub::imaging
