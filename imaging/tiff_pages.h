// Decodes the pages of a grey TIFF file, with libtiff.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/result.h"
#include "formats/dataset.h"

struct tiff;

namespace tierhub::imaging {

// One thread at a time.
class TiffPages {
 public:
  static Result<TiffPages> open(const formats::Dataset& dataset);

  // The rows `y` and columns `x` of a page, in the machine's byte order, without gaps, into `out`.
  Result<void> read(size_t page, const formats::AxisRange& y, const formats::AxisRange& x,
                    std::span<std::byte> out);

 private:
  struct Close {
    void operator()(tiff* file) const;
  };
  TiffPages(const formats::Dataset& dataset, tiff* file) : dataset_(&dataset), file_(file) {}

  Result<void> select(size_t page);
  Result<void> read_strips(size_t page, const formats::AxisRange& y, const formats::AxisRange& x,
                           std::span<std::byte> out);
  Result<void> read_tiles(size_t page, const formats::AxisRange& y, const formats::AxisRange& x,
                          std::span<std::byte> out);
  Error failed(size_t page) const;

  const formats::Dataset* dataset_;
  std::unique_ptr<tiff, Close> file_;
  std::vector<std::byte> buffer_;
};

}  // namespace tierhub::imaging
