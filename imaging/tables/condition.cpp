#include "imaging/tables/condition.h"

#include <array>
#include <utility>

#include <fmt/format.h>

namespace tierhub::imaging {
namespace {

using Sign = Condition::Sign;

// Longer ones first.
constexpr std::array<std::pair<std::string_view, Sign>, 6> kSigns = {{{"<=", Sign::at_most},
                                                                      {">=", Sign::at_least},
                                                                      {"!=", Sign::different},
                                                                      {"<", Sign::less},
                                                                      {">", Sign::more},
                                                                      {"=", Sign::equal}}};

std::string_view without_spaces(std::string_view text) {
  const size_t begin = text.find_first_not_of(' ');
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(' ') - begin + 1);
}

template <class T>
bool compare(const T& a, Sign sign, const T& b) {
  switch (sign) {
    case Sign::less:
      return a < b;
    case Sign::at_most:
      return a <= b;
    case Sign::more:
      return a > b;
    case Sign::at_least:
      return a >= b;
    case Sign::equal:
      return a == b;
    case Sign::different:
      return a != b;
  }
  return false;
}

Result<bool> holds(const Table& table, size_t row, size_t column, const Condition& condition) {
  const std::string_view cell = table.cell(row, column);
  if (is_missing(cell)) return false;
  const auto number = number_of(condition.value);
  if (!number) return compare<std::string_view>(cell, condition.sign, condition.value);
  TRY_ASSIGN(const auto value, table.number(row, column));
  return compare(*value, condition.sign, *number);
}

}  // namespace

Result<Condition> Condition::parse(const std::string& text) {
  const size_t at = text.find_first_of("<>=!");
  for (const auto& [word, sign] : kSigns) {
    if (at == std::string::npos || !std::string_view(text).substr(at).starts_with(word)) continue;
    Condition condition{
        std::string(without_spaces(std::string_view(text).substr(0, at))), sign,
        std::string(without_spaces(std::string_view(text).substr(at + word.size())))};
    const bool needs_number = sign != Sign::equal && sign != Sign::different;
    if (condition.column.empty() || condition.value.empty() ||
        condition.value.find_first_of("<>=!") == 0 || (needs_number && !number_of(condition.value)))
      break;
    return condition;
  }
  return Error(std::errc::invalid_argument,
               fmt::format("\"{}\": write a column, one of < <= > >= = !=, and a number, such as "
                           "\"area_px > 50\"",
                           text));
}

Result<std::vector<bool>> rows_where(const Table& table, const std::vector<Condition>& conditions) {
  std::vector<bool> fulfils(table.rows(), true);
  for (const Condition& condition : conditions) {
    TRY_ASSIGN(const size_t column, table.column(condition.column));
    for (size_t row = 0; row < table.rows(); ++row) {
      TRY_ASSIGN(const bool is_true, holds(table, row, column, condition));
      fulfils[row] = fulfils[row] && is_true;
    }
  }
  return fulfils;
}

}  // namespace tierhub::imaging
