// Where a run's results appear: a hidden folder next to their final place while the run continues,
// renamed to it when everything is done, so that nobody sees half of the results.
#pragma once

#include <string>

#include "common/result.h"

namespace tierhub::compute {

// One thread; acts as the user of this process.
class OutputPlace {
 public:
  // `place` is absolute. Pure; nothing is made yet. `user`: as {user} expands.
  OutputPlace(std::string place, const std::string& run, std::string user);

  const std::string& place() const { return place_; }
  const std::string& hidden() const { return hidden_; }

  // An error that says what to do if the place is taken.
  Result<void> check_free() const;
  // Makes the hidden folder and what is missing above it; fine if it is there already. What is
  // missing in a folder that its group may write is made so that the group may write it too, down
  // to the user's own folder: the next user of a shared folder finds a place there as well. An
  // error says whose folder refuses, and what to do.
  Result<void> make_hidden() const;
  bool hidden_exists() const;
  bool place_exists() const;
  // Of a run that did not succeed: removes the hidden folder if nothing was written into it, else
  // renames it to where people see it, `<place>.incomplete`. Where what was written is now; empty
  // if nothing was.
  std::string keep_what_was_written() const;
  // The opposite, for a run that ended so and goes on after a crash.
  void take_back() const;
  Result<void> put_in_place() const;

 private:
  Result<void> make_parent() const;
  Error cannot_make(const std::string& folder, int errno_value) const;

  std::string user_;
  std::string place_;
  std::string parent_;
  std::string hidden_;
  std::string incomplete_;
};

// Removes what is in a folder, following no link, also from folders without write permission.
Result<void> empty_folder(const std::string& path);

}  // namespace tierhub::compute
