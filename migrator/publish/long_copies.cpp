#include "migrator/publish/long_copies.h"

#include <utility>

namespace tierhub {

LongCopies::~LongCopies() { stop(); }

void LongCopies::stop() {
  std::vector<std::jthread> threads;
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
    for (auto& [inode, slot] : slots_) threads.push_back(std::move(slot.thread));
  }
  threads.clear();  // joins
}

LongCopies::Progress LongCopies::progress(InodeNumber inode) const {
  const MutexLock lock(mutex_);
  const auto found = slots_.find(inode);
  if (found == slots_.end()) return Progress::none;
  return found->second.copy ? Progress::done : Progress::copying;
}

bool LongCopies::start(Snapshot snapshot, std::string leaf, std::optional<ArchiveVersion> version) {
  const MutexLock lock(mutex_);
  if (stopping_ || copying_ >= lanes_) return false;
  ++copying_;
  const InodeNumber inode = snapshot.inode;
  Slot& slot = slots_[inode];
  slot.leaf = leaf;
  slot.thread = std::jthread([this, inode, snapshot = std::move(snapshot), leaf = std::move(leaf),
                              version = std::move(version)]() mutable {
    auto outcome = stage_changed_content(context_, snapshot, leaf, version);
    snapshot.object.reset();
    {
      const MutexLock lock_end(mutex_);
      --copying_;
      const auto found = slots_.find(inode);
      if (found != slots_.end()) {
        found->second.copy.emplace(Copy{std::move(snapshot), std::move(leaf), std::move(outcome)});
      }
    }
    finished_();
  });
  return true;
}

std::optional<LongCopies::Copy> LongCopies::take(InodeNumber inode) {
  std::jthread ended;  // joined without the lock
  const MutexLock lock(mutex_);
  const auto found = slots_.find(inode);
  if (found == slots_.end() || !found->second.copy) return std::nullopt;
  ended = std::move(found->second.thread);
  auto copy = std::move(found->second.copy);
  slots_.erase(found);
  return copy;
}

std::set<std::string> LongCopies::leaves() const {
  const MutexLock lock(mutex_);
  std::set<std::string> leaves;
  for (const auto& [inode, slot] : slots_) leaves.insert(slot.leaf);
  return leaves;
}

std::vector<InodeNumber> LongCopies::done() const {
  const MutexLock lock(mutex_);
  std::vector<InodeNumber> inodes;
  for (const auto& [inode, slot] : slots_) {
    if (slot.copy) inodes.push_back(inode);
  }
  return inodes;
}

}  // namespace tierhub
