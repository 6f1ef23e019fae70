// Which files of a folder are one numbered series, by their names alone: "a_t001_z01.tif",
// "a_t001_z02.tif", ...
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "formats/image.h"

namespace tierhub::formats {

// Files whose names differ only in the numbers of their axes. An axis is a word of its own, or
// follows another one: t, time or frame, c, ch, channel or w, and z or slice, in any case, right before
// the number. Behind a longer word there may be a separator: "Channel_0.tif".
struct SeriesFiles {
  std::string pattern;             // "a_t<001-100>_z<01-20>.tif"
  Shape counts;                    // how many numbers there are along t, c and z; 1 of y and x
  std::vector<std::string> names;  // in t, c, z order, z fastest
  std::string missing;             // the first file that the numbers need and that does not exist
  // "ch00", "ch01", ...: what the names say about each step along c; empty if c has one number.
  std::vector<std::string> channels;
};

struct FolderNames {
  std::vector<SeriesFiles> series;  // of at least two files each
  std::vector<std::string> others;  // images, by their ending, that are in none
};

// Hidden files, and files whose ending is not that of an image, are left out.
FolderNames find_series(const std::vector<std::string>& names);

// True if files of this name are images, in formats that are read or refused.
bool has_image_ending(std::string_view name);

}  // namespace tierhub::formats
