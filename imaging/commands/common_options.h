// Options that several subcommands have.
#pragma once

#include <optional>
#include <string>

#include "imaging/commands/operator.h"
#include "imaging/images/memory.h"
#include "imaging/images/part.h"
#include "imaging/images/reader.h"
#include "imaging/voxels/grey_scale.h"
#include "imaging/voxels/parallel.h"

namespace tierhub::imaging {

void add_input(Operator& op, Part& part);
// --select of one image: one level, time point and channel, and ranges of z, y and x.
CLI::Option* add_select(Operator& op, Part& part);
CLI::Option* add_box(Operator& op, Part& part);
// --range of an image whose voxels are neither uint8 nor uint16.
void add_range(Operator& op, Part& part);
void add_range(Operator& op, std::string& range, const char* help);
// --in, --select, --range, and for blocks --box and --halo instead.
void add_part(Operator& op, Part& part);
// --select (or --region) of a command that puts blocks together: what the blocks tile, if it is not
// a whole volume.
void add_selected_blocks(Operator& op, std::string& select);

// The numbers of --range: LOW:HIGH, or @FILE. Nothing if it is empty.
Result<std::optional<ValueRange>> read_range(const std::string& range);

// Spreads the grey values of an image that needs a scale over --range; without it over the numbers
// of `box`, which are then read once more.
Result<void> choose_scale(ImageReader& reader, const Box& box, const Part& part);
Result<void> choose_scale(MemoryUse& memory, const ImageReader& reader, const Box& box,
                          const Part& part);

// The image of --in, with its scale, and the voxels that --select or --box chooses.
struct OpenedPart {
  ImageReader reader;
  Box box;
};
Result<OpenedPart> open_part(const Part& part);
// The same without the scale, for which voxels may have to be read.
Result<OpenedPart> open_unscaled(const Part& part);

// "PATH:PREFIX": a file of which columns are added, and what their names begin with. Nothing if it
// is not written so.
struct Prefixed {
  std::string path;
  std::string prefix;
};
std::optional<Prefixed> split_prefix(const std::string& text);

// As many threads as the workflow gives to the task (TIERHUB_CPUS), else as there are processors.
Parallel allowed_threads();

// Prints "report: NAME: TEXT": the runner puts it into the run's report.
void print_report(const std::string& output, const std::string& text);

}  // namespace tierhub::imaging
