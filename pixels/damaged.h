#pragma once

#include <string_view>

#include <fmt/format.h>

#include "common/result.h"

namespace tierhub::pixels {

// What all decoders answer to bytes that they cannot decode.
inline Error damaged(std::string_view why) {
  return Error(std::errc::io_error, fmt::format("the chunk is truncated or damaged ({})", why));
}

}  // namespace tierhub::pixels
