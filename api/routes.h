// Which request calls which function of the Service, and how its answer is written: the HTTP API
// without the transport.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "api/service.h"
#include "http/message.h"

namespace tierhub::api {

using Request = http::Request;

struct Response {
  int status = 200;
  std::string body;   // JSON
  std::string allow;  // not empty: the methods that this target has (status 405)
};

// The answer to a request whose head alone shows that it cannot be served: there is no such route,
// or a body of that many bytes is too large for it.
std::optional<Response> refuse_head(const Request& head, uint64_t body_bytes) noexcept;

// Any thread; blocks as long as the Service does. Everything that goes wrong is an answer: this
// never throws.
Response handle(Service& service, const Caller& caller, const Request& request) noexcept;

// As HTTP servers send it.
http::Response to_http(Response response);

// {"error": text, "code": ...} under the status that fits the error.
Response refusal(const Error& error);

}  // namespace tierhub::api
