#include <memory>

#include <fmt/format.h>

#include "imaging/commands/operator.h"

namespace tierhub::imaging {
namespace {

using formats::Json;

struct DescribeCommand {
  std::string name;
  bool json = false;
};

Result<void> describe(const Registry& registry, const DescribeCommand& command) {
  Json chosen = Json::array();
  for (const Json& manifest : registry.manifests) {
    if (command.name.empty() || manifest["name"] == command.name) chosen.push_back(manifest);
  }
  if (chosen.empty()) {
    return Error(std::errc::invalid_argument, "imgop has no operator " + command.name +
                                                  ": imgop describe lists those that it has");
  }
  if (command.json) {
    fmt::print(
        "{}\n",
        Json{{"program", "imgop"}, {"version", TIERHUB_VERSION}, {"operators", chosen}}.dump(2));
    return {};
  }
  for (const Json& manifest : chosen) {
    fmt::print("{:16} {}\n", manifest["name"].get<std::string>(),
               manifest["help"].get<std::string>());
  }
  return {};
}

}  // namespace

void add_describe(Registry& registry) {
  const auto options = std::make_shared<DescribeCommand>();
  Operator op(registry, "describe",
              "List the operators; with --json, the arguments of each as a JSON Schema",
              "imgop describe segment --json");
  op.command().add_option("operator", options->name, "Only this one");
  op.add_flag("--json", options->json, "Print JSON");
  op.set_run([&registry, options] { return describe(registry, *options); });
}

}  // namespace tierhub::imaging
