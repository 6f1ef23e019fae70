// Units of length.
#pragma once

#include <optional>
#include <string_view>

namespace tierhub::imaging {

// How many micrometres one of `unit` is ("nanometer": 0.001); nothing for other words. The names of
// OME-Zarr and OME-XML, and how people shorten them.
std::optional<double> micrometres(std::string_view unit);

}  // namespace tierhub::imaging
