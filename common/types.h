// Strong types for the numbers that must not be mixed up. Offsets, lengths and byte counts are
// uint64_t; their names end in the unit.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>

#include <fmt/format.h>

namespace tierhub {

template <class Tag>
class StrongNumber {
 public:
  constexpr StrongNumber() = default;
  constexpr explicit StrongNumber(uint64_t value) : value_(value) {}
  constexpr uint64_t value() const { return value_; }
  constexpr auto operator<=>(const StrongNumber&) const = default;
  constexpr StrongNumber next() const { return StrongNumber(value_ + 1); }

 private:
  uint64_t value_ = 0;
};

// A file, folder, link or special file of the namespace. Never reused. 0 is none.
using InodeNumber = StrongNumber<struct InodeTag>;
// Grows with each writable open of a file: it fences a publish.
using Generation = StrongNumber<struct GenerationTag>;
// The position of a chunk in its file.
using ChunkIndex = StrongNumber<struct ChunkTag>;

inline constexpr InodeNumber kNoInode{0};
inline constexpr InodeNumber kRootInode{1};
// Stands in `base` for the folder of the archive where occupants wait that have a name elsewhere.
inline constexpr InodeNumber kAsideInode{2};
// Its path below the root of the archive.
inline constexpr const char* kAsideFolder = ".tierhub/aside";
inline constexpr InodeNumber kFirstFreeInode{16};

// Half-open: [begin, end).
struct ByteRange {
  uint64_t begin = 0;
  uint64_t end = 0;
  constexpr uint64_t size() const { return end > begin ? end - begin : 0; }
  constexpr bool empty() const { return end <= begin; }
  constexpr bool operator==(const ByteRange&) const = default;
};

}  // namespace tierhub

template <class Tag>
struct std::hash<tierhub::StrongNumber<Tag>> {
  size_t operator()(tierhub::StrongNumber<Tag> n) const noexcept {
    return std::hash<uint64_t>()(n.value());
  }
};

template <class Tag>
struct fmt::formatter<tierhub::StrongNumber<Tag>> : fmt::formatter<uint64_t> {
  template <class Context>
  auto format(tierhub::StrongNumber<Tag> n, Context& context) const {
    return fmt::formatter<uint64_t>::format(n.value(), context);
  }
};
