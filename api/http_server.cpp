#include "api/http_server.h"

#include <algorithm>
#include <map>
#include <optional>
#include <thread>
#include <utility>

#include <fcntl.h>

#include <boost/asio.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>

#include "api/body_budget.h"
#include "api/routes.h"
#include "api/unix_socket.h"
#include "common/log.h"

namespace tierhub::api {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::awaitable;
using asio::use_awaitable;
using Protocol = asio::local::stream_protocol;
using Stream = beast::basic_stream<Protocol>;
using Parser = http::request_parser<http::string_body>;

constexpr uint32_t kMaxHeadBytes = 64 << 10;
// The head, and what is read ahead of the body.
constexpr size_t kMaxBufferBytes = 2 * kMaxHeadBytes;

auto capture(boost::system::error_code& error) {
  return asio::redirect_error(use_awaitable, error);
}

http::response<http::string_body> to_http(const Response& response, unsigned version) {
  http::response<http::string_body> out;
  out.version(version);
  out.result(static_cast<unsigned>(response.status));
  out.set(http::field::server, "tierd/" TIERHUB_VERSION);
  out.set(http::field::content_type, "application/json");
  if (!response.allow.empty()) out.set(http::field::allow, response.allow);
  out.body() = response.body + "\n";
  return out;
}

Response busy(std::string_view what) {
  return refusal(Error(std::errc::resource_unavailable_try_again, std::string(what)));
}

// Why a request's head could not be read, if the caller can still be told.
std::optional<Response> head_refusal(const boost::system::error_code& error) {
  if (error == http::error::header_limit) {
    Response response = refusal(
        Error(std::errc::message_size, "the head of the request is larger than 65536 bytes"));
    response.status = 431;
    return response;
  }
  if (error.category() == http::make_error_code(http::error::bad_target).category() &&
      error != http::error::end_of_stream && error != http::error::partial_message) {
    return refusal(Error(std::errc::invalid_argument, "this is not HTTP: " + error.message()));
  }
  return std::nullopt;
}

// Shared by the connections; used by the io thread only.
struct Usage {
  size_t connections = 0;
  std::map<uint32_t, size_t> per_user;
};

class ConnectionSlot {
 public:
  ConnectionSlot(Usage& usage, uint32_t uid) : usage_(usage), uid_(uid) {
    ++usage_.connections;
    ++usage_.per_user[uid_];
  }
  ConnectionSlot(const ConnectionSlot&) = delete;
  ConnectionSlot& operator=(const ConnectionSlot&) = delete;
  ~ConnectionSlot() {
    --usage_.connections;
    if (--usage_.per_user[uid_] == 0) usage_.per_user.erase(uid_);
  }
  bool within(const HttpServer::Options& options) const {
    if (usage_.connections > options.max_connections) return false;
    if (uid_ == 0) return true;
    const size_t roots = usage_.per_user.contains(0) ? usage_.per_user.at(0) : 0;
    const size_t kept = std::min(options.root_connections, options.max_connections / 4);
    return usage_.connections - roots <= options.max_connections - kept &&
           usage_.per_user[uid_] <= options.max_connections_per_user;
  }

 private:
  Usage& usage_;
  uint32_t uid_;
};

// The bytes of one request's body, charged as they arrive and until it is answered.
class BodyCharge {
 public:
  BodyCharge(BodyBudget& budget, uint32_t uid) : budget_(budget), uid_(uid) {}
  BodyCharge(const BodyCharge&) = delete;
  BodyCharge& operator=(const BodyCharge&) = delete;
  ~BodyCharge() { budget_.release(uid_, bytes_); }

  // So much has arrived by now. False: it is too much.
  bool grow_to(uint64_t bytes) {
    if (bytes <= bytes_) return true;
    if (!budget_.charge(uid_, bytes - bytes_)) return false;
    bytes_ = bytes;
    return true;
  }

 private:
  BodyBudget& budget_;
  uint32_t uid_;
  uint64_t bytes_ = 0;
};

}  // namespace

class HttpServer::Impl {
 public:
  Impl(UnixListener listener, Service& service, const Options& options)
      : listener_(std::move(listener)),
        service_(service),
        options_(options),
        budget_({options.max_body_bytes_at_once, options.max_body_bytes_of_user,
                 options.max_body_bytes_of_root}),
        acceptor_(io_),
        pool_(options.pool_threads) {}

  ~Impl() { stop(); }

  void start() {
    int fd = ::fcntl(listener_->fd(), F_DUPFD_CLOEXEC, 0);
    acceptor_.assign(Protocol(), fd);
    asio::co_spawn(io_, accept_all(), asio::detached);
    thread_ = std::jthread([this] { run(); });
  }

  // The coroutines that are left end with io_, which is destroyed after pool_.
  void stop() {
    io_.stop();
    if (thread_.joinable()) thread_.join();
    pool_.stop();
    pool_.join();
    listener_.reset();
  }

 private:
  void run() {
    while (!io_.stopped()) {
      try {
        io_.run();
      } catch (const std::exception& exception) {
        log::error("control plane: a connection failed", {{"exception", exception.what()}});
      }
    }
  }

  awaitable<void> accept_all() {
    asio::steady_timer pause(io_);
    while (true) {
      boost::system::error_code error;
      Protocol::socket socket = co_await acceptor_.async_accept(capture(error));
      if (error) {
        log::warning("control plane: no more connections for now", {{"error", error.message()}});
        pause.expires_after(std::chrono::milliseconds(100));
        co_await pause.async_wait(capture(error));
        continue;
      }
      auto caller = peer_of(socket.native_handle());
      if (caller) {
        asio::co_spawn(io_, serve(std::move(socket), *std::move(caller)), asio::detached);
      } else {
        log::warning("control plane: a caller could not be identified",
                     {{"error", caller.error().text()}});
      }
    }
  }

  awaitable<void> serve(Protocol::socket socket, Caller caller) {
    ConnectionSlot slot(usage_, caller.uid);
    Stream stream(std::move(socket));
    if (!slot.within(options_)) {
      Response response = busy("too many connections to tierd: close some, or try again");
      co_await write(stream, response, 11, false);
      co_return;
    }
    beast::flat_buffer buffer(kMaxBufferBytes);
    bool more = true;
    while (more) more = co_await serve_one(stream, buffer, caller);
  }

  // Answers one request. True if the connection stays open for another.
  awaitable<bool> serve_one(Stream& stream, beast::flat_buffer& buffer, const Caller& caller) {
    Parser parser;
    parser.header_limit(kMaxHeadBytes);
    parser.body_limit(UINT64_MAX);  // the length is checked here, before the body is read
    boost::system::error_code error;
    bool begun = co_await wait_for_request(stream, buffer);
    if (!begun) co_return false;
    stream.expires_after(std::min(options_.stall_limit, options_.idle_limit));
    co_await http::async_read_header(stream, buffer, parser, capture(error));
    if (error) {
      auto response = head_refusal(error);
      if (response) co_await write(stream, *response, 11, false);
      co_return false;
    }
    unsigned version = parser.get().version();
    auto refused = check_head(parser);
    if (refused) {
      bool body_follows = parser.chunked() || body_bytes(parser) > 0;
      bool open = parser.get().keep_alive() && !body_follows;
      bool sent = co_await write(stream, *refused, version, open);
      co_return sent&& open;
    }
    BodyCharge charge(budget_, caller.uid);
    const Body body = co_await read_body(stream, buffer, parser, charge);
    if (body == Body::too_much) {
      Response response = busy("you are sending tierd too many large requests at once: try again");
      co_await write(stream, response, version, false);
    }
    if (body != Body::complete) co_return false;
    bool keep_alive = parser.get().keep_alive();
    Response response = co_await call_service(caller, parser);
    bool written = co_await write(stream, response, version, keep_alive);
    co_return written&& keep_alive;
  }

  // False: none came.
  awaitable<bool> wait_for_request(Stream& stream, beast::flat_buffer& buffer) {
    constexpr size_t kFirstBytes = 4096;
    if (buffer.size() > 0) co_return true;
    boost::system::error_code error;
    stream.expires_after(options_.idle_limit);
    const size_t n = co_await stream.async_read_some(buffer.prepare(kFirstBytes), capture(error));
    buffer.commit(n);
    co_return !error;
  }

  static uint64_t body_bytes(const Parser& parser) { return parser.content_length().value_or(0); }

  std::optional<Response> check_head(const Parser& parser) const {
    if (parser.chunked()) {
      Response response =
          refusal(Error(std::errc::invalid_argument,
                        "a body needs a Content-Length: chunked bodies are refused"));
      response.status = 411;
      return response;
    }
    Request head{std::string(parser.get().method_string()), std::string(parser.get().target()), {}};
    return refuse_head(head, body_bytes(parser));
  }

  enum class Body { complete, gone, too_much };
  awaitable<Body> read_body(Stream& stream, beast::flat_buffer& buffer, Parser& parser,
                            BodyCharge& charge) {
    boost::system::error_code error;
    const auto deadline = std::chrono::steady_clock::now() + options_.transfer_limit;
    stream.expires_at(deadline);
    if (beast::iequals(parser.get()[http::field::expect], "100-continue")) {
      constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
      co_await asio::async_write(stream, asio::buffer(kContinue), capture(error));
      if (error) co_return Body::gone;
    }
    parser.eager(true);
    while (!parser.is_done()) {
      stream.expires_at(
          std::min(deadline, std::chrono::steady_clock::now() + options_.stall_limit));
      co_await http::async_read_some(stream, buffer, parser, capture(error));
      if (error) co_return Body::gone;
      if (!charge.grow_to(parser.get().body().size())) co_return Body::too_much;
    }
    co_return Body::complete;
  }

  awaitable<Response> call_service(const Caller& caller, Parser& parser) {
    Request request{std::string(parser.get().method_string()), std::string(parser.get().target()),
                    std::move(parser.get().body())};
    co_return co_await asio::co_spawn(pool_, call_on_pool(caller, request), use_awaitable);
  }

  awaitable<Response> call_on_pool(const Caller& caller, const Request& request) {
    co_return handle(service_, caller, request);
  }

  awaitable<bool> write(Stream& stream, const Response& response, unsigned version,
                        bool keep_alive) {
    auto message = to_http(response, version);
    message.keep_alive(keep_alive);
    message.prepare_payload();
    boost::system::error_code error;
    stream.expires_after(options_.transfer_limit);
    co_await http::async_write(stream, message, capture(error));
    stream.expires_never();
    co_return !error;
  }

  std::optional<UnixListener> listener_;
  Service& service_;
  const Options options_;
  Usage usage_;
  BodyBudget budget_;
  asio::io_context io_{1};
  Protocol::acceptor acceptor_;
  asio::thread_pool pool_;
  std::jthread thread_;
};

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpServer::~HttpServer() = default;

Result<std::unique_ptr<HttpServer>> HttpServer::open(const std::string& socket_path, mode_t mode,
                                                     Service& service, const Options& options) {
  TRY_ASSIGN(UnixListener listener, UnixListener::open(socket_path, mode));
  return std::unique_ptr<HttpServer>(
      new HttpServer(std::make_unique<Impl>(std::move(listener), service, options)));
}

void HttpServer::start() { impl_->start(); }
void HttpServer::stop() { impl_->stop(); }

}  // namespace tierhub::api
