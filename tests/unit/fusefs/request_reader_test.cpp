#include "fusefs/kernel/request_reader.h"

#include <cerrno>
#include <string>
#include <thread>

#include <fcntl.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "common/unique_fd.h"

namespace tierhub {
namespace {

using std::chrono::microseconds;

// A pipe stands for /dev/fuse: one write is one request.
class Requests {
 public:
  Requests() {
    int ends[2];
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    from_ = UniqueFd(ends[0]);
    to_ = UniqueFd(ends[1]);
  }
  int fd() const { return from_.get(); }
  void send() const { EXPECT_EQ(::write(to_.get(), "r", 1), 1); }
  void end() { to_.reset(); }
  bool blocks() const { return (::fcntl(fd(), F_GETFL) & O_NONBLOCK) == 0; }

 private:
  UniqueFd from_;
  UniqueFd to_;
};

ssize_t read_one(RequestReader& reader, const Requests& requests) {
  char request = 0;
  return reader.read(requests.fd(), &request, 1);
}

TEST(RequestReader, TakesARequestThatWaits) {
  RequestReader reader({});
  const Requests requests;
  requests.send();
  EXPECT_EQ(read_one(reader, requests), 1);
}

TEST(RequestReader, SleepsUntilARequestComes) {
  RequestReader reader({});
  const Requests requests;
  std::jthread sender([&] {
    while (reader.in_vain() == 0) std::this_thread::yield();
    requests.send();
  });
  EXPECT_EQ(read_one(reader, requests), 1);
  EXPECT_TRUE(requests.blocks());
}

TEST(RequestReader, SleepsAtOnceIfItMayNotAsk) {
  RequestReader reader({microseconds(0), 1});
  const Requests requests;
  requests.send();
  EXPECT_EQ(read_one(reader, requests), 1);
  EXPECT_EQ(reader.met(), 0u);
  EXPECT_TRUE(requests.blocks());
}

TEST(RequestReader, AsksSeldomWhereRequestsAreRare) {
  RequestReader reader({});
  Requests requests;
  constexpr unsigned kRequests = 400;
  std::jthread sender([&] {
    // Each comes when nobody asks any more.
    for (unsigned i = 0; i < kRequests; ++i) {
      while (!requests.blocks()) std::this_thread::yield();
      requests.send();
    }
  });
  for (unsigned i = 0; i < kRequests; ++i) EXPECT_EQ(read_one(reader, requests), 1);
  EXPECT_LT(reader.in_vain(), kRequests / 2);
}

TEST(RequestReader, TellsTheEnd) {
  RequestReader reader({});
  Requests requests;
  requests.end();
  EXPECT_EQ(read_one(reader, requests), 0);
}

}  // namespace
}  // namespace tierhub
