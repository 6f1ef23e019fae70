#include "bench/generated_archive.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "common/bytes.h"

namespace tierhub::bench {
namespace {

constexpr int64_t kFirstTime_ns = 1'700'000'000'000'000'000;
constexpr uint32_t kHandleType = 1;  // FILEID_INO32_GEN: inode number and generation

// Spreads numbers, always in the same way.
uint64_t scatter(uint64_t value) {
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

Identity identity_of(uint32_t number) {
  return {
      ByteWriter().u32(kHandleType).u32(number).u32(static_cast<uint32_t>(scatter(number))).take()};
}

ArchiveVersion version_of(FileKind kind, uint64_t number) {
  ArchiveVersion version;
  version.identity = identity_of(static_cast<uint32_t>(number));
  Attributes& a = version.attributes;
  a.kind = kind;
  a.mode = kind == FileKind::directory ? 0755 : 0644;
  a.uid = 1000;
  a.gid = 100;
  if (kind == FileKind::file) a.size_bytes = scatter(number) % (64 << 20);
  a.mtime = {kFirstTime_ns + static_cast<int64_t>(number) * 1'000'000 +
             static_cast<int64_t>(scatter(number) % 1'000'000)};
  a.atime = a.ctime = a.btime = a.mtime;
  version.device = 1;
  return version;
}

std::string folder_name(uint64_t folder) { return fmt::format("plate_{:05}", folder); }
std::string file_name(uint64_t file) { return fmt::format("image_t{:03}.tif", file); }

Error not_here() {
  return Error(std::errc::not_supported, "a generated archive is only for looking at");
}

}  // namespace

std::string generated_path(uint64_t file) {
  return folder_name(file / kFilesInFolder) + "/" + file_name(file % kFilesInFolder);
}

Result<std::optional<ArchiveVersion>> GeneratedArchive::stat(const std::string& path) {
  if (!path.empty()) return std::optional<ArchiveVersion>();
  return std::optional(version_of(FileKind::directory, UINT32_MAX));
}

Result<ArchivePage> GeneratedArchive::list(const std::string& path, uint64_t cookie, size_t limit) {
  const uint64_t folders = (files_ + kFilesInFolder - 1) / kFilesInFolder;
  uint64_t folder = 0;
  uint64_t count = folders;
  if (!path.empty()) {
    const std::string digits = path.substr(path.find('_') + 1);
    std::from_chars(digits.data(), digits.data() + digits.size(), folder);
    count = std::min(kFilesInFolder, files_ - folder * kFilesInFolder);
  }
  ArchivePage page;
  for (uint64_t i = cookie; i < count && page.children.size() < limit; ++i) {
    ArchiveChild child;
    if (path.empty()) {
      child.name = folder_name(i);
      child.version = version_of(FileKind::directory, files_ + i);
    } else {
      child.name = file_name(i);
      child.version = version_of(FileKind::file, folder * kFilesInFolder + i);
    }
    page.children.push_back(std::move(child));
  }
  page.next_cookie = cookie + page.children.size();
  page.last = page.next_cookie == count;
  return page;
}

void GeneratedArchive::fill(const FillRequest&, std::function<void(Result<FillResult>)> done) {
  done(not_here());
}
Result<StagedFile> GeneratedArchive::stage_file(const StageFileRequest&) { return not_here(); }
Result<ArchiveVersion> GeneratedArchive::stage_node(const StageNodeRequest&) { return not_here(); }
Result<ArchiveVersion> GeneratedArchive::place(const std::string&, const std::string&,
                                               const std::optional<ArchiveVersion>&) {
  return not_here();
}
Result<ArchiveVersion> GeneratedArchive::move(const std::string&, const ArchiveVersion&,
                                              const std::string&,
                                              const std::optional<ArchiveVersion>&) {
  return not_here();
}
Result<ArchiveVersion> GeneratedArchive::link(const std::string&, const ArchiveVersion&,
                                              const std::string&, const std::string&,
                                              const std::optional<ArchiveVersion>&) {
  return not_here();
}
Result<void> GeneratedArchive::remove(const std::string&, const ArchiveVersion&,
                                      const std::string&) {
  return not_here();
}
Result<ArchiveVersion> GeneratedArchive::set_attributes(const std::string&, const ArchiveVersion&,
                                                        const Attributes&, const Xattrs&) {
  return not_here();
}

}  // namespace tierhub::bench
