// What stays on the SSD and what leaves it: evict, pin, unpin.
#include <cstdlib>

#include <unistd.h>

#include "tools/tierctl/commands.h"
#include "tools/tierctl/human.h"
#include "tools/tierctl/output.h"
#include "tools/tierctl/paths.h"

namespace tierhub::tierctl {
namespace {

// These answer when all is done; a folder may hold a million files.
constexpr std::chrono::minutes kTimeLimit{30};

// With sudo, the person and not root.
std::string owner_or_caller(const std::string& owner) {
  if (!owner.empty()) return owner;
  const char* person = std::getenv("SUDO_USER");
  return person != nullptr && *person != '\0' ? person : user_name(::getuid());
}

void print_skipped(const api::EvictResult& result) {
  if (result.skipped_files == 0 && result.skipped.empty()) return;
  Table table({{"SKIPPED BECAUSE"}, {"NAME"}});
  for (const api::Skipped& skipped : result.skipped) {
    table.add({printable(skipped.reason), printable(skipped.path)});
  }
  print(table.text());
  if (result.skipped_files > result.skipped.size()) {
    print_line(
        fmt::format("and {} more", human_number(result.skipped_files - result.skipped.size())));
  }
}

}  // namespace

Result<ExitCode> evict(const Context& context, const std::vector<std::string>& typed) {
  TRY_ASSIGN(auto paths, resolve_paths(context.client, typed));
  TRY_ASSIGN(auto result, context.client.within(kTimeLimit).evict(paths));
  if (context.format == Format::json) {
    print_json(result);
  } else {
    print_line(fmt::format("evicted {}, {}; skipped {}", human_count(result.files, "file"),
                           human_size(result.bytes), human_number(result.skipped_files)));
    print_skipped(result);
  }
  return result.files == 0 && result.skipped_files > 0 ? ExitCode::failed : ExitCode::done;
}

Result<ExitCode> pin(const Context& context, const PinOptions& options) {
  TRY_ASSIGN(auto paths, resolve_paths(context.client, options.paths));
  std::string owner = owner_or_caller(options.owner);
  TRY_ASSIGN(uint64_t files, context.client.within(kTimeLimit).pin(paths, owner, options.reason));
  if (context.format == Format::json) {
    print_json(api::FileCount{files});
  } else {
    print_line(fmt::format("pinned {} for {}", human_count(files, "file"), owner));
  }
  return ExitCode::done;
}

Result<ExitCode> unpin(const Context& context, const PinOptions& options) {
  TRY_ASSIGN(auto paths, resolve_paths(context.client, options.paths));
  std::string owner = owner_or_caller(options.owner);
  TRY_ASSIGN(uint64_t files, context.client.within(kTimeLimit).unpin(paths, owner));
  if (context.format == Format::json) {
    print_json(api::FileCount{files});
  } else {
    print_line(fmt::format("unpinned {} of {}", human_count(files, "file"), owner));
  }
  return ExitCode::done;
}

}  // namespace tierhub::tierctl
