// What the subcommands that make labels share.
#pragma once

#include <string>

#include "imaging/commands/common_options.h"
#include "imaging/commands/operator.h"
#include "imaging/labels/label_source.h"
#include "imaging/labels/merge.h"

namespace tierhub::imaging {

// Images of other types are refused by them.
inline constexpr const char* kGreyTypes = "all but complex numbers";

CLI::Option* add_diameter(Operator& op, std::string& diameter, const char* help);
// Where labels and their table go; empty: nowhere.
struct LabelOutputs {
  std::string out;   // a folder of their own, or
  std::string into;  // an image that has them among its labels, under
  std::string name;
  std::string table;

  // Where the labels will be.
  std::string path() const { return into.empty() ? out : into + "/labels/" + name; }
};
// --out, --into, --name and --table. `name` is the default.
void add_label_outputs(Operator& op, LabelOutputs& outputs, const char* name);

// A usage error if the labels of a block are to be written where only finished ones belong.
void check_block_outputs(const std::string& box, const LabelOutputs& outputs);

// False for what an earlier step of a workflow is to write.
bool exists_now(const std::string& path);
// For an estimate: the labels at `path`, or, if nothing exists there yet, such as cover all of
// `image`. An error if there is no image either.
Result<LabelSource> foreseen_labels(const std::string& path, const Part& image,
                                    const std::string& select = "");

// Writes finished labels and their table, and says so in the report.
Result<void> write_results(const MergedLabels& labels, const LabelOutputs& outputs);

}  // namespace tierhub::imaging
