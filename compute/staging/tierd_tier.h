// tierd behind its socket.
#pragma once

#include <memory>
#include <string>

#include "compute/staging/tier.h"

namespace tierhub::compute {

// Checks the path only; whether tierd is there shows at the first call.
Result<std::unique_ptr<Tier>> open_tierd(const std::string& socket_path);

}  // namespace tierhub::compute
