// Wells of a plate, and the order in which people expect names.
#pragma once

#include <compare>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace tierhub::imaging {

// Counted from 0. Rows are written A to Z, then AA to AF (a plate with 1536 wells has 32 rows and
// 48 columns).
struct Well {
  size_t row = 0;
  size_t column = 0;
  auto operator<=>(const Well&) const = default;
};

// "A1", "A01" and "a1" are the same well.
std::optional<Well> parse_well(std::string_view text);
std::string row_name(size_t row);
// "A1", "AF48".
std::string to_text(const Well& well);

// Digits are compared as numbers: "A2" comes before "A10". Wells come first, row by row.
bool natural_less(std::string_view a, std::string_view b);

}  // namespace tierhub::imaging
