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

Result<void> run_resize(const ResizeCommand& command) {
  const Parallel parallel = allowed_threads();
  TRY_ASSIGN(ImageReader reader, ImageReader::open(command.part.in, parallel.threads()));
  TRY_ASSIGN(const Box box, chosen_box(reader.info(), command.part));
  if (reader.info().type != formats::PixelType::uint32)
    TRY(choose_scale(reader, box, command.part));
  const Extent shape = reader.shape_at(box.level), cell = command.cell(reader, box.level);
  const Resize how = command.method == "mean" ? Resize::mean : Resize::nearest;
  const bool is_block = !command.part.box.empty();
  TRY_ASSIGN(const MadeImage made,
             resized_image(reader, is_block ? whole_of(box, shape) : box, cell, how, parallel));
  if (is_block) {
    TRY_ASSIGN(const Box part, resized_part(made, box, cell, shape));
    return make_part(made, part, command.out);
  }
  TRY(make_at_once(made, command.out, parallel));
  print_report(command.out, fmt::format("{} of {} x {} x {} voxels (z, y, x) of {}",
                                        command.method == "mean" ? "means" : "the first", cell.z,
                                        cell.y, cell.x, place_text(reader.source(), box, shape)));
  return {};
}

}  // namespace

void add_resize(Registry& registry) {
  const auto options = std::make_shared<ResizeCommand>();
  Operator op(registry, "resize", "Make an image with fewer, larger voxels",
              "imgop resize --factor 4 --in scan.ome.zarr --out small.ome.zarr");
  op.set_halo("0");
  add_part(op, options->part);
  op.set_types(kGreyTypes);
  op.add("--factor", options->factor, choice({"2", "4", "8", "16"}),
         "How many voxels become one in y and x");
  op.add("--factor-z", options->factor_z, choice({"auto", "1", "2", "4", "8", "16"}),
         "The same in z; auto: as many, up to --factor, as leave voxels at most as high as wide");
  op.add("--method", options->method, choice({"mean", "nearest"}),
         "The mean, rounded half up, or the first voxel, for labels");
  add_image_out(op, options->out);
  op.set_run([options] { return run_resize(*options); });
}

}  // namespace tierhub::imaging
