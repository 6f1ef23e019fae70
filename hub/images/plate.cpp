#include "hub/images/plate.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "api/byte_text.h"
#include "common/worker_pool.h"
#include "formats/file_tree.h"
#include "formats/ome_zarr.h"

namespace tierhub::hub {
namespace {

using formats::Json;
using Tree = std::shared_ptr<const formats::PosixTree>;

// Reads of metadata at the same time: each waits for tierd, hardly for the disk.
constexpr size_t kReadsAtOnce = 8;

struct OpenGroup {
  std::string path;  // in the namespace
  Tree tree;
  Json ome;
  std::string file;  // where the attributes stand, which is the same in all groups of a plate
  bool has(std::string_view what) const { return formats::find_member(ome, what) != nullptr; }
};

Result<std::optional<OpenGroup>> open_group(const std::string& path, const Root& root) {
  TRY_ASSIGN(const std::string found, root.resolve(path));
  TRY_ASSIGN(const auto tree, root.open_tree(found));
  if (!tree->is_folder()) return std::optional<OpenGroup>();
  TRY_ASSIGN(auto group, formats::read_zarr_group(*tree, ""));
  if (!group) return std::optional<OpenGroup>();
  return std::optional(OpenGroup{found, tree, std::move(group->ome), name_of(group->file)});
}

const Json& list_in(const Json& object, std::string_view key) {
  static const Json kNone = Json::array();
  const Json* found = formats::find_member(object, key);
  return found != nullptr && found->is_array() ? *found : kNone;
}

// A path that leads into the folder.
std::optional<std::string> path_in_entry(const Json& entry) {
  auto path = formats::get_text(entry, "path");
  if (!path || path->empty() || path->front() == '/' || !join_names(names_of("/" + *path)))
    return std::nullopt;
  return path;
}

Json names_in(const Json& plate, std::string_view key) {
  Json names = Json::array();
  for (const Json& entry : list_in(plate, key))
    names.push_back(formats::get_text(entry, "name").value_or(""));
  return names;
}

// Where a well is among `names`: by its index, or, in old versions, by its name in the path.
uint64_t place_of_well(const Json& well, std::string_view index, const Json& names,
                       const std::string& name) {
  if (const auto given = formats::get_unsigned(well, index); given && *given < names.size())
    return *given;
  const auto found = std::find(names.begin(), names.end(), Json(name));
  return static_cast<uint64_t>(found == names.end() ? 0 : found - names.begin());
}

// The images of a well, by their path from the plate.
Json fields_of(const Json& ome, const std::string& well) {
  Json fields = Json::array();
  const Json* found = formats::find_member(ome, "well");
  if (found == nullptr) return fields;
  for (const Json& image : list_in(*found, "images")) {
    const auto path = path_in_entry(image);
    if (!path) continue;
    Json field = {{"path", well.empty() ? *path : well + "/" + *path}};
    if (const auto acquisition = formats::get_unsigned(image, "acquisition"))
      field["acquisition"] = *acquisition;
    fields.push_back(std::move(field));
  }
  return fields;
}

// The wells of a plate, without their fields.
Json wells_of(const Json& plate, const Json& rows, const Json& columns) {
  Json wells = Json::array();
  for (const Json& entry : list_in(plate, "wells")) {
    const auto path = path_in_entry(entry);
    if (!path) continue;
    const auto names = names_of("/" + *path);
    wells.push_back({{"path", *path},
                     {"row", place_of_well(entry, "rowIndex", rows, names.front())},
                     {"column", place_of_well(entry, "columnIndex", columns, names.back())}});
  }
  return wells;
}

FileParts metadata_of(const OpenGroup& plate, const Json& wells) {
  FileParts parts;
  for (const Json& well : wells) {
    parts.push_back({path_in(plate.path, well["path"].get<std::string>() + "/" + plate.file), {}});
  }
  return parts;
}

// A well that cannot be read has no fields, and says why.
void read_fields(const OpenGroup& plate, Json& well) {
  const std::string path = well["path"];
  const auto group = formats::read_zarr_group_in(*plate.tree, path, plate.file);
  well["fields"] = group && *group ? fields_of((*group)->ome, path) : Json::array();
  if (!group) well["error"] = api::to_wire_text(group.error().text());
}

Json answer_of(const std::string& path, Json plate) {
  return {{"path", api::to_wire_text(path)},
          {"name", api::to_wire_text(name_of(path))},
          {"format", "OME-Zarr plate"},
          {"plate", std::move(plate)}};
}

Json one_well(const OpenGroup& well) {
  Json wells = Json::array();
  wells.push_back(
      {{"path", ""}, {"row", 0}, {"column", 0}, {"fields", fields_of(well.ome, std::string())}});
  return {{"name", api::to_wire_text(name_of(folder_of(folder_of(well.path))))},
          {"rows", Json::array({api::to_wire_text(name_of(folder_of(well.path)))})},
          {"columns", Json::array({api::to_wire_text(name_of(well.path))})},
          {"wells", std::move(wells)},
          {"acquisitions", Json::array()}};
}

}  // namespace

Result<PlateAnswer> plate_at(const std::string& path, const Root& root, Tiers& tiers) {
  PlateAnswer answer;
  TRY_ASSIGN(const auto group, open_group(path, root));
  if (!group) return answer;
  if (group->has("well")) {
    answer.json = answer_of(group->path, one_well(*group));
    return answer;
  }
  const Json* plate = formats::find_member(group->ome, "plate");
  if (plate == nullptr || !plate->is_object()) return answer;
  const Json rows = names_in(*plate, "rows"), columns = names_in(*plate, "columns");
  Json wells = wells_of(*plate, rows, columns);
  const FileParts metadata = metadata_of(*group, wells);
  TRY_ASSIGN(Missing missing, tiers.missing(metadata));
  if (missing.bytes > 0) {
    TRY(tiers.bring(metadata, name_of(group->path)));
    answer.cold = std::move(missing);
    return answer;
  }
  in_lanes(kReadsAtOnce, wells.size(), [&](size_t i) { read_fields(*group, wells[i]); });
  answer.json = answer_of(
      group->path,
      {{"name",
        formats::get_text(*plate, "name").value_or(api::to_wire_text(name_of(group->path)))},
       {"rows", rows},
       {"columns", columns},
       {"wells", std::move(wells)},
       {"acquisitions", list_in(*plate, "acquisitions")}});
  return answer;
}

Result<std::optional<std::string>> first_field_of(const std::string& path, const Root& root) {
  constexpr size_t kTriedWells = 8;
  TRY_ASSIGN(const auto group, open_group(path, root));
  if (!group) return std::optional<std::string>();
  std::vector<std::string> wells = {""};
  if (const Json* plate = formats::find_member(group->ome, "plate")) {
    wells.clear();
    for (const Json& entry : list_in(*plate, "wells")) {
      const auto well = path_in_entry(entry);
      if (well && wells.size() < kTriedWells) wells.push_back(*well);
    }
  }
  for (const std::string& well : wells) {
    TRY_ASSIGN(const auto opened, formats::read_zarr_group_in(*group->tree, well, group->file));
    const Json fields = opened ? fields_of(opened->ome, well) : Json::array();
    if (!fields.empty())
      return std::optional(path_in(group->path, fields.front()["path"].get<std::string>()));
  }
  return std::optional<std::string>();
}

}  // namespace tierhub::hub
