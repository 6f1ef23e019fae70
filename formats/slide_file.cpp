#include "formats/slide_file.h"

#include <charconv>
#include <cmath>
#include <cstdlib>

#include <fmt/format.h>
#include <openslide.h>

namespace tierhub::formats {
namespace {

constexpr int64_t kMaxSlideSide = int64_t{1} << 31;

std::optional<double> positive_number(const std::optional<std::string>& text) {
  if (!text) return std::nullopt;
  char* end = nullptr;
  const double number = std::strtod(text->c_str(), &end);
  if (end == text->c_str() || !std::isfinite(number) || number <= 0) return std::nullopt;
  return number;
}

}  // namespace

void SlideFile::Close::operator()(_openslide* slide) const { openslide_close(slide); }

Result<std::shared_ptr<const SlideFile>> SlideFile::open(const std::string& path) {
  std::shared_ptr<SlideFile> file(new SlideFile(path));
  file->slide_.reset(openslide_open(path.c_str()));
  if (!file->slide_) {
    return Error(std::errc::invalid_argument,
                 fmt::format("{} is no whole slide that OpenSlide can read", path));
  }
  TRY(file->check());
  _openslide* const slide = file->slide_.get();
  for (int32_t i = 0; i < openslide_get_level_count(slide); ++i) {
    int64_t width = 0, height = 0;
    openslide_get_level_dimensions(slide, i, &width, &height);
    const double downsample = openslide_get_level_downsample(slide, i);
    if (width <= 0 || height <= 0 || width >= kMaxSlideSide || height >= kMaxSlideSide ||
        !(downsample >= 1))
      return Error(std::errc::invalid_argument,
                   fmt::format("{} is damaged: the size of level {} is impossible", path, i));
    file->levels_.push_back(
        {static_cast<uint64_t>(width), static_cast<uint64_t>(height), downsample});
  }
  TRY(file->check());
  if (file->levels_.empty())
    return Error(std::errc::invalid_argument, path + " is damaged: it has no levels");
  file->vendor_ = file->property(OPENSLIDE_PROPERTY_NAME_VENDOR).value_or("unknown");
  const auto x = positive_number(file->property(OPENSLIDE_PROPERTY_NAME_MPP_X));
  const auto y = positive_number(file->property(OPENSLIDE_PROPERTY_NAME_MPP_Y));
  if (x && y) file->pixel_size_.emplace(*x, *y);
  if (const auto colour = file->property(OPENSLIDE_PROPERTY_NAME_BACKGROUND_COLOR))
    std::from_chars(colour->data(), colour->data() + colour->size(), file->background_, 16);
  return std::shared_ptr<const SlideFile>(std::move(file));
}

Result<void> SlideFile::check() const {
  const char* error = openslide_get_error(slide_.get());
  if (error == nullptr) return {};
  return Error(std::errc::io_error, fmt::format("{}: OpenSlide: {}", path_, error));
}

std::optional<std::string> SlideFile::property(const char* name) const {
  const char* value = openslide_get_property_value(slide_.get(), name);
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

Result<void> SlideFile::read(size_t level, uint64_t x, uint64_t y, uint64_t width, uint64_t height,
                             std::span<uint32_t> pixels) const {
  if (level >= levels_.size() || pixels.size() != width * height)
    return Error(std::errc::invalid_argument, "the rectangle has no such level or size");
  // OpenSlide takes the place in pixels of level 0.
  const double downsample = levels_[level].downsample;
  openslide_read_region(
      slide_.get(), pixels.data(), std::llround(static_cast<double>(x) * downsample),
      std::llround(static_cast<double>(y) * downsample), static_cast<int32_t>(level),
      static_cast<int64_t>(width), static_cast<int64_t>(height));
  return check();
}

}  // namespace tierhub::formats
