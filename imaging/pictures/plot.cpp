#include "imaging/pictures/plot.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "imaging/pictures/axis.h"
#include "imaging/tables/summary.h"

namespace tierhub::imaging {
namespace {

constexpr Colour kBars{64, 115, 158};
constexpr Colour kMedian{205, 60, 40};
constexpr Colour kGrid{225, 225, 225};
constexpr Colour kInk{40, 40, 40};
constexpr int64_t kTextScale = 2;
constexpr size_t kMostBins = 200;

double quantile_of_sorted(const std::vector<double>& sorted, double share) {
  const double at = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(at);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (sorted[above] - sorted[below]) * (at - static_cast<double>(below));
}

// The values that bins of a fitting width are made for, and that width.
struct Fitting {
  double low;
  double high;
  double width;
};

Fitting fit_bins(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const double lower = quantile_of_sorted(values, 0.25);
  const double upper = quantile_of_sorted(values, 0.75);
  const double iqr = upper - lower;
  Fitting fitting{values.front(), values.back(), 0};
  const double low_fence = std::max(lower - 5 * iqr, values.front());
  const double high_fence = std::min(upper + 5 * iqr, values.back());
  if (iqr > 0 && values.back() - values.front() > 1.5 * (high_fence - low_fence)) {
    fitting.low = *std::lower_bound(values.begin(), values.end(), low_fence);
    fitting.high = *std::prev(std::upper_bound(values.begin(), values.end(), high_fence));
  }
  const double range = fitting.high - fitting.low;
  double width = 2 * iqr / std::cbrt(static_cast<double>(values.size()));
  width = std::clamp(width, range / static_cast<double>(kMostBins - 2), range / 5);
  const bool are_whole = std::all_of(values.begin(), values.end(),
                                     [](double value) { return value == std::floor(value); });
  fitting.width = round_step(are_whole ? std::max(width, 1.0) : width);
  return fitting;
}

// From numbers to pixels along one axis.
struct Scale {
  double low;
  double high;
  int64_t begin;
  int64_t end;  // may be less than begin: upwards
  int64_t at(double value) const {
    const double share = (value - low) / (high - low);
    return begin + std::llround(share * static_cast<double>(end - begin));
  }
};

}  // namespace

Bins bins_of(const std::vector<double>& values, size_t bins) {
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  Bins result;
  if (*least == *most) {
    result.width = *least == 0 ? 1 : std::abs(*least) / 10;
    result.first = *least - result.width / 2;
    result.counts.assign(1, values.size());
    return result;
  }
  Fitting fitting{*least, *most, 0};
  if (bins > 0) {
    result.first = *least;
    result.width = (*most - *least) / static_cast<double>(bins);
  } else {
    fitting = fit_bins(values);
    result.width = fitting.width;
    result.first = std::floor(fitting.low / result.width) * result.width;
    bins = static_cast<size_t>((fitting.high - result.first) / result.width) + 1;
  }
  result.counts.resize(bins);
  for (const double value : values) {
    if (value < fitting.low || value > fitting.high) {
      ++result.beyond;
      continue;
    }
    const double at = std::max((value - result.first) / result.width, 0.0);
    ++result.counts[std::min(static_cast<size_t>(at), bins - 1)];
  }
  return result;
}

Canvas draw_histogram(const std::vector<double>& values, size_t bins, const std::string& column,
                      const std::string& title) {
  constexpr int64_t kWidth = 900, kHeight = 560;
  constexpr int64_t kTop = 84, kBottom = 84, kRight = 40;
  const Bins histogram = bins_of(values, bins);
  const uint64_t highest = *std::max_element(histogram.counts.begin(), histogram.counts.end());
  const double end =
      histogram.first + histogram.width * static_cast<double>(histogram.counts.size());
  const std::vector<double> counts = round_ticks(0, static_cast<double>(highest), 6);
  int64_t widest = 0;
  for (const double count : counts)
    widest = std::max(widest, text_width(tick_text(count), kTextScale));
  const int64_t left = 20 + kTextDots * kTextScale + 12 + widest + 12;

  Canvas canvas(kWidth, kHeight, kWhite);
  const Scale x{histogram.first, end, left, kWidth - kRight};
  const Scale y{0, static_cast<double>(highest) * 1.05, kHeight - kBottom, kTop};
  for (const double count : counts) {
    if (count != std::floor(count)) continue;  // there is no half object
    canvas.fill({x.begin, y.at(count), x.end - x.begin, 1}, kGrid);
    canvas.text(x.begin - 12, y.at(count) - kCapitalDots * kTextScale / 2, tick_text(count), kInk,
                kTextScale, Align::right);
  }
  for (size_t i = 0; i < histogram.counts.size(); ++i) {
    const int64_t from = x.at(histogram.first + histogram.width * static_cast<double>(i));
    const int64_t to = x.at(histogram.first + histogram.width * static_cast<double>(i + 1));
    const int64_t gap = to - from > 4 ? 1 : 0;
    const int64_t top = y.at(static_cast<double>(histogram.counts[i]));
    canvas.fill({from + gap, top, std::max<int64_t>(to - from - gap, 1), y.begin - top}, kBars);
  }
  const double median = median_of_values(values);
  canvas.fill({x.at(median) - 1, y.end, 2, y.begin - y.end}, kMedian);
  canvas.fill({x.begin, y.begin, x.end - x.begin, 2}, kInk);
  canvas.fill({x.begin - 1, y.end, 2, y.begin - y.end}, kInk);

  // As many numbers as fit below the axis without touching.
  std::vector<double> ticks;
  for (size_t most = 10; most >= 2; --most) {
    ticks = round_ticks(histogram.first, end, most);
    int64_t needed = 0;
    for (const double tick : ticks) needed += text_width(tick_text(tick), kTextScale) + 24;
    if (needed <= x.end - x.begin) break;
  }
  for (const double tick : ticks) {
    canvas.fill({x.at(tick) - 1, y.begin, 2, 8}, kInk);
    canvas.text(x.at(tick), y.begin + 14, tick_text(tick), kInk, kTextScale, Align::centre);
  }
  canvas.text((x.begin + x.end) / 2, kHeight - 34,
              fitted_text(column_title(column), x.end - x.begin, kTextScale), kInk, kTextScale,
              Align::centre);
  canvas.text_upwards(20, (y.begin + y.end) / 2, "count", kInk, kTextScale);
  canvas.text(left, 18, fitted_text(title, x.end - x.begin, kTextScale), kInk, kTextScale);
  std::string n = fmt::format("n = {}", values.size());
  if (histogram.beyond > 0) n += fmt::format(", {} of them beyond the axis", histogram.beyond);
  canvas.text(left, 46, n, kInk, kTextScale);
  canvas.text(left + text_width(n + "   ", kTextScale), 46, fmt::format("median = {:.6g}", median),
              kMedian, kTextScale);
  return canvas;
}

}  // namespace tierhub::imaging
