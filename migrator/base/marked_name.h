// Names that TierHub derives from a user's: "scan.tif" with a mark is "scan (mark).tif".
#pragma once

#include <string>
#include <string_view>

#include "catalog/records.h"

namespace tierhub {

// Not longer than a name may be; cut between characters. The ending stays, but for a folder's.
std::string marked_name(std::string_view name, FileKind kind, std::string_view mark);

}  // namespace tierhub
