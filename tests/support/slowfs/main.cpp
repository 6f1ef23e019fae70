// slowfs BACKING MOUNT [--delay-ms N] [--faults FILE]: mirrors the folder BACKING at MOUNT and
// delays every request by N milliseconds (8 if not given), as a far-away NAS would. FILE switches
// faults on and off while it serves (faults.h). Writes "mounted" to standard output once it serves,
// and unmounts when it gets SIGTERM or SIGINT. Stopped by SIGSTOP it is an archive that hangs.
#include <charconv>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include <fcntl.h>
#include <linux/fuse.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/posix.h"
#include "mirror.h"

namespace {

using namespace tierhub;

constexpr unsigned kThreads = 1024;

struct Arguments {
  std::string backing;
  std::string mount_point;
  std::chrono::milliseconds delay{8};
  std::string fault_file;
};

bool parse(int argc, char** argv, Arguments& arguments) {
  if (argc < 3 || argc % 2 == 0) return false;
  arguments.backing = argv[1];
  arguments.mount_point = argv[2];
  for (int i = 3; i < argc; i += 2) {
    const std::string_view option = argv[i];
    const std::string_view text = argv[i + 1];
    if (option == "--faults") {
      arguments.fault_file = text;
      continue;
    }
    int64_t delay_ms = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), delay_ms);
    arguments.delay = std::chrono::milliseconds(delay_ms);
    if (option != "--delay-ms" || error != std::errc() || end != text.data() + text.size() ||
        delay_ms < 0)
      return false;
  }
  return true;
}

ssize_t read_device(int fd, void* buffer, size_t size, void*) { return ::read(fd, buffer, size); }

// libfuse 3.14 leaves PARALLEL_DIROPS off, and one waiting lookup would then hold up all others in
// its folder. The first reply is the one to INIT: a header, then fuse_init_out.
ssize_t write_device(int fd, iovec* parts, int count, void*) {
  static bool is_first = true;
  if (is_first && count >= 2 && parts[1].iov_len >= 16) {
    is_first = false;
    auto* reply = static_cast<fuse_init_out*>(parts[1].iov_base);
    reply->flags |= FUSE_PARALLEL_DIROPS;
  }
  return ::writev(fd, parts, count);
}

int serve(const Arguments& arguments, UniqueFd backing) {
  slowfs::Mirror mirror(std::move(backing), arguments.delay, arguments.fault_file);
  std::string options = "default_permissions,allow_other,fsname=slowfs,subtype=slowfs";
  std::string name = "slowfs";
  std::string option_flag = "-o";
  char* words[] = {name.data(), option_flag.data(), options.data(), nullptr};
  fuse_args args = FUSE_ARGS_INIT(3, words);
  const std::unique_ptr<fuse_session, void (*)(fuse_session*)> session(
      fuse_session_new(&args, &slowfs::operations(), sizeof(fuse_lowlevel_ops), &mirror),
      fuse_session_destroy);
  fuse_opt_free_args(&args);
  if (!session || fuse_set_signal_handlers(session.get()) != 0) return 1;
  if (fuse_session_mount(session.get(), arguments.mount_point.c_str()) != 0) return 1;
  const fuse_custom_io io{write_device, read_device, nullptr, nullptr};
  fuse_session_custom_io(session.get(), &io, fuse_session_fd(session.get()));

  const std::unique_ptr<fuse_loop_config, void (*)(fuse_loop_config*)> loop(fuse_loop_cfg_create(),
                                                                            fuse_loop_cfg_destroy);
  fuse_loop_cfg_set_max_threads(loop.get(), kThreads);
  fuse_loop_cfg_set_idle_threads(loop.get(), kThreads);
  std::puts("mounted");
  std::fflush(stdout);
  const int rc = fuse_session_loop_mt(session.get(), loop.get());
  fuse_session_unmount(session.get());
  fuse_remove_signal_handlers(session.get());
  return rc < 0 ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  if (!parse(argc, argv, arguments)) {
    std::fputs("usage: slowfs BACKING MOUNT [--delay-ms N] [--faults FILE]\n", stderr);
    return 2;
  }
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
  ::umask(0);
  auto backing = posix::open_at(AT_FDCWD, arguments.backing, O_PATH | O_DIRECTORY);
  if (!backing) {
    std::fprintf(stderr, "slowfs: %s\n", backing.error().text().c_str());
    return 1;
  }
  return serve(arguments, *std::move(backing));
}
