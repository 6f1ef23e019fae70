#include "common/access_list.h"

#include <algorithm>

namespace tierhub {
namespace {

// include/uapi/linux/posix_acl_xattr.h
constexpr uint32_t kVersion = 2;
constexpr size_t kHeaderBytes = 4;
constexpr size_t kEntryBytes = 8;

template <class Number>
Number little_endian(std::string_view bytes) {
  Number value = 0;
  for (size_t i = sizeof(Number); i-- > 0;)
    value = static_cast<Number>(value << 8 | static_cast<uint8_t>(bytes[i]));
  return value;
}

template <class Number>
void append(std::string& bytes, Number value) {
  for (size_t i = 0; i < sizeof(Number); ++i)
    bytes.push_back(static_cast<char>(static_cast<uint32_t>(value) >> 8 * i & 0xff));
}

uint16_t three_bits(uint32_t mode, int shift) { return static_cast<uint16_t>(mode >> shift & 7); }

}  // namespace

Result<AccessList> AccessList::parse(std::string_view bytes) {
  if (bytes.size() < kHeaderBytes || (bytes.size() - kHeaderBytes) % kEntryBytes != 0 ||
      little_endian<uint32_t>(bytes) != kVersion) {
    return Error(std::errc::invalid_argument, "this is not an access control list of version 2");
  }
  AccessList list;
  for (bytes.remove_prefix(kHeaderBytes); !bytes.empty(); bytes.remove_prefix(kEntryBytes)) {
    list.entries_.push_back({little_endian<uint16_t>(bytes),
                             little_endian<uint16_t>(bytes.substr(2)),
                             little_endian<uint32_t>(bytes.substr(4))});
  }
  for (const uint16_t needed : {owner, owning_group, other}) {
    if (list.place_of(needed) == list.entries_.size())
      return Error(std::errc::invalid_argument, "the access control list lacks owner or group");
  }
  return list;
}

std::string AccessList::bytes() const {
  std::string bytes;
  append(bytes, kVersion);
  for (const Entry& entry : entries_) {
    append(bytes, entry.tag);
    append(bytes, entry.permissions);
    append(bytes, entry.id);
  }
  return bytes;
}

size_t AccessList::place_of(uint16_t tag) const {
  const auto it = std::find_if(entries_.begin(), entries_.end(),
                               [tag](const Entry& entry) { return entry.tag == tag; });
  return static_cast<size_t>(it - entries_.begin());
}

size_t AccessList::place_of_group_class() const {
  const size_t masking = place_of(mask);
  return masking < entries_.size() ? masking : place_of(owning_group);
}

uint32_t AccessList::mode() const {
  const auto bits = [this](size_t place) { return uint32_t{entries_[place].permissions} & 7; };
  return bits(place_of(owner)) << 6 | bits(place_of_group_class()) << 3 | bits(place_of(other));
}

bool AccessList::is_a_mode() const {
  return std::all_of(entries_.begin(), entries_.end(), [](const Entry& entry) {
    return entry.tag == owner || entry.tag == owning_group || entry.tag == other;
  });
}

void AccessList::set_mode(uint32_t mode) {
  entries_[place_of(owner)].permissions = three_bits(mode, 6);
  entries_[place_of_group_class()].permissions = three_bits(mode, 3);
  entries_[place_of(other)].permissions = three_bits(mode, 0);
}

void AccessList::narrow_to(uint32_t mode) { set_mode(this->mode() & mode); }

}  // namespace tierhub
