#include "imaging/labels/label_folder.h"

#include <filesystem>

#include <fmt/format.h>

#include "common/posix.h"
#include "formats/json.h"

namespace tierhub::imaging {
namespace {

using formats::Json;

constexpr Extent kChunk{32, 256, 256};
constexpr Extent kPlaneChunk{1, 1024, 1024};
constexpr const char* kObjectsFile = "objects.txt";

Json to_json(const LabelRecord& record) {
  Json json = {{"version", 1},
               {"box", formats::to_text(record.box)},
               {"shape", {record.shape.z, record.shape.y, record.shape.x}},
               {"sigma", record.sigma},
               {"threshold", record.threshold},
               {"connectivity", to_text(record.connectivity)}};
  add_source(json, record.source);
  add_otsu(json, record.otsu);
  return json;
}

Error not_ours(const std::string& path) {
  return Error(std::errc::invalid_argument,
               path + " is not a labels folder that imgop segment wrote");
}

Result<LabelRecord> record_from_json(const Json& attributes, const std::string& path) {
  const Json* json = formats::find_member(attributes, "imgop");
  if (json == nullptr) return not_ours(path);
  const auto box = formats::get_text(*json, "box");
  const auto shape = formats::get_unsigned_list(*json, "shape");
  const auto sigma = formats::get_number(*json, "sigma");
  const auto threshold = formats::get_unsigned(*json, "threshold");
  const auto connectivity = formats::get_text(*json, "connectivity");
  if (!box || !shape || shape->size() != 3 || !sigma || !threshold || !connectivity)
    return not_ours(path);
  LabelRecord record;
  record.source = source_from(*json);
  TRY_ASSIGN(record.otsu, otsu_from(*json));
  TRY_ASSIGN(record.box, formats::parse_box(*box));
  TRY_ASSIGN(record.connectivity, parse_connectivity(*connectivity));
  record.shape = {(*shape)[0], (*shape)[1], (*shape)[2]};
  record.sigma = *sigma;
  record.threshold = *threshold;
  return record;
}

}  // namespace

std::string LabelRecord::difference_from(const LabelRecord& other) const {
  const auto differ = [](std::string_view what, const auto& own, const auto& theirs) {
    return own == theirs ? std::string()
                         : fmt::format("{0} {1} instead of {0} {2}", what, own, theirs);
  };
  if (!agree(source, other.source)) return differ("the image", source.image, other.source.image);
  for (const std::string& difference :
       {differ("level", box.level, other.box.level), differ("t", box.t, other.box.t),
        differ("c", box.c, other.box.c), differ("threshold", threshold, other.threshold),
        differ("sigma", sigma, other.sigma),
        differ("connectivity", to_text(connectivity), to_text(other.connectivity)),
        differ("the shape", formats::to_text(shape), formats::to_text(other.shape))}) {
    if (!difference.empty()) return difference;
  }
  return dimensions == other.dimensions ? "" : "other axes";
}

std::string objects_text(uint64_t objects, const LabelRecord& record) {
  return fmt::format(
      "{} object{} in {}; {}", objects, objects == 1 ? "" : "s",
      place_text(record.source, record.box, record.shape),
      threshold_text(record.threshold, record.otsu, record.source.image, record.box));
}

Result<LabelWriter> create_label_folder(const std::string& path, const LabelRecord& record,
                                        const std::vector<ObjectSums>& objects) {
  const bool is_plane = record.box.z.size() == 1;
  const ZarrLayout layout{record.box.extent(), is_plane ? kPlaneChunk : kChunk, record.dimensions,
                          Extent{record.box.z.begin, record.box.y.begin, record.box.x.begin},
                          record.voxel_size};
  const Json attributes = {{"image-label", {{"version", "0.4"}}}, {"imgop", to_json(record)}};
  TRY_ASSIGN(LabelWriter writer, LabelWriter::create(path, layout, attributes));
  TRY(writer.write_file(kObjectsFile, objects_to_text(objects)));
  return writer;
}

bool is_label_folder(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::exists(path + "/" + kObjectsFile, ignored);
}

Result<LabelFolder> LabelFolder::open(const std::string& path) {
  if (!is_label_folder(path)) return not_ours(path);
  TRY_ASSIGN(ImageReader reader, ImageReader::open(path));
  TRY_ASSIGN(const std::string text, posix::read_file(path + "/.zattrs"));
  TRY_ASSIGN(const Json attributes, formats::parse_json(text, path + "/.zattrs"));
  TRY_ASSIGN(LabelRecord record, record_from_json(attributes, path));
  record.dimensions = reader.info().has_axis(formats::Axis::z) ? Dimensions::zyx : Dimensions::yx;
  record.voxel_size = reader.info().levels.front().voxel_size;
  if (reader.shape_at(0) != record.box.extent()) {
    return Error(std::errc::invalid_argument, path + " is damaged: its shape does not fit its box");
  }
  TRY_ASSIGN(const std::string sums, posix::read_file(path + "/" + kObjectsFile));
  TRY_ASSIGN(std::vector<ObjectSums> objects, objects_from_text(sums, path + "/" + kObjectsFile));
  return LabelFolder{path, record, std::move(objects), std::move(reader)};
}

Result<LabelVolume> LabelFolder::read(const Box& box) {
  const Box& own = record.box;
  Box local = box;
  local.level = local.t = local.c = 0;
  local.z = {box.z.begin - own.z.begin, box.z.end - own.z.begin};
  local.y = {box.y.begin - own.y.begin, box.y.end - own.y.begin};
  local.x = {box.x.begin - own.x.begin, box.x.end - own.x.begin};
  TRY_ASSIGN(LabelVolume labels, reader.read_labels(local));
  for (const uint32_t label : labels.voxels) {
    if (label > objects.size()) {
      return Error(
          std::errc::io_error,
          fmt::format("{} is damaged: label {} is not in its list of objects", path, label));
    }
  }
  return labels;
}

}  // namespace tierhub::imaging
