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

// --in, --select, --range, --box, --halo and --out.
void add_filter_options(Operator& op, FilterCommand& command);
// --out of images that blocks may write together.
void add_image_out(Operator& op, std::string& out);

// The filter that follows from the options, and from the image if it must fit.
using MakeFilter = std::function<Result<Filter>(const OpenedPart& opened)>;
// Makes the operator run it, or estimate what it needs, and say in the report what was made.
void set_filter(Operator& op, const std::shared_ptr<const FilterCommand>& command,
                const MakeFilter& make);

}  // namespace tierhub::imaging
