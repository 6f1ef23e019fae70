// One block of memory from which buffers of any size are taken and returned. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "common/interval_set.h"
#include "common/result.h"

namespace tierhub {

class BufferArena {
 public:
  static constexpr size_t kPageBytes = 4096;

  static Result<BufferArena> make(size_t bytes);
  ~BufferArena();
  BufferArena(BufferArena&& other) noexcept;
  BufferArena& operator=(BufferArena&&) = delete;

  size_t size() const { return memory_.size(); }
  // Page-aligned; the rest of its last page belongs to it too. none: no stretch that long is free
  // now.
  std::optional<std::span<std::byte>> take(size_t bytes);
  void give_back(std::span<std::byte> buffer);

 private:
  explicit BufferArena(std::span<std::byte> memory);

  std::span<std::byte> memory_;
  IntervalSet free_;  // in bytes from the start, whole pages
};

}  // namespace tierhub
