// A labels folder: an OME-Zarr image with the labels of one box, what they were made with
// (attribute "imgop"), and the integer sums of its objects (objects.txt). Blocks are such folders,
// and so are finished results.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/result.h"
#include "formats/image.h"
#include "imaging/images/reader.h"
#include "imaging/images/source.h"
#include "imaging/images/writer.h"
#include "imaging/voxels/label.h"
#include "imaging/voxels/objects.h"

namespace tierhub::imaging {

// How labels were made. Blocks can be merged only if all but the box is equal.
struct LabelRecord {
  Source source;
  Box box;       // the voxels that the labels cover
  Extent shape;  // of the whole volume
  double sigma = 0;
  uint64_t threshold = 0;
  std::optional<Otsu> otsu;  // nothing if the threshold was given as a number
  Connectivity connectivity = Connectivity::full;
  Dimensions dimensions = Dimensions::zyx;
  formats::VoxelSize voxel_size{};
  // What keeps the two from being merged: "c 1 instead of c 2"; empty if nothing does.
  std::string difference_from(const LabelRecord& other) const;
};

using LabelWriter = ZarrWriter<uint32_t>;

// Starts a labels folder; voxel coordinates of its chunks count from the begin of the record's box.
Result<LabelWriter> create_label_folder(const std::string& path, const LabelRecord& record,
                                        const std::vector<ObjectSums>& objects);

// An existing labels folder.
struct LabelFolder {
  static Result<LabelFolder> open(const std::string& path);

  // The labels of a box in coordinates of the whole volume, inside record.box. One thread at a
  // time.
  Result<LabelVolume> read(const Box& box);

  std::string path;
  LabelRecord record;
  std::vector<ObjectSums> objects;
  ImageReader reader;
};

// "273 objects in fly.ome.zarr, level 0, t 0, c 2, z 0-30; threshold 117 (Otsu)".
std::string objects_text(uint64_t objects, const LabelRecord& record);

// True if the folder was written by create_label_folder.
bool is_label_folder(const std::string& path);

}  // namespace tierhub::imaging
