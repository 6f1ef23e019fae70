#include "storage/scratch/format_mark.h"

#include <charconv>
#include <span>

#include <fcntl.h>

#include <fmt/format.h>

#include "common/posix.h"

namespace tierhub {

Result<void> check_format_mark(int folder_fd, const std::string& path, const std::string& what) {
  constexpr uint64_t kFormat = 1;
  auto file = posix::open_beneath(folder_fd, path, O_RDONLY);
  if (!file && file.error().is(std::errc::no_such_file_or_directory)) return {};
  if (!file) return file.error();
  std::string text(32, '\0');
  TRY_ASSIGN(const size_t n,
             posix::read_at(file->get(), std::as_writable_bytes(std::span(text)), 0));
  uint64_t format = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + n, format);
  const bool whole = error == std::errc() && (end == text.data() + n || *end == '\n');
  if (whole && format <= kFormat) return {};
  return Error(
      std::errc::not_supported,
      fmt::format("{} has {}, this TierHub reads up to {}: install a newer one", what,
                  whole ? fmt::format("format {}", format) : "an unknown format", kFormat));
}

}  // namespace tierhub
