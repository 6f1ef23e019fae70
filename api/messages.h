// The messages of tierd's control API, as values. JSON names are the member names; sizes are bytes,
// times are ISO 8601 UTC.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/types.h"
#include "http/peer.h"

namespace tierhub::api {

// Who calls, as the kernel knows it (SO_PEERCRED, SO_PEERGROUPS).
using Caller = http::Credentials;

struct Status {
  std::string version;
  int64_t pid = 0;
  std::string mount;
  std::string archive;
  std::string scratch;
  std::string state;
  bool state_shares_scratch = false;  // one file system: what fills scratch fills state
  std::string data_path;              // "passthrough" or "splice", as negotiated
  std::string archive_state;          // "online", "offline", "hung", ...
  std::string copy_engine;            // "io_uring" or "preadv"
  double uptime_s = 0;
  // Import and scan.
  bool import_running = false;
  uint64_t import_files = 0;
  // Scratch.
  uint64_t capacity_bytes = 0;
  uint64_t used_bytes = 0;
  uint64_t reserve_bytes = 0;
  uint64_t high_bytes = 0;  // eviction begins
  uint64_t low_bytes = 0;   // and ends
  // Writes and opens for writing that wait for room, and how fast the archive takes data.
  uint64_t writers_waiting = 0;
  double oldest_writer_wait_s = 0;
  double publish_bytes_per_s = 0;
  // What would be lost if the SSD died now.
  uint64_t dirty_files = 0;
  uint64_t dirty_bytes = 0;
  double oldest_dirty_age_s = 0;
  // Journal.
  uint64_t journal_keys = 0;
  uint64_t parked_keys = 0;
  uint64_t conflicts = 0;
  std::string first_parked_reason;
  // Since the start of tierd.
  uint64_t prefetch_bytes = 0;
  uint64_t prefetch_files = 0;
  uint64_t recall_bytes = 0;
  uint64_t recall_chunks = 0;
  // Answered from the archive and not kept: scratch had no room; the file was still being written.
  uint64_t unkept_recall_bytes = 0;
  uint64_t growing_recall_bytes = 0;
  uint64_t answered_first_bytes = 0;
  uint64_t published_bytes = 0;
  uint64_t published_files = 0;
  // Files published as a patch, and what of them the archive took over without it being sent.
  uint64_t patched_files = 0;
  uint64_t cloned_bytes = 0;
  uint64_t evicted_bytes = 0;
  uint64_t evicted_files = 0;
  uint64_t fuse_read_requests = 0;
  uint64_t fuse_write_requests = 0;
  uint64_t fuse_lookup_requests = 0;
  uint64_t fuse_open_requests = 0;
  uint64_t passthrough_opens = 0;
  uint64_t prefetches_active = 0;
  // Compute agents that the caller may know of.
  uint64_t agents = 0;
  uint64_t agents_gone = 0;
  std::vector<uint64_t> parked_prefetches;  // ids: they rest until resumed or cancelled
  // One line: "ok", or the first of `health`.
  std::string summary;
  // What is wrong now, and what to do; the worst first.
  std::vector<std::string> health;
};

struct Entry {
  std::string path;       // in the namespace, from its root
  std::string kind;       // "file", "directory", "symlink", ...
  std::string state;      // "cold", "partial", "hot", "dirty"; of a folder "" unless it was summed
  uint64_t size = 0;      // of a folder that was summed, like the next two: all files below it
  uint64_t resident = 0;  // bytes in scratch
  uint64_t dirty = 0;     // bytes newer than the archive
  uint32_t mode = 0;
  uint32_t uid = 0;
  uint32_t gid = 0;
  Timestamp mtime;
  bool writing = false;
  // "owner: reason" of pins and leases; of a folder that was summed those of all files below it, at
  // most 100.
  std::vector<std::string> pins;
  uint64_t files = 0;  // below a folder that was summed
};

struct Listing {
  std::vector<Entry> entries;
  std::string next;  // not empty: there may be more entries; pass it as `after`
};

struct FileRanges {
  std::string path;
  std::vector<ByteRange> ranges;  // empty: the whole file
};

// How much of a part of a file is on the SSD, and which bytes of it.
struct Residency {
  std::string path;    // in the namespace, from its root
  uint64_t size = 0;   // of the whole file
  uint64_t begin = 0;  // the part, as far as the file has it
  uint64_t end = 0;
  uint64_t resident = 0;  // bytes of the part that need not come from the archive, holes included
  uint64_t dirty = 0;     // bytes of the part that are newer than the archive
  std::vector<ByteRange> ranges;  // that are resident: ascending, with a gap between any two
  bool more = false;  // resident bytes follow `ranges`: ask again from the end of the last one
};

struct ResidencyRequest {
  std::vector<FileRanges> files;
};

// The sums for one file of a request.
struct FileResidency {
  std::string path;       // as the request names it
  uint64_t size = 0;      // of the whole file
  uint64_t bytes = 0;     // of the ranges, as far as the file has them, each byte once
  uint64_t resident = 0;  // of these
  uint64_t dirty = 0;     // of these
  // Goes up with each open for writing. While `writing`, somebody has the file open for writing, and
  // its mtime may lag behind its bytes.
  uint64_t generation = 0;
  bool writing = false;
  std::string code;  // not empty: why there is no answer for this file, as in an error
  std::string error;
};

struct ResidencyList {
  std::vector<FileResidency> files;  // in the order of the request
  bool more = false;  // there was no time for all files: ask again for those that are left
};

struct PrefetchRequest {
  std::vector<std::string> paths;  // a folder means all below it
  std::vector<FileRanges> files;   // exact files and ranges
  std::string label;               // for people; made from paths if empty
  std::string lease_owner;         // not empty: what becomes resident is leased to it
  uint64_t lease_ttl_s = 0;
  // "task": somebody waits for it; "later": it may take long, and others come first. Empty: task.
  std::string urgency;
  // "metadata": what is named is evicted last, as far as there is room for that. Empty: as usual.
  std::string keep;
};

struct Prefetch {
  uint64_t id = 0;
  std::string state;  // "queued", "running", "done", "failed", "cancelled", "parked"
  std::string label;
  std::string urgency;  // "task" or "later"
  uint32_t owner_uid = 0;
  uint64_t total_bytes = 0;   // what was asked for, resident or not
  uint64_t done_bytes = 0;    // resident now
  uint64_t copied_bytes = 0;  // brought from the archive by this prefetch since tierd started
  uint64_t total_files = 0;
  uint64_t done_files = 0;
  uint64_t failed_files = 0;
  std::string first_error;
  double rate_bytes_per_s = 0;
  double eta_s = 0;
  std::string reason;  // not empty: why nothing is brought now
  Timestamp created;
  std::optional<Timestamp> ended;
  bool finished() const { return state == "done" || state == "failed" || state == "cancelled"; }
};

struct Skipped {
  std::string path;
  std::string reason;  // "pinned by alice: keep", "dirty", "in use", ...
};

struct EvictResult {
  uint64_t files = 0;
  uint64_t bytes = 0;
  std::vector<Skipped> skipped;  // the first 1,000
  uint64_t skipped_files = 0;
};

// A change that does not get on by itself.
struct Waiting {
  std::string path;
  std::string reason;
  bool open_for_writing = false;  // it ends when the writer closes the file
};

// How far publishing everything below some paths is. `done` when the archive equals the namespace
// there.
struct PublishProgress {
  uint64_t id = 0;
  bool done = false;
  uint64_t pending_keys = 0;  // still to do, of those asked for
  uint64_t pending_bytes = 0;
  uint64_t published_files = 0;
  uint64_t published_bytes = 0;
  // Why keys are still pending, the first 100. What is not `open_for_writing` (parked, a conflict)
  // needs somebody to act.
  std::vector<Waiting> waiting;
};

// Something that was removed, and rests in the archive's trash.
struct TrashItem {
  std::string path;  // that it had in the archive
  std::string day;   // "2026-11-22"; removed again on the same day: "2026-11-22.2"
  std::string kind;  // as in Entry
  uint64_t size = 0;
  uint32_t mode = 0;
  uint32_t uid = 0;
  uint32_t gid = 0;
  Timestamp mtime;
};

struct TrashListing {
  std::vector<TrashItem> items;  // folders before what is in them, newest day first
  bool more = false;             // there are more than are listed
};

// For restore and purge.
struct TrashRequest {
  std::vector<std::string> paths;
  std::string to;             // restore: a folder, or the new path of the one that is restored
  uint64_t older_than_s = 0;  // purge: only what was removed longer ago
};

struct TrashResult {
  uint64_t entries = 0;
};

// Something that has happened.
struct Event {
  uint64_t seq = 0;  // greater than that of each earlier one
  Timestamp at;
  // "residency": what is in the folder `path`, or where its bytes are; "prefetch"; "health"; "tier":
  // whether the archive answers.
  std::string kind;
  std::string path;
  std::string text;   // one sentence
  std::string state;  // of the prefetch, the archive; of health "wrong" or "over"
  uint64_t prefetch = 0;
  uint64_t done_bytes = 0;  // of the prefetch
  uint64_t total_bytes = 0;
};

struct EventList {
  std::vector<Event> events;
  uint64_t next = 0;  // pass it as `since` to hear what follows
  bool lost = false;  // there were others that nobody remembers
};

struct ScanProgress {
  bool running = false;
  uint64_t folders = 0;
  uint64_t files = 0;
  uint64_t added = 0;
  uint64_t changed = 0;
  uint64_t removed = 0;
  uint64_t conflicts = 0;
  std::string error;
};

// A run of the compute agent as it reports it. `json` is the content of its status.json.
struct Run {
  std::string run;
  uint32_t uid = 0;
  std::string state;  // "queued", "staging", "running", "done", "failed", "cancelled"
  std::string workflow;
  Timestamp updated;
  std::string json;
  std::string agent = {};  // the host whose compute agent works on it
  // tierd answers: since when that agent is gone, of a run that has not ended.
  std::optional<Timestamp> agent_gone = {};
};

// A compute agent, as it last said itself.
struct Agent {
  std::string host;
  uint32_t uid = 0;                  // the user that it runs as
  std::string state;                 // "watching", "waiting" for the mount, "stopped"
  std::vector<std::string> folders;  // the jobs folders that it watches
  uint64_t workers = 0;
  uint64_t runs = 0;  // that it works on
  // tierd answers: when it was last heard of, and that this is too long ago, or that it has stopped.
  Timestamp heard;
  bool gone = false;
};

}  // namespace tierhub::api
