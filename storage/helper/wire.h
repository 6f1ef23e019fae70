// The messages between ArchiveClient and the archive helper, as bytes. Both ends are of the same
// build, so nothing is versioned; a decoder still trusts no length.
//
//   request   u64 number, i64 deadline (ns of the monotonic clock, after which it must not begin),
//             u8 ArchiveCall, its arguments
//   reply     u64 number of the request, Result
//   progress  u64 0, the numbers of requests that made progress
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "common/bytes.h"
#include "common/result.h"
#include "storage/archive/archive.h"
#include "storage/archive/capabilities.h"

namespace tierhub {

enum class ArchiveCall : uint8_t {
  probe = 1,  // check_root, answered with the archive's id
  capabilities,
  stat,
  list,
  xattrs,
  space,
  fill,
  stage_file,
  stage_node,
  sync,
  place,
  move,
  link,
  remove,
  discard,
  set_attributes,
  sync_folders,
  staged,
  stage_files,
  place_all,
  measure,
  release_claim,
};

inline constexpr uint64_t kProgressNumber = 0;

// A result without a value.
struct Nothing {
  bool operator==(const Nothing&) const = default;
};

namespace wire {

template <class T, class Value>
concept Is = std::same_as<std::remove_const_t<T>, Value>;

// The members of every message, listed once for both directions. Of requests, all but the
// descriptors.
void visit_fields(Is<Nothing> auto&, auto&&) {}

void visit_fields(Is<Timestamp> auto& v, auto&& field) { field(v.ns); }

void visit_fields(Is<ByteRange> auto& v, auto&& field) {
  field(v.begin);
  field(v.end);
}

void visit_fields(Is<Checksum> auto& v, auto&& field) {
  field(v.high);
  field(v.low);
}

void visit_fields(Is<Identity> auto& v, auto&& field) { field(v.bytes); }

void visit_fields(Is<Attributes> auto& v, auto&& field) {
  field(v.kind);
  field(v.mode);
  field(v.uid);
  field(v.gid);
  field(v.rdev);
  field(v.size_bytes);
  field(v.atime);
  field(v.mtime);
  field(v.ctime);
  field(v.btime);
}

void visit_fields(Is<ArchiveVersion> auto& v, auto&& field) {
  field(v.identity);
  field(v.attributes);
  field(v.nlink);
  field(v.device);
  field(v.content_ctime);
}

void visit_fields(Is<ArchiveChild> auto& v, auto&& field) {
  field(v.name);
  field(v.version);
  field(v.symlink_target);
  field(v.xattrs);
}

void visit_fields(Is<ArchivePage> auto& v, auto&& field) {
  field(v.children);
  field(v.file_system);
  field(v.next_cookie);
  field(v.last);
}

void visit_fields(Is<Archive::Space> auto& v, auto&& field) {
  field(v.total_bytes);
  field(v.free_bytes);
  field(v.available_bytes);
  field(v.total_files);
  field(v.free_files);
}

void visit_fields(Is<ArchiveCapabilities> auto& v, auto&& field) {
  field(v.file_system);
  field(v.identity);
  field(v.birth_time);
  field(v.lasting_ctime);
  field(v.writable);
  field(v.user_xattrs);
  field(v.posix_acls);
  field(v.change_owner);
  field(v.hard_links);
  field(v.symlinks);
  field(v.special_files);
  field(v.case_sensitive);
  field(v.rename_noreplace);
  field(v.rename_exchange);
  field(v.sync_file_system);
  field(v.clone);
}

void visit_fields(Is<FillRequest> auto& v, auto&& field) {
  field(v.path);
  field(v.expected);
  field(v.range);
  field(v.limit_bytes);
  field(v.chunk_bytes);
  field(v.purpose);
}

void visit_fields(Is<FillResult> auto& v, auto&& field) {
  field(v.checksums);
  field(v.copied_bytes);
}

void visit_fields(Is<MeasureRequest> auto& v, auto&& field) {
  field(v.path);
  field(v.expected);
  field(v.ranges);
}

void visit_fields(Is<StageFileRequest> auto& v, auto&& field) {
  field(v.leaf);
  field(v.size_bytes);
  field(v.chunk_bytes);
  field(v.absent);
  field(v.source_path);
  field(v.source_version);
  field(v.source_limit_bytes);
  field(v.known);
  field(v.unchanged);
  field(v.patch);
  field(v.attributes);
  field(v.xattrs);
}

void visit_fields(Is<StageNodeRequest> auto& v, auto&& field) {
  field(v.leaf);
  field(v.attributes);
  field(v.xattrs);
  field(v.symlink_target);
}

void visit_fields(Is<StagedFile> auto& v, auto&& field) {
  field(v.version);
  field(v.checksums);
  field(v.written_bytes);
  field(v.cloned_bytes);
  field(v.damaged_chunk);
  field(v.rotten_chunk);
}

void visit_fields(Is<PlaceRequest> auto& v, auto&& field) {
  field(v.leaf);
  field(v.target);
  field(v.before);
}

template <class T>
concept Message = requires(T& value) {
  visit_fields(value, [](auto&) {});
};
template <class T>
concept Enum = std::is_enum_v<T>;

// put() appends a value, get() reads one: after a failed read the reader is not ok() and the value
// is of no use.
inline void put(ByteWriter& out, bool value) { out.flag(value); }
inline void put(ByteWriter& out, uint32_t value) { out.u32(value); }
inline void put(ByteWriter& out, uint64_t value) { out.u64(value); }
inline void put(ByteWriter& out, int64_t value) { out.i64(value); }
inline void put(ByteWriter& out, const std::string& value) { out.text(value); }
void put(ByteWriter& out, const Xattrs& value);
void put(ByteWriter& out, const Error& value);
void put(ByteWriter& out, Enum auto value) { out.u8(static_cast<uint8_t>(value)); }
void put(ByteWriter& out, const Message auto& value);
template <class T>
void put(ByteWriter& out, const std::optional<T>& value);
template <class T>
void put(ByteWriter& out, const std::vector<T>& values);
template <class T>
void put(ByteWriter& out, const Result<T>& result);

inline void get(ByteReader& in, bool& value) { value = in.flag(); }
inline void get(ByteReader& in, uint32_t& value) { value = in.u32(); }
inline void get(ByteReader& in, uint64_t& value) { value = in.u64(); }
inline void get(ByteReader& in, int64_t& value) { value = in.i64(); }
inline void get(ByteReader& in, std::string& value) { value = in.text(); }
void get(ByteReader& in, Xattrs& value);
Error get_error(ByteReader& in);
template <Enum T>
void get(ByteReader& in, T& value) {
  value = static_cast<T>(in.u8());
}
void get(ByteReader& in, Message auto& value);
template <class T>
void get(ByteReader& in, std::optional<T>& value);
template <class T>
void get(ByteReader& in, std::vector<T>& values);
template <class T>
void get(ByteReader& in, Result<T>& result);

void put(ByteWriter& out, const Message auto& value) {
  visit_fields(value, [&out](const auto& field) { put(out, field); });
}

void get(ByteReader& in, Message auto& value) {
  visit_fields(value, [&in](auto& field) { get(in, field); });
}

template <class T>
void put(ByteWriter& out, const std::optional<T>& value) {
  put(out, value.has_value());
  if (value) put(out, *value);
}

template <class T>
void get(ByteReader& in, std::optional<T>& value) {
  value.reset();
  bool present = false;
  get(in, present);
  if (present) get(in, value.emplace());
}

template <class T>
void put(ByteWriter& out, const std::vector<T>& values) {
  put(out, static_cast<uint64_t>(values.size()));
  for (const T& value : values) put(out, value);
}

template <class T>
void get(ByteReader& in, std::vector<T>& values) {
  uint64_t count = 0;
  get(in, count);
  values.clear();
  for (uint64_t i = 0; i < count && in.ok(); ++i) get(in, values.emplace_back());
}

template <class T>
void put(ByteWriter& out, const Result<T>& result) {
  put(out, result.has_value());
  if (result) {
    put(out, *result);
  } else {
    put(out, result.error());
  }
}

template <class T>
void get(ByteReader& in, Result<T>& result) {
  bool good = false;
  get(in, good);
  if (good) {
    T value{};
    get(in, value);
    result = std::move(value);
  } else {
    result = get_error(in);
  }
}

template <class T>
Result<T> get_result(ByteReader& in) {
  Result<T> result;
  get(in, result);
  if (in.complete()) return result;
  return Error(std::errc::protocol_error, "the archive helper sent an invalid reply");
}

}  // namespace wire
}  // namespace tierhub
