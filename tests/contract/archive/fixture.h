// What the archive tests share: a fresh archive in a temporary folder, its back end given by the
// test's parameter.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "storage/archive/archive.h"
#include "tests/support/temporary_directory.h"

namespace tierhub::test {

inline constexpr uint64_t kChunk = 64 << 10;

// A way to make an archive from a folder. All of them must behave alike.
struct Backend {
  std::string name;
  std::function<Result<std::unique_ptr<Archive>>(const std::string& root)> open;
};
const std::vector<Backend>& backends();
void PrintTo(const Backend& backend, std::ostream* out);

// Everything but the time of the last read, which the tests themselves move.
ArchiveVersion without_atime(ArchiveVersion version);

// Plain system calls, as someone else would make them in the archive. They fail the test.
void write_file(const std::string& path, const std::string& text);
std::string read_file(const std::string& path);
bool exists(const std::string& path);
uint64_t allocated_bytes(const std::string& path);
// Changes the file's time of change; the clock of the file system may be too coarse to show a quick
// write.
void set_mtime(const std::string& path, int64_t seconds);
std::string random_text(size_t bytes, uint64_t seed);

class ArchiveTest : public ::testing::TestWithParam<Backend> {
 protected:
  void SetUp() override;

  std::string in_archive(const std::string& path) const { return root_ / path; }
  std::string in_staging(const std::string& leaf) const {
    return root_ / (".tierhub/staging/" + leaf);
  }
  // The version of what stands at `path`; fails the test if nothing does.
  ArchiveVersion version(const std::string& path);
  Attributes attributes(FileKind kind, uint32_t mode) const;
  // Stages a file with this content under `leaf`.
  StagedFile stage(const std::string& leaf, const std::string& text);
  Result<StagedFile> try_stage(const StageFileRequest& request, const std::string& text);
  // Fills `target`, a new file of `size` bytes in `work_`, and waits for the end.
  Result<FillResult> fill(const FillRequest& request, const std::string& target);
  FillRequest whole(const std::string& path);

  TemporaryDirectory root_;
  TemporaryDirectory work_;
  std::unique_ptr<Archive> archive_;
};

#define TIERHUB_ARCHIVE_TEST(suite)                                          \
  class suite : public ArchiveTest {};                                       \
  INSTANTIATE_TEST_SUITE_P(Backends, suite, ::testing::ValuesIn(backends()), \
                           [](const auto& backend) { return backend.param.name; })

}  // namespace tierhub::test
