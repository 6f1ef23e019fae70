#include "storage/helper/client.h"

#include <cerrno>
#include <future>

#include <fcntl.h>

#include "storage/copy/copy_plan.h"

namespace tierhub {
namespace {

// A sync waits for all that was written before it.
constexpr int kSyncPatience = 10;

template <class... Arguments>
std::string encode(ArchiveCall call, const Arguments&... arguments) {
  ByteWriter out;
  out.u8(static_cast<uint8_t>(call));
  (wire::put(out, arguments), ...);
  return out.take();
}

template <class T>
Result<T> decode(const Result<std::string>& reply) {
  if (!reply) return reply.error();
  ByteReader in(*reply);
  return wire::get_result<T>(in);
}

Result<void> without_value(const Result<Nothing>& result) {
  if (!result) return result.error();
  return {};
}

Result<UniqueFd> duplicate(int fd) {
  UniqueFd own(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!own) return target_error(errno, "duplicate the file descriptor");
  return own;
}

// Appends a descriptor of the request's object, if it has one.
Result<void> add_object(const StageFileRequest& request, std::vector<UniqueFd>& objects) {
  if (request.object_fd < 0) return {};
  TRY_ASSIGN(UniqueFd object, duplicate(request.object_fd));
  objects.push_back(std::move(object));
  return {};
}

// The answers, or for each of `count` why there are none.
template <class T>
std::vector<Result<T>> one_for_each(size_t count, Result<std::vector<Result<T>>> reply) {
  if (reply && reply->size() == count) return *std::move(reply);
  const Error why = reply ? Error(std::errc::protocol_error,
                                  "the archive helper's reply does not match the request")
                          : reply.error();
  return {count, Result<T>(why)};
}

}  // namespace

Result<std::unique_ptr<ArchiveClient>> ArchiveClient::start(const std::string& program,
                                                            const std::string& root,
                                                            const ArchiveClientOptions& options) {
  constexpr uint64_t kSlowestProgressMs = 1'000;
  HelperConnectionOptions link;
  link.program = program;
  link.helper.root = root;
  link.helper.expected_id = options.expected_id;
  link.helper.claimant = options.claimant;
  link.helper.slots = options.slots;
  link.helper.progress_interval_ms =
      std::clamp<uint64_t>(options.time_limit_ms / 4, 1, kSlowestProgressMs);
  link.helper.verify_by_reading = options.verify_by_reading;
  link.helper.copy = options.copy;
  link.helper.left_out = options.left_out;
  link.time_limit = std::chrono::milliseconds(options.time_limit_ms);
  link.probe_interval = std::chrono::milliseconds(options.probe_interval_ms);
  link.replace_after = std::chrono::milliseconds(options.replace_after_ms);
  const auto time_limit = link.time_limit;
  TRY_ASSIGN(auto started, HelperConnection::start(std::move(link)));
  return std::unique_ptr<ArchiveClient>(new ArchiveClient(std::move(started), time_limit));
}

ArchiveClient::~ArchiveClient() = default;

template <class T>
Result<T> ArchiveClient::send(std::string body, std::vector<UniqueFd> fds,
                              std::chrono::milliseconds time_limit) {
  const auto promise = std::make_shared<std::promise<Result<std::string>>>();
  auto future = promise->get_future();
  HelperConnection::Call call;
  call.body = std::move(body);
  call.fds = std::move(fds);
  call.time_limit = time_limit;
  call.done = [promise](Result<std::string> reply) { promise->set_value(std::move(reply)); };
  connection_->submit(std::move(call));
  return decode<T>(future.get());
}

template <class T, class... Arguments>
Result<T> ArchiveClient::ask(ArchiveCall call, const Arguments&... arguments) {
  return send<T>(encode(call, arguments...), {}, time_limit_);
}

Result<ArchiveCapabilities> ArchiveClient::capabilities() {
  return ask<ArchiveCapabilities>(ArchiveCall::capabilities);
}

Result<Archive::XattrSupport> ArchiveClient::xattr_support() {
  TRY_ASSIGN(const ArchiveCapabilities held, capabilities());
  return XattrSupport{held.user_xattrs, held.posix_acls};
}

Result<void> ArchiveClient::check_root() {
  TRY(archive_id());
  return {};
}

Result<std::string> ArchiveClient::archive_id() { return ask<std::string>(ArchiveCall::probe); }

Result<void> ArchiveClient::release_claim() {
  return without_value(ask<Nothing>(ArchiveCall::release_claim));
}

Result<std::optional<ArchiveVersion>> ArchiveClient::stat(const std::string& path) {
  return ask<std::optional<ArchiveVersion>>(ArchiveCall::stat, path);
}

Result<ArchivePage> ArchiveClient::list(const std::string& path, uint64_t cookie, size_t limit) {
  return ask<ArchivePage>(ArchiveCall::list, path, cookie, uint64_t{limit});
}

Result<Xattrs> ArchiveClient::xattrs(const std::string& path) {
  return ask<Xattrs>(ArchiveCall::xattrs, path);
}

Result<Archive::Space> ArchiveClient::space(const FileSystemId& file_system) {
  return ask<Space>(ArchiveCall::space, file_system);
}

void ArchiveClient::fill(const FillRequest& request, std::function<void(Result<FillResult>)> done) {
  HelperConnection::Call call;
  call.kind = request.purpose == FillPurpose::answer ? HelperConnection::Kind::answer
                                                     : HelperConnection::Kind::fill;
  call.body = encode(ArchiveCall::fill, request);
  if (UniqueFd target(::fcntl(request.target_fd, F_DUPFD_CLOEXEC, 0)); target)
    call.fds.push_back(std::move(target));
  call.time_limit = time_limit_;
  call.done = [done = std::move(done)](const Result<std::string>& reply) {
    done(decode<FillResult>(reply));
  };
  connection_->submit(std::move(call));
}

void ArchiveClient::measure(const MeasureRequest& request,
                            std::function<void(Result<uint64_t>)> done) {
  HelperConnection::Call call;
  call.body = encode(ArchiveCall::measure, request);
  call.time_limit = time_limit_;
  call.done = [done = std::move(done)](const Result<std::string>& reply) {
    done(decode<uint64_t>(reply));
  };
  connection_->submit(std::move(call));
}

Result<StagedFile> ArchiveClient::stage_file(const StageFileRequest& request) {
  std::vector<UniqueFd> objects;
  TRY(add_object(request, objects));
  return send<StagedFile>(encode(ArchiveCall::stage_file, request), std::move(objects),
                          time_limit_);
}

std::vector<Result<StagedFile>> ArchiveClient::stage_files(
    const std::vector<StageFileRequest>& requests) {
  std::vector<UniqueFd> objects;
  std::vector<uint64_t> with_object;
  for (size_t i = 0; i < requests.size(); ++i) {
    if (const auto added = add_object(requests[i], objects); !added)
      return {requests.size(), Result<StagedFile>(added.error())};
    if (requests[i].object_fd >= 0) with_object.push_back(i);
  }
  return one_for_each(requests.size(), send<std::vector<Result<StagedFile>>>(
                                           encode(ArchiveCall::stage_files, requests, with_object),
                                           std::move(objects), time_limit_));
}

std::vector<Result<ArchiveVersion>> ArchiveClient::place_all(
    const std::vector<PlaceRequest>& requests) {
  return one_for_each(requests.size(),
                      ask<std::vector<Result<ArchiveVersion>>>(ArchiveCall::place_all, requests));
}

Result<ArchiveVersion> ArchiveClient::stage_node(const StageNodeRequest& request) {
  return ask<ArchiveVersion>(ArchiveCall::stage_node, request);
}

Result<void> ArchiveClient::sync(const FileSystemId& file_system) {
  return without_value(
      send<Nothing>(encode(ArchiveCall::sync, file_system), {}, time_limit_ * kSyncPatience));
}

Result<ArchiveVersion> ArchiveClient::place(const std::string& leaf, const std::string& target,
                                            const std::optional<ArchiveVersion>& before) {
  return ask<ArchiveVersion>(ArchiveCall::place, leaf, target, before);
}

Result<ArchiveVersion> ArchiveClient::move(const std::string& source, const ArchiveVersion& moved,
                                           const std::string& target,
                                           const std::optional<ArchiveVersion>& before) {
  return ask<ArchiveVersion>(ArchiveCall::move, source, moved, target, before);
}

Result<ArchiveVersion> ArchiveClient::link(const std::string& source, const ArchiveVersion& linked,
                                           const std::string& leaf, const std::string& target,
                                           const std::optional<ArchiveVersion>& before) {
  return ask<ArchiveVersion>(ArchiveCall::link, source, linked, leaf, target, before);
}

Result<void> ArchiveClient::remove(const std::string& target, const ArchiveVersion& before,
                                   const std::string& leaf) {
  return without_value(ask<Nothing>(ArchiveCall::remove, target, before, leaf));
}

Result<void> ArchiveClient::discard(const std::string& leaf, const ArchiveVersion& version) {
  return without_value(ask<Nothing>(ArchiveCall::discard, leaf, version));
}

Result<ArchiveVersion> ArchiveClient::set_attributes(const std::string& path,
                                                     const ArchiveVersion& before,
                                                     const Attributes& attributes,
                                                     const Xattrs& xattrs) {
  return ask<ArchiveVersion>(ArchiveCall::set_attributes, path, before, attributes, xattrs);
}

Result<void> ArchiveClient::sync_folders(const std::vector<std::string>& paths) {
  return without_value(ask<Nothing>(ArchiveCall::sync_folders, paths));
}

Result<std::vector<std::string>> ArchiveClient::staged() {
  return ask<std::vector<std::string>>(ArchiveCall::staged);
}

}  // namespace tierhub
