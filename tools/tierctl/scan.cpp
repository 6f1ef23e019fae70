#include "tools/tierctl/commands.h"
#include "tools/tierctl/human.h"
#include "tools/tierctl/output.h"
#include "tools/tierctl/waiting.h"

namespace tierhub::tierctl {
namespace {

std::string sentence_of(const api::ScanProgress& p) {
  return fmt::format("{}, {}: {} new, {} changed, {} removed, {}", human_count(p.folders, "folder"),
                     human_count(p.files, "file"), human_number(p.added), human_number(p.changed),
                     human_number(p.removed), human_count(p.conflicts, "conflict"));
}

ExitCode report(const Context& context, const api::ScanProgress& p) {
  if (context.format == Format::json) {
    print_json(p);
  } else {
    print_line(fmt::format("scan {}: {}", p.running ? "running" : "ended", sentence_of(p)));
  }
  if (p.error.empty()) return ExitCode::done;
  say("the scan failed: " + printable(p.error));
  return ExitCode::failed;
}

}  // namespace

Result<ExitCode> scan(const Context& context, Wait wait, api::Service::MuchMissing much_missing) {
  TRY_ASSIGN(auto p, context.client.start_scan(much_missing));
  if (wait == Wait::no) return report(context, p);
  Interruptible interruptible;
  {
    ProgressLine line;
    while (p.running) {
      line.show("scan", std::nullopt, sentence_of(p));
      if (interruptible.pause() == Interruptible::Pause::interrupted) {
        line.finish();
        say("interrupted: the scan continues");
        return ExitCode::interrupted;
      }
      TRY_ASSIGN(p, context.client.scan_progress());
    }
    line.finish();
  }
  return report(context, p);
}

Result<ExitCode> show_scan(const Context& context) {
  TRY_ASSIGN(auto p, context.client.scan_progress());
  return report(context, p);
}

}  // namespace tierhub::tierctl
