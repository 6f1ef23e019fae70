#include "http/relay.h"

#include <array>
#include <memory>
#include <set>
#include <string_view>

#include <fmt/format.h>

#include "common/log_bounded.h"

namespace tierhub::http {
namespace {

constexpr size_t kPieceBytes = 256 << 10;
constexpr size_t kMaxIdle = 16;  // for each server

// Those of one connection: they are not passed on.
// https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1
bool is_of_one_connection(std::string_view name) {
  static const std::set<std::string_view> names = {"connection",
                                                   "keep-alive",
                                                   "proxy-connection",
                                                   "te",
                                                   "trailer",
                                                   "upgrade",
                                                   "server",
                                                   "content-length",
                                                   "expect",
                                                   "transfer-encoding",
                                                   "proxy-authenticate",
                                                   "proxy-authorization"};
  return names.contains(name);
}

wire::request<wire::string_body> to_wire(const Request& request) {
  wire::request<wire::string_body> out;
  out.method_string(request.method);
  out.target(request.target);
  out.version(11);
  for (const auto& [name, value] : request.headers)
    if (!is_of_one_connection(name)) out.insert(name, value);
  if (request.header("host").empty()) out.set(wire::field::host, "localhost");
  out.keep_alive(true);
  out.body() = request.body;
  out.prepare_payload();
  return out;
}

// The head of a response that arrives, without its body.
Response to_response(const wire::response<wire::buffer_body>& head) {
  Response response;
  response.status = static_cast<int>(head.result_int());
  response.content_type.clear();
  for (auto& [name, value] : headers_of(head)) {
    if (name == "content-type") {
      response.content_type = std::move(value);
    } else if (!is_of_one_connection(name)) {
      response.headers.emplace_back(std::move(name), std::move(value));
    }
  }
  return response;
}

bool may_be_repeated(const Request& request) {
  return request.method == "GET" || request.method == "HEAD";
}

Error gone(const std::string& why) {
  return Error(std::errc::connection_reset,
               "the server behind this one did not answer (" + why + "): try again");
}

}  // namespace

struct Relayer::Upstream {
  explicit Upstream(asio::io_context& io) : stream(io), piece(kPieceBytes) {}
  Stream stream;
  beast::flat_buffer buffer;
  std::vector<char> piece;  // of a body that is passed on
  bool used = false;
  // As Relay::generation, while the connection rests.
  bool has_generation = false;
  std::weak_ptr<const void> generation;
};

Relayer::Relayer(asio::io_context& io) : io_(io) {}
Relayer::~Relayer() = default;

struct Relayer::Limits {
  std::chrono::milliseconds upstream;
  std::chrono::milliseconds caller;
};

// The length was promised: after an error the connection is closed, so that the caller notices.
awaitable<bool> Relayer::pass_on(Upstream& from, Stream& to, uint64_t left, const Limits& limits) {
  boost::system::error_code error;
  const size_t begun = std::min<uint64_t>(left, from.buffer.size());  // came with the head
  to.expires_after(limits.caller);
  co_await asio::async_write(to, asio::buffer(from.buffer.data().data(), begun), capture(error));
  from.buffer.consume(begun);
  left -= begun;
  while (!error && left > 0) {
    const auto piece = asio::buffer(from.piece.data(), std::min<uint64_t>(left, kPieceBytes));
    from.stream.expires_after(limits.upstream);
    co_await asio::async_read(from.stream, piece, capture(error));
    if (error) {
      log::bounded(log::Level::warning, "a response could not be passed on to its end",
                   {{"error", error.message()}});
      co_return false;
    }
    to.expires_after(limits.caller);
    co_await asio::async_write(to, piece, capture(error));
    left -= piece.size();
  }
  co_return !error;
}

awaitable<bool> Relayer::pass_on_chunks(Upstream& from, Parser& parser, Stream& to, Message& out,
                                        Serializer& serializer, const Limits& limits) {
  boost::system::error_code error;
  while (!(parser.is_done() && serializer.is_done())) {
    out.body().data = nullptr;
    out.body().size = 0;
    if (!parser.is_done()) {
      parser.get().body().data = from.piece.data();
      parser.get().body().size = from.piece.size();
      from.stream.expires_after(limits.upstream);
      co_await wire::async_read_some(from.stream, from.buffer, parser, capture(error));
      if (error && error != wire::error::need_buffer) {
        log::bounded(log::Level::warning, "a response could not be passed on to its end",
                     {{"error", error.message()}});
        co_return false;
      }
      out.body().data = from.piece.data();
      out.body().size = from.piece.size() - parser.get().body().size;
      if (out.body().size == 0 && !parser.is_done()) continue;
    }
    out.body().more = !parser.is_done();
    to.expires_after(limits.caller);
    co_await wire::async_write(to, serializer, capture(error));
    if (error && error != wire::error::need_buffer) co_return false;
  }
  co_return true;
}

awaitable<Relayer::Connection> Relayer::connect(const Relay& relay, bool fresh) {
  auto& idle = idle_[relay.socket_path];
  // The server has been replaced, perhaps, and the one before it may still answer.
  std::erase_if(idle, [&](const Connection& one) {
    return fresh || one->generation.lock() != relay.generation;
  });
  if (!idle.empty()) {
    Connection connection = std::move(idle.back());
    idle.pop_back();
    co_return connection;
  }
  co_return co_await connect_anew(relay.socket_path);
}

awaitable<Relayer::Connection> Relayer::connect_anew(const std::string& socket_path) {
  auto connection = std::make_unique<Upstream>(io_);
  boost::system::error_code error;
  connection->stream.expires_after(std::chrono::seconds(10));
  const asio::local::stream_protocol::endpoint endpoint(socket_path);
  co_await connection->stream.async_connect(Protocol::endpoint(endpoint), capture(error));
  if (error) co_return nullptr;
  co_return connection;
}

void Relayer::keep(const Relay& relay, Connection connection) {
  close_stale();
  auto& idle = idle_[relay.socket_path];
  if (idle.size() >= kMaxIdle) return;
  connection->used = true;
  connection->has_generation = relay.generation != nullptr;
  connection->generation = relay.generation;
  connection->stream.expires_never();
  idle.push_back(std::move(connection));
}

void Relayer::close_stale() {
  constexpr std::chrono::seconds kEvery{5};
  const auto now = std::chrono::steady_clock::now();
  if (now < next_close_) return;
  next_close_ = now + kEvery;
  for (auto& [path, idle] : idle_) {
    std::erase_if(idle, [](const Connection& one) {
      return one->has_generation && one->generation.expired();
    });
  }
  std::erase_if(idle_, [](const auto& one) { return one.second.empty(); });
}

struct Relayer::Tunnel {
  int directions = 0;  // that bytes are passed on in
  bool is_over = false;
};

awaitable<void> Relayer::pass_bytes(std::shared_ptr<Tunnel> tunnel, Stream& from, Stream& to) {
  constexpr size_t kBytes = 16 << 10;
  constexpr std::chrono::seconds kSlowest{10};
  std::vector<char> bytes(kBytes);
  boost::system::error_code error;
  while (!error && !tunnel->is_over) {
    // A page may say nothing for hours; one that takes nothing is dropped.
    from.expires_never();
    const size_t n = co_await from.async_read_some(asio::buffer(bytes), capture(error));
    if (error) break;
    to.expires_after(kSlowest);
    co_await asio::async_write(to, asio::buffer(bytes.data(), n), capture(error));
  }
  tunnel->is_over = true;
  --tunnel->directions;
}

awaitable<Relayer::Outcome> Relayer::open_tunnel(Stream& caller, const Relay& relay, Way way) {
  constexpr unsigned kSwitching = 101;
  constexpr std::chrono::milliseconds kLookEvery{500}, kSoon{5};
  Connection connection = co_await connect_anew(relay.socket_path);
  if (!connection) co_return Outcome{way.keep_alive, gone("it is not running")};
  Stream& upstream = connection->stream;
  auto request = to_wire(relay.request);
  request.set(wire::field::connection, "Upgrade");
  request.set(wire::field::upgrade, "websocket");
  boost::system::error_code error;
  Parser parser;
  parser.header_limit(kMaxHeadBytes);
  upstream.expires_after(relay.time_limit);
  co_await wire::async_write(upstream, request, capture(error));
  co_await wire::async_read_header(upstream, connection->buffer, parser, capture(error));
  if (error) co_return Outcome{way.keep_alive, gone(error.message())};
  const std::string accepted(parser.get()[wire::field::sec_websocket_accept]);
  const bool is_plain = !accepted.empty() && accepted.size() < 64 &&
                        accepted.find_first_not_of(
                            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                            "0123456789+/=") == std::string::npos;
  if (parser.get().result_int() != kSwitching || !is_plain)
    co_return Outcome{way.keep_alive, gone("it opens no WebSocket here")};
  std::string head =
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Accept: " +
      accepted + "\r\n\r\n";
  const auto rest = connection->buffer.data();  // frames that came with the head
  head.append(static_cast<const char*>(rest.data()), rest.size());
  caller.expires_after(relay.time_limit);
  co_await asio::async_write(caller, asio::buffer(head), capture(error));
  if (error) co_return Outcome{};

  const auto tunnel = std::make_shared<Tunnel>();
  tunnel->directions = 2;
  asio::co_spawn(io_, pass_bytes(tunnel, upstream, caller), asio::detached);
  asio::co_spawn(io_, pass_bytes(tunnel, caller, upstream), asio::detached);
  asio::steady_timer pause(io_);
  while (!tunnel->is_over) {
    pause.expires_after(kLookEvery);
    co_await pause.async_wait(capture(error));
    tunnel->is_over = tunnel->is_over || relay.is_over();
  }
  // Both streams are of this coroutine and its caller: those that use them must have ended.
  caller.socket().close(error);
  upstream.socket().close(error);
  while (tunnel->directions > 0) {
    pause.expires_after(kSoon);
    co_await pause.async_wait(capture(error));
  }
  co_return Outcome{};
}

awaitable<Relayer::Outcome> Relayer::relay(Stream& caller, const Relay& relay,
                                           const std::string& server, Way way,
                                           std::chrono::milliseconds piece_limit) {
  if (relay.is_over) co_return co_await open_tunnel(caller, relay, way);
  auto request = to_wire(relay.request);
  const bool repeatable = may_be_repeated(relay.request);
  const Limits limits{relay.time_limit, piece_limit};
  boost::system::error_code error;
  // A connection that rested may have been closed meanwhile: then a new one is tried.
  for (bool fresh = !repeatable;; fresh = true) {
    Connection connection = co_await connect(relay, fresh);
    if (!connection) co_return Outcome{way.keep_alive, gone("it is not running")};
    Stream& upstream = connection->stream;
    Parser parser;
    parser.header_limit(kMaxHeadBytes);
    parser.body_limit(UINT64_MAX);
    parser.skip(way.head_only);
    upstream.expires_after(relay.time_limit);
    co_await wire::async_write(upstream, request, capture(error));
    // Who refuses a request may answer before all of it was sent.
    co_await wire::async_read_header(upstream, connection->buffer, parser, capture(error));
    if (error && connection->used && repeatable && error != beast::error::timeout) continue;
    if (error) co_return Outcome{way.keep_alive, gone(error.message())};

    Response head = to_response(parser.get());
    const Result<void> accepted = relay.accept ? relay.accept(head) : Result<void>();
    if (!accepted) co_return Outcome{way.keep_alive, accepted.error()};

    auto out = head_of<wire::buffer_body>(head, server, way);
    const auto length = parser.content_length();
    const bool chunked = !length && way.version >= 11 && !parser.is_done();
    if (length)
      out.content_length(*length);
    else if (chunked)
      out.chunked(true);
    else if (parser.is_done())
      out.content_length(0);
    else
      out.keep_alive(false);
    if (head.status == 304 || head.status == 204) out.erase(wire::field::content_length);
    out.body().data = nullptr;
    out.body().more = true;
    Serializer serializer(out);
    caller.expires_after(piece_limit);
    co_await wire::async_write_header(caller, serializer, capture(error));
    if (error) co_return Outcome{};
    bool complete = way.head_only || parser.is_done();
    if (!complete && length) {
      complete = co_await pass_on(*connection, caller, *length, limits);
    } else if (!complete) {
      complete = co_await pass_on_chunks(*connection, parser, caller, out, serializer, limits);
    }
    if (!complete) co_return Outcome{};
    const bool again = parser.get().keep_alive();
    if (again) keep(relay, std::move(connection));
    co_return Outcome{out.keep_alive()};
  }
}

}  // namespace tierhub::http
