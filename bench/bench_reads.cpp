// bench_reads MOUNTED NATIVE: reads two files of the same content and size in several ways, in
// alternating order, and prints for each way both medians and their ratio.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/posix.h"

namespace tierhub {
namespace {

constexpr size_t kMiB = 1 << 20;
constexpr size_t kPage = 4096;
constexpr int kRounds = 7;
constexpr double kRandomSeconds = 0.4;

struct Way {
  std::string name;
  std::string unit;
  // Reads the file once; returns the rate.
  std::function<double(const std::string& path)> rate;
};

class Stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
  }

 private:
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

[[noreturn]] void fail(const std::string& what) {
  fmt::print(stderr, "bench_reads: {}\n", what);
  std::exit(1);
}

UniqueFd open_file(const std::string& path, int flags) {
  auto file = posix::open_at(AT_FDCWD, path, O_RDONLY | flags);
  if (!file) fail(file.error().text());
  return *std::move(file);
}

uint64_t size_of(const UniqueFd& file) {
  const auto st = posix::stat_fd(file.get());
  if (!st) fail(st.error().text());
  return static_cast<uint64_t>(st->st_size);
}

std::unique_ptr<std::byte, decltype(&std::free)> aligned_buffer(size_t size) {
  return {static_cast<std::byte*>(std::aligned_alloc(kPage, size)), &std::free};
}

double sequential_mib_per_s(const std::string& path, int flags) {
  const UniqueFd file = open_file(path, flags);
  const uint64_t size = size_of(file);
  const auto buffer = aligned_buffer(kMiB);
  const Stopwatch watch;
  for (uint64_t at = 0; at < size; at += kMiB) {
    if (::pread(file.get(), buffer.get(), kMiB, static_cast<off_t>(at)) <= 0) fail("read " + path);
  }
  return static_cast<double>(size) / kMiB / watch.seconds();
}

double random_per_s(const std::string& path, int flags) {
  const UniqueFd file = open_file(path, flags);
  const uint64_t pages = size_of(file) / kPage;
  const auto buffer = aligned_buffer(kPage);
  std::mt19937_64 random(1);
  uint64_t reads = 0;
  const Stopwatch watch;
  while (reads % 64 != 0 || watch.seconds() < kRandomSeconds) {
    const off_t at = static_cast<off_t>(random() % pages * kPage);
    if (::pread(file.get(), buffer.get(), kPage, at) != kPage) fail("read " + path);
    ++reads;
  }
  return static_cast<double>(reads) / watch.seconds();
}

double mapped_per_s(const std::string& path) {
  const UniqueFd file = open_file(path, 0);
  const uint64_t size = size_of(file);
  void* address = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file.get(), 0);
  if (address == MAP_FAILED) fail("mmap " + path);
  const auto* bytes = static_cast<const volatile std::byte*>(address);
  std::mt19937_64 random(1);
  uint64_t reads = 0;
  const Stopwatch watch;
  while (reads % 1024 != 0 || watch.seconds() < kRandomSeconds) {
    (void)bytes[random() % (size / kPage) * kPage];
    ++reads;
  }
  const double rate = static_cast<double>(reads) / watch.seconds();
  ::munmap(address, size);
  return rate;
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

void compare(const Way& way, const std::string& mounted, const std::string& native) {
  // Once without counting: both files are in the page cache where the way uses it.
  way.rate(mounted);
  way.rate(native);
  std::vector<double> of_mounted;
  std::vector<double> of_native;
  for (int round = 0; round < kRounds; ++round) {
    const bool mounted_first = round % 2 == 0;
    if (mounted_first) of_mounted.push_back(way.rate(mounted));
    of_native.push_back(way.rate(native));
    if (!mounted_first) of_mounted.push_back(way.rate(mounted));
  }
  const double m = median(of_mounted);
  const double n = median(of_native);
  fmt::print("{:<28} {:>12.0f} {:>12.0f} {:<8} {:>6.2f}\n", way.name, m, n, way.unit, m / n);
  std::fflush(stdout);
}

int run(const std::string& mounted, const std::string& native) {
  const std::vector<Way> ways = {
      {"sequential 1 MiB, buffered", "MiB/s",
       [](const std::string& path) { return sequential_mib_per_s(path, 0); }},
      {"sequential 1 MiB, direct", "MiB/s",
       [](const std::string& path) { return sequential_mib_per_s(path, O_DIRECT); }},
      {"random 4 KiB, buffered", "reads/s",
       [](const std::string& path) { return random_per_s(path, 0); }},
      {"random 4 KiB, direct", "reads/s",
       [](const std::string& path) { return random_per_s(path, O_DIRECT); }},
      {"random 4 KiB, mapped", "reads/s", mapped_per_s},
  };
  fmt::print("{:<28} {:>12} {:>12} {:<8} {:>6}\n", "", "mount", "native", "", "ratio");
  for (const Way& way : ways) compare(way, mounted, native);
  return 0;
}

}  // namespace
}  // namespace tierhub

int main(int argc, char** argv) {
  if (argc != 3) {
    fmt::print(stderr, "usage: bench_reads FILE_IN_THE_MOUNT NATIVE_FILE\n");
    return 2;
  }
  return tierhub::run(argv[1], argv[2]);
}
