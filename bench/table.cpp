#include "bench/table.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>

#include <fmt/format.h>

#include "bench/measure.h"

namespace tierhub::bench {
namespace {

constexpr const char* kTierHub = "TierHub";

std::string grouped(uint64_t value) {
  std::string text = std::to_string(value);
  for (auto at = static_cast<int>(text.size()) - 3; at > 0; at -= 3)
    text.insert(static_cast<size_t>(at), ",");
  return text;
}

}  // namespace

std::string number(double value) {
  if (value >= 100) return grouped(static_cast<uint64_t>(std::llround(value)));
  if (value >= 10) return fmt::format("{:.1f}", value);
  return fmt::format("{:.3g}", value);
}

Table::Table(std::vector<std::string> columns, int rounds)
    : columns_(std::move(columns)), rounds_(rounds) {
  fmt::print("\n| {:<52} |", "");
  for (const std::string& column : columns_) fmt::print(" {:>11} |", column);
  fmt::print(" {:<8} | {:>5} | {:<12} |\n|{:-<54}|", "unit", "ratio", "budget", "");
  for (size_t i = 0; i < columns_.size(); ++i) fmt::print("{:-<12}:|", "");
  fmt::print("{:-<10}|{:-<6}:|{:-<14}|\n", "", "", "");
  std::fflush(stdout);
}

void Table::measure(const Row& row) {
  std::map<std::string, std::vector<double>> values;
  std::vector<const Contestant*> order;
  for (const Contestant& contestant : row.contestants) order.push_back(&contestant);
  for (int round = 0; round < rounds_; ++round) {
    for (const Contestant* contestant : order)
      values[contestant->name].push_back(contestant->work());
    std::reverse(order.begin(), order.end());
  }
  std::map<std::string, double> medians;
  for (const auto& [name, all] : values) medians[name] = median(all);

  // Against the native file system; where there is none, against the best of the others.
  double reference = 0;
  for (const auto& [name, value] : medians) {
    if (name == kTierHub) continue;
    const bool better =
        reference == 0 || (row.better == Better::more ? value > reference : value < reference);
    if (better) reference = value;
  }
  if (const auto native = medians.find("native"); native != medians.end())
    reference = native->second;
  const double ratio = medians[kTierHub] / reference;

  std::string budget;
  if (row.budget) {
    const bool more = row.better == Better::more;
    const bool met = more ? ratio >= *row.budget : ratio <= *row.budget;
    failed_ += met ? 0 : 1;
    budget = fmt::format("{} {:.2f} {}", more ? ">=" : "<=", *row.budget, met ? "met" : "MISSED");
  }
  fmt::print("| {:<52} |", row.what);
  for (const std::string& column : columns_) {
    const auto found = medians.find(column);
    fmt::print(" {:>11} |", found == medians.end() ? "" : number(found->second));
  }
  fmt::print(" {:<8} | {:>5.2f} | {:<12} |\n", row.unit, ratio, budget);
  std::fflush(stdout);
}

}  // namespace tierhub::bench
