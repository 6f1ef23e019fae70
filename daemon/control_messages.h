// Converts the migrator's values to the API's messages.
#pragma once

#include <string>

#include "api/messages.h"
#include "inodes/inode_table.h"
#include "migrator/prefetch/prefetcher.h"

namespace tierhub {

api::Prefetch to_message(const Prefetcher::Progress& progress);
std::string to_text(FileKind kind);
std::string to_text(FileState state);

}  // namespace tierhub
