#include "tests/support/loop_mount.h"

#include <stdexcept>
#include <vector>

#include <fcntl.h>
#include <sys/mount.h>

#include <sched.h>

#include "common/posix.h"
#include "tests/support/command.h"

namespace tierhub::test {
namespace {

void run(const std::vector<std::string>& command) {
  const CommandResult result = run_command(command);
  if (result.exit_code != 0) throw std::runtime_error(result.text);
}

}  // namespace

void use_own_mounts() {
  static const bool own = ::unshare(CLONE_NEWNS) == 0 &&
                          ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
  if (!own) throw std::runtime_error("these tests mount file systems: run them as root");
}

LoopMount::LoopMount(const std::string& type, std::string mount_point, uint64_t size_bytes)
    : mount_point_(std::move(mount_point)) {
  use_own_mounts();
  if (auto made = posix::make_directories(mount_point_, 0755); !made)
    throw std::runtime_error(made.error().text());
  {
    const auto fd = posix::open_at(AT_FDCWD, image(), O_WRONLY | O_CREAT, 0600);
    if (!fd || !posix::truncate_fd(fd->get(), size_bytes))
      throw std::runtime_error("cannot make " + image());
  }
  run({"mkfs." + type, "-q", type == "ext4" ? "-F" : "-f", image()});
  mount();
}

LoopMount::~LoopMount() { ::umount2(mount_point_.c_str(), MNT_DETACH); }

void LoopMount::mount() { run({"mount", "-o", "loop", image(), mount_point_}); }
void LoopMount::unmount() { run({"umount", mount_point_}); }

}  // namespace tierhub::test
