#include "formats/tiff_directory.h"

#include <algorithm>
#include <optional>
#include <span>
#include <unordered_set>

#include <fmt/format.h>

namespace tierhub::formats {
namespace {

constexpr uint64_t kMaxDescriptionBytes = 16u << 20;
constexpr uint64_t kMaxEntries = 4096;
constexpr size_t kMaxDescriptions = 4;

enum Tag : uint64_t {
  kSubfileType = 254,
  kWidth = 256,
  kHeight = 257,
  kBits = 258,
  kCompression = 259,
  kPhotometric = 262,
  kDescription = 270,
  kSamples = 277,
  kRowsPerStrip = 278,
  kXResolution = 282,
  kYResolution = 283,
  kPalette = 320,
  kTileWidth = 322,
  kTileHeight = 323,
  kSampleFormat = 339,
};

// Reads numbers of the file's byte order and directory layout.
class Reader {
 public:
  Reader(const FileTree& tree, const std::string& path, uint64_t file_bytes)
      : tree_(tree), path_(path), file_bytes_(file_bytes) {}

  Result<uint64_t> read_header();
  // Reads the directory at `offset_bytes`; `next_bytes` gets the place of the following one, 0
  // after the last.
  Result<TiffDirectory> read_directory(uint64_t offset_bytes, uint64_t& next_bytes,
                                       bool with_description) const;
  bool big_endian() const { return big_endian_; }

 private:
  struct Entry {
    uint64_t tag = 0;
    uint64_t type = 0;
    uint64_t count = 0;
    std::string value;  // the bytes inside the entry: the value, or its offset
  };

  Error truncated(std::string_view what) const {
    return Error(std::errc::invalid_argument,
                 fmt::format("{} is truncated or damaged: {}", path_, what));
  }
  uint64_t number(std::string_view bytes) const;
  Result<std::string> bytes_at(uint64_t offset_bytes, uint64_t size_bytes,
                               std::string_view what) const;
  Entry entry(std::string_view bytes) const;
  std::optional<uint64_t> first_value(const Entry& entry) const;
  double fraction(const Entry& entry) const;
  Result<std::string> text_of(const Entry& entry) const;
  bool is_grey_palette(const Entry& entry) const;
  void apply(const Entry& entry, TiffDirectory& directory) const;

  const FileTree& tree_;
  const std::string& path_;
  uint64_t file_bytes_;
  bool big_endian_ = false;
  bool big_tiff_ = false;
};

uint64_t Reader::number(std::string_view bytes) const {
  uint64_t value = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    const auto byte = static_cast<unsigned char>(bytes[big_endian_ ? i : bytes.size() - 1 - i]);
    value = value << 8 | byte;
  }
  return value;
}

Result<std::string> Reader::bytes_at(uint64_t offset_bytes, uint64_t size_bytes,
                                     std::string_view what) const {
  if (offset_bytes > file_bytes_ || size_bytes > file_bytes_ - offset_bytes) {
    return truncated(fmt::format("{} is beyond the end of the file", what));
  }
  std::string bytes(size_bytes, '\0');
  TRY_ASSIGN(const size_t got,
             tree_.read_at("", std::as_writable_bytes(std::span(bytes)), offset_bytes));
  if (got != size_bytes) return truncated(fmt::format("{} is beyond the end of the file", what));
  return bytes;
}

Result<uint64_t> Reader::read_header() {
  TRY_ASSIGN(const std::string head, bytes_at(0, 8, "the header"));
  big_endian_ = head[0] == 'M';
  big_tiff_ = number(std::string_view(head).substr(2, 2)) == 43;
  if (!big_tiff_) return number(std::string_view(head).substr(4, 4));
  TRY_ASSIGN(const std::string offset, bytes_at(8, 8, "the header"));
  return number(offset);
}

Reader::Entry Reader::entry(std::string_view bytes) const {
  const size_t count_bytes = big_tiff_ ? 8 : 4;
  return {number(bytes.substr(0, 2)), number(bytes.substr(2, 2)),
          number(bytes.substr(4, count_bytes)), std::string(bytes.substr(4 + count_bytes))};
}

// Of types BYTE, SHORT, LONG and LONG8, if the first value is stored inside the entry or is the
// only one.
std::optional<uint64_t> Reader::first_value(const Entry& entry) const {
  const uint64_t value_bytes = entry.type == 1    ? 1
                               : entry.type == 3  ? 2
                               : entry.type == 4  ? 4
                               : entry.type == 16 ? 8
                                                  : 0;
  if (value_bytes == 0 || entry.count == 0) return std::nullopt;
  if (entry.count <= entry.value.size() / value_bytes) {
    return number(std::string_view(entry.value).substr(0, value_bytes));
  }
  const auto bytes = bytes_at(number(entry.value), value_bytes, "a tag");
  if (!bytes) return std::nullopt;
  return number(*bytes);
}

// Of type RATIONAL; 0 if it makes no sense.
double Reader::fraction(const Entry& entry) const {
  constexpr uint64_t kBytes = 8;
  if (entry.type != 5 || entry.count != 1) return 0;
  const auto bytes = entry.value.size() >= kBytes
                         ? Result<std::string>(entry.value.substr(0, kBytes))
                         : bytes_at(number(entry.value), kBytes, "a tag");
  if (!bytes) return 0;
  const uint64_t above = number(std::string_view(*bytes).substr(0, 4));
  const uint64_t below = number(std::string_view(*bytes).substr(4, 4));
  return below == 0 ? 0 : static_cast<double>(above) / static_cast<double>(below);
}

Result<std::string> Reader::text_of(const Entry& entry) const {
  if (entry.count > kMaxDescriptionBytes) return truncated("the description is impossibly long");
  if (entry.count <= entry.value.size()) return entry.value.substr(0, entry.count);
  return bytes_at(number(entry.value), entry.count, "the description");
}

// 256 reds, 256 greens and 256 blues of 16 bits, each of which must begin with the byte that it
// stands for.
bool Reader::is_grey_palette(const Entry& entry) const {
  constexpr uint64_t kShades = 256;
  if (entry.type != 3 || entry.count != 3 * kShades) return false;
  const auto bytes = bytes_at(number(entry.value), entry.count * 2, "the palette");
  if (!bytes) return false;
  for (uint64_t i = 0; i < entry.count; ++i) {
    if (number(std::string_view(*bytes).substr(i * 2, 2)) >> 8 != i % kShades) return false;
  }
  return true;
}

void Reader::apply(const Entry& entry, TiffDirectory& directory) const {
  uint64_t subfile_type = 0;
  uint64_t* target = nullptr;
  switch (entry.tag) {
    case kSubfileType:
      target = &subfile_type;
      break;
    case kWidth:
      target = &directory.width;
      break;
    case kHeight:
      target = &directory.height;
      break;
    case kBits:
      target = &directory.bits;
      break;
    case kCompression:
      target = &directory.compression;
      break;
    case kPhotometric:
      target = &directory.photometric;
      break;
    case kSamples:
      target = &directory.samples;
      break;
    case kRowsPerStrip:
      target = &directory.rows_per_strip;
      break;
    case kTileWidth:
      target = &directory.tile_width;
      break;
    case kTileHeight:
      target = &directory.tile_height;
      break;
    case kSampleFormat:
      target = &directory.sample_format;
      break;
    case kXResolution:
      directory.x_resolution = fraction(entry);
      return;
    case kYResolution:
      directory.y_resolution = fraction(entry);
      return;
    case kPalette:
      directory.grey_palette = is_grey_palette(entry);
      return;
    default:
      return;
  }
  if (const auto value = first_value(entry)) *target = *value;
  if ((subfile_type & 1) != 0) directory.reduced = true;
}

Result<TiffDirectory> Reader::read_directory(uint64_t offset_bytes, uint64_t& next_bytes,
                                             bool with_description) const {
  const uint64_t count_bytes = big_tiff_ ? 8 : 2;
  const uint64_t entry_bytes = big_tiff_ ? 20 : 12;
  const uint64_t link_bytes = big_tiff_ ? 8 : 4;
  TRY_ASSIGN(const std::string count_text, bytes_at(offset_bytes, count_bytes, "a directory"));
  const uint64_t count = number(count_text);
  if (count == 0 || count > kMaxEntries)
    return truncated(fmt::format("a directory claims {} entries", count));
  TRY_ASSIGN(const std::string body,
             bytes_at(offset_bytes + count_bytes, count * entry_bytes + link_bytes, "a directory"));
  TiffDirectory directory;
  directory.offset_bytes = offset_bytes;
  for (uint64_t i = 0; i < count; ++i) {
    const Entry item = entry(std::string_view(body).substr(i * entry_bytes, entry_bytes));
    apply(item, directory);
    if (with_description && item.tag == kDescription &&
        directory.descriptions.size() < kMaxDescriptions) {
      TRY_ASSIGN(std::string text, text_of(item));
      directory.descriptions.push_back(std::move(text));
    }
  }
  next_bytes = number(std::string_view(body).substr(count * entry_bytes));
  return directory;
}

}  // namespace

Result<TiffDirectories> read_tiff_directories(const FileTree& tree, const std::string& path,
                                              uint64_t file_bytes) {
  Reader reader(tree, path, file_bytes);
  TRY_ASSIGN(uint64_t offset_bytes, reader.read_header());
  TiffDirectories directories;
  directories.big_endian = reader.big_endian();
  std::unordered_set<uint64_t> seen;
  while (offset_bytes != 0) {
    if (!seen.insert(offset_bytes).second) {
      return Error(std::errc::invalid_argument, path + " is damaged: its directories form a loop");
    }
    if (seen.size() > kMaxTiffPages) {
      return Error(std::errc::not_supported,
                   fmt::format("{} has more than {} pages", path, kMaxTiffPages));
    }
    uint64_t next_bytes = 0;
    TRY_ASSIGN(TiffDirectory page,
               reader.read_directory(offset_bytes, next_bytes, directories.pages.empty()));
    directories.pages.push_back(std::move(page));
    offset_bytes = next_bytes;
  }
  if (directories.pages.empty()) return Error(std::errc::invalid_argument, path + " has no image");
  return directories;
}

}  // namespace tierhub::formats
