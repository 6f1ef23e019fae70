// Whether a block reads far enough around itself.
#pragma once

#include "common/result.h"
#include "formats/box.h"

namespace tierhub::imaging {

// An error that names the needed halo if `halo` is smaller.
Result<void> check_halo(const formats::Halo& halo, const formats::Halo& needed);

}  // namespace tierhub::imaging
