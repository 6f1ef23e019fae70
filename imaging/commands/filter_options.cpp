#include "imaging/commands/filter_options.h"

#include "imaging/commands/label_options.h"
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

void set_filter(Operator& op, const std::shared_ptr<const FilterCommand>& command,
                const MakeFilter& make) {
  struct Job {
    OpenedPart opened;
    Filter filter;
  };
  const auto prepare = [command, make]() -> Result<Job> {
    TRY_ASSIGN(OpenedPart opened, open_unscaled(command->part));
    TRY_ASSIGN(Filter filter, make(opened));
    return Job{std::move(opened), std::move(filter)};
  };
  const auto estimate = [command](const Job& job) -> Result<Estimate> {
    const auto& [reader, box] = job.opened;
    const bool is_block = !command->part.box.empty();
    MemoryUse memory(allowed_threads());
    if (!job.filter.change_numbers) TRY(choose_scale(memory, reader, box, command->part));
    TRY(is_block ? filter_box(memory, reader, box, job.filter)
                 : filter_whole(memory, reader, box, job.filter));
    TRY_ASSIGN(const Halo halo, job.filter.halo(reader.shape_at(box.level)));
    return Estimate{memory.peak(), halo};
  };
  const auto run = [command](Job& job) -> Result<void> {
    auto& [reader, box] = job.opened;
    if (!job.filter.change_numbers) TRY(choose_scale(reader, box, command->part));
    if (!command->part.box.empty()) {
      TRY_ASSIGN(const Halo halo, chosen_halo(command->part));
      return filter_box(reader, box, halo, job.filter, command->out, allowed_threads());
    }
    TRY(filter_whole(reader, box, job.filter, command->out, allowed_threads()));
    const std::string place = place_text(reader.source(), box, reader.shape_at(box.level));
    const std::string& how = job.filter.how;
    print_report(command->out, "made from " + place + (how.empty() ? "" : "; " + how));
    return {};
  };
  op.set_run(prepare, estimate, run);
}

}  // namespace tierhub::imaging
