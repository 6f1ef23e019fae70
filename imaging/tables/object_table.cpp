#include "imaging/tables/object_table.h"

#include <cmath>
#include <iterator>

#include "imaging/images/units.h"
#include "imaging/tables/csv.h"

namespace tierhub::imaging {

std::optional<formats::VoxelSize> voxel_in_micrometres(const LabelRecord& record) {
  const auto unit = micrometres(record.voxel_unit);
  if (!unit) return std::nullopt;
  const formats::VoxelSize& size = record.voxel_size;
  return formats::VoxelSize{size.z * *unit, size.y * *unit, size.x * *unit};
}

PlaceColumns::PlaceColumns(const LabelRecord& record)
    : has_z_(record.has_z),
      is_plane_(record.box.z.size() == 1),
      size_(voxel_in_micrometres(record)) {
  const Source& source = record.source;
  place_ = fmt::format("{},{},{},{},{}", csv_field(source.image), csv_field(source.well),
                       csv_field(source.field), record.box.t, record.box.c);
}

std::string PlaceColumns::header() const {
  std::string text = "file,well,field,t,c,label,";
  text += is_plane_ ? "area_px" : "volume_vx";
  if (size_) text += is_plane_ ? ",area_um2" : ",volume_um3";
  for (const char axis : {'z', 'y', 'x'}) {
    if (axis == 'z' && !has_z_) continue;
    text += fmt::format(",centroid_{}_px", axis);
  }
  for (const char axis : {'z', 'y', 'x'}) {
    if (axis == 'z' && !has_z_) continue;
    text += fmt::format(",begin_{0}_px,end_{0}_px", axis);
  }
  return text;
}

void PlaceColumns::add(size_t label, const ObjectSums& object, fmt::memory_buffer& text) const {
  const auto out = std::back_inserter(text);
  const auto voxels = static_cast<double>(object.voxels);
  fmt::format_to(out, "{},{},{}", place_, label, object.voxels);
  if (size_)
    fmt::format_to(out, ",{:.6g}", voxels * (is_plane_ ? 1 : size_->z) * size_->y * size_->x);
  // The only divisions: one each, of exact sums.
  const auto mean = [voxels](uint64_t sum) { return static_cast<double>(sum) / voxels; };
  if (has_z_) fmt::format_to(out, ",{:.3f}", mean(object.sum_z));
  fmt::format_to(out, ",{:.3f},{:.3f}", mean(object.sum_y), mean(object.sum_x));
  if (has_z_) fmt::format_to(out, ",{},{}", object.z.begin, object.z.end);
  fmt::format_to(out, ",{},{},{},{}", object.y.begin, object.y.end, object.x.begin, object.x.end);
}

std::string sum_text(uint64_t greys, uint64_t voxels, const GreyScale& scale) {
  const bool is_exact = scale.step == 1 && std::abs(scale.offset) <= 65536 &&
                        scale.offset == std::floor(scale.offset);
  if (is_exact) {
    return fmt::format("{}", static_cast<int64_t>(greys) +
                                 static_cast<int64_t>(scale.offset) * static_cast<int64_t>(voxels));
  }
  return fmt::format("{:.6g}", static_cast<double>(voxels) * scale.offset +
                                   scale.step * static_cast<double>(greys));
}

std::string object_table(const std::vector<ObjectSums>& objects, const LabelRecord& record) {
  const PlaceColumns places(record);
  fmt::memory_buffer text;
  const auto out = std::back_inserter(text);
  fmt::format_to(out, "{}{}\n", places.header(),
                 record.has_intensities ? ",intensity_sum,intensity_mean" : "");
  for (size_t i = 0; i < objects.size(); ++i) {
    const ObjectSums& object = objects[i];
    if (object.voxels == 0) continue;
    places.add(i + 1, object, text);
    if (record.has_intensities) {
      const GreyScale& scale = record.source.scale;
      fmt::format_to(out, ",{},{:.6g}", sum_text(object.sum_intensity, object.voxels, scale),
                     scale.number_of(static_cast<double>(object.sum_intensity) /
                                     static_cast<double>(object.voxels)));
    }
    text.push_back('\n');
  }
  return fmt::to_string(text);
}

}  // namespace tierhub::imaging
