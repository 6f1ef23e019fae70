// How large the file systems mounted below the archive's root are, and how full. Only those that
// somebody asked for are queried, on a separate thread, so that one that hangs holds up nobody.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <thread>

#include "common/mutex.h"
#include "storage/archive/archive.h"

namespace tierhub {

class NestedSpaces {
 public:
  // Each is asked again after so long.
  NestedSpaces(Archive& archive, double interval_s) : archive_(archive), interval_s_(interval_s) {}
  ~NestedSpaces() { stop(); }

  void start();
  void stop();
  // As last asked; none: it did not answer yet. Who asks first waits for the answer, a tenth of a
  // second at most. Any thread.
  std::optional<Archive::Space> of(const FileSystemId& file_system);

 private:
  void run(const std::stop_token& stop);

  Archive& archive_;
  const double interval_s_;
  Mutex mutex_;
  StoppableConditionVariable changed_;
  std::set<FileSystemId> wanted_ GUARDED_BY(mutex_);  // not asked yet
  std::map<FileSystemId, std::optional<Archive::Space>> known_ GUARDED_BY(mutex_);
  std::jthread thread_;
};

}  // namespace tierhub
