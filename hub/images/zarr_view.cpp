#include "hub/images/zarr_view.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <variant>

#include <fmt/format.h>

#include "formats/ome_zarr.h"
#include "hub/images/answers.h"
#include "hub/images/packed_tile.h"
#include "hub/images/planes.h"
#include "hub/images/zarr_metadata.h"

namespace tierhub::hub {
namespace {

using formats::Json;
using Names = std::vector<std::string>;
using SharedImage = std::shared_ptr<const OpenImage>;

// Of one image in its consolidated metadata.
constexpr size_t kConsolidatedLabels = 20;

Error no_key(std::string_view what) {
  return Error(std::errc::no_such_file_or_directory, fmt::format("there is no {}", what));
}

// As keys have them: "0", "12", but not "01".
std::optional<uint64_t> index_in(const std::string& text) {
  constexpr size_t kDigits = 12;
  if (text.size() > kDigits || (text.size() > 1 && text.front() == '0')) return std::nullopt;
  uint64_t value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

Names without_last(const Names& names, size_t count) {
  return {names.begin(), names.end() - static_cast<ptrdiff_t>(count)};
}

// A level of an image.
struct Array {
  SharedImage image;
  uint64_t level = 0;
};
// A plate, a row, a well, or the labels of an image.
struct Group {
  Json attributes;
};
using Node = std::variant<SharedImage, Array, Group>;

class ZarrView {
 public:
  ZarrView(const ZarrSources& sources, ZarrVersion version, const http::Request& request)
      : sources_(sources), version_(version), request_(request) {}

  Result<http::Response> answer(const Names& names) const {
    if (names.empty()) return no_key("key without a path");
    TRY(check_share(names));
    const std::string& last = names.back();
    const Names path = without_last(names, 1);
    if (version_ == ZarrVersion::v3) {
      if (last == "zarr.json") return document(path);
      return chunk(names, "c");
    }
    if (last == ".zgroup" || last == ".zattrs" || last == ".zarray" || last == ".zmetadata")
      return document_v2(path, last);
    return chunk(names, "");
  }

 private:
  bool is_share() const { return !request_.header("x-tierhub-share").empty(); }
  static Error no_share() {
    return {std::errc::permission_denied,
            "what was shared is not here any more: it is no image, or a link to one"};
  }

  // Somebody else may have put a link, or a folder of other images, where the shared image was.
  Result<void> check_share(const Names& names) const {
    if (!is_share()) return {};
    const auto count = index_in(std::string(request_.header("x-tierhub-share")));
    if (!count || *count == 0 || *count >= names.size()) return no_share();
    return image_at(without_last(names, names.size() - *count)) ? Result<void>() : no_share();
  }

  http::Response send(const Json& json) const {
    return text_answer(request_, json.dump(-1, ' ', false, Json::error_handler_t::replace));
  }

  // An image that can be read.
  Result<SharedImage> image_at(const Names& names) const {
    TRY_ASSIGN(const std::string path, join_names(names));
    TRY_ASSIGN(SharedImage image, sources_.store.open(path));
    // A link inside a shared image, to its labels for instance, would show what nobody has shared.
    if (is_share() && image->path != path) return no_share();
    if (!image->reader) {
      return Error(std::errc::not_supported, fmt::format("{} cannot be shown: {}", image->path,
                                                         image->info.not_decodable.value_or("")));
    }
    return image;
  }

  Result<Node> node_at(const Names& names) const {
    if (names.empty()) return no_key("group here");
    // A folder "0" in an image may be another image, of which the first shows the voxels.
    if (const auto level = index_in(names.back()); level && names.size() > 1) {
      const auto image = image_at(without_last(names, 1));
      if (image && *level < zarr_levels(**image)) return Array{*image, *level};
    }
    auto image = image_at(names);
    if (image) return *std::move(image);
    if (names.back() == "labels" && names.size() > 1) {
      const auto parent = image_at(without_last(names, 1));
      if (parent && !(*parent)->labels.empty()) return Group{labels_attributes(**parent, version_)};
    }
    auto group = group_at(names);
    if (group) return *std::move(group);
    // What is there but cannot be read is no missing key.
    return image.error();
  }

  Result<std::optional<formats::ZarrGroup>> zarr_group_at(const Names& names) const {
    TRY_ASSIGN(const std::string path, join_names(names));
    TRY_ASSIGN(const std::string found, sources_.root.resolve(path));
    if (is_share() && found != path) return no_share();
    TRY_ASSIGN(const auto tree, sources_.root.open_tree(found));
    if (!tree->is_folder()) return std::optional<formats::ZarrGroup>();
    return formats::read_zarr_group(*tree, "");
  }

  // A part of a plate.
  Result<Group> group_at(const Names& names) const {
    TRY_ASSIGN(const auto group, zarr_group_at(names));
    if (group && (formats::find_member(group->ome, "plate") != nullptr ||
                  formats::find_member(group->ome, "well") != nullptr))
      return Group{plate_attributes(group->ome, version_)};
    if (names.size() > 1) {
      const auto parent = zarr_group_at(without_last(names, 1));
      if (parent && *parent && formats::find_member((*parent)->ome, "plate") != nullptr)
        return Group{plate_attributes(Json::object(), version_)};
    }
    return no_key("plate or well here");
  }

  // Windows are as bright as the image, as far as that is known without the archive.
  std::vector<Window> windows_of(const OpenImage& image) const {
    constexpr uint64_t kMeasured = 16, kMost = 1'000;
    std::vector<Window> windows;
    const uint64_t channels = std::min(image.levels().front().shape.c, kMost);
    for (uint64_t c = 0; c < channels; ++c) {
      windows.push_back(window_of(image.info.type));
      if (c >= kMeasured || image.is_labels) continue;
      const auto answer = sources_.histograms.of(image, middle_plane(image, 0, c), {}, 0);
      if (!answer || !answer->histogram) continue;
      const Histogram& histogram = *answer->histogram;
      if (histogram.high > histogram.low)
        windows.back() = {histogram.low, histogram.high, histogram.p01, histogram.p999};
    }
    return windows;
  }

  Json attributes_of(const Node& node) const {
    if (const auto* image = std::get_if<SharedImage>(&node))
      return image_attributes(**image, windows_of(**image), version_);
    if (const auto* group = std::get_if<Group>(&node)) return group->attributes;
    return array_attributes();
  }

  Result<http::Response> document(const Names& path) const {
    TRY_ASSIGN(const Node node, node_at(path));
    if (const auto* array = std::get_if<Array>(&node))
      return send(array_of(*array->image, array->level, version_));
    return send(group_v3(attributes_of(node)));
  }

  Result<http::Response> document_v2(const Names& path, const std::string& key) const {
    TRY_ASSIGN(const Node node, node_at(path));
    const auto* array = std::get_if<Array>(&node);
    if (key == ".zattrs") return send(attributes_of(node));
    if (key == ".zarray" && array != nullptr)
      return send(array_of(*array->image, array->level, version_));
    if (key == ".zgroup" && array == nullptr) return send(group_v2());
    const auto* image = std::get_if<SharedImage>(&node);
    if (key == ".zmetadata" && image != nullptr) return send(consolidated(**image, path));
    return no_key(key + " here");
  }

  void consolidate(const OpenImage& image, const std::string& folder, Json& metadata) const {
    metadata[folder + ".zgroup"] = group_v2();
    metadata[folder + ".zattrs"] = image_attributes(image, windows_of(image), version_);
    for (uint64_t level = 0; level < zarr_levels(image); ++level) {
      const std::string array = fmt::format("{}{}/", folder, level);
      metadata[array + ".zarray"] = array_of(image, level, version_);
      metadata[array + ".zattrs"] = array_attributes();
    }
  }

  Json consolidated(const OpenImage& image, const Names& path) const {
    Json metadata = Json::object();
    consolidate(image, "", metadata);
    if (!image.labels.empty()) {
      metadata["labels/.zgroup"] = group_v2();
      metadata["labels/.zattrs"] = labels_attributes(image, version_);
    }
    for (size_t i = 0; i < std::min(image.labels.size(), kConsolidatedLabels); ++i) {
      Names label = path;
      label.insert(label.end(), {"labels", image.labels[i]});
      // A damaged one is not listed, and can be asked for.
      if (const auto open = image_at(label))
        consolidate(**open, "labels/" + image.labels[i] + "/", metadata);
    }
    return {{"zarr_consolidated_format", 1}, {"metadata", std::move(metadata)}};
  }

  // PATH/LEVEL/[c/]T/C/Z/Y/X
  Result<http::Response> chunk(const Names& names, std::string_view prefix) const {
    constexpr size_t kAxes = 5;
    const size_t key_names = kAxes + 1 + (prefix.empty() ? 0 : 1);
    if (names.size() <= key_names) return no_key("key " + names.back());
    const auto key = names.end() - static_cast<ptrdiff_t>(key_names);
    std::vector<uint64_t> at;
    for (auto name = key; name != names.end(); ++name) {
      if (!prefix.empty() && name == key + 1 && *name == prefix) continue;
      const auto index = index_in(*name);
      if (!index) return no_key("key " + names.back());
      at.push_back(*index);
    }
    if (at.size() != kAxes + 1) return no_key("key " + names.back());
    TRY_ASSIGN(const SharedImage image, image_at(without_last(names, key_names)));
    const TileAddress tile{at[0], at[1], at[2], at[3], at[4], at[5]};
    if (tile.level >= zarr_levels(*image) || region_of(*image, tile).empty())
      return no_key("such chunk");
    const uint64_t bytes = kTile * kTile * formats::bytes_of(image->info.type);
    const formats::Region region = region_of(*image, tile);
    TRY_ASSIGN(const pixels::Content content, content_of(*image, {&region, 1}));
    return content_answer(
        request_, {"application/octet-stream", tag_of(*image, content), bytes, content.is_settled,
                   [&] { return read_chunk(*image, tile); },
                   [&](const Content::Takes& takes) -> Result<std::optional<Content::Packed>> {
                     TRY(sources_.tiles.wait_until_here(*image, region));
                     if (!sources_.tiles.is_here(*image, region))
                       return std::optional<Content::Packed>();
                     return read_packed_tile(*image, region, takes);
                   }});
  }

  // Padded at the edges of the image.
  Result<std::string> read_chunk(const OpenImage& image, const TileAddress& tile) const {
    TRY_ASSIGN(const auto voxels, sources_.tiles.wait_for(image, tile));
    const formats::Shape shape = region_of(image, tile).shape();
    const uint64_t item_bytes = formats::bytes_of(image.info.type);
    std::string chunk(kTile * kTile * item_bytes, '\0');
    for (uint64_t y = 0; y < shape.y; ++y) {
      std::memcpy(chunk.data() + y * kTile * item_bytes, voxels->data() + y * shape.x * item_bytes,
                  shape.x * item_bytes);
    }
    return chunk;
  }

  const ZarrSources& sources_;
  const ZarrVersion version_;
  const http::Request& request_;
};

}  // namespace

http::Response answer_zarr(const ZarrSources& sources, const http::Request& request,
                           const std::vector<std::string>& segments) {
  if (segments.size() < 2 || (segments.front() != "v2" && segments.front() != "v3"))
    return error_answer(404, "ENOENT", "the address of a Zarr is /zarr/v2/PATH/ or /zarr/v3/PATH/");
  const ZarrVersion version = segments.front() == "v2" ? ZarrVersion::v2 : ZarrVersion::v3;
  auto answer = ZarrView(sources, version, request).answer({segments.begin() + 1, segments.end()});
  return answer ? *std::move(answer) : error_answer(answer.error());
}

}  // namespace tierhub::hub
