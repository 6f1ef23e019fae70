#include "api/http_exchange.h"

#include <optional>
#include <utility>

#include <boost/asio.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <fmt/format.h>

#include "http/unix_socket.h"

namespace tierhub::api {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using Protocol = asio::local::stream_protocol;
using Stream = beast::basic_stream<Protocol>;

constexpr uint64_t kMaxAnswerBytes = 256 << 20;

http::request<http::string_body> to_http(const Request& request) {
  http::request<http::string_body> out;
  out.method_string(request.method);
  out.target(request.target);
  out.version(11);
  out.set(http::field::host, "tierd");
  out.keep_alive(false);
  if (!request.body.empty()) out.set(http::field::content_type, "application/json");
  out.body() = request.body;
  out.prepare_payload();
  return out;
}

Error transport_error(const boost::system::error_code& error, const std::string& socket_path,
                      std::chrono::milliseconds time_limit) {
  if (error == beast::error::timeout) {
    return Error(std::errc::timed_out, fmt::format("tierd at {} did not answer within {} s",
                                                   socket_path, time_limit.count() / 1'000.0));
  }
  bool closed = error == http::error::end_of_stream || error == http::error::partial_message ||
                error.category() == boost::system::system_category() ||
                error.category() == asio::error::get_misc_category();
  if (closed) {
    return Error(
        std::errc::connection_reset,
        fmt::format(
            "tierd at {} closed the connection before it answered: see its log, and try again",
            socket_path));
  }
  return Error(std::errc::protocol_error,
               fmt::format("the program at {} is not tierd: {}", socket_path, error.message()));
}

}  // namespace

Result<Response> exchange(const std::string& socket_path, const Request& request,
                          std::chrono::milliseconds time_limit) {
  TRY_ASSIGN(UniqueFd fd, tierhub::http::connect_unix(socket_path, time_limit));
  asio::io_context io{1};
  Protocol::socket socket(io);
  socket.assign(Protocol(), fd.release());
  Stream stream(std::move(socket));
  stream.expires_after(time_limit);

  auto message = to_http(request);
  beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(kMaxAnswerBytes);
  boost::system::error_code result;
  // A server that refuses a request answers before it has read all of it, so the answer is read
  // even if sending failed.
  http::async_write(stream, message, [&](boost::system::error_code, size_t) {
    http::async_read(stream, buffer, parser,
                     [&](boost::system::error_code error, size_t) { result = error; });
  });
  io.run();
  if (result) return transport_error(result, socket_path, time_limit);
  return Response{static_cast<int>(parser.get().result_int()), std::move(parser.get().body()), {}};
}

}  // namespace tierhub::api
