#include <algorithm>
#include <memory>
#include <set>
#include <tuple>

#include <fmt/format.h>

#include "formats/selection.h"
#include "imaging/commands/common_options.h"
#include "imaging/commands/label_options.h"
#include "imaging/labels/label_image.h"
#include "imaging/labels/label_source.h"
#include "imaging/labels/nuclei.h"

namespace tierhub::imaging {
namespace {

struct NucleiCommand {
  Part part;
  std::string diameter;
  bool exclude_border = false;
  LabelOutputs outputs;
};

struct NucleiJob {
  OpenedPart opened;
  NucleusRule rule;
};

Result<NucleiJob> prepare_nuclei(const NucleiCommand& command) {
  TRY_ASSIGN(OpenedPart opened, open_unscaled(command.part));
  const formats::ImageInfo& info = opened.reader.info();
  TRY_ASSIGN(const double diameter, parse_diameter(command.diameter, info, opened.box.level));
  NucleusRule rule = nucleus_rule(diameter, info, opened.box);
  rule.pieces.parallel = allowed_threads();
  rule.filter.exclude_border = command.exclude_border;
  return NucleiJob{std::move(opened), std::move(rule)};
}

Result<Estimate> estimate_nuclei(const NucleiCommand& command, const NucleiJob& job) {
  const auto& [reader, box] = job.opened;
  MemoryUse memory(job.rule.pieces.parallel);
  TRY(choose_scale(memory, reader, box, command.part));
  TRY(find_nuclei(memory, reader, box, job.rule));
  write_label_image(memory, box, LabelState::to_be_read);
  return Estimate{memory.peak()};
}

Result<void> run_nuclei(const NucleiCommand& command, NucleiJob& job) {
  auto& [reader, box] = job.opened;
  TRY(choose_scale(reader, box, command.part));
  TRY_ASSIGN(const WholeLabels nuclei, find_nuclei(reader, box, job.rule, command.outputs.path()));
  TRY(write_results(nuclei.labels, command.outputs));
  fmt::print("{} nuclei\n", nuclei.labels.count());
  return {};
}

struct SplitCommand {
  std::string labels;
  Part part;
  std::string diameter;
  double h = 1;
  bool keep_holes = false;
  uint64_t max_extent = PieceOptions().max_extent;
  LabelOutputs outputs;
};

// The labels that were left as they are, for the report.
void print_too_long(const MergedLabels& labels, const Box& box, const SplitCommand& command,
                    const PieceOptions& options) {
  const std::vector<uint32_t> left = too_long(labels, box, options);
  if (left.empty()) return;
  constexpr size_t kNamed = 20;
  std::string names;
  for (size_t i = 0; i < std::min(left.size(), kNamed); ++i) {
    const auto& first = labels.objects()[left[i] - 1].first;
    names += fmt::format("{}z {} y {} x {}", i == 0 ? "" : ", ", first[0], first[1], first[2]);
  }
  print_report(
      command.outputs.path(),
      fmt::format("{} objects longer than {} voxels were not split; they begin at {}{}",
                  left.size(), options.max_extent, names, left.size() > kNamed ? ", ..." : ""));
}

struct SplitJob {
  std::vector<LabelBlock> blocks;  // none: they do not exist yet, and it is estimated only
  Box covered;                     // by the blocks
  ImageReader reader;
  Box box;
  PieceOptions options{};
  ObjectFilter filter{};
};

// What blocks cover together if they tile it, which is checked where they are merged.
Box covered_by(const std::vector<LabelBlock>& blocks) {
  Box all = blocks.front().box();
  for (const LabelBlock& block : blocks) {
    for (const auto axis : {&Box::z, &Box::y, &Box::x}) {
      const formats::AxisRange& own = block.box().*axis;
      all.*axis = {std::min((all.*axis).begin, own.begin), std::max((all.*axis).end, own.end)};
    }
  }
  return all;
}

Result<SplitJob> split_job(const SplitCommand& command, std::vector<LabelBlock> blocks,
                           const Box& covered, ImageReader reader) {
  SplitJob job{std::move(blocks), covered, std::move(reader), covered};
  if (!command.part.box.empty()) {
    TRY_ASSIGN(job.box, chosen_box(job.reader.info(), command.part));
  }
  job.options.h = command.h;
  if (!command.diameter.empty()) {
    const formats::ImageInfo& info = job.reader.info();
    TRY_ASSIGN(const double diameter, parse_diameter(command.diameter, info, job.box.level));
    const NucleusRule rule = nucleus_rule(diameter, info, job.box);
    job.options = rule.pieces;
    job.filter = rule.filter;
  }
  job.options.fill_holes = !command.keep_holes;
  job.options.max_extent = command.max_extent;
  job.options.parallel = allowed_threads();
  return job;
}

Result<SplitJob> prepare_split(const SplitCommand& command) {
  TRY_ASSIGN(std::vector<LabelBlock> blocks, open_label_blocks(command.labels));
  TRY_ASSIGN(ImageReader reader, ImageReader::open(command.part.in, allowed_threads().threads()));
  reader.set_scale(blocks.front().record().source.scale);
  const Box covered = covered_by(blocks);
  return split_job(command, std::move(blocks), covered, std::move(reader));
}

// Labels that do not exist yet cover the image.
Result<SplitJob> foresee_split(const SplitCommand& command) {
  if (exists_now(command.labels)) return prepare_split(command);
  TRY_ASSIGN(ImageReader reader, ImageReader::open(command.part.in, allowed_threads().threads()));
  Box box;
  if (!command.part.box.empty()) {
    TRY_ASSIGN(box, chosen_box(reader.info(), command.part));
  }
  const Box covered = whole_of(box, reader.shape_at(box.level));
  return split_job(command, {}, covered, std::move(reader));
}

// The decoded bytes of the label chunks that objects with a part in `box` touch.
uint64_t read_chunk_bytes(const LabelBlock& block, const Box& box) {
  const Box& own = block.box();
  const Extent size = own.extent();
  formats::Shape chunk = label_chunk(own);
  chunk = {1, 1, std::min(chunk.z, size.z), std::min(chunk.y, size.y), std::min(chunk.x, size.x)};
  const formats::Grid grid{{1, 1, size.z, size.y, size.x}, chunk};
  // An object that goes on in another block begins there next to the box.
  const Box near = formats::grow(box, {1, 1, 1}, block.record().shape);
  std::set<uint64_t> touched;
  for (const ObjectSums& object : block.objects().sums) {
    Box whole = own;
    std::tie(whole.z, whole.y, whole.x) = std::tie(object.z, object.y, object.x);
    if (formats::intersect(whole, near).empty()) continue;
    (void)grid.for_each(relative_to(whole, own), [&](const formats::Shape& at) -> Result<void> {
      touched.insert(grid.index_of(at));
      return {};
    });
  }
  return touched.size() * chunk.voxels() * sizeof(uint32_t);
}

Result<Estimate> estimate_split(const SplitCommand& command, const SplitJob& job) {
  std::vector<ObjectSums> objects;
  uint64_t labels = 0;
  for (const LabelBlock& block : job.blocks) {
    const std::vector<ObjectSums>& own = block.objects().sums;
    objects.insert(objects.end(), own.begin(), own.end());
    labels += read_chunk_bytes(block, job.box);
  }
  uint64_t count = objects.size();
  if (job.blocks.empty()) {
    count = LabelSource::assumed(job.reader.info(), job.covered).totals().objects;
    labels = label_chunk_bytes(job.box);
  }
  MemoryUse memory(job.options.parallel);
  memory.allocate(3 * count * sizeof(ObjectSums));  // in blocks, joined, and of pieces
  memory.keep_block_chunks(labels);
  memory.keep_chunks(job.reader.info(), {job.box});
  memory.read_grey(job.reader, job.box);
  find_pieces(memory, job.box, job.options, objects);
  if (command.part.box.empty()) {
    write_label_image(memory, job.box, LabelState::to_be_read);
  } else {
    write_labels(memory, job.box);
  }
  return Estimate{memory.peak(), Halo{}, job.blocks.empty()};
}

Result<void> run_split(const SplitCommand& command, SplitJob& job) {
  const Box& box = job.box;
  const formats::Selection merged = formats::selection_of(job.covered);
  TRY_ASSIGN(const MergedLabels labels, MergedLabels::merge(std::move(job.blocks), merged, {}));
  if (!labels.record().box.contains(box)) {
    return Error(std::errc::invalid_argument,
                 fmt::format("{} covers {}, not {}", command.labels,
                             formats::to_words(labels.record().box), formats::to_words(box)));
  }
  TRY_ASSIGN(const GreyVolume original, job.reader.read_grey(box));
  TRY_ASSIGN(LabelBlock pieces, find_pieces(labels, original, box, job.options));
  print_too_long(labels, box, command, job.options);
  if (!command.part.box.empty()) return pieces.write(command.outputs.out, job.options.parallel);
  std::vector<LabelBlock> whole;
  whole.push_back(std::move(pieces));
  TRY_ASSIGN(const MergedLabels split,
             MergedLabels::merge(std::move(whole), formats::selection_of(box), job.filter));
  TRY(write_results(split, command.outputs));
  fmt::print("{} objects\n", split.count());
  return {};
}

struct MergeCommand {
  std::string in;
  std::string select;
  ObjectFilter filter;
  bool drop_small = false;
  LabelOutputs outputs;
};

Result<void> run_merge(const MergeCommand& command) {
  TRY_ASSIGN(const formats::Selection selection, formats::parse_selection(command.select));
  TRY_ASSIGN(std::vector<LabelBlock> blocks, open_label_blocks(command.in));
  ObjectFilter filter = command.filter;
  if (command.drop_small) {
    TRY_ASSIGN(filter.min_voxels, smallest_nucleus(blocks.front().record()));
  }
  TRY_ASSIGN(const MergedLabels labels, MergedLabels::merge(std::move(blocks), selection, filter));
  TRY(write_results(labels, command.outputs));
  fmt::print("{} objects from {} blocks\n", labels.count(), labels.block_count());
  return {};
}

void add_nuclei(Registry& registry) {
  const auto options = std::make_shared<NucleiCommand>();
  Operator op(registry, "nuclei",
              "Find nuclei, or other roundish bright objects, of about one diameter",
              "imgop nuclei --diameter 24 --in dapi.tif --out nuclei.ome.zarr --table nuclei.csv\n"
              "  imgop nuclei --diameter 8um --in scan.ome.zarr --select c=0 --into scan.ome.zarr");
  op.set_types(kGreyTypes);
  add_input(op, options->part);
  add_select(op, options->part);
  add_range(op, options->part);
  add_diameter(
      op, options->diameter,
      "The diameter of a typical nucleus, in pixels (24) or micrometres (8um); 20 % more or "
      "less does little harm")
      ->required();
  op.add_flag("--exclude-border", options->exclude_border,
              "Leave out nuclei that touch the border of the image");
  add_label_outputs(op, options->outputs, "nuclei");
  op.set_run([options] { return prepare_nuclei(*options); },
             [options](const NucleiJob& job) { return estimate_nuclei(*options, job); },
             [options](NucleiJob& job) { return run_nuclei(*options, job); });
}

void add_split(Registry& registry) {
  const auto options = std::make_shared<SplitCommand>();
  Operator op(registry, "split",
              "Fill the holes of objects, and split those that touch, all or those of one box",
              "imgop split --diameter 24 --labels labels.ome.zarr --in dapi.tif --out "
              "nuclei.ome.zarr --table nuclei.csv\n"
              "  imgop split --diameter 24 --labels labels.ome.zarr --in vol.ome.zarr --box "
              "z=0:32,y=0:128,x=0:128 --out pieces/1.zarr");
  op.set_halo(no_halo(
      "none: it reads the labels of whole objects, and no voxel of the image outside the box"));
  op.set_types(kGreyTypes);
  op.add("--labels", options->labels, path_in("labels"),
         "Labels that imgop segment or imgop merge-labels wrote")
      ->required();
  op.add("--in", options->part.in, path_in("image"), "The image that the labels were made from")
      ->required();
  op.add("--box", options->part.box, text("box", parsed_by(formats::parse_box)),
         "Only the pieces in this box, for imgop merge-labels");
  CLI::Option* diameter =
      add_diameter(op, options->diameter,
                   "The diameter of a typical object, in pixels (24) or micrometres (8um)");
  op.add(
        "--depth", options->h, real(0, 100, "pixel"),
        "Instead of --diameter: how much thicker than the neck between them both parts must be, in "
        "radius; 0 splits nothing")
      ->excludes(diameter);
  op.add_flag("--keep-holes", options->keep_holes, "Do not fill holes");
  op.add("--max-extent", options->max_extent, integer(1, 65536, "voxel"),
         "An object that is longer is left as it is, and named in the report");
  add_label_outputs(op, options->outputs, "objects");
  op.command().parse_complete_callback(
      [options] { check_block_outputs(options->part.box, options->outputs); });
  op.set_run([options] { return prepare_split(*options); },
             [options] { return foresee_split(*options); },
             [options](const SplitJob& job) { return estimate_split(*options, job); },
             [options](SplitJob& job) { return run_split(*options, job); });
}

void add_merge_labels(Registry& registry) {
  const auto options = std::make_shared<MergeCommand>();
  Operator op(registry, "merge-labels",
              "Merge the labels of all blocks into labels of the whole volume",
              "imgop merge-labels --in labels --table objects.csv --out labels.ome.zarr");
  op.add("--in", options->in, path_in("labels"),
         "Folder with what imgop segment or imgop split wrote for each block")
      ->required();
  add_selected_blocks(op, options->select);
  op.add("--min-size", options->filter.min_voxels, integer(1, uint64_t{1} << 40, "voxel"),
         "Objects of fewer voxels are left out");
  op.add_flag(
      "--drop-small", options->drop_small,
      "Leave out what imgop nuclei leaves out: objects below a tenth of the size that follows "
      "from the --diameter that they were made with");
  op.add("--max-size", options->filter.max_voxels, integer(1, uint64_t{1} << 40, "voxel"),
         "Objects of more voxels are left out");
  op.add_flag("--exclude-border", options->filter.exclude_border,
              "Leave out objects that touch the border of the volume");
  add_label_outputs(op, options->outputs, "objects");
  op.set_run([options] { return run_merge(*options); });
}

}  // namespace

void add_object_commands(Registry& registry) {
  add_nuclei(registry);
  add_split(registry);
  add_merge_labels(registry);
}

}  // namespace tierhub::imaging
