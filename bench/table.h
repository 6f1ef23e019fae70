// The paired table: every system does the same work in every round, in an order that rotates from
// round to round; it shows medians, and TierHub's share of the native speed.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace tierhub::bench {

// TierHub and what it is compared with; the first is the measure of the others.
struct Contestant {
  std::string name;
  // Does the work once; returns a rate, or with Better::less a time.
  std::function<double()> work;
};

enum class Better { more, less };

struct Row {
  std::string what;
  std::string unit;
  Better better = Better::more;
  // What TierHub divided by the best of the others must reach: at least, or with Better::less at
  // most.
  std::optional<double> budget;
  std::vector<Contestant> contestants;
};

class Table {
 public:
  // `columns`: the names of all contestants, in the order of the columns. "TierHub" is one of them.
  Table(std::vector<std::string> columns, int rounds);
  void measure(const Row& row);
  int failed() const { return failed_; }

 private:
  std::vector<std::string> columns_;
  int rounds_;
  int failed_ = 0;
};

// "1,234", "12.3", "0.123": three digits that count.
std::string number(double value);

}  // namespace tierhub::bench
