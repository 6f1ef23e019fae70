// Nested file systems of the archive in which nothing works for now: changes for them wait, and
// nothing else does.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "common/clock.h"
#include "common/result.h"
#include "migrator/base/plan.h"
#include "storage/archive/archive.h"

namespace tierhub {

// One thread at a time.
class FailingFileSystems {
 public:
  // One that failed is left alone for so long.
  explicit FailingFileSystems(double rest_s) : rest_s_(rest_s) {}

  bool any() const { return !unsettled_.empty() || !failing_.empty(); }
  // Why the plan is not carried out now; none: its file system works, or is to be tried again.
  std::optional<std::string> failure_of(const Plan& plan) const;
  // What was wrong with it when it was tried last; none: nothing.
  std::optional<std::string> reason_of(const FileSystemId& file_system) const;

  // What a wave found out.
  void note(const std::set<FileSystemId>& working, const std::map<FileSystemId, Error>& failed);
  // Those in which nothing was tried for long: nothing waits for them any more.
  void forget_old();

  // In these something was interrupted that could not be settled, and why.
  void set_unsettled(std::map<FileSystemId, std::string> unsettled);
  bool settling_is_due() const {
    return !unsettled_.empty() && SteadyClock::now() >= settle_again_;
  }

 private:
  struct Failing {
    Error error;
    SteadyClock::time_point until;  // then it is tried again
  };
  void note_working(const FileSystemId& file_system);

  const double rest_s_;
  std::map<FileSystemId, Failing> failing_;
  std::map<FileSystemId, std::string> unsettled_;
  SteadyClock::time_point settle_again_;
};

}  // namespace tierhub
