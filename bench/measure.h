// What every measurement needs: a stopwatch, medians, files, other programs. A benchmark that
// cannot continue says why and exits.
#pragma once

#include <chrono>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "common/unique_fd.h"

namespace tierhub::bench {

inline constexpr size_t kMiB = 1 << 20;
inline constexpr size_t kPage = 4096;

class Stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
  }

 private:
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

[[noreturn]] void fail(const std::string& what);
double median(std::vector<double> values);

// `flags` as in open(2).
UniqueFd open_file(const std::string& path, int flags);
uint64_t size_of(int fd);
using Buffer = std::unique_ptr<std::byte, decltype(&std::free)>;
// Aligned for O_DIRECT, filled with noise.
Buffer noise(size_t size);
void make_folder(const std::string& path);
void write_new_file(const std::string& path, size_t size);
void remove_tree(const std::string& path);

// The file's pages leave the page cache, as far as they are clean.
void forget_pages(const std::string& path);
// So do those of all files below a folder.
void forget_pages_below(const std::string& folder);
// The kernel forgets names and attributes of all file systems that nobody uses.
void forget_names();

// Runs a program, and returns when it has ended well. What it prints is thrown away.
void run(const std::vector<std::string>& command);

}  // namespace tierhub::bench
