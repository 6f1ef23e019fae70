#include "tools/tierctl/commands.h"
#include "tools/tierctl/human.h"
#include "tools/tierctl/output.h"
#include "tools/tierctl/paths.h"
#include "tools/tierctl/waiting.h"

namespace tierhub::tierctl {
namespace {

double fraction_of(const api::Prefetch& p) {
  if (p.total_bytes > 0)
    return static_cast<double>(p.done_bytes) / static_cast<double>(p.total_bytes);
  return p.finished() ? 1 : 0;
}

std::string detail_of(const api::Prefetch& p) {
  std::string text = fmt::format("{} of {}", human_size(p.done_bytes), human_size(p.total_bytes));
  if (!p.reason.empty() && !p.finished()) {
    text += ", " + printable(p.reason);
    return p.eta_s > 0 ? text + ", " + human_duration(p.eta_s) + " left" : text;
  }
  if (p.state == "queued") return text + ", queued";
  if (p.finished()) return text + ", " + p.state;
  text += ", " + human_rate(p.rate_bytes_per_s);
  return p.eta_s > 0 ? text + ", " + human_duration(p.eta_s) + " left" : text;
}

std::string sentence_of(const api::Prefetch& p) {
  return fmt::format("prefetch {} {}: {} of {}, {} of {}", p.id, p.state,
                     human_number(p.done_files), human_count(p.total_files, "file"),
                     human_size(p.done_bytes), human_size(p.total_bytes));
}

ExitCode report(const Context& context, const api::Prefetch& p) {
  if (context.format == Format::json) {
    print_json(p);
  } else {
    print_line(sentence_of(p));
  }
  if (p.state != "failed" && p.state != "cancelled") return ExitCode::done;
  if (!p.first_error.empty()) {
    say(fmt::format("{} could not be fetched; the first: {}", human_count(p.failed_files, "file"),
                    printable(p.first_error)));
  }
  return ExitCode::failed;
}

Result<ExitCode> wait_for(const Context& context, api::Prefetch p) {
  Interruptible interruptible;
  {
    ProgressLine line;
    while (true) {
      line.show(fmt::format("prefetch {}", p.id), fraction_of(p), detail_of(p));
      if (p.finished()) break;
      if (interruptible.pause() == Interruptible::Pause::interrupted) {
        line.finish();
        say(fmt::format(
            "interrupted: prefetch {} continues; to cancel it: tierctl prefetch --cancel {}", p.id,
            p.id));
        return ExitCode::interrupted;
      }
      TRY_ASSIGN(p, context.client.prefetch(p.id));
    }
    line.finish();
  }
  return report(context, p);
}

}  // namespace

Result<ExitCode> prefetch(const Context& context, const PrefetchOptions& options) {
  api::PrefetchRequest request;
  TRY_ASSIGN(request.paths, resolve_paths(context.client, options.paths));
  request.label = options.label;
  request.urgency = options.urgency;
  TRY_ASSIGN(auto started, context.client.start_prefetch(request));
  if (options.wait == Wait::yes) return wait_for(context, started);
  return report(context, started);
}

Result<ExitCode> list_prefetches(const Context& context) {
  TRY_ASSIGN(auto prefetches, context.client.prefetches());
  if (context.format == Format::json) {
    print_json(api::PrefetchList{prefetches});
    return ExitCode::done;
  }
  using enum Table::Align;
  Table table({{"ID", right},
               {"STATE"},
               {"DONE", right},
               {"SIZE", right},
               {"FILES", right},
               {"RATE", right},
               {"LEFT", right},
               {"USER"},
               {"LABEL"}});
  for (const api::Prefetch& p : prefetches) {
    bool running = p.state == "running";
    table.add({std::to_string(p.id), p.state, human_percent(p.done_bytes, p.total_bytes),
               human_size(p.total_bytes), human_number(p.total_files),
               running ? human_rate(p.rate_bytes_per_s) : "-",
               running && p.eta_s > 0 ? human_duration(p.eta_s) : "-", user_name(p.owner_uid),
               printable(p.reason.empty() ? p.label : p.label + " (" + p.reason + ")")});
  }
  print(table.text());
  return ExitCode::done;
}

namespace {

ExitCode show(const Context& context, const api::Prefetch& p) {
  if (context.format == Format::json) {
    print_json(p);
  } else {
    print_line(sentence_of(p));
  }
  return ExitCode::done;
}

}  // namespace

Result<ExitCode> cancel_prefetch(const Context& context, uint64_t id) {
  TRY_ASSIGN(const auto p, context.client.cancel_prefetch(id));
  return show(context, p);
}

Result<ExitCode> resume_prefetch(const Context& context, uint64_t id) {
  TRY_ASSIGN(const auto p, context.client.resume_prefetch(id));
  return show(context, p);
}

}  // namespace tierhub::tierctl
