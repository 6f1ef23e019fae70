#include "imaging/tables/combine.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <unordered_map>

#include <fmt/format.h>

#include "imaging/tables/csv.h"

namespace tierhub::imaging {
namespace {

Error bad_table(std::string text) { return Error(std::errc::invalid_argument, std::move(text)); }

bool is_csv_name(const std::filesystem::path& path) {
  std::string ending = path.extension().string();
  for (char& c : ending) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return ending == ".csv";
}

// The values of the key columns as one text.
class RowKey {
 public:
  RowKey(const Table& table, const std::vector<std::string>& names) : table_(table) {
    for (const std::string& name : names) columns_.push_back(*table.find(name));
  }

  std::string of(size_t row) const {
    std::string key;
    for (const size_t column : columns_) {
      key += table_.cell(row, column);
      key += '\0';  // no cell has one
    }
    return key;
  }

  std::string in_words(size_t row) const {
    std::string words;
    for (const size_t column : columns_) {
      if (!words.empty()) words += ", ";
      words += fmt::format("{} {}", table_.columns()[column], table_.cell(row, column));
    }
    return words;
  }

 private:
  const Table& table_;
  std::vector<size_t> columns_;
};

Result<std::vector<std::string>> shared_keys(const Table& a, const Table& b,
                                             const std::vector<std::string>& keys) {
  std::vector<std::string> shared;
  std::string all;
  for (const std::string& key : keys) {
    if (a.find(key) && b.find(key)) shared.push_back(key);
    all += (all.empty() ? "" : ", ") + key;
  }
  if (shared.empty()) {
    return bad_table(
        fmt::format("{} and {} have none of the columns {} in common: say with --by "
                    "which columns say that two rows belong together",
                    a.files().front(), b.files().front(), all));
  }
  return shared;
}

// A column or a number.
struct Operand {
  std::optional<size_t> column;
  double number = 0;

  Result<std::optional<double>> at(const Table& table, size_t row) const {
    if (column) return table.number(row, *column);
    return std::optional<double>(number);
  }
};

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

std::optional<Operand> operand_of(const Table& table, std::string_view text) {
  if (const auto column = table.find(text)) return Operand{column, 0};
  if (const auto number = number_of(text)) return Operand{std::nullopt, *number};
  return std::nullopt;
}

double calculate(double a, char sign, double b) {
  switch (sign) {
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
    default:
      return a / b;
  }
}

struct Expression {
  Operand left;
  char sign = '+';
  Operand right;
};

// A name of a column may contain a sign: the sign is where there is a column or number on either
// side.
Result<Expression> parse_expression(const Table& table, std::string_view text,
                                    const std::string& whole) {
  std::string_view unknown;
  for (size_t at = text.find(' '); at < text.size() && at + 2 < text.size();
       at = text.find(' ', at + 1)) {
    const char sign = text[at + 1];
    if (std::string_view("+-*/").find(sign) == std::string_view::npos || text[at + 2] != ' ')
      continue;
    const std::string_view a = trimmed(text.substr(0, at));
    const std::string_view b = trimmed(text.substr(at + 2));
    const auto left = operand_of(table, a);
    const auto right = operand_of(table, b);
    if (left && right) return Expression{*left, sign, *right};
    unknown = left ? b : a;
  }
  if (unknown.empty()) {
    return bad_table(
        fmt::format("--column \"{}\": write it as \"NAME = A / B\", with spaces around one of the "
                    "signs + - * /",
                    whole));
  }
  return table.column(unknown).error().in(fmt::format("--column \"{}\"", whole));
}

}  // namespace

Result<std::vector<std::string>> find_tables(const std::string& path, const std::string& left_out) {
  namespace fs = std::filesystem;
  constexpr size_t kMaxTables = 1'000'000;
  std::error_code failure;
  if (!fs::is_directory(path, failure)) return std::vector{path};
  std::vector<std::string> found;
  fs::recursive_directory_iterator at(path, failure);
  for (; !failure && at != fs::recursive_directory_iterator(); at.increment(failure)) {
    if (at->path().filename().string().starts_with('.')) {
      at.disable_recursion_pending();
      continue;
    }
    std::error_code ignored;
    if (!is_csv_name(at->path()) || at->is_directory(ignored)) continue;
    if (fs::equivalent(at->path(), left_out, ignored)) continue;
    found.push_back(at->path().string());
    if (found.size() > kMaxTables)
      return bad_table(fmt::format("{} has more than {} tables", path, kMaxTables));
  }
  if (failure) return Error(failure, fmt::format("list {}: {}", path, failure.message()));
  if (found.empty())
    return bad_table(path + " has no .csv file, nor do the folders in it: name a folder that has");
  std::sort(found.begin(), found.end());
  return found;
}

Result<Table> read_tables(const std::vector<std::string>& paths) {
  constexpr uint64_t kMaxBytesOfAll = uint64_t{4} << 30;
  Table all;
  uint64_t bytes = 0;
  for (const std::string& path : paths) {
    std::error_code ignored;
    const auto size = std::filesystem::file_size(path, ignored);
    bytes += ignored ? 0 : size;
    if (bytes > kMaxBytesOfAll) {
      return Error(std::errc::file_too_large,
                   fmt::format("the tables up to {} have more than {} bytes: put fewer of them "
                               "together",
                               path, kMaxBytesOfAll));
    }
    TRY_ASSIGN(Table table, read_csv(path));
    all.append(std::move(table));
  }
  return all;
}

Result<JoinCounts> join(Table& table, Table other, const std::string& prefix,
                        const std::vector<std::string>& keys, Unmatched unmatched) {
  TRY_ASSIGN(const std::vector<std::string> shared, shared_keys(table, other, keys));
  const RowKey other_key(other, shared);
  std::unordered_map<std::string, size_t> partners;
  partners.reserve(other.rows());
  for (size_t row = 0; row < other.rows(); ++row) {
    const auto [known, is_new] = partners.emplace(other_key.of(row), row);
    if (!is_new) {
      return bad_table(
          fmt::format("{} and {} have the same {}: which of them belongs to a row is "
                      "not known",
                      other.place(known->second), other.place(row), other_key.in_words(row)));
    }
  }
  struct Pair {
    size_t from, to;
  };
  std::vector<Pair> added;
  for (size_t i = 0; i < other.columns().size(); ++i) {
    const std::string& name = other.columns()[i];
    if (std::find(keys.begin(), keys.end(), name) != keys.end()) continue;
    if (table.find(prefix + name)) {
      return bad_table(
          fmt::format("{} cannot be added as {}{}: that column exists already, choose "
                      "another prefix",
                      name, prefix, name));
    }
    added.push_back({i, table.add_column(prefix + name)});
  }
  const RowKey key(table, shared);
  JoinCounts counts;
  std::vector<bool> is_used(other.rows());
  for (size_t row = 0; row < table.rows(); ++row) {
    const auto partner = partners.find(key.of(row));
    if (partner == partners.end()) {
      if (unmatched == Unmatched::refused) {
        return bad_table(
            fmt::format("{}: {} has no row with the same {}; --outer leaves such cells "
                        "empty",
                        table.place(row), other.files().front(), key.in_words(row)));
      }
      ++counts.without_partner;
      continue;
    }
    is_used[partner->second] = true;
    for (const Pair& pair : added) table.set(row, pair.to, other.cell(partner->second, pair.from));
  }
  counts.not_used = static_cast<size_t>(std::count(is_used.begin(), is_used.end(), false));
  return counts;
}

Result<void> add_computed_column(Table& table, const std::string& expression) {
  const size_t equals = expression.find('=');
  const std::string_view text = expression;
  const std::string name(trimmed(text.substr(0, equals)));
  if (equals == std::string::npos || name.empty())
    return bad_table(fmt::format("--column \"{}\": write it as \"NAME = A / B\"", expression));
  if (table.find(name)) {
    return bad_table(fmt::format(
        "--column \"{}\": the column {} exists already, choose another name", expression, name));
  }
  TRY_ASSIGN(const Expression parsed,
             parse_expression(table, trimmed(text.substr(equals + 1)), expression));
  const size_t column = table.add_column(name);
  for (size_t row = 0; row < table.rows(); ++row) {
    TRY_ASSIGN(const std::optional<double> a, parsed.left.at(table, row));
    TRY_ASSIGN(const std::optional<double> b, parsed.right.at(table, row));
    if (a && b) table.set(row, column, number_text(calculate(*a, parsed.sign, *b)));
  }
  return {};
}

}  // namespace tierhub::imaging
