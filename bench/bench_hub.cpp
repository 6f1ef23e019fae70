// bench_hub [FOLDER]: how many tiles of 512 x 512 the browser hub's images give in a second, without a network: tiles
// that are kept, planes while scrubbing z out of 3-D chunks (and how often each chunk is read), tiles of 2-D chunks,
// and chunks of the Zarr view. The image is written into FOLDER (default /tmp): uint16, 2 channels, 64 slices of
// 2048 x 2048, half of it in chunks of 1 x 1 x 32 x 256 x 256, half in planes of 512 x 512.
// bench_hub viewers|beside ...: what bench/hub_goals.sh needs (hub_load.h).
#include <atomic>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "bench/hub_load.h"
#include "bench/measure.h"
#include "formats/image.h"
#include "formats/json.h"
#include "hub/images/routes.h"

namespace tierhub::bench {
namespace {

using formats::Shape;

constexpr uint64_t kSlices = 64;
constexpr uint64_t kSide = 2048;
constexpr uint64_t kTiles = kSide / 512;

void write_text(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

void write_image(const std::string& folder, const Shape& shape, const Shape& chunk) {
  make_folder(folder);
  make_folder(folder + "/0");
  write_text(folder + "/.zgroup", R"({"zarr_format":2})");
  write_text(
      folder + "/.zattrs",
      R"({"multiscales":[{"version":"0.4","axes":["t","c","z","y","x"],"datasets":[{"path":"0"}]}]})");
  write_text(
      folder + "/0/.zarray",
      fmt::format(
          R"({{"zarr_format":2,"shape":[{},{},{},{},{}],"chunks":[{},{},{},{},{}],"dtype":"<u2","compressor":null,)"
          R"("fill_value":0,"order":"C","filters":null,"dimension_separator":"."}})",
          shape.t, shape.c, shape.z, shape.y, shape.x, chunk.t, chunk.c, chunk.z, chunk.y,
          chunk.x));
  const formats::Grid grid{shape, chunk};
  const size_t bytes = chunk.voxels() * 2;
  const Buffer noise_bytes = noise(bytes);
  const std::string text(reinterpret_cast<const char*>(noise_bytes.get()), bytes);
  (void)grid.for_each(whole(shape, 0), [&](const Shape& at) -> Result<void> {
    write_text(fmt::format("{}/0/{}.{}.{}.{}.{}", folder, at.t, at.c, at.z, at.y, at.x), text);
    return {};
  });
}

// A tierd that has everything, and takes its time as a call over a unix socket does.
class HotTierd : public hub::TierCalls {
 public:
  explicit HotTierd(std::atomic<uint64_t>& asked) : asked_(asked) {}
  Result<api::ResidencyList> residencies(const api::ResidencyRequest& request) const override {
    ++asked_;
    std::this_thread::sleep_for(std::chrono::microseconds(200));
    api::ResidencyList list;
    for (const api::FileRanges& file : request.files) {
      api::FileResidency hot;
      hot.path = file.path;
      hot.size = hot.bytes = hot.resident = 1;
      list.files.push_back(std::move(hot));
    }
    return list;
  }
  Result<api::Prefetch> start_prefetch(const api::PrefetchRequest&) const override {
    return api::Prefetch{};
  }
  Result<std::vector<api::Prefetch>> prefetches() const override {
    return std::vector<api::Prefetch>();
  }
  Result<api::Prefetch> cancel_prefetch(uint64_t) const override { return api::Prefetch{}; }
  Result<api::Listing> list_totals(const std::string&, size_t) const override {
    return api::Listing{};
  }

 private:
  std::atomic<uint64_t>& asked_;
};

struct Hub {
  explicit Hub(const std::string& folder) {
    auto opened =
        hub::ImageRoutes::open({folder, hub::make_tiers(std::make_unique<HotTierd>(asked))});
    if (!opened) fail(opened.error().text());
    routes = *std::move(opened);
  }
  std::string get(const std::string& target) {
    const http::Response response = routes->handle({"GET", target, {}, {}});
    const auto* body = std::get_if<std::string>(&response.body);
    if (response.status != 200 || body == nullptr)
      fail(fmt::format("{}: {} {}", target, response.status, body == nullptr ? "" : *body));
    return *body;
  }
  std::string version_of(const std::string& path) {
    return formats::Json::parse(get("/api/dataset?path=" + path)).value("version", "");
  }

  std::atomic<uint64_t> asked = 0;
  std::unique_ptr<hub::ImageRoutes> routes;
};

// Targets a second, on so many threads, each its share.
double rate(Hub& hub, size_t threads, const std::vector<std::string>& targets) {
  const Stopwatch watch;
  {
    std::vector<std::jthread> all;
    for (size_t thread = 0; thread < threads; ++thread) {
      all.emplace_back([&, thread] {
        for (size_t i = thread; i < targets.size(); i += threads) hub.get(targets[i]);
      });
    }
  }
  return static_cast<double>(targets.size()) / watch.seconds();
}

void report(const std::string& what, Hub& hub, size_t threads,
            const std::vector<std::string>& targets) {
  const uint64_t before = hub.asked;
  const double tiles_per_s = rate(hub, threads, targets);
  fmt::print("{:46} {:>3} {:>10.0f} {:>8.2f}\n", what, threads, tiles_per_s,
             static_cast<double>(hub.asked - before) / static_cast<double>(targets.size()));
}

// All tiles of a channel, slice by slice.
std::vector<std::string> planes(const std::string& start, uint64_t slices) {
  std::vector<std::string> targets;
  for (uint64_t z = 0; z < slices; ++z)
    for (uint64_t y = 0; y < kTiles; ++y)
      for (uint64_t x = 0; x < kTiles; ++x)
        targets.push_back(fmt::format("{}/{}/{}/{}", start, z, y, x));
  return targets;
}

void measure(const std::string& folder) {
  const Shape shape{1, 2, kSlices, kSide, kSide};
  write_image(folder + "/cubes.zarr", shape, {1, 1, 32, 256, 256});
  write_image(folder + "/planes.zarr", shape, {1, 1, 1, 512, 512});
  fmt::print("{:46} {:>3} {:>10} {:>8}\n", "tiles of 512 x 512, uint16", "thr", "tiles/s", "asked");
  for (const size_t threads : {1, 2}) {
    Hub hub(folder);
    const std::string cubes = "/img/" + hub.version_of("/cubes.zarr") + "/cubes.zarr";
    const std::string flat = "/img/" + hub.version_of("/planes.zarr") + "/planes.zarr";
    report("z scrub out of 3-D chunks, first time", hub, threads,
           planes(cubes + "/0/0/0", kSlices));
    report("2-D chunks, first time", hub, threads, planes(flat + "/0/0/0", kSlices));
    std::vector<std::string> kept;
    for (int round = 0; round < 300; ++round)
      for (const std::string& target : planes(flat + "/0/0/0", 1)) kept.push_back(target);
    report("kept tiles", hub, threads, kept);
    for (std::string& target : kept) target.replace(flat.size(), 6, "/0/0/0,1");
    report("kept tiles of two channels", hub, threads, kept);
    std::vector<std::string> zarr = planes("/zarr/v2/planes.zarr/0/0/0", 1);
    std::vector<std::string> many;
    for (int round = 0; round < 100; ++round) many.insert(many.end(), zarr.begin(), zarr.end());
    report("kept chunks of the Zarr view", hub, threads, many);
    report("the smallest level, computed", hub, threads, {cubes + "/2/0/1/40/0/0"});
  }
}

}  // namespace
}  // namespace tierhub::bench

int main(int argc, char** argv) {
  using namespace tierhub::bench;
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  const std::string what = arguments.empty() ? "" : arguments.front();
  if (what == "viewers" && argc == 8) return load_viewers({arguments.begin() + 1, arguments.end()});
  if (what == "beside" && argc == 5) return read_beside({arguments.begin() + 1, arguments.end()});
  const std::string folder = std::string(argc > 1 ? argv[1] : "/tmp") + "/bench_hub";
  remove_tree(folder);
  make_folder(folder);
  measure(folder);
  remove_tree(folder);
  return 0;
}
