#include "storage/scratch/object_tag.h"

#include <algorithm>

#include <fmt/format.h>

#include "common/bytes.h"

namespace tierhub {
namespace {

constexpr uint8_t kTagVersion = 2;
// Number of a folder and length of its name.
constexpr size_t kStepBytes = 12;

Error damaged() {
  return Error(std::errc::illegal_byte_sequence, "scratch object has a damaged tag");
}

void write_ranges(ByteWriter& out, const std::vector<ByteRange>& ranges) {
  constexpr size_t kMost = 64;
  const size_t count = std::min(ranges.size(), kMost);
  out.u16(static_cast<uint16_t>(count));
  for (size_t i = 0; i < count; ++i) out.u64(ranges[i].begin).u64(ranges[i].end);
}

void write_names(ByteWriter& out, const std::vector<Name>& names, size_t room) {
  size_t count = 0;
  size_t used = 0;
  for (const Name& name : names) {
    used += kStepBytes + name.name.size();
    if (used > room) break;
    ++count;
  }
  out.u16(static_cast<uint16_t>(count));
  for (size_t i = 0; i < count; ++i) out.u64(names[i].parent.value()).text(names[i].name);
}

// The nearest folders are the ones that are needed most.
void write_folders(ByteWriter& out, const ObjectTag& tag, size_t room) {
  size_t first = tag.folders.size();
  size_t used = 0;
  while (first > 0) {
    used += kStepBytes + tag.folders[first - 1].second.size();
    if (used > room) break;
    --first;
  }
  out.flag(tag.from_root && first == 0).u16(static_cast<uint16_t>(tag.folders.size() - first));
  for (size_t i = first; i < tag.folders.size(); ++i)
    out.u64(tag.folders[i].first.value()).text(tag.folders[i].second);
}

// A tag that says no more than whose a new file is has to fit into the inode of the file system.
constexpr uint8_t kDirectory = 1;
constexpr int kBytesShift = 1;  // two bits
constexpr uint8_t kBytesMask = 3;
constexpr uint8_t kRemoved = 8;
constexpr uint8_t kHasBase = 16;
constexpr uint8_t kHasTimes = 32;
constexpr uint8_t kHasLists = 64;

uint8_t flags_of(const ObjectTag& tag) {
  auto flags = static_cast<uint8_t>(static_cast<unsigned>(tag.bytes) << kBytesShift);
  if (tag.kind == FileKind::directory) flags |= kDirectory;
  if (tag.removed) flags |= kRemoved;
  if (!tag.base.empty()) flags |= kHasBase;
  if (tag.atime != Timestamp() || tag.mtime != Timestamp()) flags |= kHasTimes;
  if (!tag.new_ranges.empty() || !tag.further_names.empty() || !tag.folders.empty() ||
      tag.from_root)
    flags |= kHasLists;
  return flags;
}

void read_lists(ByteReader& in, ObjectTag& tag) {
  for (uint16_t left = in.u16(); left > 0 && in.ok(); --left) {
    const uint64_t begin = in.u64();
    tag.new_ranges.push_back({begin, in.u64()});
  }
  for (uint16_t left = in.u16(); left > 0 && in.ok(); --left) {
    const InodeNumber parent(in.u64());
    tag.further_names.push_back({parent, in.text()});
  }
  tag.from_root = in.flag();
  for (uint16_t left = in.u16(); left > 0 && in.ok(); --left) {
    const InodeNumber folder(in.u64());
    tag.folders.emplace_back(folder, in.text());
  }
}

bool is_name(const std::string& name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == std::string::npos;
}

bool names_are_legal(const ObjectTag& tag) {
  const auto folder_ok = [](const auto& folder) { return is_name(folder.second); };
  const auto name_ok = [](const Name& name) { return is_name(name.name); };
  return (tag.name.empty() || is_name(tag.name)) &&
         std::all_of(tag.folders.begin(), tag.folders.end(), folder_ok) &&
         std::all_of(tag.further_names.begin(), tag.further_names.end(), name_ok);
}

}  // namespace

std::string encode_tag(const ObjectTag& tag) {
  const uint8_t flags = flags_of(tag);
  ByteWriter out;
  out.u8(kTagVersion).u8(flags).u64(tag.inode.value()).u64(tag.generation.value());
  out.u64(tag.parent.value()).u8(static_cast<uint8_t>(tag.name.size())).raw(tag.name);
  out.u32(tag.uid).u32(tag.gid).u16(static_cast<uint16_t>(tag.mode));
  if ((flags & kHasTimes) != 0) out.i64(tag.atime.ns).i64(tag.mtime.ns);
  if ((flags & kHasBase) != 0) {
    out.text(tag.base.bytes).u64(tag.base_size_bytes).i64(tag.base_mtime.ns);
    out.u64(tag.archive_limit_bytes);
  }
  if ((flags & kHasLists) == 0) return out.take();
  write_ranges(out, tag.new_ranges);
  write_names(out, tag.further_names, kTagBytes / 3);
  write_folders(out, tag, kTagBytes - std::min(kTagBytes, out.bytes().size()));
  return out.take();
}

Result<ObjectTag> decode_tag(std::string_view bytes) {
  ByteReader in(bytes);
  const uint8_t version = in.u8();
  if (version > kTagVersion) {
    return Error(std::errc::not_supported,
                 fmt::format("a scratch object has a tag of version {}, this TierHub reads up to "
                             "{}: install a newer one",
                             version, kTagVersion));
  }
  if (version != kTagVersion) return damaged();
  const uint8_t flags = in.u8();
  const uint8_t kept = (flags >> kBytesShift) & kBytesMask;
  ObjectTag tag;
  tag.kind = (flags & kDirectory) != 0 ? FileKind::directory : FileKind::file;
  tag.bytes = static_cast<ObjectTag::Bytes>(kept);
  tag.removed = (flags & kRemoved) != 0;
  tag.inode = InodeNumber(in.u64());
  tag.generation = Generation(in.u64());
  tag.parent = InodeNumber(in.u64());
  tag.name = in.raw(in.u8());
  tag.uid = in.u32();
  tag.gid = in.u32();
  tag.mode = in.u16();
  if ((flags & kHasTimes) != 0) {
    tag.atime.ns = in.i64();
    tag.mtime.ns = in.i64();
  }
  if ((flags & kHasBase) != 0) {
    tag.base.bytes = in.text();
    tag.base_size_bytes = in.u64();
    tag.base_mtime.ns = in.i64();
    tag.archive_limit_bytes = in.u64();
  }
  if ((flags & kHasLists) != 0) read_lists(in, tag);
  if (!in.complete() || kept > static_cast<uint8_t>(ObjectTag::Bytes::some) ||
      !names_are_legal(tag))
    return damaged();
  return tag;
}

}  // namespace tierhub
