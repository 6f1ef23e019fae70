// Results on standard output, messages on standard error.
#pragma once

#include <string>
#include <string_view>

#include <fmt/format.h>

#include "api/json.h"

namespace tierhub::tierctl {

inline void print(std::string_view text) { fmt::print("{}", text); }
inline void print_line(std::string_view text) { fmt::print("{}\n", text); }
// One line of a list of titles and values.
inline void print_row(std::string_view title, std::string_view text) {
  print_line(fmt::format("{:<12} {}", title, text));
}
// A sentence for the person at the terminal.
inline void say(std::string_view text) { fmt::print(stderr, "tierctl: {}\n", text); }

template <class Message>
void print_json(const Message& message) {
  print_line(api::encode(message, api::Layout::indented));
}

}  // namespace tierhub::tierctl
