#include "api/json.h"

#include <cmath>
#include <limits>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "api/byte_text.h"
#include "api/fields.h"
#include "api/time_text.h"

namespace tierhub::api {
namespace {

using Json = nlohmann::json;  // for decoding: finding a member takes logarithmic time
using OrderedJson =
    nlohmann::ordered_json;  // for encoding: members stay in the order of the struct

// ---- Encoding

OrderedJson to_value(const std::string& v) { return to_wire_text(v); }
OrderedJson to_value(bool v) { return v; }
OrderedJson to_value(uint64_t v) { return v; }
OrderedJson to_value(uint32_t v) { return v; }
OrderedJson to_value(int64_t v) { return v; }
OrderedJson to_value(double v) { return std::isfinite(v) ? OrderedJson(v) : OrderedJson(nullptr); }
OrderedJson to_value(Timestamp v) { return to_time_text(v); }
OrderedJson to_value(const std::optional<Timestamp>& v) {
  return v ? OrderedJson(to_time_text(*v)) : OrderedJson(nullptr);
}

template <class Message>
OrderedJson to_value(const Message& message);

template <class Element>
OrderedJson to_value(const std::vector<Element>& elements) {
  OrderedJson array = OrderedJson::array();
  for (const Element& element : elements) array.push_back(to_value(element));
  return array;
}

template <class Message>
OrderedJson to_value(const Message& message) {
  OrderedJson object = OrderedJson::object();
  visit_fields(message, [&](const char* name, const auto& v) { object[name] = to_value(v); });
  return object;
}

// ---- Decoding. An error's text begins where it happened: ".files[3].path must be a string".

Error mismatch(std::string_view text) {
  return Error(std::errc::invalid_argument, std::string(text));
}

Error within(std::string_view place, const Error& error) {
  return Error(error.code(), std::string(place) + error.text());
}

template <class Number>
Result<void> read_unsigned(const Json& value, Number& out) {
  constexpr uint64_t kMost = std::numeric_limits<Number>::max();
  if (!value.is_number_unsigned() || value.get<uint64_t>() > kMost) {
    return mismatch(fmt::format(" must be a whole number from 0 to {}", kMost));
  }
  out = static_cast<Number>(value.get<uint64_t>());
  return {};
}

class Decoder {
 public:
  explicit Decoder(UnknownMembers unknown) : unknown_(unknown) {}

  Result<void> read(const Json& value, std::string& out) const {
    if (!value.is_string()) return mismatch(" must be a string");
    out = from_wire_text(value.get_ref<const std::string&>());
    return {};
  }
  Result<void> read(const Json& value, bool& out) const {
    if (!value.is_boolean()) return mismatch(" must be true or false");
    out = value.get<bool>();
    return {};
  }
  Result<void> read(const Json& value, uint64_t& out) const { return read_unsigned(value, out); }
  Result<void> read(const Json& value, uint32_t& out) const { return read_unsigned(value, out); }
  Result<void> read(const Json& value, int64_t& out) const {
    bool too_large = value.is_number_unsigned() &&
                     value.get<uint64_t>() > uint64_t{std::numeric_limits<int64_t>::max()};
    if (!value.is_number_integer() || too_large) return mismatch(" must be a whole number");
    out = value.get<int64_t>();
    return {};
  }
  // null stands for a number that JSON cannot write.
  Result<void> read(const Json& value, double& out) const {
    if (!value.is_number() && !value.is_null()) return mismatch(" must be a number");
    out = value.is_null() ? 0 : value.get<double>();
    return {};
  }
  Result<void> read(const Json& value, Timestamp& out) const {
    auto time = value.is_string() ? from_time_text(value.get_ref<const std::string&>())
                                  : std::optional<Timestamp>();
    if (!time) return mismatch(" must be a time like \"2026-01-02T03:04:05Z\"");
    out = *time;
    return {};
  }
  Result<void> read(const Json& value, std::optional<Timestamp>& out) const {
    if (value.is_null()) {
      out.reset();
      return {};
    }
    return read(value, out.emplace());
  }

  template <class Element>
  Result<void> read(const Json& value, std::vector<Element>& out) const {
    if (!value.is_array()) return mismatch(" must be an array");
    out.clear();
    out.reserve(value.size());
    for (const Json& element : value) {
      auto result = read(element, out.emplace_back());
      if (!result) return within(fmt::format("[{}]", out.size() - 1), result.error());
    }
    return {};
  }

  template <class Message>
  Result<void> read(const Json& value, Message& out) const {
    if (!value.is_object()) return mismatch(" must be an object");
    Result<void> result;
    std::set<std::string_view> known;
    visit_fields(out, [&](const char* name, auto& member) {
      known.insert(name);
      auto found = value.find(name);
      if (!result || found == value.end()) return;
      result = read(*found, member);
      if (!result) result = within(std::string(".") + name, result.error());
    });
    if (!result || unknown_ == UnknownMembers::ignore) return result;
    for (const auto& [name, member] : value.items()) {
      if (!known.contains(name))
        return mismatch("." + name.substr(0, 64) + " is not a known member");
    }
    return {};
  }

 private:
  UnknownMembers unknown_;
};

// Counts what makes a parsed text large, without parsing it.
Result<void> check_bounds(std::string_view text) {
  constexpr uint64_t kMostTokens = 2'000'000;
  constexpr int kDeepest = 16;
  uint64_t tokens = 0;
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
      continue;
    }
    if (c == '"') in_string = true;
    if (c == '{' || c == '[') ++depth;
    if (c == '}' || c == ']') --depth;
    if (c == '{' || c == '[' || c == ',' || c == ':') ++tokens;
    if (depth > kDeepest)
      return Error(std::errc::invalid_argument, "the JSON is nested too deeply");
    if (tokens > kMostTokens) {
      return Error(std::errc::argument_list_too_long,
                   "the JSON has too many elements: split the request into several");
    }
  }
  return {};
}

}  // namespace

template <class Message>
std::string encode(const Message& message, Layout layout) {
  return to_value(message).dump(layout == Layout::indented ? 2 : -1);
}

template <class Message>
Result<Message> decode(std::string_view text, UnknownMembers unknown) {
  TRY(check_bounds(text));
  Json value;
  try {
    value = Json::parse(text);
  } catch (const Json::parse_error& error) {
    return Error(std::errc::invalid_argument,
                 fmt::format("this is not JSON: see byte {}", error.byte));
  } catch (const Json::exception&) {
    return Error(std::errc::invalid_argument, "the JSON has a number that is too large");
  }
  Message message;
  auto result = Decoder(unknown).read(value, message);
  if (result) return message;
  std::string_view where = result.error().text();
  return Error(std::errc::invalid_argument, where.front() == '.'
                                                ? fmt::format("member {}", where.substr(1))
                                                : fmt::format("the JSON{}", where));
}

#define TIERHUB_INSTANTIATE(Message)                            \
  template std::string encode<Message>(const Message&, Layout); \
  template Result<Message> decode<Message>(std::string_view, UnknownMembers);
TIERHUB_INSTANTIATE(Status)
TIERHUB_INSTANTIATE(Entry)
TIERHUB_INSTANTIATE(Listing)
TIERHUB_INSTANTIATE(FileRanges)
TIERHUB_INSTANTIATE(Residency)
TIERHUB_INSTANTIATE(ResidencyRequest)
TIERHUB_INSTANTIATE(FileResidency)
TIERHUB_INSTANTIATE(Event)
TIERHUB_INSTANTIATE(EventList)
TIERHUB_INSTANTIATE(ResidencyList)
TIERHUB_INSTANTIATE(PrefetchRequest)
TIERHUB_INSTANTIATE(Prefetch)
TIERHUB_INSTANTIATE(PrefetchList)
TIERHUB_INSTANTIATE(Skipped)
TIERHUB_INSTANTIATE(EvictResult)
TIERHUB_INSTANTIATE(PublishProgress)
TIERHUB_INSTANTIATE(ScanProgress)
TIERHUB_INSTANTIATE(TrashItem)
TIERHUB_INSTANTIATE(TrashListing)
TIERHUB_INSTANTIATE(TrashRequest)
TIERHUB_INSTANTIATE(TrashResult)
TIERHUB_INSTANTIATE(Run)
TIERHUB_INSTANTIATE(RunList)
TIERHUB_INSTANTIATE(Agent)
TIERHUB_INSTANTIATE(AgentList)
TIERHUB_INSTANTIATE(PathsRequest)
TIERHUB_INSTANTIATE(PinRequest)
TIERHUB_INSTANTIATE(UnpinRequest)
TIERHUB_INSTANTIATE(LeaseRequest)
TIERHUB_INSTANTIATE(FileCount)
TIERHUB_INSTANTIATE(Done)
TIERHUB_INSTANTIATE(ErrorReply)
#undef TIERHUB_INSTANTIATE

}  // namespace tierhub::api
