// Whose a lease is.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

#include <fmt/format.h>

namespace tierhub {

// Names are the users' own: the number is what keeps one user from ending another's leases.
struct LeaseOwner {
  uint32_t uid = 0;
  std::string name;  // as the user gave it

  // As the catalog has it, and as people see it: "uid:name".
  std::string text() const { return fmt::format("{}:{}", uid, name); }
  static LeaseOwner from_text(std::string_view text) {
    LeaseOwner owner;
    const size_t end = std::min(text.find(':'), text.size());
    std::from_chars(text.data(), text.data() + end, owner.uid);
    owner.name = text.substr(std::min(end + 1, text.size()));
    return owner;
  }
};

}  // namespace tierhub
