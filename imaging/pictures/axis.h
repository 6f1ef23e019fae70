// Axes of pictures: ticks at round numbers, names with units.
#pragma once

#include <string>
#include <vector>

namespace tierhub::imaging {

// 1, 2 or 5 times a power of ten: the smallest of them that is at least `step`.
double round_step(double step);
// The multiples of a round step between `low` and `high`: at most `most` of them, and as a rule at
// least half as many.
std::vector<double> round_ticks(double low, double high, size_t most);
// A tick, without digits that no tick of such a step needs.
std::string tick_text(double tick);

// "area_um2_mean" is "area mean (\u00b5m\u00b2)": what a column holds, for people.
std::string column_title(const std::string& column);

}  // namespace tierhub::imaging
