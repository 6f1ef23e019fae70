#include "imaging/labels/value_range.h"

#include <charconv>
#include <cmath>
#include <vector>

#include <fmt/format.h>

#include "common/posix.h"
#include "formats/json.h"
#include "imaging/labels/block_files.h"
#include "imaging/labels/parts.h"

namespace tierhub::imaging {
namespace {

using formats::Json;

Error not_a_range(const std::string& path) {
  return Error(std::errc::invalid_argument, path + " is not a file that imgop range wrote");
}

void include(std::optional<ValueRange>& range, const std::optional<ValueRange>& other) {
  if (range && other) {
    range->include(*other);
  } else if (other) {
    range = other;
  }
}

}  // namespace

Result<BoxRange> compute_range(const ImageReader& reader, const Box& box) {
  TRY(formats::check_region(reader.info(), box));
  BoxRange found{source_of(reader.info()), box, reader.shape_at(box.level), reader.info().type, {}};
  TRY_ASSIGN(const std::vector<Box> parts, working_parts(reader.info(), box));
  for (const Box& part : parts) {
    TRY_ASSIGN(const std::optional<ValueRange> range, reader.read_range(part));
    include(found.range, range);
  }
  return found;
}

Result<void> compute_range(MemoryUse& memory, const ImageReader& reader, const Box& box) {
  TRY_ASSIGN(const std::vector<Box> parts, working_parts(reader.info(), box));
  memory.keep_chunks(reader.info(), parts);
  const uint64_t numbers = parts.front().voxels() * formats::bytes_of(reader.info().type);
  memory.allocate(numbers);
  memory.free(numbers);
  return {};
}

std::string to_json_text(const BoxRange& range) {
  Json json = {{"imgop", "range"},
               {"version", 1},
               {"box", formats::to_text(range.box)},
               {"shape", {range.shape.z, range.shape.y, range.shape.x}},
               {"type", formats::to_text(range.type)}};
  if (range.range) {
    json["low"] = range.range->low;
    json["high"] = range.range->high;
  }
  add_source(json, range.source);
  return json.dump() + "\n";
}

Result<BoxRange> range_from_json(std::string_view text, const std::string& path) {
  TRY_ASSIGN(const Json json, formats::parse_json(text, path));
  const auto box = formats::get_text(json, "box");
  const auto shape = formats::get_unsigned_list(json, "shape");
  const auto type = formats::pixel_type_from(formats::get_text(json, "type").value_or(""));
  const auto low = formats::get_number(json, "low");
  const auto high = formats::get_number(json, "high");
  if (formats::get_text(json, "imgop") != "range" || !box || !shape || shape->size() != 3 ||
      !type || low.has_value() != high.has_value() || (low && !(*low <= *high))) {
    return not_a_range(path);
  }
  BoxRange range{source_from(json), {}, {(*shape)[0], (*shape)[1], (*shape)[2]}, *type, {}};
  TRY_ASSIGN(range.box, formats::parse_box(*box));
  if (low) range.range = {*low, *high};
  return range;
}

Result<BoxRange> read_ranges(const std::string& path, const formats::Selection& selection) {
  TRY_ASSIGN(const std::vector<std::string> files, block_files(path, "range"));
  std::optional<BoxRange> all;
  std::vector<Box> boxes;
  for (const std::string& file : files) {
    TRY_ASSIGN(const std::string text, posix::read_file(file));
    TRY_ASSIGN(const BoxRange one, range_from_json(text, file));
    boxes.push_back(one.box);
    if (!all) {
      all = one;
      continue;
    }
    if (one.shape != all->shape || one.type != all->type || !one.box.same_volume(all->box) ||
        !agree(one.source, all->source)) {
      return Error(
          std::errc::invalid_argument,
          file + " belongs to another image, time point, channel or level than " + files.front());
    }
    include(all->range, one.range);
  }
  TRY_ASSIGN(all->box, tiled_box(boxes, all->shape, selection, path));
  return *all;
}

Result<ValueRange> parse_range(std::string_view text) {
  ValueRange range;
  const char* const end = text.data() + text.size();
  const auto low = std::from_chars(text.data(), end, range.low);
  if (low.ec == std::errc() && low.ptr != end && *low.ptr == ':') {
    const auto high = std::from_chars(low.ptr + 1, end, range.high);
    if (high.ec == std::errc() && high.ptr == end && std::isfinite(range.low) &&
        std::isfinite(range.high) && range.low < range.high)
      return range;
  }
  return Error(std::errc::invalid_argument,
               fmt::format("--range {}: write the smaller and the larger number, such as 0:1, or "
                           "@FILE with a file that imgop merge-ranges wrote",
                           text));
}

}  // namespace tierhub::imaging
