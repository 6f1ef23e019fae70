// Many images as one picture: thumbnails with names, for a look at a whole plate.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/result.h"
#include "imaging/images/reader.h"
#include "imaging/pictures/canvas.h"
#include "imaging/tables/wells.h"

namespace tierhub::imaging {

// One image, and its place on the plate if that is known.
struct Thumbnail {
  std::string path;
  std::string labels;  // of the same size, for outlines; empty: none
  std::string name;    // what is written below it
  std::optional<Well> well;
  std::string field;
  // Filled by read_thumbnail.
  GreyVolume pixels;
  LabelVolume outlines;
};

// Reads the brightest voxels along z, at most `size` pixels wide and high. `select` chooses level,
// time point, channel and ranges; without a level and ranges the smallest level is read that is
// large enough.
Result<void> read_thumbnail(Thumbnail& thumbnail, const std::string& select, uint64_t size);

// Thumbnails in the order of their wells, fields and names.
void sort_thumbnails(std::vector<Thumbnail>& thumbnails);

// All thumbnails with one contrast, so that they compare. With `columns` of 0 they lie as on the
// plate if each is of a well of its own, else in a shape near a square. An error if the picture would
// be too large.
Result<Canvas> draw_montage(const std::vector<Thumbnail>& thumbnails, uint64_t columns);

}  // namespace tierhub::imaging
