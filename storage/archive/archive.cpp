#include "storage/archive/archive.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>

#include "common/extents.h"

namespace tierhub {
namespace {

// errno values that say more than the kernel's.
class ErrnoCategory final : public std::error_category {
 public:
  explicit ErrnoCategory(const char* name) : name_(name) {}
  const char* name() const noexcept override { return name_; }
  std::string message(int code) const override { return std::generic_category().message(code); }
  std::error_condition default_error_condition(int code) const noexcept override {
    return {code, std::generic_category()};
  }

 private:
  const char* const name_;
};

// What NFS leaves of a file that was removed while open: ".nfs" and a number in hex.
constexpr std::string_view kNfsPrefix = ".nfs";
bool is_nfs_leftover(std::string_view name) {
  constexpr size_t kShortestNumber = 8;
  return name.starts_with(kNfsPrefix) && name.size() >= kNfsPrefix.size() + kShortestNumber &&
         name.find_first_not_of("0123456789abcdefABCDEF", kNfsPrefix.size()) ==
             std::string_view::npos;
}

}  // namespace

const std::error_category& scratch_category() {
  static const ErrnoCategory category("scratch");
  return category;
}

const std::error_category& claim_category() {
  static const ErrnoCategory category("claim");
  return category;
}

bool archive_holds_xattr(FileKind kind, std::string_view name) {
  if (kind != FileKind::file && kind != FileKind::directory) return false;
  return name.starts_with("user.") || name.starts_with("system.posix_acl_") ||
         name == "security.capability";
}

bool is_archive_wide(const Error& error) {
  static constexpr std::array kCodes = {
      ECANCELED, EIO,          ENOSPC,     EROFS,        EDQUOT,       ETIMEDOUT,
      ENODEV,    ENOTCONN,     ENXIO,      EHOSTDOWN,    EHOSTUNREACH, ENETDOWN,
      ENETRESET, ECONNABORTED, ECONNRESET, ECONNREFUSED, ESHUTDOWN,    ENOLCK};
  const std::error_code& code = error.code();
  if (is_claimed(error)) return true;
  return code.category() == std::generic_category() &&
         std::find(kCodes.begin(), kCodes.end(), code.value()) != kCodes.end();
}

void Archive::measure(const MeasureRequest& request, std::function<void(Result<uint64_t>)> done) {
  done(bytes_in(request.ranges, request.expected.attributes.size_bytes));
}

std::vector<Result<StagedFile>> Archive::stage_files(
    const std::vector<StageFileRequest>& requests) {
  std::vector<Result<StagedFile>> answers;
  for (const StageFileRequest& request : requests) answers.push_back(stage_file(request));
  return answers;
}

std::vector<Result<ArchiveVersion>> Archive::place_all(const std::vector<PlaceRequest>& requests) {
  std::vector<Result<ArchiveVersion>> answers;
  for (const PlaceRequest& request : requests)
    answers.push_back(place(request.leaf, request.target, request.before));
  return answers;
}

bool is_on_record(const ArchiveVersion& found, const ArchiveVersion& on_record) {
  if (found.identity != on_record.identity) return false;
  if (found.attributes.kind != on_record.attributes.kind) return false;
  if (found.attributes.kind != FileKind::file) return true;
  return found.attributes.size_bytes == on_record.attributes.size_bytes &&
         found.attributes.mtime == on_record.attributes.mtime;
}

ArchiveVersion version_after_act(ArchiveVersion now, const ArchiveVersion& found,
                                 const ArchiveVersion& on_record) {
  if (found.is_touched_since(on_record)) now.content_ctime = on_record.content_ctime;
  return now;
}

const LeftOutNames& usual_left_out_names() {
  static const LeftOutNames names = {"/lost+found", "/.zfs",  ".snapshot",
                                     ".nfs*",       "@eaDir", "#recycle"};
  return names;
}

bool is_left_out(const LeftOutNames& names, FolderPlace folder, std::string_view name) {
  return std::any_of(names.begin(), names.end(), [&](std::string_view left_out) {
    if (left_out.starts_with('/')) {
      if (folder != FolderPlace::top_of_a_file_system) return false;
      left_out.remove_prefix(1);
    }
    if (!left_out.ends_with('*')) return name == left_out;
    left_out.remove_suffix(1);
    return left_out == kNfsPrefix ? is_nfs_leftover(name) : name.starts_with(left_out);
  });
}

}  // namespace tierhub
