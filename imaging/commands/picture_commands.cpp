#include <memory>
#include <optional>

#include "imaging/commands/common_options.h"
#include "imaging/images/source.h"
#include "imaging/pictures/project.h"

namespace tierhub::imaging {
namespace {

struct ProjectCommand {
  Part part;
  std::string labels;
  std::string out;
};

Result<void> run_project(const ProjectCommand& command) {
  TRY_ASSIGN(ImageReader reader, ImageReader::open(command.part.in));
  TRY_ASSIGN(const Box box, chosen_box(reader.info(), command.part));
  std::optional<ImageReader> labels;
  if (!command.labels.empty()) {
    TRY_ASSIGN(ImageReader opened, ImageReader::open(command.labels));
    labels.emplace(std::move(opened));
  }
  TRY(project(reader, box, labels ? &*labels : nullptr, command.out));
  print_report(command.out, "brightest along z of " + place_text(source_of(reader.info()), box,
                                                                 reader.shape_at(box.level)));
  return {};
}

}  // namespace

void add_picture_commands(Registry& registry) {
  const auto options = std::make_shared<ProjectCommand>();
  Operator op(registry, "project", "Draw the brightest voxels along z, and the outlines of labels",
              "imgop project --in vol.ome.zarr --labels labels.ome.zarr --out picture.png");
  add_input(op, options->part);
  add_select(op, options->part);
  op.add("--labels", options->labels, path_in("labels"),
         "Labels of the same size as the image, OME-Zarr or TIFF");
  op.add("--out", options->out, path_out("picture", {".png"}), "PNG file to write (.png)")
      ->required();
  op.set_run([options] { return run_project(*options); });
}

}  // namespace tierhub::imaging
