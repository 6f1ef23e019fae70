#include "hub/images/picture_tile.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <functional>
#include <optional>
#include <string_view>

#include <fmt/format.h>

#include "hub/images/answers.h"
#include "hub/images/canvas.h"
#include "hub/images/thumbnail.h"
#include "hub/images/zarr_metadata.h"

namespace tierhub::hub {
namespace {

constexpr double kLeastGamma = 0.1;
constexpr double kMostGamma = 10;

// What the request says of one channel; what is left out follows from the image.
struct WantedLook {
  std::optional<uint32_t> colour;
  std::optional<double> low;
  std::optional<double> high;
  double gamma = 1;
};

Error bad_look(std::string_view name, std::string_view why) {
  return Error(std::errc::invalid_argument, fmt::format("{}: {}", name, why));
}

Result<double> finite_number(std::string_view name, std::string_view text) {
  double number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc() || end != text.data() + text.size() || !std::isfinite(number))
    return bad_look(name, fmt::format("\"{}\" is no number", text));
  return number;
}

Result<uint32_t> colour_in(std::string_view name, std::string_view text) {
  constexpr size_t kDigits = 6;
  uint32_t colour = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), colour, 16);
  if (failure != std::errc() || end != text.data() + text.size() || text.size() != kDigits)
    return bad_look(name, fmt::format("\"{}\" is no colour, as 00ff00 is", text));
  return colour;
}

// The looks of the channels that are named in `c`.
class WantedLooks {
 public:
  explicit WantedLooks(const std::map<std::string, std::string>& parameters)
      : parameters_(parameters) {}

  Result<std::vector<WantedLook>> read(size_t channels) const {
    std::vector<WantedLook> looks(channels);
    TRY(each("colors", looks, [](WantedLook& look, std::string_view text) -> Result<void> {
      TRY_ASSIGN(look.colour, colour_in("colors", text));
      return {};
    }));
    TRY(each("min", looks, [](WantedLook& look, std::string_view text) -> Result<void> {
      TRY_ASSIGN(look.low, finite_number("min", text));
      return {};
    }));
    TRY(each("max", looks, [](WantedLook& look, std::string_view text) -> Result<void> {
      TRY_ASSIGN(look.high, finite_number("max", text));
      return {};
    }));
    TRY(each("gamma", looks, [](WantedLook& look, std::string_view text) -> Result<void> {
      TRY_ASSIGN(look.gamma, finite_number("gamma", text));
      if (look.gamma >= kLeastGamma && look.gamma <= kMostGamma) return {};
      return bad_look("gamma",
                      fmt::format("{} is not from {} to {}", text, kLeastGamma, kMostGamma));
    }));
    for (const WantedLook& look : looks) {
      if (look.low.has_value() != look.high.has_value())
        return bad_look("min and max", "give both, or neither");
      if (look.low && *look.low > *look.high)
        return bad_look("min", fmt::format("{} is above max, {}", *look.low, *look.high));
    }
    return looks;
  }

 private:
  using Use = std::function<Result<void>(WantedLook&, std::string_view)>;

  Result<void> each(const std::string& name, std::vector<WantedLook>& looks, const Use& use) const {
    const auto found = parameters_.find(name);
    if (found == parameters_.end()) return {};
    const auto parts = split_at_commas(found->second);
    if (parts.size() != looks.size()) {
      return bad_look(name, fmt::format("{} of it for {} channels", parts.size(), looks.size()));
    }
    for (size_t i = 0; i < parts.size(); ++i) TRY(use(looks[i], parts[i]));
    return {};
  }

  const std::map<std::string, std::string>& parameters_;
};

Result<std::string> draw(const OpenImage& image, const TileRequest& wanted,
                         const std::vector<WantedLook>& looks, const TileReader::Tiles& tiles) {
  const Window whole = window_of(image.info.type);
  Canvas canvas(region_of(image, wanted.tile).shape(), 1);
  for (size_t i = 0; i < tiles.channels.size(); ++i) {
    if (image.is_labels) {
      canvas.add_labels(image.info.type, *tiles.channels[i]);
      continue;
    }
    const WantedLook& look = looks[i];
    canvas.add(image.info.type, *tiles.channels[i],
               {look.colour.value_or(colour_of(image.info, wanted.channels[i])),
                look.low.value_or(whole.low), look.high.value_or(whole.high), look.gamma});
  }
  return canvas.png(pixels::PngEffort::fast);
}

}  // namespace

http::Response answer_picture_tile(ImageStore& store, TileReader& tiles,
                                   const http::Request& request,
                                   const std::vector<std::string>& segments,
                                   const std::map<std::string, std::string>& parameters) {
  constexpr size_t kNumbers = 5;
  const size_t path_end = segments.size() - std::min(segments.size(), kNumbers);
  const auto first = segments.begin() + static_cast<ptrdiff_t>(path_end);
  auto wanted = parse_tile_address({segments.begin(), first}, {first, segments.end()});
  if (!wanted) return error_answer(wanted.error());
  const auto named = parameters.find("c");
  if (named == parameters.end())
    return error_answer(bad_look("c", "name the channels that are shown, as c=0,2"));
  auto channels = parse_channels(named->second, "c");
  if (!channels) return error_answer(channels.error());
  wanted->channels = *std::move(channels);
  wanted->tile.c = wanted->channels.front();
  const auto looks = WantedLooks(parameters).read(wanted->channels.size());
  if (!looks) return error_answer(looks.error());
  return answer_tile(store, tiles, request, *wanted,
                     {"image/png", [&](const OpenImage& image, const TileReader::Tiles& read) {
                        return draw(image, *wanted, *looks, read);
                      }});
}

}  // namespace tierhub::hub
