#include "fusefs/kernel/notifier.h"

#include <optional>
#include <semaphore>
#include <vector>

#include <gtest/gtest.h>

#include "common/guarded.h"

namespace tierhub {
namespace {

// A kernel that writes down what it is told, and can be held at it.
class FakeKernel {
 public:
  Notifier::Kernel functions() {
    return {[this](InodeNumber inode) { note("inode " + std::to_string(inode.value())); },
            [this](InodeNumber parent, const std::string& name) {
              note("entry " + std::to_string(parent.value()) + "/" + name);
            }};
  }
  // Waits for the kernel to be told something more, and lets it go on.
  void let_one_pass() {
    told_.acquire();
    go_.release();
  }
  void wait_until_held() { told_.acquire(); }
  void let_all_pass() { go_.release(1000); }
  std::vector<std::string> notes() const {
    return notes_.with([](const auto& notes) { return notes; });
  }

 private:
  void note(std::string text) {
    notes_.with([&](auto& notes) { notes.push_back(std::move(text)); });
    told_.release();
    go_.acquire();
  }
  Guarded<std::vector<std::string>> notes_;
  std::counting_semaphore<> told_{0};
  std::counting_semaphore<> go_{0};
};

using Notes = std::vector<std::string>;

TEST(Notifier, TellsTheKernelOfAnInode) {
  FakeKernel kernel;
  Notifier notifier(10, kernel.functions());
  notifier.invalidate_inode(InodeNumber(5));
  kernel.let_one_pass();
  EXPECT_EQ(kernel.notes(), Notes{"inode 5"});
}

TEST(Notifier, WaitsUntilTheKernelWasToldButNotForEver) {
  FakeKernel kernel;
  Notifier notifier(10, kernel.functions());
  EXPECT_TRUE(notifier.wait_told(std::chrono::milliseconds(0)));
  notifier.invalidate_entry(InodeNumber(5), "new");
  kernel.wait_until_held();
  EXPECT_FALSE(notifier.wait_told(std::chrono::milliseconds(1)));
  kernel.let_all_pass();
  EXPECT_TRUE(notifier.wait_told(std::chrono::seconds(20)));
  EXPECT_EQ(kernel.notes(), (Notes{"entry 5/new", "inode 5"}));
}

TEST(Notifier, TellsTheFolderOfANameAfterTheName) {
  FakeKernel kernel;
  Notifier notifier(10, kernel.functions());
  notifier.invalidate_entry(InodeNumber(5), "new");
  kernel.let_one_pass();
  kernel.let_one_pass();
  EXPECT_EQ(kernel.notes(), (Notes{"entry 5/new", "inode 5"}));
}

TEST(Notifier, TellsAFolderOnceForManyOfItsNames) {
  FakeKernel kernel;
  Notifier notifier(10, kernel.functions());
  notifier.invalidate_inode(InodeNumber(1));
  kernel.wait_until_held();
  for (const char* name : {"a", "b", "c"}) notifier.invalidate_entry(InodeNumber(5), name);
  kernel.let_all_pass();
  for (int i = 0; i < 4; ++i) kernel.wait_until_held();
  EXPECT_EQ(kernel.notes(), (Notes{"inode 1", "entry 5/a", "entry 5/b", "entry 5/c", "inode 5"}));
}

TEST(Notifier, QueuesTheSameNoteInARowOnce) {
  FakeKernel kernel;
  Notifier notifier(10, kernel.functions());
  notifier.invalidate_inode(InodeNumber(1));
  kernel.wait_until_held();
  for (int i = 0; i < 3; ++i) notifier.invalidate_inode(InodeNumber(2));
  notifier.invalidate_inode(InodeNumber(3));
  kernel.let_all_pass();
  for (int i = 0; i < 2; ++i) kernel.wait_until_held();
  EXPECT_EQ(kernel.notes(), (Notes{"inode 1", "inode 2", "inode 3"}));
}

TEST(Notifier, NeverBlocksItsCallerWhenTheQueueIsFull) {
  FakeKernel kernel;
  Notifier notifier(2, kernel.functions());
  notifier.invalidate_inode(InodeNumber(1));
  kernel.wait_until_held();
  for (uint64_t i = 2; i < 100; ++i) notifier.invalidate_inode(InodeNumber(i));
  kernel.let_all_pass();
  for (int i = 0; i < 2; ++i) kernel.wait_until_held();
  EXPECT_EQ(kernel.notes(), (Notes{"inode 1", "inode 2", "inode 3"}));
}

TEST(Notifier, DropsWhatWaitsWhenItEnds) {
  FakeKernel kernel;
  std::optional<Notifier> notifier(std::in_place, 10, kernel.functions());
  notifier->invalidate_inode(InodeNumber(1));
  kernel.wait_until_held();
  notifier->invalidate_inode(InodeNumber(2));
  std::jthread ends([&] { notifier.reset(); });
  // Either the end is seen before inode 2 is told, or inode 2 passes: both let the thread end.
  kernel.let_all_pass();
  ends.join();
  EXPECT_EQ(kernel.notes().front(), "inode 1");
  EXPECT_FALSE(notifier.has_value());
}

}  // namespace
}  // namespace tierhub
