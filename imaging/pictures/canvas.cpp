#include "imaging/pictures/canvas.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>

#include "common/utf8.h"
#include "imaging/pictures/font.h"

namespace tierhub::imaging {
namespace {

constexpr int64_t kLetterDots = 5;
constexpr int64_t kAdvanceDots = 6;

// Cuts the first character off; what is no UTF-8 is taken byte by byte.
std::string_view take_character(std::string_view& text) {
  const std::string_view character = text.substr(0, std::max<size_t>(utf8_length(text), 1));
  text.remove_prefix(character.size());
  return character;
}

const Letter& letter_of(std::string_view character) {
  if (character.size() == 1 && character[0] >= ' ' && character[0] <= '~')
    return kLetters[static_cast<size_t>(character[0] - ' ')];
  if (character == "\u00b5" || character == "\u03bc") return kLetters[kMicroSign];
  if (character == "\u00b2") return kLetters[kSquaredSign];
  if (character == "\u00b3") return kLetters[kCubedSign];
  return kLetters[kUnknownSign];
}

size_t count_characters(std::string_view text) {
  size_t count = 0;
  for (; !text.empty(); ++count) take_character(text);
  return count;
}

}  // namespace

Canvas::Canvas(uint32_t width, uint32_t height, Colour background)
    : picture_{width, height, PngColour::rgb, pixels::PngEffort::small, {}} {
  assert(width > 0 && height > 0 && uint64_t{width} * height <= kMaxPixels);
  picture_.samples.resize(size_t{width} * height * 3);
  fill({0, 0, width, height}, background);
}

Colour Canvas::at(int64_t x, int64_t y) const {
  const size_t i = (static_cast<size_t>(y) * width() + static_cast<size_t>(x)) * 3;
  return {picture_.samples[i], picture_.samples[i + 1], picture_.samples[i + 2]};
}

void Canvas::set(int64_t x, int64_t y, Colour colour) {
  if (x < 0 || y < 0 || x >= width() || y >= height()) return;
  const size_t i = (static_cast<size_t>(y) * width() + static_cast<size_t>(x)) * 3;
  picture_.samples[i] = colour.red;
  picture_.samples[i + 1] = colour.green;
  picture_.samples[i + 2] = colour.blue;
}

void Canvas::fill(const Rectangle& area, Colour colour) {
  const int64_t end_y = std::min<int64_t>(area.y + area.height, height());
  const int64_t end_x = std::min<int64_t>(area.x + area.width, width());
  for (int64_t y = std::max<int64_t>(area.y, 0); y < end_y; ++y) {
    for (int64_t x = std::max<int64_t>(area.x, 0); x < end_x; ++x) set(x, y, colour);
  }
}

void Canvas::frame(const Rectangle& area, Colour colour) {
  fill({area.x, area.y, area.width, 1}, colour);
  fill({area.x, area.y + area.height - 1, area.width, 1}, colour);
  fill({area.x, area.y, 1, area.height}, colour);
  fill({area.x + area.width - 1, area.y, 1, area.height}, colour);
}

void Canvas::hatch(const Rectangle& area, Colour colour, int64_t step) {
  for (int64_t y = 0; y < area.height; ++y) {
    for (int64_t x = 0; x < area.width; ++x) {
      if ((x + y) % step == 0) set(area.x + x, area.y + y, colour);
    }
  }
}

template <class Dot>
void Canvas::for_each_dot(std::string_view text, Dot&& dot) {
  for (int64_t column = 0; !text.empty(); column += kAdvanceDots) {
    const Letter& letter = letter_of(take_character(text));
    for (int64_t y = 0; y < kTextDots; ++y) {
      for (int64_t x = 0; x < kLetterDots; ++x) {
        if ((letter[static_cast<size_t>(y)] & (0x10 >> x)) != 0) dot(column + x, y);
      }
    }
  }
}

void Canvas::text(int64_t x, int64_t y, std::string_view text, Colour colour, int64_t scale,
                  Align align) {
  if (align == Align::centre) x -= text_width(text, scale) / 2;
  if (align == Align::right) x -= text_width(text, scale);
  for_each_dot(text, [&](int64_t dot_x, int64_t dot_y) {
    fill({x + dot_x * scale, y + dot_y * scale, scale, scale}, colour);
  });
}

void Canvas::text_upwards(int64_t x, int64_t y, std::string_view text, Colour colour,
                          int64_t scale) {
  const int64_t below = y + text_width(text, scale) / 2;
  for_each_dot(text, [&](int64_t dot_x, int64_t dot_y) {
    fill({x + dot_y * scale, below - (dot_x + 1) * scale, scale, scale}, colour);
  });
}

int64_t text_width(std::string_view text, int64_t scale) {
  const auto characters = static_cast<int64_t>(count_characters(text));
  return characters == 0 ? 0 : (characters * kAdvanceDots - 1) * scale;
}

std::string fitted_text(const std::string& text, int64_t width, int64_t scale) {
  if (text_width(text, scale) <= width) return text;
  std::string_view end = text;
  while (!end.empty() && text_width(end, scale) + text_width("..", scale) + scale > width)
    take_character(end);
  return ".." + std::string(end);
}

Colour scale_colour(double share) {
  constexpr std::array<Colour, 9> kStops = {{{68, 2, 86},
                                             {71, 44, 122},
                                             {59, 81, 139},
                                             {44, 113, 142},
                                             {33, 144, 141},
                                             {39, 173, 129},
                                             {92, 200, 99},
                                             {170, 220, 50},
                                             {253, 231, 37}}};
  const double at = std::clamp(share, 0.0, 1.0) * (kStops.size() - 1);
  const auto below = std::min(static_cast<size_t>(at), kStops.size() - 2);
  const double rest = at - static_cast<double>(below);
  const auto between = [rest](uint8_t a, uint8_t b) {
    return static_cast<uint8_t>(std::lround(a + (b - a) * rest));
  };
  const Colour& a = kStops[below];
  const Colour& b = kStops[below + 1];
  return {between(a.red, b.red), between(a.green, b.green), between(a.blue, b.blue)};
}

Colour readable_on(Colour background) {
  const int light = background.red * 299 + background.green * 587 + background.blue * 114;
  return light > 128'000 ? kBlack : kWhite;
}

}  // namespace tierhub::imaging
