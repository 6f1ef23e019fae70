#include "compute/submit/check.h"

#include <cmath>
#include <cstdlib>

#include <fmt/format.h>

namespace tierhub::compute {
namespace {

using OrderedJson = nlohmann::ordered_json;

OrderedJson typed(const Parameter& parameter, const std::string& text) {
  if (parameter.type == ParameterType::boolean) return text == "true";
  if (parameter.type == ParameterType::integer) return std::strtoll(text.c_str(), nullptr, 10);
  if (parameter.type == ParameterType::number) {
    const double value = std::strtod(text.c_str(), nullptr);
    if (value == std::trunc(value) && std::abs(value) < 1e15) return static_cast<int64_t>(value);
    return value;
  }
  return text;
}

OrderedJson typed(const Parameter& parameter, const ParameterValue& value) {
  if (value.size() == 1) return typed(parameter, value.front());
  OrderedJson list = OrderedJson::array();
  for (const std::string& text : value) list.push_back(typed(parameter, text));
  return list;
}

OrderedJson number(double value) {
  if (value == std::trunc(value) && std::abs(value) < 1e15) return static_cast<int64_t>(value);
  return value;
}

OrderedJson names_of(const Workflow& workflow, const std::vector<size_t>& steps) {
  OrderedJson names = OrderedJson::array();
  for (const size_t step : steps) names.push_back(workflow.steps[step].id);
  return names;
}

}  // namespace

std::string program_text(const Step& step) {
  std::string text = step.run.front().text.source();
  text.erase(0, text.rfind('/') + 1);
  if (text == "imgop" && step.run.size() > 1) text += " " + step.run[1].text.source();
  return text;
}

OrderedJson to_json(const Parameter& parameter) {
  OrderedJson json = {{"name", parameter.name}, {"type", to_text(parameter.type)}};
  if (!parameter.description.empty()) json["description"] = parameter.description;
  if (parameter.default_value) json["default"] = typed(parameter, *parameter.default_value);
  if (!parameter.unit.empty()) json["unit"] = parameter.unit;
  if (parameter.minimum) json["minimum"] = number(*parameter.minimum);
  if (parameter.maximum) json["maximum"] = number(*parameter.maximum);
  for (const std::string& choice : parameter.choices)
    json["enum"].push_back(typed(parameter, choice));
  return json;
}

OrderedJson to_json(const Complaints& complaints) {
  OrderedJson list = OrderedJson::array();
  for (const Complaint& one : complaints) {
    list.push_back({{"line", one.at.line},
                    {"column", one.at.line == 0 ? 0 : one.at.column},
                    {"message", one.text},
                    {"hint", one.hint},
                    {"parameter", one.parameter}});
  }
  return list;
}

OrderedJson to_json(const CheckedWorkflow& checked) {
  OrderedJson parameters = OrderedJson::array(), values = OrderedJson::object(),
              steps = OrderedJson::array();
  for (const Parameter& parameter : checked.parameters) {
    parameters.push_back(to_json(parameter));
    const auto value = checked.values.find(parameter.name);
    if (value != checked.values.end()) values[parameter.name] = typed(parameter, value->second);
  }
  if (checked.workflow) {
    for (const Step& step : checked.workflow->steps) {
      steps.push_back({{"id", step.id},
                       {"program", program_text(step)},
                       {"after", names_of(*checked.workflow, step.after)},
                       {"gather", names_of(*checked.workflow, step.gather)},
                       {"cpus", step.resources.cpus},
                       {"retry", step.retry}});
    }
  }
  return {{"workflow", checked.name},
          {"parameters", std::move(parameters)},
          {"values", std::move(values)},
          {"steps", std::move(steps)},
          {"errors", to_json(checked.complaints)}};
}

std::string to_text(const CheckedWorkflow& checked) {
  std::string text;
  for (const Complaint& one : checked.complaints) text += to_text(one) + "\n";
  if (!text.empty()) return text;
  text =
      fmt::format("{}: nothing is wrong. {} steps:", checked.name, checked.workflow->steps.size());
  for (const Step& step : checked.workflow->steps)
    text += fmt::format(" {}{}", step.id, &step == &checked.workflow->steps.back() ? "\n" : ",");
  for (const Parameter& parameter : checked.parameters) {
    const std::string unit = parameter.unit.empty() ? "" : " " + parameter.unit;
    text += fmt::format("  {} = {}{}  {}\n", parameter.name,
                        fmt::join(checked.values.at(parameter.name), ", "), unit,
                        parameter.description);
  }
  return text;
}

}  // namespace tierhub::compute
