#include "imaging/tables/wells.h"

#include <cctype>

#include <fmt/format.h>

namespace tierhub::imaging {
namespace {

constexpr size_t kLetters = 26;
constexpr size_t kMaxWellRows = 32;
constexpr size_t kMaxWellColumns = 48;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Cuts the digits at the front off, without leading zeros.
std::string_view take_digits(std::string_view& text) {
  size_t end = 0;
  while (end < text.size() && is_digit(text[end])) ++end;
  std::string_view digits = text.substr(0, end);
  text.remove_prefix(end);
  while (digits.size() > 1 && digits[0] == '0') digits.remove_prefix(1);
  return digits;
}

// Negative, zero or positive.
int natural_compare(std::string_view a, std::string_view b) {
  while (!a.empty() && !b.empty()) {
    if (is_digit(a[0]) && is_digit(b[0])) {
      const std::string_view left = take_digits(a);
      const std::string_view right = take_digits(b);
      if (left.size() != right.size()) return left.size() < right.size() ? -1 : 1;
      if (const int order = left.compare(right); order != 0) return order;
      continue;
    }
    if (a[0] != b[0])
      return static_cast<unsigned char>(a[0]) < static_cast<unsigned char>(b[0]) ? -1 : 1;
    a.remove_prefix(1);
    b.remove_prefix(1);
  }
  return static_cast<int>(!a.empty()) - static_cast<int>(!b.empty());
}

}  // namespace

std::optional<Well> parse_well(std::string_view text) {
  size_t row = 0;
  size_t letters = 0;
  while (letters < text.size() && std::isalpha(static_cast<unsigned char>(text[letters])) != 0) {
    if (letters == 2) return std::nullopt;
    const int letter = std::toupper(static_cast<unsigned char>(text[letters])) - 'A';
    row = (letters == 0 ? 0 : (row + 1) * kLetters) + static_cast<size_t>(letter);
    ++letters;
  }
  size_t column = 0;
  const std::string_view digits = text.substr(letters);
  if (letters == 0 || digits.empty() || digits.size() > 2) return std::nullopt;
  for (const char c : digits) {
    if (!is_digit(c)) return std::nullopt;
    column = column * 10 + static_cast<size_t>(c - '0');
  }
  if (column == 0 || column > kMaxWellColumns || row >= kMaxWellRows) return std::nullopt;
  return Well{row, column - 1};
}

std::string row_name(size_t row) {
  std::string name(1, static_cast<char>('A' + row % kLetters));
  if (row >= kLetters) name.insert(name.begin(), static_cast<char>('A' + row / kLetters - 1));
  return name;
}

std::string to_text(const Well& well) {
  return fmt::format("{}{}", row_name(well.row), well.column + 1);
}

bool natural_less(std::string_view a, std::string_view b) {
  const auto left = parse_well(a);
  const auto right = parse_well(b);
  if (left.has_value() != right.has_value()) return left.has_value();
  if (left && *left != *right) return *left < *right;
  const int order = natural_compare(a, b);
  return order != 0 ? order < 0 : a < b;
}

}  // namespace tierhub::imaging
