// What the sources that use Beast share.
#pragma once

#include <algorithm>
#include <string>
#include <utility>

#include <boost/asio.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>

#include "http/message.h"

namespace tierhub::http {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace wire = beast::http;
using asio::awaitable;
using asio::use_awaitable;
using Protocol = asio::generic::stream_protocol;
using Stream = beast::basic_stream<Protocol>;

inline constexpr uint32_t kMaxHeadBytes = 64 << 10;

inline auto capture(boost::system::error_code& error) {
  return asio::redirect_error(use_awaitable, error);
}

// How a response goes to its caller.
struct Way {
  unsigned version = 11;
  bool keep_alive = false;
  bool head_only = false;
};

// With the names in lower case.
template <class Message>
Headers headers_of(const Message& message) {
  Headers headers;
  for (const auto& field : message) {
    std::string name(field.name_string());
    std::transform(name.begin(), name.end(), name.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    headers.emplace_back(std::move(name), std::string(field.value()));
  }
  return headers;
}

// The head of a response; its length is set by whoever sends the body.
template <class Body>
wire::response<Body> head_of(const Response& response, const std::string& server, const Way& way) {
  wire::response<Body> out;
  out.version(way.version);
  out.result(static_cast<unsigned>(response.status));
  out.set(wire::field::server, server);
  if (!response.content_type.empty()) out.set(wire::field::content_type, response.content_type);
  for (const auto& [name, value] : response.headers) out.insert(name, value);
  out.keep_alive(way.keep_alive);
  return out;
}

}  // namespace tierhub::http
