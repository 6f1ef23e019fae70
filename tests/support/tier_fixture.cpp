#include "tests/support/tier_fixture.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <stdexcept>

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <fmt/format.h>
#include <sched.h>

#include "common/posix.h"

namespace tierhub::test {
namespace {

using namespace std::chrono_literals;

constexpr auto kStopLimit = 10s;
constexpr auto kPollPause = 5ms;

// Mounts made by the tests vanish with the last process of this namespace, however the test ends.
class PrivateMounts : public ::testing::Environment {
 public:
  void SetUp() override {
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
      FAIL() << "these tests mount file systems: run them as root (" << std::strerror(errno) << ")";
    }
  }
};

const auto* const kPrivateMounts = ::testing::AddGlobalTestEnvironment(new PrivateMounts);

void require_fuse() {
  if (::access("/dev/fuse", R_OK | W_OK) == 0) return;
  throw std::runtime_error(
      fmt::format("/dev/fuse cannot be used ({}): these tests need a machine with FUSE, or a "
                  "container started with --device /dev/fuse --cap-add SYS_ADMIN",
                  std::strerror(errno)));
}

template <class T>
T must(Result<T> result, const std::string& action) {
  if (!result) throw std::runtime_error(action + ": " + result.error().text());
  return *std::move(result);
}

}  // namespace

std::string program(const std::string& name) { return std::string(TIERHUB_BIN_DIR) + "/" + name; }

void eventually(const std::string& what, const std::function<bool()>& condition,
                std::chrono::milliseconds deadline) {
  const auto end = std::chrono::steady_clock::now() + deadline;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end)
      throw std::runtime_error(fmt::format("not within {} ms: {}", deadline.count(), what));
    std::this_thread::sleep_for(kPollPause);
  }
}

TestTier::TestTier(std::chrono::seconds time_limit) {
  // Other users must get through to the mount.
  check(::chmod(place_.path().c_str(), 0755), "chmod " + place_.path());
  require_fuse();
  archive = folder("archive");
  scratch = folder("scratch");
  mount = folder("mount");
  state = folder("state");
  log_path_ = place_ / "tierd.log";
  const char* const keeper = std::getenv("TIERHUB_TEST_KEEPER");
  settings = {{"settle_s", "3600"},
              {"growing_s", "0"},
              // However full the disk of the tests is.
              {"trash_keep_free", "0"},
              {"capacity", "4GiB"},
              {"log_level", "debug"},
              {"keeper", keeper != nullptr ? keeper : "false"}};
  watchdog_ = std::jthread([this, time_limit](const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    if (ended_.wait_for(lock, stop, time_limit, [] { return false; })) return;
    if (stop.stop_requested() || process_ <= 0) return;
    std::cerr << "the test takes too long: killing tierd\n";
    ::kill(-process_, SIGKILL);
  });
}

TestTier::~TestTier() {
  watchdog_.request_stop();
  watchdog_.join();
  if (running()) kill();
  unmount();
}

std::string TestTier::folder(const std::string& name) const {
  const std::string path = place_ / name;
  std::filesystem::create_directories(path);
  return path;
}

void TestTier::write_settings() const {
  std::ofstream file(place_ / "tierhub.yaml");
  for (const auto& [key, value] : settings) file << key << ": " << value << "\n";
}

std::vector<std::string> TestTier::command_line() const {
  std::vector<std::string> line = {program("tierd"),
                                   "--archive",
                                   archive,
                                   "--scratch",
                                   scratch,
                                   "--mount",
                                   mount,
                                   "--state",
                                   state,
                                   "--socket",
                                   place_ / "sock",
                                   "--config",
                                   place_ / "tierhub.yaml"};
  line.insert(line.end(), more_arguments.begin(), more_arguments.end());
  return as_user(std::move(line));
}

void TestTier::run_as(uid_t user, gid_t group) {
  user_prefix_ = {"setpriv", fmt::format("--reuid={}", user), fmt::format("--regid={}", group),
                  "--clear-groups"};
  for (const std::string& path : {place_.path(), archive, scratch, mount, state})
    check(::chown(path.c_str(), user, group), "chown " + path);
  allow_fuse();
}

void TestTier::allow_fuse() const {
  struct stat st {};
  check(::stat("/dev/fuse", &st), "stat /dev/fuse");
  if ((st.st_mode & 0006) == 0006) return;
  const std::string node = folder("device") + "/fuse";
  check(::mknod(node.c_str(), S_IFCHR | 0666, st.st_rdev), "mknod");
  check(::chmod(node.c_str(), 0666), "chmod");
  check(::mount(node.c_str(), "/dev/fuse", nullptr, MS_BIND, nullptr), "mount over /dev/fuse");
}

std::vector<std::string> TestTier::as_user(std::vector<std::string> argv) const {
  argv.insert(argv.begin(), user_prefix_.begin(), user_prefix_.end());
  return argv;
}

void TestTier::spawn(const Environment& environment) {
  write_settings();
  const UniqueFd log(::open(log_path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  check(log.get(), "open " + log_path_);
  const std::lock_guard lock(mutex_);
  process_ = start_program(command_line(), environment, log.get());
}

void TestTier::start(const Environment& environment) {
  spawn(environment);
  eventually(
      "tierd answers",
      [this] {
        if (wait_for_end(0ms) >= 0) throw std::runtime_error("tierd ended at its start:\n" + log());
        return client().status().has_value();
      },
      start_limit);
  struct statfs fs {};
  if (user_prefix_.empty()) check(::statfs(mount.c_str(), &fs), "statfs " + mount);
}

CommandResult TestTier::start_and_fail(const Environment& environment) {
  write_settings();
  return run_command(command_line(), environment, std::chrono::seconds(30));
}

int TestTier::wait_for_end(std::chrono::milliseconds time_limit) {
  const int code = wait_for_exit(process_, time_limit);
  const std::lock_guard lock(mutex_);
  if (code >= 0) process_ = -1;
  return code;
}

std::chrono::milliseconds TestTier::stop() {
  const auto begin = std::chrono::steady_clock::now();
  ::kill(process_, SIGTERM);
  const int code = wait_for_end(kStopLimit);
  if (code != 0)
    throw std::runtime_error(
        fmt::format("tierd did not stop well (code {}; -1: not within 10 s):\n{}", code, log()));
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() -
                                                               begin);
}

void TestTier::kill() {
  const pid_t child = kept();
  ::kill(-process_, SIGKILL);
  if (wait_for_end(kStopLimit) < 0) throw std::runtime_error("tierd survives SIGKILL");
  eventually("the kept tierd is gone", [&] { return child < 0 || ::kill(child, 0) != 0; });
}

pid_t TestTier::kept() const {
  std::ifstream children(fmt::format("/proc/{0}/task/{0}/children", process_));
  // Without a keeper the child is the archive's helper, which outlives a kill while the archive
  // hangs.
  for (pid_t child = -1; children >> child;) {
    std::ifstream command(fmt::format("/proc/{}/cmdline", child));
    const std::string text(std::istreambuf_iterator<char>(command), {});
    if (text.find("--kept") != std::string::npos) return child;
  }
  return -1;
}

void TestTier::kill_kept() const {
  const pid_t child = kept();
  if (child < 0) throw std::runtime_error("no tierd is kept");
  ::kill(child, SIGKILL);
  eventually("another tierd is started", [&] { return kept() != child; });
}

void TestTier::unmount() const {
  while (::umount2(mount.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) == 0) {
  }
}

api::Client TestTier::client() const { return must(api::Client::open(place_ / "sock"), "client"); }

api::Status TestTier::status() const { return must(client().status(), "status"); }

api::Entry TestTier::entry(const std::string& path) const {
  const auto listing = must(client().list(path, api::Service::Depth::children), "list " + path);
  if (listing.entries.size() != 1) throw std::runtime_error(path + " is not a file");
  return listing.entries[0];
}

api::Prefetch TestTier::prefetch(const std::string& path) const {
  api::PrefetchRequest request;
  request.paths = {path};
  api::Prefetch prefetch = must(client().start_prefetch(request), "prefetch " + path);
  eventually(
      "prefetch of " + path,
      [&] {
        prefetch = must(client().prefetch(prefetch.id), "prefetch " + path);
        return prefetch.finished();
      },
      120s);
  if (prefetch.state != "done")
    throw std::runtime_error(
        fmt::format("prefetch of {} {}: {}", path, prefetch.state, prefetch.first_error));
  return prefetch;
}

api::EvictResult TestTier::evict(const std::string& path) const {
  return must(client().evict({path}), "evict " + path);
}

void TestTier::publish(const std::string& path) const {
  api::PublishProgress progress = must(client().start_publish({path}), "publish " + path);
  const auto end = std::chrono::steady_clock::now() + 60s;
  while (!progress.done) {
    if (std::chrono::steady_clock::now() > end) {
      std::string waiting;
      for (const auto& w : progress.waiting) waiting += fmt::format("; {}: {}", w.path, w.reason);
      throw std::runtime_error(
          fmt::format("publish of {}: {} keys are left{}", path, progress.pending_keys, waiting));
    }
    std::this_thread::sleep_for(kPollPause);
    progress = must(client().publish_progress(progress.id), "publish " + path);
  }
}

void TestTier::scan() const {
  api::ScanProgress progress = must(client().start_scan(), "scan");
  eventually("scan", [&] {
    progress = must(client().scan_progress(), "scan");
    return !progress.running;
  });
  if (!progress.error.empty()) throw std::runtime_error("scan: " + progress.error);
}

void TestTier::wait_until_scratch_is_empty() const {
  eventually("no file has a byte in scratch", [this] {
    const auto listing = must(client().list("/", api::Service::Depth::all, "", 10'000), "list");
    return std::all_of(listing.entries.begin(), listing.entries.end(), [](const api::Entry& entry) {
      return entry.resident == 0 && entry.dirty == 0;
    });
  });
}

CommandResult TestTier::tierctl(std::vector<std::string> arguments) const {
  arguments.insert(arguments.begin(), program("tierctl"));
  return run_command(arguments, {"TIERHUB_SOCKET=" + (place_ / "sock")});
}

std::string TestTier::log() const {
  auto text = posix::read_file(log_path_);
  return text ? *text : "";
}

void TierTest::TearDown() {
  if (HasFailure()) std::cerr << "---- log of tierd ----\n" << tier.log();
}

}  // namespace tierhub::test
