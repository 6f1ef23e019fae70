#include "storage/copy/ring_file.h"

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <utility>

#include <fcntl.h>

#include "common/extents.h"
#include "storage/archive/source_check.h"
#include "storage/copy/buffer_arena.h"

namespace tierhub {
namespace {

// So that one large file leaves memory to the others.
constexpr size_t kMaxChunksUnderWay = 8;
constexpr uint64_t kPageBytes = BufferArena::kPageBytes;
// Reading past the page cache pays for large files only: a small one may well be in it.
constexpr uint64_t kDirectFromBytes = 8 << 20;

Error archive_error(int32_t result, std::string_view action) {
  return Error::from_errno(-result, action);
}

}  // namespace

struct RingFile::Chunk {
  size_t index = 0;
  ByteRange range;
  std::vector<ByteRange> data;
  std::span<std::byte> buffer;
  size_t operations = 0;

  std::span<std::byte> bytes(ByteRange part) const {
    return buffer.subspan(part.begin - range.begin, part.size());
  }
  // The same, up to the end of the last page: the arena gives out whole pages.
  std::span<std::byte> pages(ByteRange part) const {
    const uint64_t size = (part.size() + kPageBytes - 1) / kPageBytes * kPageBytes;
    return {buffer.data() + (part.begin - range.begin), size};
  }
};

RingFile::RingFile(Host& host, CopyJob job)
    : host_(host), job_(std::move(job)), plan_(job_.request) {}

void RingFile::start() {
  how_.flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
  how_.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  host_.ring().open(job_.root->get(), job_.request.path.c_str(), &how_,
                    [this](int32_t result) { opened(result); });
}

void RingFile::opened(int32_t result) {
  if (result < 0) {
    fail(open_error(-result, job_.request.path));
    return close();
  }
  source_ = UniqueFd(result);
  // It kept a fifo from blocking the open; io_uring would take it as a wish not to wait for reads.
  ::fcntl(source_.get(), F_SETFL, 0);
  look(Freshness::remembered);
}

// What the kernel remembers spares a far-away archive one question: that it still holds is seen by
// the exact look after the copy.
void RingFile::look(Freshness freshness) {
  look_ = freshness;
  host_.ring().stat(source_.get(), freshness, &before_,
                    [this](int32_t result) { examined(result); });
}

void RingFile::examined(int32_t result) {
  if (result < 0) {
    fail(archive_error(result, "stat"));
    return close();
  }
  auto checked = check_source(source_.get(), before_, job_.request.expected, job_.identity);
  if (!checked && look_ == Freshness::remembered) return look(Freshness::exact);
  if (!checked) {
    fail(std::move(checked).error());
    return close();
  }
  set_cache_use(wants_direct() ? CacheUse::bypass : CacheUse::normal);
  // Who waits for these bytes does not wait for more of them; what is around them comes with its
  // chunk.
  if (!keeps()) ::posix_fadvise(source_.get(), 0, 0, POSIX_FADV_RANDOM);
  begin_copy();
}

// What is read once and in bulk need not be copied through the page cache, nor push out what others
// have there.
bool RingFile::wants_direct() const {
  const bool is_possible =
      (before_.stx_mask & STATX_DIOALIGN) != 0 && before_.stx_dio_offset_align > 0 &&
      before_.stx_dio_offset_align <= kPageBytes && before_.stx_dio_mem_align <= kPageBytes;
  return is_possible && keeps() && plan_.copied().size() >= kDirectFromBytes;
}

// For the reads that are begun from now on.
void RingFile::set_cache_use(CacheUse use) {
  const bool is_set = ::fcntl(source_.get(), F_SETFL, use == CacheUse::bypass ? O_DIRECT : 0) == 0;
  cache_use_ = is_set ? use : CacheUse::normal;
}

void RingFile::begin_copy() {
  plan_ = CopyPlan(job_.request);
  result_ = {};
  if (keeps()) result_.checksums.resize(plan_.chunk_count());
  next_chunk_ = 0;
  if (!keeps() || !may_have_holes(before_.stx_size, before_.stx_blocks)) return step();
  ++operations_;
  host_.find_data(source_.get(), plan_.copied(), [this](Result<std::vector<ByteRange>> data) {
    --operations_;
    if (data) {
      plan_.set_data(*std::move(data));
      punch_holes();
    } else {
      fail(std::move(data).error());
    }
    step();
  });
}

void RingFile::punch_holes() {
  for (const ByteRange& hole : plan_.holes()) {
    ++operations_;
    host_.ring().punch_hole(job_.target.get(), hole, [this](int32_t result) {
      --operations_;
      if (result < 0) fail(target_error(-result, "punch hole"));
      step();
    });
  }
}

void RingFile::step() {
  if (error_) {
    if (chunks_under_way_ == 0 && operations_ == 0 && !waits_for_buffer_) close();
    return;
  }
  while (next_chunk_ < plan_.chunk_count() && plan_.data_in(plan_.chunk(next_chunk_)).empty()) {
    if (keeps()) result_.checksums[next_chunk_] = zeros_.of(plan_.chunk(next_chunk_).size());
    ++next_chunk_;
  }
  if (next_chunk_ < plan_.chunk_count()) {
    if (waits_for_buffer_ || chunks_under_way_ >= kMaxChunksUnderWay) return;
    waits_for_buffer_ = true;
    return host_.want_buffer(*this);
  }
  if (chunks_under_way_ == 0 && operations_ == 0) verify();
}

void RingFile::begin_chunk(std::span<std::byte> buffer) {
  waits_for_buffer_ = false;
  if (error_) {
    host_.give_back(buffer);
    return step();
  }
  const auto chunk = std::make_shared<Chunk>();
  chunk->index = next_chunk_++;
  chunk->range = plan_.chunk(chunk->index);
  chunk->data = plan_.data_in(chunk->range);
  chunk->buffer = buffer;
  ++chunks_under_way_;
  for (const ByteRange& gap : gaps(chunk->range, chunk->data)) {
    std::ranges::fill(chunk->bytes(gap), std::byte{0});
  }
  for (const ByteRange& part : chunk->data) read_part(chunk, part);
  step();
}

void RingFile::read_part(const ChunkPointer& chunk, ByteRange part) {
  ++chunk->operations;
  if (cache_use_ == CacheUse::bypass && part.begin % kPageBytes != 0)
    set_cache_use(CacheUse::normal);
  const bool whole_pages = cache_use_ == CacheUse::bypass;
  const auto buffer = whole_pages ? chunk->pages(part) : chunk->bytes(part);
  host_.ring().read(source_.get(), buffer, part.begin, [=, this](int32_t result) {
    --chunk->operations;
    // Of the last page there may be more than was asked for.
    const uint64_t got =
        result > 0 ? std::min<uint64_t>(static_cast<uint64_t>(result), part.size()) : 0;
    if (result == -EINTR) {
      read_part(chunk, part);
    } else if (result == -EINVAL && whole_pages) {
      set_cache_use(CacheUse::normal);
      read_part(chunk, part);
    } else if (result < 0) {
      fail(archive_error(result, "read"));
    } else if (result == 0) {
      fail(became_shorter());
    } else if (got < part.size()) {
      read_part(chunk, {part.begin + got, part.end});
    }
    if (chunk->operations == 0) chunk_read(chunk);
  });
}

void RingFile::chunk_read(const ChunkPointer& chunk) {
  if (error_) return chunk_written(chunk);
  if (keeps()) result_.checksums[chunk->index] = checksum(chunk->buffer);
  for (const ByteRange& part : chunk->data) write_part(chunk, part);
}

void RingFile::write_part(const ChunkPointer& chunk, ByteRange part) {
  ++chunk->operations;
  const auto bytes = chunk->bytes(part);
  host_.ring().write(job_.target.get(), bytes, part.begin, [this, chunk, part](int32_t result) {
    --chunk->operations;
    if (result == -EINTR) {
      write_part(chunk, part);
    } else if (result <= 0) {
      fail(target_error(result == 0 ? EIO : -result, "write"));
    } else {
      const auto written = static_cast<uint64_t>(result);
      result_.copied_bytes += written;
      if (written < part.size()) write_part(chunk, {part.begin + written, part.end});
    }
    if (chunk->operations == 0) chunk_written(chunk);
  });
}

void RingFile::chunk_written(const ChunkPointer& chunk) {
  host_.give_back(chunk->buffer);
  --chunks_under_way_;
  tick();
  step();
}

void RingFile::verify() {
  ++operations_;
  host_.ring().stat(source_.get(), Freshness::exact, &after_, [this](int32_t result) {
    --operations_;
    verified(result);
  });
}

void RingFile::verified(int32_t result) {
  if (result < 0) {
    fail(archive_error(result, "stat"));
  } else if (look_ == Freshness::remembered &&
             !(same_content(before_, after_) && same_times(before_, after_))) {
    return look(Freshness::exact);
  } else if (!same_content(before_, after_)) {
    fail(changed_meanwhile());
  } else if (!same_times(before_, after_)) {
    // A new name or mode moves ctime as a write would: only another copy tells them apart.
    if (--tries_left_ > 0) {
      before_ = after_;
      return begin_copy();
    }
    fail(changed_meanwhile());
  }
  close();
}

// Nobody waits for the close itself, which takes some archives a round trip.
void RingFile::close() {
  answer();
  if (!source_) return host_.finished(*this);
  host_.ring().close(source_.release(), [this](int32_t) { host_.finished(*this); });
}

void RingFile::fail(Error error) {
  if (!error_) error_ = std::move(error);
}

void RingFile::tick() const {
  if (job_.progress) job_.progress();
}

void RingFile::answer() {
  job_.target.reset();
  if (error_) {
    job_.done(*std::move(error_));
  } else {
    job_.done(std::move(result_));
  }
}

}  // namespace tierhub
