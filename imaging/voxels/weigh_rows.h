// The inner loop of a symmetric filter: rows summed with weights, as fast as the machine's vector
// instructions allow.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tierhub::imaging {

// Rows on both sides of a middle one: before[r] and after[r] are r + 1 away from it.
template <class T>
struct RowPairs {
  const T* middle = nullptr;
  std::vector<const T*> before;
  std::vector<const T*> after;
};

// The vectors that a loop works with. Each voxel is summed alone, so that results are the same bits
// with all of them.
enum class VectorWidth { bytes_16, bytes_32 };
// The widest that this machine has.
VectorWidth widest_vectors();

// to[x] = taps[0] * middle[x] + taps[1] * (before[0][x] + after[0][x]) + ..., for x < size: in
// float, in this order, and each product rounded before it is added. `taps` has one number more
// than there are pairs of rows. `to` may be none of the rows.
void weigh_rows(const RowPairs<uint16_t>& rows, std::span<const float> taps, size_t size, float* to,
                VectorWidth width = widest_vectors());
void weigh_rows(const RowPairs<float>& rows, std::span<const float> taps, size_t size, float* to,
                VectorWidth width = widest_vectors());

}  // namespace tierhub::imaging
