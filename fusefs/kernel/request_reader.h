// Reads requests from /dev/fuse, mostly one worker at a time (reader_line.h). Waking a sleeping
// worker costs whoever sent the request some 50 us, most of what a small request costs at all; so
// after a request a worker keeps asking for the next one for a short while before it sleeps.
//
// Bounded: no more than `spinners_max` workers ask at a time, each no longer than `spin` after its
// last request. Adaptive: what was asked in vain makes the next times shorter, and soon rare, so
// that lone requests and an idle mount cost nothing. Where processors are short nobody asks:
// whoever uses up its time asking is run late when there is something to do.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>

#include <sys/types.h>

#include "fusefs/kernel/reader_line.h"

namespace tierhub {

class RequestReader {
 public:
  struct Options {
    std::chrono::microseconds spin{100};  // 0: sleep at once
    unsigned spinners_max = 1;
  };
  explicit RequestReader(const Options& options) : options_(options) {}

  // As read(2) on a blocking descriptor, on a worker's thread. A cancellation point.
  ssize_t read(int fd, void* buffer, size_t size);

  // For tests: how often a request was met while asking, and how often asking was in vain.
  unsigned met() const { return met_; }
  unsigned in_vain() const { return in_vain_; }

 private:
  class Turn;
  ssize_t read_in_turn(int fd, void* buffer, size_t size);
  std::chrono::microseconds time_to_spin();
  bool processors_are_short();

  const Options options_;
  ReaderLine line_;
  std::atomic<unsigned> spinners_ = 0;
  std::atomic<unsigned> misses_ = 0;   // in a row
  std::atomic<unsigned> skipped_ = 0;  // times that nobody asked, since somebody did
  std::atomic<int64_t> short_until_ns_ = 0;
  std::atomic<unsigned> met_ = 0;
  std::atomic<unsigned> in_vain_ = 0;
};

}  // namespace tierhub
