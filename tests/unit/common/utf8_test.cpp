#include "common/utf8.h"

#include <gtest/gtest.h>

namespace tierhub {
namespace {

TEST(Utf8, CountsTheBytesOfAValidCharacter) {
  EXPECT_EQ(utf8_length("a"), 1u);
  EXPECT_EQ(utf8_length("\u00b5m"), 2u);
  EXPECT_EQ(utf8_length("\u20ac"), 3u);
  EXPECT_EQ(utf8_length("\U0001F52C"), 4u);
}

TEST(Utf8, RefusesWhatIsCutShortOverlongOrNoCharacter) {
  for (const char* bytes : {"\x80", "\xC3", "\xC0\x80", "\xE0\x80\x80", "\xED\xA0\x80",
                            "\xF0\x80\x80\x80", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xE2\x82"})
    EXPECT_EQ(utf8_length(bytes), 0u) << bytes;
}

}  // namespace
}  // namespace tierhub
