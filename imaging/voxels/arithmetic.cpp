#include "imaging/voxels/arithmetic.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>

#include "imaging/voxels/numbers.h"

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
      return use([](double a, double b) { return b < a || std::isnan(b) ? b : a; });
    case Operation::maximum:
      return use([](double a, double b) { return b > a || std::isnan(b) ? b : a; });
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

constexpr size_t kAtOnce = 1024;

// `read_b(i, to)` fills `to` with the other numbers of voxel i and those after it; false if one is an
// integer that is not exact.
template <class Other>
Result<void> calculated_numbers(formats::PixelType type, std::span<std::byte> voxels,
                                const Other& read_b, const Formula& formula, Parallel parallel) {
  const size_t bytes = formats::bytes_of(type);
  const bool divides = formula.operation == Operation::divide;
  std::atomic<bool> are_exact = true;
  with_operation(formula.operation, [&](auto combined) {
    parallel.for_ranges(voxels.size() / bytes, [&](size_t begin, size_t end) {
      std::array<double, kAtOnce> a{}, b{};
      for (size_t i = begin; i < end; i += kAtOnce) {
        const size_t count = std::min(kAtOnce, end - i);
        const std::span<std::byte> own = voxels.subspan(i * bytes, count * bytes);
        if (!to_doubles(type, own, std::span(a).first(count)) ||
            !read_b(i, std::span(b).first(count))) {
          are_exact = false;
          return;
        }
        for (size_t k = 0; k < count; ++k) {
          a[k] = divides && b[k] == 0 ? 0 : formula.scale * combined(a[k], b[k]) + formula.offset;
        }
        from_doubles(std::span(a).first(count), type, own);
      }
    });
  });
  if (are_exact) return {};
  return Error(std::errc::value_too_large,
               "it has an integer beyond 2^53 (9007199254740992), with which nobody can calculate "
               "exactly in double precision");
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

Result<void> calculate_numbers(formats::PixelType type, std::span<std::byte> a,
                               formats::PixelType other_type, std::span<const std::byte> b,
                               const Formula& formula, Parallel parallel) {
  const size_t bytes = formats::bytes_of(other_type);
  const auto read_b = [=](size_t i, std::span<double> to) {
    return to_doubles(other_type, b.subspan(i * bytes, to.size() * bytes), to);
  };
  return calculated_numbers(type, a, read_b, formula, parallel);
}

Result<void> calculate_numbers(formats::PixelType type, std::span<std::byte> a, double b,
                               const Formula& formula, Parallel parallel) {
  const auto read_b = [b](size_t, std::span<double> to) {
    std::fill(to.begin(), to.end(), b);
    return true;
  };
  return calculated_numbers(type, a, read_b, formula, parallel);
}

}  // namespace tierhub::imaging
