#include "hub/worker/sandbox.h"

#include <array>
#include <cerrno>
#include <memory>

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <seccomp.h>

namespace tierhub::hub {
namespace {

constexpr rlim_t kMaxFiles = 4'096;
// Of memory that is its own: the caches of images take less than 1 GiB, decoding the rest. Beyond it
// a request fails, not the machine.
constexpr rlim_t kMaxMemoryBytes = rlim_t{6} << 30;

// Calls that are reached by nothing a worker does, and by most ways out of one.
constexpr std::array kForbidden = {"ptrace",
                                   "process_vm_readv",
                                   "process_vm_writev",
                                   "kcmp",
                                   "mount",
                                   "umount2",
                                   "pivot_root",
                                   "move_mount",
                                   "open_tree",
                                   "fsopen",
                                   "fsmount",
                                   "fsconfig",
                                   "fspick",
                                   "mount_setattr",
                                   "chroot",
                                   "unshare",
                                   "setns",
                                   "bpf",
                                   "perf_event_open",
                                   "userfaultfd",
                                   "keyctl",
                                   "add_key",
                                   "request_key",
                                   "init_module",
                                   "finit_module",
                                   "delete_module",
                                   "kexec_load",
                                   "kexec_file_load",
                                   "reboot",
                                   "swapon",
                                   "swapoff",
                                   "acct",
                                   "quotactl",
                                   "settimeofday",
                                   "clock_settime",
                                   "adjtimex",
                                   "sethostname",
                                   "setdomainname",
                                   "iopl",
                                   "ioperm",
                                   "syslog",
                                   "personality",
                                   "io_uring_setup",
                                   "io_uring_enter",
                                   "io_uring_register",
                                   "open_by_handle_at",
                                   "name_to_handle_at",
                                   "lookup_dcookie",
                                   "vhangup",
                                   "fanotify_init",
                                   "mknod",
                                   "mknodat"};

struct Release {
  void operator()(void* filter) const { seccomp_release(filter); }
};
using Filter = std::unique_ptr<void, Release>;

Error failed(int result, const char* what) { return Error::from_errno(-result, what); }

Result<void> filter_calls() {
  const Filter filter(seccomp_init(SCMP_ACT_ALLOW));
  if (!filter) return Error(std::errc::not_enough_memory, "make a filter of system calls");
  for (const char* name : kForbidden) {
    const int number = seccomp_syscall_resolve_name(name);
    if (number == __NR_SCMP_ERROR) continue;  // this machine has no such call
    const int result = seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(EPERM), number, 0);
    if (result < 0) return failed(result, "forbid a system call");
  }
  const int result = seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socket), 1,
                                      SCMP_A0(SCMP_CMP_NE, AF_UNIX));
  if (result < 0) return failed(result, "forbid sockets");
  const int loaded = seccomp_load(filter.get());
  if (loaded < 0) return failed(loaded, "load a filter of system calls");
  return {};
}

Result<void> limit(int resource, rlim_t most, const char* what) {
  rlimit now{};
  ::getrlimit(static_cast<__rlimit_resource>(resource), &now);
  const rlimit wanted = {std::min(now.rlim_max, most), std::min(now.rlim_max, most)};
  if (::setrlimit(static_cast<__rlimit_resource>(resource), &wanted) != 0)
    return Error::from_errno(errno, what);
  return {};
}

}  // namespace

Result<void> enter_sandbox() {
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
    return Error::from_errno(errno, "give up new privileges");
  TRY(limit(RLIMIT_CORE, 0, "forbid core files"));
  TRY(limit(RLIMIT_NOFILE, kMaxFiles, "limit open files"));
  TRY(limit(RLIMIT_DATA, kMaxMemoryBytes, "limit memory"));
  return filter_calls();
}

}  // namespace tierhub::hub
