// How the stored bytes of a chunk become voxels: what a format knows, for the decoders in pixels/.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "formats/pixel_type.h"

namespace tierhub::formats {

enum class ByteOrder { little, big };

// A compressor, or what else wraps the bytes of a chunk.
struct Codec {
  enum class Kind {
    zlib,        // zlib and gzip streams
    zstd,        // Zstandard
    blosc,       // Blosc 1
    lz4,         // numcodecs: 4 bytes of size, then one LZ4 block
    lz4_hdf5,    // HDF5 filter 32004: blocks of LZ4, each behind its size
    crc32c,      // 4 bytes of checksum behind the others
    fletcher32,  // the same with HDF5's checksum
    shuffle,     // HDF5: all first bytes of the numbers, then all second bytes, ...
  };
  Kind kind = Kind::zlib;
  uint64_t item_bytes = 1;  // of shuffle
};

// An array of numbers, perhaps compressed: Zarr, HDF5, MRC, plain TIFF.
struct ArrayCoding {
  enum class Number {
    plain,       // as PixelType says
    half_float,  // 2 bytes, decoded to float32
    boolean,     // 1 byte, decoded to uint8
  };
  std::vector<Codec> codecs;  // in the order in which they are undone
  PixelType type = PixelType::uint8;
  Number number = Number::plain;
  ByteOrder order = ByteOrder::little;

  uint64_t stored_bytes() const { return number == Number::half_float ? 2 : bytes_of(type); }
};

// A strip or a tile of a TIFF file, with the tags that tell how it is stored.
struct TiffCoding {
  PixelType type = PixelType::uint8;
  uint16_t compression = 1;
  uint16_t photometric = 1;
  uint16_t bits = 8;
  uint16_t sample_format = 1;  // 1 unsigned, 2 signed, 3 floating point
  uint16_t samples = 1;        // of one voxel, in this strip: 1 if planes are stored apart
  uint16_t predictor = 1;
  uint16_t fill_order = 1;
  uint16_t subsampling_x = 2;  // of YCbCr
  uint16_t subsampling_y = 2;
  uint32_t options = 0;  // T4Options or T6Options of a fax compression
  ByteOrder order = ByteOrder::little;
  bool tiled = false;
  std::string jpeg_tables;
  // Red, green and blue of each index, if indices become colours.
  std::vector<uint8_t> palette;
};

// A whole PNG or JPEG file.
struct PictureCoding {
  enum class Kind { png, jpeg } kind = Kind::png;
  PixelType type = PixelType::uint8;
  uint64_t channels = 1;
};

// A part of a slide that OpenSlide reads.
struct SlideCoding {
  std::shared_ptr<const class SlideFile> slide;
};

using Coding = std::variant<ArrayCoding, TiffCoding, PictureCoding, SlideCoding>;

}  // namespace tierhub::formats
