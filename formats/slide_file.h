// A whole slide that OpenSlide has open.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/result.h"

// openslide.h
struct _openslide;

namespace tierhub::formats {

// Any thread.
class SlideFile {
 public:
  struct Level {
    uint64_t width = 0;
    uint64_t height = 0;
    double downsample = 1;  // of level 0
  };

  // A file of the local file system, with the files next to it that belong to it.
  static Result<std::shared_ptr<const SlideFile>> open(const std::string& path);

  const std::string& vendor() const { return vendor_; }  // as OpenSlide calls it: "hamamatsu"
  const std::vector<Level>& levels() const { return levels_; }  // the finest first
  // Micrometers of a pixel of level 0, along x and y.
  const std::optional<std::pair<double, double>>& pixel_size() const { return pixel_size_; }
  // 0xRRGGBB: what the scanner has not seen.
  uint32_t background() const { return background_; }

  // A rectangle of a level, from (x, y) of it: one number 0xAARRGGBB for each pixel, with colours
  // multiplied by the opacity; as many numbers as there are pixels.
  Result<void> read(size_t level, uint64_t x, uint64_t y, uint64_t width, uint64_t height,
                    std::span<uint32_t> pixels) const;

 private:
  struct Close {
    void operator()(_openslide* slide) const;
  };
  explicit SlideFile(std::string path) : path_(std::move(path)) {}
  // Once OpenSlide has met an error, it reads nothing any more.
  Result<void> check() const;
  std::optional<std::string> property(const char* name) const;

  const std::string path_;
  std::unique_ptr<_openslide, Close> slide_;
  std::string vendor_;
  std::vector<Level> levels_;
  std::optional<std::pair<double, double>> pixel_size_;
  uint32_t background_ = 0xFFFFFF;
};

}  // namespace tierhub::formats
