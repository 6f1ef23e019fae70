#include "pixels/codecs.h"

#include <algorithm>
#include <cstring>
#include <memory>

#include <blosc.h>
#include <fmt/format.h>
#include <lz4.h>
#include <zlib.h>
#include <zstd.h>

#include "formats/crc32c.h"
#include "pixels/damaged.h"

namespace tierhub::pixels {
namespace {

Result<void> copy(std::span<const std::byte> packed, std::span<std::byte> out) {
  if (packed.size() != out.size()) {
    return damaged(fmt::format("it has {} bytes instead of {}", packed.size(), out.size()));
  }
  std::memcpy(out.data(), packed.data(), out.size());
  return {};
}

// Both zlib and gzip streams; zlib tells them apart by their header.
Result<void> inflate_all(std::span<const std::byte> packed, std::span<std::byte> out) {
  z_stream stream{};
  constexpr int kAutomaticHeader = 15 + 32;
  if (inflateInit2(&stream, kAutomaticHeader) != Z_OK) return damaged("zlib cannot start");
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int status = inflate(&stream, Z_FINISH);
  const uint64_t left_bytes = stream.avail_out;
  inflateEnd(&stream);
  if (status != Z_STREAM_END || left_bytes != 0) return damaged("zlib");
  return {};
}

Result<void> unpack_zstd(std::span<const std::byte> packed, std::span<std::byte> out) {
  struct Free {
    void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
  };
  thread_local const std::unique_ptr<ZSTD_DCtx, Free> context(ZSTD_createDCtx());
  const size_t got =
      ZSTD_decompressDCtx(context.get(), out.data(), out.size(), packed.data(), packed.size());
  if (ZSTD_isError(got) != 0 || got != out.size()) return damaged("zstd");
  return {};
}

Result<void> unpack_blosc(std::span<const std::byte> packed, std::span<std::byte> out) {
  size_t size_bytes = 0;
  if (packed.size() < BLOSC_MIN_HEADER_LENGTH ||
      blosc_cbuffer_validate(packed.data(), packed.size(), &size_bytes) != 0 ||
      size_bytes != out.size()) {
    return damaged("blosc");
  }
  const int got = blosc_decompress_ctx(packed.data(), out.data(), out.size(), 1);
  if (got < 0 || static_cast<size_t>(got) != out.size()) return damaged("blosc");
  return {};
}

Result<void> unpack_lz4(std::span<const std::byte> packed, std::span<std::byte> out) {
  uint32_t size_bytes = 0;
  if (packed.size() < sizeof size_bytes) return damaged("lz4");
  std::memcpy(&size_bytes, packed.data(), sizeof size_bytes);
  const auto block = packed.subspan(sizeof size_bytes);
  if (size_bytes != out.size() || block.size() > LZ4_MAX_INPUT_SIZE) return damaged("lz4");
  const int got = LZ4_decompress_safe(reinterpret_cast<const char*>(block.data()),
                                      reinterpret_cast<char*>(out.data()),
                                      static_cast<int>(block.size()), static_cast<int>(out.size()));
  if (got < 0 || static_cast<size_t>(got) != out.size()) return damaged("lz4");
  return {};
}

uint32_t big_endian_32(std::span<const std::byte> bytes) {
  uint32_t value = 0;
  std::memcpy(&value, bytes.data(), sizeof value);
  return __builtin_bswap32(value);
}

// 8 bytes of size, 4 bytes of block size, then each block behind the size of what is stored of it.
// A block that LZ4 would not make smaller is stored as it is.
Result<void> unpack_lz4_hdf5(std::span<const std::byte> packed, std::span<std::byte> out) {
  constexpr size_t kHeadBytes = 12, kSizeBytes = 4;
  if (packed.size() < kHeadBytes) return damaged("lz4");
  const uint64_t total_bytes =
      uint64_t{big_endian_32(packed)} << 32 | big_endian_32(packed.subspan(4));
  const uint32_t block_bytes = big_endian_32(packed.subspan(8));
  if (total_bytes != out.size() || block_bytes == 0) return damaged("lz4");
  packed = packed.subspan(kHeadBytes);
  while (!out.empty()) {
    const std::span<std::byte> to = out.first(std::min<size_t>(block_bytes, out.size()));
    if (packed.size() < kSizeBytes) return damaged("lz4");
    const uint32_t stored_bytes = big_endian_32(packed);
    packed = packed.subspan(kSizeBytes);
    if (stored_bytes > packed.size() || stored_bytes > LZ4_MAX_INPUT_SIZE ||
        to.size() > LZ4_MAX_INPUT_SIZE)
      return damaged("lz4");
    if (stored_bytes == to.size()) {
      std::memcpy(to.data(), packed.data(), to.size());
    } else {
      const int got = LZ4_decompress_safe(
          reinterpret_cast<const char*>(packed.data()), reinterpret_cast<char*>(to.data()),
          static_cast<int>(stored_bytes), static_cast<int>(to.size()));
      if (got < 0 || static_cast<size_t>(got) != to.size()) return damaged("lz4");
    }
    packed = packed.subspan(stored_bytes);
    out = out.subspan(to.size());
  }
  return {};
}

constexpr size_t kChecksumBytes = 4;

Result<uint32_t> take_checksum(std::span<const std::byte>& packed) {
  uint32_t stored = 0;
  if (packed.size() < kChecksumBytes) return damaged("it is shorter than its checksum");
  std::memcpy(&stored, packed.data() + packed.size() - kChecksumBytes, kChecksumBytes);
  packed = packed.first(packed.size() - kChecksumBytes);
  return stored;
}

Result<void> check_crc32c(std::span<const std::byte>& packed) {
  TRY_ASSIGN(const uint32_t stored, take_checksum(packed));
  if (formats::crc32c(packed) != stored) return damaged("its checksum is wrong");
  return {};
}

Result<void> check_fletcher32(std::span<const std::byte>& packed) {
  TRY_ASSIGN(const uint32_t stored, take_checksum(packed));
  const uint32_t right = fletcher32(packed);
  // HDF5 before 1.6.3 swapped the bytes of each half on some machines.
  const uint32_t swapped = (right & 0x00FF00FF) << 8 | (right >> 8 & 0x00FF00FF);
  if (stored != right && stored != swapped) return damaged("its checksum is wrong");
  return {};
}

void unshuffle(std::span<const std::byte> from, size_t item_bytes, std::span<std::byte> to) {
  const size_t items = from.size() / item_bytes;
  for (size_t byte = 0; byte < item_bytes; ++byte) {
    for (size_t i = 0; i < items; ++i) to[i * item_bytes + byte] = from[byte * items + i];
  }
  // What is left over is not shuffled.
  std::copy(from.begin() + static_cast<ptrdiff_t>(items * item_bytes), from.end(),
            to.begin() + static_cast<ptrdiff_t>(items * item_bytes));
}

Result<void> decompress(formats::Codec::Kind kind, std::span<const std::byte> packed,
                        std::span<std::byte> out) {
  switch (kind) {
    case formats::Codec::Kind::zlib:
      return inflate_all(packed, out);
    case formats::Codec::Kind::zstd:
      return unpack_zstd(packed, out);
    case formats::Codec::Kind::blosc:
      return unpack_blosc(packed, out);
    case formats::Codec::Kind::lz4:
      return unpack_lz4(packed, out);
    case formats::Codec::Kind::lz4_hdf5:
      return unpack_lz4_hdf5(packed, out);
    case formats::Codec::Kind::crc32c:
    case formats::Codec::Kind::fletcher32:
    case formats::Codec::Kind::shuffle:
      break;
  }
  return Error(std::errc::not_supported, "this is no compressor");
}

bool is_checksum(const formats::Codec& codec) {
  return codec.kind == formats::Codec::Kind::crc32c ||
         codec.kind == formats::Codec::Kind::fletcher32;
}

bool is_compressor(const formats::Codec& codec) {
  return !is_checksum(codec) && codec.kind != formats::Codec::Kind::shuffle;
}

}  // namespace

uint32_t fletcher32(std::span<const std::byte> bytes) {
  // 65535 is 0 modulo 65535: only a sum of nothing but zeros stays 0.
  const auto add = [](uint32_t a, uint32_t b) {
    const uint32_t sum = a + b;
    return (sum & 0xFFFF) + (sum >> 16);
  };
  uint32_t first = 0, second = 0;
  for (size_t i = 0; i < bytes.size(); i += 2) {
    const uint32_t low = i + 1 < bytes.size() ? std::to_integer<uint32_t>(bytes[i + 1]) : 0;
    first = add(first, std::to_integer<uint32_t>(bytes[i]) << 8 | low);
    second = add(second, first);
  }
  return second << 16 | first;
}

Result<void> undo_codecs(const std::vector<formats::Codec>& codecs,
                         std::span<const std::byte> packed, std::span<std::byte> out) {
  if (std::count_if(codecs.begin(), codecs.end(), is_compressor) > 1)
    return Error(std::errc::not_supported, "a chunk behind two compressors is not supported");
  // What the step before gave, while something is left to do with it.
  std::vector<std::byte> between;
  bool is_out = false;
  for (size_t i = 0; i < codecs.size(); ++i) {
    const formats::Codec& codec = codecs[i];
    if (is_checksum(codec)) {
      TRY(codec.kind == formats::Codec::Kind::crc32c ? check_crc32c(packed)
                                                     : check_fletcher32(packed));
      continue;
    }
    is_out = i + 1 == codecs.size();
    // Checksums that are still to be checked lie behind the voxels.
    const auto checksums =
        std::count_if(codecs.begin() + static_cast<ptrdiff_t>(i), codecs.end(), is_checksum);
    std::vector<std::byte> next(
        is_out ? 0 : out.size() + static_cast<size_t>(checksums) * kChecksumBytes);
    const std::span<std::byte> to = is_out ? out : std::span(next);
    if (codec.kind == formats::Codec::Kind::shuffle) {
      if (packed.size() != to.size() || codec.item_bytes == 0) return damaged("shuffle");
      unshuffle(packed, codec.item_bytes, to);
    } else {
      TRY(decompress(codec.kind, packed, to));
    }
    between = std::move(next);
    packed = between;
  }
  return is_out ? Result<void>() : copy(packed, out);
}

std::string_view content_encoding_of(std::span<const std::byte> packed, uint64_t size_bytes) {
  constexpr size_t kGzipLeast = 18;  // its head and end
  constexpr std::byte kGzip0{0x1F}, kGzip1{0x8B}, kDeflate{8};
  if (packed.size() >= kGzipLeast && packed[0] == kGzip0 && packed[1] == kGzip1 &&
      packed[2] == kDeflate) {
    uint32_t size = 0;
    std::memcpy(&size, packed.data() + packed.size() - sizeof size, sizeof size);
    return size == size_bytes ? "gzip" : "";
  }
  if (ZSTD_getFrameContentSize(packed.data(), packed.size()) != size_bytes) return "";
  return ZSTD_findFrameCompressedSize(packed.data(), packed.size()) == packed.size() ? "zstd" : "";
}

Result<std::string> compress_zstd(std::span<const std::byte> bytes, int level) {
  std::string packed(ZSTD_compressBound(bytes.size()), '\0');
  const size_t size =
      ZSTD_compress(packed.data(), packed.size(), bytes.data(), bytes.size(), level);
  if (ZSTD_isError(size) != 0) return Error(std::errc::io_error, "zstd cannot compress a chunk");
  packed.resize(size);
  return packed;
}

const char* to_text(BloscCodec codec) {
  return codec == BloscCodec::zstd ? BLOSC_ZSTD_COMPNAME : BLOSC_LZ4_COMPNAME;
}

Result<std::span<const std::byte>> compress_blosc(std::span<const std::byte> bytes,
                                                  size_t item_bytes, BloscCodec codec) {
  constexpr int kLevel = 5;
  // Kept: fresh memory costs as much as packing.
  thread_local std::vector<std::byte> packed;
  if (packed.size() < bytes.size() + BLOSC_MAX_OVERHEAD)
    packed.resize(bytes.size() + BLOSC_MAX_OVERHEAD);
  const int size =
      blosc_compress_ctx(kLevel, BLOSC_SHUFFLE, item_bytes, bytes.size(), bytes.data(),
                         packed.data(), bytes.size() + BLOSC_MAX_OVERHEAD, to_text(codec), 0, 1);
  if (size <= 0) return Error(std::errc::io_error, "blosc cannot compress a chunk");
  return std::span<const std::byte>(packed).first(static_cast<size_t>(size));
}

}  // namespace tierhub::pixels
