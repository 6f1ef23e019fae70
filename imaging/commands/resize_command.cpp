#include <memory>
#include <optional>

#include <fmt/format.h>

#include "imaging/commands/filter_options.h"
#include "imaging/commands/label_options.h"
#include "imaging/filters/resized_image.h"
#include "imaging/images/source.h"

namespace tierhub::imaging {
namespace {

struct ResizeCommand : FilterCommand {
  std::string factor = "2";
  std::string factor_z = "auto";
  std::string method = "mean";

  Extent cell(const ImageReader& reader, uint64_t level) const {
    std::optional<uint64_t> z;
    if (factor_z != "auto") z = std::stoul(factor_z);
    return cell_of(reader.info(), level, std::stoul(factor), z);
  }
};

// Labels of uint32 are not turned into grey values.
bool has_grey(const ImageReader& reader) {
  return reader.info().type != formats::PixelType::uint32;
}

// The image that is made, and the part of it if --box chooses one.
struct ResizedPart {
  MadeImage made;
  std::optional<Box> part;
};
Result<ResizedPart> make_resized(const ResizeCommand& command, const OpenedPart& opened) {
  const auto& [reader, box] = opened;
  const Extent shape = reader.shape_at(box.level), cell = command.cell(reader, box.level);
  const Resize how = command.method == "mean" ? Resize::mean : Resize::nearest;
  const bool is_block = !command.part.box.empty();
  ResizedPart resized;
  TRY_ASSIGN(resized.made, resized_image(reader, is_block ? whole_of(box, shape) : box, cell, how,
                                         allowed_threads()));
  if (is_block) {
    TRY_ASSIGN(resized.part, resized_part(resized.made, box, cell, shape));
  }
  return resized;
}

Result<Estimate> estimate_resize(const ResizeCommand& command, const OpenedPart& opened) {
  const auto& [reader, box] = opened;
  MemoryUse memory(allowed_threads());
  if (has_grey(reader)) TRY(choose_scale(memory, reader, box, command.part));
  TRY_ASSIGN(const ResizedPart resized, make_resized(command, opened));
  TRY(resized.part ? resized.made.use(memory, {*resized.part})
                   : make_at_once(memory, resized.made));
  return Estimate{memory.peak(), Halo{}};
}

Result<void> run_resize(const ResizeCommand& command, OpenedPart& opened) {
  auto& [reader, box] = opened;
  if (has_grey(reader)) TRY(choose_scale(reader, box, command.part));
  TRY_ASSIGN(const ResizedPart resized, make_resized(command, opened));
  if (resized.part) return make_part(resized.made, *resized.part, command.out);
  TRY(make_at_once(resized.made, command.out, allowed_threads()));
  const Extent cell = command.cell(reader, box.level);
  print_report(command.out,
               fmt::format("{} of {} x {} x {} voxels (z, y, x) of {}",
                           command.method == "mean" ? "means" : "the first", cell.z, cell.y, cell.x,
                           place_text(reader.source(), box, reader.shape_at(box.level))));
  return {};
}

}  // namespace

void add_resize(Registry& registry) {
  const auto options = std::make_shared<ResizeCommand>();
  Operator op(registry, "resize", "Make an image with fewer, larger voxels",
              "imgop resize --factor 4 --in scan.ome.zarr --out small.ome.zarr");
  op.set_halo(no_halo());
  add_part(op, options->part);
  op.set_types(kGreyTypes);
  op.add("--factor", options->factor, choice({"2", "4", "8", "16"}),
         "How many voxels become one in y and x");
  op.add("--factor-z", options->factor_z, choice({"auto", "1", "2", "4", "8", "16"}),
         "The same in z; auto: as many, up to --factor, as leave voxels at most as high as wide");
  op.add("--method", options->method, choice({"mean", "nearest"}),
         "The mean, rounded half up, or the first voxel, for labels");
  add_image_out(op, options->out);
  op.set_run([options] { return open_unscaled(options->part); },
             [options](const OpenedPart& opened) { return estimate_resize(*options, opened); },
             [options](OpenedPart& opened) { return run_resize(*options, opened); });
}

}  // namespace tierhub::imaging
