// The error that a loop over several threads ends with.
#pragma once

#include <atomic>
#include <optional>

#include "common/guarded.h"
#include "common/result.h"

namespace tierhub {

// Any thread.
class FirstError {
 public:
  void note(const Result<void>& result) {
    if (result) return;
    failure_.with([&](std::optional<Error>& first) {
      if (!first) first = result.error();
    });
    is_set_ = true;
  }
  // True: what is left of the loop is not worth doing.
  bool is_set() const { return is_set_; }
  Result<void> result() {
    return failure_.with([](const std::optional<Error>& first) -> Result<void> {
      if (first) return *first;
      return {};
    });
  }

 private:
  Guarded<std::optional<Error>> failure_;
  std::atomic<bool> is_set_ = false;
};

}  // namespace tierhub
