// Where tierd is killed.
#pragma once

#include <string_view>

namespace tierhub::test {

// A fault point, and at which reach of it tierd is killed.
struct Death {
  std::string_view point;
  int reach = 1;
};

// Steps of a start after lost power that took the end of the catalog's log: power_test alone has
// that.
inline bool is_of_lost_power(std::string_view point) { return point.starts_with("adopt."); }

// Points that only a start after another death reaches: that death. Of all other points, no point.
inline Death death_before(std::string_view point) {
  if (is_of_lost_power(point)) return {"create.after_commit", 2};
  if (point == "prefetch.resumed") return {"prefetch.after_queue", 1};
  if (point.starts_with("recovery.")) return {"publish.after_act", 1};
  return {"", 0};
}

// Reached a few seconds after the last step only.
inline bool comes_by_itself(std::string_view point) { return point.starts_with("sync."); }

// Steps of tierctl fsck: its own test walks them (tests/e2e/fsck_test.cpp).
inline bool is_of_fsck(std::string_view point) {
  return point.starts_with("fsck.") || point.starts_with("rebuild.");
}

}  // namespace tierhub::test
