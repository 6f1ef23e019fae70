#include "storage/posix/archive_claim.h"

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <span>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "common/log.h"
#include "common/posix.h"
#include "storage/archive/archive.h"

namespace tierhub {
namespace {

constexpr const char* kClaimFile = ".tierhub/claim";
constexpr const char* kNewClaimFile = ".tierhub/claim.new";
constexpr const char* kClockFile = ".tierhub/claim.clock";
constexpr const char* kTitle = "TierHub uses this archive.";
constexpr std::chrono::seconds kRenewEvery(10);
constexpr std::chrono::seconds kSilenceOfTheDead(120);

struct Holder {
  std::string catalog;
  std::string host;
  std::string boot;
  ProcessMark process;
  Timestamp renewed;  // by the archive's clock
};

std::string host_name() {
  char name[256] = {};
  if (::gethostname(name, sizeof name - 1) < 0) return "unknown";
  return name;
}

// none: there is no such process.
std::optional<std::string> start_time_of(const std::string& process) {
  constexpr int kFieldsBefore = 19;  // between the name, in parentheses, and the start time
  const auto text = posix::read_file("/proc/" + process + "/stat");
  if (!text) return std::nullopt;
  std::string_view rest = *text;
  rest.remove_prefix(std::min(rest.rfind(')') + 1, rest.size()));
  for (int i = 0; i <= kFieldsBefore && !rest.empty(); ++i) {
    rest.remove_prefix(std::min(rest.find(' ') + 1, rest.size()));
  }
  return std::string(rest.substr(0, rest.find(' ')));
}

std::string process_name_space() {
  char name[64] = {};
  const ssize_t n = ::readlink("/proc/self/ns/pid", name, sizeof name - 1);
  return n > 0 ? std::string(name, static_cast<size_t>(n)) : std::string("none");
}

ProcessMark mark_of(pid_t process) {
  const std::string number = std::to_string(process);
  return {number, start_time_of(number).value_or(""), process_name_space()};
}

bool has_ended(const ProcessMark& process) {
  if (process.name_space != process_name_space()) return false;
  return start_time_of(process.number) != process.start;
}

// The value of the line "key: value"; empty if there is none.
std::string value_of(std::string_view text, std::string_view key) {
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    if (line.starts_with(key) && line.substr(key.size()).starts_with(": "))
      return std::string(line.substr(key.size() + 2));
  }
  return "";
}

// The clock that gives the files of this folder their times.
Result<Timestamp> archive_now(int root_fd) {
  TRY_ASSIGN(const UniqueFd fd, posix::open_beneath(root_fd, kClockFile, O_WRONLY | O_CREAT, 0600));
  if (::futimens(fd.get(), nullptr) < 0)
    return Error::from_errno(errno, "read the archive's clock");
  TRY_ASSIGN(const struct stat st, posix::stat_fd(fd.get()));
  static_cast<void>(posix::unlink_at(root_fd, kClockFile));
  return posix::modification_time(st);
}

// Since the holder last renewed its claim. Zero if the archive does not tell its time: then nobody
// is taken for dead.
std::chrono::seconds silence_of(const Holder& holder, int root_fd) {
  const auto now = archive_now(root_fd);
  if (!now) return std::chrono::seconds(0);
  return std::chrono::seconds(std::max<int64_t>(now->ns_since(holder.renewed), 0) / 1'000'000'000);
}

// none: nobody holds the archive.
Result<std::optional<Holder>> read_holder(int root_fd) {
  constexpr size_t kMaxBytes = 4096;
  auto fd = posix::open_beneath(root_fd, kClaimFile, O_RDONLY);
  if (!fd && fd.error().is(std::errc::no_such_file_or_directory)) return std::optional<Holder>();
  if (!fd) return fd.error();
  std::string text(kMaxBytes, '\0');
  TRY_ASSIGN(const size_t n, posix::read_at(fd->get(), std::as_writable_bytes(std::span(text)), 0));
  text.resize(n);
  TRY_ASSIGN(const struct stat st, posix::stat_fd(fd->get()));
  Holder holder;
  holder.catalog = value_of(text, "catalog");
  holder.host = value_of(text, "host");
  holder.boot = value_of(text, "boot");
  holder.process = {value_of(text, "process"), value_of(text, "process-start"),
                    value_of(text, "process-namespace")};
  holder.renewed = posix::modification_time(st);
  return std::optional(std::move(holder));
}

bool is_ours(const Holder& holder, const Claimant& claimant, const std::string& boot) {
  return holder.catalog == claimant.catalog && (holder.boot == boot || holder.host == host_name());
}

bool is_dead(const Holder& holder, const std::string& boot, std::chrono::seconds silence) {
  if (holder.catalog.empty()) return silence >= kSilenceOfTheDead;  // it was being made
  if (holder.host != host_name()) return false;
  return holder.boot == boot ? has_ended(holder.process) : silence >= kSilenceOfTheDead;
}

Error in_use(const Holder& holder, std::chrono::seconds silence) {
  const std::string who =
      holder.catalog.empty()
          ? std::string("a tierd that is starting")
          : fmt::format("another tierd, process {} on host {}", holder.process.number, holder.host);
  return Error(claimed_code(),
               fmt::format("the archive is in use by {}, last heard from {} s ago: stop that tierd "
                           "first; if you know that it is dead, start this one with --take-over",
                           who, silence.count()));
}

bool cannot_be_written(const Error& error) {
  return error.is(std::errc::read_only_file_system) || error.is(std::errc::no_space_on_device) ||
         (error.code().category() == std::generic_category() && error.code().value() == EDQUOT);
}

}  // namespace

ArchiveClaim::ArchiveClaim(Claimant claimant)
    : claimant_(std::move(claimant)),
      process_(mark_of(claimant_.process)),
      boot_(posix::boot_id()) {}

Result<void> ArchiveClaim::write(int fd) const {
  TRY_ASSIGN(const std::string boot, boot_);
  TRY(posix::write_all(
      fd, fmt::format("{}\ncatalog: {}\nhost: {}\nboot: {}\nprocess: {}\nprocess-start: {}\n"
                      "process-namespace: {}\nsince: {:%Y-%m-%dT%H:%M:%SZ}\n",
                      kTitle, claimant_.catalog, host_name(), boot, process_.number, process_.start,
                      process_.name_space, fmt::gmtime(std::time(nullptr)))));
  return posix::sync_fd(fd);
}

// Fails with errc::file_exists if someone else was faster.
Result<void> ArchiveClaim::make(int root_fd) const {
  TRY_ASSIGN(const UniqueFd fd,
             posix::open_beneath(root_fd, kClaimFile, O_WRONLY | O_CREAT | O_EXCL, 0600));
  return write(fd.get());
}

Result<void> ArchiveClaim::hold(int root_fd) {
  if (claimant_.catalog.empty() || released_) return {};
  // A person's word holds for what they saw, not for what comes later.
  const TakeOver take_over = std::exchange(claimant_.take_over, TakeOver::refuse);
  TRY_ASSIGN(const std::string boot, boot_);
  TRY_ASSIGN(const auto holder, read_holder(root_fd));
  if (!holder) {
    auto made = make(root_fd);
    if (!made && cannot_be_written(made.error())) return {};
    if (!made && made.error().is(std::errc::file_exists))
      return in_use(Holder(), std::chrono::seconds(0));
    if (made) renewed_ = SteadyClock::now();
    return made;
  }
  if (is_ours(*holder, claimant_, boot)) {
    return holder->process == process_ ? renew(root_fd) : replace(root_fd);
  }
  const auto silence = silence_of(*holder, root_fd);
  if (take_over == TakeOver::refuse && !is_dead(*holder, boot, silence))
    return in_use(*holder, silence);
  log::warning(
      "taking over the archive from another tierd",
      {{"host", holder->host}, {"process", holder->process.number}, {"silent_s", silence.count()}});
  return replace(root_fd);
}

Result<void> ArchiveClaim::replace(int root_fd) {
  {
    auto fd = posix::open_beneath(root_fd, kNewClaimFile, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (!fd && cannot_be_written(fd.error())) return {};
    if (!fd) return fd.error();
    auto written = write(fd->get());
    if (!written && cannot_be_written(written.error())) return {};
    TRY(written);
  }
  TRY(posix::rename_at(root_fd, kNewClaimFile, root_fd, kClaimFile));
  renewed_ = SteadyClock::now();
  return {};
}

Result<void> ArchiveClaim::renew(int root_fd) {
  const auto now = SteadyClock::now();
  if (renewed_ && now - *renewed_ < kRenewEvery) return {};
  TRY_ASSIGN(const UniqueFd fd, posix::open_beneath(root_fd, kClaimFile, O_WRONLY));
  if (::futimens(fd.get(), nullptr) < 0 && errno != EROFS && errno != ENOSPC && errno != EDQUOT)
    return Error::from_errno(errno, "renew the claim on the archive");
  renewed_ = now;
  return {};
}

Result<void> ArchiveClaim::release(int root_fd) {
  if (claimant_.catalog.empty() || std::exchange(released_, true)) return {};
  TRY_ASSIGN(const auto holder, read_holder(root_fd));
  if (!holder || holder->catalog != claimant_.catalog || holder->process != process_) return {};
  return posix::unlink_at(root_fd, kClaimFile);
}

}  // namespace tierhub
