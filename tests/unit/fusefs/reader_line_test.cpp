#include "fusefs/kernel/reader_line.h"

#include <latch>
#include <optional>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "common/unique_fd.h"

namespace tierhub {
namespace {

struct Pipe {
  Pipe() {
    int ends[2];
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    out = UniqueFd(ends[0]);
    in = UniqueFd(ends[1]);
  }
  UniqueFd out;
  UniqueFd in;
};

constexpr char kHoldUp = 'h';

// Workers that take requests, a byte each, and answer with their own number.
class Workers {
 public:
  explicit Workers(int count) {
    for (int i = 0; i < count; ++i) threads_.emplace_back([this, i] { work(i); });
  }
  ~Workers() {
    requests_.in.reset();
    for (std::thread& thread : threads_) thread.join();
  }
  void send(char request) const { EXPECT_EQ(::write(requests_.in.get(), &request, 1), 1); }
  int answer() const {
    char worker = 0;
    EXPECT_EQ(::read(answers_.out.get(), &worker, 1), 1);
    return worker;
  }
  void let_go() { held_up_.count_down(); }

 private:
  std::optional<char> take() {
    ReaderLine::Turn turn(line_, requests_.out.get());
    char request = 0;
    if (::read(requests_.out.get(), &request, 1) != 1) return std::nullopt;
    return request;
  }
  void work(int number) {
    while (const auto request = take()) {
      if (*request == kHoldUp) held_up_.wait();
      const char answer = static_cast<char>(number);
      EXPECT_EQ(::write(answers_.in.get(), &answer, 1), 1);
    }
  }

  ReaderLine line_;
  Pipe requests_;
  Pipe answers_;
  std::latch held_up_{1};
  std::vector<std::thread> threads_;
};

TEST(ReaderLine, OneWorkerTakesRequestsThatFollowEachOther) {
  constexpr int kRequests = 2000;
  const Workers workers(4);
  int changes = 0;
  int last = -1;
  for (int i = 0; i < kRequests; ++i) {
    workers.send('r');
    const int worker = workers.answer();
    changes += worker != last ? 1 : 0;
    last = worker;
  }
  // In turn, each would be answered by another.
  EXPECT_LT(changes, kRequests / 2);
}

TEST(ReaderLine, AnotherTakesTheNextRequestWhileOneIsHeldUp) {
  Workers workers(3);
  workers.send(kHoldUp);
  for (int i = 0; i < 100; ++i) {
    workers.send('r');
    workers.answer();
  }
  workers.send(kHoldUp);
  workers.send('r');
  workers.answer();
  workers.let_go();
  workers.answer();
  workers.answer();
}

TEST(ReaderLine, EndsForWorkersThatAreCancelled) {
  ReaderLine line;
  const Pipe requests;
  std::vector<pthread_t> threads(3);
  struct Shared {
    ReaderLine& line;
    int fd;
  } shared{line, requests.out.get()};
  for (pthread_t& thread : threads) {
    const auto work = [](void* argument) -> void* {
      auto& with = *static_cast<Shared*>(argument);
      for (;;) {
        const ReaderLine::Turn turn(with.line, with.fd);
        char request = 0;
        if (::read(with.fd, &request, 1) != 1) return nullptr;
      }
    };
    ASSERT_EQ(::pthread_create(&thread, nullptr, work, &shared), 0);
  }
  for (const pthread_t thread : threads) ASSERT_EQ(::pthread_cancel(thread), 0);
  for (const pthread_t thread : threads) {
    void* result = nullptr;
    ASSERT_EQ(::pthread_join(thread, &result), 0);
    EXPECT_EQ(result, PTHREAD_CANCELED);
  }
}

}  // namespace
}  // namespace tierhub
