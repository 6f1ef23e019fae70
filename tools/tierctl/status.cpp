#include "tools/tierctl/commands.h"
#include "tools/tierctl/human.h"
#include "tools/tierctl/output.h"

namespace tierhub::tierctl {
namespace {

void print_places(const api::Status& s) {
  print_row("mount", fmt::format("{} ({})", printable(s.mount), s.data_path));
  print_row("archive", fmt::format("{}: {}", printable(s.archive), s.archive_state));
  print_row("scratch",
            fmt::format("{}: {} of {} used ({}), {} kept free", printable(s.scratch),
                        human_size(s.used_bytes), human_size(s.capacity_bytes),
                        human_percent(s.used_bytes, std::max<uint64_t>(s.capacity_bytes, 1)),
                        human_size(s.reserve_bytes)));
  print_row("", fmt::format("evicts above {}, down to {}", human_size(s.high_bytes),
                            human_size(s.low_bytes)));
  if (s.writers_waiting > 0) {
    print_row(
        "", fmt::format("{} wait{} for room: the oldest for {:.1f} s; publishing {}",
                        human_count(s.writers_waiting, "writer"), s.writers_waiting == 1 ? "s" : "",
                        s.oldest_writer_wait_s, human_rate(s.publish_bytes_per_s)));
  }
  print_row("state", printable(s.state));
  if (s.state_shares_scratch) {
    print_row("",
              "on the file system of scratch, which writers can fill: put it on a disk of its own");
  }
  if (s.import_running) {
    print_row("import", fmt::format("running: {} so far", human_count(s.import_files, "file")));
  }
}

void print_risk(const api::Status& s) {
  if (s.dirty_files == 0) {
    print_row("at risk", "nothing: everything on the SSD is in the archive");
  } else {
    print_row("at risk", fmt::format("{}, {}, would be lost if the SSD died now; the oldest change "
                                     "is {} old",
                                     human_count(s.dirty_files, "file"), human_size(s.dirty_bytes),
                                     human_duration(s.oldest_dirty_age_s)));
  }
  print_row("journal",
            fmt::format("{} to publish, {} parked, {}", human_count(s.journal_keys, "change"),
                        human_number(s.parked_keys), human_count(s.conflicts, "conflict")));
  if (!s.first_parked_reason.empty()) print_row("", "parked: " + printable(s.first_parked_reason));
}

void print_traffic(const api::Status& s) {
  print_row("since start", "");
  print_row("  prefetched",
            fmt::format("{}, {}; {} active", human_size(s.prefetch_bytes),
                        human_count(s.prefetch_files, "file"), human_number(s.prefetches_active)));
  print_row("  recalled",
            fmt::format("{}, {}; {} more not kept: the SSD had no room", human_size(s.recall_bytes),
                        human_count(s.recall_chunks, "chunk"), human_size(s.unkept_recall_bytes)));
  if (s.growing_recall_bytes > 0) {
    print_row("",
              fmt::format("and {} from files still being written in the archive, not kept either",
                          human_size(s.growing_recall_bytes)));
  }
  print_row("  published",
            fmt::format("{}, {}; {} patched, {} cloned by the archive",
                        human_size(s.published_bytes), human_count(s.published_files, "file"),
                        human_number(s.patched_files), human_size(s.cloned_bytes)));
  print_row("  evicted", fmt::format("{}, {}", human_size(s.evicted_bytes),
                                     human_count(s.evicted_files, "file")));
  print_row("  requests", fmt::format("{}, {}, {}, {}, of which {} by passthrough",
                                      human_count(s.fuse_read_requests, "read"),
                                      human_count(s.fuse_write_requests, "write"),
                                      human_count(s.fuse_lookup_requests, "lookup"),
                                      human_count(s.fuse_open_requests, "open"),
                                      human_number(s.passthrough_opens)));
}

void print_agents(const std::vector<api::Agent>& agents) {
  if (agents.empty()) print_row("agents", "none known: jobs are not run");
  std::string_view title = "agents";
  for (const api::Agent& agent : agents) {
    std::string text = "on " + printable(agent.host);
    if (agent.uid != 0) text += " of " + user_name(agent.uid);
    if (agent.gone) {
      text += " has been gone since " + human_time(agent.heard);
    } else {
      text += agent.state == "waiting" ? ": waits for the mount"
                                       : fmt::format(": {}, {}", human_count(agent.runs, "run"),
                                                     human_count(agent.workers, "worker"));
      for (const std::string& folder : agent.folders) text += ", " + printable(folder);
    }
    print_row(title, text);
    title = "";
  }
}

}  // namespace

Result<ExitCode> show_status(const Context& context) {
  TRY_ASSIGN(auto status, context.client.status());
  if (context.format == Format::json) {
    print_json(status);
    return ExitCode::done;
  }
  TRY_ASSIGN(const auto agents, context.client.agents());
  print_row("tierd", fmt::format("{}, process {}, up {}, copies with {}: {}", status.version,
                                 status.pid, human_duration(status.uptime_s), status.copy_engine,
                                 printable(status.summary)));
  for (size_t i = 1; i < status.health.size(); ++i) print_row("", printable(status.health[i]));
  print_places(status);
  print_risk(status);
  print_agents(agents);
  print_traffic(status);
  return ExitCode::done;
}

}  // namespace tierhub::tierctl
