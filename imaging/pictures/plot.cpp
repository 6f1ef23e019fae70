#include "imaging/pictures/plot.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "imaging/pictures/axis.h"
#include "imaging/pictures/plot_frame.h"
#include "imaging/tables/summary.h"

namespace tierhub::imaging {
namespace {

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
  const Bins histogram = bins_of(values, bins);
  const uint64_t highest = *std::max_element(histogram.counts.begin(), histogram.counts.end());
  const double end =
      histogram.first + histogram.width * static_cast<double>(histogram.counts.size());
  PlotFrame frame({histogram.first, end, column_title(column), false},
                  {0, static_cast<double>(highest) * 1.05, "count", true});
  for (size_t i = 0; i < histogram.counts.size(); ++i) {
    const int64_t from = frame.x(histogram.first + histogram.width * static_cast<double>(i));
    const int64_t to = frame.x(histogram.first + histogram.width * static_cast<double>(i + 1));
    const int64_t gap = to - from > 4 ? 1 : 0;
    const int64_t top = frame.y(static_cast<double>(histogram.counts[i]));
    frame.canvas().fill(
        {from + gap, top, std::max<int64_t>(to - from - gap, 1), frame.bottom() - top}, kPlotBlue);
  }
  const double median = median_of_values(values);
  frame.canvas().fill({frame.x(median) - 1, frame.top(), 2, frame.bottom() - frame.top()},
                      kPlotRed);
  std::string n = fmt::format("n = {}", values.size());
  if (histogram.beyond > 0) n += fmt::format(", {} of them beyond the axis", histogram.beyond);
  frame.note(n, kPlotInk);
  frame.note(fmt::format("median = {:.6g}", median), kPlotRed);
  return std::move(frame).finish(title);
}

}  // namespace tierhub::imaging
