// Times as the API writes them: ISO 8601 in UTC, with as many digits after the second as are
// needed.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/clock.h"

namespace tierhub::api {

// "2026-01-02T03:04:05Z", "2026-01-02T03:04:05.123456789Z".
std::string to_time_text(Timestamp time);
// Nothing if the text is not such a time, or one that a Timestamp cannot hold (1901 to 2486).
std::optional<Timestamp> from_time_text(std::string_view text);

}  // namespace tierhub::api
