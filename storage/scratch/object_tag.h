// How the tag of an object looks on disk; docs/ON_DISK.md says the same in prose. Golden tests pin
// the bytes.
#pragma once

#include <string>
#include <string_view>

#include "common/result.h"
#include "storage/scratch/scratch.h"

namespace tierhub {

// Some file systems keep the attributes of a file in one block: what does not fit is left out,
// outermost folders first.
inline constexpr size_t kTagBytes = 3000;

std::string encode_tag(const ObjectTag& tag);
// errc::not_supported: a newer TierHub wrote it. errc::illegal_byte_sequence: it is damaged.
Result<ObjectTag> decode_tag(std::string_view bytes);

}  // namespace tierhub
