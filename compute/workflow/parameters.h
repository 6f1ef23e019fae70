// The parameters of a workflow: what a person may set without touching its steps, and the values
// that were given. docs/WORKFLOWS.md, "Parameters".
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "compute/workflow/complaint.h"
#include "compute/workflow/placeholders.h"
#include "compute/workflow/yaml_document.h"

namespace tierhub::compute {

enum class ParameterType { integer, number, string, boolean, dataset };
std::string_view to_text(ParameterType type);

// As it is written. One text; a dataset may have several.
using ParameterValue = std::vector<std::string>;
using ParameterValues = std::map<std::string, ParameterValue>;

struct Parameter {
  std::string name;
  ParameterType type = ParameterType::string;
  std::string description;  // a sentence for people, or empty
  std::string unit;         // "px", or empty
  std::optional<ParameterValue> default_value;
  std::optional<double> minimum;  // of an integer or a number
  std::optional<double> maximum;
  std::vector<std::string> choices;  // if not empty, the value is one of them
  Position at;                       // of its name in the file
};

// What is wrong with a value, or nothing: "must be from 3 to 500 px, not '900'".
std::optional<std::string> what_is_wrong(const Parameter& parameter, const ParameterValue& value);

// What stands for "{name}" in a file.
class Parameters {
 public:
  Parameters() = default;
  // What the file's `parameters` and `values` say; either may be undefined. `given` are values that
  // were given beside the file: they replace those in it. Everything that is wrong is added to
  // `complaints`.
  static Parameters read(const YamlDocument& yaml, const YAML::Node& definitions,
                         const YAML::Node& values, const ParameterValues& given,
                         Complaints& complaints);

  const std::vector<Parameter>& all() const { return all_; }
  // Neither one that is as it should be nor one that is not was declared.
  bool empty() const { return all_.empty() && broken_.empty(); }
  // The value of each parameter that has one.
  const ParameterValues& values() const { return values_; }
  bool is_declared(std::string_view name) const;
  // Null if it has none, which somebody has been told.
  const ParameterValue* value_of(std::string_view name) const;

 private:
  std::vector<Parameter> all_;
  ParameterValues values_;
  std::set<std::string, std::less<>> broken_;  // declared, but not as they should be
};

namespace keys {
const std::vector<std::string_view>& of_parameter();
}  // namespace keys

}  // namespace tierhub::compute
