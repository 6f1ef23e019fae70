// Answers that several routes give.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "common/result.h"
#include "formats/json.h"
#include "http/message.h"
#include "hub/images/tiers.h"

namespace tierhub::hub {

http::Response json_answer(const formats::Json& json);

// {"error": sentence, "code": "ENOENT"} with a status as the API's, but for pixels that cannot be
// decoded (EIO, EOPNOTSUPP, EFBIG: 422) and a tierd that is not reachable (503).
http::Response error_answer(const Error& error);
http::Response error_answer(int status, std::string_view code, std::string_view sentence);

// 503: the bytes are not here. `recalling`: they have been asked for, so asking again after the ETA
// makes sense.
enum class ColdState { recalling, cold };
http::Response cold_answer(const Missing& missing, ColdState state);

// True if the value of If-None-Match names the tag, which is in quotes.
bool matches_tag(std::string_view if_none_match, std::string_view tag);

// What a client may ask for by ranges, with a tag, and compressed.
struct Content {
  std::string_view type;  // "application/octet-stream"
  std::string tag;        // without quotes: changes when the bytes do
  uint64_t size_bytes = 0;
  bool may_be_kept = true;  // false: the bytes may change under the same tag
  // The bytes; called only if they are to be sent.
  std::function<Result<std::string>()> read;
  // The same bytes as they are stored, if that is how HTTP packs them ("zstd" or "gzip") and the
  // client takes it: they are sent as they are. Nothing if they are not stored so; may be empty.
  struct Packed {
    std::string encoding;
    std::string bytes;
  };
  using Takes = std::function<bool(std::string_view encoding)>;
  std::function<Result<std::optional<Packed>>(const Takes& takes)> read_packed = {};
};
// As the request wants it: 304 if the client has it, 206 or 416 for a range, without a body for HEAD,
// compressed by zstd if the client takes that and it is shorter.
http::Response content_answer(const http::Request& request, const Content& content);
// The same for a text; its tag follows from it.
http::Response text_answer(const http::Request& request, std::string text,
                           std::string_view type = "application/json");

}  // namespace tierhub::hub
