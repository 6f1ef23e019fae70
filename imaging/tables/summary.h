// Summaries: one row for each image, well or time point.
#pragma once

#include <string>
#include <vector>

#include "common/result.h"
#include "imaging/tables/table.h"

namespace tierhub::imaging {

// The values of some columns that make a group of rows, such as a well and a time point.
using GroupName = std::vector<std::string>;

// One row for each group of rows with the same values in the columns `by`, in natural order: the
// values, `count` (its rows), and for each column of numbers NAME_mean, NAME_median and NAME_sd
// (n - 1). Missing values do not count; a cell is empty if there are none, and the standard
// deviation of fewer than two. Columns that say where an object is (label, parent, centroid,
// bounding box, file, well, field, t, c) and columns with other text are left out. `empty` are
// groups that have a row even if no row is theirs: count 0. An error if a cell of `by` is empty.
Result<Table> summarise(const Table& table, const std::vector<std::string>& by,
                        const std::vector<GroupName>& empty);

// The groups of the rows whose cells of `by` are not empty.
Result<std::vector<GroupName>> group_names(const Table& table, const std::vector<std::string>& by);

// The middle one of at least one value, or the mean of the two in the middle.
double median_of_values(std::vector<double> values);

struct ZPrime {
  std::string column;  // of the summary
  double value = 0;
};

// The Z' factor of an assay, 1 - 3 (sd_p + sd_n) / |mean_p - mean_n|, over the wells of its
// positive and negative controls (Zhang, Chung and Oldenburg 1999). `column` is one of `wells`, a
// summary by well, or one of the measured columns: then its mean is used. An error if a control has
// no row or no value, if there are fewer than two of a kind, or if both kinds have the same mean.
Result<ZPrime> z_prime(const Table& wells, const std::string& column,
                       const std::vector<std::string>& positive,
                       const std::vector<std::string>& negative);

// Adds NAME_percent to a summary by well, where NAME is its column that `column` means as for
// z_prime(): 0 is the mean of the negative controls, 100 that of the positive ones. Returns its
// name. An error if a control has no row or no value, or if both kinds have the same mean.
Result<std::string> add_percent_of_control(Table& wells, const std::string& column,
                                           const std::vector<std::string>& positive,
                                           const std::vector<std::string>& negative);

}  // namespace tierhub::imaging
