#include "common/result.h"

namespace tierhub {

Error Error::from_errno(int errno_value, std::string_view action) {
  const std::error_code code(errno_value, std::generic_category());
  return Error(code, std::string(action) + ": " + code.message());
}

int Error::errno_value() const {
  if (code_.category() == std::generic_category() || code_.category() == std::system_category()) {
    return code_.value();
  }
  return EIO;
}

Error Error::in(std::string_view action) const {
  return Error(code_, std::string(action) + ": " + text_);
}

}  // namespace tierhub
