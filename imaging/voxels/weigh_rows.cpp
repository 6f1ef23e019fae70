#include "imaging/voxels/weigh_rows.h"

#include <cstring>
#include <type_traits>

namespace tierhub::imaging {
namespace {

// So many vectors are summed at a time: they stay in registers, and additions of one do not wait
// for each other's results.
constexpr size_t kVectors = 8;

template <size_t kLanes>
struct Vectors {
  typedef float Float __attribute__((vector_size(kLanes * sizeof(float))));
  typedef int32_t Int __attribute__((vector_size(kLanes * sizeof(int32_t))));
  typedef uint16_t Grey __attribute__((vector_size(kLanes * sizeof(uint16_t))));
};

#define ALWAYS_INLINE __attribute__((always_inline)) inline

template <size_t kLanes>
ALWAYS_INLINE void load(const float* from, typename Vectors<kLanes>::Float& to) {
  std::memcpy(&to, from, sizeof to);
}

// The sum of two grey values is exact as an integer and as a float, and integers are added faster
// than both are converted.
template <size_t kLanes>
ALWAYS_INLINE void load(const uint16_t* from, typename Vectors<kLanes>::Int& to) {
  typename Vectors<kLanes>::Grey grey;
  std::memcpy(&grey, from, sizeof grey);
  to = __builtin_convertvector(grey, typename Vectors<kLanes>::Int);
}

template <size_t kLanes, class T>
using Loaded = std::conditional_t<std::is_same_v<T, float>, typename Vectors<kLanes>::Float,
                                  typename Vectors<kLanes>::Int>;

template <size_t kLanes, class T>
ALWAYS_INLINE void weigh_step(const RowPairs<T>& rows, std::span<const float> taps, size_t x,
                              float* to) {
  using Float = typename Vectors<kLanes>::Float;
  Float sums[kVectors];
#pragma GCC unroll 8
  for (size_t i = 0; i < kVectors; ++i) {
    Loaded<kLanes, T> middle;
    load<kLanes>(rows.middle + x + i * kLanes, middle);
    sums[i] = __builtin_convertvector(middle, Float) * taps[0];
  }
  for (size_t r = 0; r + 1 < taps.size(); ++r) {
    const T* before = rows.before[r] + x;
    const T* after = rows.after[r] + x;
    const float tap = taps[r + 1];
#pragma GCC unroll 8
    for (size_t i = 0; i < kVectors; ++i) {
      Loaded<kLanes, T> a, b;
      load<kLanes>(before + i * kLanes, a);
      load<kLanes>(after + i * kLanes, b);
      sums[i] += __builtin_convertvector(a + b, Float) * tap;
    }
  }
  std::memcpy(to + x, sums, sizeof sums);
}

template <size_t kLanes, class T>
ALWAYS_INLINE void weigh_with(const RowPairs<T>& rows, std::span<const float> taps, size_t size,
                              float* to) {
  constexpr size_t kStep = kVectors * kLanes;
  if (size >= kStep) {
    for (size_t x = 0; x + kStep < size; x += kStep) weigh_step<kLanes>(rows, taps, x, to);
    weigh_step<kLanes>(rows, taps, size - kStep, to);  // sums a few voxels again
    return;
  }
  for (size_t x = 0; x < size; ++x) {
    float sum = static_cast<float>(rows.middle[x]) * taps[0];
    for (size_t r = 0; r + 1 < taps.size(); ++r)
      sum += static_cast<float>(rows.before[r][x] + rows.after[r][x]) * taps[r + 1];
    to[x] = sum;
  }
}

template <class T>
void weigh_16(const RowPairs<T>& rows, std::span<const float> taps, size_t size, float* to) {
  weigh_with<4>(rows, taps, size, to);
}

#if defined(__x86_64__)
template <class T>
__attribute__((target("avx2"))) void weigh_32(const RowPairs<T>& rows, std::span<const float> taps,
                                              size_t size, float* to) {
  weigh_with<8>(rows, taps, size, to);
}
#endif

template <class T>
void weigh(const RowPairs<T>& rows, std::span<const float> taps, size_t size, float* to,
           VectorWidth width) {
#if defined(__x86_64__)
  if (width == VectorWidth::bytes_32) return weigh_32(rows, taps, size, to);
#endif
  weigh_16(rows, taps, size, to);
}

}  // namespace

VectorWidth widest_vectors() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) return VectorWidth::bytes_32;
#endif
  return VectorWidth::bytes_16;
}

void weigh_rows(const RowPairs<uint16_t>& rows, std::span<const float> taps, size_t size, float* to,
                VectorWidth width) {
  weigh(rows, taps, size, to, width);
}

void weigh_rows(const RowPairs<float>& rows, std::span<const float> taps, size_t size, float* to,
                VectorWidth width) {
  weigh(rows, taps, size, to, width);
}

}  // namespace tierhub::imaging
