// From the text of a workflow file to a Workflow, or to all complaints about it.
#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "compute/workflow/workflow.h"
#include "compute/workflow/yaml_document.h"

namespace tierhub::compute {
namespace keys {

const std::vector<std::string_view>& of_workflow() {
  static const std::vector<std::string_view> known = {
      "workflow", "parameters", "values", "input", "scatter", "steps", "on_error", "output"};
  return known;
}
const std::vector<std::string_view>& of_input() {
  static const std::vector<std::string_view> known = {"dataset", "select"};
  return known;
}
const std::vector<std::string_view>& of_select() {
  static const std::vector<std::string_view> known = {"level", "t", "c", "z", "y", "x"};
  return known;
}
const std::vector<std::string_view>& of_scatter() {
  static const std::vector<std::string_view> known = {"by", "size", "halo"};
  return known;
}
const std::vector<std::string_view>& of_axes() {
  static const std::vector<std::string_view> known = {"z", "y", "x"};
  return known;
}
const std::vector<std::string_view>& of_step() {
  static const std::vector<std::string_view> known = {"id",        "run",   "after", "gather",
                                                      "resources", "retry", "env"};
  return known;
}
const std::vector<std::string_view>& of_resources() {
  static const std::vector<std::string_view> known = {"cpus", "memory", "time"};
  return known;
}

}  // namespace keys

namespace {

constexpr uint64_t kMaxCpus = 4096;
constexpr uint64_t kMaxRetries = 100;
constexpr uint64_t kMaxVoxels = uint64_t{1} << 40;
constexpr size_t kMaxSteps = 1000;
constexpr size_t kMaxNameBytes = 100;

const std::map<std::string, ScatterBy, std::less<>>& scatter_names() {
  static const std::map<std::string, ScatterBy, std::less<>> names = {
      {"file", ScatterBy::file}, {"block", ScatterBy::block}, {"t", ScatterBy::t},
      {"c", ScatterBy::c},       {"z", ScatterBy::z},         {"well", ScatterBy::well}};
  return names;
}

bool is_identifier(std::string_view text) {
  return !text.empty() && text.size() <= kMaxNameBytes && text.front() != '-' &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '_' || c == '-';
         });
}

// It becomes part of a path.
bool is_file_name(std::string_view text) {
  return !text.empty() && text.size() <= kMaxNameBytes && text.front() != '.' &&
         std::none_of(text.begin(), text.end(), [](char c) {
           return c == '/' || static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
         });
}

class WorkflowParser {
 public:
  WorkflowParser(const YamlDocument& yaml, const ParameterValues& given)
      : yaml_(yaml), given_(given) {}

  CheckedWorkflow parse() {
    read_parameters();
    entries(yaml_.root(), "a workflow", keys::of_workflow(),
            [&](const std::string& key, const YAML::Node& at, const YAML::Node& value) {
              seen_.insert(key);
              return top(key, at, value);
            });
    if (yaml_.root().IsMap()) check_nothing_is_missing();
    if (workflow_.output.source().empty()) {
      workflow_.output = *Template::parse("results/{user}/{workflow}/{run}");
    }
    // What steps say of one another makes sense once each of them does.
    if (complaints_.empty() && missing_.empty()) {
      resolve_references();
      if (complaints_.empty()) note(refuse_circles());
      check_contexts();
      check_selection_is_named();
    }
    if (complaints_.empty() && missing_.empty()) check_parameters_are_used();
    return result();
  }

 private:
  // A text with placeholders and the node that it came from, until its context is known.
  struct Placed {
    Template text;
    YAML::Node node;
    size_t step;
  };
  struct Reference {
    size_t step;
    std::string id;
    YAML::Node node;
    bool gather;
  };

  // Of a map that some were found in: false.
  bool entries(const YAML::Node& node, std::string_view what,
               const std::vector<std::string_view>& known, const YamlDocument::UseEntry& use) {
    const size_t before = complaints_.size();
    note(yaml_.each_entry(node, what, known, use, complaints_));
    return complaints_.size() == before;
  }

  void note(Checked<void> done) {
    if (!done) complaints_.push_back(std::move(done).error());
  }

  Checked<void> require(bool missing, const YAML::Node& node, std::string text) const {
    if (missing) return yaml_.complaint(node, std::move(text));
    return {};
  }

  // What is missing is nowhere: it comes after everything that has a place.
  void check_nothing_is_missing() {
    for (const auto& [key, text] :
         {std::pair("workflow", "a workflow needs a name: 'workflow: my-analysis'"),
          std::pair("input", "a workflow needs its 'input' with a 'dataset'"),
          std::pair("steps", "a workflow needs 'steps'")}) {
      if (!seen_.contains(key)) missing_.push_back(yaml_.complaint(yaml_.root(), text));
    }
  }

  void read_parameters() {
    const YAML::Node& root = yaml_.root();
    if (!root.IsMap()) return;
    parameters_ = Parameters::read(yaml_, root["parameters"], root["values"], given_, complaints_);
  }

  CheckedWorkflow result() {
    CheckedWorkflow made;
    made.name = workflow_.name;
    made.parameters = parameters_.all();
    made.values = parameters_.values();
    std::erase_if(complaints_, [](const Complaint& one) { return one.follows; });
    std::stable_sort(complaints_.begin(), complaints_.end(),
                     [](const Complaint& a, const Complaint& b) {
                       return std::pair(a.at.line, a.at.column) < std::pair(b.at.line, b.at.column);
                     });
    made.complaints = std::move(complaints_);
    made.complaints.insert(made.complaints.end(), missing_.begin(), missing_.end());
    if (made.complaints.empty()) made.workflow = std::move(workflow_);
    return made;
  }

  Checked<void> top(const std::string& key, const YAML::Node& at, const YAML::Node& value) {
    if (key == "workflow") return name(value);
    if (key == "input") return input(at, value);
    if (key == "scatter") return scatter(at, value);
    if (key == "steps") return steps(value);
    if (key == "on_error") return on_error(value);
    if (key == "output") return output(value);
    return {};  // parameters and values were read before
  }

  Checked<void> name(const YAML::Node& value) {
    TRY_ASSIGN(workflow_.name, yaml_.scalar(value, "the workflow's name"));
    if (!is_file_name(workflow_.name)) {
      return yaml_.complaint(
          value,
          "the workflow's name becomes a folder's name: 1 to 100 characters, no '/', "
          "no leading '.'");
    }
    return {};
  }

  Checked<void> input(const YAML::Node& at, const YAML::Node& value) {
    const bool fine = entries(
        value, "input", keys::of_input(),
        [&](const std::string& key, const YAML::Node&, const YAML::Node& entry) -> Checked<void> {
          if (key == "select") return select(entry);
          return datasets(entry);
        });
    return require(fine && workflow_.datasets.empty(), at,
                   "input needs a 'dataset': a path or a pattern");
  }

  Checked<void> select(const YAML::Node& value) {
    workflow_.has_select = true;
    entries(
        value, "select", keys::of_select(),
        [&](const std::string& key, const YAML::Node&, const YAML::Node& entry) -> Checked<void> {
          TRY_ASSIGN(const std::string range, text(entry, "select's " + key));
          const Result<void> set = formats::set_selected(workflow_.select, key, range);
          if (!set)
            return yaml_.complaint(entry, fmt::format("select's {}: {}", key, set.error().text()));
          return {};
        });
    return {};
  }

  Checked<void> scatter(const YAML::Node& at, const YAML::Node& value) {
    Scatter& scatter = workflow_.scatter;
    std::optional<YAML::Node> size, halo;
    const auto entry_of = [&](const std::string& key, const YAML::Node& place,
                              const YAML::Node& entry) -> Checked<void> {
      if (key == "by") return scatter_by(entry);
      (key == "size" ? size : halo) = place;
      formats::Extent voxels{0, 0, 0};
      TRY(axes(entry, key == "size" ? 1 : 0, voxels));
      if (key == "size") scatter.size = voxels;
      if (key == "halo") scatter.halo = {voxels.z, voxels.y, voxels.x};
      return {};
    };
    if (!entries(value, "scatter", keys::of_scatter(), entry_of)) return {};
    const ScatterBy by = scatter.by;
    TRY(require(by == ScatterBy::nothing, at, "scatter needs 'by': file, block, t, c, z or well"));
    TRY(require(by == ScatterBy::block && !size, at,
                "scatter by block needs 'size', for example {z: 128, y: 512, x: 512}"));
    if (size && by != ScatterBy::block)
      return yaml_.complaint(*size, "only scatter by block has a size");
    if (halo && by != ScatterBy::block && by != ScatterBy::z) {
      return yaml_.complaint(*halo, "only scatter by block or by z has a halo");
    }
    return {};
  }

  Checked<void> scatter_by(const YAML::Node& value) {
    TRY_ASSIGN(const std::string by, yaml_.scalar(value, "scatter's by"));
    const auto found = scatter_names().find(by);
    if (found == scatter_names().end()) {
      return yaml_.complaint(
          value, fmt::format("scatter must be by file, block, t, c, z or well, not by '{}'", by));
    }
    workflow_.scatter.by = found->second;
    return {};
  }

  Checked<void> axes(const YAML::Node& value, uint64_t least, formats::Extent& extent) {
    entries(
        value, "a size or a halo", keys::of_axes(),
        [&](const std::string& key, const YAML::Node&, const YAML::Node& entry) -> Checked<void> {
          TRY_ASSIGN(const uint64_t voxels,
                     number(entry, "the number of voxels along " + key, least, kMaxVoxels));
          (key == "z" ? extent.z : key == "y" ? extent.y : extent.x) = voxels;
          return {};
        });
    return {};
  }

  Checked<void> on_error(const YAML::Node& value) {
    TRY_ASSIGN(const std::string written, yaml_.scalar(value, "on_error"));
    if (written == "continue") {
      workflow_.on_error = OnError::carry_on;
    } else if (written != "stop") {
      return yaml_.complaint(value,
                             fmt::format("on_error must be stop or continue, not '{}'", written));
    }
    return {};
  }

  Checked<void> output(const YAML::Node& value) {
    TRY_ASSIGN(workflow_.output, text_template(value, "output"));
    const std::string source = workflow_.output.source();
    for (const Placeholder word :
         {Placeholder::input, Placeholder::select, Placeholder::box, Placeholder::halo,
          Placeholder::task, Placeholder::name, Placeholder::path, Placeholder::work,
          Placeholder::output, Placeholder::inputs}) {
      if (!workflow_.output.mentions(word)) continue;
      return refuse(value, word, "cannot be used in output: use {user}, {workflow} and {run}");
    }
    bool has_name = false;
    for (size_t begin = 0; begin <= source.size();) {
      const size_t end = std::min(source.find('/', begin), source.size());
      const std::string_view part = std::string_view(source).substr(begin, end - begin);
      if (part == ".." || part == ".") {
        return yaml_.complaint(value, "output must be a plain path, without '.' and '..'");
      }
      has_name = has_name || !part.empty();
      begin = end + 1;
    }
    return require(!has_name, value,
                   "output needs a path, for example results/{user}/{workflow}/{run}");
  }

  Checked<void> steps(const YAML::Node& value) {
    if (!value.IsSequence() || value.size() == 0) {
      return yaml_.complaint(value, "steps must be a list, with '- id:' and 'run:' for each step");
    }
    if (value.size() > kMaxSteps) return yaml_.complaint(value, "there are more than 1,000 steps");
    for (const YAML::Node& node : value) note(step(node));
    return {};
  }

  Checked<void> step(const YAML::Node& node) {
    Step& made = workflow_.steps.emplace_back();
    made.place = place_of(node);
    step_places_.push_back(yaml_.position(node));
    const size_t index = workflow_.steps.size() - 1;
    const bool fine =
        entries(node, "a step", keys::of_step(),
                [&](const std::string& key, const YAML::Node&, const YAML::Node& value) {
                  return step_entry(index, key, value);
                });
    if (!fine) return {};
    TRY(require(made.id.empty(), node, "a step needs an 'id'"));
    return require(made.run.empty(), node,
                   fmt::format("the step '{}' needs 'run': a program and its arguments", made.id));
  }

  Checked<void> step_entry(size_t index, const std::string& key, const YAML::Node& value) {
    Step& step = workflow_.steps[index];
    if (key == "id") return step_id(step, value);
    if (key == "run") return step_run(index, value);
    if (key == "after" || key == "gather") return references(index, key, value);
    if (key == "resources") return resources(step, value);
    if (key == "env") return environment(index, value);
    TRY_ASSIGN(const uint64_t retry, number(value, "retry", 0, kMaxRetries));
    step.retry = static_cast<unsigned>(retry);
    return {};
  }

  Checked<void> step_id(Step& step, const YAML::Node& value) {
    TRY_ASSIGN(step.id, yaml_.scalar(value, "a step's id"));
    if (!is_identifier(step.id)) {
      return yaml_.complaint(
          value,
          fmt::format("a step's id can have only letters, digits, '_' and '-', not '{}'", step.id));
    }
    if (!ids_.emplace(step.id, workflow_.steps.size() - 1).second) {
      return yaml_.complaint(value, fmt::format("two steps have the id '{}'", step.id));
    }
    return {};
  }

  Checked<void> step_run(size_t index, const YAML::Node& value) {
    if (!value.IsSequence() || value.size() == 0) {
      return yaml_.complaint(value,
                             "run must be a list of a program and its arguments; there is no shell "
                             "unless you write [sh, -c, \"...\"]");
    }
    const auto add = [&](const YAML::Node& argument) -> Checked<void> {
      TRY_ASSIGN(Template made, text_template(argument, "an argument"));
      placed_.push_back({made, argument, index});
      workflow_.steps[index].run.push_back({std::move(made), place_of(argument)});
      return {};
    };
    for (const YAML::Node& argument : value) note(add(argument));
    const std::vector<Argument>& run = workflow_.steps[index].run;
    return require(run.size() == value.size() && run.front().text.source().empty(), value[0],
                   "the program's name is empty");
  }

  Checked<void> references(size_t index, const std::string& key, const YAML::Node& value) {
    const auto add = [&](const YAML::Node& node) -> Checked<void> {
      TRY_ASSIGN(std::string id, yaml_.scalar(node, "the id of a step"));
      references_.push_back({index, std::move(id), node, key == "gather"});
      return {};
    };
    if (!value.IsSequence()) return add(value);
    TRY(require(value.size() == 0, value, fmt::format("'{}' is empty: name a step", key)));
    for (const YAML::Node& node : value) TRY(add(node));
    return {};
  }

  Checked<void> resources(Step& step, const YAML::Node& value) {
    entries(
        value, "resources", keys::of_resources(),
        [&](const std::string& key, const YAML::Node&, const YAML::Node& entry) -> Checked<void> {
          if (key == "cpus") {
            TRY_ASSIGN(const uint64_t cpus, number(entry, "cpus", 1, kMaxCpus));
            step.resources.cpus = static_cast<unsigned>(cpus);
            return {};
          }
          TRY_ASSIGN(const std::string written, text(entry, key));
          if (key == "memory") {
            const Result<uint64_t> bytes = parse_size(written);
            if (!bytes) return yaml_.complaint(entry, bytes.error().text());
            step.resources.memory_bytes = *bytes;
            step.resources.memory_text = written;
            step.resources.memory_place = place_of(entry);
            return {};
          }
          const Result<std::chrono::seconds> time = parse_duration(written);
          if (!time) return yaml_.complaint(entry, time.error().text());
          step.resources.time = *time;
          return {};
        });
    return {};
  }

  Checked<void> environment(size_t index, const YAML::Node& value) {
    entries(
        value, "env", {},
        [&](const std::string& key, const YAML::Node& at,
            const YAML::Node& entry) -> Checked<void> {
          if (!is_identifier(key) || key.find('-') != std::string::npos ||
              (key.front() >= '0' && key.front() <= '9')) {
            return yaml_.complaint(at, fmt::format("'{}' cannot be the name of a variable", key));
          }
          if (key == "TIERHUB_RUN" || key == "TIERHUB_TASK" || key == "TIERHUB_CPUS" ||
              key == "TIERHUB_MARK") {
            return yaml_.complaint(at, fmt::format("{} is set by the agent: leave it out", key));
          }
          TRY_ASSIGN(Template made, text_template(entry, "a variable's value"));
          placed_.push_back({made, entry, index});
          workflow_.steps[index].env.emplace_back(key, Argument{std::move(made), place_of(entry)});
          return {};
        });
    return {};
  }

  Checked<void> datasets(const YAML::Node& value) {
    const auto add = [&](const YAML::Node& node) -> Checked<void> {
      TRY_ASSIGN(const std::string written, yaml_.scalar(node, "the dataset"));
      if (const ParameterValue* several = value_alone(written)) {
        workflow_.datasets.insert(workflow_.datasets.end(), several->begin(), several->end());
        return {};
      }
      TRY_ASSIGN(std::string path, text(node, "the dataset"));
      TRY(require(path.empty(), node, "the dataset is an empty path"));
      workflow_.datasets.push_back(std::move(path));
      return {};
    };
    if (!value.IsSequence()) return add(value);
    TRY(require(value.size() == 0, value, "the dataset is an empty list"));
    for (const YAML::Node& node : value) note(add(node));
    return {};
  }

  // Of a text that is one parameter and nothing else; null otherwise.
  const ParameterValue* value_alone(std::string_view written) {
    if (written.size() < 3 || written.front() != '{' || written.back() != '}') return nullptr;
    const std::string_view name = written.substr(1, written.size() - 2);
    const ParameterValue* value = parameters_.value_of(name);
    if (value != nullptr) used_.emplace(name);
    return value;
  }

  // What stands for a parameter's name in a text; nothing if it is none. A parameter without a value
  // was complained about: then `lacks_value` becomes true.
  std::optional<std::string> replacement(std::string_view name, bool& lacks_value) {
    if (!parameters_.is_declared(name)) return std::nullopt;
    used_.emplace(name);
    const ParameterValue* value = parameters_.value_of(name);
    lacks_value = lacks_value || value == nullptr;
    return value == nullptr ? "" : fmt::format("{}", fmt::join(*value, " "));
  }

  static Complaint follows() { return {{}, "", "", "", true}; }

  // A single value without placeholders, in which parameters have been replaced. Braces have a
  // meaning only in a workflow that has parameters.
  Checked<std::string> text(const YAML::Node& node, std::string_view what) {
    TRY_ASSIGN(const std::string written, yaml_.scalar(node, what));
    if (parameters_.empty()) return written;
    std::string made;
    bool lacks_value = false;
    for (size_t at = 0; at < written.size(); ++at) {
      const std::string_view rest = std::string_view(written).substr(at);
      const size_t end = rest.find('}');
      if (rest.starts_with("{{")) ++at;
      if (rest.front() != '{' || rest.starts_with("{{") || end == std::string_view::npos) {
        made += rest.front();
        continue;
      }
      const std::string name(rest.substr(1, end - 1));
      const auto value = replacement(name, lacks_value);
      if (!value) return unknown_parameter(node, name);
      made += *value;
      at += end;
    }
    if (lacks_value) return follows();
    return made;
  }

  Complaint unknown_parameter(const YAML::Node& node, const std::string& name) const {
    std::string names;
    for (const Parameter& one : parameters_.all())
      names += fmt::format("{}{{{}}}", names.empty() ? "" : ", ", one.name);
    return {yaml_.position_in(node, fmt::format("{{{}}}", name)),
            fmt::format("{{{}}} is not a parameter of this workflow", name),
            fmt::format("use {}, or write '{{{{' for a brace", names)};
  }

  Checked<uint64_t> number(const YAML::Node& node, std::string_view what, uint64_t least,
                           uint64_t most) {
    TRY_ASSIGN(const std::string written, text(node, what));
    return yaml_.number(node, written, what, least, most);
  }

  Checked<Template> text_template(const YAML::Node& node, std::string_view what) {
    TRY_ASSIGN(const std::string written, yaml_.scalar(node, what));
    bool lacks_value = false;
    tl::expected<Template, Template::ParseError> parsed = Template::parse(
        written, [&](std::string_view name) { return replacement(name, lacks_value); });
    if (parsed && lacks_value) return follows();
    if (parsed) return *std::move(parsed);
    const Template::ParseError& error = parsed.error();
    // The how-manieth of its kind in the scalar is also the how-manieth in the file from there on.
    size_t nth = 0;
    for (size_t at = written.find(error.token); at < error.offset;
         at = written.find(error.token, at + 1)) {
      ++nth;
    }
    return Complaint{yaml_.position_in(node, error.token, nth), error.reason, {}};
  }

  std::string place_of(const YAML::Node& node) const {
    const Position position = yaml_.position(node);
    return fmt::format("line {}, column {}", position.line, position.column);
  }

  Complaint refuse(const YAML::Node& node, Placeholder word, std::string_view reason) const {
    const std::string token = fmt::format("{{{}}}", to_text(word));
    return {yaml_.position_in(node, token), fmt::format("{} {}", token, reason), {}};
  }

  void resolve_references() {
    for (const Reference& reference : references_) {
      const auto found = ids_.find(reference.id);
      if (found == ids_.end()) {
        note(yaml_.complaint(reference.node,
                             fmt::format("there is no step with the id '{}'", reference.id)));
        continue;
      }
      Step& step = workflow_.steps[reference.step];
      std::vector<size_t>& list = reference.gather ? step.gather : step.after;
      if (std::find(list.begin(), list.end(), found->second) == list.end()) {
        list.push_back(found->second);
      }
    }
  }

  Checked<void> refuse_circles() {
    std::vector<size_t> path;
    std::vector<bool> finished(workflow_.steps.size(), false);
    for (size_t step = 0; step < workflow_.steps.size(); ++step) {
      TRY(walk(step, path, finished));
    }
    return {};
  }

  Checked<void> walk(size_t step, std::vector<size_t>& path, std::vector<bool>& finished) {
    if (finished[step]) return {};
    const auto seen = std::find(path.begin(), path.end(), step);
    if (seen != path.end()) {
      std::string circle;
      for (auto it = seen; it != path.end(); ++it) circle += workflow_.steps[*it].id + " -> ";
      return Complaint{step_places_[step],
                       fmt::format("the steps wait for one another in a circle: {}{}", circle,
                                   workflow_.steps[step].id),
                       {}};
    }
    path.push_back(step);
    for (const size_t next : workflow_.steps[step].gather) TRY(walk(next, path, finished));
    for (const size_t next : workflow_.steps[step].after) TRY(walk(next, path, finished));
    path.pop_back();
    finished[step] = true;
    return {};
  }

  // A placeholder is refused where it would have no meaning.
  void check_contexts() {
    for (const Placed& placed : placed_) note(check_context(placed));
  }

  Checked<void> check_context(const Placed& placed) const {
    const ScatterBy by = workflow_.scatter.by;
    const bool by_file = by == ScatterBy::file || by == ScatterBy::well;
    const bool once = workflow_.steps[placed.step].runs_once();
    for (const Placeholder word :
         {Placeholder::input, Placeholder::select, Placeholder::name, Placeholder::path}) {
      if (!placed.text.mentions(word) || !once || !by_file) continue;
      return refuse(placed.node, word,
                    "cannot be used in a step that gathers: it runs once, for all files");
    }
    if (placed.text.mentions(Placeholder::inputs) &&
        (!by_file || workflow_.steps[placed.step].gather.empty())) {
      return refuse(placed.node, Placeholder::inputs,
                    "needs a step that gathers, and a scatter by file or well");
    }
    for (const Placeholder word : {Placeholder::box, Placeholder::halo}) {
      if (!placed.text.mentions(word) || by == ScatterBy::nothing) continue;
      if (by_file) return refuse(placed.node, word, "needs a scatter by block, t, c or z");
      if (once) {
        return refuse(placed.node, word,
                      "cannot be used in a step that gathers: it runs once, for all boxes");
      }
    }
    return {};
  }

  // A program that is given the whole input, but not what of it was selected, would quietly use
  // another part of the image.
  void check_selection_is_named() {
    if (!workflow_.has_select) return;
    for (const Placed& placed : placed_) {
      const Step& step = workflow_.steps[placed.step];
      if (!placed.text.mentions(Placeholder::input) || step.mentions(Placeholder::select) ||
          step.mentions(Placeholder::box)) {
        continue;
      }
      complaints_.push_back(
          {yaml_.position_in(placed.node, "{input}"),
           fmt::format("the step '{}' names {{input}}, but not what 'input.select' selects of it: "
                       "pass {{select}} too, for example --select, \"{{select}}\"",
                       step.id),
           {}});
    }
  }

  // One that is used nowhere would change nothing, whatever its value.
  void check_parameters_are_used() {
    for (const Parameter& parameter : parameters_.all()) {
      if (used_.contains(parameter.name)) continue;
      complaints_.push_back(
          {parameter.at, fmt::format("the parameter '{}' is used nowhere", parameter.name),
           fmt::format("write \"{{{}}}\" where its value belongs", parameter.name)});
    }
  }

  const YamlDocument& yaml_;
  const ParameterValues& given_;
  Workflow workflow_;
  Complaints complaints_;
  Complaints missing_;
  Parameters parameters_;
  std::set<std::string, std::less<>> used_;  // parameters that a text names
  std::set<std::string> seen_;               // keys of the workflow
  std::map<std::string, size_t> ids_;
  std::vector<Position> step_places_;
  std::vector<Placed> placed_;
  std::vector<Reference> references_;
};

}  // namespace

CheckedWorkflow check_workflow(std::string_view text, const ParameterValues& given) {
  const Checked<YamlDocument> yaml = YamlDocument::parse(text);
  if (!yaml) {
    CheckedWorkflow checked;
    checked.complaints.push_back(yaml.error());
    return checked;
  }
  return WorkflowParser(*yaml, given).parse();
}

Result<Workflow> parse_workflow(std::string_view text, const ParameterValues& given) {
  CheckedWorkflow checked = check_workflow(text, given);
  if (!checked.workflow) return to_error(checked.complaints.front());
  return *std::move(checked.workflow);
}

}  // namespace tierhub::compute
