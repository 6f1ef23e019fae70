#include "imaging/images/part.h"

#include <vector>

#include <fmt/format.h>

#include "formats/selection.h"

namespace tierhub::imaging {
namespace {

using formats::AxisRange;
using formats::Selection;

Error usage(std::string text) { return Error(std::errc::invalid_argument, std::move(text)); }

// What an image has more than one of, and the key that chooses one.
struct Choice {
  std::string has;  // "3 channels (c 0-2)"
  std::string key;  // "c=0"
};

void add_choice(std::vector<Choice>& choices, std::string_view things, char axis, uint64_t count) {
  choices.push_back(
      {fmt::format("{} {} ({} 0-{})", count, things, axis, count - 1), fmt::format("{}=0", axis)});
}

// An error that names the choice if the image has more than one time point or channel and the
// selection does not say which.
Result<void> check_said_which(const formats::ImageInfo& info, const Selection& selection,
                              std::string_view option) {
  const uint64_t level = selection.levels.value_or(AxisRange{0, 1}).begin;
  if (level >= info.levels.size()) return {};  // refused elsewhere
  const formats::Shape& shape = info.levels[level].shape;
  std::vector<Choice> choices;
  if (!selection.t && shape.t > 1) add_choice(choices, "time points", 't', shape.t);
  if (!selection.c && shape.c > 1) add_choice(choices, "channels", 'c', shape.c);
  if (choices.empty()) return {};
  std::string has;
  std::string keys;
  for (const Choice& choice : choices) {
    has += (has.empty() ? "" : " and ") + choice.has;
    keys += (keys.empty() ? "" : ",") + choice.key;
  }
  return usage(fmt::format("{} has {}: say which with {} {}", info.path, has, option, keys));
}

}  // namespace

Result<Box> chosen_box(const formats::ImageInfo& info, const Part& part, std::string_view select) {
  const bool by_box = !part.box.empty();
  TRY_ASSIGN(const Selection selection, formats::parse_selection(by_box ? part.box : part.select));
  TRY(check_said_which(info, selection, by_box ? "--box" : select));
  if (by_box) {
    TRY_ASSIGN(const Box box, formats::parse_box(part.box));
    TRY(formats::check_region(info, box));
    return box;
  }
  TRY_ASSIGN(const std::vector<Box> boxes, formats::boxes_of(info, selection));
  if (boxes.size() == 1) return boxes.front();
  return usage(
      fmt::format("{0} {1} chooses more than one level, time point or channel of {2}: "
                  "name one of each, such as {0} level=0,t=0,c=0",
                  select, part.select, info.path));
}

Result<Halo> chosen_halo(const Part& part) {
  if (part.halo.empty()) return Halo{};
  return formats::parse_halo(part.halo);
}

}  // namespace tierhub::imaging
