#include "common/clock.h"

namespace tierhub {

Timestamp Timestamp::now() {
  timespec t{};
  clock_gettime(CLOCK_REALTIME, &t);
  return from(t);
}

}  // namespace tierhub
