// A whole slide, which OpenSlide reads in a process of its own.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/result.h"
#include "formats/isolated_process.h"
#include "formats/noted_tree.h"

namespace tierhub::formats {

struct SlideInfo {
  struct Level {
    uint64_t width = 0;
    uint64_t height = 0;
    double downsample = 1;  // of level 0
  };
  std::string vendor;         // as OpenSlide calls it: "hamamatsu"
  std::vector<Level> levels;  // the finest first
  // Micrometers of a pixel of level 0.
  std::optional<double> pixel_width;
  std::optional<double> pixel_height;
  uint32_t background = 0xFFFFFF;  // 0xRRGGBB: what the scanner has not seen
};

// Any thread; reads wait for each other.
class SlideFile {
 public:
  // The file that the tree was opened at. OpenSlide reads it, and the files next to it that belong
  // to it, from the local file system, whatever the tree is.
  static Result<std::shared_ptr<const SlideFile>> open(std::shared_ptr<const NotedTree> tree);

  const SlideInfo& info() const { return info_; }

  // A rectangle of a level, from (x, y) of it: one number 0xAARRGGBB for each pixel, with colours
  // multiplied by the opacity; as many numbers as there are pixels.
  Result<void> read(uint64_t level, uint64_t x, uint64_t y, uint64_t width, uint64_t height,
                    std::span<uint32_t> pixels) const;

 private:
  SlideFile() = default;

  std::string path_;
  SlideInfo info_;
  std::unique_ptr<IsolatedProcess> process_;
};

}  // namespace tierhub::formats
