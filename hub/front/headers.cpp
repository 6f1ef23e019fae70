#include "hub/front/headers.h"

#include <charconv>
#include <set>

#include <fmt/format.h>

namespace tierhub::hub {
namespace {

constexpr const char* kPagePolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data: blob:; font-src 'self'; worker-src 'self'; manifest-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
// Answers are no pages: opened as one, nothing in them does anything.
constexpr const char* kAnswerPolicy = "default-src 'none'; frame-ancestors 'none'; sandbox";

std::string_view without_parameters(std::string_view content_type) {
  return content_type.substr(0, content_type.find(';'));
}

std::string decode_form_text(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned value = 0;
    const char* const digits = text.data() + i + 1;
    if (text[i] == '+') {
      out += ' ';
    } else if (text[i] == '%' && i + 2 < text.size() &&
               std::from_chars(digits, digits + 2, value, 16).ptr == digits + 2) {
      out += static_cast<char>(value);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

// No cache but a browser's own may keep it, as far as this says.
bool is_private(std::string_view cache_control) {
  static const std::set<std::string_view> known = {"private", "no-cache", "no-store", "immutable",
                                                   "must-revalidate"};
  bool is_said = false;
  while (!cache_control.empty()) {
    const size_t end = cache_control.find(',');
    std::string_view one = cache_control.substr(0, end);
    cache_control.remove_prefix(end == std::string_view::npos ? cache_control.size() : end + 1);
    while (one.starts_with(' ')) one.remove_prefix(1);
    while (one.ends_with(' ')) one.remove_suffix(1);
    if (!known.contains(one) && !one.starts_with("max-age=")) return false;
    is_said |= one == "private" || one == "no-store";
  }
  return is_said;
}

}  // namespace

void add_security_headers(http::Response& response, std::string_view content_type) {
  const bool is_page = without_parameters(content_type) == "text/html";
  response.headers.emplace_back("Content-Security-Policy", is_page ? kPagePolicy : kAnswerPolicy);
  response.headers.emplace_back("X-Content-Type-Options", "nosniff");
  response.headers.emplace_back("Cross-Origin-Resource-Policy", "same-origin");
  response.headers.emplace_back("Referrer-Policy", "no-referrer");
  if (is_page) {
    response.headers.emplace_back("Cross-Origin-Opener-Policy", "same-origin");
    response.headers.emplace_back("Permissions-Policy", "camera=(), geolocation=(), microphone=()");
  }
}

http::Request for_worker(const http::Request& request) {
  static const std::set<std::string_view> known = {
      "accept", "accept-encoding", "content-type", "if-none-match", "if-range", "range"};
  http::Request out{request.method, request.target, request.body, {}};
  for (const auto& field : request.headers)
    if (known.contains(field.first)) out.headers.push_back(field);
  return out;
}

Result<void> check_response_of_worker(http::Response& head) {
  static const std::set<std::string_view> types = {"application/json", "application/octet-stream",
                                                   "image/png", "text/plain"};
  static const std::set<std::string_view> known = {
      "accept-ranges", "allow", "cache-control", "content-disposition", "content-encoding",
      "content-range", "etag",  "last-modified", "retry-after",         "vary"};
  // To a proxy that speaks for many people, an answer before the answer would shift all that follow.
  if (head.status < 200 || head.status > 599) {
    return Error(std::errc::protocol_error,
                 fmt::format("the worker sent a status that it may not send ({})", head.status));
  }
  const bool has_no_body = head.status == 304 || head.status == 204;
  if (!types.contains(without_parameters(head.content_type)) && !has_no_body) {
    return Error(std::errc::protocol_error,
                 fmt::format("the worker sent what it may not send ({})", head.content_type));
  }
  std::erase_if(head.headers, [](const auto& field) {
    if (field.first == "cache-control" && !is_private(field.second)) return true;
    return !known.contains(field.first) && !field.first.starts_with("x-tierhub-");
  });
  // What is said of a person's data is kept by no cache but their browser's.
  bool says_how_to_keep = false;
  for (const auto& [name, value] : head.headers) says_how_to_keep |= name == "cache-control";
  if (!says_how_to_keep) head.headers.emplace_back("Cache-Control", "private, no-cache");
  add_security_headers(head, head.content_type);
  return {};
}

void open_to_other_pages(http::Response& response) {
  for (auto& [name, value] : response.headers)
    if (name == "Cross-Origin-Resource-Policy") value = "cross-origin";
  response.headers.emplace_back("Access-Control-Allow-Origin", "*");
}

Result<void> check_response_of_share(http::Response& head) {
  TRY(check_response_of_worker(head));
  open_to_other_pages(head);
  return {};
}

std::optional<std::string> cookie_of(const http::Request& request, std::string_view name) {
  std::optional<std::string> found;
  for (const auto& [header, value] : request.headers) {
    if (header != "cookie") continue;
    std::string_view rest = value;
    while (!rest.empty()) {
      const size_t end = rest.find(';');
      std::string_view one = rest.substr(0, end);
      rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
      while (one.starts_with(' ')) one.remove_prefix(1);
      if (one.substr(0, one.find('=')) != name || one.find('=') == std::string_view::npos) continue;
      if (found) return std::nullopt;
      found = std::string(one.substr(one.find('=') + 1));
    }
  }
  return found;
}

std::map<std::string, std::string> form_of(std::string_view text) {
  std::map<std::string, std::string> form;
  while (!text.empty()) {
    const size_t end = text.find('&');
    const std::string_view one = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    const size_t equals = one.find('=');
    if (equals == std::string_view::npos) continue;
    form.emplace(decode_form_text(one.substr(0, equals)), decode_form_text(one.substr(equals + 1)));
  }
  return form;
}

}  // namespace tierhub::hub
