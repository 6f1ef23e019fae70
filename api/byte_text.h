// File names are bytes; JSON strings are Unicode. Every string of the API crosses the wire in a
// form that is plain UTF-8 for ordinary names and loses nothing for the others.
#pragma once

#include <string>
#include <string_view>

namespace tierhub::api {

// Valid UTF-8 stays as it is. Each byte b that is not part of valid UTF-8 becomes the private-use
// character U+EF00 + b (U+EF80 to U+EFFF); those characters themselves are escaped byte by byte, so
// that nothing is ambiguous.
std::string to_wire_text(std::string_view bytes);
// The inverse.
std::string from_wire_text(std::string_view text);

}  // namespace tierhub::api
