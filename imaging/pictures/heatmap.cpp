#include "imaging/pictures/heatmap.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

#include "imaging/pictures/axis.h"

namespace tierhub::imaging {
namespace {

constexpr Colour kPlateInk{40, 40, 40};
constexpr Colour kSubtitle{110, 110, 110};
constexpr Colour kNoValue{228, 228, 228};
constexpr Colour kHatch{170, 170, 170};
constexpr int64_t kPlateText = 2;

// The largest of a few scales at which the text fits; 0 if none does.
int64_t fitting_scale(const std::string& text, int64_t width, int64_t largest) {
  for (int64_t scale = largest; scale > 0; --scale) {
    if (text_width(text, scale) <= width) return scale;
  }
  return 0;
}

std::string cell_text(double value) { return fmt::format("{:.4g}", value); }

int64_t cell_size(const PlateSize& plate) {
  if (plate.columns <= 12) return 68;
  return plate.columns <= 24 ? 40 : 22;
}

struct ColumnRange {
  double low;
  double high;
  Colour colour(double value) const {
    return scale_colour(high > low ? (value - low) / (high - low) : 0.5);
  }
};

void draw_colour_bar(Canvas& canvas, const Rectangle& bar, const ColumnRange& range) {
  for (int64_t y = 0; y < bar.height; ++y) {
    const double share = 1 - static_cast<double>(y) / static_cast<double>(bar.height - 1);
    canvas.fill({bar.x, bar.y + y, bar.width, 1},
                range.high > range.low ? scale_colour(share) : scale_colour(0.5));
  }
  canvas.frame(bar, kPlateInk);
  const auto draw_tick = [&](double value, int64_t y) {
    canvas.fill({bar.x + bar.width, y, 6, 1}, kPlateInk);
    canvas.text(bar.x + bar.width + 12, y - kCapitalDots * kPlateText / 2, tick_text(value),
                kPlateInk, kPlateText);
  };
  if (range.high == range.low) return draw_tick(range.low, bar.y + bar.height / 2);
  const auto at = [&](double value) {
    const double share = (value - range.low) / (range.high - range.low);
    return bar.y + bar.height - 1 - std::llround(share * static_cast<double>(bar.height - 1));
  };
  draw_tick(range.low, at(range.low));
  draw_tick(range.high, at(range.high));
  constexpr int64_t kFree = 26;  // so that numbers do not touch
  for (const double tick : round_ticks(range.low, range.high, 6)) {
    if (at(range.low) - at(tick) >= kFree && at(tick) - at(range.high) >= kFree)
      draw_tick(tick, at(tick));
  }
}

}  // namespace

std::optional<PlateSize> plate_of(size_t wells) {
  constexpr std::array<PlateSize, 3> kPlates = {{{8, 12}, {16, 24}, {32, 48}}};
  for (const PlateSize& plate : kPlates) {
    if (plate.rows * plate.columns == wells) return plate;
  }
  return std::nullopt;
}

PlateSize fitting_plate(const std::map<Well, double>& values) {
  PlateSize plate;
  for (const auto& [well, value] : values) {
    while (well.row >= plate.rows || well.column >= plate.columns)
      plate = {plate.rows * 2, plate.columns * 2};
  }
  return plate;
}

Canvas draw_plate(const std::map<Well, double>& values, const PlateSize& plate,
                  const std::string& column, const std::string& title) {
  constexpr int64_t kTop = 104, kLeft = 56, kBottom = 30, kBar = 24;
  const int64_t cell = cell_size(plate);
  const auto rows = static_cast<int64_t>(plate.rows);
  const auto columns = static_cast<int64_t>(plate.columns);
  ColumnRange range{values.begin()->second, values.begin()->second};
  for (const auto& [well, value] : values) {
    range.low = std::min(range.low, value);
    range.high = std::max(range.high, value);
  }
  const int64_t bar_x = kLeft + columns * cell + 36;
  const int64_t width = bar_x + kBar + 12 + text_width("-0.000000000", kPlateText);
  Canvas canvas(static_cast<uint32_t>(width), static_cast<uint32_t>(kTop + rows * cell + kBottom),
                kWhite);
  const int64_t room = width - kLeft - 20;
  canvas.text(kLeft, 16, fitted_text(column_title(column), room, kPlateText), kPlateInk,
              kPlateText);
  const std::string wells =
      fmt::format("{} of {} wells, {}", values.size(), plate.rows * plate.columns, title);
  canvas.text(kLeft, 44, fitted_text(wells, room, kPlateText), kSubtitle, kPlateText);
  const int64_t number_scale = fitting_scale("00", cell - 6, kPlateText);
  for (int64_t x = 0; x < columns; ++x) {
    canvas.text(kLeft + x * cell + cell / 2, kTop - 10 - kCapitalDots * number_scale,
                fmt::format("{}", x + 1), kPlateInk, number_scale, Align::centre);
  }
  int64_t value_scale = kPlateText;  // one for all
  for (const auto& [well, value] : values)
    value_scale = std::min(value_scale, fitting_scale(cell_text(value), cell - 8, kPlateText));
  for (int64_t y = 0; y < rows; ++y) {
    canvas.text(kLeft - 10, kTop + y * cell + (cell - kCapitalDots * kPlateText) / 2,
                row_name(static_cast<size_t>(y)), kPlateInk, kPlateText, Align::right);
    for (int64_t x = 0; x < columns; ++x) {
      const Rectangle area{kLeft + x * cell + 1, kTop + y * cell + 1, cell - 2, cell - 2};
      const auto found = values.find({static_cast<size_t>(y), static_cast<size_t>(x)});
      if (found == values.end()) {
        canvas.fill(area, kNoValue);
        canvas.hatch(area, kHatch, 8);
        continue;
      }
      const Colour colour = range.colour(found->second);
      canvas.fill(area, colour);
      const std::string text = cell_text(found->second);
      if (value_scale > 0) {
        canvas.text(area.x + area.width / 2,
                    area.y + (area.height - kCapitalDots * value_scale) / 2, text,
                    readable_on(colour), value_scale, Align::centre);
      }
    }
  }
  const int64_t bar_height = std::min<int64_t>(rows * cell - 2, 400);
  draw_colour_bar(canvas, {bar_x, kTop + 1, kBar, bar_height}, range);
  return canvas;
}

}  // namespace tierhub::imaging
