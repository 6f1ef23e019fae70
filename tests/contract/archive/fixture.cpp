#include "fixture.h"

#include <algorithm>
#include <cstring>
#include <future>
#include <ostream>
#include <random>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/posix.h"

namespace tierhub::test {

void PrintTo(const Backend& backend, std::ostream* out) { *out << backend.name; }

ArchiveVersion without_atime(ArchiveVersion version) {
  version.attributes.atime = {};
  return version;
}

void write_file(const std::string& path, const std::string& text) {
  const auto fd = posix::open_at(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  ASSERT_TRUE(fd) << fd.error().text();
  const auto written = posix::write_all(fd->get(), text);
  ASSERT_TRUE(written) << written.error().text();
}

std::string read_file(const std::string& path) {
  const auto text = posix::read_file(path);
  EXPECT_TRUE(text) << text.error().text();
  return text ? *text : std::string();
}

bool exists(const std::string& path) {
  return ::faccessat(AT_FDCWD, path.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

uint64_t allocated_bytes(const std::string& path) {
  const auto st = posix::stat_at(AT_FDCWD, path);
  EXPECT_TRUE(st) << st.error().text();
  return st ? static_cast<uint64_t>(st->st_blocks) * 512 : 0;
}

void set_mtime(const std::string& path, int64_t seconds) {
  const timespec times[2] = {{0, UTIME_OMIT}, {seconds, 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW), 0) << path;
}

std::string random_text(size_t bytes, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::string text(bytes, '\0');
  for (size_t at = 0; at < bytes; at += sizeof(uint64_t)) {
    const uint64_t drawn = random();
    std::memcpy(text.data() + at, &drawn, std::min(sizeof drawn, bytes - at));
  }
  return text;
}

void ArchiveTest::SetUp() {
  auto opened = GetParam().open(root_.path());
  ASSERT_TRUE(opened) << opened.error().text();
  archive_ = *std::move(opened);
}

ArchiveVersion ArchiveTest::version(const std::string& path) {
  const auto found = archive_->stat(path);
  EXPECT_TRUE(found) << found.error().text();
  if (!found) return {};
  EXPECT_TRUE(found->has_value()) << path << " is not there";
  return found->value_or(ArchiveVersion{});
}

Attributes ArchiveTest::attributes(FileKind kind, uint32_t mode) const {
  Attributes a;
  a.kind = kind;
  a.mode = mode;
  a.uid = ::geteuid();
  a.gid = ::getegid();
  a.atime = {1'600'000'000'000'000'123};
  a.mtime = {1'500'000'000'123'456'789};
  return a;
}

Result<StagedFile> ArchiveTest::try_stage(const StageFileRequest& request,
                                          const std::string& text) {
  const std::string path = (work_ / "object");
  write_file(path, text);
  TRY_ASSIGN(const UniqueFd object, posix::open_at(AT_FDCWD, path, O_RDONLY));
  StageFileRequest full = request;
  full.object_fd = object.get();
  if (full.chunk_bytes == 0) full.chunk_bytes = kChunk;
  return archive_->stage_file(full);
}

StagedFile ArchiveTest::stage(const std::string& leaf, const std::string& text) {
  StageFileRequest request;
  request.leaf = leaf;
  request.size_bytes = text.size();
  request.attributes = attributes(FileKind::file, 0640);
  const auto staged = try_stage(request, text);
  EXPECT_TRUE(staged) << staged.error().text();
  return staged ? *staged : StagedFile{};
}

FillRequest ArchiveTest::whole(const std::string& path) {
  FillRequest request;
  request.path = path;
  request.expected = version(path);
  request.range = {0, request.expected.attributes.size_bytes};
  request.limit_bytes = request.range.end;
  request.chunk_bytes = kChunk;
  return request;
}

Result<FillResult> ArchiveTest::fill(const FillRequest& request, const std::string& target) {
  const std::string path = (work_ / target);
  std::promise<Result<FillResult>> promise;
  {
    TRY_ASSIGN(const UniqueFd fd, posix::open_at(AT_FDCWD, path, O_RDWR | O_CREAT, 0600));
    TRY(posix::truncate_fd(fd.get(), request.expected.attributes.size_bytes));
    FillRequest full = request;
    full.target_fd = fd.get();
    archive_->fill(full, [&](Result<FillResult> result) { promise.set_value(std::move(result)); });
  }
  return promise.get_future().get();
}

}  // namespace tierhub::test
