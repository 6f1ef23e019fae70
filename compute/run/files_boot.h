// Whether what tasks wrote before a restart of this machine can still be trusted.
#pragma once

#include <string>
#include <vector>

#include "common/result.h"

namespace tierhub::compute {

// statfs's f_type is that of a network file system whose clients hand over all that was written when
// a file is closed (close-to-open: RFC 8881, section 10.3.1; SMB does the same).
bool is_handed_over_at_close(long file_system_type);

// Of the text of /proc/self/mountinfo: what is mounted below the folder. A name with spaces stays as it is written there, so that
// nobody finds it.
std::vector<std::string> mounts_below(const std::string& mountinfo, const std::string& folder);

// The boot under which the files of these folders are whole, for comparison with another time: the
// kernel's boot id, since after a power cut they may be torn. "elsewhere" if all of the folders, and what
// is mounted below them, lie on network file systems as above: a finished task has closed its files, so they are on the server, and
// no restart of this machine, or of a node, takes them back.
Result<std::string> boot_of_files(const std::vector<std::string>& folders);

}  // namespace tierhub::compute
