// Which bytes of a file are on the fast tier, and that nobody who reads or copies can tell.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <tuple>

#include <fcntl.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/tier_fixture.h"

namespace tierhub::test::residency_test {
namespace {

constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kChunk = 4 * kMiB;

class Residency : public TierTest {
 protected:
  // Each read is a request of its own.
  static std::string read_direct(int fd, uint64_t offset, uint64_t size) {
    constexpr size_t kAlignment = 4096;
    const std::unique_ptr<void, decltype(&::free)> buffer(std::aligned_alloc(kAlignment, size),
                                                          ::free);
    const ssize_t n = ::pread(fd, buffer.get(), size, static_cast<off_t>(offset));
    return {static_cast<const char*>(buffer.get()), static_cast<size_t>(std::max<ssize_t>(n, 0))};
  }
};

TEST_F(Residency, OneByteOfAColdFileBringsExactlyOneChunk) {
  write_file(tier.in_archive("big.bin"), random_bytes(200 * kMiB, 1));
  tier.start();
  EXPECT_EQ(tier.entry("/big.bin").state, "cold");

  EXPECT_EQ(read_range(tier.in_mount("big.bin"), 100 * kMiB, 1),
            read_range(tier.in_archive("big.bin"), 100 * kMiB, 1));
  eventually("the chunk is kept", [&] { return tier.status().recall_chunks == 1; });
  EXPECT_EQ(tier.entry("/big.bin").state, "partial");
  EXPECT_EQ(tier.entry("/big.bin").resident, kChunk);

  EXPECT_EQ(tier.evict("/big.bin").bytes, kChunk);
  EXPECT_EQ(tier.entry("/big.bin").state, "cold");
  EXPECT_EQ(tier.entry("/big.bin").resident, 0u);
  tier.wait_until_scratch_is_empty();
}

TEST_F(Residency, AFileThatIsReadOnIsBroughtAheadOfItsReader) {
  constexpr uint64_t kSize = 40 * kMiB;
  tier.settings["read_ahead"] = "8MiB";
  const std::string content = random_bytes(kSize, 9);
  write_file(tier.in_archive("stream"), content);
  tier.start();
  const UniqueFd file(::open(tier.in_mount("stream").c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC));
  const auto read_on = [&](uint64_t from, uint64_t to) {
    for (uint64_t at = from; at < to; at += kMiB)
      EXPECT_EQ(read_direct(file.get(), at, kMiB), content.substr(at, kMiB));
  };
  read_on(0, 4 * kMiB);
  eventually("what comes next is there",
             [&] { return tier.entry("/stream").resident >= 8 * kMiB; });
  EXPECT_LE(tier.entry("/stream").resident, 12 * kMiB);
  read_on(4 * kMiB, kSize);
  eventually("all is kept", [&] { return tier.entry("/stream").state == "hot"; });
  EXPECT_EQ(tier.status().recall_bytes, kSize) << "each chunk once";
}

TEST_F(Residency, ALookAtTheTreeReadsNoContent) {
  for (int i = 0; i < 20; ++i)
    write_file(tier.in_archive("file" + std::to_string(i)), random_bytes(kMiB, i));
  tier.start();
  const auto listing = run_command({"ls", "-lR", tier.mount});
  EXPECT_EQ(listing.exit_code, 0) << listing.text;
  EXPECT_EQ(tier.status().recall_bytes, 0u);
  tier.wait_until_scratch_is_empty();
}

TEST_F(Residency, PrefetchMakesHotAndEvictMakesCold) {
  write_file(tier.in_archive("a"), random_bytes(9 * kMiB, 2));
  write_file(tier.in_archive("empty"), "");
  tier.start();
  EXPECT_EQ(tier.entry("/empty").state, "hot");
  EXPECT_EQ(tier.prefetch("/").done_bytes, 9 * kMiB);
  EXPECT_EQ(tier.entry("/a").state, "hot");
  EXPECT_EQ(tier.entry("/a").resident, 9 * kMiB);
  EXPECT_EQ(read_file(tier.in_mount("a")), read_file(tier.in_archive("a")));
  EXPECT_EQ(tier.status().recall_bytes, 0u);
  EXPECT_EQ(tier.evict("/").bytes, 9 * kMiB);
  EXPECT_EQ(tier.entry("/a").state, "cold");
}

TEST_F(Residency, AFolderWithTotalsIsAsHotAsItsFiles) {
  std::filesystem::create_directories(tier.in_archive("folder/inside"));
  write_file(tier.in_archive("folder/inside/a"), random_bytes(kMiB, 3));
  tier.start();
  const auto total = [&] {
    const auto listing = tier.client().list("/", api::Service::Depth::totals);
    return listing.value().entries.at(0);
  };
  EXPECT_EQ(total().state, "cold");
  EXPECT_EQ(total().size, kMiB) << "of its files, and nothing for itself";
  tier.prefetch("/folder");
  EXPECT_EQ(total().state, "hot");
  EXPECT_EQ(total().resident, kMiB);
}

TEST_F(Residency, AFolderWithTotalsHasThePinsOfItsFiles) {
  std::filesystem::create_directories(tier.in_archive("folder/inside"));
  write_file(tier.in_archive("folder/inside/a"), random_bytes(kMiB, 3));
  write_file(tier.in_archive("folder/b"), random_bytes(kMiB, 4));
  tier.start();
  const auto pins = [&] {
    const auto listing = tier.client().list("/", api::Service::Depth::totals);
    return listing.value().entries.at(0).pins;
  };
  EXPECT_TRUE(pins().empty());
  ASSERT_TRUE(tier.client().pin({"/folder"}, "ada", "course"));
  EXPECT_EQ(pins(), std::vector<std::string>{"ada: course"}) << "once, not for each file";
  ASSERT_TRUE(tier.client().pin({"/folder/b"}, "bob", "review"));
  EXPECT_EQ(pins(), (std::vector<std::string>{"ada: course", "bob: review"}));
  ASSERT_TRUE(tier.client().unpin({"/folder"}, "ada"));
  EXPECT_EQ(pins(), std::vector<std::string>{"bob: review"});
}

TEST_F(Residency, AnOpenOrPinnedFileIsNotEvicted) {
  write_file(tier.in_archive("open"), random_bytes(kMiB, 3));
  write_file(tier.in_archive("pinned"), random_bytes(kMiB, 4));
  tier.start();
  tier.prefetch("/");
  ASSERT_EQ(tier.tierctl({"pin", "--reason", "course", "/pinned"}).exit_code, 0);
  const UniqueFd reader(::open(tier.in_mount("open").c_str(), O_RDONLY | O_CLOEXEC));
  const auto evicted = tier.evict("/");
  EXPECT_EQ(evicted.files, 0u);
  EXPECT_EQ(evicted.skipped_files, 2u);
  EXPECT_EQ(tier.entry("/open").state, "hot");
  EXPECT_EQ(tier.entry("/pinned").state, "hot");
}

// What the API says about parts of files.
class Parts : public Residency {
 protected:
  api::Residency part(const std::string& path, uint64_t begin, uint64_t end, size_t limit = 1'000) {
    const auto answer = tier.client().residency(path, {begin, end}, limit);
    if (!answer) throw std::runtime_error(answer.error().text());
    return *answer;
  }
  void prefetch_parts(const std::string& path, std::vector<ByteRange> ranges) {
    api::PrefetchRequest request;
    request.files = {{path, std::move(ranges)}};
    const auto started = tier.client().start_prefetch(request);
    ASSERT_TRUE(started) << started.error().text();
    eventually("the prefetch ends",
               [&] { return tier.client().prefetch(started->id)->state == "done"; });
  }
  static constexpr uint64_t kSize = 30 * kMiB + 5;
};

TEST_F(Parts, OfAFileNameTheirResidentRanges) {
  write_file(tier.in_archive("file"), random_bytes(kSize, 1));
  tier.start();
  EXPECT_EQ(part("/file", 0, kSize).resident, 0u);
  prefetch_parts("/file", {{5 * kMiB, 6 * kMiB}, {17 * kMiB, kSize}});
  const api::Residency all = part("/file", 0, UINT64_MAX);
  EXPECT_EQ(all.path, "/file");
  EXPECT_EQ(all.size, kSize);
  EXPECT_EQ(all.begin, 0u);
  EXPECT_EQ(all.end, kSize);
  EXPECT_EQ(all.resident, 4 * kMiB + kSize - 16 * kMiB);
  EXPECT_EQ(all.resident, tier.entry("/file").resident);
  EXPECT_EQ(all.dirty, 0u);
  EXPECT_THAT(all.ranges,
              ::testing::ElementsAre(ByteRange{4 * kMiB, 8 * kMiB}, ByteRange{16 * kMiB, kSize}));
  EXPECT_FALSE(all.more);
  const api::Residency some = part("/file", 6 * kMiB, 17 * kMiB);
  EXPECT_EQ(some.resident, 3 * kMiB);
  EXPECT_THAT(some.ranges, ::testing::ElementsAre(ByteRange{6 * kMiB, 8 * kMiB},
                                                  ByteRange{16 * kMiB, 17 * kMiB}));
  EXPECT_EQ(part("/file", 8 * kMiB, 16 * kMiB).resident, 0u);
  EXPECT_EQ(part("/file", kSize, UINT64_MAX).end, kSize);
  EXPECT_EQ(part("/file", 2 * kSize, 3 * kSize).resident, 0u);
}

TEST_F(Parts, OfAFileSayThatThereAreMoreRanges) {
  write_file(tier.in_archive("file"), random_bytes(kSize, 1));
  tier.start();
  prefetch_parts("/file", {{0, 1}, {9 * kMiB, 10 * kMiB}, {17 * kMiB, 18 * kMiB}});
  const api::Residency none = part("/file", 0, kSize, 0);
  EXPECT_EQ(none.resident, 12 * kMiB);
  EXPECT_TRUE(none.ranges.empty());
  EXPECT_TRUE(none.more);
  const api::Residency first = part("/file", 0, kSize, 2);
  EXPECT_EQ(first.resident, 12 * kMiB);
  EXPECT_EQ(first.ranges.size(), 2u);
  EXPECT_TRUE(first.more);
  const api::Residency rest = part("/file", first.ranges.back().end, kSize, 2);
  EXPECT_THAT(rest.ranges, ::testing::ElementsAre(ByteRange{16 * kMiB, 20 * kMiB}));
  EXPECT_FALSE(rest.more);
}

TEST_F(Parts, OfAWrittenFileCountWhatIsDirty) {
  write_file(tier.in_archive("file"), random_bytes(kSize, 1));
  tier.start();
  prefetch_parts("/file", {{0, 4 * kMiB}});
  overwrite(tier.in_mount("file"), kMiB, random_bytes(100'000, 2));
  const api::Residency written = part("/file", 0, kSize);
  EXPECT_EQ(written.dirty, 100'000u);
  EXPECT_EQ(written.resident, 4 * kMiB);
  EXPECT_EQ(part("/file", kMiB + 40'000, 2 * kMiB).dirty, 60'000u);
  EXPECT_EQ(part("/file", 2 * kMiB, kSize).dirty, 0u);
  write_file(tier.in_mount("new"), random_bytes(1000, 3));
  const api::Residency created = part("/new", 500, 2000);
  EXPECT_EQ(created.dirty, 500u);
  EXPECT_EQ(created.resident, 500u);
}

TEST_F(Parts, OfWhatIsNoReadableFileAreRefused) {
  std::filesystem::create_directory(tier.in_archive("folder"));
  tier.start();
  const auto error_of = [&](const std::string& path) {
    const auto answer = tier.client().residency(path, {0, 1});
    return answer ? std::string("no error") : answer.error().text();
  };
  EXPECT_EQ(error_of("/folder"), "/folder is a folder: name a file, or use ls with totals=true");
  EXPECT_THAT(error_of("/missing"), ::testing::HasSubstr("/missing"));
  EXPECT_TRUE(
      tier.client().residency("/missing", {0, 1}).error().is(std::errc::no_such_file_or_directory));
}

TEST_F(Parts, OfManyFilesComeInOneAnswerInTheirOrder) {
  write_file(tier.in_archive("file"), random_bytes(kSize, 1));
  write_file(tier.in_archive("small"), random_bytes(1000, 2));
  tier.start();
  prefetch_parts("/file", {{0, 4 * kMiB}});
  const auto list = tier.client().residencies(
      {{{"/small", {}},
        {"/missing", {}},
        {tier.in_mount("file"), {{2 * kMiB, 5 * kMiB}, {kMiB, 3 * kMiB}, {kSize - 5, kSize + 5}}},
        {"/file", {}}}});
  ASSERT_TRUE(list) << list.error().text();
  EXPECT_FALSE(list->more);
  ASSERT_EQ(list->files.size(), 4u);
  const auto& [small, missing, some, all] =
      std::tie(list->files[0], list->files[1], list->files[2], list->files[3]);
  EXPECT_EQ(small.bytes, 1000u);
  EXPECT_EQ(small.resident, 0u);
  EXPECT_EQ(missing.code, "ENOENT");
  EXPECT_EQ(missing.size, 0u);
  EXPECT_EQ(some.path, tier.in_mount("file"));
  EXPECT_EQ(some.bytes, 4 * kMiB + 5);
  EXPECT_EQ(some.resident, 3 * kMiB);
  EXPECT_EQ(all.bytes, kSize);
  EXPECT_EQ(all.resident, 4 * kMiB);
  EXPECT_FALSE(tier.client().residencies({{{"/file", {{5, 4}}}}}));
  EXPECT_FALSE(tier.client().residencies({{api::Service::kMaxResidencyFiles + 1, {"/file", {}}}}));
}

// Copies of a tree by the tools that look for holes.
class Copies : public TierTest {
 protected:
  void SetUp() override {
    write_file(tier.in_archive("cold"), random_bytes(10 * kMiB + 123, 5));
    write_file(tier.in_archive("partial"), random_bytes(10 * kMiB + 123, 6));
    write_file(tier.in_archive("sparse"), random_bytes(5000, 7));
    overwrite(tier.in_archive("sparse"), 33 * kMiB, random_bytes(5000, 8));
    check(::truncate(tier.in_archive("sparse").c_str(), 64 * kMiB), "truncate");
    write_file(tier.in_archive("all_hole"), "");
    check(::truncate(tier.in_archive("all_hole").c_str(), 8 * kMiB), "truncate");
    copy = tier.folder("copy");
    tier.start();
    read_range(tier.in_mount("partial"), 5 * kMiB, 1);
  }
  void expect_equal_to_the_archive(const CommandResult& result) {
    EXPECT_EQ(result.exit_code, 0) << result.text;
    EXPECT_THAT(differences(describe_tree(tier.archive), describe_tree(copy)),
                ::testing::IsEmpty());
  }
  std::string copy;
};

TEST_F(Copies, ByTarWithHolesAreEqual) {
  expect_equal_to_the_archive(
      run_command({"bash", "-c",
                   "set -o pipefail; tar -S --format=posix --exclude=.tierhub -C \"$0\" -cf - . | "
                   "tar -C \"$1\" -xpf -",
                   tier.mount, copy}));
}

TEST_F(Copies, ByCpAreEqual) {
  expect_equal_to_the_archive(run_command({"cp", "-a", tier.mount + "/.", copy}));
}

TEST_F(Copies, ByRsyncWithHolesAreEqual) {
  expect_equal_to_the_archive(run_command({"rsync", "-aS", tier.mount + "/", copy}));
}

TEST_F(Copies, OfHotFilesAreEqual) {
  tier.prefetch("/");
  expect_equal_to_the_archive(
      run_command({"cp", "-a", "--sparse=always", tier.mount + "/.", copy}));
}

}  // namespace
}  // namespace tierhub::test::residency_test
