// The one thread that tells the kernel what to forget. Notifying may block: the kernel may need a
// lock that waits for one of our answers. So all other threads only queue.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <thread>

#include "common/mutex.h"
#include "common/types.h"

namespace tierhub {

class Notifier {
 public:
  // Called on the notifier's thread only, without locks.
  struct Kernel {
    std::function<void(InodeNumber)> forget_inode;
    std::function<void(InodeNumber parent, const std::string& name)> forget_entry;
  };
  // `capacity`: how many notes may wait. What comes on top is dropped with a warning: the kernel
  // then finds out when its timeouts end.
  Notifier(size_t capacity, Kernel kernel);
  // Drops what waits. Returns when the note that is being told has been told.
  ~Notifier();

  // Any thread; return at once. Forgetting a name makes the kernel forget the listing of its
  // folder, too.
  void invalidate_inode(InodeNumber inode);
  void invalidate_entry(InodeNumber parent, const std::string& name);
  // Waits until the kernel has been told everything that was queued before, at most for `limit`:
  // the kernel may be waiting for us. False: it has not.
  bool wait_told(std::chrono::milliseconds limit);

 private:
  struct Note {
    InodeNumber inode;  // of an entry: the parent
    std::string name;   // of an inode: empty
    bool operator==(const Note&) const = default;
  };
  void push(Note note);
  void run();
  void tell(const std::deque<Note>& notes);

  const size_t capacity_;
  const Kernel kernel_;
  Mutex mutex_;
  ConditionVariable changed_;
  std::deque<Note> waiting_ GUARDED_BY(mutex_);
  ConditionVariable told_changed_;
  uint64_t queued_ GUARDED_BY(mutex_) = 0;
  uint64_t told_ GUARDED_BY(mutex_) = 0;      // of these
  bool dropping_ GUARDED_BY(mutex_) = false;  // warned already
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::jthread thread_;  // last: starts when everything else stands
};

}  // namespace tierhub
