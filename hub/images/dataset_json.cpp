#include "hub/images/dataset_json.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "api/byte_text.h"
#include "formats/datasets.h"
#include "hub/images/planes.h"

namespace tierhub::hub {
namespace {

using formats::ImageInfo;
using formats::Json;

// More would make a page of nothing else.
constexpr uint64_t kListedChannels = 1'000;
// Each is a question to tierd of up to a second.
constexpr size_t kMostFolders = 20;
// Of one answer.
constexpr size_t kMostDatasets = 2'000;
constexpr size_t kMostNames = 100'000;

Json json_of(const formats::Shape& shape) {
  return {{"t", shape.t}, {"c", shape.c}, {"z", shape.z}, {"y", shape.y}, {"x", shape.x}};
}

Json channels_of(const ImageInfo& info) {
  Json channels = Json::array();
  const uint64_t count = std::min(info.levels.front().shape.c, kListedChannels);
  for (uint64_t c = 0; c < count; ++c) {
    Json channel = {{"name", ""}, {"colour", nullptr}};
    if (c < info.channels.size()) {
      channel["name"] = info.channels[c].name;
      if (info.channels[c].colour)
        channel["colour"] = fmt::format("#{:06x}", *info.channels[c].colour);
    }
    channels.push_back(std::move(channel));
  }
  return channels;
}

void add_state(Json& json, const std::optional<PathState>& state) {
  json["state"] = state ? Json(state->state) : Json();
  json["size"] = state ? Json(state->size_bytes) : Json();
  json["resident"] = state ? Json(state->resident_bytes) : Json();
  json["dirty"] = state ? Json(state->dirty_bytes) : Json();
}

// The plate's path is that of the file system.
std::string plate_of(const ImageInfo& info, const Root& root) {
  const std::string folder = root.absolute("/");
  const std::string prefix = folder == "/" ? "" : folder;
  if (info.plate.empty() || !info.plate.starts_with(prefix)) return {};
  return info.plate.substr(prefix.size());
}

Json json_of(const ImageInfo& info, const std::string& path, const Root& root) {
  const formats::Level& first = info.levels.front();
  Json json = {{"path", api::to_wire_text(path)},
               {"name", api::to_wire_text(name_of(path))},
               {"format", info.format},
               {"axes", info.axes_text()},
               {"shape", json_of(first.shape)},
               {"type", info.type_name},
               {"bytes", first.shape.voxels() * formats::bytes_of(info.type)},
               {"voxel_size", nullptr},
               {"voxel_unit", info.voxel_unit},
               {"tile", kTile},
               {"channels", channels_of(info)},
               {"plate", api::to_wire_text(plate_of(info, root))},
               {"well", info.well},
               {"files", info.files},
               {"series", api::to_wire_text(info.series)},
               {"z_assumed", info.z_assumed},
               {"not_decodable", nullptr}};
  if (first.voxel_size_known) {
    json["voxel_size"] = {
        {"z", first.voxel_size.z}, {"y", first.voxel_size.y}, {"x", first.voxel_size.x}};
  }
  if (info.not_decodable) json["not_decodable"] = *info.not_decodable;
  return json;
}

// Every member is there, so that a page needs no second case.
Json unopened(const formats::Dataset& dataset, const std::string& path) {
  const bool is_damaged = !dataset.error.empty();
  const std::string why = dataset.is_plate ? "it is a plate: open it to see its wells"
                          : is_damaged     ? dataset.error
                                           : "it is in the archive: open it to see what it is";
  return {{"path", api::to_wire_text(path)},
          {"name", api::to_wire_text(name_of(path))},
          {"error", api::to_wire_text(why)},
          {"is_plate", dataset.is_plate},
          {"format", dataset.is_plate ? "OME-Zarr plate" : ""},
          {"axes", ""},
          {"shape", Json::object()},
          {"type", ""},
          {"bytes", 0},
          {"voxel_size", nullptr},
          {"voxel_unit", ""},
          {"tile", kTile},
          {"channels", Json::array()},
          {"plate", ""},
          {"well", ""},
          {"files", 1},
          {"series", ""},
          {"z_assumed", false},
          {"not_decodable", is_damaged ? Json(api::to_wire_text(why)) : Json()}};
}

// The states of datasets: those of one folder are asked for together.
class States {
 public:
  explicit States(Tiers& tiers) : tiers_(tiers) {}

  std::optional<PathState> of(const std::string& path) {
    const std::string folder = folder_of(path);
    const auto known = folders_.find(folder);
    if (known == folders_.end() && folders_.size() >= kMostFolders) return std::nullopt;
    if (known == folders_.end()) {
      auto states = tiers_.states_in(folder);
      if (!states) return std::nullopt;
      folders_[folder] = *std::move(states);
    }
    const auto& states = folders_[folder];
    const auto found = states.find(path);
    if (found == states.end()) return std::nullopt;
    return found->second;
  }

 private:
  Tiers& tiers_;
  std::map<std::string, std::map<std::string, PathState>> folders_;
};

// Null if the image needs none.
Json json_of_pyramid(const OpenImage& image, const Pyramids& pyramids) {
  if (image.pyramid) return {{"state", "ready"}, {"done", 1.0}, {"reason", ""}};
  if (image.pyramid_source.key.empty()) return nullptr;
  const Pyramids::State state = pyramids.state_of(image.pyramid_source.key);
  const auto text = [&] {
    switch (state.kind) {
      case Pyramids::State::Kind::none:
      case Pyramids::State::Kind::waiting:
        return "waiting";
      case Pyramids::State::Kind::building:
        return "building";
      case Pyramids::State::Kind::failed:
        return "failed";
    }
    return "";
  };
  return {{"state", text()}, {"done", state.done}, {"reason", api::to_wire_text(state.reason)}};
}

}  // namespace

Json to_json(const OpenImage& image, const Root& root, const std::optional<PathState>& state,
             const Pyramids& pyramids) {
  Json json = json_of(image.info, image.path, root);
  json["version"] = image.version;
  json["levels"] = Json::array();
  const auto& levels = image.levels();
  for (uint64_t level = 0; level < levels.size(); ++level) {
    json["levels"].push_back(
        {{"shape", json_of(levels[level].shape)}, {"stored", level < image.info.levels.size()}});
  }
  json["labels"] = Json::array();
  for (const std::string& label : image.labels) json["labels"].push_back(api::to_wire_text(label));
  json["is_labels"] = image.is_labels;
  json["pyramid"] = json_of_pyramid(image, pyramids);
  add_state(json, state);
  return json;
}

Result<Json> datasets_json(const std::string& path, size_t depth, const Root& root, Tiers& tiers) {
  TRY_ASSIGN(const std::string folder, root.resolve(path));
  States states(tiers);
  size_t cold_opened = 0;
  formats::SearchLimits limits;
  limits.depth = depth;
  limits.datasets = kMostDatasets;
  limits.names = kMostNames;
  limits.plates = formats::SearchLimits::Plates::listed;
  limits.may_open = [&](const std::string& file) {
    const auto state = states.of(path_in(folder, file));
    return !state || state->state != "cold" || ++cold_opened <= kMostColdOpened;
  };
  TRY_ASSIGN(const formats::DatasetList found,
             formats::find_datasets(root.absolute(folder), limits));
  Json list = Json::array();
  for (const formats::Dataset& dataset : found.datasets) {
    const std::string own = dataset.path == "." ? folder : path_in(folder, dataset.path);
    Json json = dataset.info ? json_of(*dataset.info, own, root) : unopened(dataset, own);
    json["version"] = "";
    json["labels"] = Json::array();
    add_state(json, states.of(own));
    list.push_back(std::move(json));
  }
  Json left_out = Json::array();
  for (const std::string& sentence : found.left_out)
    left_out.push_back(api::to_wire_text(sentence));
  return Json{{"path", api::to_wire_text(folder)},
              {"datasets", std::move(list)},
              {"left_out", std::move(left_out)}};
}

}  // namespace tierhub::hub
