// Guesses which known word an unknown one was meant to be.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tierhub::tierctl {

// The known word that is nearest: of letters that were left out, added, exchanged or swapped with
// their neighbour, at most one in three. Empty if none is near enough.
std::string nearest_word(std::string_view word, const std::vector<std::string>& known);

}  // namespace tierhub::tierctl
