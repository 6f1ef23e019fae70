#include "storage/posix/read_back.h"

#include <algorithm>
#include <cerrno>
#include <span>

#include <fcntl.h>

#include <fmt/format.h>

#include "common/posix.h"
#include "storage/copy/buffer_arena.h"

namespace tierhub {
namespace {

uint64_t whole_pages(uint64_t bytes) {
  constexpr uint64_t kPage = BufferArena::kPageBytes;
  return (bytes + kPage - 1) / kPage * kPage;
}

// Past the page cache where the file system can; elsewhere the cache has been emptied.
Result<size_t> read_chunk(int fd, std::span<std::byte> pages, uint64_t offset) {
  auto got = posix::read_at(fd, pages, offset);
  if (got || got.error().errno_value() != EINVAL) return got;
  ::fcntl(fd, F_SETFL, 0);
  return posix::read_at(fd, pages, offset);
}

}  // namespace

// 1. All of it is on the disk. 2. The cache lets go of it. 3. It is read by a new descriptor, for
// network file systems look anew at an open.
Result<void> read_back(const WrittenFile& file, const std::function<void()>& progress) {
  if (file.chunks.empty()) return {};
  TRY(posix::sync_fd(file.fd));
  TRY_ASSIGN(const UniqueFd fd,
             posix::open_at(file.folder, file.leaf, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
  ::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED);
  ::fcntl(fd.get(), F_SETFL, O_DIRECT);
  TRY_ASSIGN(BufferArena arena,
             BufferArena::make(whole_pages(std::min(file.chunk_bytes, file.size_bytes))));
  const std::span<std::byte> buffer = *arena.take(arena.size());
  for (const auto& run : file.chunks.intervals()) {
    for (uint64_t chunk = run.begin; chunk < run.end; ++chunk) {
      const uint64_t begin = chunk * file.chunk_bytes;
      const uint64_t size = std::min(file.chunk_bytes, file.size_bytes - begin);
      TRY_ASSIGN(const size_t got, read_chunk(fd.get(), buffer.first(whole_pages(size)), begin));
      if (got < size || checksum(buffer.first(size)) != file.checksums[chunk]) {
        return Error(std::errc::bad_message,
                     fmt::format("the archive returns different bytes than were written to it "
                                 "(chunk {} of the staged file): it was not published",
                                 chunk));
      }
      if (progress) progress();
    }
  }
  return {};
}

}  // namespace tierhub
