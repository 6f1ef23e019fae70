#include "fusefs/kernel/notifier.h"

#include <unordered_set>

#include "common/log.h"

namespace tierhub {

Notifier::Notifier(size_t capacity, Kernel kernel)
    : capacity_(capacity), kernel_(std::move(kernel)), thread_([this] { run(); }) {}

Notifier::~Notifier() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
}

void Notifier::invalidate_inode(InodeNumber inode) { push({inode, {}}); }

void Notifier::invalidate_entry(InodeNumber parent, const std::string& name) {
  push({parent, name});
}

void Notifier::push(Note note) {
  {
    const MutexLock lock(mutex_);
    if (!waiting_.empty() && waiting_.back() == note) return;
    if (waiting_.size() >= capacity_) {
      if (!dropping_)
        log::warning(
            "too many changes to tell the kernel about: some become visible only when its cache "
            "timeouts expire",
            {{"waiting", waiting_.size()}});
      dropping_ = true;
      return;
    }
    waiting_.push_back(std::move(note));
    ++queued_;
  }
  changed_.notify_one();
}

bool Notifier::wait_told(std::chrono::milliseconds limit) {
  MutexLock lock(mutex_);
  const uint64_t wanted = queued_;
  return told_changed_.wait_for(mutex_, limit, [&]() REQUIRES(mutex_) { return told_ >= wanted; });
}

void Notifier::run() {
  MutexLock lock(mutex_);
  while (true) {
    changed_.wait(mutex_, [this]() REQUIRES(mutex_) { return stopping_ || !waiting_.empty(); });
    if (stopping_) return;
    std::deque<Note> batch;
    batch.swap(waiting_);
    dropping_ = false;
    lock.unlock();
    tell(batch);
    lock.lock();
    told_ += batch.size();
    told_changed_.notify_all();
  }
}

// The kernel drops a folder's cached listing with an entry only if it knows that entry: a new name
// must be told by its folder. Once per batch is enough.
void Notifier::tell(const std::deque<Note>& notes) {
  std::unordered_set<InodeNumber> folders;
  for (const Note& note : notes) {
    {
      const MutexLock lock(mutex_);
      if (stopping_) return;
    }
    if (note.name.empty()) {
      kernel_.forget_inode(note.inode);
    } else {
      kernel_.forget_entry(note.inode, note.name);
      folders.insert(note.inode);
    }
  }
  for (const InodeNumber folder : folders) kernel_.forget_inode(folder);
}

}  // namespace tierhub
