#include "compute/staging/fingerprint.h"

#include <algorithm>
#include <span>

#include <fcntl.h>
#include <sys/stat.h>

#include <fmt/format.h>

#include "common/hash.h"
#include "common/posix.h"

namespace tierhub::compute {
namespace {

std::string look_of(const struct stat& st) {
  const uint64_t size = S_ISDIR(st.st_mode) ? 0 : static_cast<uint64_t>(st.st_size);
  return fmt::format("{}@{}", size, posix::modification_time(st).ns);
}

}  // namespace

std::string fingerprint_of(const std::string& path) {
  const Result<struct stat> st = posix::stat_at(AT_FDCWD, path, 0);
  if (!st) return "missing";
  if (!S_ISDIR(st->st_mode)) return look_of(*st);
  const Result<UniqueFd> folder = posix::open_at(AT_FDCWD, path, O_RDONLY | O_DIRECTORY);
  if (!folder) return "missing";
  Result<std::vector<std::string>> names = posix::list_directory_fd(folder->get());
  if (!names) return "missing";
  std::sort(names->begin(), names->end());
  std::vector<std::string> texts;
  for (const std::string& name : *names) {
    const Result<struct stat> below = posix::stat_at(folder->get(), name, 0);
    texts.push_back(name);
    texts.push_back(below ? look_of(*below) : "missing");
  }
  return joint_fingerprint(texts);
}

std::string joint_fingerprint(const std::vector<std::string>& texts) {
  std::string whole;
  for (const std::string& text : texts) {
    whole += text;
    whole += '\0';
  }
  return checksum(std::as_bytes(std::span(whole))).hex();
}

}  // namespace tierhub::compute
