#include "fusefs/recent_listings.h"

#include <gtest/gtest.h>

namespace tierhub {
namespace {

using std::chrono::seconds;

TEST(RecentListings, KeepAListingForItsTime) {
  RecentListings listings(seconds(30));
  const auto now = SteadyClock::now();
  listings.listed(InodeNumber(5), now);
  EXPECT_TRUE(listings.recently_listed(InodeNumber(5), now));
  EXPECT_TRUE(listings.recently_listed(InodeNumber(5), now + seconds(29)));
  EXPECT_FALSE(listings.recently_listed(InodeNumber(5), now + seconds(30)));
  EXPECT_FALSE(listings.recently_listed(InodeNumber(6), now));
}

TEST(RecentListings, ForgetRatherThanGrow) {
  RecentListings listings(seconds(30));
  const auto now = SteadyClock::now();
  for (uint64_t i = 0; i <= 1 << 16; ++i) listings.listed(InodeNumber(i), now);
  EXPECT_FALSE(listings.recently_listed(InodeNumber(0), now));
  EXPECT_TRUE(listings.recently_listed(InodeNumber(1 << 16), now));
}

}  // namespace
}  // namespace tierhub
