// Held while the archive's tree is judged or changed: by a wave of the publisher, or by the scanner
// for one folder. Whatever the holder sees there is then nobody's work in progress. It belongs to
// the owner of the publisher and the scanner, and outlives both.
#pragma once

#include <utility>

#include "common/mutex.h"

namespace tierhub {

class TreeMutex {
 public:
  // Proves that the mutex is held; lets go of it at its end.
  class [[nodiscard]] Held {
   public:
    Held(Held&&) = default;
    Held& operator=(Held&&) = default;

   private:
    friend class TreeMutex;
    explicit Held(Mutex& mutex) : lock_(mutex) {}
    MovableMutexLock lock_;
  };

  // Waits for it. Any thread but the one that holds it.
  Held hold() { return Held(mutex_); }

 private:
  Mutex mutex_;
};

}  // namespace tierhub
