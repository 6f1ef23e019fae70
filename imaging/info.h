// What `imgop info` prints about a dataset.
#pragma once

#include <string>

#include "formats/image.h"
#include "formats/json.h"

namespace tierhub::imaging {

// One "key: value" a line.
std::string info_text(const formats::ImageInfo& info);
formats::Json info_json(const formats::ImageInfo& info);

}  // namespace tierhub::imaging
