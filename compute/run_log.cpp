#include "compute/run_log.h"

#include <algorithm>

#include <fcntl.h>

#include <fmt/format.h>

#include "common/posix.h"
#include "compute/run_status.h"

namespace tierhub::compute {

Result<RunLog> RunLog::open(const std::string& path) {
  TRY_ASSIGN(UniqueFd fd,
             posix::open_at(AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0644));
  TRY_ASSIGN(const struct stat st, posix::stat_fd(fd.get()));
  return RunLog(std::move(fd), static_cast<uint64_t>(st.st_size));
}

void RunLog::line(std::string_view source, std::string_view text) {
  if (bytes_ >= kMaxBytes) return;
  std::string line = fmt::format("{} {} | {}\n", time_text(Timestamp::now()), source, text);
  bytes_ += line.size();
  if (bytes_ >= kMaxBytes) line += "the log is full: what comes after this is dropped\n";
  static_cast<void>(posix::write_all(fd_.get(), line));
}

void OutputLines::write(std::string_view bytes, RunLog& log) {
  while (!bytes.empty()) {
    const size_t end = std::min(bytes.find('\n'), bytes.size());
    const size_t taken = std::min(end, kMaxLineBytes - partial_.size());
    partial_ += bytes.substr(0, taken);
    bytes.remove_prefix(taken);
    const bool line_end = bytes.starts_with('\n');
    if (line_end) bytes.remove_prefix(1);
    if (line_end || partial_.size() == kMaxLineBytes) flush(log);
  }
}

void OutputLines::end(RunLog& log) {
  if (!partial_.empty()) flush(log);
}

void OutputLines::flush(RunLog& log) {
  if (partial_.ends_with('\r')) partial_.pop_back();
  log.line(source_, partial_);
  report_.add(partial_);
  last_.push_back(std::exchange(partial_, {}));
  if (last_.size() > kRemembered) last_.pop_front();
}

}  // namespace tierhub::compute
