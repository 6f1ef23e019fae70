// PNG and JPEG files: one plane, grey or in colours.
#pragma once

#include <memory>
#include <string_view>

#include "common/result.h"
#include "formats/image.h"

namespace tierhub::formats {

// `head` has the first bytes of a file.
bool is_picture_header(std::string_view head);

Result<std::unique_ptr<Image>> open_picture(std::shared_ptr<const NotedTree> tree);

// Red, green and blue, and opacity if there are four; grey and opacity if there are two.
std::vector<Channel> colour_channels(uint64_t channels);

}  // namespace tierhub::formats
