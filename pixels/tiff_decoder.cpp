#include "pixels/tiff_decoder.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "pixels/damaged.h"
#include "pixels/decode.h"
#include "pixels/open_tiff.h"

namespace tierhub::pixels {
namespace {

using formats::ByteOrder;
using formats::Shape;
using formats::TiffCoding;

// A TIFF file of one strip or tile, without its bytes: libtiff learns from it how they are packed.
class OnePage {
 public:
  OnePage(const TiffCoding& coding, const Shape& stored)
      : big_endian_(coding.order == ByteOrder::big) {
    const auto width = static_cast<uint32_t>(stored.x), height = static_cast<uint32_t>(stored.y);
    number(256, kLong, width);
    number(257, kLong, height);
    shorts(258, std::vector<uint16_t>(coding.samples, coding.bits));
    number(259, kShort, coding.compression);
    number(262, kShort, coding.photometric == 3 ? 1 : coding.photometric);
    // Bits are turned before: libtiff would write into the bytes that it is given.
    number(266, kShort, 1);
    if (!coding.tiled) number(273, kLong, 8);
    number(277, kShort, coding.samples);
    if (!coding.tiled) number(278, kLong, height);
    if (!coding.tiled) number(279, kLong, 1);
    number(284, kShort, 1);
    if (coding.compression == 3) number(292, kLong, coding.options);
    if (coding.compression == 4) number(293, kLong, coding.options);
    if (coding.predictor != 1) number(317, kShort, coding.predictor);
    if (coding.tiled) number(322, kLong, width);
    if (coding.tiled) number(323, kLong, height);
    if (coding.tiled) number(324, kLong, 8);
    if (coding.tiled) number(325, kLong, 1);
    if (coding.samples > colours(coding))
      shorts(338, std::vector<uint16_t>(coding.samples - colours(coding), 0));
    shorts(339, std::vector<uint16_t>(coding.samples, coding.sample_format));
    if (!coding.jpeg_tables.empty())
      entry(347, kUndefined, coding.jpeg_tables.size(), coding.jpeg_tables);
    if (coding.photometric == PHOTOMETRIC_YCBCR)
      shorts(530, {coding.subsampling_x, coding.subsampling_y});
    finish();
  }

  const std::string& bytes() const { return bytes_; }

 private:
  enum Type : uint16_t { kShort = 3, kLong = 4, kUndefined = 7 };

  static uint16_t colours(const TiffCoding& coding) {
    return coding.photometric == PHOTOMETRIC_RGB || coding.photometric == PHOTOMETRIC_YCBCR ? 3 : 1;
  }
  std::string word(uint64_t value, size_t size) const {
    std::string bytes(size, '\0');
    for (size_t i = 0; i < size; ++i)
      bytes[big_endian_ ? size - 1 - i : i] = static_cast<char>(value >> (8 * i));
    return bytes;
  }
  void number(uint16_t tag, Type type, uint32_t value) {
    entry(tag, type, 1, word(value, type == kShort ? 2 : 4));
  }
  void shorts(uint16_t tag, const std::vector<uint16_t>& values) {
    std::string bytes;
    for (const uint16_t value : values) bytes += word(value, 2);
    entry(tag, kShort, values.size(), bytes);
  }
  void entry(uint16_t tag, Type type, size_t count, std::string value) {
    entries_.push_back({word(tag, 2) + word(type, 2) + word(count, 4), std::move(value)});
  }
  void finish() {
    bytes_ = (big_endian_ ? "MM" : "II") + word(42, 2) + word(8, 4) + word(entries_.size(), 2);
    const size_t values_at = bytes_.size() + entries_.size() * 12 + 4;
    std::string values;
    for (auto& [head, value] : entries_) {
      bytes_ += head;
      if (value.size() <= 4) {
        value.resize(4);
        bytes_ += value;
        continue;
      }
      bytes_ += word(values_at + values.size(), 4);
      values += value;
      if (values.size() % 2 != 0) values += '\0';
    }
    bytes_ += word(0, 4) + values;
  }

  bool big_endian_;
  std::vector<std::pair<std::string, std::string>> entries_;
  std::string bytes_;
};

// What libtiff reads from, and what it complains about.
struct Session {
  std::string file;
  size_t at = 0;
  std::string complaint;
};

Session& session_of(thandle_t handle) { return *static_cast<Session*>(handle); }

tmsize_t read_some(thandle_t handle, void* to, tmsize_t size) {
  Session& session = session_of(handle);
  const size_t left = session.file.size() - std::min(session.at, session.file.size());
  const size_t got = std::min(static_cast<size_t>(size), left);
  std::memcpy(to, session.file.data() + session.file.size() - left, got);
  session.at += got;
  return static_cast<tmsize_t>(got);
}
tmsize_t write_none(thandle_t, void*, tmsize_t) { return -1; }
toff_t seek(thandle_t handle, toff_t offset, int whence) {
  Session& session = session_of(handle);
  const size_t from = whence == SEEK_SET   ? 0
                      : whence == SEEK_CUR ? session.at
                                           : session.file.size();
  session.at = from + static_cast<size_t>(offset);
  return session.at;
}
int close_nothing(thandle_t) { return 0; }
toff_t size_of(thandle_t handle) { return session_of(handle).file.size(); }

OpenTiff open_session(Session& session) {
  const TiffOptions options = quiet_tiff_options(session.complaint);
  // m: no memory map, c: strips stay as they are.
  return OpenTiff(TIFFClientOpenExt("strip", "rmc", &session, read_some, write_none, seek,
                                    close_nothing, size_of, nullptr, nullptr, options.get()));
}

// How many bytes the strip has, unpacked but as narrow as it is stored.
size_t unpacked_bytes(const TiffCoding& coding, const Shape& stored) {
  return stored.y * ((stored.x * coding.samples * coding.bits + 7) / 8);
}

Result<void> unpack(const TiffCoding& coding, const Shape& stored,
                    std::span<const std::byte> packed, std::span<std::byte> out) {
  Session session{OnePage(coding, stored).bytes(), 0, {}};
  const OpenTiff tiff = open_session(session);
  if (!tiff) return damaged(session.complaint);
  if (TIFFIsCODECConfigured(coding.compression) == 0) {
    return Error(std::errc::not_supported,
                 fmt::format("libtiff was built without the compression {}", coding.compression));
  }
  if (coding.compression == COMPRESSION_JPEG)
    TIFFSetField(tiff.get(), TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
  std::string copy(reinterpret_cast<const char*>(packed.data()), packed.size());
  if (TIFFReadFromUserBuffer(tiff.get(), 0, copy.data(), static_cast<tmsize_t>(copy.size()),
                             out.data(), static_cast<tmsize_t>(out.size())) == 0)
    return damaged(session.complaint);
  return {};
}

// Numbers of `bits` bits, the highest first; each row begins with a new byte.
template <class T>
void spread_bits(std::span<const std::byte> rows, const TiffCoding& coding, const Shape& stored,
                 std::span<std::byte> voxels) {
  const size_t row_bytes = unpacked_bytes(coding, stored) / stored.y;
  const size_t numbers = stored.x * coding.samples;
  size_t to = 0;
  for (size_t y = 0; y < stored.y; ++y) {
    const std::byte* row = rows.data() + y * row_bytes;
    size_t bit = 0;
    for (size_t i = 0; i < numbers; ++i, to += sizeof(T)) {
      uint64_t value = 0;
      for (unsigned left = coding.bits; left > 0;) {
        const unsigned here = std::min<unsigned>(left, 8 - bit % 8);
        const auto byte = std::to_integer<unsigned>(row[bit / 8]);
        value = value << here | ((byte >> (8 - bit % 8 - here)) & ((1u << here) - 1));
        bit += here;
        left -= here;
      }
      if (coding.sample_format == 2 && coding.bits < 64 && (value >> (coding.bits - 1) & 1) != 0)
        value |= ~uint64_t{0} << coding.bits;
      const auto number = static_cast<T>(value);
      std::memcpy(&voxels[to], &number, sizeof number);
    }
  }
}

// Three bytes a number, in the order of the file.
template <class T>
void spread_triples(std::span<const std::byte> bytes, const TiffCoding& coding,
                    std::span<std::byte> voxels) {
  const bool big = coding.order == ByteOrder::big;
  for (size_t i = 0; i < bytes.size() / 3; ++i) {
    uint32_t value = 0;
    for (size_t k = 0; k < 3; ++k)
      value |= std::to_integer<uint32_t>(bytes[3 * i + k]) << (8 * (big ? 2 - k : k));
    if (coding.sample_format == 2 && (value & 0x800000) != 0) value |= 0xFF000000;
    const auto number = static_cast<T>(value);
    std::memcpy(&voxels[i * sizeof number], &number, sizeof number);
  }
}

void swap_uncompressed(const TiffCoding& coding, std::span<std::byte> bytes) {
  if (coding.order != ByteOrder::big || coding.bits % 16 != 0) return;
  const size_t size = coding.bits / 8;
  for (size_t i = 0; i + size <= bytes.size(); i += size) std::reverse(&bytes[i], &bytes[i] + size);
}

std::byte turned(std::byte byte) {
  auto value = std::to_integer<unsigned>(byte);
  value = (value & 0xF0) >> 4 | (value & 0x0F) << 4;
  value = (value & 0xCC) >> 2 | (value & 0x33) << 2;
  value = (value & 0xAA) >> 1 | (value & 0x55) << 1;
  return static_cast<std::byte>(value);
}

// White as zero: the brightest number becomes 0, and 0 the brightest.
template <class T>
void invert(const TiffCoding& coding, std::span<std::byte> voxels) {
  const auto most = static_cast<T>(coding.bits >= 8 * sizeof(T) ? std::numeric_limits<T>::max()
                                                                : (uint64_t{1} << coding.bits) - 1);
  for (size_t i = 0; i + sizeof(T) <= voxels.size(); i += sizeof(T)) {
    T value;
    std::memcpy(&value, &voxels[i], sizeof value);
    value = static_cast<T>(most - value);
    std::memcpy(&voxels[i], &value, sizeof value);
  }
}

// From unpacked bytes to numbers of the type T.
template <class T>
void to_numbers(const TiffCoding& coding, const Shape& stored, std::span<std::byte> unpacked,
                std::span<std::byte> numbers) {
  if (coding.bits == 24) {
    spread_triples<T>(unpacked, coding, numbers);
  } else if (coding.bits % 8 != 0) {
    spread_bits<T>(unpacked, coding, stored, numbers);
  } else if (coding.sample_format == 3 && coding.bits == 16) {
    widen_halves(unpacked, numbers);
  } else {
    std::memcpy(numbers.data(), unpacked.data(), numbers.size());
  }
  if (coding.photometric == PHOTOMETRIC_MINISWHITE && std::is_unsigned_v<T>)
    invert<T>(coding, numbers);
}

Result<void> to_colours(const TiffCoding& coding, const Shape& stored,
                        std::span<std::byte> unpacked, std::span<std::byte> voxels) {
  const size_t count = stored.y * stored.x;
  std::vector<std::byte> indices(count * sizeof(uint16_t));
  TiffCoding index = coding;
  index.photometric = PHOTOMETRIC_MINISBLACK;
  if (coding.bits == 8) {
    for (size_t i = 0; i < count; ++i) indices[2 * i] = unpacked[i];
  } else {
    to_numbers<uint16_t>(index, stored, unpacked, indices);
  }
  for (size_t i = 0; i < count; ++i) {
    uint16_t value = 0;
    std::memcpy(&value, &indices[2 * i], sizeof value);
    if (size_t{value} * 3 + 3 > coding.palette.size())
      return damaged("an index beyond the palette");
    std::memcpy(&voxels[3 * i], &coding.palette[size_t{value} * 3], 3);
  }
  return {};
}

}  // namespace

Result<void> decode_tiff(const TiffCoding& coding, const Shape& stored,
                         std::span<const std::byte> packed, std::span<std::byte> voxels) {
  std::vector<std::byte> turned_bytes;
  if (coding.fill_order == 2) {
    turned_bytes.assign(packed.begin(), packed.end());
    for (std::byte& byte : turned_bytes) byte = turned(byte);
    packed = turned_bytes;
  }
  std::vector<std::byte> unpacked(unpacked_bytes(coding, stored));
  if (coding.compression == COMPRESSION_NONE) {
    if (packed.size() < unpacked.size()) return damaged("it is too short");
    std::copy_n(packed.begin(), unpacked.size(), unpacked.begin());
    swap_uncompressed(coding, unpacked);
  } else {
    TRY(unpack(coding, stored, packed, unpacked));
  }
  if (!coding.palette.empty()) return to_colours(coding, stored, unpacked, voxels);
  formats::with_type(coding.type, [&](auto sample) {
    to_numbers<decltype(sample)>(coding, stored, unpacked, voxels);
  });
  return {};
}

}  // namespace tierhub::pixels
