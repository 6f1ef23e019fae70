#include "pixels/chunk_cache.h"

namespace tierhub::pixels {

std::shared_ptr<ChunkCache::Slot> ChunkCache::slot_of(const Key& key) {
  const MutexLock lock(mutex_);
  const auto known = by_key_.find(key);
  if (known != by_key_.end()) {
    recent_.splice(recent_.begin(), recent_, known->second);
    return known->second->second;
  }
  recent_.emplace_front(key, std::make_shared<Slot>());
  by_key_[key] = recent_.begin();
  return recent_.front().second;
}

void ChunkCache::count(const Key& key, const std::shared_ptr<Slot>& slot, uint64_t bytes) {
  const MutexLock lock(mutex_);
  const auto known = by_key_.find(key);
  if (known == by_key_.end() || known->second->second != slot) return;
  slot->bytes = bytes;
  bytes_ += bytes;
  while (bytes_ > limit_bytes_ && recent_.size() > 1) {
    bytes_ -= recent_.back().second->bytes;
    by_key_.erase(recent_.back().first);
    recent_.pop_back();
  }
}

void ChunkCache::forget(const Key& key, const std::shared_ptr<Slot>& slot) {
  const MutexLock lock(mutex_);
  const auto known = by_key_.find(key);
  if (known == by_key_.end() || known->second->second != slot) return;
  recent_.erase(known->second);
  by_key_.erase(known);
}

Result<std::shared_ptr<const Voxels>> ChunkCache::get(const Key& key, const Decode& decode) {
  const std::shared_ptr<Slot> slot = slot_of(key);
  uint64_t bytes = 0;
  {
    const MutexLock lock(slot->mutex);
    if (slot->is_decoded) return slot->voxels;
    auto voxels = decode();
    if (!voxels) {
      forget(key, slot);
      return voxels.error();
    }
    slot->voxels = *voxels;
    slot->is_decoded = true;
    bytes = slot->voxels ? slot->voxels->size() : 0;
    // Slots without voxels are bounded too.
    constexpr uint64_t kSlotBytes = 256;
    count(key, slot, bytes + kSlotBytes);
    return slot->voxels;
  }
}

std::shared_ptr<ChunkCache::Slot> ChunkCache::known_slot(const Key& key) {
  const MutexLock lock(mutex_);
  const auto known = by_key_.find(key);
  if (known == by_key_.end()) return nullptr;
  recent_.splice(recent_.begin(), recent_, known->second);
  return known->second->second;
}

std::shared_ptr<const Voxels> ChunkCache::find(const Key& key) {
  const std::shared_ptr<Slot> slot = known_slot(key);
  if (!slot) return nullptr;
  const MutexLock lock(slot->mutex);
  return slot->voxels;
}

bool ChunkCache::has(const Key& key) {
  const std::shared_ptr<Slot> slot = known_slot(key);
  if (!slot || !slot->mutex.try_lock()) return false;
  const bool decoded = slot->is_decoded;
  slot->mutex.unlock();
  return decoded;
}

}  // namespace tierhub::pixels
