#include "compute/workflow/job_names.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <time.h>

#include "common/posix.h"
#include "common/utf8.h"

namespace tierhub::compute {
namespace {

constexpr size_t kRunTime = sizeof("20260102T030405Z-abcd") - 1;
constexpr size_t kMaxStemBytes = 120;

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '_' || c == '-';
}

std::string tame(std::string_view stem) {
  std::string tamed;
  while (!stem.empty()) {
    const size_t length = utf8_length(stem);
    const size_t taken = std::max<size_t>(length, 1);
    if (tamed.size() + taken > kMaxStemBytes) break;
    if (length > 1 || is_plain(stem.front())) {
      tamed += stem.substr(0, taken);
    } else {
      tamed += '_';
    }
    stem.remove_prefix(taken);
  }
  if (tamed.empty()) return "job";
  if (tamed.front() == '.' || tamed.front() == '-') tamed.front() = '_';
  return tamed;
}

std::string four_letters(uint32_t random) {
  std::string letters;
  for (int i = 0; i < 4; ++i, random /= 26) letters += static_cast<char>('a' + random % 26);
  return letters;
}

}  // namespace

bool is_workflow_file(std::string_view name) {
  if (name.starts_with('.') || name.starts_with("~$")) return false;
  return (name.ends_with(".yaml") && name.size() > 5) ||
         (name.ends_with(".yml") && name.size() > 4);
}

bool is_user_folder(std::string_view name) { return !name.empty() && name.front() != '.'; }

std::string make_run_name(std::string_view file_name, Timestamp now, uint32_t random) {
  const size_t dot = file_name.rfind('.');
  const timespec time = now.to_timespec();
  tm utc{};
  ::gmtime_r(&time.tv_sec, &utc);
  return fmt::format("{}-{:04}{:02}{:02}T{:02}{:02}{:02}Z-{}", tame(file_name.substr(0, dot)),
                     utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min,
                     utc.tm_sec, four_letters(random));
}

std::string stem_of_run(std::string_view run) {
  constexpr size_t kTail = kRunTime + 1;
  return std::string(run.size() > kTail ? run.substr(0, run.size() - kTail) : run);
}

std::string_view time_of_run(std::string_view run) {
  return run.size() < kRunTime ? std::string_view() : run.substr(run.size() - kRunTime);
}

std::string make_job_name(std::string_view wanted, uint32_t random) {
  return fmt::format("{}-{}", tame(wanted), four_letters(random));
}

std::string stem_of(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  std::string_view name = path.substr(path.rfind('/') + 1);
  for (const std::string_view ending : {".ome.zarr", ".ome.tiff", ".ome.tif"}) {
    if (name.size() > ending.size() && name.ends_with(ending)) {
      return std::string(name.substr(0, name.size() - ending.size()));
    }
  }
  const size_t dot = name.rfind('.');
  if (dot != std::string_view::npos && dot > 0) name = name.substr(0, dot);
  return std::string(name);
}

void ReadyRule::renamed_into_place(const std::string& name) {
  Sighting& seen = sightings_[name];
  seen.ready = seen.renamed = true;
}

bool ReadyRule::is_ready(const std::string& name, const struct stat& st,
                         SteadyClock::time_point now) {
  Sighting& seen = sightings_[name];
  if (seen.renamed) return true;
  const Timestamp modified = posix::modification_time(st);
  if (seen.inode != st.st_ino || seen.size_bytes != st.st_size || seen.modified != modified) {
    seen = {false, false, st.st_ino, st.st_size, modified, now};
    return false;
  }
  seen.ready = now - seen.since >= kStill;
  return seen.ready;
}

}  // namespace tierhub::compute
