#include "compute/executors/log.h"

#include <algorithm>

#include <fcntl.h>

#include <fmt/format.h>

#include "common/posix.h"
#include "compute/executors/text.h"

namespace tierhub::compute {

Result<RunLog> RunLog::open(const std::string& path, uint64_t max_bytes) {
  TRY_ASSIGN(UniqueFd fd,
             posix::open_at(AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0644));
  TRY_ASSIGN(const struct stat st, posix::stat_fd(fd.get()));
  return RunLog(std::move(fd), static_cast<uint64_t>(st.st_size), max_bytes);
}

void RunLog::line(std::string_view source, std::string_view text) {
  write(source, text, Timestamp::now(), max_bytes_);
}

void RunLog::task_line(std::string_view source, std::string_view text, Timestamp when) {
  write(source, text, when, max_bytes_ - max_bytes_ / 8);
}

void RunLog::write(std::string_view source, std::string_view text, Timestamp when,
                   uint64_t limit_bytes) {
  const std::string line = fmt::format("{} {} | {}\n", time_text(when), source, text);
  if (bytes_ + line.size() > limit_bytes) {
    ++dropped_lines_;
    dropped_bytes_ += text.size() + 1;
    return;
  }
  bytes_ += line.size();
  static_cast<void>(posix::write_all(fd_.get(), line));
}

void RunLog::end() {
  if (dropped_lines_ == 0) return;
  const std::string line =
      fmt::format("{} run | {} lines ({}) were left out, because a log has at most {}\n",
                  time_text(Timestamp::now()), dropped_lines_, size_text(dropped_bytes_),
                  size_text(max_bytes_));
  dropped_lines_ = dropped_bytes_ = 0;
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
  if (dropped_lines_ > 0) {
    log.task_line(source_,
                  fmt::format("({} lines, {}, were left out here)", dropped_lines_,
                              size_text(dropped_bytes_)),
                  Timestamp::now());
  }
  for (const Line& line : tail_) log.task_line(source_, line.text, line.when);
  tail_.clear();
}

void OutputLines::flush(RunLog& log) {
  if (partial_.ends_with('\r')) partial_.pop_back();
  keep(partial_, log);
  report_.add(partial_);
  last_.push_back(std::exchange(partial_, {}));
  if (last_.size() > kRemembered) last_.pop_front();
}

void OutputLines::keep(std::string_view text, RunLog& log) {
  if (head_bytes_ < kHeadBytes) {
    head_bytes_ += text.size() + 1;
    log.task_line(source_, text, Timestamp::now());
    if (head_bytes_ >= kHeadBytes) {
      log.task_line(source_,
                    "(the task writes much: only its last lines will follow, when it has ended)",
                    Timestamp::now());
    }
    return;
  }
  tail_.push_back({std::string(text), Timestamp::now()});
  tail_bytes_ += text.size() + 1;
  while (tail_bytes_ > kTailBytes) {
    const uint64_t bytes = tail_.front().text.size() + 1;
    tail_bytes_ -= bytes;
    dropped_bytes_ += bytes;
    ++dropped_lines_;
    tail_.pop_front();
  }
}

}  // namespace tierhub::compute
