#include "bench/file_work.h"

#include <cerrno>
#include <cstring>
#include <random>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <dirent.h>
#include <fmt/format.h>

namespace tierhub::bench {
namespace {

constexpr double kRandomSeconds = 0.4;
// How often a loop looks at the watch.
constexpr uint64_t kLookEvery = 256;

[[noreturn]] void fail_call(const std::string& call, const std::string& path) {
  fail(fmt::format("{} {}: {}", call, path, std::strerror(errno)));
}

// Calls use(offset of a random page) again and again; returns how often a second.
template <class Use>
double at_random_pages(uint64_t end, Use use) {
  std::mt19937_64 random(1);
  uint64_t count = 0;
  const Stopwatch watch;
  while (count % kLookEvery != 0 || watch.seconds() < kRandomSeconds) {
    use(static_cast<off_t>(random() % (end / kPage) * kPage));
    ++count;
  }
  return static_cast<double>(count) / watch.seconds();
}

uint64_t walk_below(int folder_fd, const std::string& path) {
  DIR* const folder = ::fdopendir(folder_fd);
  if (folder == nullptr) fail_call("open", path);
  uint64_t entries = 0;
  while (const dirent* entry = ::readdir(folder)) {
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    struct stat st {};
    if (::fstatat(folder_fd, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) < 0)
      fail_call("stat", path + "/" + name);
    ++entries;
    if (!S_ISDIR(st.st_mode)) continue;
    const int child = ::openat(folder_fd, name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    entries += walk_below(child, path + "/" + name);
  }
  ::closedir(folder);
  return entries;
}

}  // namespace

double read_sequentially(const std::string& path, int flags, uint64_t begin, uint64_t end) {
  const UniqueFd file = open_file(path, O_RDONLY | flags);
  const Buffer buffer = noise(kMiB);
  const Stopwatch watch;
  for (uint64_t at = begin; at < end; at += kMiB) {
    if (::pread(file.get(), buffer.get(), kMiB, static_cast<off_t>(at)) <= 0)
      fail_call("read", path);
  }
  return static_cast<double>(end - begin) / kMiB / watch.seconds();
}

double write_sequentially(const std::string& path, uint64_t size, size_t block, Sync sync) {
  const Buffer buffer = noise(block);
  double rate = 0;
  {
    const Stopwatch watch;
    const UniqueFd file = open_file(path, O_WRONLY | O_CREAT | O_EXCL);
    for (uint64_t at = 0; at < size; at += block) {
      if (::write(file.get(), buffer.get(), block) != static_cast<ssize_t>(block))
        fail_call("write", path);
    }
    if (sync == Sync::at_end && ::fsync(file.get()) < 0) fail_call("fsync", path);
    rate = static_cast<double>(size) / kMiB / watch.seconds();
  }
  if (::unlink(path.c_str()) < 0) fail_call("unlink", path);
  return rate;
}

double read_randomly(const std::string& path, int flags, uint64_t end) {
  const UniqueFd file = open_file(path, O_RDONLY | flags);
  const Buffer buffer = noise(kPage);
  return at_random_pages(end, [&](off_t at) {
    if (::pread(file.get(), buffer.get(), kPage, at) != kPage) fail_call("read", path);
  });
}

double read_mapped(const std::string& path) {
  const UniqueFd file = open_file(path, O_RDONLY);
  const uint64_t size = size_of(file.get());
  void* address = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file.get(), 0);
  if (address == MAP_FAILED) fail_call("mmap", path);
  const auto* bytes = static_cast<const volatile std::byte*>(address);
  const double rate = at_random_pages(size, [&](off_t at) { (void)bytes[at]; });
  ::munmap(address, size);
  return rate;
}

double write_randomly(const std::string& path, uint64_t end) {
  const UniqueFd file = open_file(path, O_WRONLY);
  const Buffer buffer = noise(kPage);
  return at_random_pages(end, [&](off_t at) {
    if (::pwrite(file.get(), buffer.get(), kPage, at) != kPage) fail_call("write", path);
  });
}

std::string small_file(const std::string& folder, int number) {
  return fmt::format("{}/file-{}", folder, number);
}

double create_small_files(const std::string& folder, int count) {
  const Buffer buffer = noise(kPage);
  make_folder(folder);
  const Stopwatch watch;
  for (int i = 0; i < count; ++i) {
    const std::string path = small_file(folder, i);
    const UniqueFd file = open_file(path, O_WRONLY | O_CREAT | O_EXCL);
    if (::write(file.get(), buffer.get(), kPage) != kPage) fail_call("write", path);
  }
  const double rate = count / watch.seconds();
  remove_tree(folder);
  return rate;
}

double open_small_files(const std::string& folder, int count) {
  const Buffer buffer = noise(kPage);
  const Stopwatch watch;
  for (int i = 0; i < count; ++i) {
    const std::string path = small_file(folder, i);
    const UniqueFd file = open_file(path, O_RDONLY);
    if (::read(file.get(), buffer.get(), kPage) != kPage) fail_call("read", path);
  }
  return count / watch.seconds();
}

double walk(const std::string& folder) {
  UniqueFd top = open_file(folder, O_RDONLY | O_DIRECTORY);
  const Stopwatch watch;
  const uint64_t entries = walk_below(top.release(), folder);
  return static_cast<double>(entries) / watch.seconds();
}

double first_byte_ms(const std::string& path) {
  char byte = 0;
  const Stopwatch watch;
  const UniqueFd file = open_file(path, O_RDONLY);
  if (::pread(file.get(), &byte, 1, 0) != 1) fail_call("read", path);
  return watch.seconds() * 1000;
}

}  // namespace tierhub::bench
