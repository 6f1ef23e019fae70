#include "migrator/base/marked_name.h"

#include <fmt/format.h>

namespace tierhub {
namespace {

constexpr size_t kNameBytes = 255;
constexpr size_t kExtensionBytes = 16;

bool is_utf8_continuation(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

}  // namespace

std::string marked_name(std::string_view name, FileKind kind, std::string_view mark) {
  const std::string between = fmt::format(" ({})", mark);
  std::string_view extension;
  const size_t dot = name.rfind('.');
  const bool has_extension = kind != FileKind::directory && dot != std::string_view::npos &&
                             dot > 0 && name.size() - dot <= kExtensionBytes;
  if (has_extension) extension = name.substr(dot);
  std::string_view stem = name.substr(0, name.size() - extension.size());
  const size_t room = kNameBytes - between.size() - extension.size();
  if (stem.size() > room) {
    size_t end = room;
    while (end > 0 && is_utf8_continuation(stem[end])) --end;
    stem = stem.substr(0, end);
  }
  return fmt::format("{}{}{}", stem, between, extension);
}

}  // namespace tierhub
