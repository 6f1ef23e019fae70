#include "imaging/pictures/montage.h"

#include <algorithm>
#include <cmath>
#include <set>

#include <fmt/format.h>

#include "formats/selection.h"
#include "imaging/images/part.h"
#include "imaging/pictures/projection.h"

namespace tierhub::imaging {
namespace {

constexpr Colour kPaper{24, 24, 24};
constexpr Colour kEmptyTile{44, 44, 44};
constexpr Colour kCaption{230, 230, 230};

// The pixels of a larger or smaller picture that one pixel of a thumbnail stands for, on one axis.
struct Sampled {
  uint64_t begin;
  uint64_t end;
};
Sampled sampled(uint64_t pixel, uint64_t pixels, uint64_t from) {
  const uint64_t begin = pixel * from / pixels;
  return {begin, std::max(begin + 1, (pixel + 1) * from / pixels)};
}

Extent thumbnail_size(const Extent& from, uint64_t size) {
  const uint64_t longest = std::max(from.y, from.x);
  return {1, std::max<uint64_t>(1, from.y * size / longest),
          std::max<uint64_t>(1, from.x * size / longest)};
}

GreyVolume shrink_by_mean(const GreyVolume& plane, const Extent& size) {
  GreyVolume small(size);
  for (uint64_t y = 0; y < size.y; ++y) {
    const Sampled rows = sampled(y, size.y, plane.extent.y);
    for (uint64_t x = 0; x < size.x; ++x) {
      const Sampled columns = sampled(x, size.x, plane.extent.x);
      uint64_t sum = 0;
      for (uint64_t from_y = rows.begin; from_y < rows.end; ++from_y) {
        for (uint64_t from_x = columns.begin; from_x < columns.end; ++from_x)
          sum += plane.at(0, from_y, from_x);
      }
      const uint64_t count = (rows.end - rows.begin) * (columns.end - columns.begin);
      small.at(0, y, x) = static_cast<uint16_t>((sum + count / 2) / count);
    }
  }
  return small;
}

LabelVolume shrink_by_nearest(const LabelVolume& plane, const Extent& size) {
  LabelVolume small(size);
  for (uint64_t y = 0; y < size.y; ++y) {
    const Sampled rows = sampled(y, size.y, plane.extent.y);
    for (uint64_t x = 0; x < size.x; ++x) {
      const Sampled columns = sampled(x, size.x, plane.extent.x);
      small.at(0, y, x) =
          plane.at(0, (rows.begin + rows.end - 1) / 2, (columns.begin + columns.end - 1) / 2);
    }
  }
  return small;
}

// The smallest stored level that has enough pixels, if all of the volume is wanted and no level is
// named.
Result<Box> box_to_read(const formats::ImageInfo& info, const Box& chosen,
                        const std::string& select, uint64_t size) {
  TRY_ASSIGN(const formats::Selection selection, formats::parse_selection(select));
  if (selection.levels || selection.z || selection.y || selection.x) return chosen;
  uint64_t level = 0;
  while (level + 1 < info.levels.size() &&
         std::min(info.levels[level + 1].shape.y, info.levels[level + 1].shape.x) >= size)
    ++level;
  return formats::whole_volume(info, level, chosen.t, chosen.c);
}

// Where each thumbnail lies: on the plate, or one after the other.
struct Places {
  uint64_t rows = 1;
  uint64_t columns = 1;
  std::vector<std::pair<uint64_t, uint64_t>> at;  // row, column
};

Places in_sequence(size_t count, uint64_t columns) {
  Places places;
  if (columns == 0)
    columns = static_cast<uint64_t>(std::ceil(std::sqrt(static_cast<double>(count))));
  places.columns = std::min<uint64_t>(columns, count);
  places.rows = (count + places.columns - 1) / places.columns;
  for (size_t i = 0; i < count; ++i) places.at.emplace_back(i / places.columns, i % places.columns);
  return places;
}

// Nothing unless each thumbnail is of a well of its own.
std::optional<Places> on_plate(const std::vector<Thumbnail>& thumbnails) {
  std::set<Well> wells;
  for (const Thumbnail& thumbnail : thumbnails) {
    if (!thumbnail.well || !wells.insert(*thumbnail.well).second) return std::nullopt;
  }
  std::set<size_t> columns;
  for (const Well& well : wells) columns.insert(well.column);
  const size_t first_row = wells.begin()->row;
  const size_t first_column = *columns.begin();
  Places places;
  places.rows = wells.rbegin()->row - first_row + 1;
  places.columns = *columns.rbegin() - first_column + 1;
  constexpr size_t kSparse = 3;  // a few wells far apart are more readable side by side
  if (places.rows * places.columns > kSparse * wells.size()) return std::nullopt;
  for (const Thumbnail& thumbnail : thumbnails)
    places.at.emplace_back(thumbnail.well->row - first_row, thumbnail.well->column - first_column);
  return places;
}

void draw_thumbnail(Canvas& canvas, const Thumbnail& thumbnail, const Contrast& contrast,
                    const Rectangle& tile) {
  const Extent& size = thumbnail.pixels.extent;
  const int64_t left = tile.x + (tile.width - static_cast<int64_t>(size.x)) / 2;
  const int64_t top = tile.y + (tile.height - static_cast<int64_t>(size.y)) / 2;
  for (uint64_t y = 0; y < size.y; ++y) {
    for (uint64_t x = 0; x < size.x; ++x) {
      const uint8_t grey = contrast.shown(thumbnail.pixels.at(0, y, x));
      Colour pixel{grey, grey, grey};
      if (!thumbnail.outlines.voxels.empty() && is_outline(thumbnail.outlines, y, x))
        pixel = label_colour(thumbnail.outlines.at(0, y, x));
      canvas.set(left + static_cast<int64_t>(x), top + static_cast<int64_t>(y), pixel);
    }
  }
}

}  // namespace

Result<void> read_thumbnail(Thumbnail& thumbnail, const std::string& select, uint64_t size) {
  TRY_ASSIGN(const ImageReader reader, ImageReader::open(thumbnail.path));
  Part part;
  part.in = thumbnail.path;
  part.select = select;
  TRY_ASSIGN(const Box chosen, chosen_box(reader.info(), part));
  TRY_ASSIGN(const Box box, box_to_read(reader.info(), chosen, select, size));
  TRY_ASSIGN(const GreyVolume plane, project_grey(reader, box));
  const Extent small = thumbnail_size(plane.extent, size);
  thumbnail.pixels = shrink_by_mean(plane, small);
  if (thumbnail.labels.empty()) return {};
  TRY_ASSIGN(const ImageReader labels, ImageReader::open(thumbnail.labels));
  TRY_ASSIGN(const LabelVolume outlines, project_labels(labels, chosen.extent()));
  thumbnail.outlines = shrink_by_nearest(outlines, small);
  return {};
}

void sort_thumbnails(std::vector<Thumbnail>& thumbnails) {
  std::stable_sort(thumbnails.begin(), thumbnails.end(), [](const auto& a, const auto& b) {
    if (a.well.has_value() != b.well.has_value()) return a.well.has_value();
    if (a.well && *a.well != *b.well) return *a.well < *b.well;
    if (a.field != b.field) return natural_less(a.field, b.field);
    if (a.name != b.name) return natural_less(a.name, b.name);
    return a.path < b.path;
  });
}

Result<Canvas> draw_montage(const std::vector<Thumbnail>& thumbnails, uint64_t columns) {
  constexpr int64_t kGap = 6;
  const auto plate = columns == 0 ? on_plate(thumbnails) : std::nullopt;
  const Places places = plate ? *plate : in_sequence(thumbnails.size(), columns);
  uint64_t tallest = 1;
  uint64_t widest = 1;
  Contrast contrast;
  for (const Thumbnail& thumbnail : thumbnails) {
    contrast.add(thumbnail.pixels.voxels);
    tallest = std::max(tallest, thumbnail.pixels.extent.y);
    widest = std::max(widest, thumbnail.pixels.extent.x);
  }
  contrast.settle();
  const auto tile_width = static_cast<int64_t>(widest);
  // Captions are large if all of them fit.
  int64_t scale = 2;
  for (const Thumbnail& thumbnail : thumbnails) {
    if (text_width(thumbnail.name, scale) > tile_width) scale = 1;
  }
  const auto tile_height = static_cast<int64_t>(tallest) + 4 + kTextDots * scale;
  const uint64_t width = places.columns * static_cast<uint64_t>(tile_width + kGap) + kGap;
  const uint64_t height = places.rows * static_cast<uint64_t>(tile_height + kGap) + kGap;
  if (width > UINT16_MAX || height > UINT16_MAX || width * height > Canvas::kMaxPixels) {
    return Error(
        std::errc::file_too_large,
        fmt::format("a picture of {} thumbnails would have {} x {} pixels: choose a smaller "
                    "--size, or fewer images",
                    thumbnails.size(), width, height));
  }
  Canvas canvas(static_cast<uint32_t>(width), static_cast<uint32_t>(height), kPaper);
  const auto place = [&](uint64_t row, uint64_t column) {
    return Rectangle{kGap + static_cast<int64_t>(column) * (tile_width + kGap),
                     kGap + static_cast<int64_t>(row) * (tile_height + kGap), tile_width,
                     static_cast<int64_t>(tallest)};
  };
  if (plate) {  // wells without an image
    for (uint64_t row = 0; row < places.rows; ++row) {
      for (uint64_t column = 0; column < places.columns; ++column)
        canvas.fill(place(row, column), kEmptyTile);
    }
  }
  for (size_t i = 0; i < thumbnails.size(); ++i) {
    const Rectangle tile = place(places.at[i].first, places.at[i].second);
    canvas.fill(tile, kPaper);
    draw_thumbnail(canvas, thumbnails[i], contrast, tile);
    canvas.text(tile.x + tile.width / 2, tile.y + tile.height + 4,
                fitted_text(thumbnails[i].name, tile_width, scale), kCaption, scale, Align::centre);
  }
  return canvas;
}

}  // namespace tierhub::imaging
