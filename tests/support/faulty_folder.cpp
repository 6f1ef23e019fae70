#include "tests/support/faulty_folder.h"

#include <csignal>
#include <filesystem>
#include <utility>

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/unique_fd.h"
#include "tests/support/command.h"
#include "tests/support/tier_fixture.h"

namespace tierhub::test {

FaultyFolder::FaultyFolder(const std::string& backing, std::string mount_point,
                           std::string fault_file)
    : mount_point_(std::move(mount_point)), fault_file_(std::move(fault_file)) {
  clear();
  const UniqueFd log(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  struct stat before {};
  check(::stat(mount_point_.c_str(), &before), "stat " + mount_point_);
  process_ = start_program(
      {program("slowfs"), backing, mount_point_, "--delay-ms", "0", "--faults", fault_file_}, {},
      log.get());
  eventually("slowfs has mounted " + mount_point_, [&] {
    struct stat now {};
    return ::stat(mount_point_.c_str(), &now) == 0 && now.st_dev != before.st_dev;
  });
}

FaultyFolder::~FaultyFolder() {
  go_on();
  ::umount2(mount_point_.c_str(), MNT_DETACH);
  ::kill(process_, SIGTERM);
  if (wait_for_exit(process_, std::chrono::seconds(5)) < 0) {
    ::kill(process_, SIGKILL);
    wait_for_exit(process_, std::chrono::seconds(5));
  }
}

// In one step: requests read it at any time.
void FaultyFolder::set(const std::vector<std::string>& faults) const {
  write_file(fault_file_ + ".new", fmt::format("{}\n", fmt::join(faults, "\n")));
  std::filesystem::rename(fault_file_ + ".new", fault_file_);
}

void FaultyFolder::hang() const { ::kill(process_, SIGSTOP); }
void FaultyFolder::go_on() const { ::kill(process_, SIGCONT); }

}  // namespace tierhub::test
