#include "imaging/voxels/objects.h"

#include <algorithm>
#include <charconv>
#include <numeric>
#include <utility>

#include <fmt/format.h>

#include "imaging/voxels/runs.h"

namespace tierhub::imaging {
namespace {

constexpr size_t kColumns = 15;
constexpr size_t kLeastColumns = 14;  // the last one is left out if it is 0

void widen(formats::AxisRange& range, const formats::AxisRange& other) {
  range = {std::min(range.begin, other.begin), std::max(range.end, other.end)};
}

Result<std::array<uint64_t, kColumns>> parse_line(std::string_view line, const std::string& path) {
  std::array<uint64_t, kColumns> values{};
  const char* at = line.data();
  const char* const end = line.data() + line.size();
  for (size_t i = 0; i < kColumns; ++i) {
    const auto [rest, failure] = std::from_chars(at, end, values[i]);
    if (failure == std::errc() && rest == end && i + 1 >= kLeastColumns) break;
    if (failure != std::errc() || rest == end || *rest != ' ' || i + 1 == kColumns)
      return Error(std::errc::io_error, path + " is truncated or damaged");
    at = rest + 1;
  }
  return values;
}

// Neighbouring voxels of one object in a row; `intensities` may be null.
ObjectSums sums_of_run(uint64_t z, uint64_t y, const formats::AxisRange& x,
                       const uint16_t* intensities) {
  const uint64_t n = x.size();
  const uint64_t sum_x = n * x.begin + n * (n - 1) / 2;
  const uint64_t sum =
      intensities == nullptr ? 0 : std::accumulate(intensities, intensities + n, uint64_t{0});
  return {n, n * z, n * y, sum_x, sum, {z, y, x.begin}, {z, z + 1}, {y, y + 1}, x};
}

// Adds a row, counted through all planes. `image` may be null; `runs` is scratch memory.
void measure_row(const LabelVolume& labels, const GreyVolume* image, const Box& box, uint64_t row,
                 std::vector<Run>& runs, std::vector<ObjectSums>& objects) {
  const uint64_t z = box.z.begin + row / labels.extent.y;
  const uint64_t y = box.y.begin + row % labels.extent.y;
  const uint32_t* const label = &labels.voxels[row * labels.extent.x];
  const uint16_t* const intensity =
      image == nullptr ? nullptr : &image->voxels[row * labels.extent.x];
  runs.clear();
  append_runs(label, labels.extent.x, uint32_t{0}, runs);
  for (const Run& run : runs) {
    for (uint64_t begin = run.begin, end = begin; begin < run.end; begin = end) {
      while (end < run.end && label[end] == label[begin]) ++end;
      objects[label[begin] - 1].add(
          sums_of_run(z, y, {box.x.begin + begin, box.x.begin + end},
                      intensity == nullptr ? nullptr : intensity + begin));
    }
  }
}

std::vector<ObjectSums> measure_rows(const LabelVolume& labels, const GreyVolume* image,
                                     const Box& box, uint64_t count, Parallel parallel) {
  const uint64_t rows = labels.extent.z * labels.extent.y;
  std::vector<std::vector<ObjectSums>> parts(std::clamp<uint64_t>(rows, 1, parallel.threads()));
  parallel.for_each(parts.size(), [&](size_t i) {
    parts[i].resize(count);
    std::vector<Run> runs;
    const uint64_t end = rows * (i + 1) / parts.size();
    for (uint64_t row = rows * i / parts.size(); row < end; ++row)
      measure_row(labels, image, box, row, runs, parts[i]);
  });
  for (size_t i = 1; i < parts.size(); ++i) {
    for (size_t label = 0; label < count; ++label) parts[0][label].add(parts[i][label]);
  }
  return std::move(parts[0]);
}

}  // namespace

void ObjectSums::add(const ObjectSums& other) {
  if (other.voxels == 0) return;
  if (voxels == 0) {
    *this = other;
    return;
  }
  voxels += other.voxels;
  sum_z += other.sum_z;
  sum_y += other.sum_y;
  sum_x += other.sum_x;
  sum_intensity += other.sum_intensity;
  first = std::min(first, other.first);
  widen(z, other.z);
  widen(y, other.y);
  widen(x, other.x);
  bright += other.bright;
}

std::vector<ObjectSums> measure(const LabelVolume& labels, const GreyVolume& image, const Box& box,
                                uint64_t count, Parallel parallel) {
  return measure_rows(labels, &image, box, count, parallel);
}

std::vector<ObjectSums> measure_places(const LabelVolume& labels, const Box& box, uint64_t count,
                                       Parallel parallel) {
  return measure_rows(labels, nullptr, box, count, parallel);
}

void count_bright(const LabelVolume& labels, const GreyVolume& image, uint64_t threshold,
                  std::vector<ObjectSums>& objects) {
  for (size_t i = 0; i < labels.voxels.size(); ++i) {
    if (labels.voxels[i] != 0 && image.voxels[i] > threshold)
      ++objects[labels.voxels[i] - 1].bright;
  }
}

std::string objects_to_text(const std::vector<ObjectSums>& objects) {
  fmt::memory_buffer text;
  for (const ObjectSums& o : objects) {
    fmt::format_to(std::back_inserter(text), "{} {} {} {} {} {} {} {} {} {} {} {} {} {}", o.voxels,
                   o.sum_z, o.sum_y, o.sum_x, o.sum_intensity, o.first[0], o.first[1], o.first[2],
                   o.z.begin, o.z.end, o.y.begin, o.y.end, o.x.begin, o.x.end);
    if (o.bright > 0) fmt::format_to(std::back_inserter(text), " {}", o.bright);
    text.push_back('\n');
  }
  return fmt::to_string(text);
}

Result<std::vector<ObjectSums>> objects_from_text(std::string_view text, const std::string& path) {
  std::vector<ObjectSums> objects;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    if (end == std::string_view::npos)
      return Error(std::errc::io_error, path + " is truncated or damaged");
    TRY_ASSIGN(const auto v, parse_line(text.substr(0, end), path));
    objects.push_back({v[0],
                       v[1],
                       v[2],
                       v[3],
                       v[4],
                       {v[5], v[6], v[7]},
                       {v[8], v[9]},
                       {v[10], v[11]},
                       {v[12], v[13]},
                       v[14]});
    text.remove_prefix(end + 1);
  }
  return objects;
}

}  // namespace tierhub::imaging
