#include "fusefs/kernel/negotiation.h"

#include <cstring>
#include <vector>

#include <gtest/gtest.h>

namespace tierhub {
namespace {

// Every flag that a kernel could offer.
constexpr uint32_t kAllFlags = 0xffffffff;

std::vector<std::byte> init_request(uint64_t unique, uint32_t flags, uint32_t flags2) {
  fuse_in_header header{};
  header.opcode = FUSE_INIT;
  header.unique = unique;
  fuse_init_in init{};
  init.major = 7;
  init.minor = 44;
  init.flags = flags;
  init.flags2 = flags2;
  header.len = sizeof header + sizeof init;
  std::vector<std::byte> bytes(header.len);
  std::memcpy(bytes.data(), &header, sizeof header);
  std::memcpy(bytes.data() + sizeof header, &init, sizeof init);
  return bytes;
}

// As libfuse 3.14 writes it.
std::vector<std::byte> libfuse_reply() {
  fuse_init_out reply{};
  reply.major = 7;
  reply.minor = 38;
  reply.max_readahead = 131072;
  reply.flags = FUSE_ASYNC_READ | FUSE_ATOMIC_O_TRUNC | FUSE_MAX_PAGES;
  reply.max_background = 128;
  reply.congestion_threshold = 96;
  reply.max_write = 1 << 20;
  reply.time_gran = 1;
  reply.max_pages = 256;
  std::vector<std::byte> bytes(sizeof reply);
  std::memcpy(bytes.data(), &reply, sizeof reply);
  return bytes;
}

std::vector<uint32_t> words(const fuse_abi::InitReply& reply) {
  std::vector<uint32_t> out(sizeof reply / sizeof(uint32_t));
  std::memcpy(out.data(), &reply, sizeof reply);
  return out;
}

TEST(Negotiation, ReadsTheOfferOfAnInitRequest) {
  const auto offer = parse_init_request(init_request(77, 1u << 30 | 5, 1u << 5));
  ASSERT_TRUE(offer);
  EXPECT_EQ(offer->unique, 77u);
  EXPECT_EQ(offer->flags, 1u << 30 | 5);
  EXPECT_TRUE(offer->passthrough());
}

TEST(Negotiation, IgnoresTheSecondFlagsOfAKernelThatDoesNotExtendInit) {
  const auto offer = parse_init_request(init_request(1, 5, 1u << 5));
  ASSERT_TRUE(offer);
  EXPECT_EQ(offer->flags2, 0u);
  EXPECT_FALSE(offer->passthrough());
}

TEST(Negotiation, ReadsTheShortInitOfAnOldKernel) {
  auto request = init_request(1, 5, 0);
  request.resize(sizeof(fuse_in_header) + 16);
  const auto offer = parse_init_request(request);
  ASSERT_TRUE(offer);
  EXPECT_EQ(offer->flags, 5u);
  EXPECT_EQ(offer->flags2, 0u);
}

TEST(Negotiation, TakesNoOtherRequestForAnInit) {
  auto request = init_request(1, 5, 0);
  fuse_in_header header;
  std::memcpy(&header, request.data(), sizeof header);
  header.opcode = FUSE_LOOKUP;
  std::memcpy(request.data(), &header, sizeof header);
  EXPECT_FALSE(parse_init_request(request));
  EXPECT_FALSE(parse_init_request({request.data(), 8}));
  EXPECT_FALSE(parse_init_request({}));
}

TEST(Negotiation, AddsExactlyTheBitsThatAreWanted) {
  const KernelOffer offer{1, kAllFlags, kAllFlags};
  const auto before = libfuse_reply();
  const auto after = words(extend_init_reply(before, offer, UsePassthrough::yes));
  std::vector<uint32_t> expected(16);
  std::memcpy(expected.data(), before.data(), 64);
  expected[3] |= 1u << 18 | 1u << 28 | 1u << 30;  // flags
  expected[8] = 1u << 4 | 1u << 5;                // flags2
  expected[9] = 1;                                // max_stack_depth
  EXPECT_EQ(after, expected);
}

TEST(Negotiation, NeverAsksForPosixAclOrTheWritebackCache) {
  const auto reply =
      extend_init_reply(libfuse_reply(), {1, kAllFlags, kAllFlags}, UsePassthrough::yes);
  EXPECT_EQ(reply.flags & FUSE_POSIX_ACL, 0u);
  EXPECT_EQ(reply.flags & FUSE_WRITEBACK_CACHE, 0u);
}

TEST(Negotiation, AsksForNothingThatTheKernelDoesNotOffer) {
  const auto before = libfuse_reply();
  const auto after = words(extend_init_reply(before, {1, 0, 0}, UsePassthrough::yes));
  std::vector<uint32_t> expected(16);
  std::memcpy(expected.data(), before.data(), 64);
  EXPECT_EQ(after, expected);
}

TEST(Negotiation, LeavesPassthroughOutWhenItIsTurnedOff) {
  const auto reply =
      extend_init_reply(libfuse_reply(), {1, kAllFlags, kAllFlags}, UsePassthrough::no);
  EXPECT_EQ(reply.flags2, 1u << 4);
  EXPECT_EQ(reply.max_stack_depth, 0u);
}

TEST(Negotiation, FillsUpAShortReply) {
  auto body = libfuse_reply();
  body.resize(24);
  const auto reply = extend_init_reply(body, {1, kAllFlags, kAllFlags}, UsePassthrough::yes);
  EXPECT_EQ(reply.max_write, 1u << 20);
  EXPECT_EQ(reply.max_pages, 0u);
  EXPECT_EQ(reply.max_stack_depth, 1u);
}

}  // namespace
}  // namespace tierhub
