#include "storage/copy/ring.h"

#include <numeric>
#include <string>
#include <thread>

#include <fcntl.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "common/posix.h"
#include "tests/support/temporary_directory.h"

namespace tierhub {
namespace {

class RingTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto made = Ring::make({.entries = 4, .workers = 8});
    ASSERT_TRUE(made) << made.error().text();
    ring_ = *std::move(made);
  }

  void wait_until(const bool& done) {
    while (!done) ASSERT_TRUE(ring_->wait());
  }

  TemporaryDirectory folder_;
  std::unique_ptr<Ring> ring_;
};

TEST_F(RingTest, OpensWritesReadsAndCloses) {
  const auto folder = posix::open_at(AT_FDCWD, folder_.path(), O_RDONLY | O_DIRECTORY);
  ASSERT_TRUE(folder);
  open_how how{};
  how.flags = O_RDWR | O_CREAT | O_CLOEXEC;
  how.mode = 0600;
  const std::string text = "hello";
  std::string read(8, '\0');
  struct statx found {};
  bool done = false;
  ring_->open(folder->get(), "file", &how, [&](int32_t fd) {
    ASSERT_GE(fd, 0);
    ring_->write(fd, std::as_bytes(std::span(text)), 3, [&, fd](int32_t written) {
      EXPECT_EQ(written, 5);
      ring_->read(fd, std::as_writable_bytes(std::span(read)), 0, [&, fd](int32_t n) {
        EXPECT_EQ(n, 8);
        ring_->stat(fd, Freshness::exact, &found, [&, fd](int32_t rc) {
          EXPECT_EQ(rc, 0);
          ring_->close(fd, [&](int32_t closed) {
            EXPECT_EQ(closed, 0);
            done = true;
          });
        });
      });
    });
  });
  wait_until(done);
  EXPECT_EQ(read, std::string("\0\0\0hello", 8));
  EXPECT_EQ(found.stx_size, 8U);
}

TEST_F(RingTest, TakesMoreOperationsThanItHasEntries) {
  constexpr size_t kOperations = 1'000;
  const auto fd = posix::open_at(AT_FDCWD, folder_ / "file", O_RDWR | O_CREAT, 0600);
  ASSERT_TRUE(fd);
  std::vector<unsigned char> bytes(kOperations);
  std::iota(bytes.begin(), bytes.end(), 0);
  size_t completed = 0;
  bool done = false;
  for (size_t i = 0; i < kOperations; ++i) {
    ring_->write(fd->get(), std::as_bytes(std::span(bytes)).subspan(i, 1), i, [&](int32_t n) {
      EXPECT_EQ(n, 1);
      done = ++completed == kOperations;
    });
  }
  wait_until(done);
  const auto text = posix::read_file(folder_ / "file");
  ASSERT_TRUE(text);
  EXPECT_EQ(*text, std::string(bytes.begin(), bytes.end()));
}

TEST_F(RingTest, GivesErrorsAsNegativeErrno) {
  std::byte byte{};
  int32_t result = 0;
  bool done = false;
  ring_->read(-1, std::span(&byte, 1), 0, [&](int32_t n) {
    result = n;
    done = true;
  });
  wait_until(done);
  EXPECT_EQ(result, -EBADF);
}

TEST_F(RingTest, StopsWaitingWhenAnotherThreadWakesIt) {
  for (int i = 0; i < 10; ++i) {
    std::jthread other([&] { ring_->wake(); });
    EXPECT_TRUE(ring_->wait());
  }
}

}  // namespace
}  // namespace tierhub
