#include "http/server.h"

#include <algorithm>
#include <cerrno>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/socket.h>

#include <boost/beast/websocket.hpp>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "common/log_bounded.h"
#include "common/posix.h"
#include "http/beast.h"
#include "http/body_budget.h"
#include "http/relay.h"
#include "http/tcp_socket.h"
#include "http/unix_socket.h"

namespace tierhub::http {
namespace {

using Parser = wire::request_parser<wire::string_body>;

// The head, and what is read ahead of the body.
constexpr size_t kMaxBufferBytes = 2 * kMaxHeadBytes;

// Whose connections and bytes it counts as.
uint64_t party_of(const Peer& peer) {
  if (peer.credentials) return peer.credentials->uid;
  return std::hash<std::string>()(peer.address) | uint64_t{1} << 32;
}

Error busy(std::string_view what) {
  return Error(std::errc::resource_unavailable_try_again, std::string(what));
}

// Why a request's head could not be read, if the caller can still be told.
struct HeadRefusal {
  Error error;
  std::optional<int> status;  // another one than that of the error
};
std::optional<HeadRefusal> head_refusal(const boost::system::error_code& error) {
  constexpr int kFieldsTooLarge = 431;
  if (error == wire::error::header_limit) {
    return HeadRefusal{
        Error(std::errc::message_size, "the head of the request is larger than 65536 bytes"),
        kFieldsTooLarge};
  }
  if (error.category() == wire::make_error_code(wire::error::bad_target).category() &&
      error != wire::error::end_of_stream && error != wire::error::partial_message) {
    return HeadRefusal{Error(std::errc::invalid_argument, "this is not HTTP: " + error.message()),
                       std::nullopt};
  }
  return std::nullopt;
}

// Shared by the connections; used by the io thread only.
struct Usage {
  size_t connections = 0;
  size_t of_proxies = 0;
  std::map<uint64_t, size_t> per_party;
};

class ConnectionSlot {
 public:
  ConnectionSlot(Usage& usage, const Peer& peer, const Server::Options& options)
      : usage_(usage), party_(party_of(peer)), is_proxy_(is_one(options.proxies, peer)) {
    ++usage_.connections;
    usage_.of_proxies += is_proxy_ ? 1 : 0;
    ++usage_.per_party[party_];
  }
  ConnectionSlot(const ConnectionSlot&) = delete;
  ConnectionSlot& operator=(const ConnectionSlot&) = delete;
  ~ConnectionSlot() {
    --usage_.connections;
    usage_.of_proxies -= is_proxy_ ? 1 : 0;
    if (--usage_.per_party[party_] == 0) usage_.per_party.erase(party_);
  }
  bool within(const Server::Options& options) const {
    if (usage_.connections > options.max_connections) return false;
    if (party_ == 0) return true;
    const size_t others = usage_.connections - usage_.of_proxies;
    if (!options.proxies.empty() && !is_proxy_ && others > options.max_connections / 4)
      return false;
    const size_t roots = usage_.per_party.contains(0) ? usage_.per_party.at(0) : 0;
    const size_t kept = std::min(options.root_connections, options.max_connections / 4);
    return usage_.connections - roots <= options.max_connections - kept &&
           (is_proxy_ || usage_.per_party[party_] <= options.max_connections_per_user);
  }

 private:
  static bool is_one(const std::set<std::string>& proxies, const Peer& peer) {
    return proxies.contains(peer.credentials ? "unix" : peer.address);
  }

  Usage& usage_;
  const uint64_t party_;
  const bool is_proxy_;
};

// The bytes of one request's body, charged as they arrive and until it is answered.
class BodyCharge {
 public:
  BodyCharge(BodyBudget& budget, uint64_t party) : budget_(budget), party_(party) {}
  BodyCharge(const BodyCharge&) = delete;
  BodyCharge& operator=(const BodyCharge&) = delete;
  ~BodyCharge() { budget_.release(party_, bytes_); }

  // So much has arrived by now. False: it is too much.
  bool grow_to(uint64_t bytes) {
    if (bytes <= bytes_) return true;
    if (!budget_.charge(party_, bytes - bytes_)) return false;
    bytes_ = bytes;
    return true;
  }

 private:
  BodyBudget& budget_;
  uint64_t party_;
  uint64_t bytes_ = 0;
};

}  // namespace

class Server::Impl {
 public:
  Impl(Handler& handler, const Options& options)
      : handler_(handler),
        options_(options),
        budget_({options.max_body_bytes_at_once, options.max_body_bytes_of_user,
                 options.max_body_bytes_of_root}),
        pool_(options.pool_threads) {}

  ~Impl() { stop(); }

  Result<void> listen_unix(const std::string& path, mode_t mode) {
    TRY_ASSIGN(UnixListener listener, UnixListener::open(path, mode));
    unix_listeners_.push_back(std::move(listener));
    return {};
  }

  Result<uint16_t> listen_tcp(const std::string& address, uint16_t port) {
    TRY_ASSIGN(TcpListener listener, http::listen_tcp(address, port));
    adopt_tcp(std::move(listener.fd));
    return listener.port;
  }

  void adopt_tcp(UniqueFd listener) { tcp_listeners_.push_back(std::move(listener)); }
  void adopt_unix(UniqueFd listener) { adopted_.push_back(std::move(listener)); }

  void start() {
    for (const UnixListener& listener : unix_listeners_)
      asio::co_spawn(io_, accept_all(listener.fd(), &Impl::peer_of_unix), asio::detached);
    for (const UniqueFd& listener : adopted_)
      asio::co_spawn(io_, accept_all(listener.get(), &Impl::peer_of_unix), asio::detached);
    for (const UniqueFd& listener : tcp_listeners_)
      asio::co_spawn(io_, accept_all(listener.get(), &Impl::peer_of_tcp), asio::detached);
    thread_ = std::jthread([this] { run(); });
  }

  // The coroutines that are left end with io_, which is destroyed after pool_.
  void stop() {
    io_.stop();
    if (thread_.joinable()) thread_.join();
    pool_.stop();
    pool_.join();
    unix_listeners_.clear();
    adopted_.clear();
    tcp_listeners_.clear();
  }

 private:
  using PeerOf = Result<Peer> (*)(int fd);

  static Result<Peer> peer_of_unix(int fd) {
    TRY_ASSIGN(Credentials credentials, peer_of(fd));
    return Peer{std::move(credentials), {}};
  }
  static Result<Peer> peer_of_tcp(int fd) {
    TRY_ASSIGN(std::string address, address_of_peer(fd));
    // A head and its body are written one after the other: without this the kernel keeps the end of
    // the body back until the caller has acknowledged the head, which takes it up to 40 ms.
    constexpr int kYes = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &kYes, sizeof kYes);
    return Peer{std::nullopt, std::move(address)};
  }

  void run() {
    while (!io_.stopped()) {
      try {
        io_.run();
      } catch (const std::exception& exception) {
        log::bounded(log::Level::error, "control plane: a connection failed",
                     {{"exception", exception.what()}});
      }
    }
  }

  awaitable<void> accept_all(int listener, PeerOf peer_of) {
    asio::steady_timer pause(io_);
    asio::posix::stream_descriptor waiting(io_, ::fcntl(listener, F_DUPFD_CLOEXEC, 0));
    while (true) {
      boost::system::error_code error;
      UniqueFd fd(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (!fd && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)) {
        co_await waiting.async_wait(asio::posix::stream_descriptor::wait_read, capture(error));
        continue;
      }
      if (!fd) {
        log::bounded(log::Level::warning, "control plane: no more connections for now",
                     {{"error", std::error_code(errno, std::generic_category()).message()}});
        pause.expires_after(std::chrono::milliseconds(100));
        co_await pause.async_wait(capture(error));
        continue;
      }
      auto peer = peer_of(fd.get());
      if (!peer) {
        log::bounded(log::Level::warning, "control plane: a caller could not be identified",
                     {{"error", peer.error().text()}});
        continue;
      }
      const int family = peer->credentials ? AF_UNIX : AF_INET;
      Protocol::socket socket(io_);
      socket.assign(Protocol(family, SOCK_STREAM), fd.release(), error);
      if (!error) asio::co_spawn(io_, serve(std::move(socket), *std::move(peer)), asio::detached);
    }
  }

  awaitable<void> serve(Protocol::socket socket, Peer peer) {
    ConnectionSlot slot(usage_, peer, options_);
    Stream stream(std::move(socket));
    if (!slot.within(options_)) {
      const Response response = handler_.refusal(
          busy("too many connections to " + options_.name + ": close some, or try again"));
      co_await write(stream, response, {11, false, false});
      co_return;
    }
    beast::flat_buffer buffer(kMaxBufferBytes);
    bool more = true;
    while (more) more = co_await serve_one(stream, buffer, peer);
  }

  // Answers one request. True if the connection stays open for another.
  awaitable<bool> serve_one(Stream& stream, beast::flat_buffer& buffer, const Peer& peer) {
    Parser parser;
    parser.header_limit(kMaxHeadBytes);
    parser.body_limit(UINT64_MAX);  // the length is checked here, before the body is read
    boost::system::error_code error;
    bool begun = co_await wait_for_request(stream, buffer);
    if (!begun) co_return false;
    stream.expires_after(std::min(options_.stall_limit, options_.idle_limit));
    co_await wire::async_read_header(stream, buffer, parser, capture(error));
    if (error) {
      const auto refused = head_refusal(error);
      if (refused) {
        Response response = handler_.refusal(refused->error);
        if (refused->status) response.status = *refused->status;
        co_await write(stream, response, {11, false, false});
      }
      co_return false;
    }
    Way way{parser.get().version(), parser.get().keep_alive(),
            parser.get().method() == wire::verb::head};
    auto refused = check_head(parser);
    if (refused) {
      const bool body_follows =
          !has_clear_end(parser) || !is_clear(parser) || body_bytes(parser) > 0;
      way.keep_alive = way.keep_alive && !body_follows;
      const bool sent = co_await write(stream, *refused, way);
      co_return sent&& way.keep_alive;
    }
    BodyCharge charge(budget_, party_of(peer));
    const Body body = co_await read_body(stream, buffer, parser, charge);
    if (body == Body::too_much) {
      const Response response = handler_.refusal(
          busy("you are sending " + options_.name + " too many large requests at once: try again"));
      way.keep_alive = false;
      co_await write(stream, response, way);
    }
    if (body != Body::complete) co_return false;
    const Response response = co_await call_handler(peer, parser);
    if (const auto* frames = std::get_if<TextFrames>(&response.body)) {
      co_await send_frames(stream, parser.get(), *frames);
      co_return false;
    }
    const bool written = co_await write(stream, response, way);
    co_return written&& way.keep_alive;
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

  // Where a request ends, and whom it is for, must be the same for everyone that it passes: what another
  // server takes for the rest of one would be the next request here.
  static bool has_clear_end(const Parser& parser) {
    return parser.get().count(wire::field::transfer_encoding) == 0;
  }
  static bool is_clear(const Parser& parser) {
    return parser.get().count(wire::field::host) <= 1 &&
           parser.get().count(wire::field::origin) <= 1 &&
           parser.get().count(wire::field::content_length) <= 1;
  }

  std::optional<Response> check_head(const Parser& parser) const {
    constexpr int kLengthRequired = 411;
    if (!is_clear(parser)) {
      return handler_.refusal(Error(std::errc::invalid_argument,
                                    "the request has a header twice that it may have once"));
    }
    if (!has_clear_end(parser)) {
      Response response =
          handler_.refusal(Error(std::errc::invalid_argument,
                                 "a body needs a Content-Length: chunked bodies are refused"));
      response.status = kLengthRequired;
      return response;
    }
    Request head{
        std::string(parser.get().method_string()), std::string(parser.get().target()), {}, {}};
    if (body_bytes(parser) > 0) head.headers = headers_of(parser.get());
    return handler_.refuse(head, body_bytes(parser));
  }

  enum class Body { complete, gone, too_much };
  awaitable<Body> read_body(Stream& stream, beast::flat_buffer& buffer, Parser& parser,
                            BodyCharge& charge) {
    boost::system::error_code error;
    const auto deadline = std::chrono::steady_clock::now() + options_.transfer_limit;
    stream.expires_at(deadline);
    if (beast::iequals(parser.get()[wire::field::expect], "100-continue")) {
      constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
      co_await asio::async_write(stream, asio::buffer(kContinue), capture(error));
      if (error) co_return Body::gone;
    }
    parser.eager(true);
    while (!parser.is_done()) {
      stream.expires_at(
          std::min(deadline, std::chrono::steady_clock::now() + options_.stall_limit));
      co_await wire::async_read_some(stream, buffer, parser, capture(error));
      if (error) co_return Body::gone;
      if (!charge.grow_to(parser.get().body().size())) co_return Body::too_much;
    }
    co_return Body::complete;
  }

  awaitable<Response> call_handler(const Peer& peer, Parser& parser) {
    const Request request{std::string(parser.get().method_string()),
                          std::string(parser.get().target()), std::move(parser.get().body()),
                          headers_of(parser.get())};
    co_return co_await on_pool<Response>([&] { return handler_.handle(peer, request); });
  }

  template <class T>
  awaitable<T> on_pool(std::function<T()> work) {
    const auto act = [](std::function<T()> call) -> awaitable<T> { co_return call(); };
    co_return co_await asio::co_spawn(pool_, act(std::move(work)), use_awaitable);
  }

  // False: the connection cannot be used any more.
  awaitable<bool> write(Stream& stream, const Response& response, Way way) {
    bool written = false;
    if (const auto* text = std::get_if<std::string>(&response.body)) {
      written = co_await write_text(stream, response, *text, way);
    } else if (const auto* file = std::get_if<FileBody>(&response.body)) {
      written = co_await write_file(stream, response, *file, way);
    } else if (const auto* next = std::get_if<StreamBody>(&response.body)) {
      written = co_await write_stream(stream, response, *next, way);
    } else {
      written = co_await write_relayed(stream, std::get<Relay>(response.body), way);
    }
    stream.expires_never();
    co_return written;
  }

  awaitable<bool> write_text(Stream& stream, const Response& response, const std::string& text,
                             Way way) {
    auto message = head_of<wire::span_body<const char>>(response, server_, way);
    message.content_length(text.size());
    if (!way.head_only) message.body() = {text.data(), text.size()};
    boost::system::error_code error;
    stream.expires_after(options_.transfer_limit);
    co_await wire::async_write(stream, message, capture(error));
    co_return !error;
  }

  template <class Message>
  awaitable<bool> write_head(Stream& stream, Message& message) {
    wire::response_serializer<wire::empty_body> serializer(message);
    boost::system::error_code error;
    stream.expires_after(options_.transfer_limit);
    co_await wire::async_write_header(stream, serializer, capture(error));
    co_return !error;
  }

  template <class Buffers>
  awaitable<bool> write_piece(Stream& stream, const Buffers& buffers) {
    boost::system::error_code error;
    stream.expires_after(options_.transfer_limit);
    co_await asio::async_write(stream, buffers, capture(error));
    co_return !error;
  }

  awaitable<bool> write_file(Stream& stream, const Response& response, const FileBody& file,
                             Way way) {
    constexpr uint64_t kPieceBytes = 256 << 10;
    auto message = head_of<wire::empty_body>(response, server_, way);
    message.content_length(file.size_bytes);
    if (!co_await write_head(stream, message)) co_return false;
    if (way.head_only) co_return true;
    for (uint64_t sent = 0; sent < file.size_bytes;) {
      const uint64_t wanted = std::min(kPieceBytes, file.size_bytes - sent);
      const auto piece = co_await on_pool<Result<std::string>>([&]() -> Result<std::string> {
        std::string bytes(wanted, '\0');
        TRY_ASSIGN(const size_t n,
                   posix::read_at(file.file->get(), std::as_writable_bytes(std::span(bytes)),
                                  file.offset_bytes + sent));
        bytes.resize(n);
        return bytes;
      });
      // The length was promised: a file that has become shorter, or cannot be read, ends it.
      if (!piece || piece->empty()) {
        log::bounded(log::Level::warning, "a response could not be sent to its end",
                     {{"error", piece ? "the file is shorter now" : piece.error().text()}});
        co_return false;
      }
      if (!co_await write_piece(stream, asio::buffer(*piece))) co_return false;
      sent += piece->size();
    }
    co_return true;
  }

  awaitable<bool> write_stream(Stream& stream, const Response& response, const StreamBody& next,
                               Way way) {
    constexpr unsigned kFirstWithChunks = 11;
    const bool chunked = way.version >= kFirstWithChunks;
    auto message = head_of<wire::empty_body>(
        response, server_, {way.version, way.keep_alive && chunked, way.head_only});
    if (chunked) message.chunked(true);
    if (!co_await write_head(stream, message)) co_return false;
    if (way.head_only) co_return true;
    while (true) {
      const auto piece = co_await on_pool<Result<std::string>>([&] { return next(); });
      if (!piece) {
        log::bounded(log::Level::warning, "a response could not be sent to its end",
                     {{"error", piece.error().text()}});
        co_return false;
      }
      if (piece->empty()) break;
      const auto bytes = asio::buffer(*piece);
      const bool sent = chunked ? co_await write_piece(stream, wire::make_chunk(bytes))
                                : co_await write_piece(stream, bytes);
      if (!sent) co_return false;
    }
    if (!chunked) co_return false;  // its end is the end of the connection
    co_return co_await write_piece(stream, wire::make_chunk_last());
  }

  // Of one WebSocket, whose two coroutines share it.
  struct Frames {
    explicit Frames(Stream& stream) : socket(stream) {}
    beast::websocket::stream<Stream&> socket;
    bool is_closed = false;  // nothing can be sent any more
    bool is_reading = true;  // the reading coroutine has not ended
    uint64_t sent = 0;       // for the limit of a frame
  };

  awaitable<void> send_frames(Stream& stream, const wire::request<wire::string_body>& request,
                              const TextFrames& source) {
    constexpr std::chrono::milliseconds kLookEvery{200};
    constexpr std::chrono::seconds kPingTwiceIn{40};
    constexpr size_t kMostRead = 4'096;
    stream.expires_never();
    const auto frames = std::make_shared<Frames>(stream);
    frames->socket.set_option(
        beast::websocket::stream_base::timeout{options_.stall_limit, kPingTwiceIn, true});
    frames->socket.read_message_max(kMostRead);
    boost::system::error_code error;
    co_await frames->socket.async_accept(request, capture(error));
    if (error) co_return;
    frames->socket.text(true);
    asio::co_spawn(io_, read_frames(frames), asio::detached);
    asio::steady_timer pause(io_);
    while (!frames->is_closed) {
      const auto next = source.next();
      if (!next) break;
      if (!*next) {
        pause.expires_after(kLookEvery);
        co_await pause.async_wait(capture(error));
        continue;
      }
      // Whoever does not take it is dropped.
      asio::steady_timer limit(io_);
      limit.expires_after(options_.stall_limit);
      limit.async_wait([frames, number = ++frames->sent](const boost::system::error_code& failure) {
        if (failure || frames->is_closed || frames->sent != number) return;
        frames->is_closed = true;
        boost::system::error_code ignored;
        beast::get_lowest_layer(frames->socket).socket().close(ignored);
      });
      co_await frames->socket.async_write(asio::buffer(**next), capture(error));
      ++frames->sent;
      if (error) break;
    }
    // The stream is the caller's of this coroutine: the other one must have ended.
    frames->is_closed = true;
    stream.socket().close(error);
    while (frames->is_reading) {
      constexpr std::chrono::milliseconds kSoon{5};
      pause.expires_after(kSoon);
      co_await pause.async_wait(capture(error));
    }
  }

  awaitable<void> read_frames(std::shared_ptr<Frames> frames) {
    beast::flat_buffer buffer;
    boost::system::error_code error;
    while (!error) {
      co_await frames->socket.async_read(buffer, capture(error));
      buffer.clear();
    }
    frames->is_closed = true;
    frames->is_reading = false;
  }

  // A response that cannot be had is refused as any other is.
  awaitable<bool> write_relayed(Stream& stream, const Relay& relay, Way way) {
    constexpr int kBadGateway = 502;
    const auto outcome =
        co_await relayer_.relay(stream, relay, server_, way, options_.transfer_limit);
    if (!outcome.refused) co_return outcome.keep_alive;
    Response refusal = handler_.refusal(*outcome.refused);
    refusal.status = kBadGateway;
    const bool written = co_await write(stream, refusal, way);
    co_return written&& way.keep_alive;
  }

  Handler& handler_;
  const Options options_;
  const std::string server_ = options_.name + "/" TIERHUB_VERSION;
  std::vector<UnixListener> unix_listeners_;
  std::vector<UniqueFd> adopted_;
  std::vector<UniqueFd> tcp_listeners_;
  Usage usage_;
  BodyBudget budget_;
  asio::io_context io_{1};
  Relayer relayer_{io_};
  asio::thread_pool pool_;
  std::jthread thread_;
};

Server::Server(Handler& handler, const Options& options)
    : impl_(std::make_unique<Impl>(handler, options)) {}
Server::~Server() = default;

Result<void> Server::listen_unix(const std::string& path, mode_t mode) {
  return impl_->listen_unix(path, mode);
}
Result<uint16_t> Server::listen_tcp(const std::string& address, uint16_t port) {
  return impl_->listen_tcp(address, port);
}
void Server::adopt_tcp(UniqueFd listener) { impl_->adopt_tcp(std::move(listener)); }
void Server::adopt_unix(UniqueFd listener) { impl_->adopt_unix(std::move(listener)); }
void Server::start() { impl_->start(); }
void Server::stop() { impl_->stop(); }

}  // namespace tierhub::http
