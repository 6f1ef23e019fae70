// Hot and new files are the kernel's own business: tierd sees neither reads nor writes, and yet
// loses none of them.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/tier_fixture.h"

namespace tierhub::test::passthrough_test {
namespace {

constexpr uint64_t kMiB = 1 << 20;

UniqueFd open_file(const std::string& path, int flags, mode_t mode = 0644) {
  UniqueFd file(::open(path.c_str(), flags | O_CLOEXEC, mode));
  check(file.get(), "open " + path);
  return file;
}

class Passthrough : public TierTest {
 protected:
  void expect_replica() {
    EXPECT_THAT(differences(describe_tree(tier.mount), describe_tree(tier.archive)),
                ::testing::IsEmpty());
  }
};

// A shared writable mapping of a whole file, whose descriptor may be closed.
class Mapping {
 public:
  Mapping(const std::string& path, size_t size) : size_(size) {
    const UniqueFd file = open_file(path, O_RDWR);
    address_ = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
    if (address_ == MAP_FAILED) check(-1, "mmap " + path);
  }
  ~Mapping() { ::munmap(address_, size_); }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  char* bytes() const { return static_cast<char*>(address_); }

 private:
  size_t size_;
  void* address_;
};

TEST_F(Passthrough, IsInUseOnThisKernel) {
  tier.start();
  EXPECT_EQ(tier.status().data_path, "passthrough") << tier.log();
}

TEST_F(Passthrough, AHotFileIsReadWithoutOneReadRequest) {
  const std::string content = random_bytes(16 * kMiB, 1);
  write_file(tier.in_archive("hot"), content);
  tier.start();
  tier.prefetch("/hot");
  EXPECT_EQ(read_file(tier.in_mount("hot")), content);
  EXPECT_EQ(read_range(tier.in_mount("hot"), 9 * kMiB + 1, 4096),
            content.substr(9 * kMiB + 1, 4096));
  EXPECT_EQ(tier.status().fuse_read_requests, 0u);
  EXPECT_EQ(tier.status().passthrough_opens, 2u);
}

TEST_F(Passthrough, ANewFileIsWrittenWithoutOneWriteRequest) {
  tier.start();
  const std::string content = random_bytes(16 * kMiB, 2);
  write_file(tier.in_mount("new"), content);
  overwrite(tier.in_mount("new"), 5, "again");
  append_to_file(tier.in_mount("new"), "end");
  EXPECT_EQ(tier.status().fuse_write_requests, 0u);
  struct stat st {};
  check(::stat(tier.in_mount("new").c_str(), &st), "stat");
  EXPECT_EQ(static_cast<uint64_t>(st.st_size), content.size() + 3) << "sizes are seen at once";
  tier.publish();
  expect_replica();
}

TEST_F(Passthrough, AColdFileCanBeMapped) {
  const std::string content = random_bytes(8 * kMiB, 3);
  write_file(tier.in_archive("cold"), content);
  tier.start();
  const Mapping mapping(tier.in_mount("cold"), content.size());
  EXPECT_EQ(std::string_view(mapping.bytes(), content.size()), content);
}

// The kernel serves an inode in one way at a time: with a mapping made through tierd, an open in
// passthrough would fail.
TEST_F(Passthrough, AFileThatWasMappedColdIsServedByTierdUntilTheMappingIsGone) {
  const std::string content = random_bytes(8 * kMiB, 3);
  write_file(tier.in_archive("cold"), content);
  tier.start();
  {
    const Mapping mapping(tier.in_mount("cold"), content.size());
    EXPECT_EQ(std::string_view(mapping.bytes(), kMiB), content.substr(0, kMiB));
    tier.prefetch("/cold");
    EXPECT_EQ(tier.entry("/cold").resident, content.size());
    EXPECT_EQ(read_file(tier.in_mount("cold")), content);
    EXPECT_EQ(tier.status().passthrough_opens, 0u);
    overwrite(tier.in_mount("cold"), 5 * kMiB, "changed");
    EXPECT_EQ(std::string_view(mapping.bytes() + 5 * kMiB, 7), "changed");
  }
  eventually("an open in passthrough", [&] {
    EXPECT_EQ(read_range(tier.in_mount("cold"), 5 * kMiB, 7), "changed");
    return tier.status().passthrough_opens > 0;
  });
}

TEST_F(Passthrough, WhatAMappingWritesAfterItsCloseIsPublishedOnceItIsGone) {
  tier.start();
  write_file(tier.in_mount("mapped"), std::string(kMiB, 'a'));
  tier.publish();
  {
    const Mapping mapping(tier.in_mount("mapped"), kMiB);
    mapping.bytes()[0] = 'b';
    auto progress = tier.client().start_publish({"/mapped"});
    ASSERT_TRUE(progress) << progress.error().text();
    // It may have been quiet for none of the time: nothing of a torn file reaches the archive.
    EXPECT_FALSE(progress->done);
    mapping.bytes()[kMiB - 1] = 'c';
    EXPECT_EQ(read_file(tier.in_archive("mapped")), std::string(kMiB, 'a'));
    EXPECT_EQ(tier.evict("/mapped").files, 0u);
  }
  tier.publish("/mapped");
  const std::string archived = read_file(tier.in_archive("mapped"));
  EXPECT_EQ(archived.front(), 'b');
  EXPECT_EQ(archived.back(), 'c');
}

TEST_F(Passthrough, AHotFileThatIsOverwrittenIsPublishedAgain) {
  write_file(tier.in_archive("hot"), random_bytes(9 * kMiB, 4));
  tier.start();
  tier.prefetch("/hot");
  overwrite(tier.in_mount("hot"), 4 * kMiB - 2, "over a chunk's border");
  EXPECT_EQ(tier.status().fuse_write_requests, 0u);
  EXPECT_EQ(tier.entry("/hot").state, "dirty");
  tier.publish();
  EXPECT_EQ(tier.entry("/hot").state, "hot");
  expect_replica();
}

TEST_F(Passthrough, ThePartlyResidentFileIsWrittenThroughTheDaemon) {
  const std::string content = random_bytes(12 * kMiB, 5);
  write_file(tier.in_archive("partial"), content);
  tier.start();
  read_range(tier.in_mount("partial"), 0, 1);
  overwrite(tier.in_mount("partial"), 5 * kMiB, "in an absent chunk");
  std::string expected = content;
  expected.replace(5 * kMiB, 18, "in an absent chunk");
  EXPECT_GT(tier.status().fuse_write_requests, 0u);
  tier.publish();
  EXPECT_EQ(read_file(tier.in_archive("partial")), expected);
  tier.evict("/");
  EXPECT_EQ(read_file(tier.in_mount("partial")), expected);
}

TEST_F(Passthrough, AWriteByAnotherUserTakesSetUidAway) {
  tier.start();
  write_file(tier.in_mount("program"), "x", 0777);
  check(::chmod(tier.mount.c_str(), 0777), "chmod");
  check(::chmod(tier.in_mount("program").c_str(), 04777), "chmod");
  const auto write = run_command({"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                                  "sh", "-c", "echo y >> " + tier.in_mount("program")});
  EXPECT_EQ(write.exit_code, 0) << write.text;
  struct stat st {};
  check(::stat(tier.in_mount("program").c_str(), &st), "stat");
  EXPECT_EQ(st.st_mode & 07777, 0777u);
}

TEST_F(Passthrough, SwitchedOffIsSlowerAndJustAsRight) {
  const std::string content = random_bytes(9 * kMiB, 6);
  write_file(tier.in_archive("hot"), content);
  tier.settings["passthrough"] = "false";
  tier.start();
  EXPECT_EQ(tier.status().data_path, "splice");
  tier.prefetch("/");
  EXPECT_EQ(read_file(tier.in_mount("hot")), content);
  EXPECT_GT(tier.status().fuse_read_requests, 0u);
  write_file(tier.in_mount("new"), content);
  overwrite(tier.in_mount("hot"), 3, "changed");
  tier.publish();
  expect_replica();
}

}  // namespace
}  // namespace tierhub::test::passthrough_test
