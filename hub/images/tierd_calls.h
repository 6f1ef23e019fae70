// The calls to tierd, over its socket.
#pragma once

#include <memory>

#include "api/client.h"
#include "hub/images/tiers.h"

namespace tierhub::hub {

std::unique_ptr<TierCalls> make_tierd_calls(api::Client client);

}  // namespace tierhub::hub
