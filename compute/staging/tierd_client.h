// tierd behind its socket.
#pragma once

#include <memory>
#include <string>

#include "compute/staging/tier_client.h"

namespace tierhub::compute {

// Checks the path only; whether tierd is there shows at the first call.
Result<std::unique_ptr<TierClient>> open_tierd(const std::string& socket_path);

}  // namespace tierhub::compute
