// Where numbers come from: passed on from the image through histograms, thresholds and labels to
// the line in the report.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/result.h"
#include "formats/image.h"
#include "formats/json.h"
#include "imaging/voxels/grey_scale.h"

namespace tierhub::imaging {

// Adds what grey values stand for as the members "grey_offset" and "grey_step", unless they stand
// for themselves, and reads it again.
void add_scale(formats::Json& json, const GreyScale& scale);
GreyScale scale_from(const formats::Json& json);

// The image itself. Records of earlier versions say nothing about it: it is empty then.
struct Source {
  std::string image;            // its name, as people know it
  std::string well;             // of an OME-Zarr plate: "A1"; else empty
  std::string field;            // of the well: "0"
  uint64_t assumed_planes = 0;  // pages that were taken for planes along z; 0: the file says it
  GreyScale scale;              // what its grey values stand for
};
Source source_of(const formats::ImageInfo& info);
// True if both can be one image; one that says nothing agrees with all.
bool agree(const Source& a, const Source& b);

// The name of the image at `path`: its last part, or all from the plate on ("p.zarr/A/1/0").
std::string image_name(const std::string& path);

// Adds the members "image", "z_assumed_pages" and so on to an object, and reads them again.
void add_source(formats::Json& json, const Source& source);
Source source_from(const formats::Json& json);

// The voxels whose histogram gave a threshold.
struct Otsu {
  std::string image;
  formats::Box box;
  double share = 1;  // of the way from the darkest value to Otsu's threshold
  bool operator==(const Otsu&) const = default;
};
// The same as the members "otsu_image", "otsu_box" and, if it is not 1, "otsu_share".
void add_otsu(formats::Json& json, const std::optional<Otsu>& otsu);
Result<std::optional<Otsu>> otsu_from(const formats::Json& json);

// The number that a grey value stands for.
std::string number_text(const GreyScale& scale, uint64_t grey);

// "fly.ome.zarr, level 0, t 0, c 2, z 0-30", with y and x if `box` does not have all of `shape`,
// and with a word about z if it is assumed.
std::string place_text(const Source& source, const formats::Box& box, const formats::Extent& shape);

// "threshold 117 (Otsu)", in the numbers of the image; where the threshold comes from other voxels
// they are named.
std::string threshold_text(uint64_t threshold, const std::optional<Otsu>& otsu,
                           const Source& source, const formats::Box& box);

// "report: objects.csv: TEXT": the line of an operator's output that the runner puts into the
// report. `output` is a path.
std::string report_line(const std::string& output, std::string_view text);

}  // namespace tierhub::imaging
