// From a user's selection to boxes, and from a box to the bytes that must be read for it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "common/types.h"
#include "formats/box.h"
#include "formats/image.h"

namespace tierhub::formats {

// What is left out is all of it; but `levels` left out is level 0 alone, because levels repeat one
// another. Ranges of z, y and x are in voxels of each selected level.
struct Selection {
  std::optional<AxisRange> levels;
  std::optional<AxisRange> t;
  std::optional<AxisRange> c;
  std::optional<AxisRange> z;
  std::optional<AxisRange> y;
  std::optional<AxisRange> x;
  bool operator==(const Selection&) const = default;
};

// "3" is one index, "0-9" the indices 0 to 9, "2-" all from 2 on, "0:10" half-open (0 to 9). An
// open end becomes kOpenEnd and is cut to the dataset by `boxes_of`.
inline constexpr uint64_t kOpenEnd = uint64_t{1} << 48;
Result<AxisRange> parse_index_range(std::string_view text);

// One key of a selection, as in a workflow's `select:`: key is level, t, c, z, y or x.
Result<void> set_selected(Selection& selection, std::string_view key, std::string_view range);

// A whole selection in one text: "level=0,t=0,c=2,z=0:10". Keys come in any order, each once; every
// range is one that parse_index_range reads, so that the text of a box is a selection too. Empty
// text selects nothing in particular: Selection{}.
Result<Selection> parse_selection(std::string_view text);

// What is selected of `volume`, which is all of one level, time point and channel. An error if the
// selection names another level, time point or channel, or leaves the volume.
Result<Box> part_of(const Box& volume, const Selection& selection);

// The selection of exactly the voxels of `box`.
Selection selection_of(const Box& box);

// "level=0,t=0,c=2,z=0:10": a selection as operators take it with --select, each value as
// `set_selected` reads it. The level is always there; other axes only if they are selected.
std::string to_text(const Selection& selection);
// The same for what `boxes` (at least one) cover of `dataset`: level, t and c are always there, as
// a number, or as a half-open range if there are several; z, y and x where less than the whole axis
// is meant.
std::string selection_text(const ImageInfo& info, const std::vector<Box>& boxes);

// One box for each selected level, time point and channel, in that order. An error names the axis
// that the selection leaves.
Result<std::vector<Box>> boxes_of(const ImageInfo& info, const Selection& selection);

struct NeededFile {
  std::string path;               // relative to the tree
  uint64_t size_bytes = 0;        // of the whole file, now
  std::vector<ByteRange> ranges;  // sorted, disjoint; empty: the whole file
};

// What must be read for the voxels of `boxes`, each grown by `halo`: their chunks, and the metadata
// that says what and where they are. Each file once, sorted by path; chunks that are not stored are
// left out. An error if a box leaves the image, or touches more than Image::kMaxChunks chunks.
Result<std::vector<NeededFile>> needed_files(const Image& image, const std::vector<Box>& boxes,
                                             const Halo& halo = {});

}  // namespace tierhub::formats
