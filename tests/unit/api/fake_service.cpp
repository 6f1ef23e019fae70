#include "tests/unit/api/fake_service.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace tierhub::api {
namespace {

Error no_such(const std::string& what) {
  return Error(std::errc::no_such_file_or_directory, "there is no " + what);
}

// The next of successive answers; the last one stays.
template <class Answer>
Answer take(std::vector<Answer>& answers) {
  Answer answer = answers.front();
  if (answers.size() > 1) answers.erase(answers.begin());
  return answer;
}

bool is_below(const std::string& path, const std::string& folder) {
  std::string prefix = folder == "/" ? folder : folder + "/";
  return path.starts_with(prefix);
}

}  // namespace

Entry make_file(const std::string& path, const std::string& state, uint64_t size,
                uint64_t resident) {
  Entry entry;
  entry.path = path;
  entry.kind = "file";
  entry.state = state;
  entry.size = size;
  entry.resident = resident;
  entry.mode = 0100644;
  return entry;
}

Entry make_folder(const std::string& path) {
  Entry entry;
  entry.path = path;
  entry.kind = "directory";
  entry.mode = 040755;
  return entry;
}

Result<void> FakeService::check_administrator(const Caller& caller, const std::string& call) {
  std::lock_guard lock(mutex_);
  state_.calls.push_back(call);
  state_.caller = caller;
  if (caller.uid == state_.administrator_uid) return {};
  return Error(std::errc::permission_denied, "only root may do this");
}

Result<Status> FakeService::status(const Caller& caller) {
  auto on_status = with([](State& state) { return state.on_status; });
  if (on_status) on_status();
  std::lock_guard lock(mutex_);
  state_.calls.push_back("status");
  state_.caller = caller;
  return state_.status;
}

Result<Listing> FakeService::find(const Caller&, const std::string& name, const std::string& path,
                                  const std::string& after, size_t limit) {
  std::lock_guard lock(mutex_);
  state_.calls.push_back(fmt::format("find {} in {} after={} limit={}", name, path, after, limit));
  return Listing{{}, "there"};
}

Result<Listing> FakeService::list(const Caller&, const std::string& path, Depth depth,
                                  const std::string& after, size_t limit) {
  std::lock_guard lock(mutex_);
  state_.calls.push_back(fmt::format("list {} depth={} after={} limit={}", path,
                                     depth == Depth::all      ? "all"
                                     : depth == Depth::totals ? "totals"
                                                              : "children",
                                     after, limit));
  auto self = state_.entries.find(path);
  if (path != "/" && self == state_.entries.end()) return no_such(path);
  Listing listing;
  if (self != state_.entries.end() && self->second.kind == "file") {
    listing.entries.push_back(self->second);
    return listing;
  }
  for (const auto& [name, entry] : state_.entries) {
    bool direct = name.find('/', path == "/" ? 1 : path.size() + 1) == std::string::npos;
    if (!is_below(name, path) || name <= after || (depth != Depth::all && !direct)) continue;
    if (listing.entries.size() == limit) {
      listing.next = listing.entries.back().path;
      break;
    }
    listing.entries.push_back(entry);
  }
  return listing;
}

Result<Residency> FakeService::residency(const Caller& caller, const std::string& path,
                                         ByteRange part, size_t limit) {
  std::lock_guard lock(mutex_);
  state_.calls.push_back(
      fmt::format("residency {} begin={} end={} limit={}", path, part.begin, part.end, limit));
  state_.caller = caller;
  const auto found = state_.residencies.find(path);
  if (found == state_.residencies.end()) return no_such(path);
  return found->second;
}

Result<ResidencyList> FakeService::residencies(const Caller& caller,
                                               const ResidencyRequest& request) {
  std::lock_guard lock(mutex_);
  state_.calls.push_back(fmt::format("residencies {}", request.files.size()));
  state_.caller = caller;
  ResidencyList list;
  for (const FileRanges& file : request.files) {
    list.more = list.files.size() == state_.residencies_at_once;
    if (list.more) break;
    FileResidency& answer = list.files.emplace_back();
    answer.path = file.path;
    const auto found = state_.residencies.find(file.path);
    if (found == state_.residencies.end()) {
      answer.code = "ENOENT";
      answer.error = no_such(file.path).text();
      continue;
    }
    answer.size = found->second.size;
    for (const ByteRange& range : file.ranges) answer.bytes += range.size();
    if (file.ranges.empty()) answer.bytes = answer.size;
    answer.resident = found->second.resident;
    answer.dirty = found->second.dirty;
  }
  return list;
}

Result<Prefetch> FakeService::start_prefetch(const Caller& caller, const PrefetchRequest& request) {
  std::lock_guard lock(mutex_);
  state_.calls.push_back(fmt::format("start_prefetch {}", fmt::join(request.paths, " ")));
  state_.caller = caller;
  state_.prefetch_request = request;
  state_.prefetch_requests.push_back(request);
  if (state_.prefetches.empty()) return no_such("prefetch in this test");
  return take(state_.prefetches.begin()->second);
}

Result<Prefetch> FakeService::prefetch(const Caller&, uint64_t id) {
  std::lock_guard lock(mutex_);
  state_.calls.push_back(fmt::format("prefetch {}", id));
  auto found = state_.prefetches.find(id);
  if (found == state_.prefetches.end()) return no_such(fmt::format("prefetch {}", id));
  return take(found->second);
}

Result<std::vector<Prefetch>> FakeService::prefetches(const Caller&) {
  std::lock_guard lock(mutex_);
  state_.calls.push_back("prefetches");
  std::vector<Prefetch> all;
  for (const auto& [id, answers] : state_.prefetches) all.push_back(answers.front());
  return all;
}

Result<Prefetch> FakeService::cancel_prefetch(const Caller&, uint64_t id) {
  std::lock_guard lock(mutex_);
  state_.calls.push_back(fmt::format("cancel_prefetch {}", id));
  auto found = state_.prefetches.find(id);
  if (found == state_.prefetches.end()) return no_such(fmt::format("prefetch {}", id));
  Prefetch prefetch = found->second.front();
  prefetch.state = "cancelled";
  return prefetch;
}

Result<Prefetch> FakeService::resume_prefetch(const Caller&, uint64_t id) {
  std::lock_guard lock(mutex_);
  state_.calls.push_back(fmt::format("resume_prefetch {}", id));
  auto found = state_.prefetches.find(id);
  if (found == state_.prefetches.end()) return no_such(fmt::format("prefetch {}", id));
  Prefetch prefetch = found->second.front();
  prefetch.state = "queued";
  return prefetch;
}

Result<void> FakeService::renew_lease(const Caller&, const std::string& owner, uint64_t ttl_s) {
  std::lock_guard lock(mutex_);
  state_.calls.push_back(fmt::format("renew_lease {} {}", owner, ttl_s));
  return {};
}

Result<EvictResult> FakeService::evict(const Caller& caller,
                                       const std::vector<std::string>& paths) {
  TRY(check_administrator(caller, fmt::format("evict {}", fmt::join(paths, " "))));
  return with([](State& state) { return state.evict_result; });
}

Result<PublishProgress> FakeService::start_publish(const Caller& caller,
                                                   const std::vector<std::string>& paths) {
  TRY(check_administrator(caller, fmt::format("start_publish {}", fmt::join(paths, " "))));
  return with([](State& state) { return take(state.publishes); });
}

Result<PublishProgress> FakeService::publish_progress(const Caller& caller, uint64_t id,
                                                      std::chrono::milliseconds) {
  TRY(check_administrator(caller, fmt::format("publish_progress {}", id)));
  std::lock_guard lock(mutex_);
  if (state_.publishes.front().id != id) return no_such(fmt::format("publish {}", id));
  return take(state_.publishes);
}

Result<uint64_t> FakeService::pin(const Caller& caller, const std::vector<std::string>& paths,
                                  const std::string& owner, const std::string& reason) {
  TRY(check_administrator(
      caller, fmt::format("pin {} owner={} reason={}", fmt::join(paths, " "), owner, reason)));
  return paths.size();
}

Result<uint64_t> FakeService::unpin(const Caller& caller, const std::vector<std::string>& paths,
                                    const std::string& owner) {
  TRY(check_administrator(caller, fmt::format("unpin {} owner={}", fmt::join(paths, " "), owner)));
  return paths.size();
}

Result<ScanProgress> FakeService::start_scan(const Caller& caller, MuchMissing much_missing) {
  const bool accept = much_missing == MuchMissing::accept;
  TRY(check_administrator(caller, accept ? "start_scan accept" : "start_scan"));
  return with([](State& state) { return take(state.scans); });
}

Result<ScanProgress> FakeService::scan_progress(const Caller& caller) {
  TRY(check_administrator(caller, "scan_progress"));
  return with([](State& state) { return take(state.scans); });
}

Result<TrashListing> FakeService::trash(const Caller& caller, const std::string& path) {
  TRY(check_administrator(caller, "trash " + path));
  TrashListing listing;
  listing.items.push_back({"/a/removed", "2026-11-22", "file", 3'000, 0640, 1000, 1000, {}});
  return listing;
}

Result<TrashResult> FakeService::restore_trash(const Caller& caller, const TrashRequest& request) {
  TRY(check_administrator(
      caller, fmt::format("restore {} to={}", fmt::join(request.paths, " "), request.to)));
  return TrashResult{request.paths.size()};
}

Result<TrashResult> FakeService::purge_trash(const Caller& caller, const TrashRequest& request) {
  TRY(check_administrator(caller,
                          fmt::format("purge {} older_than_s={}", fmt::join(request.paths, " "),
                                      request.older_than_s)));
  return TrashResult{7};
}

Result<EventList> FakeService::events(const Caller& caller, std::optional<uint64_t> since,
                                      size_t last, std::chrono::milliseconds wait) {
  std::lock_guard lock(mutex_);
  state_.caller = caller;
  state_.calls.push_back(fmt::format("events since={} last={} wait={}",
                                     since ? std::to_string(*since) : "-", last, wait.count()));
  EventList list;
  list.next = since.value_or(6) + 1;
  Event& event = list.events.emplace_back();
  event.seq = list.next;
  event.kind = "residency";
  event.path = "/a b";
  return list;
}

Result<void> FakeService::report_run(const Caller& caller, const Run& run) {
  std::lock_guard lock(mutex_);
  state_.calls.push_back("report_run " + run.run);
  state_.caller = caller;
  state_.runs[run.run] = run;
  return {};
}

Result<std::vector<Run>> FakeService::runs(const Caller&) {
  std::lock_guard lock(mutex_);
  std::vector<Run> all;
  for (const auto& [name, run] : state_.runs) all.push_back(run);
  return all;
}

Result<Run> FakeService::run(const Caller&, const std::string& run) {
  std::lock_guard lock(mutex_);
  auto found = state_.runs.find(run);
  if (found == state_.runs.end()) return no_such("run " + run);
  return found->second;
}

Result<void> FakeService::report_agent(const Caller& caller, const Agent& agent) {
  std::lock_guard lock(mutex_);
  state_.calls.push_back("report_agent " + agent.host);
  state_.caller = caller;
  state_.agents.push_back(agent);
  return {};
}

Result<std::vector<Agent>> FakeService::agents(const Caller&) {
  std::lock_guard lock(mutex_);
  return state_.agents;
}

}  // namespace tierhub::api
