#include "common/hash.h"

#include <fmt/format.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

namespace tierhub {

std::string Checksum::hex() const { return fmt::format("{:016x}{:016x}", high, low); }

Checksum checksum(std::span<const std::byte> bytes) {
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  return {hash.high64, hash.low64};
}

uint64_t name_hash(std::string_view name) {
  const uint64_t hash = XXH3_64bits(name.data(), name.size()) >> 1;
  return hash < 3 ? hash + 3 : hash;
}

}  // namespace tierhub
