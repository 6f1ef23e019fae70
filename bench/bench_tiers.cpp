// bench_tiers PLACE SECTION [--quick]: the rows of one section of the paired table.
// scripts/bench.sh makes the place, mounts what is compared, and says what stands where:
//   archive/         TierHub's archive; the mounts of mergerfs and rclone show it too
//   outside/         beside the archive, on its device
//   native/          beside scratch, on its device
//   mount/           TierHub
//   mergerfs/        native/mergerfs over the archive
//   rclone-read/     the archive; rclone-write/: a folder of its own
//   floor/           bench_floor: what no FUSE file system can surpass; in the section `small`
//   alone
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <fcntl.h>

#include <fmt/format.h>

#include "bench/file_work.h"
#include "bench/measure.h"
#include "bench/table.h"

namespace tierhub::bench {
namespace {

constexpr uint64_t kPartialBytes = 128 * kMiB;
constexpr uint64_t kPartialReadBytes = 64 * kMiB;
constexpr uint64_t kFirstByteFileBytes = 8 * kMiB;
constexpr int kFirstByteFiles = 8;  // a round
constexpr size_t kSmallBytes = 8192;
constexpr int kFilesPerFolder = 100;
constexpr const char* kFloor = "FUSE alone";

struct Scale {
  int rounds = 5;
  int heavy_rounds = 3;  // of rows that take long
  uint64_t hot_bytes = 512 * kMiB;
  uint64_t large_bytes = 1024 * kMiB;
  uint64_t stream_bytes = 128 * kMiB;
  uint64_t small_write_bytes = 64 * kMiB;
  int small_files = 5000;  // created, or opened
  int moved_files = 20'000;
  int tree_files = 100'000;
};

Scale quick() { return {3, 3, 128 * kMiB, 256 * kMiB, 64 * kMiB, 16 * kMiB, 1000, 2000, 10'000}; }

class Tiers {
 public:
  Tiers(std::string place, const Scale& scale) : place_(std::move(place)), scale_(scale) {}

  void make_small();
  void make_all();
  void make_first();
  void small();
  void writes();
  void reads();
  void moves();
  void cold();
  void first_byte();

 private:
  std::string archive(const std::string& path) const { return place_ + "/archive/" + path; }
  std::string native(const std::string& path) const { return place_ + "/native/" + path; }
  std::string outside(const std::string& path) const { return place_ + "/outside/" + path; }
  std::string mount(const std::string& path) const { return place_ + "/mount/" + path; }
  // The same archived file, seen through everything that is compared; `native_path` is what the
  // native file system is asked for.
  std::vector<Contestant> readers(const std::string& native_path, const std::string& path,
                                  const std::function<double(const std::string&)>& work) const;
  std::vector<Contestant> writers(const std::function<double(const std::string&)>& work) const;
  void read_hot(Table& table, const std::string& what, const std::string& unit, double budget,
                const std::function<double(const std::string&)>& work) const;
  void partly_resident(Table& table) const;
  void prefetch_small(Table& table) const;
  void publish_small(Table& table) const;
  std::vector<Contestant> with_floor(std::vector<Contestant> contestants, const std::string& path,
                                     const std::function<double(const std::string&)>& work) const;
  std::vector<Contestant> cold_readers(
      const std::function<double(const std::string& where, int round)>& work) const;
  void make_files(const std::string& folder, int count, size_t size) const;
  void make_small_files(const std::string& folder) const;

  const std::string place_;
  const Scale scale_;
};

// What TierHub still has to do after the work must not disturb the next one.
void settle() { run({"tierctl", "publish", "--wait", "/"}); }

std::vector<Contestant> Tiers::readers(
    const std::string& native_path, const std::string& path,
    const std::function<double(const std::string&)>& work) const {
  return {{"native", [=] { return work(native_path); }},
          {"TierHub", [=, this] { return work(mount(path)); }},
          {"mergerfs", [=, this] { return work(place_ + "/mergerfs/" + path); }},
          {"rclone", [=, this] { return work(place_ + "/rclone-read/" + path); }}};
}

std::vector<Contestant> Tiers::writers(
    const std::function<double(const std::string&)>& work) const {
  return {{"native", [=, this] { return work(native("new")); }},
          {"TierHub",
           [=, this] {
             const double rate = work(mount("new"));
             settle();
             return rate;
           }},
          {"mergerfs", [=, this] { return work(place_ + "/mergerfs/new"); }},
          {"rclone", [=, this] { return work(place_ + "/rclone-write/new"); }}};
}

void Tiers::make_files(const std::string& folder, int count, size_t size) const {
  make_folder(folder);
  for (int i = 0; i < count; ++i) {
    if (i % kFilesPerFolder == 0) make_folder(fmt::format("{}/{}", folder, i / kFilesPerFolder));
    write_new_file(small_file(fmt::format("{}/{}", folder, i / kFilesPerFolder), i), size);
  }
}

void Tiers::make_small_files(const std::string& folder) const {
  make_folder(folder);
  for (int i = 0; i < scale_.small_files; ++i) write_new_file(small_file(folder, i), kPage);
}

// Before tierd starts: it imports what stands in the archive.
void Tiers::make_small() {
  make_files(archive("tree"), scale_.tree_files, 0);
  for (const std::string& folder : {archive("open"), native("open"), native("mergerfs/open")})
    make_small_files(folder);
}

void Tiers::make_all() {
  make_small();
  make_files(archive("small"), scale_.moved_files, kSmallBytes);
  for (const std::string& file : {archive("hot"), native("hot"), native("mergerfs/hot")})
    write_new_file(file, scale_.hot_bytes);
  for (const std::string& file : {archive("partial"), native("partial")})
    write_new_file(file, kPartialBytes);
  write_new_file(archive("large"), scale_.large_bytes);
  make_first();
  for (int round = 0; round < scale_.heavy_rounds; ++round)
    write_new_file(archive(fmt::format("stream-{}", round)), scale_.stream_bytes);
}

void Tiers::make_first() {
  for (int round = 0; round < scale_.rounds; ++round) {
    for (int i = 0; i < kFirstByteFiles; ++i)
      write_new_file(archive(fmt::format("first-{}-{}", round, i)), kFirstByteFileBytes);
  }
}

// With what FUSE itself takes, where that is most of it.
std::vector<Contestant> Tiers::with_floor(
    std::vector<Contestant> contestants, const std::string& path,
    const std::function<double(const std::string&)>& work) const {
  contestants.push_back({kFloor, [=, this] { return work(place_ + "/floor/" + path); }});
  return contestants;
}

void Tiers::small() {
  make_files(place_ + "/floor/tree", scale_.tree_files, 0);
  make_small_files(place_ + "/floor/open");
  Table table({"native", "TierHub", "mergerfs", "rclone", kFloor}, scale_.rounds);
  const auto measure = [&](const std::string& what, const std::string& unit,
                           std::optional<double> budget, std::vector<Contestant> contestants,
                           const std::string& path,
                           const std::function<double(const std::string&)>& work) {
    table.measure(
        {what, unit, Better::more, budget, with_floor(std::move(contestants), path, work)});
  };
  const auto create = [this](const std::string& folder) {
    return create_small_files(folder, scale_.small_files);
  };
  measure("create, write 4 KiB, close", "files/s", 0.35, writers(create), "new", create);
  run({"tierctl", "prefetch", "--wait", "/open"});
  const auto open = [this](const std::string& folder) {
    return open_small_files(folder, scale_.small_files);
  };
  measure("open, read 4 KiB, close, of hot files", "files/s", 0.3,
          readers(native("open"), "open", open), "open", open);
  const auto walk_cold = [](const std::string& folder) {
    forget_names();
    return walk(folder);
  };
  measure(fmt::format("walk and stat a cold tree of {} files", number(scale_.tree_files)),
          "entries/s", 0.6, readers(archive("tree"), "tree", walk_cold), "tree", walk_cold);
  measure("the same again, names still known to the kernel", "entries/s", std::nullopt,
          readers(archive("tree"), "tree", walk), "tree", walk);
}

void Tiers::writes() {
  Table table({"native", "TierHub", "mergerfs", "rclone"}, scale_.rounds);
  table.measure({"write a new file, 1 MiB each, fsync at the end", "MiB/s", Better::more, 0.9,
                 writers([this](const std::string& path) {
                   return write_sequentially(path, scale_.hot_bytes, kMiB, Sync::at_end);
                 })});
  table.measure({"write a new file, 4 KiB each", "MiB/s", Better::more, 0.9,
                 writers([this](const std::string& path) {
                   return write_sequentially(path, scale_.small_write_bytes, kPage, Sync::none);
                 })});
}

void Tiers::read_hot(Table& table, const std::string& what, const std::string& unit, double budget,
                     const std::function<double(const std::string&)>& work) const {
  const auto contestants = readers(native("hot"), "hot", work);
  // Once without counting: the file is in the page cache where the work uses it.
  for (const Contestant& contestant : contestants) contestant.work();
  table.measure({what, unit, Better::more, budget, contestants});
}

void Tiers::reads() {
  run({"tierctl", "prefetch", "--wait", "/hot"});
  Table table({"native", "TierHub", "mergerfs", "rclone"}, scale_.rounds);
  const uint64_t end = scale_.hot_bytes;
  read_hot(table, "hot file: read 1 MiB each, buffered", "MiB/s", 0.95,
           [=](const std::string& path) { return read_sequentially(path, 0, 0, end); });
  read_hot(table, "hot file: read 1 MiB each, direct", "MiB/s", 0.95,
           [=](const std::string& path) { return read_sequentially(path, O_DIRECT, 0, end); });
  read_hot(table, "hot file: read 4 KiB at random, buffered", "reads/s", 0.95,
           [=](const std::string& path) { return read_randomly(path, 0, end); });
  read_hot(table, "hot file: read 4 KiB at random, direct", "reads/s", 0.95,
           [=](const std::string& path) { return read_randomly(path, O_DIRECT, end); });
  read_hot(table, "hot file: read 4 KiB at random, mapped", "reads/s", 0.95, read_mapped);
  partly_resident(table);
}

void Tiers::partly_resident(Table& table) const {
  read_sequentially(mount("partial"), 0, 0, kPartialReadBytes);
  table.measure(
      {"partly resident file: read 1 MiB each",
       "MiB/s",
       Better::more,
       std::nullopt,
       {{"native",
         [this] { return read_sequentially(native("partial"), 0, 0, kPartialReadBytes); }},
        {"TierHub", [this] {
           forget_pages(mount("partial"));
           return read_sequentially(mount("partial"), 0, 0, kPartialReadBytes);
         }}}});
  const auto compared = [this](const std::function<double(const std::string&)>& work) {
    return std::vector<Contestant>{{"native", [=, this] { return work(native("partial")); }},
                                   {"TierHub", [=, this] { return work(mount("partial")); }}};
  };
  table.measure({"partly resident file: read 4 KiB at random, direct", "reads/s", Better::more,
                 std::nullopt, compared([](const std::string& path) {
                   return read_randomly(path, O_DIRECT, kPartialReadBytes);
                 })});
  table.measure(
      {"partly resident file: write 4 KiB at random", "writes/s", Better::more, std::nullopt,
       compared([](const std::string& path) { return write_randomly(path, kPartialReadBytes); })});
  settle();
}

void Tiers::prefetch_small(Table& table) const {
  const std::string target = native("brought");
  const auto from_cold = [=, this](const std::function<void()>& work) {
    forget_pages_below(archive("small"));
    const Stopwatch watch;
    work();
    return watch.seconds();
  };
  const auto copied = [=](const std::function<void()>& work) {
    const double seconds = from_cold(work);
    remove_tree(target);
    return seconds;
  };
  table.measure({fmt::format("bring {} files of 8 KiB to scratch", number(scale_.moved_files)),
                 "s",
                 Better::less,
                 1.0,
                 {{"TierHub",
                   [=] {
                     run({"tierctl", "evict", "/small"});
                     return from_cold([] { run({"tierctl", "prefetch", "--wait", "/small"}); });
                   }},
                  {"cp -a, sync",
                   [=, this] {
                     return copied([=, this] {
                       run({"cp", "-a", archive("small"), target});
                       run({"sync", "-f", target});
                     });
                   }},
                  {"rclone copy", [=, this] {
                     return copied([=, this] {
                       run({"rclone", "copy", "--transfers", "16", archive("small"), target});
                     });
                   }}}});
}

void Tiers::publish_small(Table& table) const {
  const std::string source = native("new-files");
  const std::string target = outside("published");
  make_files(source, scale_.moved_files, kSmallBytes);
  const auto copied = [=](const std::function<void()>& work) {
    const Stopwatch watch;
    work();
    const double seconds = watch.seconds();
    remove_tree(target);
    return seconds;
  };
  table.measure({fmt::format("publish {} new files of 8 KiB", number(scale_.moved_files)),
                 "s",
                 Better::less,
                 1.0,
                 {{"TierHub",
                   [this] {
                     make_files(mount("out"), scale_.moved_files, kSmallBytes);
                     const Stopwatch watch;
                     settle();
                     const double seconds = watch.seconds();
                     remove_tree(mount("out"));
                     settle();
                     return seconds;
                   }},
                  {"cp -a, sync",
                   [=] {
                     return copied([=] {
                       run({"cp", "-a", source, target});
                       run({"sync", "-f", target});
                     });
                   }},
                  {"rclone copy", [=] {
                     return copied([=] {
                       run({"rclone", "copy", "--transfers", "16", source, target});
                       run({"sync", "-f", target});
                     });
                   }}}});
  remove_tree(source);
}

void Tiers::moves() {
  Table table({"TierHub", "cp -a, sync", "rclone copy"}, scale_.heavy_rounds);
  prefetch_small(table);
  publish_small(table);
}

void Tiers::cold() {
  {
    Table table({"native", "TierHub"}, scale_.heavy_rounds);
    const double size_mib = static_cast<double>(scale_.large_bytes) / kMiB;
    table.measure(
        {"prefetch one large file, with checksums",
         "MiB/s",
         Better::more,
         0.95,
         {{"native",
           [this] { return read_sequentially(archive("large"), O_DIRECT, 0, scale_.large_bytes); }},
          {"TierHub", [=, this] {
             run({"tierctl", "evict", "/large"});
             forget_pages(archive("large"));
             const Stopwatch watch;
             run({"tierctl", "prefetch", "--wait", "/large"});
             return size_mib / watch.seconds();
           }}}});
  }
  first_byte();
  Table stream({"native", "TierHub", "mergerfs", "rclone"}, scale_.heavy_rounds);
  stream.measure({"stream a cold file, 1 MiB each", "MiB/s", Better::more, 0.9,
                  cold_readers([this](const std::string& where, int round) {
                    const std::string file = fmt::format("stream-{}", round);
                    forget_pages(archive(file));
                    return read_sequentially(where + file, 0, 0, scale_.stream_bytes);
                  })});
}

void Tiers::first_byte() {
  Table table({"native", "TierHub", "mergerfs", "rclone"}, scale_.rounds);
  table.measure({"first byte of a cold file", "ms", Better::less, 1.2,
                 cold_readers([this](const std::string& where, int round) {
                   std::vector<double> all;
                   std::vector<std::string> bring_rest{"tierctl", "prefetch", "--wait"};
                   for (int i = 0; i < kFirstByteFiles; ++i) {
                     const std::string file = fmt::format("first-{}-{}", round, i);
                     forget_pages(archive(file));
                     all.push_back(first_byte_ms(where + file));
                     bring_rest.push_back("/" + file);
                   }
                   // What comes behind the answers must not disturb the next.
                   if (where == mount("")) run(bring_rest);
                   return median(all);
                 })});
}

// Each round is a reader's own: a file is cold for it once.
std::vector<Contestant> Tiers::cold_readers(
    const std::function<double(const std::string& where, int round)>& work) const {
  std::vector<Contestant> all;
  for (const auto& [name, where] : {std::pair{"native", archive("")},
                                    {"TierHub", mount("")},
                                    {"mergerfs", place_ + "/mergerfs/"},
                                    {"rclone", place_ + "/rclone-read/"}}) {
    all.push_back(
        {name, [=, folder = where, round = 0]() mutable { return work(folder, round++); }});
  }
  return all;
}

}  // namespace
}  // namespace tierhub::bench

int main(int argc, char** argv) {
  using tierhub::bench::Tiers;
  const std::map<std::string, void (Tiers::*)()> sections = {
      {"make-small", &Tiers::make_small}, {"make-all", &Tiers::make_all},
      {"make-first", &Tiers::make_first}, {"small", &Tiers::small},
      {"writes", &Tiers::writes},         {"reads", &Tiers::reads},
      {"moves", &Tiers::moves},           {"cold", &Tiers::cold},
      {"first", &Tiers::first_byte}};
  const std::string section = argc > 2 ? argv[2] : "";
  if (!sections.contains(section)) {
    fmt::print(stderr, "usage: bench_tiers PLACE SECTION [--quick]; scripts/bench.sh calls it\n");
    return 2;
  }
  const bool is_quick = argc > 3 && std::string(argv[3]) == "--quick";
  Tiers tiers(argv[1], is_quick ? tierhub::bench::quick() : tierhub::bench::Scale());
  (tiers.*sections.at(section))();
  return 0;
}
