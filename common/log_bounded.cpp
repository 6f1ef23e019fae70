#include "common/log_bounded.h"

#include <algorithm>

#include "common/mutex.h"

namespace tierhub::log {
namespace {

// Of all threads.
struct SharedBound {
  Mutex mutex;
  Bound bound GUARDED_BY(mutex);
};

}  // namespace

void bounded(Level level, std::string_view message, std::initializer_list<Field> fields) {
  static SharedBound shared;
  std::optional<uint64_t> left_out;
  {
    const MutexLock lock(shared.mutex);
    left_out = shared.bound.admit(message);
  }
  if (!left_out) return;
  if (*left_out > 0) {
    write(level, "lines like the next were left out",
          {{"msg_of", message}, {"left_out", *left_out}});
  }
  write(level, message, fields);
}

std::optional<uint64_t> Bound::admit(std::string_view message, Clock::time_point now) {
  const auto found = windows_.find(message);
  if (found == windows_.end()) {
    windows_.emplace(message, Window{now, 1});
    return 0;
  }
  Window& window = found->second;
  if (now - window.begin < kWindow)
    return ++window.lines <= kMostInAWindow ? std::optional<uint64_t>(0) : std::nullopt;
  const uint64_t left_out = window.lines - std::min(window.lines, kMostInAWindow);
  window = {now, 1};
  return left_out;
}

}  // namespace tierhub::log
