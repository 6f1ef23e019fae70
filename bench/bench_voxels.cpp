// bench_voxels [EXTENT [THREADS]]: how fast the operators on voxels in memory are, in millions of
// voxels a second, on a volume of noise with balls in it. EXTENT is "z=64,y=1024,x=1024".
#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "bench/measure.h"
#include "imaging/voxels/label.h"
#include "imaging/voxels/local_mean.h"
#include "imaging/voxels/median.h"
#include "imaging/voxels/morphology.h"
#include "imaging/voxels/objects.h"
#include "imaging/voxels/smooth.h"

namespace tierhub::bench {
namespace {

using namespace imaging;

constexpr uint64_t kRadius = 10;
constexpr uint64_t kVoxelsPerBall = 170'000;  // so that balls are about 2 % of the voxels
constexpr uint16_t kBright = 500;

template <class T>
T must(Result<T> result) {
  if (!result) fail(result.error().text());
  return *std::move(result);
}

void add_ball(GreyVolume& volume, uint64_t z, uint64_t y, uint64_t x) {
  const Box ball = formats::grow({0, 0, 0, {z, z + 1}, {y, y + 1}, {x, x + 1}},
                                 {kRadius, kRadius, kRadius}, volume.extent);
  const auto square = [](uint64_t a, uint64_t b) {
    return a > b ? (a - b) * (a - b) : (b - a) * (b - a);
  };
  for (uint64_t k = ball.z.begin; k < ball.z.end; ++k) {
    for (uint64_t j = ball.y.begin; j < ball.y.end; ++j) {
      for (uint64_t i = ball.x.begin; i < ball.x.end; ++i) {
        if (square(k, z) + square(j, y) + square(i, x) <= kRadius * kRadius)
          volume.at(k, j, i) = static_cast<uint16_t>(volume.at(k, j, i) + 2 * kBright);
      }
    }
  }
}

GreyVolume make_volume(const Extent& shape) {
  GreyVolume volume(shape);
  std::minstd_rand random(1);
  for (uint16_t& voxel : volume.voxels) voxel = static_cast<uint16_t>(200 + random() % 200);
  for (uint64_t i = 0; i < 1 + shape.voxels() / kVoxelsPerBall; ++i) {
    const uint64_t z = random() % shape.z, y = random() % shape.y;
    add_ball(volume, z, y, random() % shape.x);
  }
  return volume;
}

template <class Operator>
void report(const std::string& name, const Extent& shape, const Operator& op) {
  constexpr int kRounds = 5;
  std::vector<double> seconds;
  for (int round = 0; round < kRounds; ++round) {
    const Stopwatch stopwatch;
    op();
    seconds.push_back(stopwatch.seconds());
  }
  const double typical = bench::median(seconds);
  fmt::print("{:<28} {:>7.3f} s {:>7.0f} Mvoxel/s\n", name, typical,
             static_cast<double>(shape.voxels()) / 1e6 / typical);
}

void run_all(const Extent& shape, Parallel parallel) {
  const GreyVolume volume = make_volume(shape);
  const Box all{0, 0, 0, {0, shape.z}, {0, shape.y}, {0, shape.x}};
  for (const double sigma : {1, 2, 5}) {
    report(fmt::format("smooth, sigma {}", sigma), shape,
           [&] { must(smooth(volume, all, all, sigma, shape, parallel)); });
  }
  report("difference of Gaussians 1, 2", shape,
         [&] { must(difference_of_gaussians(volume, all, all, 1, 2, shape, parallel)); });
  report("local mean, radius 10", shape, [&] {
    brighter_than_local_mean(volume, all, all, {10, 10, 10}, shape, parallel);
  });
  report("top hat, radius 10", shape, [&] {
    white_top_hat(volume, all, all, {10, 10, 10}, shape, parallel);
  });
  report("median, radius 1", shape, [&] {
    must(imaging::median(volume, all, all, {1, 1, 1}, shape, parallel));
  });
  Labelled labelled;
  report("label", shape,
         [&] { labelled = must(label_components(volume, kBright, Connectivity::full, parallel)); });
  report("measure", shape,
         [&] { measure(labelled.labels, volume, all, labelled.count, parallel); });
}

}  // namespace
}  // namespace tierhub::bench

int main(int argc, char** argv) {
  using namespace tierhub;
  const std::string shape = argc > 1 ? argv[1] : "z=64,y=1024,x=1024";
  const size_t threads = argc > 2 ? std::stoul(argv[2]) : 1;
  bench::run_all(bench::must(formats::parse_extent(shape)), imaging::Parallel(threads));
}
