// The messages between ArchiveClient and the archive helper, as bytes. Both ends are of the same
// build, so nothing is versioned; a decoder still trusts no length.
//
//   request   u64 number, i64 deadline (ns of the monotonic clock, after which it must not begin),
//             u8 ArchiveCall, its arguments
//   reply     u64 number of the request, Result
//   progress  u64 0, the numbers of requests that made progress
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
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
  stage_directory,
  stage_symlink,
  stage_special,
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

// put() appends a value, get() reads one: after a failed read the reader is not ok() and the value
// is of no use.
namespace wire {

void put(ByteWriter& out, bool value);
void put(ByteWriter& out, uint32_t value);
void put(ByteWriter& out, uint64_t value);
void put(ByteWriter& out, const std::string& value);
void put(ByteWriter& out, Nothing value);
void put(ByteWriter& out, const Xattrs& value);
void put(ByteWriter& out, const ByteRange& value);
void put(ByteWriter& out, const Checksum& value);
void put(ByteWriter& out, const Attributes& value);
void put(ByteWriter& out, const ArchiveVersion& value);
void put(ByteWriter& out, const ArchiveChild& value);
void put(ByteWriter& out, const ArchivePage& value);
void put(ByteWriter& out, const Archive::Space& value);
void put(ByteWriter& out, const ArchiveCapabilities& value);
// Of requests, all but the descriptors.
void put(ByteWriter& out, const FillRequest& value);
void put(ByteWriter& out, const FillResult& value);
void put(ByteWriter& out, const MeasureRequest& value);
void put(ByteWriter& out, const StageFileRequest& value);
void put(ByteWriter& out, const StagedFile& value);
void put(ByteWriter& out, const PlaceRequest& value);
void put(ByteWriter& out, const Error& value);

void get(ByteReader& in, bool& value);
void get(ByteReader& in, uint32_t& value);
void get(ByteReader& in, uint64_t& value);
void get(ByteReader& in, std::string& value);
void get(ByteReader& in, Nothing& value);
void get(ByteReader& in, Xattrs& value);
void get(ByteReader& in, ByteRange& value);
void get(ByteReader& in, Checksum& value);
void get(ByteReader& in, Attributes& value);
void get(ByteReader& in, ArchiveVersion& value);
void get(ByteReader& in, ArchiveChild& value);
void get(ByteReader& in, ArchivePage& value);
void get(ByteReader& in, Archive::Space& value);
void get(ByteReader& in, ArchiveCapabilities& value);
void get(ByteReader& in, FillRequest& value);
void get(ByteReader& in, FillResult& value);
void get(ByteReader& in, MeasureRequest& value);
void get(ByteReader& in, StageFileRequest& value);
void get(ByteReader& in, StagedFile& value);
void get(ByteReader& in, PlaceRequest& value);
Error get_error(ByteReader& in);

template <class T>
void put(ByteWriter& out, const Result<T>& result);
template <class T>
void get(ByteReader& in, Result<T>& result);

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
