// Puts tables together: files below one another, columns side by side.
#pragma once

#include <string>
#include <vector>

#include "common/result.h"
#include "imaging/tables/table.h"

namespace tierhub::imaging {

// The files that `path` stands for: itself, or each .csv file of a folder and of the folders in it,
// sorted by name. Hidden names and the file `left_out` are left out. An error if there is none.
Result<std::vector<std::string>> find_tables(const std::string& path, const std::string& left_out);

// The rows of all files in their order; the columns are those of all files in the order in which
// they appear. All files together may have 4 GiB.
Result<Table> read_tables(const std::vector<std::string>& paths);

// What happens to a row that has no partner.
enum class Unmatched { refused, left_empty };

struct JoinCounts {
  size_t without_partner = 0;  // rows of the table
  size_t not_used = 0;         // rows of the other one
};

// Adds the columns of `other`, named PREFIX and their name, to the rows of `table` with the same
// values in the columns `keys`, as far as both tables have them. An error if they have none of them,
// if two rows of `other` have the same values, or if a name exists already.
Result<JoinCounts> join(Table& table, Table other, const std::string& prefix,
                        const std::vector<std::string>& keys, Unmatched unmatched);

// Adds a column: "NAME = A / B", where A and B are columns or numbers, and the sign, with a space on
// either side, is one of + - * /. A cell is empty where one of the two is, or where the result is no
// number (a division by 0).
Result<void> add_computed_column(Table& table, const std::string& expression);

}  // namespace tierhub::imaging
