// What `imgop info` prints about a dataset, or about a folder of datasets.
#pragma once

#include <string>

#include "formats/datasets.h"
#include "formats/image.h"
#include "formats/json.h"

namespace tierhub::imaging {

// One "key: value" a line.
std::string info_text(const formats::ImageInfo& info);
formats::Json info_json(const formats::ImageInfo& info);

// The datasets of `folder`, one a line: path, format, axes, shape and type, or why it cannot be read.
std::string datasets_text(const formats::DatasetList& list, const std::string& folder);
formats::Json datasets_json(const formats::DatasetList& list);

}  // namespace tierhub::imaging
