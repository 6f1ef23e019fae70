// A request's target, parsed: "/v1/ls?path=%2Fa" has the segments "v1", "ls" and the parameter path
// = "/a".
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace tierhub::api {

struct Target {
  std::vector<std::string> segments;
  std::map<std::string, std::string> parameters;
};

// errc::invalid_argument for a target that is malformed or names a parameter twice.
Result<Target> parse_target(std::string_view target);

// Writes any bytes as one segment or parameter of a target; parse_target brings them back.
std::string to_target_text(std::string_view bytes);

}  // namespace tierhub::api
