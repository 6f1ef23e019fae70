// JSON of the API's messages. Member names are those of the structs; sizes are numbers of bytes,
// times ISO 8601 UTC. Strings are encoded as byte_text.h describes.
#pragma once

#include <string>
#include <string_view>

#include "api/messages.h"
#include "api/wire.h"
#include "common/result.h"

namespace tierhub::api {

// A server refuses members that it does not know: they are mistakes. A client ignores them: they
// come from a newer server.
enum class UnknownMembers { refuse, ignore };
enum class Layout { compact, indented };

// Members that are missing keep their defaults. Defined for every struct of messages.h and wire.h.
// Decoding is bounded: a text of more than 2,000,000 brackets, commas and colons, or nested deeper
// than 16, is refused before it takes memory. Errors are errc::invalid_argument and name the
// member.
template <class Message>
std::string encode(const Message& message, Layout layout = Layout::compact);
template <class Message>
Result<Message> decode(std::string_view text, UnknownMembers unknown);

}  // namespace tierhub::api
