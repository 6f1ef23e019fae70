#include <algorithm>
#include <chrono>
#include <functional>
#include <iterator>

#include <fmt/ranges.h>

#include "tools/tierctl/commands.h"
#include "tools/tierctl/human.h"
#include "tools/tierctl/output.h"
#include "tools/tierctl/paths.h"

namespace tierhub::tierctl {
namespace {

constexpr size_t kPageEntries = 1'000;
// So long the folders of one listing are summed; what is left shows no totals.
constexpr auto kSummingPatience = std::chrono::seconds(3);

struct Sums {
  uint64_t folders = 0;
  uint64_t files = 0;
  uint64_t bytes = 0;
  uint64_t resident = 0;
  bool complete = true;  // every folder that was shown has its totals

  void add(const api::Entry& entry) {
    const bool folder = entry.kind == "directory";
    folders += folder ? 1 : 0;
    if (!folder && entry.kind != "file") return;
    files += folder ? entry.files : 1;
    bytes += entry.size;
    resident += entry.resident;
  }
};

using UseEntry = std::function<void(const api::Entry&)>;

// All entries of a folder, sorted by name; `path` itself if it is a file.
Result<std::vector<api::Entry>> sorted_entries(const Context& context, const std::string& path,
                                               api::Service::Depth depth) {
  using enum api::Service::Depth;
  const auto patience_ends = SteadyClock::now() + kSummingPatience;
  std::vector<api::Entry> entries;
  std::string after;
  do {
    if (depth == totals && SteadyClock::now() >= patience_ends) depth = children;
    TRY_ASSIGN(auto listing, context.client.list(path, depth, after, kPageEntries));
    std::ranges::move(listing.entries, std::back_inserter(entries));
    after = listing.next;
  } while (!after.empty());
  std::ranges::sort(entries, {}, &api::Entry::path);
  return entries;
}

// Each folder before what is in it. Memory grows with the folders on the way only.
Result<void> for_each_below(const Context& context, const std::string& path, const UseEntry& use) {
  TRY_ASSIGN(const auto entries, sorted_entries(context, path, api::Service::Depth::children));
  for (const api::Entry& entry : entries) {
    use(entry);
    if (entry.kind != "directory") continue;
    auto below = for_each_below(context, entry.path, use);
    if (!below && !below.error().is(std::errc::no_such_file_or_directory)) return below;
  }
  return {};
}

Result<void> for_each_entry(const Context& context, const std::string& path,
                            const LsOptions& options, const UseEntry& use) {
  if (options.depth == api::Service::Depth::all) return for_each_below(context, path, use);
  TRY_ASSIGN(const auto entries, sorted_entries(context, path, options.depth));
  for (const api::Entry& entry : entries) use(entry);
  return {};
}

std::string name_of(const api::Entry& entry, const LsOptions& options) {
  bool whole = options.depth == api::Service::Depth::all;
  std::string name = whole ? entry.path : entry.path.substr(entry.path.rfind('/') + 1);
  return printable(name) + (entry.kind == "directory" ? "/" : "");
}

// Columns have a fixed width: a tree is printed as it comes.
void print_header(const LsOptions& options) {
  bool full = options.detail == LsOptions::Detail::full;
  print_line(fmt::format(
      "{:<8} {:>10} {:>9}  {}NAME", "STATE", "SIZE", "RESIDENT",
      full ? fmt::format("{:>10}  {:<19}  {:<10}  ", "DIRTY", "CHANGED", "OWNER") : ""));
}

void print_entry(const api::Entry& entry, const LsOptions& options) {
  // A folder's numbers are those of all files below it.
  const bool file = entry.kind == "file" || !entry.state.empty();
  std::string state = entry.state.empty() ? "-" : entry.state;
  std::string size = file ? human_size(entry.size) : "-";
  std::string resident = file ? human_percent(entry.resident, entry.size) : "-";
  std::string details;
  std::string notes;
  if (options.detail == LsOptions::Detail::full) {
    details = fmt::format("{:>10}  {:<19}  {:<10}  ", file ? human_size(entry.dirty) : "-",
                          human_time(entry.mtime), user_name(entry.uid));
    if (entry.writing) notes += "  (open for writing)";
    if (!entry.pins.empty())
      notes += "  [" + printable(fmt::to_string(fmt::join(entry.pins, "; "))) + "]";
  }
  print_line(fmt::format("{:<8} {:>10} {:>9}  {}{}{}", state, size, resident, details,
                         name_of(entry, options), notes));
}

void print_sums(const Sums& sums) {
  print_line(fmt::format("{}, {}, {}{}; {} on the SSD", human_count(sums.folders, "folder"),
                         human_count(sums.files, "file"), human_size(sums.bytes),
                         sums.complete ? "" : " (not counting the folders that show no size)",
                         human_percent(sums.resident, sums.bytes)));
}

Result<void> print_tables(const Context& context, const std::vector<std::string>& paths,
                          const LsOptions& options) {
  print_header(options);
  Sums sums;
  size_t shown = 0;
  for (const std::string& path : paths) {
    if (paths.size() > 1) print_line(fmt::format("\n{}:", printable(path)));
    TRY(for_each_entry(context, path, options, [&](const api::Entry& entry) {
      print_entry(entry, options);
      sums.add(entry);
      ++shown;
      const bool summed = entry.kind != "directory" || !entry.state.empty();
      sums.complete = sums.complete && (summed || options.depth == api::Service::Depth::all);
    }));
  }
  if (shown > 1) print_sums(sums);
  return {};
}

Result<void> print_document(const Context& context, const std::vector<std::string>& paths,
                            const LsOptions& options) {
  std::string_view separator = "";
  print("{\"entries\":[");
  for (const std::string& path : paths) {
    TRY(for_each_entry(context, path, options, [&](const api::Entry& entry) {
      print(fmt::format("{}\n{}", separator, api::encode(entry)));
      separator = ",";
    }));
  }
  print_line("\n]}");
  return {};
}

}  // namespace

Result<ExitCode> list(const Context& context, const LsOptions& options) {
  TRY_ASSIGN(auto paths, resolve_paths(context.client, options.paths));
  if (paths.empty()) {
    TRY_ASSIGN(std::string folder, usual_folder(context.client));
    paths.push_back(folder);
  }
  if (context.format == Format::json) {
    TRY(print_document(context, paths, options));
  } else {
    TRY(print_tables(context, paths, options));
  }
  return ExitCode::done;
}

}  // namespace tierhub::tierctl
