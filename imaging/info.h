// What `imgop info` prints about a dataset.
#pragma once

#include <string>

#include "formats/dataset.h"
#include "formats/json.h"

namespace tierhub::imaging {

// One "key: value" a line.
std::string info_text(const formats::Dataset& dataset);
formats::Json info_json(const formats::Dataset& dataset);

}  // namespace tierhub::imaging
