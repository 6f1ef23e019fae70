// Checksums and name hashes are on disk: these values never change. They are those of the reference
// implementation (xxhsum -H2 and -H3).
#include "common/hash.h"

#include <gtest/gtest.h>

namespace tierhub {
namespace {

std::string hex_of(std::string_view text) {
  return checksum(std::as_bytes(std::span(text.data(), text.size()))).hex();
}

TEST(Checksum, IsXxh3With128Bits) {
  EXPECT_EQ(hex_of(""), "99aa06d3014798d86001c324468d497f");
  EXPECT_EQ(hex_of("a"), "a96faf705af16834e6c632b61e964e1f");
  EXPECT_EQ(hex_of(std::string(4 << 20, '\0')), "34001ae2f947e773165f453a5f35c459");
}

TEST(Checksum, TellsNearlyEqualBytesApart) {
  std::string text(100'000, 'x');
  const std::string before = hex_of(text);
  text[50'000] = 'y';
  EXPECT_NE(hex_of(text), before);
}

TEST(NameHash, IsTheUpper63BitsOfXxh3) {
  EXPECT_EQ(name_hash("a"), 0xe6c632b61e964e1fULL >> 1);
  EXPECT_EQ(name_hash("scan.ome.zarr"), 0xd8f078ffea1c1223ULL >> 1);
}

TEST(NameHash, FitsAPositiveCookieAboveThoseOfDots) {
  for (int i = 0; i < 10'000; ++i) {
    const uint64_t hash = name_hash(std::to_string(i));
    EXPECT_GT(hash, 2U);
    EXPECT_LT(hash, 1ULL << 63);
  }
}

}  // namespace
}  // namespace tierhub
