#include "common/posix.h"

#include <algorithm>

#include <fcntl.h>

#include <gtest/gtest.h>

#include "tests/support/temporary_directory.h"

namespace tierhub {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

class Posix : public ::testing::Test {
 protected:
  void SetUp() override {
    auto fd = posix::open_at(AT_FDCWD, directory_.path(), O_RDONLY | O_DIRECTORY);
    ASSERT_TRUE(fd.has_value()) << fd.error().text();
    fd_ = *std::move(fd);
  }
  UniqueFd make_file(const std::string& name, std::string_view text = "text") {
    auto fd = posix::open_at(fd_.get(), name, O_RDWR | O_CREAT | O_TRUNC, 0644);
    EXPECT_TRUE(fd.has_value()) << fd.error().text();
    EXPECT_TRUE(posix::write_all(fd->get(), text).has_value());
    return *std::move(fd);
  }
  std::string text_of(const std::string& name) {
    return posix::read_file(directory_ / name).value_or("(none)");
  }

  TemporaryDirectory directory_;
  UniqueFd fd_;
};

using OpenBeneath = Posix;

TEST_F(OpenBeneath, OpensWhatLiesBelow) {
  ASSERT_TRUE(posix::make_directories(directory_ / "a/b", 0755).has_value());
  make_file("a/b/file");
  EXPECT_TRUE(posix::open_beneath(fd_.get(), "a/b/file", O_RDONLY).has_value());
  EXPECT_TRUE(posix::open_beneath(fd_.get(), "", O_RDONLY | O_DIRECTORY).has_value())
      << "the folder itself";
  const auto made = posix::open_beneath(fd_.get(), "a/new", O_WRONLY | O_CREAT, 0600);
  ASSERT_TRUE(made.has_value()) << made.error().text();
  EXPECT_EQ(posix::stat_fd(made->get())->st_mode & 0777, 0600U);
}

TEST_F(OpenBeneath, RefusesToClimbOut) {
  ASSERT_TRUE(posix::make_directories(directory_ / "a/b", 0755).has_value());
  const auto inside = posix::open_at(fd_.get(), "a", O_RDONLY | O_DIRECTORY);
  make_file("secret");
  for (const std::string path : {"../secret", "..", "b/../../secret", "/etc/passwd"}) {
    const auto opened = posix::open_beneath(inside->get(), path, O_RDONLY);
    ASSERT_FALSE(opened.has_value()) << path;
    EXPECT_TRUE(opened.error().is(std::errc::cross_device_link)) << opened.error().text();
  }
}

TEST_F(OpenBeneath, RefusesSymbolicLinksAnywhereInThePath) {
  ASSERT_TRUE(posix::make_directories(directory_ / "real", 0755).has_value());
  make_file("real/file");
  ASSERT_EQ(::symlinkat("real", fd_.get(), "link"), 0);
  ASSERT_EQ(::symlinkat("file", posix::open_at(fd_.get(), "real", O_RDONLY)->get(), "link"), 0);
  for (const std::string path : {"link/file", "real/link"}) {
    const auto opened = posix::open_beneath(fd_.get(), path, O_RDONLY);
    ASSERT_FALSE(opened.has_value()) << path;
    EXPECT_TRUE(opened.error().is(std::errc::too_many_symbolic_link_levels))
        << opened.error().text();
  }
}

TEST_F(Posix, OpensWithCloseOnExec) {
  EXPECT_NE(::fcntl(make_file("x").get(), F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_NE(::fcntl(posix::open_beneath(fd_.get(), "x", O_RDONLY)->get(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST_F(Posix, ErrorsNameTheActionAndThePath) {
  const auto opened = posix::open_at(fd_.get(), "nothing", O_RDONLY);
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().text(), "open nothing: No such file or directory");
}

TEST_F(Posix, MakesFoldersWithTheirParents) {
  EXPECT_TRUE(posix::make_directories(directory_ / "a/b/c", 0755).has_value());
  EXPECT_TRUE(posix::make_directories(directory_ / "a/b/c", 0755).has_value()) << "again";
  make_file("file");
  EXPECT_FALSE(posix::make_directories(directory_ / "file/x", 0755).has_value());
}

TEST_F(Posix, ReadsUpToTheEndOfTheFile) {
  const UniqueFd file = make_file("file", "0123456789");
  std::array<std::byte, 8> buffer{};
  EXPECT_EQ(*posix::read_at(file.get(), buffer, 0), 8U);
  EXPECT_EQ(*posix::read_at(file.get(), buffer, 4), 6U);
  EXPECT_EQ(*posix::read_at(file.get(), buffer, 100), 0U);
}

TEST_F(Posix, WritesAtAnOffset) {
  const UniqueFd file = make_file("file", "0123456789");
  ASSERT_TRUE(posix::write_all_at(file.get(), bytes_of("ab"), 3).has_value());
  EXPECT_EQ(text_of("file"), "012ab56789");
}

TEST_F(Posix, AHoleReadsAsZerosAndKeepsTheSize) {
  const UniqueFd file = make_file("file", std::string(3 * 4096, 'x'));
  ASSERT_TRUE(posix::punch_hole(file.get(), 4096, 8192).has_value());
  EXPECT_TRUE(posix::punch_hole(file.get(), 5, 5).has_value()) << "nothing to do";
  EXPECT_EQ(text_of("file"),
            std::string(4096, 'x') + std::string(4096, '\0') + std::string(4096, 'x'));
}

TEST_F(Posix, ReplaceFileReplacesAllOfIt) {
  make_file("file", "something longer");
  ASSERT_TRUE(posix::replace_file(directory_ / "file", "new", 0600).has_value());
  EXPECT_EQ(text_of("file"), "new");
  EXPECT_EQ(posix::stat_at(fd_.get(), "file")->st_mode & 0777, 0600U);
  EXPECT_EQ(posix::list_directory_fd(fd_.get())->size(), 1U) << "no temporary file is left";
}

TEST_F(Posix, RenameCanRefuseToReplaceAndCanExchange) {
  make_file("a", "A");
  make_file("b", "B");
  const auto refused = posix::rename_at(fd_.get(), "a", fd_.get(), "b", RENAME_NOREPLACE);
  ASSERT_FALSE(refused.has_value());
  EXPECT_TRUE(refused.error().is(std::errc::file_exists));
  ASSERT_TRUE(posix::rename_at(fd_.get(), "a", fd_.get(), "b", RENAME_EXCHANGE).has_value());
  EXPECT_EQ(text_of("a"), "B");
  EXPECT_EQ(text_of("b"), "A");
}

TEST_F(Posix, ListsAFolderWithoutDotsAndMoreThanOnce) {
  make_file("b");
  make_file("a");
  for (int i = 0; i < 2; ++i) {
    auto names = *posix::list_directory_fd(fd_.get());
    std::sort(names.begin(), names.end());
    EXPECT_EQ(names, (std::vector<std::string>{"a", "b"}));
  }
}

TEST_F(Posix, KeepsExtendedAttributesWithAnyBytes) {
  const UniqueFd file = make_file("file");
  const std::string value("a\0b", 3);
  const auto set = posix::set_xattr_fd(file.get(), "user.tierhub.test", value);
  ASSERT_TRUE(set.has_value()) << set.error().text()
                               << ": the temporary folder needs a file system with user xattrs";
  ASSERT_TRUE(posix::set_xattr_fd(file.get(), "user.empty", "").has_value());
  EXPECT_EQ(*posix::get_xattr_fd(file.get(), "user.tierhub.test"), value);
  EXPECT_EQ(*posix::get_xattr_fd(file.get(), "user.empty"), "");
  const auto missing = posix::get_xattr_fd(file.get(), "user.none");
  ASSERT_FALSE(missing.has_value());
  EXPECT_EQ(missing.error().errno_value(), ENODATA);
  auto names = *posix::list_xattr_fd(file.get());
  std::sort(names.begin(), names.end());
  EXPECT_EQ(names, (std::vector<std::string>{"user.empty", "user.tierhub.test"}));
}

TEST_F(Posix, TheBootIdHasNoNewlineAndStandsStill) {
  const auto id = posix::boot_id();
  ASSERT_TRUE(id.has_value());
  EXPECT_EQ(id->size(), 36U);
  EXPECT_EQ(*posix::boot_id(), *id);
}

}  // namespace
}  // namespace tierhub
