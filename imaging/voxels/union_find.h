// Which of the numbers 0..n-1 belong together.
#pragma once

#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

namespace tierhub::imaging {

class UnionFind {
 public:
  explicit UnionFind(size_t size = 0) : parent_(size) {
    std::iota(parent_.begin(), parent_.end(), uint32_t{0});
  }

  // Adds a number that stands alone, and returns it.
  uint32_t add() {
    parent_.push_back(static_cast<uint32_t>(parent_.size()));
    return parent_.back();
  }
  // The smallest number of the set that `i` is in.
  uint32_t find(uint32_t i) {
    while (parent_[i] != i) {
      parent_[i] = parent_[parent_[i]];
      i = parent_[i];
    }
    return i;
  }
  void unite(uint32_t a, uint32_t b) {
    a = find(a);
    b = find(b);
    if (a > b) std::swap(a, b);
    parent_[b] = a;
  }
  size_t size() const { return parent_.size(); }

 private:
  std::vector<uint32_t> parent_;
};

}  // namespace tierhub::imaging
