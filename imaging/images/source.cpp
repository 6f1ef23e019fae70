#include "imaging/images/source.h"

#include <fmt/format.h>

#include "imaging/images/output.h"

namespace tierhub::imaging {
namespace {

using formats::AxisRange;
using formats::Box;
using formats::Json;

// "z 0-30", "z 4".
std::string range_text(char axis, const AxisRange& range) {
  if (range.size() == 1) return fmt::format("{} {}", axis, range.begin);
  return fmt::format("{} {}-{}", axis, range.begin, range.end - 1);
}

std::string place_of(const std::string& image, const Box& box) {
  return fmt::format("{}, level {}, t {}, c {}, {}", image.empty() ? "an image" : image, box.level,
                     box.t, box.c, range_text('z', box.z));
}

}  // namespace

Source source_of(const formats::ImageInfo& info) {
  // What is no UTF-8 in the name is replaced: it goes into JSON.
  const std::string json =
      Json(image_name(info.path)).dump(-1, ' ', false, Json::error_handler_t::replace);
  Source source;
  source.image = Json::parse(json).get<std::string>();
  if (!info.well.empty()) {
    source.well = info.well;
    std::erase(source.well, '/');
    source.field = base_name(info.path);
  }
  source.assumed_planes = info.z_assumed ? info.planes() : 0;
  return source;
}

bool agree(const Source& a, const Source& b) {
  return a.image.empty() || b.image.empty() ||
         (a.image == b.image && a.assumed_planes == b.assumed_planes && a.scale == b.scale);
}

std::string image_name(const std::string& path) {
  const size_t zarr = path.find(".zarr/");
  if (zarr == std::string::npos || zarr + 6 == path.size()) return base_name(path);
  const size_t slash = path.rfind('/', zarr);
  std::string name = path.substr(slash == std::string::npos ? 0 : slash + 1);
  while (name.ends_with('/')) name.pop_back();
  return name;
}

void add_scale(Json& json, const GreyScale& scale) {
  if (scale.is_identity()) return;
  json["grey_offset"] = scale.offset;
  json["grey_step"] = scale.step;
}

GreyScale scale_from(const Json& json) {
  return {formats::get_number(json, "grey_offset").value_or(0),
          formats::get_number(json, "grey_step").value_or(1)};
}

void add_source(Json& json, const Source& source) {
  if (!source.image.empty()) json["image"] = source.image;
  if (!source.well.empty()) json["well"] = source.well;
  if (!source.field.empty()) json["field"] = source.field;
  if (source.assumed_planes > 0) json["z_assumed_pages"] = source.assumed_planes;
  add_scale(json, source.scale);
}

Source source_from(const Json& json) {
  return {formats::get_text(json, "image").value_or(""),
          formats::get_text(json, "well").value_or(""),
          formats::get_text(json, "field").value_or(""),
          formats::get_unsigned(json, "z_assumed_pages").value_or(0), scale_from(json)};
}

void add_otsu(Json& json, const std::optional<Otsu>& otsu) {
  if (!otsu) return;
  json["otsu_image"] = otsu->image;
  json["otsu_box"] = formats::to_text(otsu->box);
  if (otsu->share != 1) json["otsu_share"] = otsu->share;
}

Result<std::optional<Otsu>> otsu_from(const Json& json) {
  const auto box = formats::get_text(json, "otsu_box");
  if (!box) return std::nullopt;
  Otsu otsu;
  otsu.image = formats::get_text(json, "otsu_image").value_or("");
  TRY_ASSIGN(otsu.box, formats::parse_box(*box));
  otsu.share = formats::get_number(json, "otsu_share").value_or(1);
  return otsu;
}

std::string number_text(const GreyScale& scale, uint64_t grey) {
  if (scale.is_identity()) return fmt::format("{}", grey);
  return fmt::format("{:.6g}", scale.number_of(static_cast<double>(grey)));
}

std::string place_text(const Source& source, const Box& box, const formats::Extent& shape) {
  std::string text = place_of(source.image, box);
  if (source.assumed_planes > 0) {
    text += fmt::format(" (z assumed: the file does not say what its {} pages are)",
                        source.assumed_planes);
  }
  if (box.y.size() != shape.y) text += ", " + range_text('y', box.y);
  if (box.x.size() != shape.x) text += ", " + range_text('x', box.x);
  return text;
}

std::string threshold_text(uint64_t grey, const std::optional<Otsu>& otsu, const Source& source,
                           const Box& box) {
  const std::string threshold = number_text(source.scale, grey);
  if (!otsu) return fmt::format("threshold {} (given)", threshold);
  const std::string method =
      otsu->share == 1 ? "Otsu" : fmt::format("{} of Otsu above the darkest", otsu->share);
  if (otsu->box == box && otsu->image == source.image)
    return fmt::format("threshold {} ({})", threshold, method);
  std::string of = place_of(otsu->image, otsu->box);
  if (otsu->box.y != box.y) of += ", " + range_text('y', otsu->box.y);
  if (otsu->box.x != box.x) of += ", " + range_text('x', otsu->box.x);
  return fmt::format("threshold {} ({} of {})", threshold, method, of);
}

std::string report_line(const std::string& output, std::string_view text) {
  std::string line = fmt::format("report: {}: {}", base_name(output), text);
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < ' ') c = '?';
  }
  return line;
}

}  // namespace tierhub::imaging
