// Conditions on the rows of a table.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "imaging/tables/table.h"

namespace tierhub::imaging {

// "area_um2 > 50": a column, one of < <= > >= = !=, and a number; with = and != also any other
// text.
struct Condition {
  enum class Sign { less, at_most, more, at_least, equal, different };

  std::string column;
  Sign sign = Sign::equal;
  std::string value;

  static Result<Condition> parse(const std::string& text);
};

// Whether each row fulfils all conditions. A cell without a value fulfils none. An error if a
// column does not exist, or if a cell that is compared with a number has other text.
Result<std::vector<bool>> rows_where(const Table& table, const std::vector<Condition>& conditions);

}  // namespace tierhub::imaging
