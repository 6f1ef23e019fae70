#include "formats/selection.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <set>

#include <fmt/format.h>

#include "common/interval_set.h"

namespace tierhub::formats {
namespace {

std::optional<uint64_t> to_bound(std::string_view text) {
  uint64_t value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc() || end != text.data() + text.size() || value >= kOpenEnd)
    return std::nullopt;
  return value;
}

// The selected part of an axis of `size`.
Result<AxisRange> cut(std::string_view axis, const std::optional<AxisRange>& selected,
                      AxisRange all) {
  if (!selected) return all;
  AxisRange range = *selected;
  if (range.end == kOpenEnd) range.end = all.end;
  if (!range.empty() && range.end <= all.end) return range;
  return Error(std::errc::invalid_argument,
               fmt::format("{} is selected, but the dataset has only {}", to_words(axis, *selected),
                           to_words(axis, all)));
}

// An error if a selection names something else than `index`.
Result<void> check_same(std::string_view axis, const std::optional<AxisRange>& selected,
                        uint64_t index) {
  if (!selected || selected->contains(index)) return {};
  return Error(std::errc::invalid_argument,
               fmt::format("the selection names {} {}, but this was made from {} {}", axis,
                           selected->begin, axis, index));
}

// "3", "0:10", or "2-" while the end is open.
std::string value_text(const AxisRange& range) {
  if (range.end == kOpenEnd) return fmt::format("{}-", range.begin);
  if (range.size() == 1) return fmt::format("{}", range.begin);
  return fmt::format("{}:{}", range.begin, range.end);
}

// Of z, y and x: always a range, as in a box.
std::string space_text(const AxisRange& range) {
  if (range.end == kOpenEnd) return value_text(range);
  return fmt::format("{}:{}", range.begin, range.end);
}

// The smallest range that holds both.
AxisRange join(const AxisRange& a, const AxisRange& b) {
  return {std::min(a.begin, b.begin), std::max(a.end, b.end)};
}

// Parts of files, as they are collected.
class FileParts {
 public:
  explicit FileParts(const FileTree& tree) : tree_(tree) {}

  // A file that does not exist is left out.
  Result<void> add(const FileRange& range) {
    auto found = files_.find(range.path);
    if (found == files_.end()) {
      TRY_ASSIGN(const auto size_bytes, tree_.size_of(range.path));
      found = files_.emplace(range.path, Part{size_bytes, {}}).first;
    }
    Part& part = found->second;
    if (!part.size_bytes) return {};
    const uint64_t begin = std::min(range.offset_bytes, *part.size_bytes);
    part.bytes.add(begin, begin + std::min(range.size_bytes, *part.size_bytes - begin));
    return {};
  }

  std::vector<NeededFile> files() const {
    std::vector<NeededFile> files;
    for (const auto& [path, part] : files_) {
      if (!part.size_bytes || (part.bytes.empty() && *part.size_bytes > 0)) continue;
      NeededFile file{path, *part.size_bytes, {}};
      if (part.bytes.size() < *part.size_bytes) {
        for (const IntervalSet::Interval& one : part.bytes.intervals())
          file.ranges.push_back({one.begin, one.end});
      }
      files.push_back(std::move(file));
    }
    return files;
  }

 private:
  struct Part {
    std::optional<uint64_t> size_bytes;
    IntervalSet bytes;
  };
  const FileTree& tree_;
  std::map<std::string, Part> files_;
};

}  // namespace

Result<AxisRange> parse_index_range(std::string_view text) {
  const Error bad(std::errc::invalid_argument,
                  fmt::format("range \"{}\": write one index (3), first and last (0-9), an open "
                              "end (2-) or begin:end (0:10)",
                              text));
  const size_t mark = text.find_first_of("-:");
  const auto begin = to_bound(text.substr(0, mark));
  if (!begin) return bad;
  if (mark == std::string_view::npos) return AxisRange{*begin, *begin + 1};
  const std::string_view last = text.substr(mark + 1);
  if (last.empty()) return AxisRange{*begin, kOpenEnd};
  const auto number = to_bound(last);
  if (!number) return bad;
  const AxisRange range{*begin, text[mark] == '-' ? *number + 1 : *number};
  if (range.empty()) return bad;
  return range;
}

Result<void> set_selected(Selection& selection, std::string_view key, std::string_view range) {
  const std::map<std::string_view, std::optional<AxisRange>*> members = {
      {"level", &selection.levels}, {"t", &selection.t}, {"c", &selection.c},
      {"z", &selection.z},          {"y", &selection.y}, {"x", &selection.x}};
  const auto member = members.find(key);
  if (member == members.end()) {
    return Error(std::errc::invalid_argument,
                 fmt::format("\"{}\" cannot be selected: use level, t, c, z, y or x", key));
  }
  TRY_ASSIGN(*member->second, parse_index_range(range));
  return {};
}

Result<Selection> parse_selection(std::string_view text) {
  Selection selection;
  std::set<std::string_view> keys;
  while (!text.empty()) {
    const size_t comma = text.find(',');
    const std::string_view item = text.substr(0, comma);
    const size_t equals = item.find('=');
    const std::string_view key = item.substr(0, equals);
    if (equals == std::string_view::npos || comma + 1 == text.size()) {
      return Error(std::errc::invalid_argument,
                   fmt::format("selection \"{}\": write it as level=0,t=0,c=1", text));
    }
    if (!keys.insert(key).second) {
      return Error(std::errc::invalid_argument, fmt::format("the selection names {} twice", key));
    }
    TRY(set_selected(selection, key, item.substr(equals + 1)));
    text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
  }
  return selection;
}

Result<Box> part_of(const Box& volume, const Selection& selection) {
  TRY(check_same("level", selection.levels, volume.level));
  TRY(check_same("t", selection.t, volume.t));
  TRY(check_same("c", selection.c, volume.c));
  Box box = volume;
  TRY_ASSIGN(box.z, cut("z", selection.z, volume.z));
  TRY_ASSIGN(box.y, cut("y", selection.y, volume.y));
  TRY_ASSIGN(box.x, cut("x", selection.x, volume.x));
  return box;
}

Selection selection_of(const Box& box) {
  const auto one = [](uint64_t index) { return AxisRange{index, index + 1}; };
  return {one(box.level), one(box.t), one(box.c), box.z, box.y, box.x};
}

std::string to_text(const Selection& selection) {
  std::string text =
      fmt::format("level={}", value_text(selection.levels.value_or(AxisRange{0, 1})));
  if (selection.t) text += fmt::format(",t={}", value_text(*selection.t));
  if (selection.c) text += fmt::format(",c={}", value_text(*selection.c));
  if (selection.z) text += fmt::format(",z={}", space_text(*selection.z));
  if (selection.y) text += fmt::format(",y={}", space_text(*selection.y));
  if (selection.x) text += fmt::format(",x={}", space_text(*selection.x));
  return text;
}

std::string selection_text(const ImageInfo& info, const std::vector<Box>& boxes) {
  Selection covered;
  const auto add = [](std::optional<AxisRange>& all, const AxisRange& range) {
    all = all ? join(*all, range) : range;
  };
  bool all_z = true, all_y = true, all_x = true;
  for (const Box& box : boxes) {
    const Shape& shape = info.levels[box.level].shape;
    add(covered.levels, {box.level, box.level + 1});
    add(covered.t, {box.t, box.t + 1});
    add(covered.c, {box.c, box.c + 1});
    add(covered.z, box.z);
    add(covered.y, box.y);
    add(covered.x, box.x);
    all_z = all_z && box.z == AxisRange{0, shape.z};
    all_y = all_y && box.y == AxisRange{0, shape.y};
    all_x = all_x && box.x == AxisRange{0, shape.x};
  }
  if (all_z) covered.z.reset();
  if (all_y) covered.y.reset();
  if (all_x) covered.x.reset();
  return to_text(covered);
}

Result<std::vector<Box>> boxes_of(const ImageInfo& info, const Selection& selection) {
  std::vector<Box> boxes;
  TRY_ASSIGN(const AxisRange levels,
             cut("level", selection.levels.value_or(AxisRange{0, 1}), {0, info.levels.size()}));
  for (uint64_t level = levels.begin; level < levels.end; ++level) {
    const Shape& shape = info.levels[level].shape;
    Box box;
    box.level = level;
    TRY_ASSIGN(const AxisRange t, cut("t", selection.t, {0, shape.t}));
    TRY_ASSIGN(const AxisRange c, cut("c", selection.c, {0, shape.c}));
    TRY_ASSIGN(box.z, cut("z", selection.z, {0, shape.z}));
    TRY_ASSIGN(box.y, cut("y", selection.y, {0, shape.y}));
    TRY_ASSIGN(box.x, cut("x", selection.x, {0, shape.x}));
    if (t.size() > kMaxBlocks || c.size() > kMaxBlocks || t.size() * c.size() > kMaxBlocks) {
      return Error(std::errc::argument_list_too_long,
                   "the selection has too many time points and channels");
    }
    for (box.t = t.begin; box.t < t.end; ++box.t) {
      for (box.c = c.begin; box.c < c.end; ++box.c) boxes.push_back(box);
    }
  }
  return boxes;
}

Result<std::vector<NeededFile>> needed_files(const Image& image, const std::vector<Box>& boxes,
                                             const Halo& halo) {
  FileParts parts(image.files());
  for (const Box& box : boxes) {
    TRY(check_region(image.info(), box));
    const Box grown = grow(box, halo, image.info().levels[box.level].shape.extent());
    const auto add = [&](const Chunk& chunk) -> Result<void> {
      for (const FileRange& range : chunk.bytes) TRY(parts.add(range));
      return {};
    };
    TRY(image.for_each_chunk(grown, add));
  }
  for (const FileRange& range : image.metadata()) TRY(parts.add(range));
  return parts.files();
}

}  // namespace tierhub::formats
