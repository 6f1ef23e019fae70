#include "storage/helper/wire.h"

namespace tierhub::wire {
namespace {

// How an error's category is told to the other side.
enum class Category : uint8_t { generic, scratch, claim };

Category category_of(const Error& error) {
  if (is_scratch_error(error)) return Category::scratch;
  return is_claimed(error) ? Category::claim : Category::generic;
}

const std::error_category& known_category(Category category) {
  if (category == Category::scratch) return scratch_category();
  return category == Category::claim ? claim_category() : std::generic_category();
}

void put_time(ByteWriter& out, Timestamp time) { out.i64(time.ns); }
Timestamp get_time(ByteReader& in) { return {in.i64()}; }

}  // namespace

void put(ByteWriter& out, bool value) { out.flag(value); }
void put(ByteWriter& out, uint32_t value) { out.u32(value); }
void put(ByteWriter& out, uint64_t value) { out.u64(value); }
void put(ByteWriter& out, const std::string& value) { out.text(value); }
void put(ByteWriter&, Nothing) {}

void put(ByteWriter& out, const Xattrs& value) {
  out.u64(value.size());
  for (const auto& [name, content] : value) out.text(name).text(content);
}

void put(ByteWriter& out, const ByteRange& value) { out.u64(value.begin).u64(value.end); }
void put(ByteWriter& out, const Checksum& value) { out.u64(value.high).u64(value.low); }

void put(ByteWriter& out, const Attributes& value) {
  out.u8(static_cast<uint8_t>(value.kind)).u32(value.mode).u32(value.uid).u32(value.gid);
  out.u64(value.rdev).u64(value.size_bytes);
  for (const Timestamp time : {value.atime, value.mtime, value.ctime, value.btime})
    put_time(out, time);
}

void put(ByteWriter& out, const ArchiveVersion& value) {
  put(out, value.identity.bytes);
  put(out, value.attributes);
  out.u32(value.nlink).u64(value.device);
  out.flag(value.content_ctime.has_value());
  if (value.content_ctime) put_time(out, *value.content_ctime);
}

void put(ByteWriter& out, const ArchiveChild& value) {
  put(out, value.name);
  put(out, value.version);
  put(out, value.symlink_target);
  put(out, value.xattrs);
}

void put(ByteWriter& out, const ArchivePage& value) {
  put(out, value.children);
  put(out, value.file_system);
  out.u64(value.next_cookie).flag(value.last);
}

void put(ByteWriter& out, const Archive::Space& value) {
  out.u64(value.total_bytes).u64(value.free_bytes).u64(value.available_bytes);
  out.u64(value.total_files).u64(value.free_files);
}

void put(ByteWriter& out, const ArchiveCapabilities& value) {
  put(out, value.file_system);
  out.u8(static_cast<uint8_t>(value.identity));
  for (const bool flag : {value.birth_time, value.writable, value.user_xattrs, value.posix_acls,
                          value.change_owner, value.hard_links, value.symlinks, value.special_files,
                          value.case_sensitive, value.rename_noreplace, value.rename_exchange,
                          value.sync_file_system, value.lasting_ctime}) {
    out.flag(flag);
  }
  out.u8(static_cast<uint8_t>(value.clone));
}

void put(ByteWriter& out, const FillRequest& value) {
  put(out, value.path);
  put(out, value.expected);
  put(out, value.range);
  out.u64(value.limit_bytes).u64(value.chunk_bytes).u8(static_cast<uint8_t>(value.purpose));
}

void put(ByteWriter& out, const FillResult& value) {
  put(out, value.checksums);
  out.u64(value.copied_bytes);
}

void put(ByteWriter& out, const MeasureRequest& value) {
  put(out, value.path);
  put(out, value.expected);
  put(out, value.ranges);
}

void put(ByteWriter& out, const StageFileRequest& value) {
  put(out, value.leaf);
  out.u64(value.size_bytes).u64(value.chunk_bytes);
  put(out, value.absent);
  put(out, value.source_path);
  put(out, value.source_version);
  out.u64(value.source_limit_bytes);
  put(out, value.known);
  put(out, value.patch);
  put(out, value.unchanged);
  put(out, value.attributes);
  put(out, value.xattrs);
}

void put(ByteWriter& out, const StagedFile& value) {
  put(out, value.version);
  put(out, value.checksums);
  out.u64(value.written_bytes).u64(value.cloned_bytes);
  put(out, value.damaged_chunk);
  put(out, value.rotten_chunk);
}

void put(ByteWriter& out, const PlaceRequest& value) {
  put(out, value.leaf);
  put(out, value.target);
  put(out, value.before);
}

void put(ByteWriter& out, const Error& value) {
  const Category category = category_of(value);
  const int code = category == Category::generic ? value.errno_value() : value.code().value();
  out.u8(static_cast<uint8_t>(category)).u32(static_cast<uint32_t>(code)).text(value.text());
}

void get(ByteReader& in, bool& value) { value = in.flag(); }
void get(ByteReader& in, uint32_t& value) { value = in.u32(); }
void get(ByteReader& in, uint64_t& value) { value = in.u64(); }
void get(ByteReader& in, std::string& value) { value = in.text(); }
void get(ByteReader&, Nothing&) {}

void get(ByteReader& in, Xattrs& value) {
  value.clear();
  const uint64_t count = in.u64();
  for (uint64_t i = 0; i < count && in.ok(); ++i) {
    std::string name = in.text();
    value[std::move(name)] = in.text();
  }
}

void get(ByteReader& in, ByteRange& value) {
  value.begin = in.u64();
  value.end = in.u64();
}

void get(ByteReader& in, Checksum& value) {
  value.high = in.u64();
  value.low = in.u64();
}

void get(ByteReader& in, Attributes& value) {
  value.kind = static_cast<FileKind>(in.u8());
  value.mode = in.u32();
  value.uid = in.u32();
  value.gid = in.u32();
  value.rdev = in.u64();
  value.size_bytes = in.u64();
  for (Timestamp* time : {&value.atime, &value.mtime, &value.ctime, &value.btime})
    *time = get_time(in);
}

void get(ByteReader& in, ArchiveVersion& value) {
  get(in, value.identity.bytes);
  get(in, value.attributes);
  value.nlink = in.u32();
  value.device = in.u64();
  if (in.flag()) value.content_ctime = get_time(in);
}

void get(ByteReader& in, ArchiveChild& value) {
  get(in, value.name);
  get(in, value.version);
  get(in, value.symlink_target);
  get(in, value.xattrs);
}

void get(ByteReader& in, ArchivePage& value) {
  get(in, value.children);
  get(in, value.file_system);
  value.next_cookie = in.u64();
  value.last = in.flag();
}

void get(ByteReader& in, Archive::Space& value) {
  value.total_bytes = in.u64();
  value.free_bytes = in.u64();
  value.available_bytes = in.u64();
  value.total_files = in.u64();
  value.free_files = in.u64();
}

void get(ByteReader& in, ArchiveCapabilities& value) {
  get(in, value.file_system);
  value.identity = static_cast<IdentityKind>(in.u8());
  for (bool* flag : {&value.birth_time, &value.writable, &value.user_xattrs, &value.posix_acls,
                     &value.change_owner, &value.hard_links, &value.symlinks, &value.special_files,
                     &value.case_sensitive, &value.rename_noreplace, &value.rename_exchange,
                     &value.sync_file_system, &value.lasting_ctime}) {
    *flag = in.flag();
  }
  value.clone = static_cast<CloneMethod>(in.u8());
}

void get(ByteReader& in, FillRequest& value) {
  get(in, value.path);
  get(in, value.expected);
  get(in, value.range);
  value.limit_bytes = in.u64();
  value.chunk_bytes = in.u64();
  value.purpose = in.u8() == 0 ? FillPurpose::keep : FillPurpose::answer;
}

void get(ByteReader& in, FillResult& value) {
  get(in, value.checksums);
  value.copied_bytes = in.u64();
}

void get(ByteReader& in, MeasureRequest& value) {
  get(in, value.path);
  get(in, value.expected);
  get(in, value.ranges);
}

void get(ByteReader& in, StageFileRequest& value) {
  get(in, value.leaf);
  value.size_bytes = in.u64();
  value.chunk_bytes = in.u64();
  get(in, value.absent);
  get(in, value.source_path);
  get(in, value.source_version);
  value.source_limit_bytes = in.u64();
  get(in, value.known);
  get(in, value.patch);
  get(in, value.unchanged);
  get(in, value.attributes);
  get(in, value.xattrs);
}

void get(ByteReader& in, StagedFile& value) {
  get(in, value.version);
  get(in, value.checksums);
  value.written_bytes = in.u64();
  value.cloned_bytes = in.u64();
  get(in, value.damaged_chunk);
  get(in, value.rotten_chunk);
}

void get(ByteReader& in, PlaceRequest& value) {
  get(in, value.leaf);
  get(in, value.target);
  get(in, value.before);
}

Error get_error(ByteReader& in) {
  const auto category = static_cast<Category>(in.u8());
  const int code = static_cast<int>(in.u32());
  return Error({code, known_category(category)}, in.text());
}

}  // namespace tierhub::wire
