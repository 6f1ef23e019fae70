#include <cerrno>

#include "tools/tierctl/commands.h"

namespace tierhub::tierctl {

ExitCode exit_code(const Error& error) {
  if (api::is_unreachable(error)) return ExitCode::unreachable;
  int value = error.errno_value();
  return value == EBADMSG || value == EUCLEAN ? ExitCode::damage : ExitCode::failed;
}

}  // namespace tierhub::tierctl
