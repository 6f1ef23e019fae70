// The metadata of an image as an OME-Zarr, of version 0.4 (Zarr 2) or 0.5 (Zarr 3): five axes t, c, z,
// y, x, little-endian chunks of 1 x 1 x 1 x 512 x 512 without a compressor. Pure functions.
// https://ngff.openmicroscopy.org/0.4, https://ngff.openmicroscopy.org/0.5
#pragma once

#include <cstdint>
#include <vector>

#include "formats/json.h"
#include "hub/images/store.h"

namespace tierhub::hub {

enum class ZarrVersion { v2, v3 };

// From where to where a viewer shows a channel.
struct Window {
  double low = 0;  // what there is
  double high = 0;
  double start = 0;  // what is shown
  double end = 0;
};
// All that the type can hold, 0 to 1 for floating point.
Window window_of(formats::PixelType type);

// The levels that Zarr clients see: those whose voxels can be read (planes.h).
uint64_t zarr_levels(const OpenImage& image);

// Of the group of an image: multiscales, omero, image-label. Levels that are means of the one before
// have a translation of half a voxel less half a voxel of level 0, as their centres lie there.
// `windows` has one for each channel.
formats::Json image_attributes(const OpenImage& image, const std::vector<Window>& windows,
                               ZarrVersion version);
// Of the group "labels" of an image.
formats::Json labels_attributes(const OpenImage& image, ZarrVersion version);
// Of a plate or a well, from those of the source.
formats::Json plate_attributes(const formats::Json& ome, ZarrVersion version);

// .zgroup
formats::Json group_v2();
// zarr.json of a group.
formats::Json group_v3(formats::Json attributes);
// .zarray, or zarr.json, of a level that exists.
formats::Json array_of(const OpenImage& image, uint64_t level, ZarrVersion version);
// .zattrs of a level.
formats::Json array_attributes();

}  // namespace tierhub::hub
