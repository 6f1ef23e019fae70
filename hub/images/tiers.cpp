#include "hub/images/tiers.h"

#include <algorithm>
#include <list>
#include <map>
#include <semaphore>
#include <type_traits>
#include <utility>

#include <fmt/format.h>

#include "api/errors.h"
#include "api/service.h"
#include "common/clock.h"
#include "common/guarded.h"
#include "common/interval_set.h"

namespace tierhub::hub {
namespace {

using std::chrono::milliseconds;

// The bytes of each file.
using Bytes = std::map<std::string, IntervalSet>;

Bytes bytes_of(const FileParts& parts) {
  Bytes bytes;
  for (const api::FileRanges& file : parts) {
    IntervalSet& ranges = bytes[file.path];
    if (file.ranges.empty()) ranges.add(0, UINT64_MAX);
    for (const ByteRange& range : file.ranges) ranges.add(range.begin, range.end);
  }
  return bytes;
}

FileParts parts_of(const Bytes& bytes) {
  FileParts parts;
  for (const auto& [path, ranges] : bytes) {
    api::FileRanges file{path, {}};
    if (!ranges.contains(0, UINT64_MAX)) {
      for (const auto& range : ranges.intervals()) file.ranges.push_back({range.begin, range.end});
    }
    parts.push_back(std::move(file));
  }
  return parts;
}

bool intersect(const Bytes& a, const Bytes& b) {
  return std::any_of(a.begin(), a.end(), [&](const auto& file) {
    const auto same = b.find(file.first);
    if (same == b.end()) return false;
    const auto ranges = file.second.intervals();
    return std::any_of(ranges.begin(), ranges.end(), [&](const IntervalSet::Interval& range) {
      return same->second.intersects(range.begin, range.end);
    });
  });
}

void subtract(Bytes& from, const Bytes& what) {
  for (const auto& [path, ranges] : what) {
    const auto same = from.find(path);
    if (same == from.end()) continue;
    for (const IntervalSet::Interval& range : ranges.intervals())
      same->second.remove(range.begin, range.end);
    if (same->second.empty()) from.erase(same);
  }
}

class SingleTier : public Tiers {
 public:
  bool is_mount() const override { return false; }
  Result<Sums> sums_of(const FileParts&) override {
    return Error(std::errc::not_supported, "this folder is no mount of TierHub: it has no tiers");
  }
  Result<Missing> missing(const FileParts&) override { return Missing{}; }
  Result<void> bring(const FileParts&, const std::string&) override { return {}; }
  Result<std::vector<FileWrites>> writes_of(const std::vector<std::string>& paths) override {
    return std::vector<FileWrites>(paths.size());
  }
  Result<std::optional<PathState>> state_of(const std::string&) override {
    return std::optional<PathState>();
  }
  Result<std::map<std::string, PathState>> states_in(const std::string&) override {
    return std::map<std::string, PathState>();
  }
};

class TierdTiers : public Tiers {
 public:
  explicit TierdTiers(std::unique_ptr<TierCalls> calls) : calls_(std::move(calls)) {}

  bool is_mount() const override { return true; }

  Result<Sums> sums_of(const FileParts& parts) override {
    Sums sums;
    for (size_t begin = 0; begin < parts.size();) {
      TRY_ASSIGN(const size_t answered, add_sums(parts, begin, sums));
      begin += answered;
    }
    return sums;
  }

  Result<Missing> missing(const FileParts& parts) override {
    TRY_ASSIGN(const Sums sums, sums_of(parts));
    Missing missing;
    missing.bytes = sums.bytes - std::min(sums.bytes, sums.resident);
    if (missing.bytes == 0) return missing;
    poll();
    const Bytes bytes = bytes_of(parts);
    all_.with([&](const Known& known) {
      missing.eta = eta_of(missing.bytes, known.rate_bytes_per_s);
      for (const Fetch& fetch : known.fetches) {
        if (missing.reason.empty() && intersect(fetch.bytes, bytes)) missing.reason = fetch.reason;
      }
    });
    return missing;
  }

  Result<void> bring(const FileParts& parts, const std::string& name) override {
    poll();
    Bytes rest = bytes_of(parts);
    const auto now = SteadyClock::now();
    // What is asked for is noted before the call, so that no other thread asks for it too.
    const auto noted = all_.with([&](Known& known) {
      for (Fetch& fetch : known.fetches) {
        if (fetch.has_failed || !intersect(fetch.bytes, rest)) continue;
        fetch.wanted = now;
        subtract(rest, fetch.bytes);
      }
      if (rest.empty()) return known.fetches.end();
      known.fetches.push_front({0, rest, now, now, false, {}});
      return known.fetches.begin();
    });
    if (rest.empty()) return {};
    api::PrefetchRequest request;
    request.files = parts_of(rest);
    request.label = "view of " + name;
    request.urgency = "task";
    const auto started = call([&] { return calls_->start_prefetch(request); });
    all_.with([&](Known& known) {
      if (started) {
        noted->id = started->id;
        noted->started = SteadyClock::now();
      } else {
        known.fetches.erase(noted);
      }
    });
    if (!started) return started.error();
    return {};
  }

  Result<std::vector<FileWrites>> writes_of(const std::vector<std::string>& paths) override {
    std::vector<FileWrites> writes;
    while (writes.size() < paths.size()) {
      api::ResidencyRequest request;
      for (size_t i = writes.size(); i < paths.size() && request.files.size() < kMostFiles; ++i)
        request.files.push_back({paths[i], {{0, 0}}});
      TRY_ASSIGN(const auto answer, ask_residencies(request));
      // A file that is not there, or that may not be read, has no writes that anybody could see.
      for (const api::FileResidency& file : answer.files)
        writes.push_back({file.generation, file.writing});
    }
    return writes;
  }

  Result<std::optional<PathState>> state_of(const std::string& path) override {
    TRY_ASSIGN(const api::Listing listing,
               call([&] { return calls_->list_totals(path, kMostEntries); }));
    if (!listing.next.empty()) return std::optional<PathState>();
    PathState sum;
    for (const api::Entry& entry : listing.entries) {
      if (!is_summed(entry)) return std::optional<PathState>();
      add(entry, sum);
    }
    return std::optional(std::move(sum));
  }

  Result<std::map<std::string, PathState>> states_in(const std::string& folder) override {
    TRY_ASSIGN(const api::Listing listing,
               call([&] { return calls_->list_totals(folder, kMostEntries); }));
    std::map<std::string, PathState> states;
    for (const api::Entry& entry : listing.entries) {
      if (is_summed(entry)) add(entry, states[entry.path]);
    }
    return states;
  }

 private:
  // A prefetch that was asked for.
  struct Fetch {
    uint64_t id = 0;  // 0: it is being asked for
    Bytes bytes;
    SteadyClock::time_point wanted;   // by somebody, last
    SteadyClock::time_point started;  // when tierd had it
    bool has_failed = false;          // kept for a moment, for its reason
    std::string reason;
  };
  struct Known {
    std::list<Fetch> fetches;
    SteadyClock::time_point polled;
    // Before anything has been measured: an archive on a fast network.
    double rate_bytes_per_s = 100e6;
  };

  static constexpr size_t kMostEntries = 10'000;
  // Of one question.
  static constexpr size_t kMostFiles = api::Service::kMaxResidencyFiles / 2;

  // There was time to sum it.
  static bool is_summed(const api::Entry& entry) {
    return entry.kind != "directory" || !entry.state.empty();
  }

  static void add(const api::Entry& entry, PathState& sum) {
    sum.size_bytes += entry.size;
    sum.resident_bytes += entry.resident;
    sum.dirty_bytes += entry.dirty;
    if (sum.dirty_bytes > 0) {
      sum.state = "dirty";
    } else if (sum.resident_bytes >= sum.size_bytes) {
      sum.state = "hot";
    } else {
      sum.state = sum.resident_bytes == 0 ? "cold" : "partial";
    }
  }

  template <class Call>
  std::invoke_result_t<Call> call(Call&& make) {
    calls_at_once_.acquire();
    auto answer = make();
    calls_at_once_.release();
    return answer;
  }

  static milliseconds eta_of(uint64_t bytes, double rate_bytes_per_s) {
    // What the way costs, however little is missing.
    constexpr double kLatency_ms = 50;
    constexpr double kLongest_ms = 24.0 * 3600 * 1000;
    const double ms = kLatency_ms + static_cast<double>(bytes) / rate_bytes_per_s * 1000;
    return milliseconds(static_cast<int64_t>(std::min(ms, kLongest_ms)));
  }

  // Answers about the first files, at least one.
  Result<api::ResidencyList> ask_residencies(const api::ResidencyRequest& request) {
    TRY_ASSIGN(auto answer, call([&] { return calls_->residencies(request); }));
    if (answer.files.empty() || answer.files.size() > request.files.size())
      return Error(std::errc::protocol_error, "tierd did not answer about the files it was asked");
    return answer;
  }

  // Adds those of the first parts from `begin` on; returns how many were answered.
  Result<size_t> add_sums(const FileParts& parts, size_t begin, Sums& sums) {
    constexpr size_t kMostRanges = api::Service::kMaxResidencyRanges / 2;
    api::ResidencyRequest request;
    size_t ranges = 0;
    for (size_t i = begin; i < parts.size() && request.files.size() < kMostFiles; ++i) {
      ranges += parts[i].ranges.size();
      if (ranges > kMostRanges && !request.files.empty()) break;
      request.files.push_back(parts[i]);
    }
    TRY_ASSIGN(const auto answer, ask_residencies(request));
    for (const api::FileResidency& file : answer.files) {
      if (file.code == "ENOENT") continue;
      if (!file.code.empty()) return Error(api::error_code(file.code), file.error);
      sums.bytes += file.bytes;
      sums.resident += std::min(file.bytes, file.resident);
      sums.dirty += file.dirty;
    }
    return answer.files.size();
  }

  // Learns how far the prefetches are, at most every kPollEvery.
  void poll() {
    constexpr milliseconds kPollEvery{250};
    const auto now = SteadyClock::now();
    const bool due = all_.with([&](Known& known) {
      if (known.fetches.empty() || now - known.polled < kPollEvery) return false;
      known.polled = now;
      return true;
    });
    if (!due) return;
    const auto answer = call([&] { return calls_->prefetches(); });
    // tierd may be starting: the next call shows it.
    if (!answer) return;
    std::map<uint64_t, const api::Prefetch*> by_id;
    for (const api::Prefetch& prefetch : *answer) by_id[prefetch.id] = &prefetch;
    const std::vector<uint64_t> forgotten =
        all_.with([&](Known& known) { return take_in(known, by_id, now); });
    for (const uint64_t id : forgotten) {
      // One that has just ended needs no cancelling.
      (void)call([&] { return calls_->cancel_prefetch(id); });
    }
  }

  // Returns those that nobody waits for any more.
  static std::vector<uint64_t> take_in(Known& known,
                                       const std::map<uint64_t, const api::Prefetch*>& by_id,
                                       SteadyClock::time_point asked) {
    constexpr std::chrono::seconds kReasonIsKept{5};
    std::vector<uint64_t> forgotten;
    std::erase_if(known.fetches, [&](Fetch& fetch) {
      if (fetch.id == 0 || fetch.started >= asked) return false;
      if (fetch.has_failed) return asked - fetch.wanted > kReasonIsKept;
      const auto found = by_id.find(fetch.id);
      if (found == by_id.end()) return true;
      const api::Prefetch& prefetch = *found->second;
      if (prefetch.rate_bytes_per_s > 0) known.rate_bytes_per_s = prefetch.rate_bytes_per_s;
      fetch.reason = prefetch.reason.empty() ? prefetch.first_error : prefetch.reason;
      fetch.has_failed = prefetch.state == "failed";
      if (prefetch.finished()) return !fetch.has_failed;
      if (asked - fetch.wanted <= kForgottenAfter) return false;
      forgotten.push_back(fetch.id);
      return true;
    });
    return forgotten;
  }

  const std::unique_ptr<TierCalls> calls_;
  std::counting_semaphore<kCallsAtOnce> calls_at_once_{kCallsAtOnce};
  Guarded<Known> all_;
};

}  // namespace

std::shared_ptr<Tiers> make_single_tier() { return std::make_shared<SingleTier>(); }

std::shared_ptr<Tiers> make_tiers(std::unique_ptr<TierCalls> calls) {
  return std::make_shared<TierdTiers>(std::move(calls));
}

}  // namespace tierhub::hub
