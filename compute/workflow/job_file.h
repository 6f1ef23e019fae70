// What a person drops: a workflow; or, in a few lines, the name of one and values of its parameters:
//
//   workflow: nuclei-files
//   values: {images: "plate7/**/*.tif", diameter: 30}
//
// People call such a file NAME.params.yaml; what is in it decides.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/result.h"
#include "compute/workflow/parameters.h"

namespace tierhub::compute {

struct WorkflowReference {
  std::string workflow;  // the name of a shipped one, or a path
  ParameterValues values;
};

// Nothing if the text has steps or an input of its own, or no values: then it is a workflow, even
// if there is something wrong with it.
Checked<std::optional<WorkflowReference>> read_reference(std::string_view text);

// The text of a workflow with a `values` that says this, instead of the one that it has. An error if
// that cannot be written into this text: then it must be done by hand.
Result<std::string> with_values(const std::string& text, const ParameterValues& values);

// The run that a file such as "retry_of: count-20260102T030405Z-abcd" asks to repeat; nothing if it
// is another file.
Checked<std::optional<std::string>> read_retry(std::string_view text);

// A workflow's text and its values.
struct Job {
  std::string text;
  ParameterValues values;
  std::string retry_of = {};  // an earlier run, to be taken up
};

// Where workflows are found by their names.
struct WorkflowLibrary {
  std::string folder;  // of the shipped ones: nuclei-files is nuclei-files.yaml there
  std::string root;    // relative paths begin here

  // "nuclei-files", or a path that ends in .yaml or .yml; as the user that this process runs as.
  Result<std::string> read(const std::string& name) const;
  // What a dropped text means.
  Result<Job> resolve(const std::string& text) const;
};

// The folder of the shipped workflows of an installation that has its programs in `programs`.
std::string shipped_workflows(const std::string& programs);

// A file of at most 1 MiB; no link, no pipe.
Result<std::string> read_workflow_file(const std::string& path);

}  // namespace tierhub::compute
