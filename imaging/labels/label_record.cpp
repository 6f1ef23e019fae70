#include "imaging/labels/label_record.h"

#include <array>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace tierhub::imaging {
namespace {

using formats::Json;

constexpr uint64_t kVersion = 2;

std::string difference(std::string_view what, std::string_view own, std::string_view theirs) {
  return own == theirs ? std::string()
                       : fmt::format("{0} {1} instead of {0} {2}", what, own, theirs);
}

std::string difference(std::string_view what, uint64_t own, uint64_t theirs) {
  return difference(what, fmt::format("{}", own), fmt::format("{}", theirs));
}

constexpr std::array<std::pair<Joining, std::string_view>, 4> kJoinings = {
    {{Joining::touching, "touching"},
     {Joining::keys, "keys"},
     {Joining::numbers, "numbers"},
     {Joining::none, "none"}}};

std::string_view to_text(Joining joining) { return kJoinings[static_cast<size_t>(joining)].second; }

std::optional<Joining> joining_from(std::optional<std::string_view> text) {
  for (const auto& [joining, name] : kJoinings) {
    if (text == name) return joining;
  }
  return std::nullopt;
}

// Of the first argument that differs.
std::string difference_of_arguments(const Json& own, const Json& theirs) {
  for (const auto& [name, value] : own.items()) {
    const std::string other = theirs.contains(name) ? theirs[name].dump() : "(none)";
    if (value.dump() != other) return difference(name, value.dump(), other);
  }
  return own.size() == theirs.size() ? "" : "fewer arguments";
}

}  // namespace

std::string LabelRecord::difference_from(const LabelRecord& other) const {
  if (!agree(source, other.source))
    return difference("the image", source.image, other.source.image);
  for (const std::string& one :
       {difference("level", box.level, other.box.level), difference("t", box.t, other.box.t),
        difference("c", box.c, other.box.c), difference_of_arguments(made_with, other.made_with),
        difference("connectivity", to_text(connectivity), to_text(other.connectivity)),
        difference("the shape", formats::to_text(shape), formats::to_text(other.shape))}) {
    if (!one.empty()) return one;
  }
  if (joining != other.joining || has_intensities != other.has_intensities)
    return "another operator";
  return has_z == other.has_z ? "" : "other axes";
}

std::optional<uint64_t> LabelRecord::threshold() const {
  return formats::get_unsigned(made_with, "threshold");
}

LabelRecord record_of(const formats::ImageInfo& info, const Box& box) {
  LabelRecord record;
  record.source = source_of(info);
  record.box = box;
  record.shape = info.levels[box.level].shape.extent();
  record.has_z = info.has_axis(formats::Axis::z);
  record.voxel_size = info.levels[box.level].voxel_size;
  record.voxel_unit = info.voxel_unit;
  return record;
}

LabelRecord record_of(const ImageReader& image, const Box& box) {
  LabelRecord record = record_of(image.info(), box);
  record.source = image.source();
  return record;
}

Json to_json(const LabelRecord& record) {
  Json json = {{"version", kVersion},
               {"box", formats::to_text(record.box)},
               {"shape", {record.shape.z, record.shape.y, record.shape.x}},
               {"joining", to_text(record.joining)},
               {"connectivity", to_text(record.connectivity)},
               {"arguments", record.made_with}};
  if (!record.has_intensities) json["intensities"] = false;
  add_source(json, record.source);
  add_otsu(json, record.otsu);
  return json;
}

Result<LabelRecord> record_from_json(const Json& json, const std::string& path) {
  const auto version = formats::get_unsigned(json, "version");
  if (version && *version < kVersion) {
    return Error(std::errc::invalid_argument,
                 path + " was written by an earlier version of imgop: make it again");
  }
  const auto box = formats::get_text(json, "box");
  const auto shape = formats::get_unsigned_list(json, "shape");
  const auto joining = joining_from(formats::get_text(json, "joining"));
  const auto connectivity = formats::get_text(json, "connectivity");
  const Json* arguments = formats::find_member(json, "arguments");
  if (version != kVersion || !box || !shape || shape->size() != 3 || !joining || !connectivity ||
      arguments == nullptr || !arguments->is_object()) {
    return Error(std::errc::invalid_argument, path + " is not a labels folder that imgop wrote");
  }
  LabelRecord record;
  record.source = source_from(json);
  TRY_ASSIGN(record.otsu, otsu_from(json));
  TRY_ASSIGN(record.box, formats::parse_box(*box));
  TRY_ASSIGN(record.connectivity, parse_connectivity(*connectivity));
  record.joining = *joining;
  record.shape = {(*shape)[0], (*shape)[1], (*shape)[2]};
  record.made_with = *arguments;
  const Json* intensities = formats::find_member(json, "intensities");
  record.has_intensities = intensities == nullptr || *intensities != false;
  return record;
}

std::string objects_text(uint64_t objects, const LabelRecord& record) {
  std::string text = fmt::format("{} object{} in {}", objects, objects == 1 ? "" : "s",
                                 place_text(record.source, record.box, record.shape));
  if (const auto diameter = formats::get_number(record.made_with, "diameter"))
    text += fmt::format("; diameter {}", *diameter);
  const auto distance = formats::get_number(record.made_with, "distance");
  if (const auto from = formats::get_number(record.made_with, "from"); from && distance) {
    text += fmt::format("; ring from {:.4g} to {:.4g}", *from, *distance);
  } else if (distance) {
    text += fmt::format("; expanded by {:.4g}", *distance);
  }
  if (const auto z_step = formats::get_unsigned(record.made_with, "z_step");
      z_step.value_or(16) != 16)
    text += fmt::format(", voxels {:.3g} times as high as wide", static_cast<double>(*z_step) / 16);
  if (const auto threshold = record.threshold())
    text += "; " + threshold_text(*threshold, record.otsu, record.source, record.box);
  if (const auto high = formats::get_unsigned(record.made_with, "high"))
    text += ", and a voxel above " + number_text(record.source.scale, *high);
  if (const auto where = formats::get_text(record.made_with, "where"))
    text += fmt::format("; where {}", *where);
  return text;
}

}  // namespace tierhub::imaging
