// What the front adds to responses, what it lets through, and what it reads in requests.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "common/result.h"
#include "http/message.h"

namespace tierhub::hub {

// The headers that every page and every answer has: a strict Content-Security-Policy, nosniff, ...
void add_security_headers(http::Response& response, std::string_view content_type);

// The request as a worker gets it: without cookies, and only with headers that workers know.
http::Request for_worker(const http::Request& request);

// Removes what a worker may not say; an error if its response is of a kind that it may not give
// (only JSON, plain bytes, PNG and plain text are).
Result<void> check_response_of_worker(http::Response& head);

// Of a share: pages of other servers may read it, as it says nothing about who asks.
void open_to_other_pages(http::Response& response);
Result<void> check_response_of_share(http::Response& head);

// The value of a cookie; nothing if there is none, or several, of which one may be somebody else's.
std::optional<std::string> cookie_of(const http::Request& request, std::string_view name);

// The fields of a form, as application/x-www-form-urlencoded.
std::map<std::string, std::string> form_of(std::string_view text);

}  // namespace tierhub::hub
