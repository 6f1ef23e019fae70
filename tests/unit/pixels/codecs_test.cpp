#include "pixels/codecs.h"

#include <cmath>
#include <cstring>

#include <gtest/gtest.h>

#include "formats/crc32c.h"
#include "pixels/decode.h"

namespace tierhub::pixels {
namespace {

using formats::Codec;

TEST(Crc32c, IsThatOfTheStandard) {
  EXPECT_EQ(formats::crc32c(std::as_bytes(std::span("123456789", 9))), 0xE3069283u);
  EXPECT_EQ(formats::crc32c({}), 0u);
}

TEST(Codecs, AWrongChecksumIsAnError) {
  std::string bytes = "some voxels";
  const uint32_t crc = formats::crc32c(std::as_bytes(std::span(bytes)));
  bytes.append(reinterpret_cast<const char*>(&crc), sizeof crc);
  std::vector<std::byte> out(11);
  EXPECT_TRUE(undo_codecs({{Codec::Kind::crc32c, 1}}, std::as_bytes(std::span(bytes)), out));
  bytes[3] ^= 1;
  EXPECT_FALSE(undo_codecs({{Codec::Kind::crc32c, 1}}, std::as_bytes(std::span(bytes)), out));
}

TEST(Codecs, UndoShuffleAfterACompressor) {
  const std::string shuffled =
      "ace"
      "bdf"
      "x";  // two bytes a number, one byte left over
  std::vector<std::byte> out(7);
  ASSERT_TRUE(undo_codecs({{Codec::Kind::shuffle, 2}}, std::as_bytes(std::span(shuffled)), out));
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(out.data()), out.size()), "abcdefx");
}

// Against the compiler's own half floats.
TEST(Halves, AllOfThemHaveTheirValue) {
  std::vector<std::byte> halves(2 * 65536), floats(4 * 65536);
  for (uint32_t i = 0; i < 65536; ++i) {
    const auto half = static_cast<uint16_t>(i);
    std::memcpy(&halves[2 * i], &half, sizeof half);
  }
  widen_halves(halves, floats);
  for (uint32_t i = 0; i < 65536; ++i) {
    const auto bits = static_cast<uint16_t>(i);
    const double sign = (bits >> 15) != 0 ? -1 : 1;
    const int exponent = (bits >> 10) & 31;
    const double fraction = (bits & 1023) / 1024.0;
    const double expected = exponent == 0    ? sign * std::ldexp(fraction, -14)
                            : exponent == 31 ? sign * (fraction == 0 ? INFINITY : NAN)
                                             : sign * std::ldexp(1 + fraction, exponent - 15);
    float value = 0;
    std::memcpy(&value, &floats[4 * i], sizeof value);
    if (std::isnan(expected)) {
      EXPECT_TRUE(std::isnan(value)) << i;
    } else {
      EXPECT_EQ(value, expected) << i;
    }
  }
}

TEST(Codecs, WholeFramesAreToldByTheirHeadAndEnd) {
  const std::string text(10'000, 'x');
  const auto bytes = [](const std::string& of) { return std::as_bytes(std::span(of)); };
  const std::string zstd = compress_zstd(bytes(text), 1).value();
  EXPECT_EQ(content_encoding_of(bytes(zstd), text.size()), "zstd");
  EXPECT_EQ(content_encoding_of(bytes(zstd), text.size() + 1), "");
  EXPECT_EQ(content_encoding_of(bytes(zstd + "x"), text.size()), "");
  EXPECT_EQ(content_encoding_of(bytes(zstd + zstd), 2 * text.size()), "");
  for (size_t end = 0; end < zstd.size(); ++end)
    EXPECT_EQ(content_encoding_of(bytes(zstd.substr(0, end)), text.size()), "") << end;
  std::string gzip("\x1f\x8b\x08\0\0\0\0\0\0\0", 10);
  gzip += std::string(8, 'd') + std::string("\x10\x27\0\0", 4);
  EXPECT_EQ(content_encoding_of(bytes(gzip), 10'000), "gzip");
  EXPECT_EQ(content_encoding_of(bytes(gzip), 9'999), "");
  EXPECT_EQ(content_encoding_of(bytes("\x78\x9c and more than eighteen bytes"), 10'000), "")
      << "a zlib stream has neither";
}

}  // namespace
}  // namespace tierhub::pixels
