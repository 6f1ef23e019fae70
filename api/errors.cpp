#include "api/errors.h"

#include <cerrno>
#include <cstring>

namespace tierhub::api {

std::string error_name(const Error& error) {
  const char* name = strerrorname_np(error.errno_value());
  return name != nullptr ? name : "EIO";
}

std::error_code error_code(std::string_view name) {
  constexpr int kLastErrno = 133;
  for (int value = 1; value <= kLastErrno; ++value) {
    const char* candidate = strerrorname_np(value);
    if (candidate != nullptr && name == candidate) return {value, std::generic_category()};
  }
  return std::make_error_code(std::errc::protocol_error);
}

int http_status(const Error& error) {
  switch (error.errno_value()) {
    case EINVAL:
    case ENAMETOOLONG:
    case ENOTDIR:
    case EISDIR:
    case ELOOP:
    case EXDEV:
      return 400;
    case EACCES:
    case EPERM:
      return 403;
    case ENOENT:
    case ESRCH:
      return 404;
    case EBUSY:
    case EEXIST:
    case ENOTEMPTY:
    case EALREADY:
    case ECANCELED:
      return 409;
    case EFBIG:
    case E2BIG:
    case EMSGSIZE:
      return 413;
    case EUSERS:
      return 429;
    case EDQUOT:
    case ENOSPC:
      return 507;
    case EOPNOTSUPP:
    case ENOSYS:
      return 501;
    case EAGAIN:
    case ENOMEM:
    case ENETDOWN:
      return 503;
    case ETIMEDOUT:
      return 504;
    default:
      return 500;
  }
}

}  // namespace tierhub::api
