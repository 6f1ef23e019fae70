#include <memory>

#include <fmt/format.h>

#include "formats/selection.h"
#include "imaging/commands/common_options.h"
#include "imaging/commands/label_options.h"
#include "imaging/images/output.h"
#include "imaging/labels/value_range.h"

namespace tierhub::imaging {
namespace {

struct RangeCommand {
  Part part;
  std::string out;
};

Result<void> write_range(const BoxRange& range, const std::string& out) {
  TRY(write_output_file(out, to_json_text(range)));
  if (range.range) {
    fmt::print("{:.9g} to {:.9g}\n", range.range->low, range.range->high);
  } else {
    fmt::print("no finite number\n");
  }
  return {};
}

Result<void> run_range(const RangeCommand& command) {
  TRY_ASSIGN(const ImageReader reader,
             ImageReader::open(command.part.in, allowed_threads().threads()));
  TRY_ASSIGN(const Box box, chosen_box(reader.info(), command.part));
  TRY_ASSIGN(const BoxRange range, compute_range(reader, box));
  return write_range(range, command.out);
}

struct MergeRangesCommand {
  std::string in;
  std::string select;
  std::string out;
};

Result<void> run_merge_ranges(const MergeRangesCommand& command) {
  TRY_ASSIGN(const formats::Selection selection, formats::parse_selection(command.select));
  TRY_ASSIGN(const BoxRange range, read_ranges(command.in, selection));
  return write_range(range, command.out);
}

void add_range_out(Operator& op, std::string& out) {
  op.add("--out", out, path_out("json", {".json"}), "JSON file to write (.json)")->required();
}

void add_range(Registry& registry) {
  const auto options = std::make_shared<RangeCommand>();
  Operator op(registry, "range",
              "Find the smallest and the largest number of an image, or of one box of it",
              "imgop range --in float.ome.zarr --box z=0:32,y=0:128,x=0:128 --out ranges/1.json");
  op.set_types(kGreyTypes);
  op.set_halo(no_halo());
  add_input(op, options->part);
  CLI::Option* select = add_select(op, options->part);
  add_box(op, options->part)->excludes(select);
  add_range_out(op, options->out);
  op.set_run([options] { return run_range(*options); });
}

void add_merge_ranges(Registry& registry) {
  const auto options = std::make_shared<MergeRangesCommand>();
  Operator op(registry, "merge-ranges",
              "Put the ranges of all blocks together, for --range of other operators",
              "imgop merge-ranges --in ranges --out range.json");
  op.add("--in", options->in, path_in("json"), "Folder with what imgop range wrote for each block")
      ->required();
  add_selected_blocks(op, options->select);
  add_range_out(op, options->out);
  op.set_run([options] { return run_merge_ranges(*options); });
}

}  // namespace

void add_range_commands(Registry& registry) {
  add_range(registry);
  add_merge_ranges(registry);
}

}  // namespace tierhub::imaging
