#include <algorithm>
#include <iterator>
#include <optional>
#include <vector>

#include "tools/tierctl/commands.h"
#include "tools/tierctl/dataset.h"
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

// What was asked for, as one or several prefetches.
ExitCode report(const Context& context, const std::vector<api::Prefetch>& prefetches) {
  if (context.format == Format::json) {
    if (prefetches.size() == 1) {
      print_json(prefetches.front());
    } else {
      print_json(api::PrefetchList{prefetches});
    }
  }
  ExitCode code = ExitCode::done;
  for (const api::Prefetch& p : prefetches) {
    if (context.format != Format::json) print_line(sentence_of(p));
    if (p.state != "failed" && p.state != "cancelled") continue;
    code = ExitCode::failed;
    if (p.first_error.empty()) continue;
    say(fmt::format("{} could not be fetched; the first: {}", human_count(p.failed_files, "file"),
                    printable(p.first_error)));
  }
  return code;
}

// Nothing if the user interrupted it.
Result<std::optional<api::Prefetch>> wait_for(const Context& context, api::Prefetch p) {
  Interruptible interruptible;
  ProgressLine line;
  while (true) {
    line.show(fmt::format("prefetch {}", p.id), fraction_of(p), detail_of(p));
    if (p.finished()) break;
    if (interruptible.pause() == Interruptible::Pause::interrupted) {
      line.finish();
      return std::optional<api::Prefetch>();
    }
    TRY_ASSIGN(p, context.client.prefetch(p.id));
  }
  line.finish();
  return std::optional(p);
}

// Requests have limits for files and ranges, and a limit of bytes, which paths of 200 bytes keep.
constexpr size_t kNamesAtOnce = 100'000;

// Requests for files and ranges, as few as take them.
class Requests {
 public:
  // A file in many pieces may need several requests by itself.
  void add(const api::FileRanges& file) {
    for (size_t begin = 0; begin == 0 || begin < file.ranges.size();) {
      if (room_ == 0) {
        requests_.emplace_back();
        room_ = kNamesAtOnce;
      }
      const size_t taken = std::min(room_, file.ranges.size() - begin);
      const auto first = file.ranges.begin() + static_cast<ptrdiff_t>(begin);
      requests_.back().files.push_back(
          {file.path, std::vector(first, first + static_cast<ptrdiff_t>(taken))});
      const size_t cost = std::max<size_t>(taken, 1);
      begin += cost;
      room_ -= cost;
    }
  }
  void add_label(const std::string& text) { label_ += (label_.empty() ? "" : ", ") + text; }
  std::vector<api::PrefetchRequest> take() {
    constexpr size_t kLabelBytes = 200;
    if (label_.size() > kLabelBytes) label_ = label_.substr(0, kLabelBytes) + "...";
    for (api::PrefetchRequest& request : requests_) request.label = label_;
    return std::move(requests_);
  }

 private:
  std::vector<api::PrefetchRequest> requests_;
  size_t room_ = 0;  // of the last one
  std::string label_;
};

// Of the images: their metadata, if it is to be evicted last, and all bytes that the selected parts
// need.
Result<std::vector<api::PrefetchRequest>> requests_for_images(const Context& context,
                                                              const PrefetchOptions& options) {
  Requests metadata;
  Requests parts;
  for (const std::string& path : options.paths) {
    TRY_ASSIGN(const Dataset dataset, open_dataset(context.client, path));
    if (options.selection) {
      TRY_ASSIGN(const NeededBytes needed, needed_bytes(dataset, *options.selection));
      const std::string part = dataset.path + " " + needed.selection;
      say(fmt::format("{}: {} in {}", printable(part), human_size(needed.bytes),
                      human_count(needed.files.size(), "file")));
      parts.add_label(part);
      for (const api::FileRanges& file : needed.files) parts.add(file);
    }
    if (options.metadata == PrefetchOptions::Metadata::as_usual) continue;
    TRY_ASSIGN(const auto files, metadata_files(dataset));
    metadata.add_label("metadata of " + dataset.path);
    for (const api::FileRanges& file : files) metadata.add(file);
  }
  std::vector<api::PrefetchRequest> requests = metadata.take();
  for (api::PrefetchRequest& request : requests) request.keep = "metadata";
  std::ranges::move(parts.take(), std::back_inserter(requests));
  return requests;
}

}  // namespace

Result<ExitCode> prefetch(const Context& context, const PrefetchOptions& options) {
  std::vector<api::PrefetchRequest> requests;
  if (options.selection || options.metadata == PrefetchOptions::Metadata::last) {
    TRY_ASSIGN(requests, requests_for_images(context, options));
  }
  if (!options.selection) {
    TRY_ASSIGN(requests.emplace_back().paths, resolve_paths(context.client, options.paths));
  }
  std::vector<api::Prefetch> started;
  for (api::PrefetchRequest& request : requests) {
    if (!options.label.empty()) request.label = options.label;
    request.urgency = options.urgency;
    TRY_ASSIGN(const auto prefetch, context.client.start_prefetch(request));
    started.push_back(prefetch);
    if (options.wait == Wait::no) continue;
    TRY_ASSIGN(const auto ended, wait_for(context, prefetch));
    if (!ended) {
      say(fmt::format(
          "interrupted: prefetch {} continues; to cancel it: tierctl prefetch --cancel {}",
          prefetch.id, prefetch.id));
      return ExitCode::interrupted;
    }
    started.back() = *ended;
  }
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
