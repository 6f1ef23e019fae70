// What a SlideFile asks the process that reads its slide.
#pragma once

#include <string>

#include "formats/messages.h"
#include "formats/slide_file.h"

namespace tierhub::formats {

// open: a SlideInfo. read: level, x, y, width and height; the pixels as text of 4 bytes each.
enum class SlideQuestion : uint8_t { open, read };

// Answers with OpenSlide.
MakeAnswerer slide_answerer(const std::string& path);

// What is read at once has no more pixels.
inline constexpr uint64_t kMaxSlidePixels = uint64_t{1} << 24;

void write_value(ByteWriter& out, const SlideInfo::Level& level);
void write_value(ByteWriter& out, const SlideInfo& info);
// Also false if a level is empty or impossibly large, or if there is none.
bool read_value(ByteReader& in, SlideInfo::Level& level);
bool read_value(ByteReader& in, SlideInfo& info);

}  // namespace tierhub::formats
