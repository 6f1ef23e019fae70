#include "imaging/commands/operator.h"

#include <fmt/format.h>

#include "imaging/images/output.h"

namespace tierhub::imaging {
namespace {

using formats::Json;

bool is_output(const Json& schema) { return schema.value("direction", "") == "out"; }
bool is_input(const Json& schema) { return schema.value("direction", "") == "in"; }

Json to_json(const formats::Halo& halo) { return {{"z", halo.z}, {"y", halo.y}, {"x", halo.x}}; }

Result<void> print_estimate(const std::function<Result<Estimate>()>& make) {
  TRY_ASSIGN(const Estimate estimate, make());
  Json json = {{"memory_bytes", estimate.memory}};
  if (estimate.halo) {
    json["halo"] = formats::to_text(*estimate.halo);
    json["halo_voxels"] = to_json(*estimate.halo);
  }
  if (estimate.is_guess)
    json["assumes"] = "labels that do not exist yet: half of the voxels, in objects of 500";
  fmt::print("{}\n", json.dump());
  return {};
}

}  // namespace

ArgumentType real(double least, double most, const char* unit) {
  return {{{"type", "number"}, {"minimum", least}, {"maximum", most}, {"unit", unit}},
          CLI::Range(least, most)};
}

ArgumentType integer(uint64_t least, uint64_t most, const char* unit) {
  return {{{"type", "integer"}, {"minimum", least}, {"maximum", most}, {"unit", unit}},
          CLI::Range(least, most)};
}

ArgumentType choice(const std::vector<std::string>& values) {
  return {{{"type", "string"}, {"enum", values}}, CLI::IsMember(values)};
}

ArgumentType text(const char* kind, std::function<std::string(const std::string&)> check) {
  if (!check) check = [](const std::string&) { return std::string(); };
  return {{{"type", "string"}, {"kind", kind}}, CLI::Validator(check, "")};
}

ArgumentType path_in(const char* kind) {
  ArgumentType type = text(kind);
  type.schema["direction"] = "in";
  return type;
}

ArgumentType path_out(const char* kind, const std::vector<std::string>& endings) {
  const auto check = [endings](const std::string& path) -> std::string {
    const std::string name = CLI::detail::to_lower(base_name(path));
    std::string allowed;
    for (const std::string& ending : endings) {
      if (name.size() > ending.size() && name.ends_with(ending)) return {};
      allowed += (allowed.empty() ? "" : " or ") + ending;
    }
    return fmt::format("\"{}\": the name must end in {}, which is what is written", path, allowed);
  };
  return {{{"type", "string"}, {"kind", kind}, {"direction", "out"}, {"endings", endings}},
          CLI::Validator(check, "")};
}

ArgumentType list_of(ArgumentType type) {
  Json list = {{"type", "array"}};
  if (type.schema.contains("direction")) list["direction"] = type.schema["direction"];
  list["items"] = std::move(type.schema);
  return {std::move(list), std::move(type.check)};
}

Operator::Operator(Registry& registry, const char* name, const char* help, const char* example)
    : registry_(registry), command_(registry.app.add_subcommand(name, help)) {
  command_->footer(std::string("Example:\n  ") + example);
  manifest_ = {{"name", name}, {"help", help}, {"example", example}};
}

Operator::~Operator() {
  Json properties = Json::object(), required = Json::array();
  Json inputs = Json::array(), outputs = Json::array();
  for (size_t i = 0; i < options_.size(); ++i) {
    const std::string name = options_[i]->get_lnames().front();
    properties[name] = schemas_[i];
    if (options_[i]->get_required()) required.push_back(name);
    if (is_input(schemas_[i])) inputs.push_back(name);
    if (is_output(schemas_[i])) outputs.push_back(name);
  }
  manifest_["arguments"] = {{"$schema", "https://json-schema.org/draft/2020-12/schema"},
                            {"type", "object"},
                            {"properties", std::move(properties)},
                            {"required", std::move(required)},
                            {"additionalProperties", false}};
  if (manifest_.contains("one_of")) {
    manifest_["arguments"]["oneOf"] = manifest_["one_of"];
    manifest_.erase("one_of");
  }
  manifest_["inputs"] = std::move(inputs);
  manifest_["outputs"] = std::move(outputs);
  registry_.manifests.push_back(std::move(manifest_));
}

void Operator::set_halo(const HaloRule& rule) {
  manifest_["halo"] = rule.words;
  manifest_["halo_arguments"] = rule.arguments;
  if (rule.of_defaults) manifest_["default_halo"] = to_json(*rule.of_defaults);
}

CLI::Option* Operator::add_flag(const char* name, bool& value, const char* help) {
  CLI::Option* option = command_->add_flag(name, value, help);
  note(option, {{"type", "boolean"}, {"default", false}}, help);
  return option;
}

void Operator::require_one_of(const std::vector<CLI::Option*>& options) {
  CLI::Option_group* group = command_->add_option_group("where to");
  Json any = Json::array();
  for (CLI::Option* option : options) {
    group->add_option(option);
    any.push_back({{"required", {option->get_lnames().front()}}});
  }
  group->require_option(1);
  manifest_["one_of"] = std::move(any);
}

void Operator::note(const CLI::Option* option, Json schema, const char* help) {
  schema["description"] = help;
  options_.push_back(option);
  schemas_.push_back(std::move(schema));
}

void Operator::add_estimate(std::function<Result<Estimate>()> estimate) {
  add_flag(
      "--estimate", *is_estimate_,
      "Only print how much memory it needs at most, in bytes, and the halo of a box, as JSON; true "
      "within a fifth if objects are few compared with voxels");
  estimate_ = std::move(estimate);
}

void Operator::set_run(std::function<Result<void>()> run) {
  const auto estimate = [make = estimate_] { return print_estimate(make); };
  command_->callback(
      [&registry = registry_, run = std::move(run), estimate, is_estimate = is_estimate_] {
        registry.action = *is_estimate ? Action(estimate) : Action(run);
      });
}

}  // namespace tierhub::imaging
