// Between which numbers the voxels of a volume lie, found block by block: what grey values of an
// image that is neither uint8 nor uint16 are spread over.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/result.h"
#include "formats/selection.h"
#include "imaging/images/memory.h"
#include "imaging/images/reader.h"

namespace tierhub::imaging {

// Two can be put together if they come from one volume.
struct BoxRange {
  Source source;
  Box box;
  Extent shape;  // of the whole volume
  formats::PixelType type = formats::PixelType::uint16;
  std::optional<ValueRange> range;  // nothing: the box has no finite number
};

// In parts, so that memory does not grow with the box.
Result<BoxRange> compute_range(const ImageReader& reader, const Box& box);
Result<void> compute_range(MemoryUse& memory, const ImageReader& reader, const Box& box);

std::string to_json_text(const BoxRange& range);
Result<BoxRange> range_from_json(std::string_view text, const std::string& path);

// Reads one file, or all *.json of a folder, and puts them together. An error unless they tile what
// is selected of their volume.
Result<BoxRange> read_ranges(const std::string& path, const formats::Selection& selection);

// "LOW:HIGH", finite numbers of which the first is the smaller.
Result<ValueRange> parse_range(std::string_view text);

}  // namespace tierhub::imaging
