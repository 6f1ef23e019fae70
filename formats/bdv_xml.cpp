#include "formats/bdv_xml.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <pugixml.hpp>

#include "formats/ome_xml.h"

namespace tierhub::formats {
namespace {

// "0.2 0.2 1.5": x, y and z.
std::optional<VoxelSize> to_voxel_size(std::string_view text) {
  std::array<double, 3> sizes{};
  for (double& size : sizes) {
    text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), size);
    if (failure != std::errc() || !(size > 0 && size < 1e12)) return std::nullopt;
    text.remove_prefix(static_cast<size_t>(end - text.data()));
  }
  return VoxelSize{sizes[2], sizes[1], sizes[0]};
}

}  // namespace

std::vector<BdvSetup> parse_bdv_xml(std::string_view xml) {
  pugi::xml_document document;
  if (!document.load_buffer(xml.data(), xml.size(), pugi::parse_default)) return {};
  std::vector<BdvSetup> setups;
  const pugi::xml_node all =
      document.child("SpimData").child("SequenceDescription").child("ViewSetups");
  for (const pugi::xml_node& node : all.children("ViewSetup")) {
    const pugi::xml_node voxel = node.child("voxelSize");
    BdvSetup& setup = setups.emplace_back();
    setup.id = node.child("id").text().as_ullong();
    setup.name = node.child("name").text().get();
    setup.voxel_size = to_voxel_size(voxel.child("size").text().get());
    setup.unit = unit_name(voxel.child("unit").text().get());
  }
  return setups;
}

}  // namespace tierhub::formats
