// Numbers that nobody can guess, as text.
#pragma once

#include <string>
#include <string_view>

namespace tierhub::hub {

// 256 bits of the kernel's random numbers, as 64 hexadecimal digits. Ends the process if the kernel
// has none.
std::string make_secret();

// Takes as long for every text of this length.
bool is_equal_in_constant_time(std::string_view a, std::string_view b);

}  // namespace tierhub::hub
