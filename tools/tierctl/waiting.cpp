#include "tools/tierctl/waiting.h"

#include <algorithm>
#include <csignal>
#include <cstdio>

#include <sys/ioctl.h>
#include <unistd.h>

#include <fmt/format.h>

namespace tierhub::tierctl {
namespace {

sigset_t ending_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

size_t terminal_width() {
  winsize size = {};
  bool known = ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : 80;
}

}  // namespace

Interruptible::Interruptible() {
  sigset_t set = ending_signals();
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

Interruptible::~Interruptible() {
  sigset_t set = ending_signals();
  ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

Interruptible::Pause Interruptible::pause() {
  using std::chrono::milliseconds;
  constexpr milliseconds kShortest{10};
  constexpr milliseconds kLongest{200};
  constexpr int kPartOfTheWait = 50;
  // Looking takes from the work that is waited for: a fifth of the time at most.
  constexpr int kPausePerLook = 4;
  constexpr milliseconds kLongestAfterALook{5000};
  const auto now = SteadyClock::now();
  auto pause = std::clamp(std::chrono::duration_cast<milliseconds>((now - began_) / kPartOfTheWait),
                          kShortest, kLongest);
  if (ended_) {
    const auto look = std::chrono::duration_cast<milliseconds>(now - *ended_);
    pause = std::max(pause, std::min(look * kPausePerLook, kLongestAfterALook));
  }
  return this->pause(pause);
}

Interruptible::Pause Interruptible::pause(std::chrono::milliseconds length) {
  sigset_t set = ending_signals();
  const timespec limit = {length.count() / 1000, length.count() % 1000 * 1'000'000};
  const bool interrupted = ::sigtimedwait(&set, nullptr, &limit) > 0;
  ended_ = SteadyClock::now();
  return interrupted ? Pause::interrupted : Pause::over;
}

std::string bar(double fraction, size_t width) {
  if (width < 3) return std::string(width, ' ');
  size_t inner = width - 2;
  auto filled = static_cast<size_t>(std::clamp(fraction, 0.0, 1.0) * static_cast<double>(inner));
  std::string text(filled, '=');
  if (filled < inner) text += '>';
  text.resize(inner, ' ');
  return "[" + text + "]";
}

ProgressLine::ProgressLine() : terminal_(::isatty(STDERR_FILENO) != 0) {}

ProgressLine::~ProgressLine() {
  if (terminal_ && shown_) fmt::print(stderr, "\n");
}

void ProgressLine::show(const std::string& title, std::optional<double> fraction,
                        const std::string& detail) {
  constexpr std::chrono::seconds kPlainInterval{5};
  auto now = SteadyClock::now();
  pending_ = !shown_ || detail != detail_ || title != title_;
  title_ = title;
  fraction_ = fraction;
  detail_ = detail;
  if (!terminal_ && shown_ && now - last_ < kPlainInterval) return;
  draw();
  shown_ = true;
  pending_ = false;
  last_ = now;
}

void ProgressLine::finish() {
  if (pending_) draw();
  pending_ = false;
}

void ProgressLine::draw() const {
  std::string percent;
  if (fraction_)
    percent = fmt::format("{}%", static_cast<int>(std::clamp(*fraction_, 0.0, 1.0) * 100));
  if (!terminal_) {
    fmt::print(stderr, "{}: {}{}{}\n", title_, percent, fraction_ ? ", " : "", detail_);
    return;
  }
  std::string head = fraction_ ? fmt::format("{} {:>4} ", title_, percent) : title_ + " ";
  size_t width = terminal_width() - 1;
  size_t taken = head.size() + detail_.size() + 1;
  size_t room = fraction_ && width > taken ? std::min<size_t>(width - taken, 40) : 0;
  std::string line = head + (room >= 10 ? bar(*fraction_, room) + " " : "") + detail_;
  fmt::print(stderr, "\r\033[K{}", line.substr(0, width));
  std::fflush(stderr);
}

}  // namespace tierhub::tierctl
