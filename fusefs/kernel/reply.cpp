#include "fusefs/kernel/reply.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <vector>

#include "common/clock.h"
#include "common/fault_points.h"
#include "common/log.h"
#include "common/metrics.h"

namespace tierhub {
namespace {

// The kernel hears no more than a number, so the text of an I/O error goes to the log: one a second
// at most, for an archive that is away fails every read.
void log_io_error(const Error& error) {
  static std::atomic<int64_t> last_s = 0;
  const int64_t now_s = Timestamp::now().ns / 1'000'000'000;
  if (last_s.exchange(now_s) != now_s) log::warning("a request failed", {{"error", error.text()}});
}

// Read from /proc, as the kernel sends the first group only.
bool is_member(fuse_req_t request, uint32_t gid) {
  constexpr int kGroupsMax = 65536;
  std::vector<gid_t> groups(64);
  int count = fuse_req_getgroups(request, static_cast<int>(groups.size()), groups.data());
  if (count > static_cast<int>(groups.size()) && count <= kGroupsMax) {
    groups.resize(static_cast<size_t>(count));
    count = fuse_req_getgroups(request, count, groups.data());
  }
  const auto end = groups.begin() + std::clamp(count, 0, static_cast<int>(groups.size()));
  return std::find(groups.begin(), end, gid) != end;
}

template <class Body>
int send(fuse_req_t request, const Body& body) {
  return fuse_reply_buf(request, reinterpret_cast<const char*>(&body), sizeof body);
}

}  // namespace

Reply::Reply(fuse_req_t request)
    : request_(request),
      unique_(FuseConnection::current_unique()),
      connection_(FuseConnection::of(fuse_req_userdata(request)).shared_from_this()) {}

Reply::Reply(Reply&& other) noexcept
    : request_(other.take()), unique_(other.unique_), connection_(std::move(other.connection_)) {}

Reply::~Reply() {
  if (request_ != nullptr) fail(EIO);
}

FsCaller Reply::caller() const {
  const fuse_ctx* context = fuse_req_ctx(request_);
  return {context->uid, context->gid, static_cast<uint32_t>(context->umask),
          [request = request_](uint32_t gid) { return is_member(request, gid); }};
}

void Reply::fail(int errno_value) { fuse_reply_err(take(), errno_value); }

void Reply::fail(const Error& error) {
  if (error.errno_value() == EIO) log_io_error(error);
  fail(error.errno_value());
}

void Reply::done(const Result<void>& result) {
  if (!result) return fail(result.error());
  done();
}

void Reply::attributes(const Result<NodeInfo>& node) {
  if (!node) return fail(node.error());
  const struct stat st = to_stat(*node);
  fuse_reply_attr(take(), &st, attr_timeout_s(*node, connection_->timeouts()));
}

void Reply::entry(const Result<NodeInfo>& node) {
  if (!node) return fail(node.error());
  const fuse_entry_param entry = to_entry_param(*node, connection_->timeouts());
  fuse_reply_entry(take(), &entry);
}

// The handle is kept before the kernel hears of it. An answer that the kernel does not take means
// that nobody has the file open: it sends no RELEASE.
template <class Answer>
void Reply::grant(InodeNumber inode, const Opened& opened, Answer answer) {
  if (opened.mode == ServeMode::passthrough) metrics().passthrough_opens.add();
  const auto fh = connection_->keep_handle({inode, opened, unique_});
  if (!fh) {
    file_system().release(inode, opened.handle);
    return fail(fh.error());
  }
  fault_point(FaultPoint::open_before_answer);
  if (answer(*fh) == 0) return;
  connection_->release(inode, *fh);
}

void Reply::opened(InodeNumber inode, const Result<Opened>& opened) {
  if (!opened) return fail(opened.error());
  grant(inode, *opened, [&](uint64_t fh) { return send(take(), to_open_reply(*opened, fh)); });
}

void Reply::created(const Result<Created>& created) {
  if (!created) return fail(created.error());
  grant(created->node.inode, created->opened, [&](uint64_t fh) {
    return send(take(), to_create_reply(*created, fh, connection_->timeouts()));
  });
}

void Reply::opened_again(uint64_t fh, const KeptHandle& handle) {
  send(take(), to_open_reply(handle.opened, fh));
}

void Reply::created_again(uint64_t fh, const KeptHandle& handle) {
  const auto node = file_system().getattr(handle.inode);
  if (!node) return fail(node.error());
  send(take(), to_create_reply({*node, handle.opened}, fh, connection_->timeouts()));
}

void Reply::opened_folder(const fuse_file_info& info) { fuse_reply_open(take(), &info); }

void Reply::read(const Result<ReadAnswer>& answer) {
  if (!answer) return fail(answer.error());
  if (answer->size_bytes == 0) return bytes({});
  fuse_bufvec file = FUSE_BUFVEC_INIT(answer->size_bytes);
  file.buf[0].flags = static_cast<fuse_buf_flags>(FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK);
  file.buf[0].fd = answer->fd;
  file.buf[0].pos = static_cast<off_t>(answer->offset_bytes);
  // Copied, not moved: the pages stay in the object's cache, for passthrough.
  fuse_reply_data(take(), &file, static_cast<fuse_buf_copy_flags>(0));
}

void Reply::written(const Result<size_t>& bytes) {
  if (!bytes) return fail(bytes.error());
  fuse_reply_write(take(), *bytes);
}

void Reply::position(const Result<uint64_t>& offset_bytes) {
  if (!offset_bytes) return fail(offset_bytes.error());
  fuse_reply_lseek(take(), static_cast<off_t>(*offset_bytes));
}

void Reply::link_target(const Result<std::string>& target) {
  if (!target) return fail(target.error());
  fuse_reply_readlink(take(), target->c_str());
}

void Reply::bytes(std::string_view bytes) { fuse_reply_buf(take(), bytes.data(), bytes.size()); }

void Reply::value(const Result<std::string>& value, size_t room_bytes) {
  if (!value) return fail(value.error());
  if (room_bytes == 0) {
    fuse_reply_xattr(take(), value->size());
    return;
  }
  if (value->size() > room_bytes) return fail(ERANGE);
  bytes(*value);
}

void Reply::statistics(const FileSystem::Statistics& statistics) {
  const auto blocks = [&](uint64_t bytes) { return bytes / statistics.block_bytes; };
  struct statvfs answer {};
  answer.f_bsize = statistics.block_bytes;
  answer.f_frsize = statistics.block_bytes;
  answer.f_blocks = blocks(statistics.space.total_bytes);
  answer.f_bfree = blocks(statistics.space.free_bytes);
  answer.f_bavail = blocks(statistics.space.available_bytes);
  answer.f_files = statistics.space.total_files;
  answer.f_ffree = statistics.space.free_files;
  answer.f_favail = statistics.space.free_files;
  answer.f_namemax = statistics.name_max;
  fuse_reply_statfs(take(), &answer);
}

}  // namespace tierhub
