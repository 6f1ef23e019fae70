#include <algorithm>
#include <chrono>

#include "tools/tierctl/commands.h"
#include "tools/tierctl/human.h"
#include "tools/tierctl/output.h"
#include "tools/tierctl/paths.h"
#include "tools/tierctl/waiting.h"

namespace tierhub::tierctl {
namespace {

// As many as PublishProgress lists.
constexpr size_t kMostListed = 100;

// What is open for writing goes on without anybody's help, when the writer closes it.
bool is_stuck(const api::Waiting& waiting) { return !waiting.open_for_writing; }

// Notices when nothing that is left will move by itself.
class StuckDetector {
 public:
  bool stuck(const api::PublishProgress& p) {
    auto now = SteadyClock::now();
    if (p.pending_keys != pending_keys_ || p.published_bytes != published_bytes_) {
      pending_keys_ = p.pending_keys;
      published_bytes_ = p.published_bytes;
      moved_ = now;
    }
    if (!std::any_of(p.waiting.begin(), p.waiting.end(), is_stuck)) return false;
    if (p.pending_keys <= p.waiting.size()) return true;
    constexpr std::chrono::seconds kPatience{30};
    return p.waiting.size() >= kMostListed && now - moved_ > kPatience;
  }

 private:
  uint64_t pending_keys_ = 0;
  uint64_t published_bytes_ = 0;
  SteadyClock::time_point moved_ = SteadyClock::now();
};

double fraction_of(const api::PublishProgress& p) {
  if (p.done) return 1;
  auto done = static_cast<double>(p.published_bytes);
  double all = done + static_cast<double>(p.pending_bytes);
  return all > 0 ? done / all : 0;
}

std::string detail_of(const api::PublishProgress& p) {
  if (p.done) return "done";
  std::string text = fmt::format("{}, {} to go", human_count(p.pending_keys, "change"),
                                 human_size(p.pending_bytes));
  if (p.waiting.empty()) return text;
  const api::Waiting& first = p.waiting.front();
  text += fmt::format("; waits for {}: {}", printable(first.path), printable(first.reason));
  return p.waiting.size() > 1 ? text + fmt::format(" (and {} more)", p.waiting.size() - 1) : text;
}

void print_waiting(const api::PublishProgress& p) {
  for (const api::Waiting& waiting : p.waiting) {
    print_line(fmt::format("  {}: {}", printable(waiting.path), printable(waiting.reason)));
  }
}

void report(const Context& context, const api::PublishProgress& p) {
  if (context.format == Format::json) {
    print_json(p);
    return;
  }
  if (p.done) {
    print_line(fmt::format("publish {} done: {}, {}", p.id, human_count(p.published_files, "file"),
                           human_size(p.published_bytes)));
    return;
  }
  print_line(fmt::format("publish {}: {}, {} to go", p.id, human_count(p.pending_keys, "change"),
                         human_size(p.pending_bytes)));
  print_waiting(p);
}

Result<ExitCode> wait_for(const Context& context, api::PublishProgress p) {
  Interruptible interruptible;
  constexpr std::chrono::milliseconds kWait(400);
  StuckDetector detector;
  bool stuck = false;
  {
    ProgressLine line;
    while (true) {
      line.show(fmt::format("publish {}", p.id), fraction_of(p), detail_of(p));
      stuck = !p.done && detector.stuck(p);
      if (p.done || stuck) break;
      // tierd waits, and answers at once when it is done. It does not where many wait.
      const auto asked = SteadyClock::now();
      TRY_ASSIGN(p, context.client.publish_progress(p.id, kWait));
      const bool waited = SteadyClock::now() - asked >= kWait / 2;
      const auto pause = p.done || waited ? interruptible.pause(std::chrono::milliseconds(0))
                                          : interruptible.pause();
      if (pause == Interruptible::Pause::interrupted) {
        line.finish();
        say(fmt::format("interrupted: publish {} continues", p.id));
        return ExitCode::interrupted;
      }
    }
    line.finish();
  }
  report(context, p);
  if (!stuck) return ExitCode::done;
  say("the changes listed above cannot be published until somebody acts; tierd keeps trying by "
      "itself");
  return ExitCode::failed;
}

}  // namespace

Result<ExitCode> publish(const Context& context, const std::vector<std::string>& typed, Wait wait) {
  TRY_ASSIGN(auto paths, resolve_paths(context.client, typed));
  TRY_ASSIGN(auto started, context.client.start_publish(paths));
  if (wait == Wait::yes) return wait_for(context, started);
  report(context, started);
  return ExitCode::done;
}

}  // namespace tierhub::tierctl
