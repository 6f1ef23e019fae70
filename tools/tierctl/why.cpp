// Why a file is where it is, and what keeps it there.
#include <string>
#include <vector>

#include "tools/tierctl/commands.h"
#include "tools/tierctl/human.h"
#include "tools/tierctl/output.h"
#include "tools/tierctl/paths.h"

namespace tierhub::tierctl {
namespace {

std::string where_it_is(const api::Entry& e) {
  if (e.state == "cold") {
    return "cold: it is only in the archive; it has not been read since it was imported, or it was "
           "evicted";
  }
  if (e.state == "partial") {
    return fmt::format("partial: {} of {} are on the SSD, the rest is only in the archive",
                       human_size(e.resident), human_size(e.size));
  }
  if (e.state == "hot") return "hot: all of it is on the SSD and is the same in the archive";
  if (e.dirty == e.size) return "dirty: it is on the SSD and not in the archive yet";
  return fmt::format("dirty: {} on the SSD are newer than the archive", human_size(e.dirty));
}

// One line for each thing that keeps it from being evicted.
std::vector<std::string> what_keeps_it(const api::Entry& e, const api::Status& status) {
  std::vector<std::string> lines;
  if (e.state == "cold") return lines;
  if (e.writing) lines.push_back("it is open for writing, or mapped writable");
  if (e.state == "dirty" && !e.writing) {
    lines.push_back("its changes are not published yet: tierctl publish --wait " +
                    printable(e.path) + " shows what they wait for");
  }
  for (const std::string& pin : e.pins) lines.push_back("pinned or leased by " + printable(pin));
  if (status.archive_state != "online") {
    lines.push_back("the archive is " + status.archive_state +
                    ", and nothing is evicted without proof that it is there");
  }
  return lines;
}

void explain(const api::Entry& e, const api::Status& status) {
  print_line(fmt::format("{}: {}", printable(e.path), where_it_is(e)));
  const auto keeps = what_keeps_it(e, status);
  for (const std::string& line : keeps) print_line("  is not evicted: " + line);
  if (!keeps.empty() || e.state == "cold") return;
  if (status.used_bytes > status.high_bytes) {
    print_line("  can be evicted: scratch is above its high mark, and the coldest files go first");
  } else {
    print_line(
        fmt::format("  is not evicted: there is room; eviction starts at {}, and {} are used",
                    human_size(status.high_bytes), human_size(status.used_bytes)));
  }
}

}  // namespace

Result<ExitCode> why(const Context& context, const std::vector<std::string>& given) {
  if (context.format == Format::json) return list(context, {given, {}, {}});
  TRY_ASSIGN(const auto paths, resolve_paths(context.client, given));
  TRY_ASSIGN(const auto status, context.client.status());
  for (const std::string& path : paths) {
    TRY_ASSIGN(const auto listing, context.client.list(path, api::Service::Depth::children, "", 1));
    // A file lists itself; it may have been named by its path in the mount.
    if (listing.entries.size() != 1 || !path.ends_with(listing.entries.front().path) ||
        listing.entries.front().kind != "file") {
      return Error(std::errc::invalid_argument,
                   printable(path) + " is not a file: `tierctl ls -r` lists what is in a folder");
    }
    explain(listing.entries.front(), status);
  }
  TRY_ASSIGN(const auto prefetches, context.client.prefetches());
  for (const api::Prefetch& p : prefetches) {
    if (p.reason.empty() || p.finished()) continue;
    print_line(fmt::format("prefetch {} ({}) {}", p.id, printable(p.label), printable(p.reason)));
  }
  return ExitCode::done;
}

}  // namespace tierhub::tierctl
