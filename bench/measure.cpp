#include "bench/measure.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <random>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/posix.h"
#include "common/spawn.h"

namespace tierhub::bench {

namespace fs = std::filesystem;

void fail(const std::string& what) {
  fmt::print(stderr, "benchmark: {}\n", what);
  std::exit(1);
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

UniqueFd open_file(const std::string& path, int flags) {
  auto file = posix::open_at(AT_FDCWD, path, flags, 0644);
  if (!file) fail(file.error().text());
  return *std::move(file);
}

uint64_t size_of(int fd) {
  const auto st = posix::stat_fd(fd);
  if (!st) fail(st.error().text());
  return static_cast<uint64_t>(st->st_size);
}

Buffer noise(size_t size) {
  Buffer buffer(static_cast<std::byte*>(std::aligned_alloc(kPage, size)), &std::free);
  std::mt19937_64 random(size);
  for (size_t at = 0; at + 8 <= size; at += 8) {
    const uint64_t word = random();
    std::memcpy(buffer.get() + at, &word, 8);
  }
  return buffer;
}

void make_folder(const std::string& path) {
  if (::mkdir(path.c_str(), 0755) < 0)
    fail(fmt::format("mkdir {}: {}", path, std::strerror(errno)));
}

void write_new_file(const std::string& path, size_t size) {
  static const Buffer bytes = noise(kMiB);
  const UniqueFd file = open_file(path, O_WRONLY | O_CREAT | O_EXCL);
  for (size_t at = 0; at < size; at += kMiB) {
    const size_t part = std::min(kMiB, size - at);
    if (::write(file.get(), bytes.get(), part) != static_cast<ssize_t>(part))
      fail(fmt::format("write {}: {}", path, std::strerror(errno)));
  }
}

void remove_tree(const std::string& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) fail(fmt::format("remove {}: {}", path, error.message()));
}

void forget_pages(const std::string& path) {
  const UniqueFd file = open_file(path, O_RDONLY);
  ::posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED);
}

void forget_pages_below(const std::string& folder) {
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) forget_pages(entry.path());
  }
}

void forget_names() {
  const UniqueFd file = open_file("/proc/sys/vm/drop_caches", O_WRONLY);
  if (::write(file.get(), "2", 1) != 1) fail("write /proc/sys/vm/drop_caches");
}

void run(const std::vector<std::string>& command) {
  SpawnPlan plan{command[0], command};
  plan.descriptors = {STDIN_FILENO, SpawnPlan::kEmpty, SpawnPlan::kEmpty};
  const auto child = spawn(plan);
  if (!child) fail(child.error().text());
  const int status = wait_for_end(*child);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    fail(fmt::format("{} did not end well", fmt::join(command, " ")));
}

}  // namespace tierhub::bench
