#include "imaging/images/synth.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include <fmt/format.h>

#include "imaging/images/image_writer.h"
#include "imaging/images/output.h"

namespace tierhub::imaging {
namespace {

constexpr double kGap =
    8;  // between nuclei that don't touch: smoothing with sigma 2 keeps them apart
constexpr double kEdge =
    0.3;  // the width of the blurred edge, as a share of the radius, on either side
constexpr double kCell = 1.8;  // the radius of a cell, in those of its nucleus
constexpr formats::Shape kSynthChunk{1, 1, 32, 64, 64};

// SplitMix64: a good 64-bit mix of a counter.
uint64_t mix(uint64_t v) {
  v += 0x9E3779B97F4A7C15;
  v = (v ^ (v >> 30)) * 0xBF58476D1CE4E5B9;
  v = (v ^ (v >> 27)) * 0x94D049BB133111EB;
  return v ^ (v >> 31);
}

class Random {
 public:
  explicit Random(uint64_t seed) : state_(mix(seed)) {}
  // In [low, high).
  double between(double low, double high) {
    state_ = mix(state_);
    return low + (high - low) * (static_cast<double>(state_ >> 11) * 0x1p-53);
  }

 private:
  uint64_t state_;
};

// About normally distributed with mean 0 and variance 1: the number of ones among 256 random bits,
// which is binomial with variance 64, and a uniform part (variance 1/12) between its steps.
double noise(uint64_t seed, uint64_t voxel) {
  uint64_t bits = mix(mix(seed) ^ voxel);
  int ones = 0;
  for (int i = 0; i < 4; ++i) {
    bits = mix(bits);
    ones += std::popcount(bits);
  }
  const double uniform = static_cast<double>(mix(bits) >> 11) * 0x1p-53;
  return (ones - 128 + uniform - 0.5) / 8.005;
}

// A point in the plane, made a unit vector.
void choose_direction(Random& random, Nucleus& nucleus) {
  double length = 0;
  while (length < 0.1 || length > 1) {
    nucleus.direction_y = random.between(-1, 1);
    nucleus.direction_x = random.between(-1, 1);
    length = std::sqrt(nucleus.direction_y * nucleus.direction_y +
                       nucleus.direction_x * nucleus.direction_x);
  }
  nucleus.direction_y /= length;
  nucleus.direction_x /= length;
}

Nucleus choose_form(Random& random, const Extent& shape) {
  Nucleus nucleus;
  const double room_z = std::max(1.0, (static_cast<double>(shape.z) - 2) / 2.5);
  nucleus.radius_z = std::min(random.between(4.5, 6.5), room_z);
  nucleus.radius_long = random.between(7, 9);
  nucleus.radius_short = random.between(6, 7);
  nucleus.brightness = random.between(800, 1300);
  choose_direction(random, nucleus);
  return nucleus;
}

bool lies_inside(const Nucleus& nucleus, const Extent& shape) {
  const double reach = nucleus.radius_long * (1 + kEdge);
  const double reach_z = shape.z == 1 ? 0 : nucleus.radius_z;
  const auto fits = [](double at, double room, uint64_t size) {
    return at - room >= 0 && at + room <= static_cast<double>(size - 1);
  };
  return fits(nucleus.z, reach_z, shape.z) && fits(nucleus.y, reach, shape.y) &&
         fits(nucleus.x, reach, shape.x);
}

bool keeps_apart(const Nucleus& a, const Nucleus& b) {
  const double in_plane = a.radius_long + b.radius_long + kGap;
  const double along_z = a.radius_z + b.radius_z + kGap;
  const double y = (a.y - b.y) / in_plane;
  const double x = (a.x - b.x) / in_plane;
  const double z = (a.z - b.z) / along_z;
  return z * z + y * y + x * x >= 1;
}

Nucleus choose_place(Random& random, const Extent& shape, Nucleus nucleus) {
  const auto anywhere = [&random](uint64_t size) {
    return random.between(0, static_cast<double>(size - 1));
  };
  nucleus.z = anywhere(shape.z);
  nucleus.y = anywhere(shape.y);
  nucleus.x = anywhere(shape.x);
  return nucleus;
}

Nucleus place_beside(Random& random, const Nucleus& neighbour, Nucleus nucleus) {
  Nucleus towards;
  choose_direction(random, towards);
  const double distance = 0.9 * (neighbour.radius_short + nucleus.radius_short);
  nucleus.z = neighbour.z;
  nucleus.y = neighbour.y + towards.direction_y * distance;
  nucleus.x = neighbour.x + towards.direction_x * distance;
  return nucleus;
}

// How much of a nucleus' light reaches a voxel: 1 inside, 0 outside, smooth between.
double coverage(const Nucleus& nucleus, const Extent& shape, double z, double y, double x) {
  const double along =
      (y - nucleus.y) * nucleus.direction_y + (x - nucleus.x) * nucleus.direction_x;
  const double across =
      (x - nucleus.x) * nucleus.direction_y - (y - nucleus.y) * nucleus.direction_x;
  const double a = along / nucleus.radius_long;
  const double b = across / nucleus.radius_short;
  const double c = shape.z == 1 ? 0 : (z - nucleus.z) / nucleus.radius_z;
  const double distance = std::sqrt(a * a + b * b + c * c);
  const double t = std::clamp((1 + kEdge - distance) / (2 * kEdge), 0.0, 1.0);
  return t * t * (3 - 2 * t);
}

formats::AxisRange reach(double centre, double radius, const formats::AxisRange& range) {
  const double low = std::max(centre - radius, static_cast<double>(range.begin));
  const double high = std::min(centre + radius + 2, static_cast<double>(range.end));
  if (low >= high) return {};
  return {static_cast<uint64_t>(low), static_cast<uint64_t>(high)};
}

Nucleus cell_of(Nucleus nucleus) {
  nucleus.radius_z *= kCell;
  nucleus.radius_long *= kCell;
  nucleus.radius_short *= kCell;
  return nucleus;
}

void add_light(const Nucleus& nucleus, const Extent& shape, const Box& box,
               std::vector<double>& light) {
  const double radius = nucleus.radius_long * (1 + kEdge);
  Box part = box;
  if (shape.z > 1) part.z = reach(nucleus.z, nucleus.radius_z * (1 + kEdge), box.z);
  part.y = reach(nucleus.y, radius, box.y);
  part.x = reach(nucleus.x, radius, box.x);
  for (uint64_t z = part.z.begin; z < part.z.end; ++z) {
    for (uint64_t y = part.y.begin; y < part.y.end; ++y) {
      for (uint64_t x = part.x.begin; x < part.x.end; ++x) {
        const size_t i =
            ((z - box.z.begin) * box.y.size() + y - box.y.begin) * box.x.size() + x - box.x.begin;
        const double own =
            nucleus.brightness * coverage(nucleus, shape, static_cast<double>(z),
                                          static_cast<double>(y), static_cast<double>(x));
        light[i] = std::max(light[i], own);
      }
    }
  }
}

// The light of a channel, without the background.
std::vector<double> light_in(const SynthOptions& options, const std::vector<Nucleus>& nuclei,
                             const Box& box) {
  std::vector<double> light(box.voxels());
  for (const Nucleus& nucleus : nuclei) add_light(nucleus, options.shape, box, light);
  if (box.c == 0) return light;
  std::vector<double> cells(light.size());
  for (const Nucleus& nucleus : nuclei) add_light(cell_of(nucleus), options.shape, box, cells);
  const double in_nuclei = options.translocation.value_or(1);
  for (size_t i = 0; i < light.size(); ++i)
    light[i] = in_nuclei * light[i] + (1 - in_nuclei) * std::max(0.0, cells[i] - light[i]);
  return light;
}

double background(const Extent& shape, uint64_t y, uint64_t x) {
  return 100 + 50 * static_cast<double>(y) / static_cast<double>(shape.y) +
         100 * static_cast<double>(x) / static_cast<double>(shape.x);
}

std::string truth_csv(const std::vector<Nucleus>& nuclei) {
  std::string text = "label,z,y,x,radius_z,radius_long,radius_short,brightness,touches\n";
  for (size_t i = 0; i < nuclei.size(); ++i) {
    const Nucleus& n = nuclei[i];
    text += fmt::format("{},{:.3f},{:.3f},{:.3f},{:.3f},{:.3f},{:.3f},{:.1f},{}\n", i + 1, n.z, n.y,
                        n.x, n.radius_z, n.radius_long, n.radius_short, n.brightness,
                        n.touches ? 1 : 0);
  }
  return text;
}

std::string truth_path(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  for (const std::string_view ending : {".ome.zarr", ".zarr"}) {
    if (path.ends_with(ending)) {
      path.resize(path.size() - ending.size());
      break;
    }
  }
  return path + ".truth.csv";
}

}  // namespace

Result<std::vector<Nucleus>> place_nuclei(const SynthOptions& options) {
  constexpr int kTries = 2000;
  Random random(options.seed);
  std::vector<Nucleus> nuclei;
  const auto pairs = static_cast<uint64_t>(static_cast<double>(options.nuclei) * options.touching);
  while (nuclei.size() < options.nuclei) {
    // The second of each touching pair stands beside the first.
    const bool beside = nuclei.size() < 2 * pairs && nuclei.size() % 2 == 1;
    bool placed = false;
    for (int attempt = 0; attempt < kTries && !placed; ++attempt) {
      Nucleus nucleus = choose_form(random, options.shape);
      nucleus.touches = nuclei.size() < 2 * pairs;
      nucleus = beside ? place_beside(random, nuclei.back(), nucleus)
                       : choose_place(random, options.shape, nucleus);
      const size_t others = nuclei.size() - (beside ? 1 : 0);
      placed = lies_inside(nucleus, options.shape) &&
               std::all_of(nuclei.begin(), nuclei.begin() + static_cast<ptrdiff_t>(others),
                           [&](const Nucleus& other) { return keeps_apart(nucleus, other); });
      if (placed) nuclei.push_back(nucleus);
    }
    if (placed) continue;
    return Error(std::errc::invalid_argument,
                 fmt::format("{} nuclei do not fit into {}: ask for fewer, or for a larger shape",
                             options.nuclei, formats::to_text(options.shape)));
  }
  return nuclei;
}

GreyVolume render(const SynthOptions& options, const std::vector<Nucleus>& nuclei, const Box& box) {
  GreyVolume volume(box.extent());
  const std::vector<double> light = light_in(options, nuclei, box);
  const uint64_t seed = box.c == 0 ? options.seed : mix(options.seed + box.c);
  size_t i = 0;
  for (uint64_t z = box.z.begin; z < box.z.end; ++z) {
    for (uint64_t y = box.y.begin; y < box.y.end; ++y) {
      for (uint64_t x = box.x.begin; x < box.x.end; ++x, ++i) {
        const double photons = background(options.shape, y, x) + light[i];
        const uint64_t place = (z * options.shape.y + y) * options.shape.x + x;
        // A Poisson distribution of so many photons is close to a normal one of the same variance.
        const double value = photons + std::sqrt(photons) * noise(seed, place);
        volume.voxels[i] = static_cast<uint16_t>(std::clamp(value + 0.5, 0.0, 65535.0));
      }
    }
  }
  return volume;
}

Result<std::string> synthesise(const SynthOptions& options, const std::string& out) {
  TRY_ASSIGN(const std::vector<Nucleus> nuclei, place_nuclei(options));
  const Extent& shape = options.shape;
  ImageLayout layout;
  layout.axes = {formats::Axis::y, formats::Axis::x};
  if (shape.z > 1) layout.axes.insert(layout.axes.begin(), formats::Axis::z);
  layout.shape = {1, 1, shape.z, shape.y, shape.x};
  layout.chunk = kSynthChunk;
  if (options.translocation) {
    layout.axes.insert(layout.axes.begin(), formats::Axis::c);
    layout.shape.c = 2;
    layout.channels = {{"nuclei", std::nullopt}, {"protein", std::nullopt}};
  }
  TRY_ASSIGN(ImageWriter writer, ImageWriter::create(out, layout));
  TRY(writer.fill_level(
      0, Parallel(1),
      [&](const formats::Region& region, std::span<std::byte> voxels) -> Result<void> {
        const GreyVolume volume =
            render(options, nuclei, {0, 0, region.c.begin, region.z, region.y, region.x});
        std::memcpy(voxels.data(), volume.voxels.data(), voxels.size());
        return {};
      }));
  const std::string truth = truth_path(out);
  TRY(write_output_file(truth, truth_csv(nuclei)));
  TRY(writer.commit());
  return truth;
}

}  // namespace tierhub::imaging
