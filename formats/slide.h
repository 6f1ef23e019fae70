// Whole slides that only OpenSlide reads: Hamamatsu (.ndpi, .vms, .vmu), MIRAX (.mrxs), Leica
// (.scn), Ventana (.bif), Sakura (.svslide), Philips and Trestle (.tif), and Aperio's with JPEG
// 2000. Where their bytes are is not known, so a region needs all files of the slide. They are read
// from the local file system, whatever the tree is.
#pragma once

#include <memory>
#include <string>

#include "common/result.h"
#include "formats/image.h"

namespace tierhub::formats {

// True for the names of files that only OpenSlide reads.
bool is_slide_name(const std::string& path);

// Red, green and blue, with the levels of the scanner.
Result<std::unique_ptr<Image>> open_slide(std::shared_ptr<const NotedTree> tree);

}  // namespace tierhub::formats
