#include "compute/jobs/drop_notes.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "compute/workflow/job_names.h"

namespace tierhub::compute {
namespace {

constexpr std::string_view kNoteEnding = ".README";

std::string lower(std::string_view text) {
  std::string made(text);
  std::transform(made.begin(), made.end(), made.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return made;
}

// Copies under way, and what desktops and file servers put into every folder.
bool is_left_alone(std::string_view name) {
  constexpr std::array kBegins = {".", "~$", "@", "$", "#"};
  constexpr std::array kEnds = {"~", ".tmp", ".part", ".partial", ".filepart", ".crdownload"};
  constexpr std::array kNames = {"thumbs.db", "desktop.ini"};
  const std::string small = lower(name);
  const auto begins = [&](const char* text) { return small.starts_with(text); };
  const auto ends = [&](const char* text) { return small.ends_with(text); };
  return is_note(name) || small.starts_with("readme") ||
         std::any_of(kBegins.begin(), kBegins.end(), begins) ||
         std::any_of(kEnds.begin(), kEnds.end(), ends) ||
         std::find(kNames.begin(), kNames.end(), small) != kNames.end();
}

bool is_archive(std::string_view name) {
  constexpr std::array kEnds = {".zip", ".tar", ".gz",  ".tgz", ".7z",
                                ".rar", ".xz",  ".bz2", ".zst"};
  const std::string small = lower(name);
  return std::any_of(kEnds.begin(), kEnds.end(),
                     [&](const char* text) { return small.ends_with(text); });
}

// "count.yaml" for "count.YAML.txt"; empty if the name does not end nearly like a workflow's.
std::string meant(std::string_view name) {
  const std::string small = lower(name);
  const size_t end = small.ends_with(".txt") ? small.size() - 4 : small.size();
  for (const std::string_view ending : {".yaml", ".yml"}) {
    const std::string_view shown = std::string_view(small).substr(0, end);
    if (shown.size() > ending.size() && shown.ends_with(ending)) {
      return std::string(name.substr(0, end - ending.size())) + std::string(ending);
    }
  }
  return {};
}

std::string note_text(std::string_view name, std::string_view why, std::string_view what_to_do) {
  return fmt::format(
      "tieragent cannot run \"{}\": {}.\n\nWhat to do:\n  {}.\n\nThis note is written only once. "
      "You can delete it.\n",
      name, why, what_to_do);
}

}  // namespace

std::string note_name(std::string_view name) {
  return std::string(name) + std::string(kNoteEnding);
}

bool is_note(std::string_view name) { return name.ends_with(kNoteEnding); }

std::optional<std::string> advice_on_file(std::string_view name) {
  if (is_workflow_file(name) || is_left_alone(name)) return std::nullopt;
  if (const std::string right = meant(name); !right.empty()) {
    return note_text(name, "the name of a workflow must end in .yaml or .yml, in lower case",
                     fmt::format("Rename it to \"{}\". (Windows hides the file name extension "
                                 "unless \"File name extensions\" is switched on in the Explorer)",
                                 right));
  }
  if (is_archive(name)) {
    return note_text(name, "it is an archive, and only workflows (*.yaml, *.yml) can be run",
                     "Unpack it elsewhere and drop the workflow that is in it. Put data where the "
                     "workflow's input says it is");
  }
  return note_text(name, "only workflows (*.yaml, *.yml) can be run",
                   "If it is a workflow, give it a name that ends in .yaml. Put data where the "
                   "workflow's input says it is");
}

std::optional<std::string> advice_on_folder(std::string_view name, std::string_view owner) {
  if (is_left_alone(name)) return std::nullopt;
  return note_text(
      name,
      fmt::format("a folder is a drop folder only if it is named after its owner, and this one "
                  "belongs to {}",
                  owner),
      "To run a workflow that is in it, drop that file itself. If the folder is meant to be a "
      "user's drop folder, ask the administrator to give it to that user (chown) and name it after "
      "the user");
}

}  // namespace tierhub::compute
