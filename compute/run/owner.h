// Whose job is it? Decides which user a dropped file runs as, from what fstat says about the
// claimed file and about the folder that it was dropped into.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <sys/stat.h>

#include "common/result.h"

namespace tierhub::compute {

enum class RootJobs { refused, allowed };

// The folder of incoming/<user>/, if the file was dropped into one.
struct DropFolder {
  uint32_t uid = 0;
  uint32_t mode = 0;
};

// In a user's folder, writable by him alone: the folder's owner. In the shared incoming/: the
// file's owner. Only for a regular file with one link that nobody else could have written. An error
// of code permission_denied says in one sentence why not.
//
// The permission bits are enough to see an ACL too: where there is one, the group bits are its
// mask, and without `w` there no entry grants writing.
Result<uint32_t> decide_owner(const struct stat& file, const std::optional<DropFolder>& folder,
                              RootJobs root_jobs);

// Whether a folder of that name is a user's own: the user's name, as it stands or without its
// domain
// ("alice" for "LAB\\alice" and "alice@lab"), or the user's number. An error if that cannot be
// looked up now.
Result<bool> is_named_after(const std::string& name, uint32_t uid);
// The user's name; the number if there is none.
std::string name_of_user(uint32_t uid);

}  // namespace tierhub::compute
