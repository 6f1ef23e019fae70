// An acquisition on a full SSD: a simulated camera writes a little slower than the archive takes
// data, for longer than the SSD is large, and never hears that there is no space.
//
// TIERHUB_MICROSCOPE_S: how long it runs; TIERHUB_MICROSCOPE_SSD_S: how many seconds of data the
// SSD holds; TIERHUB_MICROSCOPE_ARCHIVE_MB_S: what the archive takes; TIERHUB_MICROSCOPE_SETTLE_S:
// how long a file is to rest before it is published; unless it is set, as long as the SSD lasts, so
// that scratch is short of room all the time; TIERHUB_MICROSCOPE_SHARE: how much of what the
// archive takes the camera has, 0.8. scripts/microscope.sh sets them.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "common/hash.h"
#include "tests/support/faulty_folder.h"
#include "tests/support/tier_fixture.h"

namespace tierhub::test {
namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

constexpr uint64_t kMB = 1'000'000;
constexpr uint64_t kSmallestFile = 4 * kMB;
constexpr uint64_t kLargestFile = 20 * kMB;
constexpr size_t kWriteBytes = 1 << 20;

double number_from(const char* name, double otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtod(text, nullptr);
}

const double kRunSeconds = number_from("TIERHUB_MICROSCOPE_S", 60);
const double kSsdSeconds = number_from("TIERHUB_MICROSCOPE_SSD_S", 16);
const double kArchiveRate = number_from("TIERHUB_MICROSCOPE_ARCHIVE_MB_S", 20) * kMB;
const double kSettleSeconds = number_from("TIERHUB_MICROSCOPE_SETTLE_S", kSsdSeconds);
const double kCameraRate = number_from("TIERHUB_MICROSCOPE_SHARE", 0.8) * kArchiveRate;

// The longest that one kind of call took.
struct Longest {
  double seconds = 0;
  template <class Call>
  auto of(Call&& call) {
    const auto begin = Clock::now();
    const auto result = call();
    seconds = std::max(seconds, Seconds(Clock::now() - begin).count());
    return result;
  }
};

struct Frame {
  std::string name;
  uint64_t bytes = 0;
  std::string checksum;
};

std::string checksum_of(const std::string& content) {
  return checksum(std::as_bytes(std::span(content))).hex();
}

class Camera {
 public:
  explicit Camera(std::string folder) : folder_(std::move(folder)) {}

  // Throws at the first call that fails.
  void run(double seconds) {
    begin_ = Clock::now();
    while (Seconds(Clock::now() - begin_).count() < seconds) take(frames_.size());
  }

  const std::vector<Frame>& frames() const { return frames_; }
  uint64_t written_bytes() const { return written_bytes_; }
  std::string text() const {
    return fmt::format(
        "longest open {:.2f} s, write {:.2f} s, close {:.2f} s; at most {:.1f} s late",
        open_.seconds, write_.seconds, close_.seconds, late_s_);
  }

 private:
  // The camera has as many bytes as the time that went by gave it.
  void expose(size_t bytes) {
    const auto ready = begin_ + std::chrono::duration_cast<Clock::duration>(Seconds(
                                    static_cast<double>(written_bytes_ + bytes) / kCameraRate));
    late_s_ = std::max(late_s_, Seconds(Clock::now() - ready).count());
    std::this_thread::sleep_until(ready);
  }

  void take(uint64_t number) {
    Frame frame{fmt::format("frame{:06}.raw", number), 0, ""};
    frame.bytes = kSmallestFile + number * 7'919'111 % (kLargestFile - kSmallestFile);
    const std::string content = random_bytes(frame.bytes, number);
    frame.checksum = checksum_of(content);
    const std::string path = folder_ + "/" + frame.name;
    const int file = open_.of(
        [&] { return ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644); });
    check(file, "open " + frame.name);
    for (size_t at = 0; at < content.size();) {
      const size_t piece = std::min(kWriteBytes, content.size() - at);
      expose(piece);
      const ssize_t n = write_.of([&] { return ::write(file, content.data() + at, piece); });
      check(n, "write " + frame.name);
      at += static_cast<size_t>(n);
      written_bytes_ += static_cast<uint64_t>(n);
    }
    check(close_.of([&] { return ::close(file); }), "close " + frame.name);
    frames_.push_back(std::move(frame));
  }

  const std::string folder_;
  Clock::time_point begin_;
  std::vector<Frame> frames_;
  uint64_t written_bytes_ = 0;
  double late_s_ = 0;
  Longest open_, write_, close_;
};

class Microscope : public TierTest {
 protected:
  Microscope() : TierTest(std::chrono::seconds(static_cast<int64_t>(3 * kRunSeconds) + 240)) {}

  void SetUp() override {
    ssd_bytes_ = static_cast<uint64_t>(kSsdSeconds * kCameraRate);
    const std::string size = fmt::format("size={}", ssd_bytes_);
    check(::mount("none", tier.scratch.c_str(), "tmpfs", 0, size.c_str()), "mount tmpfs");
    backing_ = tier.folder("backing");
    archive_ =
        std::make_unique<FaultyFolder>(backing_, tier.archive, tier.folder("faults") + "/now");
    archive_->set({"delay 1", fmt::format("rate {}", static_cast<uint64_t>(kArchiveRate))});
    tier.settings["capacity"] = "0";
    // Two seconds of the camera's rate, as OPERATING.md says.
    tier.settings["reserve"] = fmt::format("{}", static_cast<uint64_t>(2 * kCameraRate));
    tier.settings["settle_s"] = fmt::format("{}", kSettleSeconds);
  }

  void TearDown() override {
    TierTest::TearDown();
    if (tier.running()) tier.kill();
    archive_.reset();
    ::umount2(tier.scratch.c_str(), MNT_DETACH);
  }

  uint64_t ssd_bytes_ = 0;
  std::string backing_;
  std::unique_ptr<FaultyFolder> archive_;
};

TEST_F(Microscope, SlowerThanTheArchiveIsNeverToldThatThereIsNoSpace) {
  tier.start();
  std::printf("camera %.1f MB/s, archive %.1f MB/s, SSD %.0f MB, files rest %.0f s; %.0f s\n",
              kCameraRate / kMB, kArchiveRate / kMB, static_cast<double>(ssd_bytes_) / kMB,
              kSettleSeconds, kRunSeconds);
  Camera camera(tier.mount);
  try {
    camera.run(kRunSeconds);
  } catch (const std::runtime_error& error) {
    FAIL() << error.what() << "\n" << camera.text() << "\n" << tier.tierctl({"status"}).out;
  }
  const api::Status status = tier.status();
  std::printf("%zu files, %.0f MB = %.1f times the SSD, %.2f of what the camera has; %s\n",
              camera.frames().size(), static_cast<double>(camera.written_bytes()) / kMB,
              static_cast<double>(camera.written_bytes()) / static_cast<double>(ssd_bytes_),
              static_cast<double>(camera.written_bytes()) / (kCameraRate * kRunSeconds),
              camera.text().c_str());
  std::printf("published %.0f MB, evicted %.0f MB meanwhile\n",
              static_cast<double>(status.published_bytes) / kMB,
              static_cast<double>(status.evicted_bytes) / kMB);
  EXPECT_GT(camera.written_bytes(), 3 * ssd_bytes_) << "the SSD was filled several times over";
  // The rate of the archive bounds how long that takes.
  eventually(
      "all of it is in the archive", [&] { return tier.client().status()->dirty_files == 0; },
      std::chrono::seconds(static_cast<int64_t>(2 * kSsdSeconds) + 120));
  for (const Frame& frame : camera.frames()) {
    ASSERT_EQ(checksum_of(read_file(backing_ + "/" + frame.name)), frame.checksum) << frame.name;
  }
  std::printf("all %zu files in the archive are as they were written\n", camera.frames().size());
}

}  // namespace
}  // namespace tierhub::test
