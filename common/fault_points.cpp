#include "common/fault_points.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstdlib>

#include <signal.h>

namespace tierhub {
namespace {

constexpr int kNone = -1;
std::atomic<int> armed_point{kNone};
std::atomic<int> reaches_left{0};
std::atomic<void (*)()> reach_action{nullptr};

void kill_this_process() { ::raise(SIGKILL); }

int index_of(std::string_view name) {
  const auto* it = std::find(kFaultPointNames.begin(), kFaultPointNames.end(), name);
  return it == kFaultPointNames.end() ? kNone : static_cast<int>(it - kFaultPointNames.begin());
}

}  // namespace

std::optional<std::string_view> arm_fault_point_from_environment() {
  const char* setting = std::getenv("TIERHUB_FAULT_POINT");
  if (setting == nullptr) return std::nullopt;
  std::string_view name = setting;
  int nth = 1;
  if (const size_t colon = name.find(':'); colon != std::string_view::npos) {
    std::from_chars(name.data() + colon + 1, name.data() + name.size(), nth);
    name = name.substr(0, colon);
  }
  if (index_of(name) == kNone) return name;
  arm_fault_point(name, nth, kill_this_process);
  return std::nullopt;
}

void arm_fault_point(std::string_view name, int nth, void (*on_reach)()) {
  reaches_left = nth;
  reach_action = on_reach;
  armed_point = index_of(name);
}

void fault_point(FaultPoint point) {
  if (armed_point.load(std::memory_order_relaxed) != static_cast<int>(point)) return;
  if (reaches_left.fetch_sub(1) == 1) reach_action.load()();
}

}  // namespace tierhub
