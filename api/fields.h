// The members of every message, listed once for encoding and decoding.
#pragma once

#include <concepts>
#include <type_traits>

#include "api/messages.h"
#include "api/wire.h"

namespace tierhub::api {

template <class T, class Message>
concept Is = std::same_as<std::remove_const_t<T>, Message>;

void visit_fields(Is<Status> auto& m, auto&& field) {
  field("version", m.version);
  field("pid", m.pid);
  field("mount", m.mount);
  field("archive", m.archive);
  field("scratch", m.scratch);
  field("state", m.state);
  field("state_shares_scratch", m.state_shares_scratch);
  field("data_path", m.data_path);
  field("archive_state", m.archive_state);
  field("copy_engine", m.copy_engine);
  field("uptime_s", m.uptime_s);
  field("import_running", m.import_running);
  field("import_files", m.import_files);
  field("capacity_bytes", m.capacity_bytes);
  field("used_bytes", m.used_bytes);
  field("reserve_bytes", m.reserve_bytes);
  field("high_bytes", m.high_bytes);
  field("low_bytes", m.low_bytes);
  field("writers_waiting", m.writers_waiting);
  field("oldest_writer_wait_s", m.oldest_writer_wait_s);
  field("publish_bytes_per_s", m.publish_bytes_per_s);
  field("dirty_files", m.dirty_files);
  field("dirty_bytes", m.dirty_bytes);
  field("oldest_dirty_age_s", m.oldest_dirty_age_s);
  field("journal_keys", m.journal_keys);
  field("parked_keys", m.parked_keys);
  field("conflicts", m.conflicts);
  field("first_parked_reason", m.first_parked_reason);
  field("prefetch_bytes", m.prefetch_bytes);
  field("prefetch_files", m.prefetch_files);
  field("recall_bytes", m.recall_bytes);
  field("recall_chunks", m.recall_chunks);
  field("unkept_recall_bytes", m.unkept_recall_bytes);
  field("growing_recall_bytes", m.growing_recall_bytes);
  field("answered_first_bytes", m.answered_first_bytes);
  field("published_bytes", m.published_bytes);
  field("published_files", m.published_files);
  field("patched_files", m.patched_files);
  field("cloned_bytes", m.cloned_bytes);
  field("evicted_bytes", m.evicted_bytes);
  field("evicted_files", m.evicted_files);
  field("fuse_read_requests", m.fuse_read_requests);
  field("fuse_write_requests", m.fuse_write_requests);
  field("fuse_lookup_requests", m.fuse_lookup_requests);
  field("fuse_open_requests", m.fuse_open_requests);
  field("passthrough_opens", m.passthrough_opens);
  field("prefetches_active", m.prefetches_active);
  field("agents", m.agents);
  field("agents_gone", m.agents_gone);
  field("parked_prefetches", m.parked_prefetches);
  field("summary", m.summary);
  field("health", m.health);
}

void visit_fields(Is<Entry> auto& m, auto&& field) {
  field("path", m.path);
  field("kind", m.kind);
  field("state", m.state);
  field("size", m.size);
  field("resident", m.resident);
  field("dirty", m.dirty);
  field("mode", m.mode);
  field("uid", m.uid);
  field("gid", m.gid);
  field("mtime", m.mtime);
  field("writing", m.writing);
  field("pins", m.pins);
  field("files", m.files);
}

void visit_fields(Is<Listing> auto& m, auto&& field) {
  field("entries", m.entries);
  field("next", m.next);
}

void visit_fields(Is<ByteRange> auto& m, auto&& field) {
  field("begin", m.begin);
  field("end", m.end);
}

void visit_fields(Is<FileRanges> auto& m, auto&& field) {
  field("path", m.path);
  field("ranges", m.ranges);
}

void visit_fields(Is<Residency> auto& m, auto&& field) {
  field("path", m.path);
  field("size", m.size);
  field("begin", m.begin);
  field("end", m.end);
  field("resident", m.resident);
  field("dirty", m.dirty);
  field("ranges", m.ranges);
  field("more", m.more);
}

void visit_fields(Is<ResidencyRequest> auto& m, auto&& field) { field("files", m.files); }

void visit_fields(Is<FileResidency> auto& m, auto&& field) {
  field("path", m.path);
  field("size", m.size);
  field("bytes", m.bytes);
  field("resident", m.resident);
  field("dirty", m.dirty);
  field("generation", m.generation);
  field("writing", m.writing);
  field("code", m.code);
  field("error", m.error);
}

void visit_fields(Is<Event> auto& m, auto&& field) {
  field("seq", m.seq);
  field("at", m.at);
  field("kind", m.kind);
  field("path", m.path);
  field("text", m.text);
  field("state", m.state);
  field("prefetch", m.prefetch);
  field("done_bytes", m.done_bytes);
  field("total_bytes", m.total_bytes);
}

void visit_fields(Is<EventList> auto& m, auto&& field) {
  field("events", m.events);
  field("next", m.next);
  field("lost", m.lost);
}

void visit_fields(Is<ResidencyList> auto& m, auto&& field) {
  field("files", m.files);
  field("more", m.more);
}

void visit_fields(Is<PrefetchRequest> auto& m, auto&& field) {
  field("paths", m.paths);
  field("files", m.files);
  field("label", m.label);
  field("lease_owner", m.lease_owner);
  field("lease_ttl_s", m.lease_ttl_s);
  field("urgency", m.urgency);
  field("keep", m.keep);
}

void visit_fields(Is<Prefetch> auto& m, auto&& field) {
  field("id", m.id);
  field("state", m.state);
  field("label", m.label);
  field("urgency", m.urgency);
  field("owner_uid", m.owner_uid);
  field("total_bytes", m.total_bytes);
  field("done_bytes", m.done_bytes);
  field("copied_bytes", m.copied_bytes);
  field("total_files", m.total_files);
  field("done_files", m.done_files);
  field("failed_files", m.failed_files);
  field("first_error", m.first_error);
  field("rate_bytes_per_s", m.rate_bytes_per_s);
  field("eta_s", m.eta_s);
  field("reason", m.reason);
  field("created", m.created);
  field("ended", m.ended);
}

void visit_fields(Is<PrefetchList> auto& m, auto&& field) { field("prefetches", m.prefetches); }

void visit_fields(Is<Skipped> auto& m, auto&& field) {
  field("path", m.path);
  field("reason", m.reason);
}

void visit_fields(Is<EvictResult> auto& m, auto&& field) {
  field("files", m.files);
  field("bytes", m.bytes);
  field("skipped", m.skipped);
  field("skipped_files", m.skipped_files);
}

void visit_fields(Is<Waiting> auto& m, auto&& field) {
  field("path", m.path);
  field("reason", m.reason);
  field("open_for_writing", m.open_for_writing);
}

void visit_fields(Is<PublishProgress> auto& m, auto&& field) {
  field("id", m.id);
  field("done", m.done);
  field("pending_keys", m.pending_keys);
  field("pending_bytes", m.pending_bytes);
  field("published_files", m.published_files);
  field("published_bytes", m.published_bytes);
  field("waiting", m.waiting);
}

void visit_fields(Is<ScanProgress> auto& m, auto&& field) {
  field("running", m.running);
  field("folders", m.folders);
  field("files", m.files);
  field("added", m.added);
  field("changed", m.changed);
  field("removed", m.removed);
  field("conflicts", m.conflicts);
  field("error", m.error);
}

void visit_fields(Is<Run> auto& m, auto&& field) {
  field("run", m.run);
  field("uid", m.uid);
  field("state", m.state);
  field("workflow", m.workflow);
  field("updated", m.updated);
  field("json", m.json);
  field("agent", m.agent);
  field("agent_gone", m.agent_gone);
}

void visit_fields(Is<Agent> auto& m, auto&& field) {
  field("host", m.host);
  field("uid", m.uid);
  field("state", m.state);
  field("folders", m.folders);
  field("workers", m.workers);
  field("runs", m.runs);
  field("heard", m.heard);
  field("gone", m.gone);
}

void visit_fields(Is<AgentList> auto& m, auto&& field) { field("agents", m.agents); }

void visit_fields(Is<RunList> auto& m, auto&& field) { field("runs", m.runs); }

void visit_fields(Is<PathsRequest> auto& m, auto&& field) { field("paths", m.paths); }

void visit_fields(Is<TrashItem> auto& m, auto&& field) {
  field("path", m.path);
  field("day", m.day);
  field("kind", m.kind);
  field("size", m.size);
  field("mode", m.mode);
  field("uid", m.uid);
  field("gid", m.gid);
  field("mtime", m.mtime);
}

void visit_fields(Is<TrashListing> auto& m, auto&& field) {
  field("items", m.items);
  field("more", m.more);
}

void visit_fields(Is<TrashRequest> auto& m, auto&& field) {
  field("paths", m.paths);
  field("to", m.to);
  field("older_than_s", m.older_than_s);
}

void visit_fields(Is<TrashResult> auto& m, auto&& field) { field("entries", m.entries); }

void visit_fields(Is<PinRequest> auto& m, auto&& field) {
  field("paths", m.paths);
  field("owner", m.owner);
  field("reason", m.reason);
}

void visit_fields(Is<UnpinRequest> auto& m, auto&& field) {
  field("paths", m.paths);
  field("owner", m.owner);
}

void visit_fields(Is<LeaseRequest> auto& m, auto&& field) {
  field("owner", m.owner);
  field("ttl_s", m.ttl_s);
}

void visit_fields(Is<FileCount> auto& m, auto&& field) { field("files", m.files); }

void visit_fields(Is<Done> auto&, auto&&) {}

void visit_fields(Is<ErrorReply> auto& m, auto&& field) {
  field("error", m.error);
  field("code", m.code);
}

}  // namespace tierhub::api
