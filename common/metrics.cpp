#include "common/metrics.h"

namespace tierhub {

Metrics& metrics() {
  static Metrics instance;
  return instance;
}

}  // namespace tierhub
