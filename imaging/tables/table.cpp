#include "imaging/tables/table.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

namespace tierhub::imaging {

std::optional<size_t> Table::find(std::string_view name) const {
  const auto found = std::find(columns_.begin(), columns_.end(), name);
  if (found == columns_.end()) return std::nullopt;
  return static_cast<size_t>(found - columns_.begin());
}

Result<size_t> Table::column(std::string_view name) const {
  if (const auto index = find(name)) return *index;
  constexpr size_t kListed = 40;
  std::string listed;
  for (size_t i = 0; i < std::min(columns_.size(), kListed); ++i)
    listed += (i == 0 ? "" : ", ") + columns_[i];
  if (columns_.size() > kListed) listed += fmt::format(" and {} more", columns_.size() - kListed);
  return Error(std::errc::invalid_argument,
               fmt::format("{} has no column {}: its columns are {}",
                           files_.empty() ? "the table" : files_.front(), name, listed));
}

Result<std::optional<double>> Table::number(size_t row, size_t column) const {
  const std::string_view text = cell(row, column);
  if (is_missing(text)) return std::optional<double>();
  if (const auto number = number_of(text)) return number;
  return Error(std::errc::invalid_argument,
               fmt::format("{}: column {} has \"{}\", which is not a number", place(row),
                           columns_[column], text));
}

std::string Table::place(size_t row) const {
  const Place& place = places_[row];
  return fmt::format("{}, line {}", files_[place.file], place.line);
}

size_t Table::add_column(std::string name) {
  columns_.push_back(std::move(name));
  cells_.emplace_back(rows());
  return columns_.size() - 1;
}

void Table::add_row(size_t line) {
  places_.push_back(
      {static_cast<uint32_t>(files_.empty() ? 0 : files_.size() - 1), static_cast<uint32_t>(line)});
  for (auto& column : cells_) column.emplace_back();
}

std::string& Table::adopt(std::string text) {
  texts_.push_front(std::move(text));
  return texts_.front();
}

void Table::append(Table other) {
  const auto first_file = static_cast<uint32_t>(files_.size());
  for (size_t i = 0; i < other.columns_.size(); ++i) {
    const auto known = find(other.columns_[i]);
    auto& cells = cells_[known ? *known : add_column(other.columns_[i])];
    cells.insert(cells.end(), other.cells_[i].begin(), other.cells_[i].end());
  }
  for (Place place : other.places_) {
    place.file += first_file;
    places_.push_back(place);
  }
  for (auto& column : cells_) column.resize(rows());
  for (std::string& file : other.files_) files_.push_back(std::move(file));
  texts_.splice(texts_.begin(), other.texts_);
}

void Table::keep_rows(const std::vector<bool>& is_kept) {
  const auto cut = [&](auto& rows) {
    size_t kept = 0;
    for (size_t row = 0; row < is_kept.size(); ++row)
      if (is_kept[row]) rows[kept++] = rows[row];
    rows.resize(kept);
  };
  for (auto& column : cells_) cut(column);
  cut(places_);
}

// Small texts share a string that never grows beyond its capacity, so that it stays in its place.
std::string_view Table::keep(std::string_view text) {
  if (text.empty()) return {};
  if (kept_ == nullptr || kept_->capacity() - kept_->size() < text.size()) {
    constexpr size_t kAtOnce = 64 * 1024;
    kept_ = &adopt({});
    kept_->reserve(std::max(kAtOnce, text.size()));
  }
  kept_->append(text);
  return std::string_view(*kept_).substr(kept_->size() - text.size());
}

std::optional<double> number_of(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  double number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc() || end != text.data() + text.size() || !std::isfinite(number))
    return std::nullopt;
  return number;
}

bool is_missing(std::string_view text) {
  if (text.empty()) return true;
  static constexpr std::array<std::string_view, 10> kWords = {"nan", "NaN",  "NAN", "NA",   "-nan",
                                                              "inf", "-inf", "Inf", "-Inf", "null"};
  return std::find(kWords.begin(), kWords.end(), text) != kWords.end();
}

std::string number_text(double number) {
  if (!std::isfinite(number)) return {};
  return fmt::format("{:.6g}", number == 0 ? 0.0 : number);
}

}  // namespace tierhub::imaging
