// What is in a folder that no tierd knows, as its API says it: `tierweb --here --root`.
#pragma once

#include <string>

#include "http/message.h"
#include "hub/images/root.h"

namespace tierhub::hub {

// Answers GET /api/v1/ls with the parameters of docs/API.md: all of it is hot. Sums of folders and what
// is below them come as far as there is time: about a second. Links are listed, and not followed.
http::Response list_plain_folder(const Root& root, const std::string& target);

}  // namespace tierhub::hub
