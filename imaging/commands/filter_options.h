// What the subcommands that make an image of the same size share.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "imaging/commands/common_options.h"
#include "imaging/filters/filter.h"

namespace tierhub::imaging {

struct FilterCommand {
  Part part;
  std::string out;
};

// --in, --select, --box, --halo and --out.
void add_filter_options(Operator& op, FilterCommand& command);
// --out of images that blocks may write together.
void add_image_out(Operator& op, std::string& out);

// Writes the image of --out, and says in the report what it was made from. `how`, if it is not
// empty, says more.
Result<void> run_filter(const FilterCommand& command, const OpenedPart& opened,
                        const Filter& filter, const std::string& how = "");
// Makes the operator run, and estimate, the filter that `make` returns once the options are known.
void set_filter(Operator& op, const std::shared_ptr<const FilterCommand>& command,
                const std::function<Filter()>& make);

}  // namespace tierhub::imaging
