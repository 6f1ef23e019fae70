#include <fmt/ranges.h>

#include "tools/tierctl/commands.h"
#include "tools/tierctl/human.h"
#include "tools/tierctl/output.h"
#include "tools/tierctl/paths.h"

namespace tierhub::tierctl {
namespace {

constexpr size_t kPageEntries = 1'000;

// Hands on page after page, so that a large tree needs little memory.
template <class Use>
Result<void> for_each_page(const Context& context, const std::string& path,
                           api::Service::Depth depth, Use use) {
  std::string after;
  do {
    TRY_ASSIGN(auto listing, context.client.list(path, depth, after, kPageEntries));
    use(listing.entries);
    after = listing.next;
  } while (!after.empty());
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
      full ? fmt::format("{:>10}  {:<16}  {:<10}  ", "DIRTY", "CHANGED", "OWNER") : ""));
}

void print_entry(const api::Entry& entry, const LsOptions& options) {
  bool file = entry.kind == "file";
  std::string state = entry.state.empty() ? "-" : entry.state;
  std::string size = file ? human_size(entry.size) : "-";
  std::string resident = file ? human_percent(entry.resident, entry.size) : "-";
  std::string details;
  std::string notes;
  if (options.detail == LsOptions::Detail::full) {
    details = fmt::format("{:>10}  {:<16}  {:<10}  ", file ? human_size(entry.dirty) : "-",
                          human_time(entry.mtime), user_name(entry.uid));
    if (entry.writing) notes += "  (open for writing)";
    if (!entry.pins.empty())
      notes += "  [" + printable(fmt::to_string(fmt::join(entry.pins, "; "))) + "]";
  }
  print_line(fmt::format("{:<8} {:>10} {:>9}  {}{}{}", state, size, resident, details,
                         name_of(entry, options), notes));
}

Result<void> print_tables(const Context& context, const std::vector<std::string>& paths,
                          const LsOptions& options) {
  print_header(options);
  for (const std::string& path : paths) {
    if (paths.size() > 1) print_line(fmt::format("\n{}:", printable(path)));
    TRY(for_each_page(context, path, options.depth, [&](const std::vector<api::Entry>& entries) {
      for (const api::Entry& entry : entries) print_entry(entry, options);
    }));
  }
  return {};
}

Result<void> print_document(const Context& context, const std::vector<std::string>& paths,
                            const LsOptions& options) {
  std::string_view separator = "";
  print("{\"entries\":[");
  for (const std::string& path : paths) {
    TRY(for_each_page(context, path, options.depth, [&](const std::vector<api::Entry>& entries) {
      for (const api::Entry& entry : entries) {
        print(fmt::format("{}\n{}", separator, api::encode(entry)));
        separator = ",";
      }
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
