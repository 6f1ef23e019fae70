#include "imaging/tables/object_table.h"

#include <fmt/format.h>

#include "imaging/images/units.h"
#include "imaging/tables/csv.h"

namespace tierhub::imaging {
namespace {

// The size of a voxel in micrometres; nothing if it is not known.
std::optional<formats::VoxelSize> in_micrometres(const LabelRecord& record) {
  const auto unit = micrometres(record.voxel_unit);
  if (!unit) return std::nullopt;
  const formats::VoxelSize& size = record.voxel_size;
  return formats::VoxelSize{size.z * *unit, size.y * *unit, size.x * *unit};
}

class ObjectRows {
 public:
  explicit ObjectRows(const LabelRecord& record)
      : record_(record), is_plane_(record.box.z.size() == 1), size_(in_micrometres(record)) {
    const Source& source = record.source;
    place_ = fmt::format("{},{},{},{},{}", csv_field(source.image), csv_field(source.well),
                         csv_field(source.field), record.box.t, record.box.c);
  }

  std::string header() const {
    std::string text = "file,well,field,t,c,label,";
    text += is_plane_ ? "area_px" : "volume_vx";
    if (size_) text += is_plane_ ? ",area_um2" : ",volume_um3";
    for (const char axis : {'z', 'y', 'x'}) {
      if (axis == 'z' && !record_.has_z) continue;
      text += fmt::format(",centroid_{}_px", axis);
    }
    for (const char axis : {'z', 'y', 'x'}) {
      if (axis == 'z' && !record_.has_z) continue;
      text += fmt::format(",begin_{0}_px,end_{0}_px", axis);
    }
    return text + (record_.has_intensities ? ",intensity_sum,intensity_mean\n" : "\n");
  }

  void add_row(size_t label, const ObjectSums& object, fmt::memory_buffer& text) const {
    const auto out = std::back_inserter(text);
    const auto voxels = static_cast<double>(object.voxels);
    fmt::format_to(out, "{},{},{}", place_, label, object.voxels);
    if (size_)
      fmt::format_to(out, ",{:.6g}", voxels * (is_plane_ ? 1 : size_->z) * size_->y * size_->x);
    // The only divisions: one each, of exact sums.
    const auto mean = [voxels](uint64_t sum) { return static_cast<double>(sum) / voxels; };
    if (record_.has_z) fmt::format_to(out, ",{:.3f}", mean(object.sum_z));
    fmt::format_to(out, ",{:.3f},{:.3f}", mean(object.sum_y), mean(object.sum_x));
    if (record_.has_z) fmt::format_to(out, ",{},{}", object.z.begin, object.z.end);
    fmt::format_to(out, ",{},{},{},{}", object.y.begin, object.y.end, object.x.begin, object.x.end);
    if (record_.has_intensities)
      fmt::format_to(out, ",{},{:.6g}", object.sum_intensity, mean(object.sum_intensity));
    text.push_back('\n');
  }

 private:
  const LabelRecord& record_;
  bool is_plane_;
  std::optional<formats::VoxelSize> size_;
  std::string place_;
};

}  // namespace

std::string object_table(const std::vector<ObjectSums>& objects, const LabelRecord& record) {
  const ObjectRows table(record);
  fmt::memory_buffer text;
  fmt::format_to(std::back_inserter(text), "{}", table.header());
  for (size_t i = 0; i < objects.size(); ++i) {
    if (objects[i].voxels > 0) table.add_row(i + 1, objects[i], text);
  }
  return fmt::to_string(text);
}

}  // namespace tierhub::imaging
