// The agent's own folder (--work): in <run>/ the tasks of a run leave files for one another,
// .claims/<run> says whose run it is. One per agent, locked while the agent lives.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/result.h"
#include "common/unique_fd.h"
#include "compute/run/claim.h"

namespace tierhub::compute {

class WorkRoot {
 public:
  // Makes the folders that are missing; they must belong to this agent alone.
  static Result<WorkRoot> open(const std::string& path);
  int fd() const { return fd_.get(); }
  const std::string& path() const { return path_; }

  // The folder of a run, made if it is missing; the agent's until it is given away.
  Result<UniqueFd> make_folder(const std::string& run) const;
  bool has_folder(const std::string& run) const;
  // Removes the run's folder if it is empty.
  void remove_if_empty(const std::string& run) const;

  // Durable when it returns, the new claim or the old one after a crash.
  Result<void> put_claim(const std::string& run, const Claim& claim) const;
  // Nothing if there is none; an error if it cannot be read or understood.
  Result<std::optional<Claim>> claim(const std::string& run) const;
  // The runs that have a claim.
  Result<std::vector<std::string>> claimed() const;
  void remove_claim(const std::string& run) const;

 private:
  WorkRoot(std::string path, UniqueFd fd, UniqueFd claims)
      : path_(std::move(path)), fd_(std::move(fd)), claims_(std::move(claims)) {}
  std::string claim_path(const std::string& run) const;

  std::string path_;
  UniqueFd fd_;
  UniqueFd claims_;
};

// An error that says what to do, unless the folder belongs to this process's user and nobody else
// can write it.
Result<void> check_own(const UniqueFd& folder, const std::string& path);
// `name` below `parent`, made with this mode if it is missing. Follows no symbolic link.
Result<UniqueFd> open_or_make(int parent, const std::string& name, mode_t mode);
Result<UniqueFd> open_folder(int parent, const std::string& name);

}  // namespace tierhub::compute
