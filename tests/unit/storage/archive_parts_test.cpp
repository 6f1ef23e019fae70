// The small parts behind the archive: arithmetic, memory, messages.
#include <numeric>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "common/extents.h"
#include "common/frame_socket.h"
#include "common/posix.h"
#include "storage/copy/buffer_arena.h"
#include "storage/copy/copy_plan.h"
#include "storage/helper/helper.h"
#include "storage/helper/wire.h"
#include "tests/support/temporary_directory.h"

namespace tierhub {
namespace {

TEST(Extents, OfASparseFileAreItsData) {
  TemporaryDirectory folder;
  const auto fd = posix::open_at(AT_FDCWD, folder / "file", O_RDWR | O_CREAT, 0600);
  ASSERT_TRUE(fd);
  ASSERT_TRUE(posix::truncate_fd(fd->get(), 4 << 20));
  const std::string block(1 << 16, 'x');
  ASSERT_TRUE(posix::write_all_at(fd->get(), std::as_bytes(std::span(block)), 1 << 20));
  ASSERT_TRUE(posix::write_all_at(fd->get(), std::as_bytes(std::span(block)), 3 << 20));
  const auto all = data_ranges(fd->get(), {0, 4 << 20});
  ASSERT_TRUE(all);
  EXPECT_EQ(*all, (std::vector<ByteRange>{{1 << 20, (1 << 20) + (1 << 16)},
                                          {3 << 20, (3 << 20) + (1 << 16)}}));
  const auto part = data_ranges(fd->get(), {(1 << 20) + 100, 2 << 20});
  ASSERT_TRUE(part);
  EXPECT_EQ(*part, (std::vector<ByteRange>{{(1 << 20) + 100, (1 << 20) + (1 << 16)}}));
}

TEST(Extents, AreCountedInBlocksAndNotEndlessly) {
  TemporaryDirectory folder;
  const auto fd = posix::open_at(AT_FDCWD, folder / "file", O_RDWR | O_CREAT, 0600);
  ASSERT_TRUE(fd);
  constexpr uint64_t kStep = 64 << 10;
  constexpr uint64_t kPieces = 3000;
  constexpr uint64_t kEnd = kPieces * kStep;
  ASSERT_TRUE(posix::truncate_fd(fd->get(), kEnd));
  const std::string text = "x";
  for (uint64_t i = 0; i < kPieces; ++i)
    ASSERT_TRUE(posix::write_all_at(fd->get(), std::as_bytes(std::span(text)), i * kStep + 100));
  int told = 0;
  const auto count = [&](const std::vector<ByteRange>& ranges, uint64_t most_pieces) {
    return data_bytes(
               fd->get(), ranges, [&] { ++told; }, most_pieces)
        .value();
  };
  EXPECT_EQ(count({{0, kEnd}}, kMostPiecesLookedAt), kPieces * 4096);
  EXPECT_EQ(told, 2);
  EXPECT_EQ(count({{0, 200}, {4096, kStep + 4096}}, kMostPiecesLookedAt), 200U + 4096U);
  EXPECT_EQ(count({{0, kEnd}}, 1000), 1000 * 4096 + kEnd - 999 * kStep - 4096)
      << "what was not looked at is data";
}

TEST(Extents, AndGapsTileARange) {
  const std::vector<ByteRange> data = {{0, 10}, {20, 30}, {50, 60}};
  EXPECT_EQ(clip(data, {5, 55}), (std::vector<ByteRange>{{5, 10}, {20, 30}, {50, 55}}));
  EXPECT_EQ(gaps({5, 55}, data), (std::vector<ByteRange>{{10, 20}, {30, 50}}));
  EXPECT_EQ(gaps({0, 10}, data), std::vector<ByteRange>{});
  EXPECT_EQ(gaps({60, 70}, data), (std::vector<ByteRange>{{60, 70}}));
}

TEST(CopyPlan, EndsAtTheLimitAndAtTheEndOfTheFile) {
  FillRequest request;
  request.expected.attributes.size_bytes = 1000;
  request.range = {100, 1000};
  request.chunk_bytes = 100;
  request.limit_bytes = 250;
  const CopyPlan plan(request);
  EXPECT_EQ(plan.copied(), (ByteRange{100, 250}));
  EXPECT_EQ(plan.chunk_count(), 9U);
  EXPECT_EQ(plan.chunk(0), (ByteRange{100, 200}));
  EXPECT_EQ(plan.chunk(1), (ByteRange{200, 250}));
  EXPECT_TRUE(plan.chunk(2).empty());
  EXPECT_TRUE(plan.chunk(8).empty());
}

TEST(CopyPlan, RefusesRangesThatDoNotBeginAtAChunk) {
  FillRequest request;
  request.chunk_bytes = 100;
  request.range = {50, 200};
  EXPECT_FALSE(CopyPlan::check(request, 1000));
  request.range = {100, 200};
  EXPECT_TRUE(CopyPlan::check(request, 1000));
  EXPECT_FALSE(CopyPlan::check(request, 99));
}

TEST(BufferArena, GivesOutAllItsMemoryAndTakesItBack) {
  auto arena = BufferArena::make(8 * 4096);
  ASSERT_TRUE(arena);
  std::vector<std::span<std::byte>> taken;
  for (int i = 0; i < 4; ++i) {
    const auto buffer = arena->take(4097);
    ASSERT_TRUE(buffer);
    EXPECT_EQ(buffer->size(), 4097U);
    taken.push_back(*buffer);
  }
  EXPECT_FALSE(arena->take(1));
  arena->give_back(taken[1]);
  arena->give_back(taken[2]);
  EXPECT_TRUE(arena->take(4 * 4096)) << "neighbours did not become one stretch";
  EXPECT_FALSE(arena->take(8 * 4096));
}

TEST(FrameSocket, CarriesFramesAndDescriptors) {
  auto sockets = make_socket_pair();
  ASSERT_TRUE(sockets);
  auto& [here, there] = *sockets;
  TemporaryDirectory folder;
  auto file = posix::open_at(AT_FDCWD, folder / "file", O_RDWR | O_CREAT, 0600);
  ASSERT_TRUE(file);
  const auto inode = posix::stat_fd(file->get())->st_ino;
  ASSERT_TRUE(OutgoingFrame("first", UniqueFd()).send(here.get()).value());
  ASSERT_TRUE(OutgoingFrame("second", *std::move(file)).send(here.get()).value());
  ASSERT_TRUE(OutgoingFrame("", UniqueFd()).send(here.get()).value());
  FrameReader reader;
  std::vector<Frame> frames;
  while (frames.size() < 3) {
    auto some = reader.receive(there.get());
    ASSERT_TRUE(some) << some.error().text();
    for (Frame& frame : *some) frames.push_back(std::move(frame));
  }
  EXPECT_EQ(frames[0].body, "first");
  EXPECT_TRUE(frames[0].fds.empty());
  EXPECT_EQ(frames[1].body, "second");
  ASSERT_EQ(frames[1].fds.size(), 1u);
  EXPECT_EQ(posix::stat_fd(frames[1].fds[0].get())->st_ino, inode);
  EXPECT_EQ(frames[2].body, "");
}

TEST(FrameSocket, CarriesManyDescriptorsWithEachOfManyFrames) {
  auto sockets = make_socket_pair();
  ASSERT_TRUE(sockets);
  auto& [here, there] = *sockets;
  TemporaryDirectory folder;
  std::vector<ino_t> inodes;
  constexpr size_t kFrames = 3;
  for (size_t frame = 0; frame < kFrames; ++frame) {
    std::vector<UniqueFd> fds;
    for (size_t i = 0; i < kMaxFrameFds - frame; ++i) {
      auto file =
          posix::open_at(AT_FDCWD, folder / fmt::format("{}-{}", frame, i), O_RDWR | O_CREAT, 0600);
      ASSERT_TRUE(file);
      inodes.push_back(posix::stat_fd(file->get())->st_ino);
      fds.push_back(*std::move(file));
    }
    ASSERT_TRUE(OutgoingFrame("a frame", std::move(fds)).send(here.get()).value());
  }
  FrameReader reader;
  std::vector<ino_t> received;
  for (size_t frames = 0; frames < kFrames;) {
    auto some = reader.receive(there.get());
    ASSERT_TRUE(some) << some.error().text();
    for (const Frame& frame : *some) {
      EXPECT_EQ(frame.fds.size(), kMaxFrameFds - frames++);
      for (const UniqueFd& fd : frame.fds) received.push_back(posix::stat_fd(fd.get())->st_ino);
    }
  }
  EXPECT_EQ(received, inodes);
}

TEST(FrameSocket, SendsWhatDoesNotFitInPieces) {
  auto sockets = make_socket_pair();
  ASSERT_TRUE(sockets);
  auto& [here, there] = *sockets;
  ASSERT_EQ(::fcntl(here.get(), F_SETFL, O_NONBLOCK), 0);
  const std::string body(5 << 20, 'x');
  OutgoingFrame frame(body, UniqueFd());
  FrameReader reader;
  std::vector<Frame> frames;
  bool sent = false;
  while (frames.empty()) {
    if (!sent) sent = frame.send(here.get()).value();
    auto some = reader.receive(there.get());
    ASSERT_TRUE(some) << some.error().text();
    for (Frame& each : *some) frames.push_back(std::move(each));
  }
  EXPECT_EQ(frames[0].body, body);
}

TEST(FrameSocket, SaysThatTheOtherEndIsClosed) {
  auto sockets = make_socket_pair();
  ASSERT_TRUE(sockets);
  sockets->first.reset();
  const auto frames = FrameReader().receive(sockets->second.get());
  ASSERT_FALSE(frames);
  EXPECT_TRUE(frames.error().is(std::errc::not_connected));
}

ArchiveVersion some_version() {
  ArchiveVersion version;
  version.identity.bytes = std::string("h\0\1\2", 4);
  version.attributes.kind = FileKind::fifo;
  version.attributes.mode = 07644;
  version.attributes.size_bytes = uint64_t{1} << 40;
  version.attributes.mtime = {-5};
  version.nlink = 3;
  version.device = 77;
  return version;
}

template <class T>
T there_and_back(const T& value) {
  ByteWriter out;
  wire::put(out, value);
  ByteReader in(out.bytes());
  T back{};
  wire::get(in, back);
  EXPECT_TRUE(in.complete());
  return back;
}

TEST(Wire, BringsValuesBackAsTheyWere) {
  EXPECT_EQ(there_and_back(some_version()), some_version());
  EXPECT_EQ(there_and_back(std::optional<ArchiveVersion>()), std::nullopt);
  EXPECT_EQ(there_and_back(std::optional(some_version())), some_version());
  const Xattrs xattrs = {{"user.a", std::string("\0x", 2)}, {"user.b", ""}};
  EXPECT_EQ(there_and_back(xattrs), xattrs);
  const std::vector<std::string> names = {"", "a", "b/c"};
  EXPECT_EQ(there_and_back(names), names);
  ArchiveCapabilities capabilities;
  capabilities.file_system = "ext4";
  capabilities.hard_links = true;
  capabilities.lasting_ctime = true;
  EXPECT_EQ(there_and_back(capabilities), capabilities);
}

TEST(Wire, BringsErrorsBackWithTheirCategory) {
  for (const Error& error :
       {Error(std::errc::no_space_on_device, "full"), Error({ENOSPC, scratch_category()}, "full"),
        Error(claimed_code(), "in use"), Error(conflict_code(), "changed")}) {
    ByteWriter out;
    wire::put(out, Result<uint64_t>(error));
    ByteReader in(out.bytes());
    const auto back = wire::get_result<uint64_t>(in);
    ASSERT_FALSE(back);
    EXPECT_EQ(back.error().code(), error.code());
    EXPECT_EQ(back.error().text(), error.text());
  }
}

TEST(Wire, RefusesEveryTruncatedReply) {
  ByteWriter out;
  wire::put(out,
            Result<std::vector<ArchiveVersion>>(std::vector<ArchiveVersion>(2, some_version())));
  for (size_t size = 0; size < out.bytes().size(); ++size) {
    ByteReader in(std::string_view(out.bytes()).substr(0, size));
    EXPECT_FALSE(wire::get_result<std::vector<ArchiveVersion>>(in)) << size;
  }
}

TEST(Wire, IsNotTakenInByAnEndlessCount) {
  ByteWriter out;
  out.flag(true).u64(UINT64_MAX);
  ByteReader in(out.bytes());
  EXPECT_FALSE(wire::get_result<std::vector<std::string>>(in));
}

TEST(ArchiveHelperOptions, SurviveTheCommandLine) {
  ArchiveHelperOptions options;
  options.root = "/archive with spaces";
  options.expected_id = "";
  options.slots = 7;
  options.copy.method = CopyMethod::threads;
  options.copy.max_files = 9;
  const auto parsed = ArchiveHelperOptions::parse(options.to_arguments());
  ASSERT_TRUE(parsed) << parsed.error().text();
  EXPECT_EQ(parsed->to_arguments(), options.to_arguments());
}

TEST(ArchiveHelperOptions, RefuseWhatTheyDoNotKnow) {
  EXPECT_FALSE(ArchiveHelperOptions::parse({}));
  EXPECT_FALSE(ArchiveHelperOptions::parse({"--root"}));
  EXPECT_FALSE(ArchiveHelperOptions::parse({"--root", "/a", "--slots", "many"}));
  EXPECT_FALSE(ArchiveHelperOptions::parse({"--root", "/a", "--colour", "red"}));
}

TEST(ArchiveErrors, OfScratchAreNotTheArchives) {
  EXPECT_TRUE(is_archive_wide(Error(std::errc::no_space_on_device, "full")));
  EXPECT_FALSE(is_archive_wide(Error({ENOSPC, scratch_category()}, "full")));
  EXPECT_TRUE(is_archive_wide(Error(claimed_code(), "in use")));
  EXPECT_FALSE(is_archive_wide(Error(std::errc::permission_denied, "no")));
  EXPECT_FALSE(is_archive_wide(Error(conflict_code(), "changed")));
}

}  // namespace
}  // namespace tierhub
