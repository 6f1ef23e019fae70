#include "compute/run/own_paths.h"

#include <algorithm>
#include <set>
#include <string_view>

#include <fcntl.h>
#include <unistd.h>

#include "common/posix.h"
#include "compute/run/output_place.h"

namespace tierhub::compute {
namespace {

std::vector<Template> paths_of(const Step& step) {
  std::vector<Template> paths;
  const auto add = [&](const Argument& argument) {
    for (Template& path : argument.text.paths_of_the_run()) paths.push_back(std::move(path));
  };
  for (const Argument& argument : step.run) add(argument);
  for (const auto& [name, value] : step.env) add(value);
  return paths;
}

std::string without_slashes(std::string path) {
  while (path.ends_with('/')) path.pop_back();
  return path;
}

// One is the other, or lies in it.
bool overlap(const std::string& a, const std::string& b) {
  const std::string& shorter = a.size() < b.size() ? a : b;
  const std::string& longer = a.size() < b.size() ? b : a;
  return longer.starts_with(shorter) &&
         (longer.size() == shorter.size() || longer[shorter.size()] == '/');
}

bool is_root(const std::string& path) { return path == "{work}" || path == "{output}"; }

bool is_of_the_item(const Template& path) {
  constexpr Placeholder kOfTheItem[] = {Placeholder::task,  Placeholder::name,   Placeholder::path,
                                        Placeholder::input, Placeholder::select, Placeholder::box};
  return std::any_of(std::begin(kOfTheItem), std::end(kOfTheItem),
                     [&](Placeholder word) { return path.mentions(word); });
}

// The steps that wait for `step`, directly or not.
std::set<size_t> dependents_of(const Workflow& workflow, size_t step) {
  std::set<size_t> found = {step};
  for (size_t before = 0; before != found.size();) {
    before = found.size();
    for (size_t other = 0; other < workflow.steps.size(); ++other) {
      const Step& what = workflow.steps[other];
      const auto waits = [&](size_t from) { return found.contains(from); };
      if (std::any_of(what.after.begin(), what.after.end(), waits) ||
          std::any_of(what.gather.begin(), what.gather.end(), waits)) {
        found.insert(other);
      }
    }
  }
  return found;
}

}  // namespace

std::vector<Template> own_paths_of(const Workflow& workflow, size_t step) {
  const std::set<size_t> dependents = dependents_of(workflow, step);
  std::vector<std::string> foreign;
  for (size_t other = 0; other < workflow.steps.size(); ++other) {
    if (dependents.contains(other)) continue;
    for (const Template& path : paths_of(workflow.steps[other]))
      foreign.push_back(without_slashes(path.source()));
  }
  std::vector<Template> own;
  const Step& what = workflow.steps[step];
  const bool scattered = workflow.scatter.by != ScatterBy::nothing && !what.runs_once();
  for (Template& path : paths_of(what)) {
    const std::string source = without_slashes(path.source());
    const bool is_pattern = source.find_first_of("*?[$\\") != std::string::npos ||
                            source.find("/..") != std::string::npos;
    if (is_root(source) || is_pattern || (scattered && !is_of_the_item(path))) continue;
    const bool is_foreign = std::any_of(
        foreign.begin(), foreign.end(),
        [&](const std::string& other) { return !is_root(other) && overlap(source, other); });
    if (!is_foreign) own.push_back(std::move(path));
  }
  return own;
}

Result<void> remove_path(const std::string& path) {
  if (::unlink(path.c_str()) == 0 || errno == ENOENT || errno == ENOTDIR) return {};
  if (errno != EISDIR && errno != EPERM) return Error::from_errno(errno, "remove " + path);
  TRY(empty_folder(path));
  if (::rmdir(path.c_str()) < 0) return Error::from_errno(errno, "remove " + path);
  return {};
}

}  // namespace tierhub::compute
