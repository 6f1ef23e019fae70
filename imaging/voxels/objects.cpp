#include "imaging/voxels/objects.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

namespace tierhub::imaging {
namespace {

constexpr size_t kColumns = 14;

void widen(formats::AxisRange& range, const formats::AxisRange& other) {
  range = {std::min(range.begin, other.begin), std::max(range.end, other.end)};
}

Result<std::array<uint64_t, kColumns>> parse_line(std::string_view line, const std::string& path) {
  std::array<uint64_t, kColumns> values{};
  const char* at = line.data();
  const char* const end = line.data() + line.size();
  for (size_t i = 0; i < kColumns; ++i) {
    const auto [rest, failure] = std::from_chars(at, end, values[i]);
    const bool is_last = i + 1 == kColumns;
    if (failure != std::errc() || (is_last ? rest != end : rest == end || *rest != ' ')) {
      return Error(std::errc::io_error, path + " is truncated or damaged");
    }
    at = rest + 1;
  }
  return values;
}

}  // namespace

void ObjectSums::add_voxel(uint64_t at_z, uint64_t at_y, uint64_t at_x, uint64_t intensity) {
  const formats::AxisRange own_z{at_z, at_z + 1};
  const formats::AxisRange own_y{at_y, at_y + 1};
  const formats::AxisRange own_x{at_x, at_x + 1};
  add(ObjectSums{1, at_z, at_y, at_x, intensity, {at_z, at_y, at_x}, own_z, own_y, own_x});
}

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
}

std::vector<ObjectSums> measure(const LabelVolume& labels, const GreyVolume& image, const Box& box,
                                uint64_t count) {
  std::vector<ObjectSums> objects(count);
  size_t i = 0;
  for (uint64_t z = box.z.begin; z < box.z.end; ++z) {
    for (uint64_t y = box.y.begin; y < box.y.end; ++y) {
      for (uint64_t x = box.x.begin; x < box.x.end; ++x, ++i) {
        if (labels.voxels[i] != 0)
          objects[labels.voxels[i] - 1].add_voxel(z, y, x, image.voxels[i]);
      }
    }
  }
  return objects;
}

std::string objects_to_text(const std::vector<ObjectSums>& objects) {
  fmt::memory_buffer text;
  for (const ObjectSums& o : objects) {
    fmt::format_to(std::back_inserter(text), "{} {} {} {} {} {} {} {} {} {} {} {} {} {}\n",
                   o.voxels, o.sum_z, o.sum_y, o.sum_x, o.sum_intensity, o.first[0], o.first[1],
                   o.first[2], o.z.begin, o.z.end, o.y.begin, o.y.end, o.x.begin, o.x.end);
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
                       {v[12], v[13]}});
    if (objects.back().voxels == 0)
      return Error(std::errc::io_error, path + " has an empty object");
    text.remove_prefix(end + 1);
  }
  return objects;
}

}  // namespace tierhub::imaging
