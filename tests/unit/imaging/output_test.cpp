#include "imaging/images/output.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "tests/unit/formats/samples.h"
#include "tests/unit/imaging/volumes.h"

namespace tierhub::imaging {
namespace {

using test::ScratchFolder;

size_t entries(const std::string& folder) {
  return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
}

TEST(OutputFolder, AppearsUnderItsNameOnlyWhenCommitted) {
  const ScratchFolder folder;
  {
    auto output = must(OutputFolder::create(folder / "a.zarr"));
    EXPECT_FALSE(std::filesystem::exists(folder / "a.zarr"));
    must(output.commit());
  }
  EXPECT_TRUE(std::filesystem::exists(folder / "a.zarr"));
  EXPECT_EQ(entries(folder.path()), 1u);
}

TEST(OutputFolder, IsRemovedWhenItIsNotCommitted) {
  const ScratchFolder folder;
  { const auto output = must(OutputFolder::create(folder / "a.zarr")); }
  EXPECT_EQ(entries(folder.path()), 0u);
}

TEST(OutputFolder, ReplacesAnEarlierImageAndRemovesIt) {
  const ScratchFolder folder;
  folder.write("a.zarr/.zgroup", "{}");
  folder.write("a.zarr/old", "");
  {
    auto output = must(OutputFolder::create((folder / "a.zarr") + "/"));
    folder.write(base_name(output.path()) + "/new", "");
    must(output.commit());
  }
  EXPECT_TRUE(std::filesystem::exists(folder / "a.zarr/new"));
  EXPECT_FALSE(std::filesystem::exists(folder / "a.zarr/old"));
  EXPECT_EQ(entries(folder.path()), 1u);
}

TEST(OutputFolder, DoesNotReplaceWhatIsNoImage) {
  const ScratchFolder folder;
  folder.write("thesis/chapter1.txt", "");
  EXPECT_FALSE(OutputFolder::create(folder / "thesis"));
  folder.write("file", "");
  EXPECT_FALSE(OutputFolder::create(folder / "file"));
}

TEST(OutputFolder, RemovesWhatDeadProcessesLeftButNothingInUse) {
  const ScratchFolder folder;
  folder.write(".a.zarr.tmp-deadbeef/0/0", "");
  const auto first = must(OutputFolder::create(folder / "a.zarr"));
  EXPECT_FALSE(std::filesystem::exists(folder / ".a.zarr.tmp-deadbeef"));
  const auto second = must(OutputFolder::create(folder / "a.zarr"));
  EXPECT_TRUE(std::filesystem::exists(first.path()));
}

}  // namespace
}  // namespace tierhub::imaging
