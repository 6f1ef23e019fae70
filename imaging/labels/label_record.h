// How labels were made: what blocks must agree in to be put together.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "formats/image.h"
#include "formats/json.h"
#include "imaging/images/reader.h"
#include "imaging/images/source.h"
#include "imaging/voxels/label.h"
#include "imaging/voxels/volume.h"

namespace tierhub::imaging {

// How objects of two blocks are found to be one.
enum class Joining {
  touching,  // they touch, as the connectivity says
  keys,      // they have the same key: both are one piece of one object
  numbers,   // they have the same number, which they keep: some numbers may be missing
  none       // they are finished: labels of a whole, whose objects were joined
};

struct LabelRecord {
  Source source;
  Box box;       // the voxels that the labels cover
  Extent shape;  // of the whole volume
  Joining joining = Joining::touching;
  Connectivity connectivity = Connectivity::full;
  // The arguments that decide about labels, by name: {"sigma": 2, "threshold": 19}.
  formats::Json made_with = formats::Json::object();
  std::optional<Otsu> otsu;  // where the threshold comes from; nothing if it was given as a number
  bool has_z = true;         // a plane of an image without z has labels without z
  // Whether the sums of objects have their intensities; labels may be made without an image.
  bool has_intensities = true;
  formats::VoxelSize voxel_size{};
  std::string voxel_unit;  // empty: not known

  // What keeps the two from being merged: "c 1 instead of c 2"; empty if nothing does.
  std::string difference_from(const LabelRecord& other) const;
  // The grey value of the threshold, if there is one.
  std::optional<uint64_t> threshold() const;
};

// The record of labels of `box` of an image.
LabelRecord record_of(const formats::ImageInfo& info, const Box& box);
// The same with what the grey values stand for that were read.
LabelRecord record_of(const ImageReader& image, const Box& box);

// The attribute "imgop" of a labels folder; the voxel size is in OME's own attributes.
formats::Json to_json(const LabelRecord& record);
// `path` is for errors.
Result<LabelRecord> record_from_json(const formats::Json& json, const std::string& path);

// "273 objects in fly.ome.zarr, level 0, t 0, c 2, z 0-30; threshold 117 (Otsu)".
std::string objects_text(uint64_t objects, const LabelRecord& record);

}  // namespace tierhub::imaging
