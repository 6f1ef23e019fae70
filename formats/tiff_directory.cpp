#include "formats/tiff_directory.h"

#include <algorithm>
#include <optional>
#include <span>

#include <fmt/format.h>

namespace tierhub::formats {
namespace {

constexpr uint64_t kMaxDescriptionBytes = 64u << 20;
constexpr uint64_t kMaxEntries = 4096;
constexpr size_t kMaxDescriptions = 4;

enum Tag : uint64_t {
  kSubfileType = 254,
  kWidth = 256,
  kHeight = 257,
  kBits = 258,
  kCompression = 259,
  kPhotometric = 262,
  kFillOrder = 266,
  kDescription = 270,
  kStripOffsets = 273,
  kSamples = 277,
  kRowsPerStrip = 278,
  kStripBytes = 279,
  kXResolution = 282,
  kYResolution = 283,
  kPlanar = 284,
  kT4Options = 292,
  kT6Options = 293,
  kResolutionUnit = 296,
  kSoftware = 305,
  kPredictor = 317,
  kPalette = 320,
  kTileWidth = 322,
  kTileHeight = 323,
  kTileOffsets = 324,
  kTileBytes = 325,
  kSubDirectories = 330,
  kSampleFormat = 339,
  kJpegTables = 347,
  kSubsampling = 530,
};

// Of BYTE, ASCII, SHORT, LONG, UNDEFINED, IFD, LONG8 and IFD8; 0 of others.
uint64_t bytes_of_type(uint64_t type) {
  switch (type) {
    case 1:
    case 2:
    case 7:
      return 1;
    case 3:
      return 2;
    case 4:
    case 13:
      return 4;
    case 5:
    case 16:
    case 18:
      return 8;
    default:
      return 0;
  }
}

// Where the first value of a tag goes.
uint64_t* number_of(uint64_t tag, TiffDirectory& directory) {
  switch (tag) {
    case kWidth:
      return &directory.width;
    case kHeight:
      return &directory.height;
    case kBits:
      return &directory.bits;
    case kCompression:
      return &directory.compression;
    case kPhotometric:
      return &directory.photometric;
    case kFillOrder:
      return &directory.fill_order;
    case kSamples:
      return &directory.samples;
    case kRowsPerStrip:
      return &directory.rows_per_strip;
    case kPlanar:
      return &directory.planar;
    case kT4Options:
    case kT6Options:
      return &directory.fax_options;
    case kResolutionUnit:
      return &directory.resolution_unit;
    case kPredictor:
      return &directory.predictor;
    case kTileWidth:
      return &directory.tile_width;
    case kTileHeight:
      return &directory.tile_height;
    case kSampleFormat:
      return &directory.sample_format;
    default:
      return nullptr;
  }
}

// Where a tag goes whose values are read later.
TiffEntry* entry_of(uint64_t tag, TiffDirectory& directory) {
  switch (tag) {
    case kBits:
      return &directory.bits_of_samples;
    case kStripOffsets:
    case kTileOffsets:
      return &directory.chunk_offsets;
    case kStripBytes:
    case kTileBytes:
      return &directory.chunk_bytes;
    case kSubDirectories:
      return &directory.sub_directories;
    case kJpegTables:
      return &directory.jpeg_tables;
    case kSubsampling:
      return &directory.subsampling;
    case kPalette:
      return &directory.palette;
    default:
      return nullptr;
  }
}

}  // namespace

Error TiffFile::damaged(std::string_view what) const {
  return Error(std::errc::invalid_argument,
               fmt::format("{} is truncated or damaged: {}",
                           path_ == tree_->file() ? tree_->path() : path_, what));
}

uint64_t TiffFile::number(std::string_view bytes) const {
  uint64_t value = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    const auto byte = static_cast<unsigned char>(bytes[big_endian_ ? i : bytes.size() - 1 - i]);
    value = value << 8 | byte;
  }
  return value;
}

Result<std::string> TiffFile::bytes_at(uint64_t offset_bytes, uint64_t size_bytes,
                                       std::string_view what) const {
  if (offset_bytes > file_bytes_ || size_bytes > file_bytes_ - offset_bytes) {
    return damaged(fmt::format("{} is beyond the end of the file", what));
  }
  std::string bytes(size_bytes, '\0');
  TRY_ASSIGN(const size_t got,
             tree_->read_at(path_, std::as_writable_bytes(std::span(bytes)), offset_bytes));
  if (got != size_bytes) return damaged(fmt::format("{} is beyond the end of the file", what));
  return bytes;
}

Result<TiffFile> TiffFile::open(const FileTree& tree, const std::string& path) {
  TiffFile file(tree, path);
  TRY_ASSIGN(const auto file_bytes, tree.size_of(path));
  if (!file_bytes) {
    return Error(std::errc::no_such_file_or_directory,
                 fmt::format("{} belongs to the image, but does not exist", path));
  }
  file.file_bytes_ = *file_bytes;
  TRY_ASSIGN(const std::string head, file.bytes_at(0, 8, "the header"));
  file.big_endian_ = head[0] == 'M';
  file.big_tiff_ = file.number(std::string_view(head).substr(2, 2)) == 43;
  file.first_ = file.number(std::string_view(head).substr(4, 4));
  if (file.big_tiff_) {
    TRY_ASSIGN(const std::string offset, file.bytes_at(8, 8, "the header"));
    file.first_ = file.number(offset);
  }
  if (file.first_ == 0) return file.damaged("it has no image");
  return file;
}

Result<void> TiffFile::check_progress(size_t directories, uint64_t offset_bytes,
                                      uint64_t seen_bytes) const {
  if (offset_bytes == seen_bytes) return damaged("its directories form a loop");
  if (directories < kMaxTiffPages) return {};
  return Error(std::errc::not_supported,
               fmt::format("{} has more than {} pages", path_, kMaxTiffPages));
}

Result<std::vector<uint64_t>> TiffFile::numbers(const TiffEntry& entry, uint64_t limit) const {
  const uint64_t value_bytes = bytes_of_type(entry.type);
  if (value_bytes == 0) return damaged("a tag has a wrong type");
  TRY_ASSIGN(const std::string all, bytes(entry, limit * value_bytes));
  std::vector<uint64_t> values;
  values.reserve(entry.count);
  for (uint64_t i = 0; i < entry.count; ++i)
    values.push_back(number(std::string_view(all).substr(i * value_bytes, value_bytes)));
  return values;
}

Result<std::string> TiffFile::bytes(const TiffEntry& entry, uint64_t limit) const {
  const uint64_t value_bytes = bytes_of_type(entry.type);
  if (value_bytes == 0) return damaged("a tag has a wrong type");
  if (entry.count > limit / value_bytes)
    return damaged(fmt::format("a tag has {} values", entry.count));
  const uint64_t size_bytes = entry.count * value_bytes;
  if (size_bytes <= entry.value.size()) return entry.value.substr(0, size_bytes);
  return bytes_at(number(entry.value), size_bytes, "a tag");
}

// Of type RATIONAL; 0 if it makes no sense.
double TiffFile::fraction(const TiffEntry& entry) const {
  if (entry.type != 5 || entry.count != 1) return 0;
  const auto pair = bytes(entry, 8);
  if (!pair) return 0;
  const uint64_t above = number(std::string_view(*pair).substr(0, 4));
  const uint64_t below = number(std::string_view(*pair).substr(4, 4));
  return below == 0 ? 0 : static_cast<double>(above) / static_cast<double>(below);
}

// 256 reds, 256 greens and 256 blues of 16 bits, each of which must begin with the byte that it
// stands for.
bool TiffFile::is_grey_palette(const TiffEntry& entry) const {
  constexpr uint64_t kShades = 256;
  if (entry.type != 3 || entry.count != 3 * kShades) return false;
  const auto values = numbers(entry, 3 * kShades);
  if (!values) return false;
  for (uint64_t i = 0; i < values->size(); ++i) {
    if ((*values)[i] >> 8 != i % kShades) return false;
  }
  return true;
}

void TiffFile::apply(uint64_t tag, TiffEntry entry, TiffDirectory& directory) const {
  if (tag == kXResolution) directory.x_resolution = fraction(entry);
  if (tag == kYResolution) directory.y_resolution = fraction(entry);
  if (tag == kPalette) directory.grey_palette = is_grey_palette(entry);
  uint64_t subfile_type = 0;
  uint64_t* target = tag == kSubfileType ? &subfile_type : number_of(tag, directory);
  if (target != nullptr && entry.count > 0) {
    // The first value alone is read.
    TiffEntry first = entry;
    first.count = 1;
    const uint64_t value_bytes = bytes_of_type(entry.type);
    if (value_bytes > 0 && entry.count * value_bytes > entry.value.size() &&
        value_bytes <= entry.value.size()) {
      const auto bytes = bytes_at(number(entry.value), value_bytes, "a tag");
      if (bytes) *target = number(*bytes);
    } else if (const auto value = numbers(first, 1)) {
      *target = value->front();
    }
  }
  if ((subfile_type & 1) != 0) directory.reduced = true;
  if (TiffEntry* later = entry_of(tag, directory)) *later = std::move(entry);
}

Result<TiffDirectory> TiffFile::read_directory(uint64_t offset_bytes, uint64_t& next_bytes,
                                               Descriptions descriptions) const {
  const uint64_t count_bytes = big_tiff_ ? 8 : 2;
  const uint64_t entry_bytes = big_tiff_ ? 20 : 12;
  const uint64_t link_bytes = big_tiff_ ? 8 : 4;
  TRY_ASSIGN(const std::string count_text, bytes_at(offset_bytes, count_bytes, "a directory"));
  const uint64_t count = number(count_text);
  if (count == 0 || count > kMaxEntries)
    return damaged(fmt::format("a directory claims {} entries", count));
  TRY_ASSIGN(const std::string body,
             bytes_at(offset_bytes + count_bytes, count * entry_bytes + link_bytes, "a directory"));
  TiffDirectory directory;
  directory.offset_bytes = offset_bytes;
  for (uint64_t i = 0; i < count; ++i) {
    const std::string_view item = std::string_view(body).substr(i * entry_bytes, entry_bytes);
    const uint64_t tag = number(item.substr(0, 2));
    const uint64_t count_size = big_tiff_ ? 8 : 4;
    TiffEntry entry{number(item.substr(2, 2)), number(item.substr(4, count_size)),
                    std::string(item.substr(4 + count_size))};
    if (tag == kDescription && descriptions == Descriptions::read &&
        directory.descriptions.size() < kMaxDescriptions) {
      TRY_ASSIGN(std::string text, bytes(entry, kMaxDescriptionBytes));
      directory.descriptions.push_back(std::move(text));
    }
    if (tag == kSoftware && descriptions == Descriptions::read) {
      TRY_ASSIGN(directory.software, bytes(entry, kMaxDescriptionBytes));
    }
    apply(tag, std::move(entry), directory);
  }
  next_bytes = number(std::string_view(body).substr(count * entry_bytes));
  return directory;
}

}  // namespace tierhub::formats
