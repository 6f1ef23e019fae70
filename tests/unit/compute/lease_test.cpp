#include "compute/executors/lease.h"

#include <chrono>

#include <fcntl.h>

#include <gtest/gtest.h>

#include "common/spawn.h"
#include "compute/executors/heartbeats.h"
#include "compute/executors/process.h"
#include "tests/support/temporary_directory.h"

namespace tierhub::compute {
namespace {
using namespace std::chrono_literals;

TEST(Beat, IsALine) {
  const std::optional<Beat> back = parse_beat("beat 7 1234");
  ASSERT_TRUE(back);
  EXPECT_EQ(back->alive, 7u);
  EXPECT_EQ(back->since, 1234ms);
  EXPECT_EQ(to_line(*back), "beat 7 1234\n");
  for (const char* other :
       {"", "beat", "beat 7", "beat 7 -1", "beat x 1", "beat 7 1 2", "bear 7 1"})
    EXPECT_FALSE(parse_beat(other)) << other;
}

TEST(Lease, LastsFromTheAliveThatABeatAnswers) {
  Lease lease(45s, 100s);
  EXPECT_FALSE(lease.is_granted());
  EXPECT_EQ(lease.next_alive(100s), 0u);
  EXPECT_EQ(lease.next_alive(105s), 1u);
  lease.renew({0, 3s});
  EXPECT_TRUE(lease.is_granted());
  EXPECT_EQ(lease.until(), 148s);
  lease.renew({1, 2s});
  EXPECT_EQ(lease.until(), 152s);
  EXPECT_FALSE(lease.is_over(152s - 1ns));
  EXPECT_TRUE(lease.is_over(152s));
}

// As they do when a network or a suspended process delivers at once what it has kept.
TEST(Lease, OldBeatsThatAreReadLateRenewNothing) {
  Lease lease(45s, 0s);
  EXPECT_EQ(lease.next_alive(0s), 0u);
  for (int second = 0; second <= 40; second += 5) lease.renew({0, std::chrono::seconds(second)});
  // Read at any time later, they are worth the same.
  EXPECT_EQ(lease.until(), 85s);
  EXPECT_TRUE(lease.is_over(3600s));
}

TEST(Lease, BeatsForWhatWasNeverSentGrantNothing) {
  Lease lease(45s, 0s);
  lease.renew({0, 0s});
  EXPECT_FALSE(lease.is_granted());
  EXPECT_EQ(lease.next_alive(0s), 0u);
  lease.renew({3, 0s});
  EXPECT_FALSE(lease.is_granted());
}

TEST(Lease, AsksNoFurtherWhileNothingIsAnswered) {
  Lease lease(45s, 0s);
  uint64_t sent = 0;
  while (lease.next_alive(0s)) ++sent;
  EXPECT_EQ(sent, 64u);
  lease.renew({63, 0s});
  EXPECT_EQ(lease.next_alive(1s), 64u);
}

TEST(LeaseMark, SaysWhichLeaseMayBeLeft) {
  TemporaryDirectory folder;
  const LeaseMark mark(folder / "leases");
  EXPECT_FALSE(mark.find(45s));
  ASSERT_TRUE(mark.set(300s));
  EXPECT_EQ(mark.find(45s), 300s);
  mark.remove();
  EXPECT_FALSE(mark.find(45s));
  const UniqueFd torn(::open((folder / "leases").c_str(), O_WRONLY | O_CREAT, 0600));
  EXPECT_EQ(mark.find(45s), 45s);
}

class HeartbeatsTest : public ::testing::Test {
 protected:
  HeartbeatsTest() {
    Pipe made = make_output_pipe().value();
    read_ = std::move(made.read);
    EXPECT_EQ(::fcntl(made.write.get(), F_SETFL, O_NONBLOCK), 0);
    beats_.add(kStep, std::move(made.write));
  }
  std::string wait_for(const std::string& what) {
    std::string text;
    for (int i = 0; i < 500 && text.find(what) == std::string::npos; ++i) {
      text += read_now(read_);
      ::poll(nullptr, 0, 10);
    }
    return text;
  }
  static constexpr pid_t kStep = 17;
  UniqueFd read_;
  Heartbeats beats_{90ms};
};

TEST_F(HeartbeatsTest, BeatsOnceTheWrapperWasHeardAndSaysHowLongThatIsAgo) {
  beats_.send(kStep, "order\n");
  EXPECT_EQ(wait_for("order\n"), "order\n");
  EXPECT_FALSE(beats_.heard_at(kStep));
  beats_.heard(kStep, 5);
  EXPECT_TRUE(beats_.heard_at(kStep));
  const std::string text = wait_for("beat 5 20");
  EXPECT_EQ(text.substr(0, 8), "beat 5 0") << text;
  EXPECT_NE(text.find("\nbeat 5 1"), std::string::npos) << text;
}

TEST_F(HeartbeatsTest, KnowsWhenTheLastBeatWent) {
  EXPECT_FALSE(beats_.remove(kStep));
  Pipe made = make_output_pipe().value();
  beats_.add(kStep, std::move(made.write));
  const auto before = SteadyClock::now();
  beats_.heard(kStep, 0);
  const auto beaten_at = beats_.remove(kStep);
  ASSERT_TRUE(beaten_at);
  EXPECT_GE(*beaten_at, before);
  EXPECT_LE(*beaten_at, SteadyClock::now());
  // Closed: no beat can come after it.
  while (made.read) {
    static_cast<void>(read_now(made.read));
    ::poll(nullptr, 0, 1);
  }
}

TEST_F(HeartbeatsTest, WritesWhatIsLongAsThereIsRoomAndNoBeatInBetween) {
  const std::string order = std::string(300'000, 'x') + "\n";
  beats_.send(kStep, order);
  beats_.heard(kStep, 0);
  std::string text;
  std::vector<pollfd> polled;
  for (int i = 0; i < 500 && text.size() < order.size(); ++i) {
    text += read_now(read_);
    beats_.write_pending();
  }
  EXPECT_EQ(text.substr(0, order.size()), order);
  beats_.add_to(polled);
  EXPECT_TRUE(polled.empty());
}

}  // namespace
}  // namespace tierhub::compute
