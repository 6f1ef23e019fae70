// The record of a claim: which file the agent took, from where, and the user that it decided to run
// it as. docs/ON_DISK.md describes the file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/result.h"
#include "compute/run/owner.h"

namespace tierhub::compute {

struct Claim {
  std::string jobs;                  // path of the jobs folder
  std::optional<DropFolder> folder;  // as it was when the file was taken; none: incoming/ itself
  std::string file;                  // its name there
  std::optional<uint32_t> owner;     // the user to run as; none until that is decided
  uint32_t file_gid = 0;             // of the claimed file; means nothing without an owner
};

std::string encode(const Claim& claim);
// An error if the text is damaged, or if a later version wrote it.
Result<Claim> decode_claim(std::string_view text);

}  // namespace tierhub::compute
