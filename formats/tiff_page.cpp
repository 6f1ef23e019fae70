#include "formats/tiff_page.h"

#include <algorithm>

#include <fmt/format.h>

#include "formats/raw_planes.h"

namespace tierhub::formats {
namespace {

constexpr uint64_t kMaxPageSide = uint64_t{1} << 31;
constexpr uint64_t kMaxSamples = 4096;
constexpr uint64_t kMaxStrips = uint64_t{1} << 26;
constexpr uint64_t kMaxTablesBytes = 1u << 20;

enum Photometric : uint64_t { kWhiteIsZero = 0, kIndexed = 3, kCmyk = 5, kYCbCr = 6 };

std::string compression_name(uint64_t compression) {
  switch (compression) {
    case 1:
      return "none";
    case 2:
    case 3:
    case 4:
      return "fax";
    case 5:
      return "lzw";
    case 6:
      return "old jpeg";
    case 7:
      return "jpeg";
    case 8:
    case 32946:
      return "deflate";
    case 32773:
      return "packbits";
    case 33003:
    case 33004:
    case 33005:
    case 34712:
      return "jpeg2000";
    case 34887:
      return "lerc";
    case 34925:
      return "lzma";
    case 50000:
      return "zstd";
    case 50001:
      return "webp";
    default:
      return fmt::format("number {}", compression);
  }
}

bool can_decompress(uint64_t compression) {
  for (const uint64_t known : {1, 2, 3, 4, 5, 7, 8, 32773, 32946, 34887, 34925, 50000, 50001}) {
    if (known == compression) return true;
  }
  return false;
}

bool is_palette(const TiffDirectory& page) {
  // A palette in which every index is its own shade of grey changes nothing.
  return page.photometric == kIndexed && !(page.grey_palette && page.bits == 8);
}

PixelType type_of(const TiffDirectory& page) {
  if (is_palette(page)) return PixelType::uint8;
  const bool negative = page.sample_format == 2;
  if (page.sample_format == 3) {
    if (page.bits == 16 || page.bits == 32) return PixelType::float32;
    return page.bits == 64 ? PixelType::float64 : PixelType::other;
  }
  if (page.sample_format > 4) return PixelType::other;  // complex
  if (page.bits == 0 || page.bits > 64) return PixelType::other;
  if (page.bits <= 8) return negative ? PixelType::int8 : PixelType::uint8;
  if (page.bits <= 16) return negative ? PixelType::int16 : PixelType::uint16;
  if (page.bits <= 32) return negative ? PixelType::int32 : PixelType::uint32;
  return negative ? PixelType::int64 : PixelType::uint64;
}

std::optional<std::string> why_not_decodable(const TiffDirectory& page, PixelType type) {
  if (type == PixelType::other)
    return fmt::format("{}-bit TIFF samples of format {}", page.bits, page.sample_format);
  if (!can_decompress(page.compression))
    return fmt::format("the compression {} of TIFF", compression_name(page.compression));
  if (page.photometric == kYCbCr && page.compression != 7)
    return "YCbCr colours that are not JPEG-compressed";
  if (page.photometric > kYCbCr && page.photometric != 32803)
    return fmt::format("TIFF colours of kind {}", page.photometric);
  if (page.photometric == kCmyk) return "CMYK colours";
  if (is_palette(page) && (page.bits > 16 || page.samples != 1)) return "a palette of this size";
  const bool whole_bytes = page.bits % 8 == 0;
  if (!whole_bytes && page.sample_format == 3) return fmt::format("{}-bit floats", page.bits);
  if (page.bits > 32 && page.bits != 64) return fmt::format("{}-bit samples", page.bits);
  if (page.predictor > 3) return fmt::format("the predictor {}", page.predictor);
  return std::nullopt;
}

// True if the bytes of a chunk are its voxels, as ArrayCoding knows them.
bool is_plain(const TiffDirectory& page) {
  return page.compression == 1 && !is_palette(page) && page.photometric != kWhiteIsZero &&
         page.fill_order == 1 &&
         (page.bits == 8 || page.bits == 16 || page.bits == 32 || page.bits == 64);
}

}  // namespace

TiffPixels tiff_pixels(const TiffDirectory& page) {
  TiffPixels pixels;
  pixels.type = type_of(page);
  pixels.type_name = pixels.type == PixelType::other
                         ? fmt::format("{}x{}-bit", page.samples, page.bits)
                         : std::string(to_text(pixels.type));
  pixels.channels = is_palette(page) ? 3 : page.samples;
  pixels.apart = page.planar == 2 && page.samples > 1;
  pixels.compressor = compression_name(page.compression);
  if (auto why = why_not_decodable(page, pixels.type))
    pixels.not_decodable = *why + (why->ends_with("supported") ? "" : " are not supported");
  return pixels;
}

Result<std::shared_ptr<const TiffPage>> TiffPage::open(const TiffFile& file,
                                                       const TiffDirectory& directory) {
  const auto damaged = [&](std::string_view why) {
    return Error(std::errc::invalid_argument,
                 fmt::format("{} is truncated or damaged: {}", file.path(), why));
  };
  if (directory.width == 0 || directory.height == 0 || directory.width > kMaxPageSide ||
      directory.height > kMaxPageSide || directory.samples == 0 || directory.samples > kMaxSamples)
    return damaged("the size of a page is impossible");
  auto page = std::make_shared<TiffPage>();
  page->path_ = file.path();
  page->file_bytes_ = file.file_bytes();
  const TiffPixels pixels = tiff_pixels(directory);
  page->channels_ = pixels.channels;
  page->apart_ = pixels.apart;
  page->stored_samples_ = pixels.apart ? 1 : pixels.channels;
  page->tiled_ = directory.tiled();
  page->plain_ = is_plain(directory);
  Shape& chunk = page->grid_.chunk;
  chunk.y = directory.tiled() ? directory.tile_height
                              : std::min(directory.height, directory.rows_per_strip == 0
                                                               ? directory.height
                                                               : directory.rows_per_strip);
  chunk.x = directory.tiled() ? directory.tile_width : directory.width;
  if (chunk.y > kMaxPageSide || chunk.x > kMaxPageSide)
    return damaged("the size of its tiles is impossible");
  page->grid_.shape = {1, pixels.apart ? pixels.channels : 1, 1, directory.height, directory.width};
  const uint64_t strips = page->chunks();
  if (strips > kMaxStrips) return damaged("it has too many strips or tiles");
  TRY_ASSIGN(page->offsets_, file.numbers(directory.chunk_offsets, strips));
  if (directory.chunk_bytes.count > 0) {
    TRY_ASSIGN(page->sizes_, file.numbers(directory.chunk_bytes, strips));
  }
  TRY(page->set_coding(file, directory));
  // Some writers leave the sizes of uncompressed strips out.
  if (page->sizes_.empty() && strips == 1 && page->plain_)
    page->sizes_ = {chunk.y * chunk.x * page->stored_samples_ * page->voxel_bytes_};
  if (page->offsets_.size() != strips || page->sizes_.size() != strips)
    return damaged("it lacks the place of some strips or tiles");
  TRY(page->join_strips());
  const uint64_t decoded_bytes =
      page->grid_.chunk.y * page->grid_.chunk.x * page->stored_samples_ * page->voxel_bytes_;
  if (page->grid_.chunk.y * page->grid_.chunk.x > Image::kMaxChunkBytes ||
      decoded_bytes > Image::kMaxChunkBytes) {
    return Error(std::errc::not_supported,
                 fmt::format("{}: its strips or tiles are larger than 1 GiB", file.path()));
  }
  return std::shared_ptr<const TiffPage>(std::move(page));
}

Result<void> TiffPage::set_coding(const TiffFile& file, const TiffDirectory& directory) {
  const PixelType type = type_of(directory);
  voxel_bytes_ = bytes_of(type);
  if (plain_) {
    ArrayCoding coding;
    coding.type = type;
    coding.order = file.order();
    if (directory.sample_format == 3 && directory.bits == 16)
      coding.number = ArrayCoding::Number::half_float;
    voxel_bytes_ = coding.stored_bytes();
    coding_ = std::make_shared<const Coding>(coding);
    return {};
  }
  TiffCoding coding;
  coding.type = type;
  coding.compression = static_cast<uint16_t>(directory.compression);
  coding.photometric = static_cast<uint16_t>(directory.photometric);
  coding.bits = static_cast<uint16_t>(directory.bits);
  coding.sample_format = static_cast<uint16_t>(directory.sample_format);
  coding.samples = static_cast<uint16_t>(apart_ ? 1 : directory.samples);
  coding.predictor = static_cast<uint16_t>(directory.predictor);
  coding.fill_order = static_cast<uint16_t>(directory.fill_order);
  coding.options = static_cast<uint32_t>(directory.fax_options);
  coding.order = file.order();
  coding.tiled = tiled_;
  if (directory.jpeg_tables.count > 0) {
    TRY_ASSIGN(coding.jpeg_tables, file.bytes(directory.jpeg_tables, kMaxTablesBytes));
  }
  if (directory.subsampling.count == 2) {
    TRY_ASSIGN(const auto subsampling, file.numbers(directory.subsampling, 2));
    coding.subsampling_x = static_cast<uint16_t>(subsampling[0]);
    coding.subsampling_y = static_cast<uint16_t>(subsampling[1]);
  }
  if (is_palette(directory)) {
    const uint64_t colours = uint64_t{1} << std::min<uint64_t>(directory.bits, 16);
    TRY_ASSIGN(const auto values, file.numbers(directory.palette, 3 * colours));
    if (values.size() != 3 * colours)
      return Error(std::errc::invalid_argument,
                   file.path() + " is damaged: its palette is too short");
    for (uint64_t i = 0; i < colours; ++i)
      for (uint64_t colour = 0; colour < 3; ++colour)
        coding.palette.push_back(static_cast<uint8_t>(values[colour * colours + i] >> 8));
  }
  coding_ = std::make_shared<const Coding>(std::move(coding));
  return {};
}

// Plain strips that follow one another are read as one, in pieces of a good size.
Result<void> TiffPage::join_strips() {
  if (!plain_ || tiled_ || apart_) return {};
  const uint64_t row_bytes = grid_.chunk.x * stored_samples_ * voxel_bytes_;
  for (size_t i = 0; i + 1 < offsets_.size(); ++i) {
    if (sizes_[i] != grid_.chunk.y * row_bytes || offsets_[i + 1] != offsets_[i] + sizes_[i])
      return {};
  }
  const uint64_t rows = grid_.shape.y;
  if (offsets_.front() == 0 || offsets_.front() > file_bytes_ ||
      rows > (file_bytes_ - offsets_.front()) / row_bytes)
    return {};
  one_piece_ = true;
  offsets_.resize(1);
  sizes_ = {rows * row_bytes};
  grid_.chunk.y = rows_at_once(row_bytes, rows);
  return {};
}

std::optional<uint64_t> TiffPage::contiguous_at() const {
  if (!one_piece_) return std::nullopt;
  return offsets_.front();
}

uint64_t TiffPage::chunks() const {
  const Shape counts = grid_.counts();
  return counts.c * counts.y * counts.x;
}

// Nothing is stored if the size is 0.
FileRange TiffPage::place_of(const Shape& at, const Region& part) const {
  if (one_piece_) {
    const uint64_t row_bytes = grid_.chunk.x * stored_samples_ * voxel_bytes_;
    return {path_, offsets_.front() + part.y.begin * row_bytes, part.y.size() * row_bytes};
  }
  const uint64_t index = grid_.index_of(at);
  return {path_, offsets_[index], offsets_[index] == 0 ? 0 : sizes_[index]};
}

Result<void> TiffPage::for_each_chunk(const Region& region, const Region& place,
                                      uint64_t first_index, const Image::UseChunk& use) const {
  Region wanted = region;
  wanted.t = wanted.z = {0, 1};
  if (!apart_) wanted.c = {0, 1};
  return grid_.for_each(wanted, [&](const Shape& at) -> Result<void> {
    Chunk chunk;
    const Region part = grid_.region_of(place.level, at);
    chunk.region = place;
    chunk.region.y = part.y;
    chunk.region.x = part.x;
    const uint64_t first = place.c.begin + (apart_ ? at.c : 0);
    chunk.region.c = {first, first + stored_samples_};
    const FileRange bytes = place_of(at, part);
    if (bytes.size_bytes > 0) {
      if (bytes.offset_bytes > file_bytes_ || bytes.size_bytes > file_bytes_ - bytes.offset_bytes) {
        return Error(std::errc::invalid_argument,
                     path_ + " is truncated or damaged: a strip or tile is beyond its end");
      }
      chunk.bytes = {bytes};
    }
    chunk.index = first_index + grid_.index_of(at);
    // The last strip is shorter, tiles are not.
    chunk.stored = {1, stored_samples_, 1, tiled_ ? grid_.chunk.y : part.y.size(), grid_.chunk.x};
    chunk.stride.c = 1;
    chunk.stride.x = stored_samples_;
    chunk.stride.y = stored_samples_ * chunk.stored.x;
    chunk.stride.z = chunk.stride.t = chunk.stored.voxels();
    chunk.coding = coding_;
    return use(chunk);
  });
}

}  // namespace tierhub::formats
