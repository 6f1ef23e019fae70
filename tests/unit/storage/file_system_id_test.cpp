#include "storage/archive/file_system_id.h"

#include <fcntl.h>

#include <gtest/gtest.h>

#include "common/posix.h"
#include "storage/archive/entry.h"
#include "tests/support/temporary_directory.h"

namespace tierhub {
namespace {

const FileSystemId kId = "0123456789abcdef00112233445566ff";
const std::string kIdBytes("\x01\x23\x45\x67\x89\xab\xcd\xef\x00\x11\x22\x33\x44\x55\x66\xff", 16);

// Golden: how an identity is stored. Never edit a case.
TEST(FileSystemIdentity, StandsBehindTheInodeNumber) {
  const std::string number("\0\0\0\0\0\0\x01\x02", 8);
  const Identity by_handle{"H" + number + kIdBytes + "handle"};
  const Identity by_inode{"I" + number + kIdBytes + std::string(8, '\7')};
  EXPECT_EQ(file_system_of(by_handle), kId);
  EXPECT_EQ(file_system_of(by_inode), kId);
  EXPECT_EQ(inode_number_of(by_handle), 0x102u);
  EXPECT_EQ(file_system_of(Identity{"h" + number + "handle of the root's file system"}), "");
  EXPECT_EQ(file_system_of(Identity{"i" + number + std::string(8, '\7')}), "");
  EXPECT_EQ(file_system_of(Identity{}), "");
  EXPECT_EQ(file_system_of(Identity{"H"}), "");
}

TEST(FileSystemIdentity, IsThatOfTheSameFileWithTheIdInIt) {
  TemporaryDirectory folder;
  const auto fd = posix::open_at(AT_FDCWD, folder / "file", O_RDWR | O_CREAT, 0600);
  ASSERT_TRUE(fd);
  const auto found = statx_fd(fd->get(), Freshness::exact);
  ASSERT_TRUE(found);
  for (const IdentityKind kind : {IdentityKind::handle, IdentityKind::inode_and_birth_time}) {
    const auto plain = version_of(fd->get(), *found, kind);
    const auto nested =
        version_of(fd->get(), *found, IdentityScheme(kind, kId, 0, IdentityScheme::Ctime::lasting));
    ASSERT_TRUE(plain && nested);
    std::string expected = plain->identity.bytes;
    expected[0] = kind == IdentityKind::handle ? 'H' : 'I';
    expected.insert(9, kIdBytes);
    EXPECT_EQ(nested->identity.bytes, expected);
  }
}

TEST(FileSystemIdentity, OfBeforeTheMarkIsKnownAgain) {
  const std::string number("\0\0\0\0\0\0\x01\x02", 8);
  const Identity marked{"H" + number + kIdBytes + "handle"};
  const Identity unmarked{"h" + number + "handle"};
  const Identity made_up{"H" + number + file_system_bytes(provisional_file_system_id("lab")) +
                         "handle"};
  EXPECT_TRUE(was_marked_since(unmarked, marked));
  EXPECT_TRUE(was_marked_since(made_up, marked));
  EXPECT_FALSE(was_marked_since(marked, marked));
  EXPECT_FALSE(was_marked_since(marked, unmarked));
  EXPECT_FALSE(was_marked_since(unmarked, made_up));
  EXPECT_FALSE(was_marked_since(Identity{"h" + number + "another"}, marked));
}

TEST(FileSystemId, StandsInTheNamesOfWhatIsPrivate) {
  EXPECT_EQ(name_on("", "1f"), "1f");
  EXPECT_EQ(name_on(kId, "1f"), "1f@" + kId);
  EXPECT_EQ(split_private_name("1f@" + kId).name, "1f");
  EXPECT_EQ(split_private_name("1f@" + kId).file_system, kId);
  EXPECT_EQ(split_private_name("someone@example.org").name, "someone@example.org");
  EXPECT_EQ(split_private_name("someone@example.org").file_system, "");
  EXPECT_EQ(with_suffix("1f", "-1"), "1f-1");
  EXPECT_EQ(with_suffix("1f@" + kId, "-1"), "1f-1@" + kId);
  const auto path = nested_path(".tierhub/trash/2026-11-22.2@" + kId + "/a/b");
  ASSERT_TRUE(path);
  EXPECT_EQ(path->file_system, kId);
  EXPECT_EQ(path->folder, ".tierhub/trash");
  EXPECT_EQ(path->rest, "2026-11-22.2/a/b");
  EXPECT_FALSE(nested_path(".tierhub/trash/2026-11-22/a@" + kId));
  EXPECT_FALSE(nested_path("lab/staging/1f@" + kId));
}

}  // namespace
}  // namespace tierhub
