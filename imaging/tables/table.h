// A table in memory.
#pragma once

#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace tierhub::imaging {

// Named columns of cells. A cell is the text that its file has: a number that is only passed on
// keeps its digits. Moved, never copied; one thread at a time.
class Table {
 public:
  Table() = default;
  Table(Table&&) = default;
  Table& operator=(Table&&) = default;
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  const std::vector<std::string>& columns() const { return columns_; }
  size_t rows() const { return places_.size(); }
  std::string_view cell(size_t row, size_t column) const { return cells_[column][row]; }
  std::optional<size_t> find(std::string_view name) const;
  // The same; an error lists the columns that there are.
  Result<size_t> column(std::string_view name) const;

  // The number in a cell; nothing if the cell is empty or says that the value is missing ("nan").
  // Other text is an error with file and line.
  Result<std::optional<double>> number(size_t row, size_t column) const;
  // "objects.csv, line 7".
  std::string place(size_t row) const;
  // The files that rows come from, also those without rows, in the order in which they were added.
  const std::vector<std::string>& files() const { return files_; }
  size_t file_of(size_t row) const { return places_[row].file; }

  // Adds a column of empty cells and returns its index.
  size_t add_column(std::string name);
  void add_file(std::string path) { files_.push_back(std::move(path)); }
  // Adds a row of empty cells, from `line` of the last file.
  void add_row(size_t line);
  void set(size_t row, size_t column, std::string_view text) { cells_[column][row] = keep(text); }
  // The same without a copy: for text that adopt() returned.
  void refer(size_t row, size_t column, std::string_view text) { cells_[column][row] = text; }
  // Keeps `text` for as long as the table exists.
  std::string& adopt(std::string text);
  // Adds the rows of `other`, and those of its columns that are missing here. A cell that a row
  // does not have is empty.
  void append(Table other);
  // Leaves out the rows of which `is_kept`, one a row, is false. Files stay.
  void keep_rows(const std::vector<bool>& is_kept);

 private:
  struct Place {
    uint32_t file;
    uint32_t line;
  };
  std::string_view keep(std::string_view text);

  std::vector<std::string> columns_;
  std::vector<std::vector<std::string_view>> cells_;  // by column, then row; they point into texts_
  std::vector<Place> places_;
  std::vector<std::string> files_;
  std::list<std::string> texts_;
  std::string* kept_ = nullptr;  // the one of texts_ that keep() fills
};

// The number that `text` is, if it is one: finite, in decimal notation.
std::optional<double> number_of(std::string_view text);
// True for an empty cell, and for how other programs write a missing value ("nan", "NA", "inf").
bool is_missing(std::string_view text);
// Six significant digits; empty if the number is not finite.
std::string number_text(double number);

}  // namespace tierhub::imaging
