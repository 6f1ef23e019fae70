#include "hub/front/secret.h"

#include <array>
#include <cstdint>
#include <cstdlib>

#include <sys/random.h>

namespace tierhub::hub {

std::string make_secret() {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::array<uint8_t, 32> bytes{};
  // Up to 256 bytes come whole, or not at all before the kernel's generator is ready.
  while (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    if (errno != EINTR) std::abort();
  }
  std::string text;
  for (const uint8_t byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

bool is_equal_in_constant_time(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  unsigned difference = 0;
  for (size_t i = 0; i < a.size(); ++i)
    difference |= static_cast<unsigned>(static_cast<uint8_t>(a[i]) ^ static_cast<uint8_t>(b[i]));
  return difference == 0;
}

}  // namespace tierhub::hub
