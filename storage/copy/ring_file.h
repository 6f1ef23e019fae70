// One file on its way through the ring: the steps of CopyEngine as a state machine. It belongs to
// the thread that owns the ring.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include <linux/openat2.h>
#include <sys/stat.h>

#include "common/result.h"
#include "common/types.h"
#include "common/unique_fd.h"
#include "storage/copy/copy_engine.h"
#include "storage/copy/copy_plan.h"
#include "storage/copy/ring.h"

namespace tierhub {

class RingFile {
 public:
  // What a file needs of its engine. All on the ring's thread.
  class Host {
   public:
    virtual Ring& ring() = 0;
    // begin_chunk() is called when there is memory.
    virtual void want_buffer(RingFile& file) = 0;
    virtual void give_back(std::span<std::byte> buffer) = 0;
    using Found = std::function<void(Result<std::vector<ByteRange>>)>;
    // data_ranges() without blocking.
    virtual void find_data(int fd, ByteRange range, Found found) = 0;
    virtual void finished(RingFile& file) = 0;

   protected:
    ~Host() = default;
  };

  RingFile(Host& host, CopyJob job);

  void start();
  bool keeps() const { return job_.request.purpose == FillPurpose::keep; }
  size_t next_chunk_bytes() const { return plan_.chunk(next_chunk_).size(); }
  void begin_chunk(std::span<std::byte> buffer);
  // Others get on while this one waits.
  void tick() const;

 private:
  struct Chunk;
  using ChunkPointer = std::shared_ptr<Chunk>;

  void opened(int32_t result);
  void look(Freshness freshness);
  void examined(int32_t result);
  enum class CacheUse { normal, bypass };
  bool wants_direct() const;
  void set_cache_use(CacheUse use);
  void begin_copy();
  void punch_holes();
  void read_part(const ChunkPointer& chunk, ByteRange part);
  void write_part(const ChunkPointer& chunk, ByteRange part);
  void chunk_read(const ChunkPointer& chunk);
  void chunk_written(const ChunkPointer& chunk);
  void fail(Error error);
  // Looks what is to be done next; called after every completion.
  void step();
  void verify();
  void verified(int32_t result);
  void close();
  // Lets go of the target, then calls `done`.
  void answer();

  Host& host_;
  CopyJob job_;
  CopyPlan plan_;
  ZeroChecksums zeros_;
  open_how how_{};
  UniqueFd source_;
  Freshness look_ = Freshness::remembered;  // of before_
  struct statx before_ {};
  struct statx after_ {};
  FillResult result_;
  std::optional<Error> error_;  // the first one
  size_t next_chunk_ = 0;
  size_t chunks_under_way_ = 0;
  size_t operations_ = 0;  // that belong to no chunk
  bool waits_for_buffer_ = false;
  CacheUse cache_use_ = CacheUse::normal;
  int tries_left_ = 3;
};

}  // namespace tierhub
