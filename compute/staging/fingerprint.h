// Whether an input is still what it was: a fingerprint of its sizes and times, without reading it.
#pragma once

#include <string>
#include <vector>

namespace tierhub::compute {

// Of a file: its size and the time of its last change. Of a folder: those of what is directly in
// it, with the names. A chunk deep inside an OME-Zarr image that was rewritten in place is not
// seen. "missing" if it does not exist or cannot be looked at.
std::string fingerprint_of(const std::string& path);

// One text for all of them, in their order.
std::string joint_fingerprint(const std::vector<std::string>& texts);

}  // namespace tierhub::compute
