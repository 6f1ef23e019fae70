#include <memory>
#include <optional>

#include "imaging/commands/common_options.h"
#include "imaging/commands/label_options.h"
#include "imaging/filters/projected_image.h"
#include "imaging/images/output.h"
#include "imaging/images/source.h"
#include "imaging/pictures/project.h"

namespace tierhub::imaging {
namespace {

struct ProjectCommand {
  Part part;
  std::string method = "max";
  std::string labels;
  std::string out;

  bool is_picture() const { return CLI::detail::to_lower(base_name(out)).ends_with(".png"); }
};

Projection projection_of(const std::string& method) {
  if (method == "max") return Projection::maximum;
  return method == "sum" ? Projection::sum : Projection::mean;
}

std::string projection_text(const std::string& method) {
  return (method == "max" ? "brightest" : method) + " along z of ";
}

// The labels that are outlined, if any.
Result<std::optional<ImageReader>> open_labels(const ProjectCommand& command) {
  if (command.labels.empty()) return std::nullopt;
  TRY_ASSIGN(ImageReader labels, ImageReader::open(command.labels, allowed_threads().threads()));
  return labels;
}

Result<void> draw_projection(const ProjectCommand& command, const OpenedPart& opened) {
  TRY_ASSIGN(const std::optional<ImageReader> labels, open_labels(command));
  return project(opened.reader, opened.box, projection_of(command.method),
                 labels ? &*labels : nullptr, command.out);
}

Result<Estimate> estimate_project(const ProjectCommand& command, const OpenedPart& opened) {
  const auto& [reader, box] = opened;
  const Projection method = projection_of(command.method);
  MemoryUse memory(allowed_threads());
  TRY(choose_scale(memory, reader, box, command.part));
  if (command.is_picture()) {
    TRY_ASSIGN(const std::optional<ImageReader> labels, open_labels(command));
    TRY(project(memory, reader, box, labels ? &*labels : nullptr));
  } else if (command.part.box.empty()) {
    TRY(make_at_once(memory, projected_image(reader, box, method, Parallel())));
  } else {
    const Extent shape = reader.shape_at(box.level);
    TRY_ASSIGN(const Box part, projected_part(box, shape));
    TRY(projected_image(reader, whole_of(box, shape), method, Parallel()).use(memory, {part}));
  }
  return Estimate{memory.peak(), Halo{}};
}

Result<void> run_project(const ProjectCommand& command, OpenedPart& opened) {
  const Parallel parallel = allowed_threads();
  auto& [reader, box] = opened;
  TRY(choose_scale(reader, box, command.part));
  const Extent shape = reader.shape_at(box.level);
  const Projection method = projection_of(command.method);
  if (!command.part.box.empty()) {
    TRY_ASSIGN(const Box part, projected_part(box, shape));
    return make_part(projected_image(reader, whole_of(box, shape), method, parallel), part,
                     command.out);
  }
  if (command.is_picture()) {
    TRY(draw_projection(command, opened));
  } else {
    TRY(make_at_once(projected_image(reader, box, method, parallel), command.out, parallel));
  }
  print_report(command.out,
               projection_text(command.method) + place_text(source_of(reader.info()), box, shape));
  return {};
}

}  // namespace

void add_project(Registry& registry) {
  const auto options = std::make_shared<ProjectCommand>();
  Operator op(registry, "project",
              "Project a volume along z: an image of one plane, or a picture with the outlines of "
              "labels",
              "imgop project --in vol.ome.zarr --out plane.ome.zarr\n"
              "  imgop project --in vol.ome.zarr --labels labels.ome.zarr --out picture.png");
  op.set_types(kGreyTypes);
  op.set_halo(no_halo("0; a block has all planes"));
  add_part(op, options->part);
  op.add("--method", options->method, choice({"max", "sum", "mean"}),
         "The brightest voxel, the sum or the mean, rounded half up. A sum is uint16, or uint32 "
         "if that may be too small; a picture of it looks as that of the mean");
  op.add("--labels", options->labels, path_in("labels"),
         "Labels of the same size as the image, OME-Zarr or TIFF, for the outlines in a picture");
  op.add("--out", options->out, path_out("image", {".zarr", ".png"}),
         "OME-Zarr folder (.zarr), which blocks write together with --box, or PNG file (.png)")
      ->required();
  op.command().parse_complete_callback([options] {
    if (!options->is_picture() && !options->labels.empty())
      throw CLI::ValidationError("--labels", "outlines are drawn into a picture: --out NAME.png");
    if (options->is_picture() && !options->part.box.empty())
      throw CLI::ValidationError("--box", "blocks write an image together: --out NAME.ome.zarr");
  });
  op.set_run([options] { return open_unscaled(options->part); },
             [options](const OpenedPart& opened) { return estimate_project(*options, opened); },
             [options](OpenedPart& opened) { return run_project(*options, opened); });
}

}  // namespace tierhub::imaging
