#include "hub/images/residency_map.h"

#include <algorithm>
#include <chrono>

#include "api/byte_text.h"
#include "common/clock.h"
#include "hub/images/planes.h"
#include "hub/images/warm_tree.h"

namespace tierhub::hub {
namespace {

using formats::Json;
using formats::Region;
using formats::Shape;

constexpr std::chrono::seconds kMapTime{2};
// Of one level; each is a question to tierd.
constexpr uint64_t kMostCells = 1'024;

uint64_t cells_of(uint64_t size, uint64_t chunk) {
  const uint64_t deep = std::clamp<uint64_t>(chunk, 1, size);
  return (size + deep - 1) / deep;
}

// Where a cell of an axis begins.
uint64_t begin_of(uint64_t cell, uint64_t cells, uint64_t size, uint64_t chunk) {
  const uint64_t all = cells_of(size, chunk);
  // Cells are chunks, or as many of them.
  return cell * all / cells * std::clamp<uint64_t>(chunk, 1, size);
}

Json map_of_level(const OpenImage& image, uint64_t level, Tiers& tiers, SteadyClock::time_point end,
                  bool& is_complete) {
  const formats::Level& of = image.info.levels[level];
  const Shape& shape = of.shape;
  uint64_t t_cells = cells_of(shape.t, of.chunk.t), z_cells = cells_of(shape.z, of.chunk.z);
  // The longer axis is thinned out first.
  while (t_cells * z_cells > kMostCells) {
    uint64_t& longer = t_cells > z_cells ? t_cells : z_cells;
    longer = (longer + 1) / 2;
  }
  Json bytes = Json::array(), resident = Json::array(), dirty = Json::array();
  for (uint64_t i = 0; i < t_cells; ++i) {
    for (uint64_t j = 0; j < z_cells; ++j) {
      const uint64_t t = begin_of(i, t_cells, shape.t, of.chunk.t);
      const uint64_t z = begin_of(j, z_cells, shape.z, of.chunk.z);
      const Region plane{level, {t, t + 1}, {0, shape.c}, {z, z + 1}, {0, shape.y}, {0, shape.x}};
      Result<Tiers::Sums> sums = Tiers::Sums{};
      bool is_known = SteadyClock::now() < end;
      if (is_known) {
        const auto parts = stored_parts(image, plane);
        sums = parts ? tiers.sums_of(*parts) : Result<Tiers::Sums>(parts.error());
        is_known = static_cast<bool>(sums);
      }
      is_complete = is_complete && is_known;
      bytes.push_back(is_known ? Json(sums->bytes) : Json());
      resident.push_back(is_known ? Json(sums->resident) : Json());
      dirty.push_back(is_known ? Json(sums->dirty) : Json());
    }
  }
  return {{"level", level},
          {"t", shape.t},
          {"z", shape.z},
          {"t_cells", t_cells},
          {"z_cells", z_cells},
          {"bytes", std::move(bytes)},
          {"resident", std::move(resident)},
          {"dirty", std::move(dirty)}};
}

}  // namespace

Result<Json> residency_map(const OpenImage& image, Tiers& tiers) {
  if (!tiers.is_mount()) {
    return Error(std::errc::not_supported,
                 image.path + " is in no mount of TierHub: all of it is here");
  }
  const NoFetching no_fetching;
  const auto end = SteadyClock::now() + kMapTime;
  bool is_complete = true;
  const size_t count = image.info.levels.size();
  Json levels = Json::array();
  // The coarsest are the quickest, and what a page shows first.
  for (size_t level = count; level-- > 0;)
    levels.insert(levels.begin(), map_of_level(image, level, tiers, end, is_complete));
  return Json{{"path", api::to_wire_text(image.path)},
              {"levels", std::move(levels)},
              {"complete", is_complete}};
}

}  // namespace tierhub::hub
