#include "compute/executors/lease.h"

#include <algorithm>
#include <charconv>

#include <unistd.h>

#include <fmt/format.h>
#include <time.h>

#include "common/posix.h"

namespace tierhub::compute {
namespace {

using std::chrono::milliseconds;

constexpr int kBeatsOfALease = 9;
constexpr milliseconds kLeastMargin{5000};
// A runner that is held up reads no alive; it goes on renewing by the last one that it has read.
constexpr size_t kMostUnanswered = 64;

// The number at the front of `text`, which it and one separator leave.
template <class Number>
bool take_number(std::string_view& text, Number& number) {
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc()) return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  if (!text.empty() && text.front() != ' ' && text.front() != '\n') return false;
  if (!text.empty()) text.remove_prefix(1);
  return true;
}

}  // namespace

std::string to_line(const Beat& beat) {
  return fmt::format("beat {} {}\n", beat.alive, beat.since.count());
}

std::optional<Beat> parse_beat(std::string_view line) {
  constexpr std::string_view kWord = "beat ";
  if (!line.starts_with(kWord)) return std::nullopt;
  line.remove_prefix(kWord.size());
  Beat beat;
  int64_t since = 0;
  if (!take_number(line, beat.alive) || !take_number(line, since) || since < 0 || !line.empty())
    return std::nullopt;
  beat.since = milliseconds(since);
  return beat;
}

milliseconds beat_interval(milliseconds lease) { return lease / kBeatsOfALease; }

milliseconds lease_margin(milliseconds lease) { return std::max(lease / 3, kLeastMargin); }

std::optional<uint64_t> Lease::next_alive(Time now) {
  if (sent_.size() >= kMostUnanswered) return std::nullopt;
  sent_.emplace_back(next_, now);
  return next_++;
}

void Lease::renew(const Beat& beat) {
  while (!sent_.empty() && sent_.front().first < beat.alive) sent_.pop_front();
  if (sent_.empty() || sent_.front().first != beat.alive) return;
  until_ = std::max(until_, sent_.front().second + beat.since + length_);
  granted_ = true;
}

Lease::Time boot_time() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

Result<void> LeaseMark::set(milliseconds lease) const {
  return posix::replace_file(path_, fmt::format("{}\n", lease.count()));
}

void LeaseMark::remove() const { ::unlink(path_.c_str()); }

std::optional<milliseconds> LeaseMark::find(milliseconds otherwise) const {
  if (::access(path_.c_str(), F_OK) < 0 && errno == ENOENT) return std::nullopt;
  const Result<std::string> text = posix::read_file(path_);
  int64_t lease = 0;
  std::string_view left = text ? std::string_view(*text) : "";
  if (!take_number(left, lease) || lease <= 0 || !left.empty()) return otherwise;
  return milliseconds(lease);
}

}  // namespace tierhub::compute
