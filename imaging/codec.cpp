#include "imaging/codec.h"

#include <cstring>

#include <blosc.h>
#include <fmt/format.h>
#include <zlib.h>
#include <zstd.h>

namespace tierhub::imaging {
namespace {

Error damaged(std::string_view why) {
  return Error(std::errc::io_error, fmt::format("the chunk is truncated or damaged ({})", why));
}

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
  const size_t got = ZSTD_decompress(out.data(), out.size(), packed.data(), packed.size());
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

}  // namespace

Result<void> decompress(formats::Codec codec, std::span<const std::byte> packed,
                        std::span<std::byte> out) {
  switch (codec) {
    case formats::Codec::none:
      return copy(packed, out);
    case formats::Codec::zlib:
    case formats::Codec::gzip:
      return inflate_all(packed, out);
    case formats::Codec::zstd:
      return unpack_zstd(packed, out);
    case formats::Codec::blosc:
      return unpack_blosc(packed, out);
    case formats::Codec::other:
      break;
  }
  return Error(std::errc::not_supported, "the compressor is not supported");
}

Result<std::string> compress_blosc(std::span<const std::byte> bytes, size_t item_bytes) {
  constexpr int kLevel = 5;
  std::string packed(bytes.size() + BLOSC_MAX_OVERHEAD, '\0');
  const int size = blosc_compress_ctx(kLevel, BLOSC_SHUFFLE, item_bytes, bytes.size(), bytes.data(),
                                      packed.data(), packed.size(), BLOSC_ZSTD_COMPNAME, 0, 1);
  if (size <= 0) return Error(std::errc::io_error, "blosc cannot compress a chunk");
  packed.resize(static_cast<size_t>(size));
  return packed;
}

}  // namespace tierhub::imaging
