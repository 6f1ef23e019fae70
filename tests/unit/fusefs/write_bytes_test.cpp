#include "fusefs/kernel/write_bytes.h"

#include <string>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "common/posix.h"
#include "common/unique_fd.h"

namespace tierhub {
namespace {

std::string content(int fd) {
  std::string text(64, '\0');
  const ssize_t got = ::pread(fd, text.data(), text.size(), 0);
  text.resize(got > 0 ? static_cast<size_t>(got) : 0);
  return text;
}

// A request as libfuse hands it on, its bytes in memory.
struct MemoryRequest {
  explicit MemoryRequest(std::string text) : bytes(std::move(text)) {
    buffer = FUSE_BUFVEC_INIT(bytes.size());
    buffer.buf[0].mem = bytes.data();
  }
  std::string bytes;
  fuse_bufvec buffer;
};

// The same with its bytes in a pipe.
struct PipeRequest {
  explicit PipeRequest(const std::string& text) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) == 0) {
      from = UniqueFd(ends[0]);
      to = UniqueFd(ends[1]);
      EXPECT_TRUE(posix::write_all(to.get(), text));
    }
    buffer = FUSE_BUFVEC_INIT(text.size());
    buffer.buf[0].flags = FUSE_BUF_IS_FD;
    buffer.buf[0].fd = from.get();
  }
  UniqueFd from;
  UniqueFd to;
  fuse_bufvec buffer;
};

class WriteBytesTest : public testing::Test {
 protected:
  UniqueFd file{::memfd_create("object", MFD_CLOEXEC)};
};

TEST_F(WriteBytesTest, WritesFromMemoryAtTheOffset) {
  MemoryRequest request("hello");
  WriteBytes bytes(request.buffer);
  EXPECT_EQ(bytes.size_bytes(), 5u);
  EXPECT_EQ(bytes.copy_to(file.get(), 3).value(), 5u);
  EXPECT_EQ(content(file.get()), std::string("\0\0\0hello", 8));
}

TEST_F(WriteBytesTest, WritesFromAPipe) {
  PipeRequest request("hello");
  WriteBytes bytes(request.buffer);
  EXPECT_EQ(bytes.size_bytes(), 5u);
  EXPECT_EQ(bytes.copy_to(file.get(), 0).value(), 5u);
  EXPECT_EQ(content(file.get()), "hello");
}

TEST_F(WriteBytesTest, KeepsDetachedBytesBeyondTheRequest) {
  auto request = std::make_unique<MemoryRequest>("hello");
  WriteBytes bytes(request->buffer);
  ASSERT_TRUE(bytes.detach());
  bytes.end_request();
  request.reset();
  EXPECT_EQ(bytes.copy_to(file.get(), 0).value(), 5u);
  EXPECT_EQ(content(file.get()), "hello");
}

TEST_F(WriteBytesTest, DetachesFromAPipeOnce) {
  PipeRequest request("hello");
  WriteBytes bytes(request.buffer);
  ASSERT_TRUE(bytes.detach());
  ASSERT_TRUE(bytes.detach());
  EXPECT_EQ(bytes.copy_to(file.get(), 0).value(), 5u);
  EXPECT_EQ(bytes.copy_to(file.get(), 5).value(), 5u);
  EXPECT_EQ(content(file.get()), "hellohello");
}

TEST_F(WriteBytesTest, FailsWhenItsRequestHasEnded) {
  MemoryRequest request("hello");
  WriteBytes bytes(request.buffer);
  bytes.end_request();
  EXPECT_FALSE(bytes.copy_to(file.get(), 0));
  EXPECT_FALSE(bytes.detach());
  EXPECT_EQ(content(file.get()), "");
}

TEST_F(WriteBytesTest, SaysWhyAWriteFailed) {
  MemoryRequest request("hello");
  WriteBytes bytes(request.buffer);
  const UniqueFd read_only(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const auto written = bytes.copy_to(read_only.get(), 0);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().errno_value(), EBADF);
}

}  // namespace
}  // namespace tierhub
