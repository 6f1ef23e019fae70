#include "compute/workflow/job_file.h"

#include <charconv>
#include <span>

#include <fcntl.h>
#include <sys/stat.h>

#include <fmt/format.h>

#include "common/posix.h"
#include "compute/workflow/job_names.h"
#include "compute/workflow/workflow.h"

namespace tierhub::compute {
namespace {

// Numbers and truth values as they are, everything else in quotes.
std::string quoted(const std::string& text) {
  double number = 0;
  const char* end = text.data() + text.size();
  const auto [after, failure] = std::from_chars(text.data(), end, number);
  if (failure == std::errc() && after == end) return text;
  if (text == "true" || text == "false") return text;
  std::string made = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') made += '\\';
    made += c;
  }
  return made + "\"";
}

std::string block_of(const ParameterValues& values) {
  std::string block = "values:\n";
  for (const auto& [name, value] : values) {
    std::string text;
    if (value.size() == 1) {
      text = quoted(value.front());
    } else {
      for (const std::string& one : value) text += (text.empty() ? "[" : ", ") + quoted(one);
      text += "]";
    }
    block += fmt::format("  {}: {}\n", name, text);
  }
  return block;
}

// Without the lines of the top-level key `values`: from its own to the next that is not indented.
std::string without_values(const std::string& text) {
  std::string made;
  bool inside = false;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size() - 1) + 1;
    const std::string_view line = std::string_view(text).substr(begin, end - begin);
    const bool is_top = std::string_view(" \t\r\n#").find(line.front()) == std::string_view::npos;
    if (is_top) inside = line.starts_with("values:");
    if (!inside) made += line;
    begin = end;
  }
  return made;
}

// Complaints about values that the text itself has do not count.
bool says(const std::string& text, const ParameterValues& values) {
  const CheckedWorkflow checked = check_workflow(text);
  if (!checked.workflow) return false;
  for (const auto& [name, value] : values) {
    const auto found = checked.values.find(name);
    if (found == checked.values.end() || found->second != value) return false;
  }
  return true;
}

}  // namespace

Checked<std::optional<WorkflowReference>> read_reference(std::string_view text) {
  TRY_ASSIGN(const YamlDocument yaml, YamlDocument::parse(text));
  const YAML::Node& root = yaml.root();
  if (!root.IsMap() || root["steps"].IsDefined() || root["input"].IsDefined() ||
      !root["workflow"].IsDefined() || !root["values"].IsDefined())
    return std::optional<WorkflowReference>();
  WorkflowReference made;
  Complaints complaints;
  const auto value = [&](const std::string& name, const YAML::Node&,
                         const YAML::Node& node) -> Checked<void> {
    ParameterValue& texts = made.values[name];
    if (!node.IsSequence()) {
      TRY_ASSIGN(texts.emplace_back(), yaml.scalar(node, fmt::format("'{}'", name)));
      return {};
    }
    for (const YAML::Node& one : node) {
      TRY_ASSIGN(texts.emplace_back(), yaml.scalar(one, fmt::format("'{}'", name)));
    }
    return {};
  };
  const auto top = [&](const std::string& key, const YAML::Node&,
                       const YAML::Node& node) -> Checked<void> {
    if (key == "values") return yaml.each_entry(node, "values", {}, value, complaints);
    TRY_ASSIGN(made.workflow, yaml.scalar(node, "the workflow"));
    return {};
  };
  TRY(yaml.each_entry(root, "a file with values", {"workflow", "values"}, top, complaints));
  if (!complaints.empty()) return complaints.front();
  return std::optional<WorkflowReference>(std::move(made));
}

Checked<std::optional<std::string>> read_retry(std::string_view text) {
  TRY_ASSIGN(const YamlDocument yaml, YamlDocument::parse(text));
  const YAML::Node& root = yaml.root();
  if (!root.IsMap() || !root["retry_of"].IsDefined()) return std::optional<std::string>();
  std::string run;
  Complaints complaints;
  const auto top = [&](const std::string&, const YAML::Node&,
                       const YAML::Node& node) -> Checked<void> {
    TRY_ASSIGN(run, yaml.scalar(node, "the run"));
    return {};
  };
  TRY(yaml.each_entry(root, "a file that repeats a run", {"retry_of"}, top, complaints));
  if (!complaints.empty()) return complaints.front();
  return std::optional<std::string>(std::move(run));
}

Result<std::string> with_values(const std::string& text, const ParameterValues& values) {
  std::string made = without_values(text);
  if (values.empty() && made == text) return text;
  if (!made.empty() && made.back() != '\n') made += '\n';
  if (!values.empty()) made += block_of(values);
  if (says(made, values)) return made;
  return Error(std::errc::invalid_argument,
               "the values cannot be written into this file: write them under 'values:' yourself");
}

Result<std::string> WorkflowLibrary::read(const std::string& name) const {
  const bool is_path = name.find('/') != std::string::npos || is_workflow_file(name);
  if (is_path && !is_workflow_file(name.substr(name.rfind('/') + 1))) {
    return Error(std::errc::invalid_argument,
                 fmt::format("{} is not a workflow: its name must end in .yaml", name));
  }
  if (is_path) return read_workflow_file(name.starts_with('/') ? name : root + "/" + name);
  Result<std::string> text = read_workflow_file(fmt::format("{}/{}.yaml", folder, name));
  if (text || !text.error().is(std::errc::no_such_file_or_directory)) return text;
  return Error(std::errc::no_such_file_or_directory,
               fmt::format("there is no workflow '{}' in {}: 'tieragent --workflows' lists them; "
                           "for a file, write its path with .yaml",
                           name, folder));
}

Result<Job> WorkflowLibrary::resolve(const std::string& text) const {
  // What is no YAML is complained about as a workflow.
  Checked<std::optional<WorkflowReference>> reference = read_reference(text);
  if (!reference) return to_error(reference.error());
  if (!*reference) return Job{text, {}};
  TRY_ASSIGN(std::string workflow, read((*reference)->workflow));
  return Job{std::move(workflow), std::move((*reference)->values)};
}

std::string shipped_workflows(const std::string& programs) {
  return programs.substr(0, programs.rfind('/')) + "/share/tierhub/workflows";
}

Result<std::string> read_workflow_file(const std::string& path) {
  TRY_ASSIGN(const UniqueFd fd, posix::open_at(AT_FDCWD, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
  TRY_ASSIGN(const struct stat st, posix::stat_fd(fd.get()));
  if (!S_ISREG(st.st_mode) || static_cast<size_t>(st.st_size) > YamlDocument::kMaxBytes) {
    return Error(std::errc::invalid_argument, "the workflow is not a file of at most 1 MiB");
  }
  std::string text(static_cast<size_t>(st.st_size), '\0');
  TRY_ASSIGN(const size_t n, posix::read_at(fd.get(), std::as_writable_bytes(std::span(text)), 0));
  text.resize(n);
  return text;
}

}  // namespace tierhub::compute
