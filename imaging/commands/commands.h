// The subcommands of imgop: each adds itself to the command line and says how it runs.
#pragma once

#include <functional>
#include <string>

#include <CLI/CLI.hpp>

#include "common/result.h"

namespace tierhub::imaging {

// Set by the subcommand that was chosen, after its options were parsed.
using Action = std::function<Result<void>()>;

void add_info(CLI::App& app, Action& action);
void add_convert(CLI::App& app, Action& action);
void add_synth(CLI::App& app, Action& action);
void add_histogram(CLI::App& app, Action& action);
void add_threshold(CLI::App& app, Action& action);
void add_segment(CLI::App& app, Action& action);
void add_merge_labels(CLI::App& app, Action& action);
void add_project(CLI::App& app, Action& action);

}  // namespace tierhub::imaging
