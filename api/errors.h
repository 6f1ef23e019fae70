// Errors on the wire: {"error": "one sentence", "code": "ENOENT"} with a matching HTTP status.
#pragma once

#include <string>
#include <string_view>

#include "common/result.h"

namespace tierhub::api {

// "ENOENT"; "EIO" for a code that is no errno value.
std::string error_name(const Error& error);
// The inverse; errc::protocol_error for a name that this machine does not know.
std::error_code error_code(std::string_view name);

int http_status(const Error& error);

}  // namespace tierhub::api
