#include "compute/run/owner.h"

#include <unistd.h>

#include <gtest/gtest.h>

namespace tierhub::compute {
namespace {

struct stat file_of(uid_t uid, mode_t mode, nlink_t links = 1) {
  struct stat st {};
  st.st_uid = uid;
  st.st_mode = mode;
  st.st_nlink = links;
  return st;
}

constexpr mode_t kPrivate = S_IFREG | 0644;

TEST(Owner, InASharedFolderTheFilesOwnerCounts) {
  EXPECT_EQ(decide_owner(file_of(1000, kPrivate), std::nullopt, RootJobs::refused).value(), 1000u);
}

TEST(Owner, AFileThatOthersCouldHaveWrittenIsRefused) {
  for (const mode_t mode : {0664, 0646, 0666, 0620}) {
    const auto owner = decide_owner(file_of(1000, S_IFREG | mode), std::nullopt, RootJobs::refused);
    ASSERT_FALSE(owner) << std::oct << mode;
    EXPECT_TRUE(owner.error().is(std::errc::permission_denied));
    EXPECT_NE(owner.error().text().find("chmod go-w"), std::string::npos);
  }
}

TEST(Owner, LinksAndSpecialFilesAreRefused) {
  EXPECT_FALSE(decide_owner(file_of(1000, kPrivate, 2), std::nullopt, RootJobs::refused));
  EXPECT_FALSE(decide_owner(file_of(1000, S_IFLNK | 0777), std::nullopt, RootJobs::refused));
  EXPECT_FALSE(decide_owner(file_of(1000, S_IFIFO | 0600), std::nullopt, RootJobs::refused));
}

TEST(Owner, JobsOfRootNeedTheFlag) {
  EXPECT_FALSE(decide_owner(file_of(0, kPrivate), std::nullopt, RootJobs::refused));
  EXPECT_EQ(decide_owner(file_of(0, kPrivate), std::nullopt, RootJobs::allowed).value(), 0u);
  EXPECT_FALSE(decide_owner(file_of(0, kPrivate), DropFolder{0, 0755}, RootJobs::refused));
}

TEST(Owner, InAUsersFolderTheFoldersOwnerCounts) {
  const DropFolder closed{1000, S_IFDIR | 0700};
  const DropFolder open{1000, S_IFDIR | 0755};
  EXPECT_EQ(decide_owner(file_of(1000, kPrivate), open, RootJobs::refused).value(), 1000u);
  EXPECT_EQ(decide_owner(file_of(0, kPrivate), open, RootJobs::refused).value(), 1000u);
  EXPECT_EQ(decide_owner(file_of(1001, S_IFREG | 0666), closed, RootJobs::refused).value(), 1000u);
}

TEST(Owner, AUsersFolderThatOthersCanWriteIsRefused) {
  EXPECT_FALSE(
      decide_owner(file_of(1000, kPrivate), DropFolder{1000, S_IFDIR | 0775}, RootJobs::refused));
}

TEST(Owner, AFileThatOthersCanReachAndWriteInAUsersFolderIsRefused) {
  const DropFolder open{1000, S_IFDIR | 0755};
  EXPECT_FALSE(decide_owner(file_of(1000, S_IFREG | 0666), open, RootJobs::refused));
  EXPECT_FALSE(decide_owner(file_of(1001, kPrivate), open, RootJobs::refused));
}

TEST(Owner, AFolderIsNamedAfterItsOwnersNameOrNumber) {
  EXPECT_TRUE(is_named_after("root", 0).value());
  EXPECT_TRUE(is_named_after("0", 0).value());
  EXPECT_FALSE(is_named_after("Root", 0).value());
  EXPECT_FALSE(is_named_after("", 0).value());
  EXPECT_FALSE(is_named_after("nobody", 0).value());
  constexpr uint32_t kWithoutAccount = 54'321;
  EXPECT_TRUE(is_named_after("54321", kWithoutAccount).value());
  EXPECT_FALSE(is_named_after("", kWithoutAccount).value());
  EXPECT_FALSE(is_named_after("054321", kWithoutAccount).value());
}

}  // namespace
}  // namespace tierhub::compute
