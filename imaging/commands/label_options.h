// What the subcommands that make labels share.
#pragma once

#include <string>

#include "imaging/commands/operator.h"
#include "imaging/labels/merge.h"

namespace tierhub::imaging {

// Images of other types are refused by them.
inline constexpr const char* kGreyTypes = "uint8, uint16";

CLI::Option* add_diameter(Operator& op, std::string& diameter, const char* help);
// --out and --table.
void add_label_outputs(Operator& op, std::string& labels, std::string& table);

// Writes finished labels and their table (if its path is not empty), and says so in the report.
Result<void> write_results(const MergedLabels& labels, const std::string& out,
                           const std::string& table);

}  // namespace tierhub::imaging
