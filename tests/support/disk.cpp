#include "tests/support/disk.h"

#include <cerrno>
#include <cstring>
#include <stdexcept>

#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <fmt/format.h>

#include "tests/support/command.h"
#include "tests/support/tree.h"

namespace tierhub::test {
namespace {

// ext4 and xfs share it: stop at once, and write nothing of the journal that is not written yet.
constexpr unsigned long kShutDown = _IOR('X', 125, uint32_t);
constexpr uint32_t kWithoutLogFlush = 2;
constexpr unsigned kLoopMajor = 7;
constexpr int kTries = 50;

struct LoopDevice {
  UniqueFd fd;
  std::string path;
};

// Whoever else wants a loop device may be quicker: tried again.
LoopDevice attach(const std::string& image) {
  const UniqueFd control(::open("/dev/loop-control", O_RDWR | O_CLOEXEC));
  if (!control) {
    throw std::runtime_error(
        fmt::format("/dev/loop-control cannot be used ({}): these tests need a machine with loop "
                    "devices, or a privileged container",
                    std::strerror(errno)));
  }
  const UniqueFd file(::open(image.c_str(), O_RDWR | O_CLOEXEC));
  check(file.get(), "open " + image);
  for (int i = 0; i < kTries; ++i) {
    const int number = ::ioctl(control.get(), LOOP_CTL_GET_FREE);
    check(number, "find a free loop device");
    LoopDevice device{UniqueFd(), fmt::format("/dev/loop{}", number)};
    device.fd.reset(::open(device.path.c_str(), O_RDWR | O_CLOEXEC));
    if (!device.fd && errno == ENOENT) {
      ::mknod(device.path.c_str(), S_IFBLK | 0600, makedev(kLoopMajor, number));
      device.fd.reset(::open(device.path.c_str(), O_RDWR | O_CLOEXEC));
    }
    check(device.fd.get(), "open " + device.path);
    loop_config config{};
    config.fd = static_cast<uint32_t>(file.get());
    config.info.lo_flags = LO_FLAGS_AUTOCLEAR;  // freed when it is unmounted
    if (::ioctl(device.fd.get(), LOOP_CONFIGURE, &config) == 0) return device;
    if (errno != EBUSY) check(-1, "set up " + device.path);
  }
  throw std::runtime_error("no loop device could be had");
}

const char* name_of(Disk::Format format) {
  switch (format) {
    case Disk::Format::ext4:
      return "ext4";
    case Disk::Format::xfs:
      return "xfs";
  }
  return "";
}

void make_file_system(const std::string& image, const Disk::Options& options) {
  std::vector<std::string> command;
  switch (options.format) {
    case Disk::Format::ext4:
      command = {"mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", image};
      if (!options.journal) command.insert(command.end() - 1, {"-O", "^has_journal"});
      break;
    case Disk::Format::xfs:
      command = {"mkfs.xfs", "-q", "-f", image};
      break;
  }
  const CommandResult made = run_command(command, {"PATH=/usr/sbin:/sbin:/usr/bin:/bin"});
  if (made.exit_code != 0) throw std::runtime_error(made.text);
}

}  // namespace

Disk::Disk(std::string image, std::string folder, Options options)
    : image_(std::move(image)), folder_(std::move(folder)), options_(std::move(options)) {
  const UniqueFd file(::open(image_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  check(file.get(), "make " + image_);
  check(::ftruncate(file.get(), static_cast<off_t>(options_.bytes)), "size of " + image_);
  make_file_system(image_, options_);
  mount();
}

Disk::~Disk() { unmount(); }

void Disk::mount() {
  const LoopDevice device = attach(image_);
  check(::mount(device.path.c_str(), folder_.c_str(), name_of(options_.format), 0,
                options_.mount_options.c_str()),
        fmt::format("mount {} of {} at {}", name_of(options_.format), image_, folder_));
  mounted_ = true;
}

void Disk::unmount() {
  if (!mounted_) return;
  mounted_ = false;
  ::umount2(folder_.c_str(), MNT_DETACH);
}

void Disk::sync() const {
  const UniqueFd root(::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  check(root.get(), "open " + folder_);
  check(::syncfs(root.get()), "sync " + folder_);
}

void Disk::cut_power() {
  {
    const UniqueFd root(::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    check(root.get(), "open " + folder_);
    uint32_t how = kWithoutLogFlush;
    check(::ioctl(root.get(), kShutDown, &how), "cut the power of " + folder_);
  }
  unmount();
}

void mount_memory(const std::string& folder, uint64_t bytes) {
  check(::mount("tmpfs", folder.c_str(), "tmpfs", 0, fmt::format("size={}", bytes).c_str()),
        "mount a file system in memory at " + folder);
}

}  // namespace tierhub::test
