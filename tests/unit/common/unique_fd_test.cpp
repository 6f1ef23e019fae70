#include "common/unique_fd.h"

#include <fcntl.h>

#include <gtest/gtest.h>

namespace tierhub {
namespace {

UniqueFd open_null() { return UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC)); }
bool is_open(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }

TEST(UniqueFd, ClosesWhatItOwnsOnce) {
  int number = -1;
  {
    UniqueFd first = open_null();
    number = first.get();
    const UniqueFd second = std::move(first);
    EXPECT_TRUE(is_open(number));
    EXPECT_EQ(second.get(), number);
  }
  EXPECT_FALSE(is_open(number));
}

TEST(UniqueFd, AssignmentClosesTheOldOne) {
  UniqueFd fd = open_null();
  const int old = fd.get();
  UniqueFd other = open_null();
  const int kept = other.get();
  fd = std::move(other);
  EXPECT_FALSE(is_open(old));
  EXPECT_TRUE(is_open(kept));
  EXPECT_EQ(fd.get(), kept);
}

TEST(UniqueFd, ReleaseGivesItAway) {
  UniqueFd fd = open_null();
  const int number = fd.release();
  EXPECT_FALSE(fd.valid());
  EXPECT_TRUE(is_open(number));
  ::close(number);
}

}  // namespace
}  // namespace tierhub
