#include "imaging/voxels/otsu.h"

#include <optional>

#include <boost/multiprecision/cpp_int.hpp>

namespace tierhub::imaging {
namespace {

using Integer = boost::multiprecision::cpp_int;

// The variance between the classes times a constant, as a fraction.
struct Variance {
  Integer numerator;
  Integer denominator;
  bool operator>(const Variance& other) const {
    return numerator * other.denominator > other.numerator * denominator;
  }
};

}  // namespace

uint64_t otsu_threshold(const std::vector<uint64_t>& counts) {
  Integer all_count = 0;
  Integer all_sum = 0;
  for (size_t value = 0; value < counts.size(); ++value) {
    all_count += counts[value];
    all_sum += Integer(counts[value]) * value;
  }
  Integer count = 0;
  Integer sum = 0;
  uint64_t best = 0;
  std::optional<Variance> best_variance;
  for (size_t t = 0; t < counts.size(); ++t) {
    // Between two occupied values the classes stay the same, and the smallest t wins.
    if (counts[t] == 0) continue;
    count += counts[t];
    sum += Integer(counts[t]) * t;
    if (count == all_count) {
      if (!best_variance) best = t;
      break;
    }
    // w0 w1 (m0 - m1)^2 is (sum n - count s)^2 / (w0 w1), up to a constant factor.
    const Integer difference = sum * all_count - count * all_sum;
    Variance variance{difference * difference, count * (all_count - count)};
    if (best_variance && !(variance > *best_variance)) continue;
    best = t;
    best_variance = std::move(variance);
  }
  return best;
}

}  // namespace tierhub::imaging
