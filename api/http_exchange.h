// One HTTP request over a unix socket, and its answer: the client's transport.
#pragma once

#include <chrono>
#include <string>

#include "api/routes.h"
#include "common/result.h"

namespace tierhub::api {

// Connects, sends, receives, closes; blocks for at most `time_limit`. A refusal is an answer too;
// errors are only those of the way there, as client.h lists them. Any thread.
Result<Response> exchange(const std::string& socket_path, const Request& request,
                          std::chrono::milliseconds time_limit);

}  // namespace tierhub::api
