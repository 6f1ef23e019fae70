#include "common/bytes.h"

#include <gtest/gtest.h>

namespace tierhub {
namespace {

TEST(ByteWriter, WritesBigEndian) {
  ByteWriter out;
  out.u8(1).u16(0x0203).u32(0x04050607).u64(0x08090a0b0c0d0e0f);
  EXPECT_EQ(out.bytes(), "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f");
}

TEST(ByteWriter, PutsTheLengthBeforeAText) {
  EXPECT_EQ(ByteWriter().text("ab").raw("cd").take(), std::string("\0\0\0\2abcd", 8));
}

TEST(ByteReader, ReadsWhatWasWritten) {
  const std::string bytes = ByteWriter()
                                .u8(200)
                                .u16(60000)
                                .u32(1U << 31)
                                .u64(~0ULL)
                                .i64(-5)
                                .flag(true)
                                .text(std::string("a\0b", 3))
                                .raw("rest")
                                .take();
  ByteReader in(bytes);
  EXPECT_EQ(in.u8(), 200);
  EXPECT_EQ(in.u16(), 60000);
  EXPECT_EQ(in.u32(), 1U << 31);
  EXPECT_EQ(in.u64(), ~0ULL);
  EXPECT_EQ(in.i64(), -5);
  EXPECT_TRUE(in.flag());
  EXPECT_EQ(in.text(), std::string("a\0b", 3));
  EXPECT_TRUE(in.ok());
  EXPECT_FALSE(in.complete()) << "four bytes are left";
  EXPECT_EQ(in.raw(4), "rest");
  EXPECT_TRUE(in.complete());
}

TEST(ByteReader, ReadsZerosPastTheEndAndRemembers) {
  ByteReader in("\x01\x02\x03");
  EXPECT_EQ(in.u32(), 0U);
  EXPECT_FALSE(in.ok());
  EXPECT_EQ(in.u8(), 0) << "nothing is read after a failure";
  EXPECT_EQ(in.text(), "");
  EXPECT_FALSE(in.complete());
}

TEST(ByteReader, RefusesATextThatIsLongerThanWhatIsThere) {
  ByteReader in(
      std::string_view("\xff\xff\xff\xff"
                       "ab",
                       6));
  EXPECT_EQ(in.text(), "");
  EXPECT_FALSE(in.ok());
}

}  // namespace
}  // namespace tierhub
