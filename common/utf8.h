// UTF-8, one character at a time.
#pragma once

#include <cstddef>
#include <string_view>

namespace tierhub {

// The number of bytes of the valid UTF-8 character (RFC 3629: no overlong form, no surrogate) at the
// start of `text`, which is not empty; 0 if there is none.
size_t utf8_length(std::string_view text);

}  // namespace tierhub
