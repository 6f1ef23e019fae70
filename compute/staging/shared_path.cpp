#include "compute/staging/shared_path.h"

#include <algorithm>
#include <unordered_map>
#include <vector>

namespace tierhub::compute {
namespace {

struct OutputArgument {
  Template path;
  std::string place;
  std::unordered_map<size_t, size_t> seen;  // hash of the expanded path -> task
};

bool names_the_item(const Template& text) {
  if (text.mentions(Placeholder::task)) return false;  // never equal
  for (const Placeholder word : {Placeholder::input, Placeholder::select, Placeholder::box,
                                 Placeholder::name, Placeholder::path}) {
    if (text.mentions(word)) return true;
  }
  return false;
}

bool is_folder_of_another(const std::string& path, const std::vector<Template>& all,
                          const PlaceholderValues& values) {
  return std::any_of(all.begin(), all.end(), [&](const Template& other) {
    return other.expand(values).starts_with(path + "/");
  });
}

}  // namespace

std::optional<SharedPath> find_shared_path(
    const Step& step, size_t tasks,
    const std::function<Result<PlaceholderValues>(size_t)>& values_of) {
  std::vector<Template> all;
  std::vector<OutputArgument> candidates;
  const auto add = [&](const Argument& argument) {
    for (const Template& path : argument.text.paths_of_the_run()) {
      all.push_back(path);
      if (names_the_item(path)) candidates.push_back({path, argument.place, {}});
    }
  };
  for (const Argument& argument : step.run) add(argument);
  for (const auto& [name, argument] : step.env) add(argument);
  if (candidates.empty()) return std::nullopt;
  for (size_t task = 0; task < tasks; ++task) {
    const Result<PlaceholderValues> values = values_of(task);
    if (!values) continue;
    for (OutputArgument& candidate : candidates) {
      const std::string path = candidate.path.expand(*values);
      const auto [seen, is_new] = candidate.seen.emplace(std::hash<std::string>()(path), task);
      if (is_new || is_folder_of_another(path, all, *values)) continue;
      const Result<PlaceholderValues> others = values_of(seen->second);
      if (!others || candidate.path.expand(*others) != path) continue;
      return SharedPath{candidate.path.source(), candidate.place, seen->second, task};
    }
  }
  return std::nullopt;
}

}  // namespace tierhub::compute
