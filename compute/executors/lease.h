// A task on another machine runs under a lease, so that two attempts of it never write at a time, even if nobody can reach that
// machine any more. The wrapper of the task holds the lease, the runner renews it. No time of one machine is compared with one of
// another, and all clocks only go forward.
//
// 1. The wrapper sends "alive K" with K = 0, 1, 2, ... and has noted for each K, just before, when that was.
// 2. The runner notes when it read the last K. Every ninth of the lease it writes "beat K M" into srun's standard input: M
//    milliseconds have passed since it read K. It notes the time after each such write that the pipe took.
// 3. Alive K was sent before it was read, so at the earliest M after it was sent, the runner still renewed. The wrapper's lease
//    lasts until the time noted for K, plus M, plus the lease. However long a beat lay in the buffers of srun, of slurmstepd or
//    of the network, it renews no further than that: an old one that is read late renews until a time which has passed.
// 4. The wrapper starts the program only when the first beat has come. An order that lay somewhere starts nothing.
// 5. When the lease is over, or its standard input is at its end, the wrapper kills all processes below it, and says nothing of
//    success. If all are gone it says that the task is lost.
// 6. A runner that gives up a step closes its pipe first. Of all beats that it wrote, none lets a wrapper go on for more than the
//    lease after the write of the last, by 3. So it starts the task again when that time and a margin have passed: the margin is
//    for the killing, and for clocks that differ in speed. If no beat was written, nothing was started, by 4.
// 7. A runner that starts finds a mark (LeaseMark) if an earlier one may have renewed leases and did not see their ends. It waits
//    for the lease and the margin, counted from its own start: the earlier one had ended by then.
// 8. A wrapper that was suspended looks at the lease before anything else when it wakes. Its clock has counted the time in which
//    its machine slept. What is left: a process that the kernel does not end, since it waits for a file server; the processes of a
//    virtual machine whose own clock stood still while it was paused, until its wrapper reads the end of its standard input; and
//    what a dead process wrote that its machine still has to send. So before the second attempt starts, the runner removes the
//    files that are the task's own (compute/run/own_paths.h): what the first has open is then part of no result. Nobody but the
//    runner puts a run's output in place.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "common/result.h"

namespace tierhub::compute {

// "beat K M"
struct Beat {
  uint64_t alive = 0;
  std::chrono::milliseconds since{0};
};
std::string to_line(const Beat& beat);  // with its line feed
std::optional<Beat> parse_beat(std::string_view line);

// How often either side speaks, and how long the runner waits beyond the lease.
std::chrono::milliseconds beat_interval(std::chrono::milliseconds lease);
std::chrono::milliseconds lease_margin(std::chrono::milliseconds lease);

// The wrapper's side. Times are of any clock that only goes forward.
class Lease {
 public:
  using Time = std::chrono::nanoseconds;
  // Over after its length, unless a beat comes.
  Lease(std::chrono::milliseconds length, Time now) : length_(length), until_(now + length) {}

  // The number of the next alive, sent right after `now`. None while too many are unanswered.
  std::optional<uint64_t> next_alive(Time now);
  void renew(const Beat& beat);
  // A beat has come in time.
  bool is_granted() const { return granted_; }
  bool is_over(Time now) const { return now >= until_; }
  Time until() const { return until_; }
  std::chrono::milliseconds length() const { return length_; }

 private:
  std::chrono::milliseconds length_;
  Time until_;
  bool granted_ = false;
  uint64_t next_ = 0;
  std::deque<std::pair<uint64_t, Time>> sent_;
};

// The time since the machine was started, with the time that it slept.
Lease::Time boot_time();

// A file that says that wrappers may hold leases of this run. Survives the runner.
class LeaseMark {
 public:
  explicit LeaseMark(std::string path) : path_(std::move(path)) {}
  Result<void> set(std::chrono::milliseconds lease) const;
  void remove() const;
  // The lease of which it speaks; a mark that cannot be read speaks of `otherwise`.
  std::optional<std::chrono::milliseconds> find(std::chrono::milliseconds otherwise) const;

 private:
  std::string path_;
};

}  // namespace tierhub::compute
