#include "imaging/commands/threshold_option.h"

#include <charconv>
#include <cmath>
#include <optional>

#include <fmt/format.h>

#include "common/posix.h"

namespace tierhub::imaging {
namespace {

Error wrong_threshold(std::string text) {
  return Error(std::errc::invalid_argument, std::move(text));
}

std::optional<double> number_from(std::string_view text) {
  double value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc() || end != text.data() + text.size() || !std::isfinite(value))
    return std::nullopt;
  return value;
}

}  // namespace

std::string check_threshold(const std::string& text) {
  if (number_from(text) || (text.size() > 1 && text[0] == '@')) return {};
  return "a threshold must be a number, or @FILE with a file that imgop threshold wrote";
}

Result<Threshold> read_threshold(const std::string& text, const Sigma& sigma,
                                 const GreyScale& scale) {
  Threshold threshold;
  if (const auto number = number_from(text)) {
    // No grey value stands for less than all of them: voxels at the smallest would be left out.
    if (*number < scale.offset) {
      return wrong_threshold(
          fmt::format("the threshold {} is below the smallest number that voxels "
                      "have here, {}: everything would be above it",
                      *number, scale.offset));
    }
    threshold.value = scale.grey_below(*number);
    return threshold;
  }
  const std::string path = text.substr(1);
  TRY_ASSIGN(const std::string json, posix::read_file(path));
  TRY_ASSIGN(threshold, threshold_from_json(json, path));
  if (threshold.sigma != sigma) {
    return wrong_threshold(fmt::format(
        "{} was computed with --sigma {}, not {}: use the same, or give the threshold as a number",
        path, threshold.sigma.x, sigma.x));
  }
  if (threshold.scale != scale)
    return wrong_threshold(path + " was computed with another --range: use the same");
  return threshold;
}

Result<void> check_threshold_fits(const Threshold& threshold, const Source& source,
                                  const Box& box) {
  if (!threshold.otsu || threshold.otsu->image != source.image) return {};
  const Box& from = threshold.otsu->box;
  if (from.level == box.level && from.c == box.c) return {};
  return wrong_threshold(
      fmt::format("the threshold was computed for level {}, c {}, not for level {}, c {}: "
                  "compute it there, or give it as a number",
                  from.level, from.c, box.level, box.c));
}

}  // namespace tierhub::imaging
