#include "imaging/images/halo.h"

#include <fmt/format.h>

namespace tierhub::imaging {

Result<void> check_halo(const formats::Halo& halo, const formats::Halo& needed) {
  if (halo.z >= needed.z && halo.y >= needed.y && halo.x >= needed.x) return {};
  return Error(std::errc::invalid_argument,
               fmt::format("the halo {} is too small: blocks are exact only from {} on",
                           formats::to_text(halo), formats::to_text(needed)));
}

}  // namespace tierhub::imaging
