// Everything at the same time on a few files: for each a writer, readers of all of them, and behind
// their backs publishes, scans, evictions and prefetches. A reader may see, byte by byte, what the
// file was at some moment between the begin and the end of its read, and nothing else; a writer
// sees what it wrote.
//   TIERHUB_CONCURRENT_SEED   seed of the random operations (else 1)
//   TIERHUB_CONCURRENT_MS     how long each case takes (2,000)
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <linux/falloc.h>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "common/guarded.h"
#include "common/posix.h"
#include "tests/support/local_tier.h"
#include "tests/support/temporary_directory.h"

namespace tierhub::test {
namespace {

constexpr uint64_t kChunk = 4096;
constexpr uint64_t kMaxSize = 12 * kChunk;
constexpr size_t kFiles = 3;
constexpr size_t kReaders = 2;

uint64_t setting(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

// Does what the kernel does with objects that it serves itself.
class FakeKernel final : public KernelChannel {
 public:
  bool passthrough() const override { return true; }
  Result<int32_t> open_backing(int fd) override {
    UniqueFd own(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
    return backings_.with([&](Backings& backings) {
      backings.fds[++backings.last] = std::move(own);
      return backings.last;
    });
  }
  void close_backing(int32_t id) override {
    backings_.with([&](Backings& backings) { backings.fds.erase(id); });
  }
  void invalidate_inode(InodeNumber) override {}
  void invalidate_entry(InodeNumber, const std::string&) override {}
  void wait_invalidated() override {}

  UniqueFd open(int32_t id, int flags) const {
    return backings_.with([&](const Backings& backings) {
      const std::string path = fmt::format("/proc/self/fd/{}", backings.fds.at(id).get());
      return UniqueFd(::open(path.c_str(), flags | O_CLOEXEC));
    });
  }

 private:
  struct Backings {
    std::map<int32_t, UniqueFd> fds;
    int32_t last = 0;
  };
  Guarded<Backings> backings_;
};

// What a file was and becomes, one content after the other.
class History {
 public:
  // Before and after an operation that makes `content` of the file, or failed and leaves it.
  void begin(std::string content) {
    const std::lock_guard lock(mutex_);
    contents_.push_back(std::make_shared<const std::string>(std::move(content)));
  }
  void end() {
    const std::lock_guard lock(mutex_);
    done_ = contents_.size() - 1;
  }
  size_t done() const {
    const std::lock_guard lock(mutex_);
    return done_;
  }
  // Empty: these bytes at `offset` may be read by whoever asked for `wanted` of them when `first`
  // was done.
  std::string judge(size_t first, uint64_t offset, uint64_t wanted,
                    const std::string& bytes) const {
    const auto window = since(first);
    const auto any = [&](auto fits) { return std::any_of(window.begin(), window.end(), fits); };
    for (size_t i = 0; i < bytes.size(); ++i) {
      const uint64_t at = offset + i;
      const bool right = any([&](const auto& content) {
        return at < content->size() ? (*content)[at] == bytes[i] : bytes[i] == '\0';
      });
      if (!right) return fmt::format("byte {} is of none of {} contents", at, window.size());
    }
    const uint64_t end = offset + bytes.size();
    const bool complete =
        bytes.size() == wanted || any([&](const auto& content) { return content->size() <= end; });
    return complete ? "" : fmt::format("it ends at {}, and in none of the contents", end);
  }

 private:
  std::vector<std::shared_ptr<const std::string>> since(size_t first) const {
    const std::lock_guard lock(mutex_);
    return {contents_.begin() + static_cast<std::ptrdiff_t>(first), contents_.end()};
  }
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<const std::string>> contents_{std::make_shared<const std::string>()};
  size_t done_ = 0;
};

struct Case {
  const char* name;
  bool passthrough;
  uint64_t capacity_bytes;
};

class Concurrent : public ::testing::TestWithParam<Case> {
 protected:
  struct Handle {
    FileHandle handle;
    UniqueFd object;  // of a file that the kernel serves itself
  };
  struct Counts {
    std::atomic<uint64_t> reads = 0, changes = 0, refused = 0, publishes = 0, evictions = 0,
                          prefetches = 0, by_the_kernel = 0;
  };

  void SetUp() override {
    std::signal(SIGIO, SIG_IGN);  // as tierd does: an open breaks the lease of an eviction
    LocalTier::Options options{kChunk, GetParam().capacity_bytes};
    tier_ = std::make_unique<LocalTier>(place_.path(), options);
    if (GetParam().passthrough) tier_->fs->attach(kernel_);
    for (size_t i = 0; i < kFiles; ++i) {
      const auto created = tier_->fs->create(kRootInode, name_of(i), 0644, O_RDWR, FsCaller{0, 0});
      ASSERT_TRUE(created);
      inodes_.push_back(created->node.inode);
      tier_->fs->release(inodes_[i], created->opened.handle);
    }
  }
  static std::string name_of(size_t file) { return fmt::format("file{}", file); }

  std::optional<Handle> open(size_t file, int flags) {
    auto opened = tier_->open(inodes_[file], flags);
    if (!opened) return std::nullopt;
    Handle handle{opened->handle, UniqueFd()};
    if (opened->mode == ServeMode::passthrough) {
      handle.object = kernel_.open(opened->backing_id, flags & O_ACCMODE);
      ++counts_.by_the_kernel;
    }
    return handle;
  }
  void close(size_t file, Handle handle) {
    handle.object.reset();
    tier_->fs->release(inodes_[file], handle.handle);
  }
  Result<std::string> read(size_t file, const Handle& handle, uint64_t offset, uint64_t size) {
    ++counts_.reads;
    if (!handle.object) return tier_->read(inodes_[file], offset, size);
    std::string bytes(size, '\0');
    TRY_ASSIGN(const size_t n, posix::read_at(handle.object.get(),
                                              std::as_writable_bytes(std::span(bytes)), offset));
    bytes.resize(n);
    return bytes;
  }
  void read_and_judge(size_t file, const Handle& handle, uint64_t offset, uint64_t size) {
    const size_t first = histories_[file].done();
    const auto bytes = read(file, handle, offset, size);
    if (!bytes) return fail(file, bytes.error().text());
    const std::string verdict = histories_[file].judge(first, offset, size, *bytes);
    if (!verdict.empty())
      fail(file, fmt::format("{} bytes of {} at {}: {}", bytes->size(), size, offset, verdict));
  }
  void fail(size_t file, const std::string& what) {
    ADD_FAILURE() << name_of(file) << ": " << what;
    stop_ = true;
  }

  // One random change by an open file; false if the tier had no room for it.
  bool change(size_t file, const Handle& handle, std::string& content, std::mt19937_64& random) {
    const auto below = [&](uint64_t n) { return random() % n; };
    const InodeNumber inode = inodes_[file];
    const uint64_t offset = below(kMaxSize), size = 1 + below(3 * kChunk);
    std::string next = content;
    const auto grow = [&](uint64_t end) { next.resize(std::max<uint64_t>(next.size(), end)); };
    std::function<Result<void>()> act;
    switch (below(6)) {
      case 0:
      case 1: {
        std::string bytes(size, '\0');
        for (char& byte : bytes) byte = static_cast<char>(random());
        grow(offset + size);
        next.replace(offset, size, bytes);
        act = [this, inode, offset, bytes, &handle]() -> Result<void> {
          if (handle.object)
            return posix::write_all_at(handle.object.get(), std::as_bytes(std::span(bytes)),
                                       offset);
          TRY(tier_->write(inode, handle.handle, offset, bytes));
          return {};
        };
        break;
      }
      case 2:
        next.resize(below(3) == 0 ? 0 : offset);
        act = [this, inode, to = next.size()]() -> Result<void> {
          AttributeChange change;
          change.size_bytes = to;
          TRY(tier_->setattr(inode, change));
          return {};
        };
        break;
      case 3:
        act = [this, inode, offset, size] {
          return tier_->fallocate(inode, FALLOC_FL_KEEP_SIZE, offset, size);
        };
        break;
      case 4:
        grow(offset + size);
        act = [this, inode, offset, size] { return tier_->fallocate(inode, 0, offset, size); };
        break;
      default:
        for (uint64_t i = offset; i < std::min<uint64_t>(offset + size, next.size()); ++i)
          next[i] = '\0';
        act = [this, inode, offset, size] {
          return tier_->fallocate(inode, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, size);
        };
    }
    histories_[file].begin(next);
    const auto done = act();
    if (!done && !done.error().is(std::errc::no_space_on_device)) {
      fail(file, done.error().text());
      return false;
    }
    // A refused change changed nothing.
    if (!done) histories_[file].begin(content);
    histories_[file].end();
    ++(done ? counts_.changes : counts_.refused);
    if (done) content = std::move(next);
    return done.has_value();
  }

  // Nobody opens it until it was evicted, if that comes soon.
  void rest(size_t file) {
    resting_[file] = true;
    for (int ms = 0; ms < 40 && resting_[file] && !stop_; ++ms)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    resting_[file] = false;
  }
  void write_on(size_t file, uint64_t seed) {
    std::mt19937_64 random(seed);
    std::string content;
    while (!stop_) {
      auto handle = open(file, O_RDWR);
      if (!handle) return fail(file, "cannot be opened");
      for (uint64_t i = random() % 4; i > 0 && !stop_; --i) {
        if (random() % 3 == 0) {
          read_and_judge(file, *handle, random() % kMaxSize, 1 + random() % (4 * kChunk));
        } else {
          change(file, *handle, content, random);
        }
      }
      close(file, std::move(*handle));
      if (random() % 3 == 0) rest(file);
    }
    contents_[file] = content;
  }
  void read_on(uint64_t seed) {
    std::mt19937_64 random(seed);
    while (!stop_) {
      const size_t file = random() % kFiles;
      if (resting_[file] && random() % 16 != 0) {
        std::this_thread::yield();
        continue;
      }
      auto handle = open(file, O_RDONLY);
      if (!handle) return fail(file, "cannot be opened");
      for (uint64_t i = random() % 4; i > 0 && !stop_; --i)
        read_and_judge(file, *handle, random() % kMaxSize, 1 + random() % (4 * kChunk));
      close(file, std::move(*handle));
    }
  }
  void publish_on() {
    for (uint64_t i = 0; !stop_; ++i) {
      if (auto round = tier_->publisher->run_round(Publisher::Urgency::demanded); !round)
        return fail(0, round.error().text());
      ++counts_.publishes;
      if (i % 8 == 0) {
        EXPECT_EQ(tier_->scan_added(), 0u);
      }
    }
  }
  void evict_on() {
    for (size_t i = 0; !stop_; ++i) {
      const auto eviction = tier_->evict(inodes_[i % kFiles]);
      if (!eviction) return fail(i % kFiles, eviction.error().text());
      if (eviction->bytes == 0) continue;
      ++counts_.evictions;
      resting_[i % kFiles] = false;
    }
  }
  void prefetch_on() {
    for (size_t i = 0; !stop_; ++i) {
      if (resting_[i % kFiles]) continue;
      if (tier_->prefetch(inodes_[i % kFiles])) ++counts_.prefetches;
    }
  }

  TemporaryDirectory place_;
  FakeKernel kernel_;
  std::unique_ptr<LocalTier> tier_;
  std::vector<InodeNumber> inodes_;
  std::array<History, kFiles> histories_;
  std::array<std::string, kFiles> contents_;
  std::array<std::atomic<bool>, kFiles> resting_{};
  std::atomic<bool> stop_ = false;
  Counts counts_;
};

TEST_P(Concurrent, ReadersSeeWhatTheFileWasAtSomeMoment) {
  const uint64_t seed = setting("TIERHUB_CONCURRENT_SEED", 1);
  {
    std::vector<std::jthread> threads;
    for (size_t file = 0; file < kFiles; ++file)
      threads.emplace_back([=, this] { write_on(file, seed * 100 + file); });
    for (size_t reader = 0; reader < kReaders; ++reader)
      threads.emplace_back([=, this] { read_on(seed * 100 + 50 + reader); });
    threads.emplace_back([this] { publish_on(); });
    threads.emplace_back([this] { evict_on(); });
    threads.emplace_back([this] { prefetch_on(); });
    const auto end = std::chrono::steady_clock::now() +
                     std::chrono::milliseconds(setting("TIERHUB_CONCURRENT_MS", 2'000));
    // On a busy machine the evictor may not get its turn in that time.
    const auto last = end + std::chrono::seconds(20);
    const auto goes_on = [&] {
      const auto now = std::chrono::steady_clock::now();
      return now < end || (counts_.evictions == 0 && now < last);
    };
    while (!stop_ && goes_on()) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    stop_ = true;
  }
  std::cout << fmt::format(
      "seed {}: {} reads, {} changes, {} refused, {} publishes, {} evictions, {} prefetches, {} "
      "opens by passthrough\n",
      seed, counts_.reads.load(), counts_.changes.load(), counts_.refused.load(),
      counts_.publishes.load(), counts_.evictions.load(), counts_.prefetches.load(),
      counts_.by_the_kernel.load());
  if (HasFailure()) return;
  EXPECT_GT(counts_.evictions, 0u);
  EXPECT_EQ(counts_.by_the_kernel > 0, GetParam().passthrough);
  EXPECT_EQ(tier_->publish(), 0u);
  for (size_t file = 0; file < kFiles; ++file) {
    EXPECT_TRUE(tier_->read(inodes_[file], 0, 2 * kMaxSize).value() == contents_[file]);
    EXPECT_TRUE(*posix::read_file(tier_->archive_folder + "/" + name_of(file)) == contents_[file]);
  }
}

INSTANTIATE_TEST_SUITE_P(Ways, Concurrent,
                         ::testing::Values(Case{"ByTheDaemon", false, 0},
                                           Case{"ByPassthrough", true, 0},
                                           Case{"WithLittleRoom", false, 20 * kChunk}),
                         [](const auto& way) { return way.param.name; });

}  // namespace
}  // namespace tierhub::test
