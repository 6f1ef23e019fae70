#include "common/utf8.h"

#include <algorithm>

namespace tierhub::compute {

size_t utf8_length(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text.front());
  const size_t length = lead < 0x80    ? 1
                        : lead >= 0xf0 ? 4
                        : lead >= 0xe0 ? 3
                        : lead >= 0xc2 ? 2
                                       : 0;
  if (length == 0 || length > text.size() || lead > 0xf4) return 0;
  const bool continued =
      std::all_of(text.begin() + 1, text.begin() + static_cast<long>(length),
                  [](char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; });
  return continued ? length : 0;
}

}  // namespace tierhub::compute
