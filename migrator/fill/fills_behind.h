// The chunks whose first reader was answered before they were kept: they are fetched in the
// background and must not get in the way of the next answers. If a reader reads more of such a
// chunk, it is fetched at once; a chunk that was touched once waits until nobody has been answered
// for a moment, but not for ever, and only a few are fetched at a time.
//
// Not thread-safe: its owner's lock guards it. Bounded: beyond the maximum number, the oldest is
// due.
#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <optional>

#include "common/clock.h"
#include "common/types.h"

namespace tierhub {

class FillsBehind {
 public:
  using Time = SteadyClock::time_point;
  struct Chunks {
    InodeNumber inode;
    ByteRange range;
    bool operator==(const Chunks&) const = default;
  };

  static constexpr size_t kMostAnswers = 64;
  static constexpr size_t kMostWaiting = 256;
  static constexpr size_t kMostUnderWay = 2;
  static constexpr std::chrono::milliseconds kQuiet{20};
  static constexpr std::chrono::milliseconds kLongestWait{250};

  // Each answer begins and ends; each of what take() gave ends.
  bool can_answer() const { return answers_ < kMostAnswers; }
  void answer_begins() { ++answers_; }
  void answer_ended(Time now);
  void add(const Chunks& chunks, Time now);
  // What is to be brought now.
  std::optional<Chunks> take(Time now);
  void ended() { --under_way_; }
  // When take() may have something; none: not before something of the above is called.
  std::optional<Time> next() const;

 private:
  struct Waiting {
    Chunks chunks;
    Time added;
    bool wanted = false;  // somebody reads more of it
  };
  Time due(const Waiting& waiting) const;

  std::deque<Waiting> waiting_;  // the wanted ones first, then by age
  size_t wanted_ = 0;
  size_t answers_ = 0;
  size_t under_way_ = 0;
  Time last_answer_{};
};

}  // namespace tierhub
