#include "storage/archive/source_check.h"

#include <fmt/format.h>

namespace tierhub {
namespace {

Error conflict(std::string_view why) {
  return Error(conflict_code(),
               fmt::format("the archived file is not the version on record: {}", why));
}

Error not_mounted() {
  return Error(std::errc::no_such_device, "the file system of the archived file is not mounted");
}

bool is_same_time(const struct statx_timestamp& a, const struct statx_timestamp& b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

}  // namespace

Result<void> check_source(int fd, const struct statx& found, const ArchiveVersion& expected,
                          const IdentityScheme& scheme) {
  if (scheme.device != 0 && mount_key_of(found).device != scheme.device) return not_mounted();
  const Attributes attributes = attributes_of(found);
  if (attributes.kind != expected.attributes.kind) return conflict("it has another type");
  if (attributes.kind != FileKind::file) return conflict("it is not a regular file");
  if (attributes.size_bytes != expected.attributes.size_bytes) return conflict("its size differs");
  if (attributes.mtime != expected.attributes.mtime) return conflict("its mtime differs");
  if (inode_number_of(expected.identity) != found.stx_ino)
    return conflict("it is a different file");
  const bool has_birth = (found.stx_mask & STATX_BTIME) != 0 && expected.attributes.btime.ns != 0;
  if (has_birth && attributes.btime != expected.attributes.btime)
    return conflict("it is a different file");
  if (has_birth && scheme.kind == IdentityKind::handle) return {};
  TRY_ASSIGN(const ArchiveVersion version, version_of(fd, found, scheme));
  if (version.identity != expected.identity) return conflict("it is a different file");
  return {};
}

bool same_times(const struct statx& before, const struct statx& after) {
  return is_same_time(before.stx_mtime, after.stx_mtime) &&
         is_same_time(before.stx_ctime, after.stx_ctime);
}

bool same_content(const struct statx& before, const struct statx& after) {
  return before.stx_ino == after.stx_ino && before.stx_size == after.stx_size &&
         is_same_time(before.stx_mtime, after.stx_mtime);
}

}  // namespace tierhub
