#include "imaging/voxels/arithmetic.h"

#include <cmath>

namespace tierhub::imaging {
namespace {

// Calls use(f) with the function f(a, b) of an operation.
template <class Use>
void with_operation(Operation operation, Use&& use) {
  switch (operation) {
    case Operation::add:
      return use([](double a, double b) { return a + b; });
    case Operation::subtract:
      return use([](double a, double b) { return a - b; });
    case Operation::difference:
      return use([](double a, double b) { return std::fabs(a - b); });
    case Operation::multiply:
      return use([](double a, double b) { return a * b; });
    case Operation::divide:
      return use([](double a, double b) { return a / b; });
    case Operation::minimum:
      return use([](double a, double b) { return std::min(a, b); });
    case Operation::maximum:
      return use([](double a, double b) { return std::max(a, b); });
    case Operation::average:
      return use([](double a, double b) { return (a + b) / 2; });
  }
}

uint16_t cut_and_rounded(double value, double most) {
  const double cut = std::min(std::max(value, 0.0), most);
  const auto whole = static_cast<int32_t>(cut);
  return static_cast<uint16_t>(whole + (cut - whole >= 0.5 ? 1 : 0));
}

// `b_at(i)` is the other number of voxel i.
template <class Other>
GreyVolume calculated(const GreyVolume& a, const Other& b_at, const Formula& formula,
                      Parallel parallel) {
  GreyVolume result(a.extent);
  const bool divides = formula.operation == Operation::divide;
  with_operation(formula.operation, [&](auto combined) {
    parallel.for_ranges(a.voxels.size(), [&](size_t begin, size_t end) {
      for (size_t i = begin; i < end; ++i) {
        const double b = b_at(i);
        if (divides && b == 0) continue;
        const double value = formula.scale * combined(a.voxels[i], b) + formula.offset;
        result.voxels[i] = cut_and_rounded(value, formula.most);
      }
    });
  });
  return result;
}

}  // namespace

GreyVolume calculate(const GreyVolume& a, const GreyVolume& b, const Formula& formula,
                     Parallel parallel) {
  const uint16_t* const voxels = b.voxels.data();
  return calculated(
      a, [voxels](size_t i) -> double { return voxels[i]; }, formula, parallel);
}

GreyVolume calculate(const GreyVolume& a, double b, const Formula& formula, Parallel parallel) {
  return calculated(
      a, [b](size_t) { return b; }, formula, parallel);
}

}  // namespace tierhub::imaging
