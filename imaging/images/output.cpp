#include "imaging/images/output.h"

#include <filesystem>
#include <random>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <fmt/format.h>
#include <stdio.h>

#include "common/posix.h"

namespace tierhub::imaging {
namespace {

namespace fs = std::filesystem;

std::string without_slash(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

std::string parent_of(const std::string& path) {
  const std::string parent = fs::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

std::string temporary_prefix(const std::string& path) { return "." + base_name(path) + ".tmp-"; }

std::string random_sibling(const std::string& path) {
  std::random_device device;
  return fmt::format("{}/{}{:08x}", parent_of(path), temporary_prefix(path), device());
}

Result<UniqueFd> lock_folder(const std::string& path) {
  TRY_ASSIGN(UniqueFd fd, posix::open_at(AT_FDCWD, path, O_RDONLY | O_DIRECTORY));
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) < 0) return Error::from_errno(errno, "lock " + path);
  return fd;
}

// Removes temporary folders of this output whose owners are dead.
void remove_leftovers(const std::string& final_path) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(parent_of(final_path), ignored)) {
    if (!entry.path().filename().string().starts_with(temporary_prefix(final_path))) continue;
    const auto lock = lock_folder(entry.path().string());
    if (lock) fs::remove_all(entry.path(), ignored);
  }
}

// Only an image folder may be replaced: a mistyped --out must not remove somebody's data.
Result<void> check_replaceable(const std::string& path) {
  std::error_code ignored;
  if (!fs::exists(fs::symlink_status(path, ignored)) || fs::exists(path + "/.zgroup", ignored) ||
      fs::exists(path + "/zarr.json", ignored))
    return {};
  if (fs::is_directory(path, ignored) && fs::is_empty(path, ignored)) return {};
  return Error(std::errc::file_exists,
               path + " already exists and is not an OME-Zarr folder: choose another name");
}

}  // namespace

OutputFolder::OutputFolder(std::string final_path, std::string temporary, UniqueFd lock)
    : final_(std::move(final_path)), temporary_(std::move(temporary)), lock_(std::move(lock)) {}

OutputFolder::OutputFolder(OutputFolder&& other) noexcept
    : final_(std::move(other.final_)),
      temporary_(std::exchange(other.temporary_, {})),
      lock_(std::move(other.lock_)) {}

OutputFolder::~OutputFolder() {
  std::error_code ignored;
  if (!temporary_.empty()) fs::remove_all(temporary_, ignored);
}

Result<OutputFolder> OutputFolder::create(const std::string& final_path) {
  const std::string path = without_slash(final_path);
  TRY(check_replaceable(path));
  TRY(make_parent_folder(path));
  remove_leftovers(path);
  constexpr int kTries = 100;
  for (int attempt = 0; attempt < kTries; ++attempt) {
    std::string temporary = random_sibling(path);
    if (::mkdir(temporary.c_str(), 0777) < 0) {
      if (errno == EEXIST) continue;
      return Error::from_errno(errno, "make folder " + temporary);
    }
    auto lock = lock_folder(temporary);
    // Another process may take the new folder for a leftover before it is locked.
    if (!fs::exists(temporary)) continue;
    // A file system without locks works too; only leftovers are not recognised there.
    return OutputFolder(path, std::move(temporary), lock ? *std::move(lock) : UniqueFd());
  }
  return Error(std::errc::file_exists, "no temporary folder can be created next to " + path);
}

Result<void> OutputFolder::commit() {
  TRY(check_replaceable(final_));
  // An empty folder or nothing is replaced by a plain rename; an earlier result is exchanged and
  // then removed.
  if (::rename(temporary_.c_str(), final_.c_str()) == 0) {
    temporary_.clear();
    return {};
  }
  if (errno != ENOTEMPTY && errno != EEXIST) return Error::from_errno(errno, "rename to " + final_);
  TRY(posix::rename_at(AT_FDCWD, temporary_, AT_FDCWD, final_, RENAME_EXCHANGE));
  return {};
}

OutputFile::OutputFile(std::string final_path, std::string temporary)
    : final_(std::move(final_path)), temporary_(std::move(temporary)) {}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : final_(std::move(other.final_)), temporary_(std::exchange(other.temporary_, {})) {}

OutputFile::~OutputFile() {
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

Result<OutputFile> OutputFile::create(const std::string& final_path) {
  TRY(make_parent_folder(final_path));
  std::string temporary = random_sibling(final_path);
  auto created = posix::open_at(AT_FDCWD, temporary, O_WRONLY | O_CREAT | O_EXCL, 0666);
  if (!created) return created.error().in(final_path);
  return OutputFile(final_path, std::move(temporary));
}

Result<void> OutputFile::commit() {
  TRY(posix::rename_at(AT_FDCWD, temporary_, AT_FDCWD, final_));
  temporary_.clear();
  return {};
}

Result<void> write_output_file(const std::string& path, std::string_view bytes) {
  TRY_ASSIGN(OutputFile file, OutputFile::create(path));
  if (auto written = write_new_file(file.path(), bytes); !written) return written.error().in(path);
  return file.commit();
}

Result<void> write_new_file(const std::string& path, std::string_view bytes) {
  TRY_ASSIGN(const UniqueFd fd, posix::open_at(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, 0666));
  if (auto written = posix::write_all(fd.get(), bytes); !written) return written.error().in(path);
  return {};
}

Result<void> make_parent_folder(const std::string& path) {
  const std::string parent = parent_of(without_slash(path));
  std::error_code failure;
  fs::create_directories(parent, failure);
  if (failure) return Error(failure, fmt::format("make folder {}: {}", parent, failure.message()));
  return {};
}

std::string base_name(const std::string& path) {
  return fs::path(without_slash(path)).filename().string();
}

}  // namespace tierhub::imaging
