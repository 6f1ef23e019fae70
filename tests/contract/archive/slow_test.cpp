// The archive on a file system that delays every request by 8 ms, as a far-away NAS does. Needs
// /dev/fuse and the right to mount.
#include <csignal>
#include <future>
#include <thread>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/posix.h"
#include "common/spawn.h"
#include "fixture.h"
#include "storage/helper/client.h"

namespace tierhub::test {
namespace {

using std::chrono::milliseconds;

// A running slowfs.
class SlowMount {
 public:
  SlowMount(const std::string& backing, const std::string& mount_point, int delay_ms,
            const std::string& fault_file)
      : mount_point_(mount_point) {
    Pipe out = make_pipe().value();
    SpawnPlan plan{TIERHUB_SLOWFS,
                   {TIERHUB_SLOWFS, backing, mount_point, "--delay-ms", std::to_string(delay_ms),
                    "--faults", fault_file}};
    plan.descriptors[STDOUT_FILENO] = out.write.get();
    pid_ = spawn(plan).value();
    out.write.reset();
    char line[16] = {};
    if (::read(out.read.get(), line, sizeof line - 1) <= 0 || std::string(line) != "mounted\n") {
      throw std::runtime_error("slowfs could not mount: these tests need root and /dev/fuse");
    }
  }
  ~SlowMount() {
    ::kill(pid_, SIGCONT);
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
  }
  SlowMount(const SlowMount&) = delete;
  SlowMount& operator=(const SlowMount&) = delete;

  void hang() const { ::kill(pid_, SIGSTOP); }
  void go_on() const { ::kill(pid_, SIGCONT); }

 private:
  std::string mount_point_;
  pid_t pid_ = -1;
};

class SlowArchive : public ::testing::TestWithParam<CopyMethod> {
 protected:
  void SetUp() override {
    ASSERT_EQ(::mkdir((folder_ / "backing").c_str(), 0755), 0);
    ASSERT_EQ(::mkdir((folder_ / "mount").c_str(), 0755), 0);
    ASSERT_EQ(::mkdir((folder_ / "scratch").c_str(), 0755), 0);
  }

  void mount_and_start(uint64_t time_limit_ms, int delay_ms = kDelayMs) {
    mount_ = std::make_unique<SlowMount>(folder_ / "backing", folder_ / "mount", delay_ms,
                                         folder_ / "faults");
    ArchiveClientOptions options;
    options.verify_by_reading = verify_by_reading_;
    options.copy.method = GetParam();
    options.time_limit_ms = time_limit_ms;
    auto client = ArchiveClient::start(TIERHUB_ARCHIVE_HELPER, folder_ / "mount", options);
    ASSERT_TRUE(client) << client.error().text();
    client_ = *std::move(client);
    ASSERT_TRUE(eventually([&] { return client_->stat("").has_value(); }));
  }

  // The first probe tries out many things, which takes longer here than the time limits of some
  // tests.
  template <class Condition>
  bool eventually(const Condition& condition) {
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > give_up) return false;
      std::this_thread::yield();
    }
    return true;
  }

  std::future<Result<FillResult>> fill(const ArchiveChild& child) {
    FillRequest request;
    request.path = child.name;
    request.expected = child.version;
    request.range = {0, child.version.attributes.size_bytes};
    request.limit_bytes = request.range.end;
    request.chunk_bytes = kChunk;
    const auto fd =
        posix::open_at(AT_FDCWD, folder_ / ("scratch/" + child.name), O_RDWR | O_CREAT, 0600);
    request.target_fd = fd->get();
    auto end = std::make_shared<std::promise<Result<FillResult>>>();
    client_->fill(request, [end](Result<FillResult> result) { end->set_value(std::move(result)); });
    return end->get_future();
  }

  std::vector<ArchiveChild> list() {
    const auto page = client_->list("", 0, 100'000);
    EXPECT_TRUE(page) << page.error().text();
    return page ? page->children : std::vector<ArchiveChild>();
  }

  // Stages these bytes under the leaf "staged".
  Result<StagedFile> stage(const std::string& text) {
    write_file(folder_ / "object", text);
    TRY_ASSIGN(const UniqueFd object, posix::open_at(AT_FDCWD, folder_ / "object", O_RDONLY));
    StageFileRequest request;
    request.leaf = "staged";
    request.object_fd = object.get();
    request.size_bytes = text.size();
    request.chunk_bytes = kChunk;
    request.attributes.mode = 0644;
    return client_->stage_file(request);
  }

  static constexpr int kDelayMs = 8;
  bool verify_by_reading_ = false;
  TemporaryDirectory folder_;
  std::unique_ptr<SlowMount> mount_;
  std::unique_ptr<ArchiveClient> client_;
};

INSTANTIATE_TEST_SUITE_P(Methods, SlowArchive,
                         ::testing::Values(CopyMethod::io_uring, CopyMethod::threads),
                         [](const auto& method) {
                           return method.param == CopyMethod::io_uring ? "Ring" : "Threads";
                         });

milliseconds since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - start);
}

TEST_P(SlowArchive, IsAskedForManyFilesAtOnce) {
  constexpr int kFiles = 2'000;
  constexpr int kSample = 20;
  for (int i = 0; i < kFiles; ++i) {
    write_file(folder_ / ("backing/file" + std::to_string(i)),
               random_text(4096, static_cast<uint64_t>(i)));
  }
  mount_and_start(30'000);
  const auto children = list();
  ASSERT_EQ(children.size(), static_cast<size_t>(kFiles));

  auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < kSample; ++i) ASSERT_TRUE(fill(children[static_cast<size_t>(i)]).get());
  const auto one_by_one = since(start) * (kFiles / kSample);

  start = std::chrono::steady_clock::now();
  std::vector<std::future<Result<FillResult>>> ends;
  for (const ArchiveChild& child : children) ends.push_back(fill(child));
  for (auto& end : ends) {
    const auto filled = end.get();
    ASSERT_TRUE(filled) << filled.error().text();
  }
  EXPECT_LT(since(start), one_by_one / 10);
  RecordProperty("one_by_one_ms", static_cast<int>(one_by_one.count()));
  RecordProperty("many_at_once_ms", static_cast<int>(since(start).count()));
  EXPECT_EQ(read_file(folder_ / "scratch/file7"), random_text(4096, 7));
}

// Asking what a file is before its bytes and after them would be a third more on a far-away
// archive.
TEST_P(SlowArchive, IsAskedOneQuestionMoreForItsFirstBytesThanByAReaderOfItsOwn) {
  constexpr int kLongDelayMs = 30;
  write_file(folder_ / "backing/theirs", random_text(kChunk, 1));
  write_file(folder_ / "backing/ours", random_text(kChunk, 2));
  mount_and_start(30'000, kLongDelayMs);
  const auto children = list();
  ASSERT_EQ(children.size(), 2U);
  const ArchiveChild& ours = children[children[0].name == "ours" ? 0 : 1];
  const auto read_it = [&] {
    const auto start = std::chrono::steady_clock::now();
    const auto fd = posix::open_at(AT_FDCWD, folder_ / "mount/theirs", O_RDONLY);
    char byte = 0;
    EXPECT_EQ(::pread(fd->get(), &byte, 1, 0), 1);
    return since(start);
  };
  const auto ask_for_it = [&] {
    const auto start = std::chrono::steady_clock::now();
    EXPECT_TRUE(fill(ours).get());
    return since(start);
  };
  auto theirs = read_it();
  auto taken = ask_for_it();
  for (int i = 0; i < 4; ++i) {
    theirs = std::min(theirs, read_it());
    taken = std::min(taken, ask_for_it());
  }
  EXPECT_LT(taken, theirs + milliseconds(kLongDelayMs * 3 / 2));
}

TEST_P(SlowArchive, WhoseFileIsWrittenMeanwhileNeverGivesAMix) {
  constexpr int kLongDelayMs = 20;
  constexpr int kRequests = 16;
  const std::string path = folder_ / "backing/file";
  const std::string old = random_text(8 * kChunk, 1);
  mount_and_start(30'000, kLongDelayMs);
  int refused = 0;
  int filled = 0;
  for (int change_ms = 0; change_ms < kRequests * kLongDelayMs; change_ms += kLongDelayMs) {
    write_file(path, old);
    const auto children = list();
    ASSERT_EQ(children.size(), 1U);
    auto end = fill(children[0]);
    const bool is_last = change_ms == (kRequests - 1) * kLongDelayMs;
    if (is_last) {
      end.wait();  // however long it takes here
    } else {
      std::this_thread::sleep_for(milliseconds(change_ms));
    }
    write_file(path, random_text(8 * kChunk, 2));
    if (end.get()) {
      ++filled;
      EXPECT_TRUE(read_file(folder_ / "scratch/file") == old) << change_ms;
    } else {
      ++refused;
    }
  }
  EXPECT_GT(filled, 0);
  EXPECT_GT(refused, 0);
}

TEST_P(SlowArchive, MayTakeLongerThanTheTimeLimitWhileItGetsOn) {
  constexpr uint64_t kLimitMs = 1'000;
  constexpr int kLongDelayMs = 20;
  write_file(folder_ / "backing/file", random_text(768 * kChunk, 1));
  mount_and_start(kLimitMs, kLongDelayMs);
  const auto children = list();
  ASSERT_EQ(children.size(), 1U);
  const auto start = std::chrono::steady_clock::now();
  const auto filled = fill(children[0]).get();
  ASSERT_TRUE(filled) << filled.error().text();
  EXPECT_GT(since(start), milliseconds(kLimitMs)) << "too quick to show anything";
}

TEST_P(SlowArchive, ThatHangsFailsCallsAndComesBack) {
  write_file(folder_ / "backing/file", "text");
  mount_and_start(1'000);
  const auto children = list();
  ASSERT_EQ(children.size(), 1U);
  mount_->hang();
  const auto filled = fill(children[0]).get();
  ASSERT_FALSE(filled);
  EXPECT_TRUE(filled.error().is(std::errc::timed_out)) << filled.error().text();
  EXPECT_FALSE(client_->stat("file"));
  mount_->go_on();
  ASSERT_TRUE(eventually([&] { return client_->stat("file").has_value(); }));
  EXPECT_EQ(client_->state(), ArchiveState::online);
  const auto again = fill(children[0]).get();
  EXPECT_TRUE(again) << again.error().text();
}

TEST_P(SlowArchive, ThatHangsDoesNotKeepTheClientFromEnding) {
  mount_and_start(1'000);
  mount_->hang();
  EXPECT_FALSE(client_->stat("file"));
  const auto start = std::chrono::steady_clock::now();
  client_.reset();
  EXPECT_LT(since(start), milliseconds(3'000));
}

TEST_P(SlowArchive, IsPublishedToAsAnyOther) {
  mount_and_start(30'000);
  const std::string text = random_text(300'000, 3);
  write_file(folder_ / "object", text);
  const auto object = posix::open_at(AT_FDCWD, folder_ / "object", O_RDONLY);
  ASSERT_TRUE(object);
  StageFileRequest request;
  request.leaf = "leaf";
  request.object_fd = object->get();
  request.size_bytes = text.size();
  request.chunk_bytes = kChunk;
  request.attributes.mode = 0644;
  request.xattrs = {{"user.sample", "brain"}};
  ASSERT_TRUE(client_->stage_file(request));
  const auto placed = client_->place("leaf", "file", std::nullopt);
  ASSERT_TRUE(placed) << placed.error().text();
  EXPECT_EQ(read_file(folder_ / "backing/file"), text);
  ASSERT_TRUE(client_->stage_file(request));
  ASSERT_TRUE(client_->place("leaf", "file", *placed));
  ASSERT_TRUE(client_->discard("leaf", *placed));
  EXPECT_TRUE(client_->sync());
  EXPECT_TRUE(client_->sync_folders({""}));
}

TEST_P(SlowArchive, ThatGivesBackOtherBytesThanWereWrittenIsFoundOutBeforeTheyArePlaced) {
  verify_by_reading_ = true;
  mount_and_start(30'000, 0);
  const std::string text = random_text(5 * kChunk + 1234, 4);
  for (const uint64_t offset : {uint64_t{0}, 3 * kChunk + 7, 5 * kChunk + 1233}) {
    write_file(folder_ / "faults", "flip staged " + std::to_string(offset) + "\n");
    const auto staged = stage(text);
    ASSERT_FALSE(staged) << offset;
    EXPECT_TRUE(staged.error().is(std::errc::bad_message)) << staged.error().text();
    EXPECT_FALSE(is_archive_wide(staged.error())) << "others may be published";
  }
  write_file(folder_ / "faults", "");
  ASSERT_TRUE(stage(text));
  ASSERT_TRUE(client_->place("staged", "file", std::nullopt));
  EXPECT_EQ(read_file(folder_ / "backing/file"), text);
}

}  // namespace
}  // namespace tierhub::test
