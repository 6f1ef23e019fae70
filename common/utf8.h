// UTF-8, one character at a time.
#pragma once

#include <cstddef>
#include <string_view>

namespace tierhub::compute {

// How many bytes the UTF-8 character at the start of `text` has, which is not empty; 0 if there is
// none.
size_t utf8_length(std::string_view text);

}  // namespace tierhub::compute
