#include "imaging/tiff_pages.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>

#include <fmt/format.h>
#include <tiffio.h>

namespace tierhub::imaging {
namespace {

constexpr uint64_t kMaxPieceBytes = uint64_t{1} << 30;

// libtiff tells what failed through a callback only.
thread_local std::string last_message;

void keep_message(const char* module, const char* format, va_list arguments) {
  char text[512];
  std::vsnprintf(text, sizeof text, format, arguments);
  last_message = module != nullptr ? fmt::format("{}: {}", module, text) : text;
}

// Copies the rows and columns of a piece (a strip or a tile) at (piece_y, piece_x) that lie in the
// wanted box.
struct Piece {
  uint64_t y;
  uint64_t x;
  uint64_t height;
  uint64_t width;
};
void copy_piece(const Piece& piece, std::span<const std::byte> bytes, uint64_t pixel_bytes,
                const formats::AxisRange& y, const formats::AxisRange& x,
                std::span<std::byte> out) {
  const uint64_t from_x = std::max(piece.x, x.begin);
  const uint64_t to_x = std::min(piece.x + piece.width, x.end);
  for (uint64_t row = std::max(piece.y, y.begin); row < std::min(piece.y + piece.height, y.end);
       ++row) {
    const size_t from = ((row - piece.y) * piece.width + from_x - piece.x) * pixel_bytes;
    const size_t to = ((row - y.begin) * x.size() + from_x - x.begin) * pixel_bytes;
    std::memcpy(out.data() + to, bytes.data() + from, (to_x - from_x) * pixel_bytes);
  }
}

}  // namespace

void TiffPages::Close::operator()(tiff* file) const { TIFFClose(file); }

Error TiffPages::failed(size_t page) const {
  return Error(std::errc::io_error,
               fmt::format("{} is truncated or damaged: page {} cannot be read ({})",
                           dataset_->path, page + 1, last_message));
}

Result<TiffPages> TiffPages::open(const formats::Dataset& dataset) {
  TIFFSetErrorHandler(keep_message);
  TIFFSetWarningHandler(nullptr);
  last_message.clear();
  // "m": without mmap, so that a file that shrinks is an error and not a signal.
  tiff* file = TIFFOpen(dataset.path.c_str(), "rm");
  TiffPages pages(dataset, file);
  if (file == nullptr) return pages.failed(0);
  return pages;
}

Result<void> TiffPages::select(size_t page) {
  last_message = "no such directory";
  if (TIFFSetSubDirectory(file_.get(), dataset_->pages[page].directory_offset_bytes) == 0)
    return failed(page);
  uint32_t width = 0;
  uint32_t height = 0;
  uint16_t bits = 0;
  uint16_t samples = 0;
  TIFFGetField(file_.get(), TIFFTAG_IMAGEWIDTH, &width);
  TIFFGetField(file_.get(), TIFFTAG_IMAGELENGTH, &height);
  TIFFGetFieldDefaulted(file_.get(), TIFFTAG_BITSPERSAMPLE, &bits);
  TIFFGetFieldDefaulted(file_.get(), TIFFTAG_SAMPLESPERPIXEL, &samples);
  const formats::Level& level = dataset_->levels.front();
  last_message = "its directory has changed";
  if (width != level.shape.x || height != level.shape.y || samples != 1 ||
      bits != level.pixels.bytes * 8) {
    return failed(page);
  }
  return {};
}

Result<void> TiffPages::read(size_t page, const formats::AxisRange& y, const formats::AxisRange& x,
                             std::span<std::byte> out) {
  TRY(select(page));
  if (TIFFIsTiled(file_.get()) != 0) return read_tiles(page, y, x, out);
  return read_strips(page, y, x, out);
}

Result<void> TiffPages::read_strips(size_t page, const formats::AxisRange& y,
                                    const formats::AxisRange& x, std::span<std::byte> out) {
  const formats::Level& level = dataset_->levels.front();
  uint32_t rows_per_strip = 0;
  TIFFGetFieldDefaulted(file_.get(), TIFFTAG_ROWSPERSTRIP, &rows_per_strip);
  last_message = "its strips are empty or larger than 1 GiB";
  const uint64_t strip_rows = std::min<uint64_t>(rows_per_strip, level.shape.y);
  const uint64_t row_bytes = level.shape.x * level.pixels.bytes;
  if (strip_rows == 0 || strip_rows > kMaxPieceBytes / row_bytes) return failed(page);
  for (uint64_t strip = y.begin / strip_rows; strip * strip_rows < y.end; ++strip) {
    const Piece piece{strip * strip_rows, 0,
                      std::min(strip_rows, level.shape.y - strip * strip_rows), level.shape.x};
    buffer_.resize(piece.height * row_bytes);
    last_message = "a strip is too short";
    const tmsize_t got =
        TIFFReadEncodedStrip(file_.get(), static_cast<uint32_t>(strip), buffer_.data(),
                             static_cast<tmsize_t>(buffer_.size()));
    if (got != static_cast<tmsize_t>(buffer_.size())) return failed(page);
    copy_piece(piece, buffer_, level.pixels.bytes, y, x, out);
  }
  return {};
}

Result<void> TiffPages::read_tiles(size_t page, const formats::AxisRange& y,
                                   const formats::AxisRange& x, std::span<std::byte> out) {
  const formats::Level& level = dataset_->levels.front();
  uint32_t tile_width = 0;
  uint32_t tile_height = 0;
  TIFFGetField(file_.get(), TIFFTAG_TILEWIDTH, &tile_width);
  TIFFGetField(file_.get(), TIFFTAG_TILELENGTH, &tile_height);
  last_message = "its tiles are empty or larger than 1 GiB";
  if (tile_width == 0 || tile_height == 0 ||
      tile_height > kMaxPieceBytes / (tile_width * level.pixels.bytes)) {
    return failed(page);
  }
  buffer_.resize(uint64_t{tile_width} * tile_height * level.pixels.bytes);
  for (uint64_t top = y.begin / tile_height * tile_height; top < y.end; top += tile_height) {
    for (uint64_t left = x.begin / tile_width * tile_width; left < x.end; left += tile_width) {
      const uint32_t tile = TIFFComputeTile(file_.get(), static_cast<uint32_t>(left),
                                            static_cast<uint32_t>(top), 0, 0);
      last_message = "a tile is too short";
      const tmsize_t got = TIFFReadEncodedTile(file_.get(), tile, buffer_.data(),
                                               static_cast<tmsize_t>(buffer_.size()));
      if (got != static_cast<tmsize_t>(buffer_.size())) return failed(page);
      copy_piece({top, left, tile_height, tile_width}, buffer_, level.pixels.bytes, y, x, out);
    }
  }
  return {};
}

}  // namespace tierhub::imaging
