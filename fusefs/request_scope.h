// Which request of the kernel this thread is carrying out. A namespace change writes it into its
// batch: a request whose answer was lost when the process died is sent again, and must not be
// carried out twice.
#pragma once

#include <cstdint>
#include <optional>

#include "common/types.h"

namespace tierhub {

struct RequestIdentity {
  uint64_t session = 0;
  uint64_t start = 0;   // which process of the session
  uint64_t worker = 0;  // which thread of the process
  uint64_t unique = 0;  // the kernel's number of the request
};

// From here to the end of the block this thread carries out that request, if there is one that can
// come again.
class RequestScope {
 public:
  explicit RequestScope(const std::optional<RequestIdentity>& request) { current_ = request; }
  ~RequestScope() { current_.reset(); }
  RequestScope(const RequestScope&) = delete;
  RequestScope& operator=(const RequestScope&) = delete;

  static const std::optional<RequestIdentity>& current() { return current_; }

 private:
  inline static thread_local std::optional<RequestIdentity> current_;
};

}  // namespace tierhub
