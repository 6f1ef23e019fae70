// From the text of a workflow file to a Workflow, or to the first complaint about it.
#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "compute/workflow/workflow.h"
#include "compute/workflow/yaml_document.h"

namespace tierhub::compute {
namespace keys {

const std::vector<std::string_view>& of_workflow() {
  static const std::vector<std::string_view> known = {"workflow", "input", "scatter", "steps",
                                                      "output"};
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
  explicit WorkflowParser(const YamlDocument& yaml) : yaml_(yaml) {}

  Result<Workflow> parse() {
    TRY(yaml_.each_entry(yaml_.root(), "a workflow", keys::of_workflow(),
                         [&](const std::string& key, const YAML::Node& at,
                             const YAML::Node& value) { return top(key, at, value); }));
    TRY(require(workflow_.name.empty(), yaml_.root(),
                "a workflow needs a name: 'workflow: my-analysis'"));
    TRY(require(workflow_.datasets.empty(), yaml_.root(),
                "a workflow needs its 'input' with a 'dataset'"));
    TRY(require(workflow_.steps.empty(), yaml_.root(), "a workflow needs 'steps'"));
    if (workflow_.output.source().empty()) {
      workflow_.output = *Template::parse("results/{user}/{workflow}/{run}");
    }
    TRY(resolve_references());
    TRY(refuse_circles());
    TRY(check_contexts());
    TRY(check_selection_is_named());
    return std::move(workflow_);
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

  Result<void> require(bool missing, const YAML::Node& node, std::string_view text) const {
    if (missing) return yaml_.error(node, text);
    return {};
  }

  Result<void> top(const std::string& key, const YAML::Node& at, const YAML::Node& value) {
    if (key == "workflow") return name(value);
    if (key == "input") return input(at, value);
    if (key == "scatter") return scatter(at, value);
    if (key == "steps") return steps(value);
    return output(value);
  }

  Result<void> name(const YAML::Node& value) {
    TRY_ASSIGN(workflow_.name, yaml_.scalar(value, "the workflow's name"));
    if (!is_file_name(workflow_.name)) {
      return yaml_.error(
          value,
          "the workflow's name becomes a folder's name: 1 to 100 characters, no '/', "
          "no leading '.'");
    }
    return {};
  }

  Result<void> input(const YAML::Node& at, const YAML::Node& value) {
    TRY(yaml_.each_entry(
        value, "input", keys::of_input(),
        [&](const std::string& key, const YAML::Node&, const YAML::Node& entry) -> Result<void> {
          if (key == "select") return select(entry);
          return texts(entry, "the dataset", workflow_.datasets);
        }));
    return require(workflow_.datasets.empty(), at, "input needs a 'dataset': a path or a pattern");
  }

  Result<void> select(const YAML::Node& value) {
    workflow_.has_select = true;
    return yaml_.each_entry(
        value, "select", keys::of_select(),
        [&](const std::string& key, const YAML::Node&, const YAML::Node& entry) -> Result<void> {
          TRY_ASSIGN(const std::string range, yaml_.scalar(entry, "select's " + key));
          const Result<void> set = formats::set_selected(workflow_.select, key, range);
          if (!set)
            return yaml_.error(entry, fmt::format("select's {}: {}", key, set.error().text()));
          return {};
        });
  }

  Result<void> scatter(const YAML::Node& at, const YAML::Node& value) {
    Scatter& scatter = workflow_.scatter;
    std::optional<YAML::Node> size, halo;
    const auto entry_of = [&](const std::string& key, const YAML::Node& place,
                              const YAML::Node& entry) -> Result<void> {
      if (key == "by") return scatter_by(entry);
      (key == "size" ? size : halo) = place;
      formats::Extent voxels{0, 0, 0};
      TRY(axes(entry, key == "size" ? 1 : 0, voxels));
      if (key == "size") scatter.size = voxels;
      if (key == "halo") scatter.halo = {voxels.z, voxels.y, voxels.x};
      return {};
    };
    TRY(yaml_.each_entry(value, "scatter", keys::of_scatter(), entry_of));
    const ScatterBy by = scatter.by;
    TRY(require(by == ScatterBy::nothing, at, "scatter needs 'by': file, block, t, c, z or well"));
    TRY(require(by == ScatterBy::block && !size, at,
                "scatter by block needs 'size', for example {z: 128, y: 512, x: 512}"));
    if (size && by != ScatterBy::block)
      return yaml_.error(*size, "only scatter by block has a size");
    if (halo && by != ScatterBy::block && by != ScatterBy::z) {
      return yaml_.error(*halo, "only scatter by block or by z has a halo");
    }
    return {};
  }

  Result<void> scatter_by(const YAML::Node& value) {
    TRY_ASSIGN(const std::string by, yaml_.scalar(value, "scatter's by"));
    const auto found = scatter_names().find(by);
    if (found == scatter_names().end()) {
      return yaml_.error(
          value, fmt::format("scatter must be by file, block, t, c, z or well, not by '{}'", by));
    }
    workflow_.scatter.by = found->second;
    return {};
  }

  Result<void> axes(const YAML::Node& value, uint64_t least, formats::Extent& extent) {
    return yaml_.each_entry(
        value, "a size or a halo", keys::of_axes(),
        [&](const std::string& key, const YAML::Node&, const YAML::Node& entry) -> Result<void> {
          TRY_ASSIGN(const uint64_t voxels,
                     yaml_.number(entry, "the number of voxels along " + key, least, kMaxVoxels));
          (key == "z" ? extent.z : key == "y" ? extent.y : extent.x) = voxels;
          return {};
        });
  }

  Result<void> output(const YAML::Node& value) {
    TRY_ASSIGN(workflow_.output, text_template(value, "output"));
    const std::string source = workflow_.output.source();
    for (const Placeholder word : {Placeholder::input, Placeholder::select, Placeholder::box,
                                   Placeholder::halo, Placeholder::task, Placeholder::name,
                                   Placeholder::path, Placeholder::work, Placeholder::output}) {
      if (!workflow_.output.mentions(word)) continue;
      return refuse(value, word, "cannot be used in output: use {user}, {workflow} and {run}");
    }
    bool has_name = false;
    for (size_t begin = 0; begin <= source.size();) {
      const size_t end = std::min(source.find('/', begin), source.size());
      const std::string_view part = std::string_view(source).substr(begin, end - begin);
      if (part == ".." || part == ".") {
        return yaml_.error(value, "output must be a plain path, without '.' and '..'");
      }
      has_name = has_name || !part.empty();
      begin = end + 1;
    }
    return require(!has_name, value,
                   "output needs a path, for example results/{user}/{workflow}/{run}");
  }

  Result<void> steps(const YAML::Node& value) {
    if (!value.IsSequence() || value.size() == 0) {
      return yaml_.error(value, "steps must be a list, with '- id:' and 'run:' for each step");
    }
    if (value.size() > kMaxSteps) return yaml_.error(value, "there are more than 1,000 steps");
    for (const YAML::Node& node : value) TRY(step(node));
    return {};
  }

  Result<void> step(const YAML::Node& node) {
    Step& made = workflow_.steps.emplace_back();
    made.place = place_of(node);
    const size_t index = workflow_.steps.size() - 1;
    TRY(yaml_.each_entry(node, "a step", keys::of_step(),
                         [&](const std::string& key, const YAML::Node&, const YAML::Node& value) {
                           return step_entry(index, key, value);
                         }));
    TRY(require(made.id.empty(), node, "a step needs an 'id'"));
    return require(made.run.empty(), node,
                   fmt::format("the step '{}' needs 'run': a program and its arguments", made.id));
  }

  Result<void> step_entry(size_t index, const std::string& key, const YAML::Node& value) {
    Step& step = workflow_.steps[index];
    if (key == "id") return step_id(step, value);
    if (key == "run") return step_run(index, value);
    if (key == "after" || key == "gather") return references(index, key, value);
    if (key == "resources") return resources(step, value);
    if (key == "env") return environment(index, value);
    TRY_ASSIGN(const uint64_t retry, yaml_.number(value, "retry", 0, kMaxRetries));
    step.retry = static_cast<unsigned>(retry);
    return {};
  }

  Result<void> step_id(Step& step, const YAML::Node& value) {
    TRY_ASSIGN(step.id, yaml_.scalar(value, "a step's id"));
    if (!is_identifier(step.id)) {
      return yaml_.error(
          value,
          fmt::format("a step's id can have only letters, digits, '_' and '-', not '{}'", step.id));
    }
    if (!ids_.emplace(step.id, workflow_.steps.size() - 1).second) {
      return yaml_.error(value, fmt::format("two steps have the id '{}'", step.id));
    }
    return {};
  }

  Result<void> step_run(size_t index, const YAML::Node& value) {
    if (!value.IsSequence() || value.size() == 0) {
      return yaml_.error(value,
                         "run must be a list of a program and its arguments; there is no shell "
                         "unless you write [sh, -c, \"...\"]");
    }
    for (const YAML::Node& argument : value) {
      TRY_ASSIGN(Template text, text_template(argument, "an argument"));
      placed_.push_back({text, argument, index});
      workflow_.steps[index].run.push_back({std::move(text), place_of(argument)});
    }
    return require(workflow_.steps[index].run.front().text.source().empty(), value[0],
                   "the program's name is empty");
  }

  Result<void> references(size_t index, const std::string& key, const YAML::Node& value) {
    const auto add = [&](const YAML::Node& node) -> Result<void> {
      TRY_ASSIGN(std::string id, yaml_.scalar(node, "the id of a step"));
      references_.push_back({index, std::move(id), node, key == "gather"});
      return {};
    };
    if (!value.IsSequence()) return add(value);
    TRY(require(value.size() == 0, value, fmt::format("'{}' is empty: name a step", key)));
    for (const YAML::Node& node : value) TRY(add(node));
    return {};
  }

  Result<void> resources(Step& step, const YAML::Node& value) {
    return yaml_.each_entry(
        value, "resources", keys::of_resources(),
        [&](const std::string& key, const YAML::Node&, const YAML::Node& entry) -> Result<void> {
          if (key == "cpus") {
            TRY_ASSIGN(const uint64_t cpus, yaml_.number(entry, "cpus", 1, kMaxCpus));
            step.resources.cpus = static_cast<unsigned>(cpus);
            return {};
          }
          TRY_ASSIGN(const std::string text, yaml_.scalar(entry, key));
          if (key == "memory") {
            const Result<uint64_t> bytes = parse_size(text);
            if (!bytes) return yaml_.error(entry, bytes.error().text());
            step.resources.memory_bytes = *bytes;
            step.resources.memory_text = text;
            step.resources.memory_place = place_of(entry);
            return {};
          }
          const Result<std::chrono::seconds> time = parse_duration(text);
          if (!time) return yaml_.error(entry, time.error().text());
          step.resources.time = *time;
          return {};
        });
  }

  Result<void> environment(size_t index, const YAML::Node& value) {
    return yaml_.each_entry(
        value, "env", {},
        [&](const std::string& key, const YAML::Node& at, const YAML::Node& entry) -> Result<void> {
          if (!is_identifier(key) || key.find('-') != std::string::npos ||
              (key.front() >= '0' && key.front() <= '9')) {
            return yaml_.error(at, fmt::format("'{}' cannot be the name of a variable", key));
          }
          if (key == "TIERHUB_RUN" || key == "TIERHUB_TASK" || key == "TIERHUB_CPUS") {
            return yaml_.error(at, fmt::format("{} is set by the agent: leave it out", key));
          }
          TRY_ASSIGN(Template text, text_template(entry, "a variable's value"));
          placed_.push_back({text, entry, index});
          workflow_.steps[index].env.emplace_back(key, Argument{std::move(text), place_of(entry)});
          return {};
        });
  }

  Result<void> texts(const YAML::Node& value, std::string_view what,
                     std::vector<std::string>& into) {
    const auto add = [&](const YAML::Node& node) -> Result<void> {
      TRY_ASSIGN(into.emplace_back(), yaml_.scalar(node, what));
      return require(into.back().empty(), node, fmt::format("{} is an empty path", what));
    };
    if (!value.IsSequence()) return add(value);
    TRY(require(value.size() == 0, value, fmt::format("{} is an empty list", what)));
    for (const YAML::Node& node : value) TRY(add(node));
    return {};
  }

  Result<Template> text_template(const YAML::Node& node, std::string_view what) {
    TRY_ASSIGN(const std::string text, yaml_.scalar(node, what));
    tl::expected<Template, Template::ParseError> parsed = Template::parse(text);
    if (parsed) return *std::move(parsed);
    const Template::ParseError& error = parsed.error();
    // The how-manieth of its kind in the scalar is also the how-manieth in the file from there on.
    size_t nth = 0;
    for (size_t at = text.find(error.token); at < error.offset;
         at = text.find(error.token, at + 1)) {
      ++nth;
    }
    return YamlDocument::error(yaml_.position_in(node, error.token, nth), error.reason);
  }

  std::string place_of(const YAML::Node& node) const {
    const Position position = yaml_.position(node);
    return fmt::format("line {}, column {}", position.line, position.column);
  }

  Error refuse(const YAML::Node& node, Placeholder word, std::string_view reason) const {
    const std::string token = fmt::format("{{{}}}", to_text(word));
    return YamlDocument::error(yaml_.position_in(node, token), fmt::format("{} {}", token, reason));
  }

  Result<void> resolve_references() {
    for (const Reference& reference : references_) {
      const auto found = ids_.find(reference.id);
      if (found == ids_.end()) {
        return yaml_.error(reference.node,
                           fmt::format("there is no step with the id '{}'", reference.id));
      }
      Step& step = workflow_.steps[reference.step];
      std::vector<size_t>& list = reference.gather ? step.gather : step.after;
      if (std::find(list.begin(), list.end(), found->second) == list.end()) {
        list.push_back(found->second);
      }
    }
    return {};
  }

  Result<void> refuse_circles() {
    std::vector<size_t> path;
    std::vector<bool> finished(workflow_.steps.size(), false);
    for (size_t step = 0; step < workflow_.steps.size(); ++step) {
      TRY(walk(step, path, finished));
    }
    return {};
  }

  Result<void> walk(size_t step, std::vector<size_t>& path, std::vector<bool>& finished) {
    if (finished[step]) return {};
    const auto seen = std::find(path.begin(), path.end(), step);
    if (seen != path.end()) {
      std::string circle;
      for (auto it = seen; it != path.end(); ++it) circle += workflow_.steps[*it].id + " -> ";
      return Error(std::errc::invalid_argument,
                   fmt::format("{}: the steps wait for one another in a circle: {}{}",
                               workflow_.steps[step].place, circle, workflow_.steps[step].id));
    }
    path.push_back(step);
    for (const size_t next : workflow_.steps[step].gather) TRY(walk(next, path, finished));
    for (const size_t next : workflow_.steps[step].after) TRY(walk(next, path, finished));
    path.pop_back();
    finished[step] = true;
    return {};
  }

  // A placeholder is refused where it would have no meaning.
  Result<void> check_contexts() const {
    const ScatterBy by = workflow_.scatter.by;
    const bool by_file = by == ScatterBy::file || by == ScatterBy::well;
    for (const Placed& placed : placed_) {
      const bool once = workflow_.steps[placed.step].runs_once();
      for (const Placeholder word :
           {Placeholder::input, Placeholder::select, Placeholder::name, Placeholder::path}) {
        if (!placed.text.mentions(word) || !once || !by_file) continue;
        return refuse(placed.node, word,
                      "cannot be used in a step that gathers: it runs once, for all files");
      }
      for (const Placeholder word : {Placeholder::box, Placeholder::halo}) {
        if (!placed.text.mentions(word) || by == ScatterBy::nothing) continue;
        if (by_file) return refuse(placed.node, word, "needs a scatter by block, t, c or z");
        if (once) {
          return refuse(placed.node, word,
                        "cannot be used in a step that gathers: it runs once, for all boxes");
        }
      }
    }
    return {};
  }

  // A program that is given the whole input, but not what of it was selected, would quietly use
  // another part of the image.
  Result<void> check_selection_is_named() const {
    if (!workflow_.has_select) return {};
    for (const Placed& placed : placed_) {
      const Step& step = workflow_.steps[placed.step];
      if (!placed.text.mentions(Placeholder::input) || step.mentions(Placeholder::select) ||
          step.mentions(Placeholder::box)) {
        continue;
      }
      return YamlDocument::error(
          yaml_.position_in(placed.node, "{input}"),
          fmt::format("the step '{}' names {{input}}, but not what 'input.select' selects of it: "
                      "pass {{select}} too, for example --select, \"{{select}}\"",
                      step.id));
    }
    return {};
  }

  const YamlDocument& yaml_;
  Workflow workflow_;
  std::map<std::string, size_t> ids_;
  std::vector<Placed> placed_;
  std::vector<Reference> references_;
};

}  // namespace

Result<Workflow> parse_workflow(std::string_view text) {
  TRY_ASSIGN(const YamlDocument yaml, YamlDocument::parse(text));
  return WorkflowParser(yaml).parse();
}

}  // namespace tierhub::compute
