// How the memory is laid out, and why it can be left at any moment:
//
//   page 0   Header: who made it, the session's number, INIT and its answer, the place
//   then     a Slot for each open file; free if its inode is 0
//
// A slot is filled first and given its inode last; it is freed by taking the inode away. `fh` is
// the slot's index, its turn (so that a release that is asked for twice does not meet the slot's
// next user), and what the file was opened for.
#include "fusefs/kernel/kept_session.h"

#include <algorithm>
#include <cstring>

#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>

#include <limits.h>

#include "common/log.h"
#include "common/posix.h"

namespace tierhub {
namespace {

// Changes with the layout.
constexpr uint64_t kMagic = 0x5449455248554201;
constexpr size_t kHeaderBytes = 8192;
constexpr uint32_t kSlots = 1 << 20;
constexpr size_t kInitRequestMax = 256;
constexpr size_t kDeviceMax = 32;
// Each process that lives answers at once what those before it left.
constexpr uint64_t kStartsKept = 64;

constexpr int kTurnShift = 32;
constexpr uint32_t kTurnMask = 0xffffff;
constexpr int kFlagsShift = 56;
constexpr uint8_t kWritable = 1;
constexpr uint8_t kSync = 2;

uint8_t flags_of(FileHandle handle) {
  return static_cast<uint8_t>((handle.writable ? kWritable : 0) | (handle.sync ? kSync : 0));
}

FileHandle from_flags(uint8_t flags) { return {(flags & kWritable) != 0, (flags & kSync) != 0}; }

void copy_text(std::string_view text, std::span<char> to) {
  const size_t size = std::min(text.size(), to.size() - 1);
  std::memcpy(to.data(), text.data(), size);
  to[size] = '\0';
}

}  // namespace

struct KeptSession::Header {
  uint64_t magic;
  uint64_t id;
  std::atomic<uint64_t> starts;
  std::atomic<uint32_t> slots_used;  // none beyond this one was ever used
  std::atomic<int32_t> last_backing_id;
  std::atomic<uint32_t> init_bytes;  // 0: not begun; set last
  fuse_abi::InitReply init_reply;
  std::byte init_request[kInitRequestMax];
  char device[kDeviceMax];
  char mount_point[PATH_MAX];
};

struct KeptSession::Slot {
  std::atomic<uint64_t> inode;  // 0: free
  uint64_t unique;
  uint32_t turn;
  uint8_t flags;
  ServeMode mode;
  std::atomic<uint8_t> releasing;
  int32_t backing_id;
};

Result<std::unique_ptr<KeptSession>> KeptSession::create(const Place& place) {
  static_assert(sizeof(Header) <= kHeaderBytes && sizeof(Slot) == 32);
  UniqueFd memory(::memfd_create("tierhub-session", MFD_CLOEXEC));
  if (!memory) return Error::from_errno(errno, "make the memory of the session");
  TRY(posix::truncate_fd(memory.get(), kHeaderBytes + uint64_t{kSlots} * sizeof(Slot)));
  std::unique_ptr<KeptSession> session(new KeptSession(std::move(memory)));
  TRY(session->map());
  Header& header = session->header();
  if (::getrandom(&header.id, sizeof header.id, 0) != sizeof header.id)
    return Error::from_errno(errno, "draw a random number");
  copy_text(place.mount_point, header.mount_point);
  copy_text(place.device, header.device);
  header.starts = 1;
  header.magic = kMagic;
  return session;
}

Result<std::unique_ptr<KeptSession>> KeptSession::map_existing(UniqueFd memory) {
  TRY_ASSIGN(const auto st, posix::stat_fd(memory.get()));
  const bool right_size =
      static_cast<uint64_t>(st.st_size) == kHeaderBytes + uint64_t{kSlots} * sizeof(Slot);
  std::unique_ptr<KeptSession> session(new KeptSession(std::move(memory)));
  if (right_size) TRY(session->map());
  if (!right_size || session->header().magic != kMagic) {
    return Error(std::errc::not_supported,
                 "the mount of the previous version of tierd cannot be taken over: stop tierd, "
                 "then start it");
  }
  return session;
}

Result<KeptSession::Place> KeptSession::place_in(UniqueFd memory) {
  TRY_ASSIGN(const auto session, map_existing(std::move(memory)));
  return session->place();
}

Result<std::unique_ptr<KeptSession>> KeptSession::adopt(UniqueFd memory) {
  TRY_ASSIGN(auto session, map_existing(std::move(memory)));
  session->start_ = session->header().starts.fetch_add(1) + 1;
  session->read_slots();
  return session;
}

Result<void> KeptSession::map() {
  void* const address = ::mmap(nullptr, kHeaderBytes + uint64_t{kSlots} * sizeof(Slot),
                               PROT_READ | PROT_WRITE, MAP_SHARED, memory_.get(), 0);
  if (address == MAP_FAILED) return Error::from_errno(errno, "map the memory of the session");
  address_ = address;
  return {};
}

KeptSession::~KeptSession() {
  if (address_ != nullptr) ::munmap(address_, kHeaderBytes + uint64_t{kSlots} * sizeof(Slot));
}

KeptSession::Header& KeptSession::header() const { return *static_cast<Header*>(address_); }

KeptSession::Slot& KeptSession::slot(uint32_t index) const {
  auto* const slots = static_cast<std::byte*>(address_) + kHeaderBytes;
  return reinterpret_cast<Slot*>(slots)[index];
}

uint64_t KeptSession::id() const { return header().id; }

KeptSession::Place KeptSession::place() const { return {header().mount_point, header().device}; }

void KeptSession::begin(std::span<const std::byte> init_request, const fuse_abi::InitReply& reply) {
  const size_t size = std::min(init_request.size(), kInitRequestMax);
  std::memcpy(header().init_request, init_request.data(), size);
  header().init_reply = reply;
  header().init_bytes = static_cast<uint32_t>(size);
}

bool KeptSession::begun() const { return header().init_bytes > 0; }

std::span<const std::byte> KeptSession::init_request() const {
  return {header().init_request, header().init_bytes};
}

fuse_abi::InitReply KeptSession::init_reply() const { return header().init_reply; }

void KeptSession::read_slots() {
  const MutexLock lock(mutex_);
  const uint32_t used = header().slots_used;
  for (uint32_t index = 0; index < used; ++index) {
    const Slot& found = slot(index);
    const KeptHandle handle{InodeNumber(found.inode),
                            {from_flags(found.flags), found.mode, found.backing_id},
                            found.unique};
    if (handle.inode == kNoInode || found.releasing != 0) {
      if (handle.inode != kNoInode) adopted_.half_released.push_back(handle);
      slot(index).inode = 0;
      free_.push_back(index);
      continue;
    }
    const uint64_t fh =
        uint64_t{found.flags} << kFlagsShift | uint64_t{found.turn} << kTurnShift | index;
    adopted_.handles.emplace(found.unique, std::pair(fh, handle));
  }
  adopted_.last_backing_id = header().last_backing_id;
}

Result<uint32_t> KeptSession::take_slot() {
  const MutexLock lock(mutex_);
  if (!free_.empty()) {
    const uint32_t index = free_.back();
    free_.pop_back();
    return index;
  }
  const uint32_t index = header().slots_used;
  if (index == kSlots)
    return Error(std::errc::too_many_files_open_in_system,
                 "a million files are already open in the mount");
  header().slots_used = index + 1;
  return index;
}

Result<uint64_t> KeptSession::add(const KeptHandle& handle) {
  TRY_ASSIGN(const uint32_t index, take_slot());
  Slot& taken = slot(index);
  taken.turn = (taken.turn + 1) & kTurnMask;
  taken.unique = handle.unique;
  taken.flags = flags_of(handle.opened.handle);
  taken.mode = handle.opened.mode;
  taken.backing_id = handle.opened.backing_id;
  taken.releasing = 0;
  taken.inode = handle.inode.value();
  return uint64_t{taken.flags} << kFlagsShift | uint64_t{taken.turn} << kTurnShift | index;
}

FileHandle KeptSession::file_handle(uint64_t fh) {
  return from_flags(static_cast<uint8_t>(fh >> kFlagsShift));
}

std::optional<uint32_t> KeptSession::live_index(uint64_t fh) const {
  const auto index = static_cast<uint32_t>(fh);
  if (index >= header().slots_used) return std::nullopt;
  const Slot& found = slot(index);
  if (found.inode == 0 || found.turn != (fh >> kTurnShift & kTurnMask)) return std::nullopt;
  return index;
}

bool KeptSession::begin_release(uint64_t fh) {
  const auto index = live_index(fh);
  return index && slot(*index).releasing.exchange(1) == 0;
}

void KeptSession::end_release(uint64_t fh) {
  const auto index = live_index(fh);
  if (!index) return;
  slot(*index).inode = 0;
  const MutexLock lock(mutex_);
  free_.push_back(*index);
}

void KeptSession::note_backing(int32_t backing_id) {
  std::atomic<int32_t>& last = header().last_backing_id;
  int32_t known = last;
  while (known < backing_id && !last.compare_exchange_weak(known, backing_id)) {
  }
}

std::optional<std::pair<uint64_t, KeptHandle>> KeptSession::granted(uint64_t unique) const {
  const auto found = adopted_.handles.find(unique);
  if (found == adopted_.handles.end()) return std::nullopt;
  return found->second;
}

Result<void> restore_handles(InodeTable& inodes, const KeptSession& session) {
  for (const auto& [unique, kept] : session.adopted().handles) {
    const KeptHandle& handle = kept.second;
    TRY_ASSIGN(const InodeLock inode, inodes.lock(handle.inode));
    if (!inode.exists()) {
      log::error("an open file is not in the catalog", {{"inode", handle.inode}});
      continue;
    }
    ++inode->handles;
    if (handle.opened.handle.writable) ++inode->writable_handles;
    inode->serve_mode = handle.opened.mode;
    inode->backing_id = handle.opened.backing_id;
  }
  return {};
}

Result<std::vector<ReplyRecord>> replies_left(Catalog& catalog, const KeptSession* session) {
  TRY_ASSIGN(auto answers, catalog.replies());
  Batch batch;
  std::erase_if(answers, [&](const ReplyRecord& answer) {
    const bool serves = session != nullptr && answer.session == session->id() &&
                        answer.start + kStartsKept > session->start();
    if (!serves) batch.erase_reply(answer.start, answer.worker);
    return !serves;
  });
  if (!batch.empty()) TRY(catalog.commit(batch));
  return answers;
}

}  // namespace tierhub
