// tierd dies, or makes room for another, while programs work: they keep what they have open, and
// only wait.
#include <atomic>
#include <filesystem>
#include <random>
#include <set>
#include <thread>

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <dirent.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/posix.h"
#include "tests/support/slow_archive.h"

namespace tierhub::test::restart_test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
constexpr uint64_t kMiB = 1 << 20;

UniqueFd open_file(const std::string& path, int flags, mode_t mode = 0644) {
  UniqueFd file(::open(path.c_str(), flags | O_CLOEXEC, mode));
  check(file.get(), "open " + path);
  return file;
}

std::string read_at(const UniqueFd& file, uint64_t offset, size_t size) {
  std::string bytes(size, '\0');
  const ssize_t got = ::pread(file.get(), bytes.data(), size, static_cast<off_t>(offset));
  check(got, "read");
  bytes.resize(static_cast<size_t>(got));
  return bytes;
}

void write_text(const UniqueFd& file, std::string_view text) {
  const ssize_t written = ::write(file.get(), text.data(), text.size());
  check(written, "write");
  ASSERT_EQ(static_cast<size_t>(written), text.size());
}

bool is_fuse(const std::string& path) {
  struct statfs fs {};
  return ::statfs(path.c_str(), &fs) == 0 && fs.f_type == FUSE_SUPER_MAGIC;
}

// With a keeper that never gives up, unless a test says so.
class Restart : public TierTest {
 protected:
  Restart() {
    tier.settings["keeper"] = "true";
    tier.settings["restarts_max"] = "1000";
    tier.settings["chunk_size"] = "1MiB";
  }
  // tierd dies while nobody waits for it; the mount answers again when this returns.
  void die_and_come_back() {
    tier.kill_kept();
    answers();
  }
  void answers() {
    eventually("tierd answers", [this] { return tier.client().status().has_value(); });
  }
  int count_in_log(const std::string& text) const {
    const std::string log = tier.log();
    int count = 0;
    for (size_t at = log.find(text); at != std::string::npos; at = log.find(text, at + 1)) ++count;
    return count;
  }
};

// One descriptor of each kind, used before and after.
class Users {
 public:
  explicit Users(TestTier& tier) : tier_(tier) {}

  void open() {
    hot_ = open_file(tier_.in_mount("hot"), O_RDONLY);
    appender_ = open_file(tier_.in_mount("new"), O_WRONLY | O_CREAT | O_APPEND);
    cold_ = open_file(tier_.in_mount("cold"), O_RDONLY);
    partial_ = open_file(tier_.in_mount("partial"), O_RDWR);
    unlinked_ = open_file(tier_.in_mount("unlinked"), O_RDWR | O_CREAT);
    write_text(unlinked_, "still here");
    fs::remove(tier_.in_mount("unlinked"));
    folder_ = ::opendir(tier_.in_mount("folder").c_str());
    read_names(100);
    mapping_ = static_cast<char*>(
        ::mmap(nullptr, 3 * kMiB, PROT_READ | PROT_WRITE, MAP_SHARED, partial_.get(), 0));
    ASSERT_NE(mapping_, MAP_FAILED);
    struct flock lock {};
    lock.l_type = F_WRLCK;
    check(::fcntl(hot_.get(), F_OFD_GETLK, &lock), "look at a lock");
    lock = {};
    lock.l_type = F_WRLCK;
    check(::fcntl(partial_.get(), F_OFD_SETLK, &lock), "lock");
  }

  void use(int round) {
    SCOPED_TRACE(fmt::format("round {}", round));
    EXPECT_EQ(read_at(hot_, kMiB, 4096), hot.substr(kMiB, 4096));
    write_text(appender_, fmt::format("line {}\n", round));
    lines_ += fmt::format("line {}\n", round);
    const uint64_t offset = static_cast<uint64_t>(round % 4) * kMiB + 77;
    EXPECT_EQ(read_at(cold_, offset, 4096), cold.substr(offset, 4096));
    const std::string mark = fmt::format("mark {}", round);
    check(::pwrite(partial_.get(), mark.data(), mark.size(), round * 1000), "write");
    partial.replace(static_cast<size_t>(round) * 1000, mark.size(), mark);
    mapping_[2 * kMiB + round] = 'm';
    partial[2 * kMiB + static_cast<size_t>(round)] = 'm';
    EXPECT_EQ(read_at(unlinked_, 0, 100), "still here");
    read_names(100);
    const UniqueFd other = open_file(tier_.in_mount("partial"), O_RDWR);
    struct flock lock {};
    lock.l_type = F_WRLCK;
    EXPECT_EQ(::fcntl(other.get(), F_OFD_SETLK, &lock), -1) << "the lock is gone";
    EXPECT_EQ(errno, EAGAIN);
  }

  void end() {
    read_names(10'000);
    ::closedir(folder_);
    ::munmap(mapping_, 3 * kMiB);
    for (UniqueFd* file : {&hot_, &appender_, &cold_, &partial_, &unlinked_}) file->reset();
    EXPECT_EQ(read_file(tier_.in_mount("new")), lines_);
    EXPECT_EQ(read_file(tier_.in_mount("partial")), partial);
    std::set<std::string> once(names_.begin(), names_.end());
    EXPECT_EQ(names_.size(), kNames + 2u);
    EXPECT_EQ(once.size(), names_.size());
  }

  void make_archive() const {
    write_file(tier_.in_archive("hot"), hot);
    write_file(tier_.in_archive("cold"), cold);
    write_file(tier_.in_archive("partial"), partial);
    fs::create_directory(tier_.in_archive("folder"));
    for (int i = 0; i < kNames; ++i)
      write_file(tier_.in_archive(fmt::format("folder/name{}", i)), "");
  }

  static constexpr int kNames = 700;
  const std::string hot = random_bytes(3 * kMiB, 1);
  const std::string cold = random_bytes(5 * kMiB, 2);
  std::string partial = random_bytes(4 * kMiB, 3);

 private:
  void read_names(int count) {
    for (const dirent* entry = nullptr; count > 0 && (entry = ::readdir(folder_)) != nullptr;
         --count)
      names_.emplace_back(entry->d_name);
  }

  TestTier& tier_;
  UniqueFd hot_, appender_, cold_, partial_, unlinked_;
  DIR* folder_ = nullptr;
  char* mapping_ = nullptr;
  std::string lines_;
  std::vector<std::string> names_;
};

TEST_F(Restart, KeepsEveryKindOfOpenDescriptorAcrossKill9) {
  Users users(tier);
  users.make_archive();
  tier.start();
  tier.prefetch("/hot");
  read_range(tier.in_mount("partial"), 0, 1);
  ASSERT_NO_FATAL_FAILURE(users.open());
  for (int round = 0; round < 3; ++round) {
    users.use(2 * round);
    tier.kill_kept();
    users.use(2 * round + 1);
  }
  EXPECT_EQ(tier.status().data_path, "passthrough");
  users.end();
  tier.publish();
  EXPECT_THAT(differences(describe_tree(tier.mount), describe_tree(tier.archive)),
              ::testing::IsEmpty());
  EXPECT_EQ(tier.evict("/").skipped_files, 0u) << "something still counts as open";
  EXPECT_LT(tier.stop(), 10s);
}

TEST_F(Restart, KeepsEveryKindOfOpenDescriptorWhenItIsPlanned) {
  Users users(tier);
  users.make_archive();
  tier.start();
  tier.prefetch("/hot");
  read_range(tier.in_mount("partial"), 0, 1);
  ASSERT_NO_FATAL_FAILURE(users.open());
  for (int round = 0; round < 2; ++round) {
    users.use(2 * round);
    const pid_t before = tier.kept();
    tier.signal(SIGHUP);
    eventually("another tierd is there", [&] { return tier.kept() > 0 && tier.kept() != before; });
    users.use(2 * round + 1);
    answers();
  }
  users.end();
  EXPECT_EQ(count_in_log("took over the mount"), 2);
  EXPECT_EQ(count_in_log("restarting it"), 0) << "a hand-over looked like a death";
  EXPECT_LT(tier.stop(), 10s);
}

TEST_F(Restart, ReadsChangedSettingsWhenItIsPlannedAndKeepsTheOldOnesIfTheyAreWrong) {
  tier.start();
  const UniqueFd file = open_file(tier.in_mount("open"), O_RDWR | O_CREAT);
  tier.settings["capacity"] = "not a size";
  tier.write_settings();
  const pid_t first = tier.kept();
  tier.signal(SIGHUP);
  eventually("it is refused", [&] { return count_in_log("keeping the old settings") == 1; });
  EXPECT_EQ(tier.kept(), first);
  tier.settings["capacity"] = "3GiB";
  tier.write_settings();
  tier.signal(SIGHUP);
  eventually("another tierd has the new capacity", [&] {
    const auto status = tier.client().status();
    return status && status->capacity_bytes == 3072 * kMiB;
  });
  EXPECT_NE(tier.kept(), first);
  write_text(file, "goes on");
}

TEST_F(Restart, CountsTheUsersOfBeforeAmongItsOwn) {
  write_file(tier.in_archive("read"), random_bytes(2 * kMiB, 1));
  tier.start();
  const UniqueFd reader = open_file(tier.in_mount("read"), O_RDONLY);
  EXPECT_EQ(read_at(reader, 0, 1).size(), 1u);
  eventually("what was read is kept", [&] { return tier.entry("/read").resident > 0; });
  UniqueFd writer = open_file(tier.in_mount("written"), O_RDWR | O_CREAT);
  write_text(writer, "half");
  die_and_come_back();
  EXPECT_EQ(tier.evict("/read").files, 0u) << "it is open";
  EXPECT_EQ(tier.evict("/read").skipped_files, 1u);
  const auto progress = tier.client().start_publish({"/written"});
  ASSERT_TRUE(progress);
  eventually("the publish waits for the writer", [&] {
    const auto now = tier.client().publish_progress(progress->id);
    return now && !now->waiting.empty();
  });
  EXPECT_FALSE(fs::exists(tier.in_archive("written")));
  write_text(writer, " and whole");
  writer.reset();
  tier.publish("/written");
  EXPECT_EQ(read_file(tier.in_archive("written")), "half and whole");
}

// What a program does that cannot be done twice; tierd is killed after each of them was carried out
// and before it was answered.
TEST_F(Restart, CarriesOutAndAnswersExactlyOnceWhatDiedBeforeItsAnswer) {
  const auto at = [this](const std::string& path) { return tier.in_mount(path); };
  const std::vector<std::pair<const char*, std::function<void()>>> changes = {
      {"mkdir", [&] { check(::mkdir(at("d").c_str(), 0755), "mkdir"); }},
      {"mkdir", [&] { check(::mkdir(at("e").c_str(), 0755), "mkdir"); }},
      {"mknod", [&] { check(::mknod(at("fifo").c_str(), S_IFIFO | 0644, 0), "mknod"); }},
      {"symlink", [&] { check(::symlink("d", at("symlink").c_str()), "symlink"); }},
      {"create",
       [&] { write_text(open_file(at("a"), O_RDWR | O_CREAT | O_EXCL), "content of a"); }},
      {"create",
       [&] { write_text(open_file(at("b"), O_WRONLY | O_CREAT | O_EXCL), "content of b"); }},
      {"link", [&] { check(::link(at("a").c_str(), at("d/link").c_str()), "link"); }},
      {"setxattr",
       [&] { check(::setxattr(at("a").c_str(), "user.x", "1", 1, XATTR_CREATE), "setxattr"); }},
      {"removexattr", [&] { check(::removexattr(at("a").c_str(), "user.x"), "removexattr"); }},
      {"rename", [&] { check(::rename(at("b").c_str(), at("d/b").c_str()), "rename"); }},
      {"exchange",
       [&] {
         check(::renameat2(AT_FDCWD, at("a").c_str(), AT_FDCWD, at("d/b").c_str(), RENAME_EXCHANGE),
               "exchange");
       }},
      {"rename over",
       [&] { check(::rename(at("d/link").c_str(), at("a").c_str()), "rename over"); }},
      {"unlink", [&] { check(::unlink(at("symlink").c_str()), "unlink"); }},
      {"rmdir", [&] { check(::rmdir(at("e").c_str()), "rmdir"); }},
  };
  for (size_t killed = 0; killed < changes.size(); ++killed) {
    SCOPED_TRACE(fmt::format("killed in change {}, {}", killed, changes[killed].first));
    tier.start({fmt::format("TIERHUB_FAULT_POINT=change.after_commit:{}", killed + 1)});
    for (const auto& [name, change] : changes) ASSERT_NO_THROW(change()) << name;
    EXPECT_EQ(count_in_log("ended by signal 9"), static_cast<int>(killed) + 1);
    std::set<std::string> found;
    for (const auto& entry : fs::recursive_directory_iterator(tier.mount))
      found.insert(entry.path().lexically_relative(tier.mount));
    EXPECT_EQ(found, (std::set<std::string>{"a", "d", "d/b", "fifo"}));
    EXPECT_EQ(read_file(at("a")), "content of a");
    EXPECT_EQ(read_file(at("d/b")), "content of a");
    struct stat st {};
    check(::stat(at("a").c_str(), &st), "stat");
    EXPECT_EQ(st.st_nlink, 2u);
    check(::stat(tier.mount.c_str(), &st), "stat");
    EXPECT_EQ(st.st_nlink, 3u);
    fs::remove_all(at("d"));
    fs::remove(at("a"));
    fs::remove(at("fifo"));
    EXPECT_LT(tier.stop(), 10s);
  }
}

TEST_F(Restart, AnOpenThatWasGrantedAndNotAnsweredCountsOnce) {
  write_file(tier.in_archive("file"), "content");
  for (const char* nth : {"1", "2"}) {
    tier.start({fmt::format("TIERHUB_FAULT_POINT=open.before_answer:{}", nth)});
    tier.prefetch("/file");
    UniqueFd created = open_file(tier.in_mount("created"), O_RDWR | O_CREAT | O_EXCL);
    UniqueFd opened = open_file(tier.in_mount("file"), O_RDONLY);
    write_text(created, "new");
    EXPECT_EQ(read_at(opened, 0, 100), "content");
    created.reset();
    opened.reset();
    tier.publish();
    EXPECT_EQ(read_file(tier.in_archive("created")), "new");
    EXPECT_EQ(tier.evict("/").skipped_files, 0u) << "a handle is counted that nobody has";
    fs::remove(tier.in_mount("created"));
    tier.publish();
    tier.stop();
  }
  EXPECT_EQ(count_in_log("ended by signal 9"), 2);
}

// Works in a folder of its own, and notes what was acknowledged.
class Worker {
 public:
  Worker(const TestTier& tier, int number)
      : folder_(tier.in_mount(fmt::format("worker{}", number))),
        random_(static_cast<unsigned>(number)) {
    fs::create_directory(folder_);
  }

  void run(const std::atomic<bool>& stop) {
    try {
      while (!stop || steps_ < 50) step(steps_++);
    } catch (const std::exception& error) {
      failure_ = fmt::format("step {}: {}", steps_, error.what());
    }
  }

  void expect_all_is_there() const {
    EXPECT_EQ(failure_, "");
    std::map<std::string, std::string> found;
    for (const auto& entry : fs::recursive_directory_iterator(folder_)) {
      found[entry.path().lexically_relative(folder_)] =
          entry.is_directory() ? "" : read_file(entry.path());
    }
    EXPECT_EQ(found, expected_);
  }
  int steps() const { return steps_; }

 private:
  std::string at(const std::string& name) const { return folder_ + "/" + name; }

  void step(int number) {
    const std::string name = fmt::format("{}", number);
    switch (random_() % 6) {
      case 0:
        check(::mkdir(at("d" + name).c_str(), 0755), "mkdir");
        expected_["d" + name] = "";
        break;
      case 1: {
        const UniqueFd file = open_file(at("f" + name), O_RDWR | O_CREAT | O_EXCL);
        check(::write(file.get(), name.data(), name.size()), "write");
        if (read_at(file, 0, 100) != name) throw std::runtime_error("other bytes");
        expected_["f" + name] = name;
        break;
      }
      case 2:
        if (const auto old = any_file()) {
          check(::rename(at(*old).c_str(), at("r" + name).c_str()), "rename");
          expected_["r" + name] = expected_[*old];
          expected_.erase(*old);
        }
        break;
      case 3:
        if (const auto old = any_file()) {
          append_to_file(at(*old), "+");
          expected_[*old] += "+";
        }
        break;
      case 4:
        if (const auto old = any_file(); old && expected_.size() > 20) {
          check(::unlink(at(*old).c_str()), "unlink");
          expected_.erase(*old);
        }
        break;
      default:
        if (const auto old = any_file()) {
          if (read_file(at(*old)) != expected_[*old]) throw std::runtime_error("other content");
        }
    }
  }

  std::optional<std::string> any_file() {
    std::vector<std::string> files;
    for (const auto& [name, content] : expected_) {
      if (!name.starts_with("d")) files.push_back(name);
    }
    if (files.empty()) return std::nullopt;
    return files[random_() % files.size()];
  }

  const std::string folder_;
  std::mt19937 random_;
  int steps_ = 0;
  std::map<std::string, std::string> expected_;
  std::string failure_;
};

// TIERHUB_TEST_KILLS says how often.
TEST_F(Restart, NoCallFailsWhileTierdIsKilledAgainAndAgain) {
  const char* const setting = std::getenv("TIERHUB_TEST_KILLS");
  const int kills = setting != nullptr ? std::stoi(setting) : 20;
  tier.settings["settle_s"] = "0.1";
  tier.start();
  std::vector<std::unique_ptr<Worker>> workers;
  for (int i = 0; i < 4; ++i) workers.push_back(std::make_unique<Worker>(tier, i));
  std::atomic<bool> stop{false};
  {
    std::vector<std::jthread> threads;
    for (const auto& worker : workers)
      threads.emplace_back([&stop, &worker] { worker->run(stop); });
    for (int i = 0; i < kills; ++i) {
      int before = 0;
      for (const auto& worker : workers) before += worker->steps();
      eventually("work goes on", [&] {
        int now = 0;
        for (const auto& worker : workers) now += worker->steps();
        return now > before + 10 + i;
      });
      tier.kill_kept();
    }
    stop = true;
  }
  for (const auto& worker : workers) worker->expect_all_is_there();
  answers();
  tier.publish();
  EXPECT_THAT(differences(describe_tree(tier.mount), describe_tree(tier.archive)),
              ::testing::IsEmpty());
  EXPECT_EQ(tier.evict("/").skipped_files, 0u);
  EXPECT_EQ(count_in_log("ended by signal 9"), kills);
  EXPECT_LT(tier.stop(), 10s);
}

TEST_F(Restart, GivesUpAfterTooManyDeathsAndUnmounts) {
  tier.settings["restarts_max"] = "2";
  tier.start();
  const UniqueFd folder = open_file(tier.mount, O_RDONLY | O_DIRECTORY);
  for (int i = 0; i < 2; ++i) die_and_come_back();
  ::kill(tier.kept(), SIGKILL);
  EXPECT_EQ(tier.wait_for_end(10s), 1);
  EXPECT_EQ(count_in_log("giving up"), 1);
  EXPECT_FALSE(is_fuse(tier.mount));
  struct stat st {};
  EXPECT_EQ(::fstatat(folder.get(), "any", &st, 0), -1);
  EXPECT_EQ(errno, ENOTCONN) << "who has something open is told";
  tier.start();
}

TEST_F(Restart, AFailureAtTheStartIsTheKeepersToo) {
  tier.archive += "/missing";
  const auto result = tier.start_and_fail();
  EXPECT_EQ(result.exit_code, 1) << result.text;
  EXPECT_THAT(result.err, ::testing::HasSubstr("cannot be used"));
}

TEST_F(Restart, SigtermEndsBothAndUnmounts) {
  tier.start();
  const pid_t kept = tier.kept();
  die_and_come_back();
  EXPECT_LT(tier.stop(), 10s);
  EXPECT_FALSE(is_fuse(tier.mount));
  EXPECT_NE(::kill(kept, 0), 0);
}

TEST_F(Restart, TierdEndsWellWhenItsKeeperIsKilled) {
  tier.start();
  const pid_t kept = tier.kept();
  tier.signal(SIGKILL);
  EXPECT_EQ(tier.wait_for_end(10s), 128 + SIGKILL);
  eventually("tierd is gone", [&] { return ::kill(kept, 0) != 0; });
  EXPECT_FALSE(is_fuse(tier.mount));
  tier.start();
}

TEST_F(Restart, AnAdministratorsUnmountEndsBoth) {
  tier.start();
  die_and_come_back();
  check(::umount2(tier.mount.c_str(), 0), "umount");
  EXPECT_EQ(tier.wait_for_end(10s), 0);
}

class RestartWithASlowArchive : public SlowArchiveTest {
 protected:
  RestartWithASlowArchive() {
    tier.settings["keeper"] = "true";
    tier.settings["restarts_max"] = "1000";
  }
};

TEST_F(RestartWithASlowArchive, AnswersTheReadsThatWereWaitingWhenItDied) {
  const std::string content = random_bytes(2 * kMiB, 7);
  write_file(in_fast("cold"), content);
  tier.start();
  const UniqueFd file = open_file(tier.in_mount("cold"), O_RDONLY);
  hang();
  const uint64_t recalls = tier.status().recall_bytes;
  std::string read;
  std::jthread reader([&] { read = read_at(file, kMiB, 4096); });
  eventually("the read waits in the kernel", [&] {
    const auto text = posix::read_file(fmt::format("/proc/{}/task", ::getpid()));
    for (const auto& task : fs::directory_iterator("/proc/self/task")) {
      const auto where = posix::read_file(task.path() / "wchan");
      if (where && where->find("fuse") != std::string::npos) return true;
      if (where && where->find("folio") != std::string::npos) return true;
    }
    return false;
  });
  tier.kill_kept();
  go_on();
  reader.join();
  EXPECT_EQ(read, content.substr(kMiB, 4096));
  EXPECT_EQ(recalls, 0u);
}

}  // namespace
}  // namespace tierhub::test::restart_test
