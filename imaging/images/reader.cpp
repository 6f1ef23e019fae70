#include "imaging/images/reader.h"

#include <fmt/format.h>

namespace tierhub::imaging {

using formats::PixelType;

Result<ImageReader> ImageReader::open(const std::string& path, size_t threads) {
  pixels::PixelReader::Options options;
  options.threads = threads;
  TRY_ASSIGN(auto pixels, pixels::PixelReader::open(path, options));
  return ImageReader(std::move(pixels));
}

template <class T>
Result<Volume<T>> ImageReader::read(const Box& box, PixelType type) const {
  TRY(formats::check_region(info(), box));
  Volume<T> volume(box.extent());
  TRY(pixels_->read(box, type, std::as_writable_bytes(std::span(volume.voxels))));
  return volume;
}

Result<GreyVolume> ImageReader::read_grey(const Box& box) const {
  if (pixels::can_hold(PixelType::uint16, info().type))
    return read<uint16_t>(box, PixelType::uint16);
  return Error(
      std::errc::not_supported,
      fmt::format("{} cannot be read: its pixels are {}, and a grey image must be uint8 or "
                  "uint16",
                  info().path, info().type_name));
}

Result<LabelVolume> ImageReader::read_labels(const Box& box) const {
  return read<uint32_t>(box, PixelType::uint32);
}

}  // namespace tierhub::imaging
