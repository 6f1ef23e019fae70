// Waiting for work of tierd: pauses that Ctrl-C interrupts, and one line that shows the progress.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "common/clock.h"

namespace tierhub::tierctl {

// While one exists, SIGINT and SIGTERM end pauses instead of the process. One at a time, in the
// main thread.
class Interruptible {
 public:
  Interruptible();
  ~Interruptible();
  Interruptible(const Interruptible&) = delete;
  Interruptible& operator=(const Interruptible&) = delete;

  enum class Pause { over, interrupted };
  // A small part of what was waited so far, so that the end of short and of long work is seen soon;
  // 200 ms at most, or longer where each look takes long.
  Pause pause();
  // As long as that.
  Pause pause(std::chrono::milliseconds length);

 private:
  const SteadyClock::time_point began_ = SteadyClock::now();
  std::optional<SteadyClock::time_point> ended_;  // the last pause
};

// Progress on standard error. On a terminal one line with a bar, drawn again and again; elsewhere a
// plain line at the start, at the end, and at most every five seconds in between.
class ProgressLine {
 public:
  ProgressLine();
  // Ends the line on a terminal.
  ~ProgressLine();
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  // `fraction` from 0 to 1; none if nobody knows how much there is.
  void show(const std::string& title, std::optional<double> fraction, const std::string& detail);
  // The line as it stays.
  void finish();

 private:
  void draw() const;

  bool terminal_;
  std::string title_;
  std::string detail_;
  std::optional<double> fraction_;
  bool shown_ = false;
  bool pending_ = false;  // something newer than the last plain line
  SteadyClock::time_point last_;
};

// "[=====>    ]", `width` columns in all.
std::string bar(double fraction, size_t width);

}  // namespace tierhub::tierctl
