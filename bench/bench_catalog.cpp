// bench_catalog import STATE SCRATCH FILES   takes a generated archive into the catalog that a
// tierd
//                                            made over an empty one; prints the rate and the memory
// bench_catalog lookup MOUNT FILES           stats files at random through a mount; prints times
#include <algorithm>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include <sys/stat.h>

#include <fmt/format.h>

#include "bench/generated_archive.h"
#include "bench/measure.h"
#include "bench/table.h"
#include "catalog/catalog.h"
#include "inodes/inode_table.h"
#include "migrator/scan/scanner.h"
#include "storage/scratch/scratch.h"

namespace tierhub::bench {
namespace {

constexpr int kLookups = 20'000;
constexpr size_t kInodesInMemory = 100'000;

template <class T>
T must(Result<T> result) {
  if (!result) fail(result.error().text());
  return *std::move(result);
}

double memory_mib(const std::string& row) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(row + ":")) return std::stod(line.substr(row.size() + 1)) / 1024;
  }
  return 0;
}

int import(const std::string& state, const std::string& scratch_folder, uint64_t files) {
  const Stopwatch watch;
  {
    auto catalog = must(Catalog::open(must(open_rocksdb_store(state + "/catalog")), {}));
    InodeTable inodes(*catalog, kInodesInMemory);
    const Scratch scratch = must(Scratch::open(scratch_folder));
    GeneratedArchive archive(files);
    TreeMutex tree_mutex;
    Scanner scanner(inodes, scratch, archive, tree_mutex, {});
    const ScanCounts counts = must(scanner.run([](const ScanCounts&) { return true; }));
    if (counts.files != files) fail(fmt::format("{} files were imported", counts.files));
    if (auto marked = catalog->mark_clean_shutdown(); !marked) fail(marked.error().text());
  }
  fmt::print("{:.0f} {:.0f}\n", static_cast<double>(files) / watch.seconds(), memory_mib("VmHWM"));
  return 0;
}

int lookup(const std::string& mount, uint64_t files) {
  std::mt19937_64 random(1);
  std::vector<double> times_us;
  for (int i = 0; i < kLookups; ++i) {
    const std::string path = mount + "/" + generated_path(random() % files);
    struct stat st {};
    const Stopwatch watch;
    if (::stat(path.c_str(), &st) < 0) fail(path + " is not there");
    times_us.push_back(watch.seconds() * 1e6);
  }
  std::sort(times_us.begin(), times_us.end());
  fmt::print("{:.0f} {:.0f}\n", median(times_us), times_us[times_us.size() * 99 / 100]);
  return 0;
}

}  // namespace
}  // namespace tierhub::bench

int main(int argc, char** argv) {
  using namespace tierhub::bench;
  const std::string what = argc > 1 ? argv[1] : "";
  if (what == "import" && argc == 5) return import(argv[2], argv[3], std::stoull(argv[4]));
  if (what == "lookup" && argc == 4) return lookup(argv[2], std::stoull(argv[3]));
  fmt::print(stderr, "usage: bench_catalog import|lookup ...; bench/catalog.sh calls it\n");
  return 2;
}
