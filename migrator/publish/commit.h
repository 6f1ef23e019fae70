// The sixth step of a wave: base, version and content of what was done go into the catalog.
#pragma once

#include <vector>

#include "common/result.h"
#include "migrator/publish/action.h"

namespace tierhub {

// Commits in one batch what the acts of these actions made true, and drops intents and keys that
// they settled. Takes the inodes' locks. Several at once: only placed or published files.
Result<void> commit_actions(const PublishContext& context,
                            const std::vector<const Action*>& actions);

}  // namespace tierhub
