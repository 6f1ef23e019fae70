#include "storage/copy/buffer_arena.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <sys/mman.h>

namespace tierhub {
namespace {

constexpr size_t kPageBytes = BufferArena::kPageBytes;

size_t whole_pages(size_t bytes) {
  return std::max<size_t>((bytes + kPageBytes - 1) / kPageBytes, 1) * kPageBytes;
}

}  // namespace

Result<BufferArena> BufferArena::make(size_t bytes) {
  const size_t size = whole_pages(bytes);
  void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return Error::from_errno(errno, "reserve memory for buffers");
  return BufferArena(std::span(static_cast<std::byte*>(memory), size));
}

BufferArena::BufferArena(std::span<std::byte> memory) : memory_(memory) {
  free_.add(0, memory.size());
}

BufferArena::BufferArena(BufferArena&& other) noexcept
    : memory_(std::exchange(other.memory_, {})), free_(std::move(other.free_)) {}

BufferArena::~BufferArena() {
  if (!memory_.empty()) ::munmap(memory_.data(), memory_.size());
}

std::optional<std::span<std::byte>> BufferArena::take(size_t bytes) {
  const size_t size = whole_pages(bytes);
  for (const auto& stretch : free_.intervals()) {
    if (stretch.end - stretch.begin < size) continue;
    free_.remove(stretch.begin, stretch.begin + size);
    return memory_.subspan(stretch.begin, bytes);
  }
  return std::nullopt;
}

void BufferArena::give_back(std::span<std::byte> buffer) {
  const auto begin = static_cast<size_t>(buffer.data() - memory_.data());
  free_.add(begin, begin + whole_pages(buffer.size()));
}

}  // namespace tierhub
