#include "hub/images/answers.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <optional>
#include <span>

#include <fmt/format.h>

#include "api/byte_text.h"
#include "api/errors.h"
#include "common/hash.h"
#include "pixels/codecs.h"

namespace tierhub::hub {
namespace {

std::string text_of(const formats::Json& json) {
  return json.dump(-1, ' ', false, formats::Json::error_handler_t::replace);
}

int status_of(const Error& error) {
  switch (error.errno_value()) {
    case EIO:
    case EFBIG:
    case EOPNOTSUPP:
    case EILSEQ:
      return 422;
    case ECONNREFUSED:
    case ECONNRESET:
    case ENOTCONN:
    case ECONNABORTED:
      return 503;
    default:
      return api::http_status(error);
  }
}

struct ByteSpan {
  uint64_t begin = 0;
  uint64_t end = 0;
};

std::optional<uint64_t> number_in(std::string_view text) {
  uint64_t value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Of a header Range with one range; nothing if it is to be ignored. An empty span cannot be
// satisfied.
std::optional<ByteSpan> range_in(std::string_view header, uint64_t size) {
  constexpr std::string_view kUnit = "bytes=";
  if (!header.starts_with(kUnit)) return std::nullopt;
  header.remove_prefix(kUnit.size());
  const size_t dash = header.find('-');
  if (dash == std::string_view::npos || header.find(',') != std::string_view::npos)
    return std::nullopt;
  const auto first = number_in(header.substr(0, dash));
  const auto last = number_in(header.substr(dash + 1));
  if (dash == 0) {
    if (!last) return std::nullopt;
    return ByteSpan{size - std::min(size, *last), size};
  }
  if (!first || (!last && dash + 1 != header.size())) return std::nullopt;
  if (last && *last < *first) return std::nullopt;
  if (*first >= size) return ByteSpan{};
  return ByteSpan{*first, last ? std::min(size, *last + 1) : size};
}

// "gzip, zstd;q=0.5": true unless the encoding is missing or has q=0.
bool takes_encoding(std::string_view accepted, std::string_view encoding) {
  const std::string with_quality = std::string(encoding) + ";q=";
  while (!accepted.empty()) {
    const size_t comma = std::min(accepted.find(','), accepted.size());
    std::string one(accepted.substr(0, comma));
    std::erase_if(one, [](char c) { return c == ' ' || c == '\t'; });
    accepted.remove_prefix(std::min(comma + 1, accepted.size()));
    if (one == encoding) return true;
    if (one.starts_with(with_quality))
      return one.find_first_of("123456789", with_quality.size()) != std::string::npos;
  }
  return false;
}

}  // namespace

http::Response json_answer(const formats::Json& json) {
  http::Response response;
  response.body = text_of(json);
  response.headers.emplace_back("Cache-Control", "no-store");
  return response;
}

http::Response error_answer(int status, std::string_view code, std::string_view sentence) {
  http::Response response = json_answer({{"error", api::to_wire_text(sentence)}, {"code", code}});
  response.status = status;
  return response;
}

http::Response error_answer(const Error& error) {
  // What the kernel says of a mount whose file system is gone.
  if (error.errno_value() == ENOTCONN || error.errno_value() == ECONNABORTED) {
    return error_answer(503, api::error_name(error),
                        "tierd is not reachable: start it, and this page continues by itself");
  }
  return error_answer(status_of(error), api::error_name(error), error.text());
}

http::Response cold_answer(const Missing& missing, ColdState state) {
  const bool recalling = state == ColdState::recalling;
  std::string sentence =
      recalling ? "the data is coming from the archive" : "the data is in the archive";
  if (!missing.reason.empty()) sentence += ": " + missing.reason;
  http::Response response = json_answer({{"error", api::to_wire_text(sentence)},
                                         {"code", "EAGAIN"},
                                         {"missing_bytes", missing.bytes},
                                         {"eta_ms", missing.eta.count()}});
  response.status = 503;
  response.headers.emplace_back("X-TierHub-State", recalling ? "recalling" : "cold");
  response.headers.emplace_back("X-TierHub-Eta-Ms", std::to_string(missing.eta.count()));
  if (recalling) {
    const int64_t seconds = std::max<int64_t>(1, (missing.eta.count() + 999) / 1000);
    response.headers.emplace_back("Retry-After", std::to_string(seconds));
  }
  return response;
}

bool matches_tag(std::string_view if_none_match, std::string_view tag) {
  if (if_none_match == "*") return true;
  // Tags have no commas.
  while (!if_none_match.empty()) {
    const size_t comma = std::min(if_none_match.find(','), if_none_match.size());
    std::string_view one = if_none_match.substr(0, comma);
    if_none_match.remove_prefix(std::min(comma + 1, if_none_match.size()));
    while (one.starts_with(' ')) one.remove_prefix(1);
    while (one.ends_with(' ')) one.remove_suffix(1);
    if (one.starts_with("W/")) one.remove_prefix(2);
    if (one == tag) return true;
  }
  return false;
}

http::Response content_answer(const http::Request& request, const Content& content) {
  http::Response response;
  response.content_type = content.type;
  response.headers = {{"Cache-Control", content.may_be_kept ? "private, no-cache" : "no-store"},
                      {"Accept-Ranges", "bytes"},
                      {"Vary", "Accept-Encoding"}};
  const std::string plain_tag = fmt::format("\"{}\"", content.tag);
  const auto packed_tag = [&](std::string_view encoding) {
    return fmt::format("\"{}-{}\"", content.tag, encoding);
  };
  const std::string_view known = request.header("if-none-match");
  for (const std::string& tag : {plain_tag, packed_tag("zstd"), packed_tag("gzip")}) {
    if (!content.may_be_kept || !matches_tag(known, tag)) continue;
    response.status = 304;
    response.headers.emplace_back("ETag", tag);
    return response;
  }
  // A range of another version is of no use to the client.
  const std::string_view if_range = request.header("if-range");
  const bool ranged = if_range.empty() || (content.may_be_kept && if_range == plain_tag);
  const auto span = range_in(ranged ? request.header("range") : "", content.size_bytes);
  if (span && span->begin >= span->end) {
    response.status = 416;
    response.headers.emplace_back("Content-Range", fmt::format("bytes */{}", content.size_bytes));
    return response;
  }
  if (request.method == "HEAD") {
    response.headers.emplace_back("ETag", plain_tag);
    response.body = http::FileBody{nullptr, 0, content.size_bytes};
    return response;
  }
  const auto failed = [](const Error& error) {
    // It exists: 404 would mean to a Zarr client that nothing is stored there.
    if (error.errno_value() == ENOENT) return error_answer(422, "EIO", error.text());
    return error_answer(error);
  };
  const std::string_view accepted = request.header("accept-encoding");
  if (!span && content.read_packed) {
    auto packed = content.read_packed(
        [&](std::string_view encoding) { return takes_encoding(accepted, encoding); });
    if (!packed) return failed(packed.error());
    if (*packed) {
      response.headers.emplace_back("ETag", packed_tag((*packed)->encoding));
      response.headers.emplace_back("Content-Encoding", (*packed)->encoding);
      response.body = std::move((*packed)->bytes);
      return response;
    }
  }
  auto bytes = content.read();
  if (!bytes) return failed(bytes.error());
  if (span) {
    response.status = 206;
    response.headers.emplace_back("ETag", plain_tag);
    response.headers.emplace_back("Content-Range", fmt::format("bytes {}-{}/{}", span->begin,
                                                               span->end - 1, content.size_bytes));
    response.body = bytes->substr(span->begin, span->end - span->begin);
    return response;
  }
  if (takes_encoding(accepted, "zstd")) {
    constexpr int kFast = 1;
    auto packed = pixels::compress_zstd(std::as_bytes(std::span(*bytes)), kFast);
    if (packed && packed->size() < bytes->size()) {
      response.headers.emplace_back("ETag", packed_tag("zstd"));
      response.headers.emplace_back("Content-Encoding", "zstd");
      response.body = *std::move(packed);
      return response;
    }
  }
  response.headers.emplace_back("ETag", plain_tag);
  response.body = *std::move(bytes);
  return response;
}

http::Response text_answer(const http::Request& request, std::string text, std::string_view type) {
  const std::string tag = checksum(std::as_bytes(std::span(text))).hex().substr(0, 16);
  const uint64_t size_bytes = text.size();
  return content_answer(request, {type, tag, size_bytes, true,
                                  [&]() -> Result<std::string> { return std::move(text); }});
}

}  // namespace tierhub::hub
