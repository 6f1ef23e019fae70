// Every decoder of the catalog's keys and records, for tests that give them anything.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "catalog/encoding.h"

namespace tierhub {

// A decoder as tests see it: none if it refused the bytes, else what the record it made is
// encoded as.
struct Decoder {
  std::string name;
  // Throws std::logic_error if the refusal is not errc::bad_message.
  std::function<std::optional<std::string>(std::string_view)> again;
  std::string valid;  // bytes that it accepts
};

std::vector<Decoder> record_decoders();
std::vector<Decoder> all_decoders();  // and those of keys

InodeRecord full_inode(FileKind kind);

}  // namespace tierhub
