#include "imaging/tables/csv.h"

#include <algorithm>
#include <filesystem>
#include <unordered_set>
#include <vector>

#include <fmt/format.h>

#include "common/posix.h"

namespace tierhub::imaging {
namespace {

constexpr uint64_t kMaxCsvBytes = uint64_t{1} << 30;
constexpr size_t kMaxCsvColumns = 10'000;

// Splits the text into records. Fields are parts of the text: quoted ones are unquoted in place.
class CsvReader {
 public:
  CsvReader(std::string& text, const std::string& path) : text_(text), path_(path) {
    if (text_.starts_with("\xEF\xBB\xBF")) at_ = 3;
    // Empty lines at the end are no rows.
    while (text_.size() > at_ && (text_.back() == '\n' || text_.back() == '\r')) text_.pop_back();
  }

  bool at_end() const { return at_ >= text_.size(); }
  // The line at which the record that was read last begins.
  size_t record_line() const { return record_line_; }
  Error wrong(size_t line, std::string_view what) const {
    return Error(std::errc::invalid_argument, fmt::format("{}, line {}: {}", path_, line, what));
  }

  Result<void> read_record(std::vector<std::string_view>& fields) {
    fields.clear();
    record_line_ = line_;
    while (true) {
      const bool is_quoted = at_ < text_.size() && text_[at_] == '"';
      TRY_ASSIGN(const std::string_view field, is_quoted ? read_quoted() : read_bare());
      fields.push_back(field);
      if (fields.size() > kMaxCsvColumns)
        return wrong(record_line_, fmt::format("more than {} columns", kMaxCsvColumns));
      if (at_end()) return {};
      if (text_[at_] != ',') return end_line();
      ++at_;
    }
  }

 private:
  Result<std::string_view> read_bare() {
    const size_t begin = at_;
    at_ = std::min(text_.find_first_of(",\"\r\n", at_), text_.size());
    if (!at_end() && text_[at_] == '"') {
      return wrong(line_,
                   "a quotation mark inside a field: quote the whole field, and write \"\" for the "
                   "mark");
    }
    return std::string_view(text_).substr(begin, at_ - begin);
  }

  Result<std::string_view> read_quoted() {
    const size_t first_line = line_;
    const size_t begin = ++at_;
    size_t end = begin;  // of what has been unquoted
    while (true) {
      if (at_end()) return wrong(first_line, "a quoted field has no end: a closing \" is missing");
      char c = text_[at_++];
      if (c == '"') {
        if (at_end() || text_[at_] != '"') break;
        c = text_[at_++];
      }
      if (c == '\n') ++line_;
      text_[end++] = c;
    }
    if (!at_end() && text_[at_] != ',' && text_[at_] != '\r' && text_[at_] != '\n')
      return wrong(line_, "text follows a quoted field: a comma is missing after the closing \"");
    return std::string_view(text_).substr(begin, end - begin);
  }

  Result<void> end_line() {
    if (text_[at_] == '\r') ++at_;
    if (at_end() || text_[at_] != '\n')
      return wrong(line_, "a line ends in CR alone: save the file with LF or CRLF line ends");
    ++at_;
    ++line_;
    return {};
  }

  std::string& text_;
  const std::string& path_;
  size_t at_ = 0;
  size_t line_ = 1;
  size_t record_line_ = 1;
};

Result<void> check_header(const std::vector<std::string_view>& names, const CsvReader& reader) {
  if (names.size() == 1 && names[0].find_first_of(";\t") != std::string_view::npos) {
    return reader.wrong(1, "the columns are separated by semicolons or tabs: save it with commas");
  }
  std::unordered_set<std::string_view> seen;
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i].empty()) {
      return reader.wrong(
          1, fmt::format("column {} has no name: the first line must name each column", i + 1));
    }
    if (number_of(names[i])) {
      return reader.wrong(
          1, fmt::format("there is no header: the first line must name the columns, but column {} "
                         "is \"{}\"",
                         i + 1, names[i]));
    }
    if (!seen.insert(names[i]).second)
      return reader.wrong(1, fmt::format("two columns have the name {}", names[i]));
  }
  return {};
}

}  // namespace

Result<Table> parse_csv(std::string bytes, const std::string& path) {
  Table table;
  table.add_file(path);
  std::string& text = table.adopt(std::move(bytes));
  if (const size_t nul = text.find('\0'); nul != std::string::npos) {
    const auto line = std::count(text.begin(), text.begin() + static_cast<ptrdiff_t>(nul), '\n');
    return Error(std::errc::invalid_argument,
                 fmt::format("{}, line {}: a NUL byte: this is no CSV in UTF-8", path, line + 1));
  }
  CsvReader reader(text, path);
  if (reader.at_end()) return reader.wrong(1, "the file is empty: a table has at least a header");
  std::vector<std::string_view> fields;
  TRY(reader.read_record(fields));
  TRY(check_header(fields, reader));
  for (const std::string_view name : fields) table.add_column(std::string(name));
  while (!reader.at_end()) {
    TRY(reader.read_record(fields));
    if (fields.size() != table.columns().size()) {
      return reader.wrong(reader.record_line(),
                          fmt::format("{} cells instead of {}, the number of columns",
                                      fields.size(), table.columns().size()));
    }
    table.add_row(reader.record_line());
    for (size_t i = 0; i < fields.size(); ++i) table.refer(table.rows() - 1, i, fields[i]);
  }
  return table;
}

Result<Table> read_csv(const std::string& path) {
  std::error_code ignored;
  const auto size = std::filesystem::file_size(path, ignored);
  if (!ignored && size > kMaxCsvBytes) {
    return Error(
        std::errc::file_too_large,
        fmt::format("{} has {} bytes: tables may have at most {}", path, size, kMaxCsvBytes));
  }
  TRY_ASSIGN(std::string text, posix::read_file(path));
  return parse_csv(std::move(text), path);
}

std::string csv_text(const Table& table) {
  // An empty line at the end would be no row.
  const bool quotes_empty = table.columns().size() == 1;
  std::string text;
  for (size_t i = 0; i < table.columns().size(); ++i)
    text += (i == 0 ? "" : ",") + csv_field(table.columns()[i]);
  text += '\n';
  for (size_t row = 0; row < table.rows(); ++row) {
    for (size_t i = 0; i < table.columns().size(); ++i) {
      if (i > 0) text += ',';
      const std::string_view cell = table.cell(row, i);
      if (cell.empty() && quotes_empty) {
        text += "\"\"";
      } else if (cell.find_first_of(",\"\r\n") == std::string_view::npos) {
        text += cell;
      } else {
        text += csv_field(cell);
      }
    }
    text += '\n';
  }
  return text;
}

std::string csv_field(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

}  // namespace tierhub::imaging
