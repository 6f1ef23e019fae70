// XXH3-128, the checksum of a chunk. It protects against accidents, not against an attacker.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace tierhub {

struct Checksum {
  uint64_t high = 0;
  uint64_t low = 0;
  bool operator==(const Checksum&) const = default;
  std::string hex() const;
};

Checksum checksum(std::span<const std::byte> bytes);

// The position of a name in its folder: 63 bits of XXH3-64, never 0, 1 or 2 (which stand for the
// start, "." and ".."). On disk: a telldir cookie must survive restarts.
uint64_t name_hash(std::string_view name);

}  // namespace tierhub
