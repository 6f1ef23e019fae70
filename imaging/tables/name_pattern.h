// What the name of a file says about the image in it.
#pragma once

#include <map>
#include <optional>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "imaging/tables/table.h"

namespace tierhub::imaging {

// "*_{well}_s{field}": `*` is anything, {well} a well ("A1", "A01"), {t} a number, {field} letters
// and digits, any other {word} anything. At least one of well, field and t must appear.
class NamePattern {
 public:
  static Result<NamePattern> parse(const std::string& text);

  // The values of the words: wells as "A1", numbers without leading zeros. The pattern is compared
  // with the name of the file, with and without its extension; the folders in `path` do not count.
  // An error shows the name and the pattern.
  Result<std::map<std::string, std::string>> match(const std::string& path) const;
  // Whether `word` appears in the pattern.
  bool has(std::string_view word) const;

 private:
  std::string text_;
  std::vector<std::string> words_;
  std::regex regex_;
};

// A file's name without folders and without the extension: "scan" of "d/scan.ome.zarr".
std::string stem_of(const std::string& path);

// Fills empty cells of the columns well, field and t: from the name in the column file, or, where a
// row has none, from the name of the table. A file of one time point has t 0: the name replaces that
// too, and any other t that contradicts the name is an error.
Result<void> fill_from_names(Table& table, const NamePattern& pattern);
// Writes each well of the column well as "A1"; what is no well stays.
void write_wells_alike(Table& table);

}  // namespace tierhub::imaging
