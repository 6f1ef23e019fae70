#include "imaging/images/reader.h"

#include <fmt/format.h>

namespace tierhub::imaging {

using formats::PixelType;

Result<ImageReader> ImageReader::open(const std::string& path, size_t threads) {
  pixels::PixelReader::Options options;
  options.threads = threads;
  TRY_ASSIGN(auto pixels, pixels::PixelReader::open(path, options));
  return ImageReader(std::move(pixels), threads);
}

Result<ImageReader> ImageReader::open(const std::string& path,
                                      std::shared_ptr<pixels::ChunkCache> cache) {
  pixels::PixelReader::Options options;
  options.cache = std::move(cache);
  TRY_ASSIGN(auto pixels, pixels::PixelReader::open(path, options));
  return ImageReader(std::move(pixels), 1);
}

template <class T>
Result<Volume<T>> ImageReader::read(const Box& box, PixelType type) const {
  TRY(formats::check_region(info(), box));
  Volume<T> volume(box.extent());
  TRY(pixels_->read(box, type, std::as_writable_bytes(std::span(volume.voxels))));
  return volume;
}

Result<std::vector<std::byte>> ImageReader::read_numbers(const Box& box) const {
  TRY(formats::check_region(info(), box));
  std::vector<std::byte> numbers(box.voxels() * formats::bytes_of(info().type));
  TRY(pixels_->read(box, info().type, numbers));
  return numbers;
}

Source ImageReader::source() const {
  Source source = source_of(info());
  if (scale_ && needs_scale()) source.scale = *scale_;
  return source;
}

bool ImageReader::needs_scale() const { return !pixels::can_hold(PixelType::uint16, info().type); }

Result<std::optional<ValueRange>> ImageReader::read_range(const Box& box) const {
  TRY_ASSIGN(const std::vector<std::byte> numbers, read_numbers(box));
  return range_of(info().type, numbers, parallel_);
}

Result<GreyVolume> ImageReader::read_grey(const Box& box) const {
  if (!needs_scale()) return read<uint16_t>(box, PixelType::uint16);
  if (!scale_) {
    return Error(
        std::errc::not_supported,
        fmt::format("{} has {} pixels: say with --range between which numbers they lie, such as "
                    "--range 0:1 (imgop range finds it)",
                    info().path, info().type_name));
  }
  TRY_ASSIGN(const std::vector<std::byte> numbers, read_numbers(box));
  GreyVolume volume(box.extent());
  scale_to_greys(info().type, numbers, *scale_, volume.voxels, parallel_);
  return volume;
}

Result<LabelVolume> ImageReader::read_labels(const Box& box) const {
  return read<uint32_t>(box, PixelType::uint32);
}

}  // namespace tierhub::imaging
