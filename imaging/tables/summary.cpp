#include "imaging/tables/summary.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <regex>
#include <set>

#include <fmt/format.h>

#include "imaging/tables/wells.h"

namespace tierhub::imaging {
namespace {

struct NaturalOrder {
  bool operator()(const GroupName& a, const GroupName& b) const {
    return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end(), natural_less);
  }
};

bool says_where(const std::string& column) {
  static constexpr std::array<std::string_view, 6> kNames = {"file", "well", "field",
                                                             "t",    "c",    "label"};
  static const std::regex place("(.*_)?((centroid|begin|end)_[zyx]_px|c|label|parent)");
  return std::find(kNames.begin(), kNames.end(), column) != kNames.end() ||
         (column.size() < 256 && std::regex_match(column, place));
}

// True if it has numbers, and nothing else but missing values.
bool has_numbers(const Table& table, size_t column) {
  bool any = false;
  for (size_t row = 0; row < table.rows(); ++row) {
    const std::string_view text = table.cell(row, column);
    if (is_missing(text)) continue;
    if (!number_of(text)) return false;
    any = true;
  }
  return any;
}

double mean_of(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

// Not a number for fewer than two.
double deviation_of(const std::vector<double>& values, double mean) {
  if (values.size() < 2) return std::nan("");
  double sum = 0;
  for (const double value : values) sum += (value - mean) * (value - mean);
  return std::sqrt(sum / static_cast<double>(values.size() - 1));
}

using Groups = std::map<GroupName, std::vector<size_t>, NaturalOrder>;

Result<std::vector<size_t>> columns_of(const Table& table, const std::vector<std::string>& by) {
  std::vector<size_t> keys;
  for (const std::string& name : by) {
    TRY_ASSIGN(const size_t key, table.column(name));
    keys.push_back(key);
  }
  return keys;
}

// The rows of each group.
Result<Groups> groups_of(const Table& table, const std::vector<std::string>& by,
                         const std::vector<GroupName>& empty) {
  TRY_ASSIGN(const std::vector<size_t> keys, columns_of(table, by));
  Groups groups;
  for (const GroupName& name : empty) groups[name];
  for (size_t row = 0; row < table.rows(); ++row) {
    GroupName name;
    for (const size_t key : keys) {
      name.emplace_back(table.cell(row, key));
      if (!name.back().empty()) continue;
      return Error(std::errc::invalid_argument,
                   fmt::format("{}: the cell {} is empty, so this row belongs to no group: take it "
                               "from the names of files with --names",
                               table.place(row), table.columns()[key]));
    }
    groups[name].push_back(row);
  }
  return groups;
}

// Adds mean, median and deviation of a column; the rows of `summary` are the groups.
void add_measured(const Table& table, size_t column, const Groups& groups, Table& summary) {
  const std::string& measured = table.columns()[column];
  const size_t first = summary.add_column(measured + "_mean");
  summary.add_column(measured + "_median");
  summary.add_column(measured + "_sd");
  std::vector<double> values;
  size_t row = 0;
  for (const auto& [name, rows] : groups) {
    values.clear();
    for (const size_t from : rows) {
      if (const auto value = number_of(table.cell(from, column))) values.push_back(*value);
    }
    if (!values.empty()) {
      const double mean = mean_of(values);
      summary.set(row, first, number_text(mean));
      summary.set(row, first + 1, number_text(median_of_values(values)));
      summary.set(row, first + 2, number_text(deviation_of(values, mean)));
    }
    ++row;
  }
}

Error no_controls(std::string text) { return Error(std::errc::invalid_argument, std::move(text)); }

Result<std::vector<double>> values_of(const Table& wells, size_t column,
                                      const std::vector<std::string>& controls,
                                      std::string_view kind) {
  TRY_ASSIGN(const size_t well_column, wells.column("well"));
  std::vector<Well> used;
  std::vector<double> values;
  for (const std::string& control : controls) {
    const auto well = parse_well(control);
    if (!well) return no_controls(fmt::format("--{} {}: write a well as A1", kind, control));
    if (std::find(used.begin(), used.end(), *well) != used.end())
      return no_controls(fmt::format("--{} names the well {} twice", kind, to_text(*well)));
    used.push_back(*well);
    size_t row = 0;
    while (row < wells.rows() && parse_well(wells.cell(row, well_column)) != well) ++row;
    if (row == wells.rows()) {
      return no_controls(
          fmt::format("the {} control {} is not in the table: check the name, or leave it out",
                      kind, to_text(*well)));
    }
    TRY_ASSIGN(const auto value, wells.number(row, column));
    if (!value) {
      return no_controls(fmt::format("the {} control {} has no {}: it has no objects with a value",
                                     kind, to_text(*well), wells.columns()[column]));
    }
    values.push_back(*value);
  }
  return values;
}

// A column of a summary, or the mean of a measured one.
Result<size_t> measured_column(const Table& wells, const std::string& column) {
  if (const auto own = wells.find(column)) return *own;
  if (const auto mean = wells.find(column + "_mean")) return *mean;
  return wells.column(column).error();
}

struct Controls {
  size_t column = 0;
  std::vector<double> positive, negative;
};

Result<Controls> controls_of(const Table& wells, const std::string& column,
                             const std::vector<std::string>& positive,
                             const std::vector<std::string>& negative) {
  Controls controls;
  TRY_ASSIGN(controls.column, measured_column(wells, column));
  TRY_ASSIGN(controls.positive, values_of(wells, controls.column, positive, "positive"));
  TRY_ASSIGN(controls.negative, values_of(wells, controls.column, negative, "negative"));
  return controls;
}

}  // namespace

Result<std::vector<GroupName>> group_names(const Table& table, const std::vector<std::string>& by) {
  TRY_ASSIGN(const std::vector<size_t> keys, columns_of(table, by));
  std::set<GroupName> names;
  for (size_t row = 0; row < table.rows(); ++row) {
    GroupName name;
    for (const size_t key : keys) name.emplace_back(table.cell(row, key));
    if (std::find(name.begin(), name.end(), "") == name.end()) names.insert(std::move(name));
  }
  return std::vector<GroupName>(names.begin(), names.end());
}

double median_of_values(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) return *middle;
  return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

Result<Table> summarise(const Table& table, const std::vector<std::string>& by,
                        const std::vector<GroupName>& empty) {
  TRY_ASSIGN(const Groups groups, groups_of(table, by, empty));
  Table summary;
  summary.add_file("the summary");
  for (const std::string& key : by) summary.add_column(key);
  const size_t count_column = summary.add_column("count");
  for (const auto& [name, rows] : groups) {
    const size_t row = summary.rows();
    summary.add_row(row + 2);
    for (size_t key = 0; key < by.size(); ++key) summary.set(row, key, name[key]);
    summary.set(row, count_column, fmt::format("{}", rows.size()));
  }
  for (size_t column = 0; column < table.columns().size(); ++column) {
    const std::string& measured = table.columns()[column];
    const bool is_key = std::find(by.begin(), by.end(), measured) != by.end();
    if (!is_key && !says_where(measured) && has_numbers(table, column))
      add_measured(table, column, groups, summary);
  }
  return summary;
}

Result<ZPrime> z_prime(const Table& wells, const std::string& column,
                       const std::vector<std::string>& positive,
                       const std::vector<std::string>& negative) {
  auto controls = controls_of(wells, column, positive, negative);
  if (!controls) return controls.error().in("--z-prime");
  const auto& [index, p, n] = *controls;
  if (std::min(p.size(), n.size()) < 2) {
    return no_controls(fmt::format("--{} names fewer than two wells: Z' needs two of a kind",
                                   p.size() < 2 ? "positive" : "negative"));
  }
  const double mean_p = mean_of(p);
  const double mean_n = mean_of(n);
  const std::string& name = wells.columns()[index];
  if (mean_p == mean_n) {
    return no_controls(
        fmt::format("Z' of {} is not defined: both kinds of controls have the mean {}", name,
                    number_text(mean_p)));
  }
  const double spread = deviation_of(p, mean_p) + deviation_of(n, mean_n);
  return ZPrime{name, 1 - 3 * spread / std::abs(mean_p - mean_n)};
}

Result<std::string> add_percent_of_control(Table& wells, const std::string& column,
                                           const std::vector<std::string>& positive,
                                           const std::vector<std::string>& negative) {
  auto controls = controls_of(wells, column, positive, negative);
  if (!controls) return controls.error().in("--percent-of-control");
  const auto& [index, p, n] = *controls;
  const std::string name = wells.columns()[index] + "_percent";
  const double zero = mean_of(n);
  const double whole = mean_of(p) - zero;
  if (whole == 0) {
    return no_controls(fmt::format("{} is not defined: both kinds of controls have the mean {}",
                                   name, number_text(zero)));
  }
  if (wells.find(name)) return no_controls("--percent-of-control names " + column + " twice");
  const size_t added = wells.add_column(name);
  for (size_t row = 0; row < wells.rows(); ++row) {
    TRY_ASSIGN(const auto value, wells.number(row, index));
    if (value) wells.set(row, added, number_text(100 * (*value - zero) / whole));
  }
  return name;
}

}  // namespace tierhub::imaging
