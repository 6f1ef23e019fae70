#include "imaging/commands/filter_options.h"

#include "imaging/commands/label_options.h"
#include "imaging/filters/made_image.h"
#include "imaging/images/source.h"

namespace tierhub::imaging {

void add_image_out(Operator& op, std::string& out) {
  op.add("--out", out, path_out("image", {".zarr"}),
         "OME-Zarr folder to write (.zarr); with --box, blocks write one image together, and imgop "
         "pyramid then adds its smaller levels")
      ->required();
}

void add_filter_options(Operator& op, FilterCommand& command) {
  op.set_types(kGreyTypes);
  add_part(op, command.part);
  add_image_out(op, command.out);
}

Result<void> run_filter(const FilterCommand& command, const OpenedPart& opened,
                        const Filter& filter, const std::string& how) {
  const Parallel parallel = allowed_threads();
  const auto& [reader, box] = opened;
  if (!command.part.box.empty()) {
    TRY_ASSIGN(const Halo halo, chosen_halo(command.part));
    return filter_box(reader, box, halo, filter, command.out, parallel);
  }
  TRY(filter_whole(reader, box, filter, command.out, parallel));
  print_report(command.out, "made from " +
                                place_text(reader.source(), box, reader.shape_at(box.level)) +
                                (how.empty() ? "" : "; " + how));
  return {};
}

void set_filter(Operator& op, const std::shared_ptr<const FilterCommand>& command,
                const std::function<Filter()>& make) {
  op.set_estimate([command, make]() -> Result<Estimate> {
    TRY_ASSIGN(const OpenedPart opened, open_part(command->part));
    const auto& [reader, box] = opened;
    const Filter filter = make();
    const Box part = command->part.box.empty() ? largest_part(box) : box;
    Estimate estimate;
    TRY_ASSIGN(estimate.memory, memory_of_filter(reader, part, filter, allowed_threads()));
    TRY_ASSIGN(estimate.halo, filter.halo(reader.shape_at(box.level)));
    return estimate;
  });
  op.set_run([command, make]() -> Result<void> {
    TRY_ASSIGN(const OpenedPart opened, open_part(command->part));
    return run_filter(*command, opened, make());
  });
}

}  // namespace tierhub::imaging
