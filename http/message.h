// Requests and responses, without a transport.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "common/result.h"
#include "common/unique_fd.h"

namespace tierhub::http {

using Headers = std::vector<std::pair<std::string, std::string>>;

struct Request {
  std::string method;  // "GET"
  std::string target;  // "/v1/ls?path=%2Fa"
  std::string body;
  Headers headers = {};

  // The value of a header by its name in lower case; empty if there is none.
  std::string_view header(std::string_view name) const;
};

// A part of an open file. It is read in pieces while it is sent, so it may be of any size.
struct FileBody {
  std::shared_ptr<const UniqueFd> file;
  uint64_t offset_bytes = 0;
  uint64_t size_bytes = 0;
};

// Gives the next piece of the body; an empty one ends it. Called on a thread of the pool, one call at
// a time; may block. After an error the connection is closed, so that the caller notices.
using StreamBody = std::function<Result<std::string>()>;

// Frames of text over a WebSocket, as they come: of a request that is the handshake of one (RFC 6455).
// What the caller sends is read, and means nothing. A caller that takes no frame for long, or does not
// answer pings, is closed.
struct TextFrames {
  // The next frame, if there is one; an error ends the connection. Called on the thread of all
  // connections, several times a second: must not block.
  std::function<Result<std::optional<std::string>>()> next;
};

struct Response;

// The response of another server, passed on while it arrives.
struct Relay {
  std::string socket_path;  // where that server listens
  Request request;          // as it is sent there; names of headers in lower case
  // Looks at the status and the headers of that response (without a body; names in lower case), and
  // may change them; an error refuses it. Null: they are passed on as they are. Must not block.
  std::function<Result<void>(Response& head)> accept = {};
  // Until it begins, and between pieces.
  std::chrono::milliseconds time_limit{600'000};
  // If it is set, the request is the handshake of a WebSocket: when that server has agreed, bytes are
  // passed on in both directions until this is true, or one side closes. Asked twice a second; must
  // not block.
  std::function<bool()> is_over = {};
  // Which of the servers that listen there one after the other it is for. A connection that rests is used
  // again for requests of its own generation alone, and closed when that is gone. Null: the path is enough.
  std::shared_ptr<const void> generation = {};
};

struct Response {
  int status = 200;
  std::string content_type = "application/json";
  // Of a Relay everything else comes from the other server, and `headers` are not sent.
  std::variant<std::string, FileBody, StreamBody, TextFrames, Relay> body = {};
  Headers headers = {};
};

}  // namespace tierhub::http
