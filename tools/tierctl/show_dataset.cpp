// What an image is, and how much of each of its levels is on the SSD.
#include <algorithm>
#include <optional>
#include <vector>

#include <nlohmann/json.hpp>

#include "api/byte_text.h"
#include "tools/tierctl/commands.h"
#include "tools/tierctl/dataset.h"
#include "tools/tierctl/human.h"
#include "tools/tierctl/output.h"
#include "tools/tierctl/waiting.h"

namespace tierhub::tierctl {
namespace {

using formats::Axis;
using formats::ImageInfo;
using formats::Level;
using formats::Shape;
using Json = nlohmann::ordered_json;

// A level with more chunks is looked at only if that is asked for: it takes minutes.
constexpr uint64_t kMostChunks = 1'000'000;
constexpr uint64_t kChunksPerLook = 1'024;

struct LevelUse {
  uint64_t chunks = 0;
  std::optional<StoredBytes::Sums> stored;  // none: not looked at
};

// As far as the metadata says: what is not stored counts too.
uint64_t chunk_count(const Level& level) {
  uint64_t count = 1;
  for (const Axis axis : {Axis::t, Axis::c, Axis::z, Axis::y, Axis::x}) {
    const uint64_t chunk = std::max<uint64_t>(level.chunk.along(axis), 1);
    const uint64_t along = (level.shape.along(axis) + chunk - 1) / chunk;
    if (__builtin_mul_overflow(count, along, &count)) return UINT64_MAX;
  }
  return count;
}

// Progress of what takes longer than a moment.
class LookingLine {
 public:
  LookingLine(size_t level, uint64_t total)
      : title_(fmt::format("level {}", level)), total_(total) {}
  void note_chunk() {
    if (++seen_ % kChunksPerLook != 0 || SteadyClock::now() - began_ < kMoment) return;
    line_.show(title_, static_cast<double>(seen_) / static_cast<double>(std::max(seen_, total_)),
               fmt::format("{} of {}", human_number(seen_), human_count(total_, "chunk")));
  }
  uint64_t seen() const { return seen_; }

 private:
  static constexpr std::chrono::seconds kMoment{1};
  const SteadyClock::time_point began_ = SteadyClock::now();
  const std::string title_;
  const uint64_t total_;
  uint64_t seen_ = 0;
  ProgressLine line_;
};

Result<LevelUse> look_at_level(const Context& context, const Dataset& dataset, size_t number,
                               DatasetOptions::Levels levels) {
  const Level& level = dataset.image->info().levels[number];
  LevelUse use;
  use.chunks = chunk_count(level);
  if (use.chunks > kMostChunks && levels == DatasetOptions::Levels::small) return use;
  StoredBytes stored(context.client, dataset);
  LookingLine line(number, use.chunks);
  const auto look = [&](const formats::Chunk& chunk) -> Result<void> {
    for (const formats::FileRange& range : chunk.bytes) TRY(stored.add(range));
    line.note_chunk();
    return {};
  };
  // Volume by volume: an image has a limit for the chunks of one region.
  const Shape& shape = level.shape;
  const uint64_t step_t = std::max<uint64_t>(level.chunk.t, 1);
  const uint64_t step_c = std::max<uint64_t>(level.chunk.c, 1);
  formats::Region region = formats::whole(shape, number);
  for (uint64_t t = 0; t < shape.t; t += step_t) {
    for (uint64_t c = 0; c < shape.c; c += step_c) {
      region.t = {t, std::min(t + step_t, shape.t)};
      region.c = {c, std::min(c + step_c, shape.c)};
      TRY(dataset.image->for_each_chunk(region, look));
    }
  }
  use.chunks = line.seen();
  TRY_ASSIGN(use.stored, stored.finish());
  return use;
}

Json sizes_json(const ImageInfo& info, const Shape& shape) {
  Json sizes = Json::array();
  for (const Axis axis : info.axes) sizes.push_back(shape.along(axis));
  return sizes;
}

// "2 (0 DAPI, 1 GFP)"
std::string channels_text(const ImageInfo& info) {
  std::string names;
  bool named = false;
  for (size_t c = 0; c < info.channels.size(); ++c) {
    const std::string& name = info.channels[c].name;
    named = named || !name.empty();
    names += fmt::format("{}{} {}", c == 0 ? "" : ", ", c, name.empty() ? "(no name)" : name);
  }
  const std::string count = human_number(info.levels.front().shape.c);
  return named ? fmt::format("{} ({})", count, printable(names)) : count;
}

std::string voxel_text(const ImageInfo& info) {
  const formats::VoxelSize& size = info.levels.front().voxel_size;
  const std::string unit = info.voxel_unit.empty() ? "of no unit" : printable(info.voxel_unit);
  const std::string z = info.has_axis(Axis::z) ? fmt::format("z {:.6g}, ", size.z) : "";
  return fmt::format("{}y {:.6g}, x {:.6g} {}", z, size.y, size.x, unit);
}

struct Shown {
  std::vector<LevelUse> levels;
  StoredBytes::Sums metadata;
};

void print_text(const Dataset& dataset, const Shown& shown) {
  const ImageInfo& info = dataset.image->info();
  print_row("path", printable(dataset.path));
  print_row("format", info.format);
  print_row("axes", info.axes_text());
  print_row("shape", info.sizes_text(info.levels.front().shape));
  print_row("type", printable(info.type_name));
  if (info.has_axis(Axis::c)) print_row("channels", channels_text(info));
  if (info.levels.front().voxel_size_known) print_row("voxel size", voxel_text(info));
  if (info.z_assumed) {
    print_row("z assumed", fmt::format("the file does not say what its {} pages are",
                                       human_number(info.planes())));
  }
  if (info.not_decodable)
    print_row("pixels", "cannot be decoded: " + printable(*info.not_decodable));
  print_row("metadata", fmt::format("{}, {} on the SSD", human_size(shown.metadata.bytes),
                                    human_percent(shown.metadata.resident, shown.metadata.bytes)));
  using enum Table::Align;
  Table table({{"LEVEL", right},
               {"SHAPE"},
               {"CHUNK"},
               {"CHUNKS", right},
               {"STORED", right},
               {"RESIDENT", right},
               {"", right}});
  bool all = true;
  for (size_t i = 0; i < info.levels.size(); ++i) {
    const auto& [chunks, stored] = shown.levels[i];
    all = all && stored;
    table.add({std::to_string(i), info.sizes_text(info.levels[i].shape),
               info.sizes_text(info.levels[i].chunk), human_number(chunks),
               stored ? human_size(stored->bytes) : "-",
               stored ? human_size(stored->resident) : "-",
               stored ? human_percent(stored->resident, stored->bytes) : "-"});
  }
  print("\n" + table.text());
  if (!all) {
    say(fmt::format("levels with more than {} were not looked at: add --all",
                    human_count(kMostChunks, "chunk")));
  }
}

Json sums_json(const std::optional<StoredBytes::Sums>& sums) {
  if (!sums) return {{"stored", nullptr}, {"resident", nullptr}, {"dirty", nullptr}};
  return {{"stored", sums->bytes}, {"resident", sums->resident}, {"dirty", sums->dirty}};
}

void print_document(const Dataset& dataset, const Shown& shown) {
  const ImageInfo& info = dataset.image->info();
  Json levels = Json::array();
  for (size_t i = 0; i < info.levels.size(); ++i) {
    const Level& level = info.levels[i];
    Json one = {{"shape", sizes_json(info, level.shape)},
                {"chunk", sizes_json(info, level.chunk)},
                {"compressor", api::to_wire_text(level.compressor)},
                {"voxel_size", nullptr},
                {"chunks", shown.levels[i].chunks}};
    if (level.voxel_size_known) {
      one["voxel_size"] = {
          {"z", level.voxel_size.z}, {"y", level.voxel_size.y}, {"x", level.voxel_size.x}};
    }
    one.update(sums_json(shown.levels[i].stored));
    levels.push_back(std::move(one));
  }
  Json names = Json::array();
  for (const formats::Channel& channel : info.channels)
    names.push_back(api::to_wire_text(channel.name));
  const Json document = {
      {"path", api::to_wire_text(dataset.path)},
      {"format", info.format},
      {"axes", info.axes_text()},
      {"shape", sizes_json(info, info.levels.front().shape)},
      {"type", api::to_wire_text(info.type_name)},
      {"channel_names", std::move(names)},
      {"voxel_unit", api::to_wire_text(info.voxel_unit)},
      {"z_assumed", info.z_assumed},
      {"not_decodable",
       info.not_decodable ? Json(api::to_wire_text(*info.not_decodable)) : Json(nullptr)},
      {"metadata", sums_json(shown.metadata)},
      {"levels", std::move(levels)}};
  print_line(document.dump(2));
}

}  // namespace

Result<ExitCode> show_dataset(const Context& context, const DatasetOptions& options) {
  TRY_ASSIGN(const Dataset dataset, open_dataset(context.client, options.path));
  Shown shown;
  for (size_t i = 0; i < dataset.image->info().levels.size(); ++i) {
    TRY_ASSIGN(const LevelUse use, look_at_level(context, dataset, i, options.levels));
    shown.levels.push_back(use);
  }
  StoredBytes metadata(context.client, dataset);
  for (const formats::FileRange& range : dataset.image->metadata()) TRY(metadata.add(range));
  TRY_ASSIGN(shown.metadata, metadata.finish());
  if (context.format == Format::json) {
    print_document(dataset, shown);
  } else {
    print_text(dataset, shown);
  }
  return ExitCode::done;
}

}  // namespace tierhub::tierctl
