// In the process: answers the questions of a SlideFile with OpenSlide.
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <memory>

#include <unistd.h>

#include <fmt/format.h>
#include <openslide.h>

#include "formats/slide_messages.h"

namespace tierhub::formats {
namespace {

struct CloseSlide {
  void operator()(openslide_t* slide) const { openslide_close(slide); }
};

class SlideAnswerer : public Answerer {
 public:
  explicit SlideAnswerer(std::string path) : path_(std::move(path)) {}

  std::string answer(const std::string& question) override {
    ByteReader in(question);
    switch (static_cast<SlideQuestion>(in.u8())) {
      case SlideQuestion::open:
        return to_bytes(open());
      case SlideQuestion::read: {
        const uint64_t level = in.u64(), x = in.u64(), y = in.u64();
        const uint64_t width = in.u64(), height = in.u64();
        return to_bytes(read(level, x, y, width, height));
      }
      default:
        ::_exit(1);
    }
  }

 private:
  Result<SlideInfo> open() {
    slide_.reset(openslide_open(path_.c_str()));
    if (!slide_) {
      return Error(std::errc::invalid_argument,
                   fmt::format("{} is no whole slide that OpenSlide can read", path_));
    }
    TRY(check());
    SlideInfo info;
    for (int32_t i = 0; i < openslide_get_level_count(slide_.get()); ++i) {
      int64_t width = 0, height = 0;
      openslide_get_level_dimensions(slide_.get(), i, &width, &height);
      downsamples_.push_back(openslide_get_level_downsample(slide_.get(), i));
      info.levels.push_back(
          {static_cast<uint64_t>(width), static_cast<uint64_t>(height), downsamples_.back()});
    }
    TRY(check());
    info.vendor = property(OPENSLIDE_PROPERTY_NAME_VENDOR).value_or("unknown");
    info.pixel_width = length(OPENSLIDE_PROPERTY_NAME_MPP_X);
    info.pixel_height = length(OPENSLIDE_PROPERTY_NAME_MPP_Y);
    if (const auto colour = property(OPENSLIDE_PROPERTY_NAME_BACKGROUND_COLOR))
      std::from_chars(colour->data(), colour->data() + colour->size(), info.background, 16);
    return info;
  }

  // The parent has checked the numbers.
  Result<std::string> read(uint64_t level, uint64_t x, uint64_t y, uint64_t width,
                           uint64_t height) {
    // OpenSlide takes the place in pixels of level 0.
    const double downsample = downsamples_[level];
    std::vector<uint32_t> pixels(width * height);
    openslide_read_region(
        slide_.get(), pixels.data(), std::llround(static_cast<double>(x) * downsample),
        std::llround(static_cast<double>(y) * downsample), static_cast<int32_t>(level),
        static_cast<int64_t>(width), static_cast<int64_t>(height));
    TRY(check());
    return std::string(reinterpret_cast<const char*>(pixels.data()),
                       pixels.size() * sizeof pixels[0]);
  }

  // Once OpenSlide has met an error, it reads nothing any more.
  Result<void> check() const {
    const char* error = openslide_get_error(slide_.get());
    if (error == nullptr) return {};
    return Error(std::errc::io_error, fmt::format("{}: OpenSlide: {}", path_, error));
  }

  std::optional<std::string> property(const char* name) const {
    const char* value = openslide_get_property_value(slide_.get(), name);
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  }

  std::optional<double> length(const char* name) const {
    const std::string text = property(name).value_or("");
    char* end = nullptr;
    const double number = std::strtod(text.c_str(), &end);
    if (end == text.c_str() || !std::isfinite(number) || number <= 0) return std::nullopt;
    return number;
  }

  const std::string path_;
  std::unique_ptr<openslide_t, CloseSlide> slide_;
  std::vector<double> downsamples_;
};

}  // namespace

MakeAnswerer slide_answerer(const std::string& path) {
  return [path](const ReadFromParent&) -> std::unique_ptr<Answerer> {
    return std::make_unique<SlideAnswerer>(path);
  };
}

}  // namespace tierhub::formats
