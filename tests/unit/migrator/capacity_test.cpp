// How much of scratch is used, with a file system and objects made of numbers.
#include "migrator/evict/capacity.h"

#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tierhub::capacity_test {
namespace {

constexpr uint64_t kMiB = 1 << 20;
const InodeNumber kFile{20};

class CapacityNumbers : public ::testing::Test {
 protected:
  // 100 MiB, of which 10 are the reserve: 90 may be used.
  std::unique_ptr<Capacity> make(bool own_file_system) {
    Capacity::Options options;
    options.capacity_bytes = 100 * kMiB;
    options.reserve_bytes = 10 * kMiB;
    options.write_wait_s = write_wait_s_;
    Capacity::Source source;
    source.own_file_system = own_file_system;
    source.space = [this]() -> Result<Scratch::Space> {
      ++polls_;
      const uint64_t free_bytes = total_ - foreign_ - objects();
      return Scratch::Space{total_, free_bytes, free_bytes};
    };
    source.occupied_bytes = [this](InodeNumber inode) -> Result<uint64_t> {
      ++looks_;
      return objects_[inode];
    };
    source.count = [this]() -> Result<uint64_t> {
      ++counts_;
      return objects();
    };
    source.is_writing = [this](InodeNumber) -> Result<bool> { return writing_; };
    auto capacity = std::make_unique<Capacity>(std::move(source), options);
    capacity->wake_evictor = [this] { ++wakes_; };
    capacity->nothing_to_come = [this] { return nothing_to_come_; };
    EXPECT_TRUE(capacity->begin());
    return capacity;
  }
  uint64_t objects() const {
    uint64_t total = 0;
    for (const auto& [inode, bytes] : objects_) total += bytes;
    return total;
  }

  uint64_t total_ = 1000 * kMiB;
  uint64_t foreign_ = 0;
  std::map<InodeNumber, uint64_t> objects_;
  bool writing_ = true;
  double write_wait_s_ = 0;
  int polls_ = 0;
  int looks_ = 0;
  int counts_ = 0;
  int wakes_ = 0;
  RoomQueue::NothingToCome nothing_to_come_ = RoomQueue::kNever;
};

TEST_F(CapacityNumbers, OfAFileSystemOfItsOwnComeFromItAlone) {
  objects_[kFile] = 30 * kMiB;
  const auto capacity = make(true);
  EXPECT_EQ(capacity->used_bytes(), 30 * kMiB);
  objects_[kFile] = 60 * kMiB;  // a passthrough writer
  ASSERT_TRUE(capacity->poll());
  EXPECT_EQ(capacity->used_bytes(), 60 * kMiB);
  EXPECT_EQ(counts_, 0) << "no walk over the objects";
  EXPECT_EQ(looks_, 0);
}

TEST_F(CapacityNumbers, SeeAPassthroughWriterAtTheNextPollWithoutAWalk) {
  const auto capacity = make(false);
  const int counts = counts_;
  capacity->watch(kFile);
  objects_[kFile] = 60 * kMiB;
  objects_[InodeNumber{21}] = 7 * kMiB;  // nobody watches it
  ASSERT_TRUE(capacity->poll());
  EXPECT_EQ(capacity->used_bytes(), 60 * kMiB);
  EXPECT_EQ(counts_, counts);
  ASSERT_TRUE(capacity->recount());
  EXPECT_EQ(capacity->used_bytes(), 67 * kMiB) << "a walk corrects what nobody told";
}

TEST_F(CapacityNumbers, KeepWhatAWriterLeftAndLookNoMore) {
  const auto capacity = make(false);
  capacity->watch(kFile);
  objects_[kFile] = 5 * kMiB;
  writing_ = false;
  ASSERT_TRUE(capacity->poll());
  const int looks = looks_;
  ASSERT_TRUE(capacity->poll());
  EXPECT_EQ(looks_, looks);
  EXPECT_EQ(capacity->used_bytes(), 5 * kMiB);
  capacity->removed(kFile, 5 * kMiB);
  EXPECT_EQ(capacity->used_bytes(), 0u);
}

TEST_F(CapacityNumbers, LookSeldomAtWhatDoesNotGrowAndAtOnceWhenItIsUsed) {
  constexpr int kPolls = 100;
  const auto capacity = make(false);
  capacity->watch(kFile);
  const int before = looks_;
  for (int i = 0; i < kPolls; ++i) ASSERT_TRUE(capacity->poll());
  EXPECT_LT(looks_ - before, kPolls / 5);
  EXPECT_GT(looks_ - before, kPolls / 15) << "a writer that the daemon does not see may go on";

  objects_[kFile] = 60 * kMiB;
  capacity->watch(kFile);
  ASSERT_TRUE(capacity->poll());
  EXPECT_EQ(capacity->used_bytes(), 60 * kMiB) << "somebody opened it";
  for (int i = 1; i <= 5; ++i) {
    objects_[kFile] += kMiB;
    ASSERT_TRUE(capacity->poll());
    EXPECT_EQ(capacity->used_bytes(), objects_[kFile]) << "it is growing";
  }

  for (int i = 0; i < kPolls; ++i) ASSERT_TRUE(capacity->poll());
  ASSERT_TRUE(capacity->try_reserve(2 * kMiB));
  objects_[kFile] += 2 * kMiB;
  capacity->settle(kFile, 2 * kMiB, 2 * kMiB);
  ASSERT_TRUE(capacity->poll());
  EXPECT_EQ(capacity->used_bytes(), objects_[kFile]) << "counted once";
}

TEST_F(CapacityNumbers, CountWhatIsReservedBeforeItIsWrittenAndOnceAfterwards) {
  for (const bool own : {true, false}) {
    objects_.clear();
    const auto capacity = make(own);
    ASSERT_TRUE(capacity->try_reserve(8 * kMiB));
    EXPECT_EQ(capacity->used_bytes(), 8 * kMiB);
    ASSERT_TRUE(capacity->poll());
    EXPECT_EQ(capacity->used_bytes(), 8 * kMiB) << "a poll forgets no reservation";
    objects_[kFile] = 4 * kMiB;
    capacity->settle(kFile, 8 * kMiB, 4 * kMiB);
    EXPECT_EQ(capacity->used_bytes(), 4 * kMiB);
    ASSERT_TRUE(capacity->poll());
    EXPECT_EQ(capacity->used_bytes(), 4 * kMiB) << "own file system: " << own;
  }
}

TEST_F(CapacityNumbers, RefuseWhatWouldTouchTheReserveAndAskForEviction) {
  objects_[kFile] = 85 * kMiB;
  const auto capacity = make(true);
  EXPECT_TRUE(capacity->has_room(5 * kMiB));
  EXPECT_FALSE(capacity->try_reserve(6 * kMiB));
  EXPECT_EQ(wakes_, 1);
  EXPECT_EQ(capacity->used_bytes(), 85 * kMiB) << "nothing stays reserved";
  EXPECT_TRUE(capacity->above_high_mark());
  // 80 % of 90 is the low mark.
  EXPECT_EQ(capacity->pass_begins().wanted_bytes, 13 * kMiB);
}

// Below the low mark too: else whoever asks for much would wait for ever.
TEST_F(CapacityNumbers, AreFullOnceTheLargestWriteMayBeRefused) {
  objects_[kFile] = 89 * kMiB;
  const auto capacity = make(true);
  EXPECT_FALSE(capacity->marks().full);
  objects_[kFile] += 4096;
  ASSERT_TRUE(capacity->poll());
  EXPECT_TRUE(capacity->marks().full);
  foreign_ = 905 * kMiB;
  objects_[kFile] = kMiB;
  ASSERT_TRUE(capacity->poll());
  EXPECT_TRUE(capacity->marks().full) << "others left none";
}

TEST_F(CapacityNumbers, HaveAPassMakeRoomForWhatWasAskedFor) {
  objects_[kFile] = 70 * kMiB;
  const auto capacity = make(true);
  EXPECT_FALSE(capacity->above_high_mark());
  EXPECT_FALSE(capacity->try_reserve(32 * kMiB));
  EXPECT_EQ(capacity->pass_begins().wanted_bytes, 12 * kMiB);
  capacity->pass_ended();
  EXPECT_EQ(capacity->pass_begins().wanted_bytes, 0u) << "asked for once";
}

TEST_F(CapacityNumbers, LeaveToOthersWhatTheyUseOfTheFileSystem) {
  total_ = 120 * kMiB;
  foreign_ = 80 * kMiB;
  const auto capacity = make(false);
  EXPECT_EQ(capacity->limit_bytes(), 30 * kMiB);
}

TEST_F(CapacityNumbers, AnswerAWriterWhenAWholePassMadeNoRoom) {
  objects_[kFile] = 90 * kMiB;
  const auto capacity = make(true);
  capacity->pass_begins();  // under way: it may have looked away already
  std::optional<Result<void>> answer;
  ASSERT_FALSE(capacity->try_reserve(kMiB));
  capacity->wait_for_room(kMiB, 0, [&](Result<void> room) { answer = room; });
  EXPECT_FALSE(answer);
  capacity->pass_ended();
  capacity->pass_begins();
  capacity->pass_ended();
  ASSERT_TRUE(answer);
  ASSERT_FALSE(*answer);
  EXPECT_TRUE(answer->error().is(std::errc::no_space_on_device));
}

TEST_F(CapacityNumbers, LetAWriterGoOnAsSoonAsThereIsRoom) {
  objects_[kFile] = 90 * kMiB;
  const auto capacity = make(true);
  std::optional<Result<void>> answer;
  capacity->wait_for_room(kMiB, 0, [&](Result<void> room) { answer = room; });
  objects_[kFile] = 80 * kMiB;
  ASSERT_TRUE(capacity->poll());
  ASSERT_TRUE(answer);
  EXPECT_TRUE(*answer);
  EXPECT_EQ(capacity->used_bytes(), 81 * kMiB) << "it is reserved";
}

// A writer that waits in full scratch, and what became of it.
class WaitingWriter : public CapacityNumbers {
 protected:
  WaitingWriter() {
    write_wait_s_ = 3600;
    nothing_to_come_.reset();
    objects_[kFile] = 90 * kMiB;
    capacity_ = make(true);
  }
  void wait(uint64_t bytes, uint64_t request = 0) {
    capacity_->wait_for_room(bytes, request,
                             [this](Result<void> room) { answers_.push_back(std::move(room)); });
  }
  void pass() {
    capacity_->pass_begins();
    capacity_->pass_ended();
  }
  std::unique_ptr<Capacity> capacity_;
  std::vector<Result<void>> answers_;
};

TEST_F(WaitingWriter, WaitsOnWhilePublishingMayMakeRoom) {
  wait(kMiB);
  EXPECT_TRUE(capacity_->is_short());
  for (int i = 0; i < 10; ++i) pass();
  EXPECT_EQ(answers_.size(), 0u);
  EXPECT_EQ(capacity_->waiting().writers, 1u);
  objects_[kFile] = 70 * kMiB;
  ASSERT_TRUE(capacity_->poll());
  ASSERT_EQ(answers_.size(), 1u);
  EXPECT_TRUE(answers_[0]);
  EXPECT_FALSE(capacity_->is_short());
}

// What was published last can be evicted by a pass that begins afterwards.
TEST_F(WaitingWriter, IsRefusedByTheFirstPassThatBeganAfterPublishingHadNothingLeft) {
  wait(kMiB);
  capacity_->pass_begins();
  nothing_to_come_ = SteadyClock::now();
  capacity_->pass_ended();
  EXPECT_EQ(answers_.size(), 0u);
  pass();
  ASSERT_EQ(answers_.size(), 1u);
  EXPECT_TRUE(answers_[0].error().is(std::errc::no_space_on_device));
}

TEST_F(WaitingWriter, IsNotRefusedForWhatWasKnownBeforeItCame) {
  nothing_to_come_ = SteadyClock::now() - std::chrono::seconds(1);
  wait(kMiB);
  pass();
  pass();
  EXPECT_EQ(answers_.size(), 0u);
}

TEST_F(WaitingWriter, IsRefusedByTheNextPassWhenTheArchiveTakesNothing) {
  wait(kMiB);
  pass();
  EXPECT_EQ(answers_.size(), 0u);
  nothing_to_come_ = RoomQueue::kNever;
  pass();
  ASSERT_EQ(answers_.size(), 1u);
  EXPECT_TRUE(answers_[0].error().is(std::errc::no_space_on_device));
}

TEST_F(WaitingWriter, IsNotOvertaken) {
  wait(20 * kMiB);
  objects_[kFile] = 80 * kMiB;
  ASSERT_TRUE(capacity_->poll());
  EXPECT_FALSE(capacity_->try_reserve_in_turn(kMiB)) << "there is room, and somebody waits";
  objects_[kFile] = 60 * kMiB;
  ASSERT_TRUE(capacity_->poll());
  EXPECT_EQ(answers_.size(), 1u);
  EXPECT_TRUE(capacity_->try_reserve_in_turn(kMiB));
}

TEST_F(WaitingWriter, IsInterruptedAlsoIfThatCameFirst) {
  wait(kMiB, 7);
  capacity_->interrupt(7);
  ASSERT_EQ(answers_.size(), 1u);
  EXPECT_TRUE(answers_[0].error().is(std::errc::interrupted));
  capacity_->interrupt(8);
  wait(kMiB, 9);
  EXPECT_EQ(answers_.size(), 1u);
  wait(kMiB, 8);
  ASSERT_EQ(answers_.size(), 2u);
  EXPECT_TRUE(answers_[1].error().is(std::errc::interrupted));
}

TEST_F(WaitingWriter, IsRefusedWhenTierdEnds) {
  wait(kMiB);
  capacity_->wait_no_more();
  EXPECT_EQ(answers_.size(), 1u);
  wait(kMiB);
  EXPECT_EQ(answers_.size(), 2u);
  EXPECT_FALSE(answers_[1]);
}

TEST_F(WaitingWriter, HasNewWritersGoThroughTheDaemonUntilThereIsRoom) {
  objects_[kFile] = 85 * kMiB;
  ASSERT_TRUE(capacity_->poll());
  EXPECT_TRUE(capacity_->admits_passthrough_writers());
  pass();
  EXPECT_FALSE(capacity_->admits_passthrough_writers()) << "the pass left it above the high mark";
  objects_[kFile] = 70 * kMiB;
  ASSERT_TRUE(capacity_->poll());
  EXPECT_TRUE(capacity_->admits_passthrough_writers());
}

// An archive that hangs holds up a pass: the first writer waits its time, the others don't.
TEST_F(CapacityNumbers, RefuseAtOnceWhileAPassIsStuck) {
  objects_[kFile] = 90 * kMiB;
  const auto capacity = make(true);
  capacity->pass_begins();
  int refused = 0;
  const auto count = [&](Result<void> room) { refused += room ? 0 : 1; };
  capacity->wait_for_room(kMiB, 0, count);
  ASSERT_TRUE(capacity->poll());  // its time is over: write_wait_s is 0
  EXPECT_EQ(refused, 1);
  capacity->wait_for_room(kMiB, 0, count);
  EXPECT_EQ(refused, 2);
  capacity->pass_ended();
  capacity->wait_for_room(kMiB, 0, count);
  EXPECT_EQ(refused, 2) << "the pass ended: there is hope again";
}

}  // namespace
}  // namespace tierhub::capacity_test
