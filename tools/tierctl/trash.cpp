#include "tools/tierctl/commands.h"
#include "tools/tierctl/human.h"
#include "tools/tierctl/output.h"
#include "tools/tierctl/paths.h"

namespace tierhub::tierctl {
namespace {

// Much may have to be looked through, or deleted.
constexpr auto kTrashTimeLimit = std::chrono::hours(1);

}  // namespace

Result<ExitCode> list_trash(const Context& context, const std::vector<std::string>& paths) {
  TRY_ASSIGN(const auto resolved, resolve_paths(context.client, paths));
  TRY_ASSIGN(const auto listing,
             context.client.within(kTrashTimeLimit).trash(resolved.empty() ? "/" : resolved.front()));
  if (context.format == Format::json) {
    print_json(listing);
    return ExitCode::done;
  }
  for (const api::TrashItem& item : listing.items) {
    const bool folder = item.kind == "directory";
    print_line(fmt::format("{:<12} {:>10}  {}{}", item.day, folder ? "" : human_size(item.size),
                           printable(item.path), folder ? "/" : ""));
  }
  if (listing.more) say("there is more: name a folder to see what was in it");
  return ExitCode::done;
}

Result<ExitCode> restore_trash(const Context& context, const std::vector<std::string>& paths,
                               const std::string& to) {
  TRY_ASSIGN(const auto resolved, resolve_paths(context.client, paths));
  std::string target = to;
  if (!to.empty()) {
    TRY_ASSIGN(const auto one, resolve_paths(context.client, {to}));
    target = one.front();
  }
  TRY_ASSIGN(const auto result,
             context.client.within(kTrashTimeLimit).restore_trash({resolved, target, 0}));
  if (context.format == Format::json) {
    print_json(result);
  } else {
    print_line(fmt::format("restored {}", human_count(result.entries, "name")));
  }
  return ExitCode::done;
}

Result<ExitCode> purge_trash(const Context& context, const std::vector<std::string>& paths,
                             double older_than_days) {
  constexpr double kDaySeconds = 86400;
  TRY_ASSIGN(auto resolved, resolve_paths(context.client, paths));
  if (resolved.empty()) resolved.emplace_back("/");
  const api::TrashRequest request{std::move(resolved), "",
                                  static_cast<uint64_t>(older_than_days * kDaySeconds)};
  TRY_ASSIGN(const auto result, context.client.within(kTrashTimeLimit).purge_trash(request));
  if (context.format == Format::json) {
    print_json(result);
  } else {
    print_line(fmt::format("deleted {}", human_count(result.entries, "name")));
  }
  return ExitCode::done;
}

}  // namespace tierhub::tierctl
