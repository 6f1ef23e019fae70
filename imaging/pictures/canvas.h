// A picture that is drawn: rectangles, lines and text, with a font of its own.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "imaging/images/png.h"

namespace tierhub::imaging {

struct Colour {
  uint8_t red = 0;
  uint8_t green = 0;
  uint8_t blue = 0;
  bool operator==(const Colour&) const = default;
};
inline constexpr Colour kBlack{0, 0, 0};
inline constexpr Colour kWhite{255, 255, 255};

// In pixels from the top left corner; what lies outside of the picture is not drawn.
struct Rectangle {
  int64_t x = 0;
  int64_t y = 0;
  int64_t width = 0;
  int64_t height = 0;
};

enum class Align { left, centre, right };

class Canvas {
 public:
  static constexpr uint64_t kMaxPixels = uint64_t{1} << 28;

  // Width and height must be at least 1, their product at most kMaxPixels.
  Canvas(uint32_t width, uint32_t height, Colour background);

  uint32_t width() const { return picture_.width; }
  uint32_t height() const { return picture_.height; }
  Colour at(int64_t x, int64_t y) const;
  void set(int64_t x, int64_t y, Colour colour);
  void fill(const Rectangle& area, Colour colour);
  // The border of the area, one pixel wide, inside it.
  void frame(const Rectangle& area, Colour colour);
  // Diagonal lines: where there is no value.
  void hatch(const Rectangle& area, Colour colour, int64_t step);

  // Text in UTF-8; `scale` is how many pixels wide a dot of a letter is. (x, y): the top of the
  // text, at its left end, its centre or its right end.
  void text(int64_t x, int64_t y, std::string_view text, Colour colour, int64_t scale,
            Align align = Align::left);
  // From below to above; (x, y): the left edge of the text, at its middle.
  void text_upwards(int64_t x, int64_t y, std::string_view text, Colour colour, int64_t scale);

  const PngImage& picture() const { return picture_; }

 private:
  template <class Dot>
  static void for_each_dot(std::string_view text, Dot&& dot);

  PngImage picture_;
};

// The size of text in pixels. Letters are 5 dots wide with a dot between them; capitals are 7 dots
// high and letters such as g reach 2 dots below the line.
int64_t text_width(std::string_view text, int64_t scale);
inline constexpr int64_t kCapitalDots = 7;
inline constexpr int64_t kTextDots = 9;

// As much of a text as fits into `width`: its end, behind "..", where names differ.
std::string fitted_text(const std::string& text, int64_t width, int64_t scale);

// From dark blue over green to yellow, of equal steps for the eye; `share` is from 0 to 1.
Colour scale_colour(double share);
// Black or white: what is readable on it.
Colour readable_on(Colour background);

}  // namespace tierhub::imaging
