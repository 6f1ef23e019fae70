#include "compute/workflow/parameters.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

namespace tierhub::compute {
namespace {

constexpr size_t kMaxParameters = 100;
constexpr size_t kMaxValueBytes = 4096;
constexpr size_t kMaxDatasets = 10'000;

constexpr std::array<std::string_view, 5> kTypes = {"integer", "number", "string", "boolean",
                                                    "dataset"};

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= 64 && is_placeholder_name(text) && text.front() != '-';
}

bool is_numeric(ParameterType type) {
  return type == ParameterType::integer || type == ParameterType::number;
}

std::optional<double> to_number(std::string_view text) {
  double value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc() || end != text.data() + text.size() || !std::isfinite(value))
    return std::nullopt;
  return value;
}

bool is_integer(std::string_view text) {
  int64_t value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  return failure == std::errc() && end == text.data() + text.size();
}

// "from 3 to 500 px", "at least 3 px"; empty if there is no limit.
std::string range_text(const Parameter& parameter) {
  const std::string unit = parameter.unit.empty() ? "" : " " + parameter.unit;
  if (parameter.minimum && parameter.maximum)
    return fmt::format("from {} to {}{}", *parameter.minimum, *parameter.maximum, unit);
  if (parameter.minimum) return fmt::format("at least {}{}", *parameter.minimum, unit);
  if (parameter.maximum) return fmt::format("at most {}{}", *parameter.maximum, unit);
  return "";
}

std::optional<std::string> what_is_wrong_with_text(const Parameter& parameter,
                                                   const std::string& text) {
  if (text.size() > kMaxValueBytes) return fmt::format("is longer than {} bytes", kMaxValueBytes);
  const bool has_control = std::any_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
  });
  if (has_control) return "must be one line of text";
  if (!parameter.choices.empty()) {
    const bool is_one = std::any_of(
        parameter.choices.begin(), parameter.choices.end(), [&](const std::string& choice) {
          // 1 is 1.0: programs that give values do not know how a number was written.
          return choice == text || (is_numeric(parameter.type) && to_number(text) &&
                                    to_number(choice) == to_number(text));
        });
    if (is_one) return std::nullopt;
    return fmt::format("must be one of {}, not '{}'", fmt::join(parameter.choices, ", "), text);
  }
  switch (parameter.type) {
    case ParameterType::integer:
    case ParameterType::number: {
      const bool whole = parameter.type == ParameterType::integer;
      const std::optional<double> value = to_number(text);
      if (!value || (whole && !is_integer(text)))
        return fmt::format("must be a {}number, not '{}'", whole ? "whole " : "", text);
      if ((parameter.minimum && *value < *parameter.minimum) ||
          (parameter.maximum && *value > *parameter.maximum))
        return fmt::format("must be {}, not '{}'", range_text(parameter), text);
      return std::nullopt;
    }
    case ParameterType::boolean:
      if (text == "true" || text == "false") return std::nullopt;
      return fmt::format("must be true or false, not '{}'", text);
    case ParameterType::dataset:
      if (text.empty()) return "must be a path or a pattern";
      return std::nullopt;
    case ParameterType::string:
      return std::nullopt;
  }
  return std::nullopt;
}

// Reads one entry of `parameters`, or of `values`.
class ParameterReader {
 public:
  ParameterReader(const YamlDocument& yaml, Complaints& complaints)
      : yaml_(yaml), complaints_(complaints) {}

  Checked<Parameter> definition(const std::string& name, const YAML::Node& at,
                                const YAML::Node& node) {
    Parameter made;
    made.name = name;
    made.at = yaml_.position(at);
    if (!is_name(name)) {
      return yaml_.complaint(
          at, fmt::format("'{}' cannot be the name of a parameter", name),
          "use letters, digits, '_' and '-', at most 64, and no '-' at the beginning");
    }
    if (is_placeholder(name)) {
      return yaml_.complaint(at, fmt::format("{{{}}} already has a meaning", name),
                             "give the parameter another name");
    }
    if (!node.IsMap()) {
      return yaml_.complaint(node, fmt::format("the parameter '{}' must be a map", name),
                             "for example {type: number, default: 24}");
    }
    const size_t before = complaints_.size();
    bool has_type = false;
    YAML::Node default_node;
    TRY(yaml_.each_entry(
        node, "a parameter", keys::of_parameter(),
        [&](const std::string& key, const YAML::Node&, const YAML::Node& value) -> Checked<void> {
          if (key == "default") {
            default_node.reset(value);
            made.default_value.emplace();
            return {};
          }
          if (key == "enum") return choices(made, value);
          TRY_ASSIGN(const std::string text, yaml_.scalar(value, "a parameter's " + key));
          if (key == "description") made.description = text;
          if (key == "unit") made.unit = text;
          if (key == "minimum" || key == "maximum") {
            std::optional<double>& limit = key == "minimum" ? made.minimum : made.maximum;
            limit = to_number(text);
            if (!limit)
              return yaml_.complaint(value,
                                     fmt::format("{} must be a number, not '{}'", key, text));
          }
          if (key != "type") return {};
          has_type = true;
          const auto type = std::find(kTypes.begin(), kTypes.end(), text);
          if (type == kTypes.end()) {
            return yaml_.complaint(value, fmt::format("there is no type '{}'", text),
                                   fmt::format("use {}", fmt::join(kTypes, ", ")));
          }
          made.type = static_cast<ParameterType>(type - kTypes.begin());
          return {};
        },
        complaints_));
    if (complaints_.size() > before) return Complaint{{}, "", "", "", true};
    if (!has_type) {
      return yaml_.complaint(at, fmt::format("the parameter '{}' needs a 'type'", name),
                             fmt::format("use {}", fmt::join(kTypes, ", ")));
    }
    TRY(check(made, at));
    if (made.default_value) {
      TRY_ASSIGN(made.default_value, value_of(made, default_node, "the default of"));
    }
    return made;
  }

  Checked<ParameterValue> value_of(const Parameter& parameter, const YAML::Node& node,
                                   std::string_view what) {
    const std::string name = fmt::format("{}{}'{}'", what, what.empty() ? "" : " ", parameter.name);
    ParameterValue value;
    if (node.IsSequence() && parameter.type == ParameterType::dataset) {
      for (const YAML::Node& one : node) {
        TRY_ASSIGN(value.emplace_back(), yaml_.scalar(one, name));
      }
    } else {
      TRY_ASSIGN(value.emplace_back(), yaml_.scalar(node, name));
    }
    if (const auto wrong = what_is_wrong(parameter, value)) {
      Complaint complaint = yaml_.complaint(node, fmt::format("{} {}", name, *wrong));
      complaint.parameter = parameter.name;
      return complaint;
    }
    return value;
  }

 private:
  Checked<void> choices(Parameter& made, const YAML::Node& node) {
    if (!node.IsSequence() || node.size() == 0)
      return yaml_.complaint(node, "enum must be a list of the values that are allowed");
    for (const YAML::Node& one : node) {
      TRY_ASSIGN(made.choices.emplace_back(), yaml_.scalar(one, "a value of enum"));
    }
    return {};
  }

  // Whether the keys of a parameter fit each other.
  Checked<void> check(const Parameter& made, const YAML::Node& at) const {
    const bool has_range = made.minimum || made.maximum;
    if (has_range && (!is_numeric(made.type) || !made.choices.empty())) {
      return yaml_.complaint(
          at, fmt::format("'{}' has a minimum or a maximum, which only an integer or a number "
                          "without 'enum' can have",
                          made.name));
    }
    if (made.minimum && made.maximum && *made.minimum > *made.maximum)
      return yaml_.complaint(at,
                             fmt::format("the minimum of '{}' is above its maximum", made.name));
    if (made.choices.empty()) return {};
    if (made.type == ParameterType::boolean || made.type == ParameterType::dataset)
      return yaml_.complaint(
          at, fmt::format("'{}' cannot have 'enum': it is a {}", made.name, to_text(made.type)));
    Parameter free = made;
    free.choices.clear();
    for (const std::string& choice : made.choices) {
      const auto wrong = what_is_wrong(free, {choice});
      if (wrong) return yaml_.complaint(at, fmt::format("a value of enum {}", *wrong));
    }
    return {};
  }

  const YamlDocument& yaml_;
  Complaints& complaints_;
};

const Parameter* find(const std::vector<Parameter>& all, std::string_view name) {
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const Parameter& one) { return one.name == name; });
  return found == all.end() ? nullptr : &*found;
}

std::string known_parameters(const std::vector<Parameter>& all) {
  if (all.empty()) return "the workflow has no parameters";
  std::string names;
  for (const Parameter& one : all) names += (names.empty() ? "" : ", ") + one.name;
  return "its parameters are: " + names;
}

}  // namespace

namespace keys {
const std::vector<std::string_view>& of_parameter() {
  static const std::vector<std::string_view> known = {"type",    "description", "default", "unit",
                                                      "minimum", "maximum",     "enum"};
  return known;
}
}  // namespace keys

std::string_view to_text(ParameterType type) { return kTypes[static_cast<size_t>(type)]; }

std::optional<std::string> what_is_wrong(const Parameter& parameter, const ParameterValue& value) {
  if (value.empty()) return "must not be empty";
  if (value.size() > kMaxDatasets) return "has more than 10,000 paths";
  if (value.size() > 1 && parameter.type != ParameterType::dataset) return "must be one value";
  for (const std::string& text : value) {
    if (auto wrong = what_is_wrong_with_text(parameter, text)) return wrong;
  }
  return std::nullopt;
}

Parameters Parameters::read(const YamlDocument& yaml, const YAML::Node& definitions,
                            const YAML::Node& values, const ParameterValues& given,
                            Complaints& complaints) {
  Parameters made;
  ParameterReader reader(yaml, complaints);
  const auto note = [&](const Checked<void>& done) {
    if (!done) complaints.push_back(done.error());
  };
  std::set<std::string> broken;  // declared, but not as they should be
  const auto define = [&](const std::string& name, const YAML::Node& at,
                          const YAML::Node& node) -> Checked<void> {
    broken.insert(name);
    if (made.all_.size() == kMaxParameters)
      return yaml.complaint(at, fmt::format("there are more than {} parameters", kMaxParameters));
    TRY_ASSIGN(Parameter parameter, reader.definition(name, at, node));
    broken.erase(name);
    if (parameter.default_value) made.values_[name] = *parameter.default_value;
    made.all_.push_back(std::move(parameter));
    return {};
  };
  if (definitions.IsDefined())
    note(yaml.each_entry(definitions, "parameters", {}, define, complaints));

  std::set<std::string> wrong = broken;  // nobody is told twice
  const auto set = [&](const std::string& name, const YAML::Node& at,
                       const YAML::Node& node) -> Checked<void> {
    if (broken.contains(name) || given.contains(name)) return {};
    const Parameter* parameter = find(made.all_, name);
    if (parameter == nullptr) {
      return yaml.complaint(at, fmt::format("there is no parameter '{}'", name),
                            known_parameters(made.all_));
    }
    wrong.insert(name);
    made.values_.erase(name);
    TRY_ASSIGN(made.values_[name], reader.value_of(*parameter, node, ""));
    wrong.erase(name);
    return {};
  };
  if (values.IsDefined()) note(yaml.each_entry(values, "values", {}, set, complaints));

  for (const auto& [name, value] : given) {
    if (broken.contains(name)) continue;
    const Parameter* parameter = find(made.all_, name);
    if (parameter == nullptr) {
      complaints.push_back({{0, 0},
                            fmt::format("there is no parameter '{}'", name),
                            known_parameters(made.all_),
                            name});
      continue;
    }
    const auto bad = what_is_wrong(*parameter, value);
    if (bad) {
      complaints.push_back({{0, 0}, fmt::format("'{}' {}", name, *bad), "", name});
      wrong.insert(name);
      made.values_.erase(name);
    } else {
      made.values_[name] = value;
    }
  }
  for (const Parameter& parameter : made.all_) {
    if (made.values_.contains(parameter.name) || wrong.contains(parameter.name)) continue;
    complaints.push_back(
        {parameter.at, fmt::format("'{}' needs a value", parameter.name),
         fmt::format("give it a 'default', or add 'values: {{{}: ...}}'", parameter.name),
         parameter.name});
  }
  made.broken_.insert(broken.begin(), broken.end());
  return made;
}

bool Parameters::is_declared(std::string_view name) const {
  return find(all_, name) != nullptr || broken_.contains(name);
}

const ParameterValue* Parameters::value_of(std::string_view name) const {
  const auto found = values_.find(std::string(name));
  return found == values_.end() ? nullptr : &found->second;
}

}  // namespace tierhub::compute
