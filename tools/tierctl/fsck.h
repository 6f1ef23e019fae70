// fsck: the one command that works on the tiers themselves, without tierd.
#pragma once

#include <string>

#include "common/result.h"
#include "tools/tierctl/commands.h"

namespace tierhub::tierctl {

struct FsckOptions {
  std::string config_file;
  // Over what the file says.
  std::string archive;
  std::string scratch;
  std::string state;
  bool data = false;
  bool compare = false;
  bool repair = false;
  bool rebuild = false;
};

Result<ExitCode> fsck(const Context& context, const FsckOptions& options);

}  // namespace tierhub::tierctl
