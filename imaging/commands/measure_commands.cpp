#include <algorithm>
#include <memory>
#include <set>

#include <fmt/format.h>

#include "formats/selection.h"
#include "imaging/commands/common_options.h"
#include "imaging/commands/label_options.h"
#include "imaging/commands/threshold_option.h"
#include "imaging/images/halo.h"
#include "imaging/images/output.h"
#include "imaging/images/scale.h"
#include "imaging/labels/value_range.h"
#include "imaging/measures/whole.h"

namespace tierhub::imaging {
namespace {

struct MeasureCommand {
  std::string labels;
  std::string labels_select;
  Part part;
  std::vector<std::string> with;
  std::vector<std::string> with_select;
  std::vector<std::string> with_range;
  bool shape = false;
  std::string neighbours;
  bool colocalisation = false;
  std::string threshold_1;
  std::string threshold_2;
  std::string table;
  std::string out;
};

Error wrong_use(std::string text) { return Error(std::errc::invalid_argument, std::move(text)); }

// What is measured where.
struct OpenedMeasure {
  LabelSource labels;
  std::vector<ImageReader> images;
  // Of each image: the voxels and the options that its scale follows from.
  std::vector<std::pair<Box, Part>> scaled_by{};
  MeasurePlan plan{};
  LabelRecord record{};

  const formats::ImageInfo& info() const {
    return images.empty() ? labels.info() : images.front().info();
  }
  // Of info(): labels of another level have it as their first one.
  uint64_t level() const { return images.empty() ? 0 : record.box.level; }
};

// The box of labels that are measured without an image.
Result<Box> box_of_labels(const LabelRecord& record, const Part& part) {
  const Box whole = whole_of(record.box, record.shape);
  if (part.box.empty()) {
    TRY_ASSIGN(const formats::Selection selection, formats::parse_selection(part.select));
    return formats::part_of(whole, selection);
  }
  TRY_ASSIGN(const Box box, formats::parse_box(part.box));
  if (whole.contains(box)) return box;
  return wrong_use(
      fmt::format("{} is not in {}", formats::to_words(box), formats::to_words(whole)));
}

Result<void> open_first(const MeasureCommand& command, OpenedMeasure& opened) {
  const LabelRecord& labels = opened.labels.record();
  opened.record = labels;
  if (command.part.in.empty()) {
    TRY_ASSIGN(opened.record.box, box_of_labels(labels, command.part));
  } else {
    TRY_ASSIGN(OpenedPart image, open_unscaled(command.part));
    TRY_ASSIGN(opened.record, record_in(opened.labels, image.reader, image.box));
    opened.record.box = image.box;
    const Box& box = image.box;
    opened.plan.channels.push_back(
        {"", opened.record.source.image, box.level, box.t, box.c, GreyScale()});
    opened.scaled_by.emplace_back(box, command.part);
    opened.images.push_back(std::move(image.reader));
  }
  Box& box = opened.record.box;
  opened.plan.covered = labels.box;
  opened.plan.covered.level = box.level;
  opened.plan.covered.t = box.t;
  opened.plan.covered.c = box.c;
  const Box covered = formats::intersect(box, opened.plan.covered);
  if (covered.empty()) {
    return wrong_use(fmt::format("{} covers {}, and nothing of {}", command.labels,
                                 formats::to_words(opened.plan.covered), formats::to_words(box)));
  }
  box = covered;
  return {};
}

// Another channel: of the same level and time point, if the option does not say so.
Result<void> open_other(const Prefixed& with, const std::string& select, const std::string& range,
                        bool is_block, OpenedMeasure& opened) {
  TRY_ASSIGN(ImageReader reader, ImageReader::open(with.path, allowed_threads().threads()));
  const Box& box = opened.record.box;
  TRY_ASSIGN(formats::Selection selection, formats::parse_selection(select));
  if (selection.z || selection.y || selection.x)
    return wrong_use("--with-select takes level, t and c: the voxels are those of --in");
  if (!selection.levels) selection.levels = {box.level, box.level + 1};
  const uint64_t level = selection.levels->begin;
  if (level < reader.info().levels.size()) {
    const formats::Shape& shape = reader.info().levels[level].shape;
    if (!selection.t && shape.t > 1) selection.t = {box.t, box.t + 1};
    if (!selection.c && shape.c > 1) {
      return wrong_use(fmt::format("{} has {} channels (c 0-{}): say which with --with-select c=0",
                                   with.path, shape.c, shape.c - 1));
    }
  }
  Part part;
  part.in = with.path;
  part.select = formats::to_text(selection);
  part.range = range;
  TRY_ASSIGN(const Box other, chosen_box(reader.info(), part));
  TRY(record_in(opened.labels, reader, other));
  if (is_block && range.empty() && reader.needs_scale()) {
    return wrong_use(
        fmt::format("{} has {} pixels: a box needs their range, --with-range once for each --with",
                    with.path, reader.info().type_name));
  }
  opened.plan.channels.push_back(
      {with.prefix, reader.source().image, other.level, other.t, other.c, GreyScale()});
  opened.scaled_by.emplace_back(other, part);
  opened.images.push_back(std::move(reader));
  return {};
}

Result<void> choose_scales(OpenedMeasure& opened) {
  for (size_t i = 0; i < opened.images.size(); ++i) {
    const auto& [box, part] = opened.scaled_by[i];
    TRY(choose_scale(opened.images[i], box, part));
    opened.plan.channels[i].scale = opened.images[i].source().scale;
  }
  if (!opened.images.empty()) opened.record.source.scale = opened.plan.channels.front().scale;
  return {};
}

Result<uint64_t> threshold_of(const std::string& text, const OpenedMeasure& opened,
                              size_t channel) {
  const ChannelPlan& plan = opened.plan.channels[channel];
  TRY_ASSIGN(const Threshold threshold, read_threshold(text, 0, plan.scale));
  Box box = opened.record.box;
  box.level = plan.level;
  box.c = plan.c;
  TRY(check_threshold_fits(threshold, opened.images[channel].source(), box));
  return threshold.value;
}

Result<OpenedMeasure> open_measure(const MeasureCommand& command, LabelSource labels) {
  OpenedMeasure opened{std::move(labels), {}};
  MeasurePlan& plan = opened.plan;
  TRY(open_first(command, opened));
  plan.labels = image_name(command.labels);
  plan.shape = command.shape;
  plan.is_pair = command.colocalisation;
  for (size_t i = 0; i < command.with.size(); ++i) {
    const std::string select = command.with_select.empty() ? "" : command.with_select[i];
    const std::string range = command.with_range.empty() ? "" : command.with_range[i];
    TRY(open_other(*split_prefix(command.with[i]), select, range, !command.part.box.empty(),
                   opened));
  }
  if (!command.neighbours.empty()) {
    TRY_ASSIGN(plan.neighbours,
               parse_length(command.neighbours, "--neighbours", opened.info(), opened.level()));
  }
  return opened;
}

Result<OpenedMeasure> open_measure(const MeasureCommand& command) {
  TRY_ASSIGN(LabelSource labels,
             LabelSource::open(command.labels, allowed_threads().threads(), command.labels_select));
  return open_measure(command, std::move(labels));
}

Result<OpenedMeasure> foresee_measure(const MeasureCommand& command) {
  TRY_ASSIGN(LabelSource labels,
             foreseen_labels(command.labels, command.part, command.labels_select));
  return open_measure(command, std::move(labels));
}

Result<void> write_measures(const Measures& measures, const std::string& table) {
  TRY(write_output_file(table, measure_table(measures)));
  print_report(table, objects_text(measures.objects.size(), measures.record));
  fmt::print("{} objects\n", measures.objects.size());
  return {};
}

Result<Estimate> estimate_measure(const MeasureCommand& command, const OpenedMeasure& opened) {
  MemoryUse memory(allowed_threads());
  for (size_t i = 0; i < opened.images.size(); ++i) {
    const auto& [box, part] = opened.scaled_by[i];
    TRY(choose_scale(memory, opened.images[i], box, part));
  }
  if (command.part.box.empty()) {
    TRY(measure_whole(memory, opened.labels, opened.images, opened.plan, opened.record,
                      opened.info()));
  } else {
    TRY(measure_boxes(memory, opened.labels, opened.images, opened.plan, opened.record,
                      {opened.record.box}));
  }
  Estimate estimate{memory.peak()};
  estimate.is_guess = opened.labels.is_assumed();
  TRY_ASSIGN(estimate.halo, needed_halo(opened.plan, opened.record));
  return estimate;
}

Result<void> run_measure(const MeasureCommand& command, OpenedMeasure& opened) {
  TRY(choose_scales(opened));
  if (!command.threshold_1.empty()) {
    PairThresholds& thresholds = opened.plan.thresholds.emplace();
    TRY_ASSIGN(thresholds.first, threshold_of(command.threshold_1, opened, 0));
    TRY_ASSIGN(thresholds.second, threshold_of(command.threshold_2, opened, 1));
  }
  if (command.part.box.empty()) {
    TRY_ASSIGN(const Measures measures,
               measure_whole(opened.labels, opened.images, opened.plan, opened.record,
                             opened.info(), command.table, allowed_threads()));
    return write_measures(measures, command.table);
  }
  TRY_ASSIGN(const Halo halo, chosen_halo(command.part));
  TRY_ASSIGN(const Halo needed, needed_halo(opened.plan, opened.record));
  TRY(check_halo(halo, needed));
  TRY_ASSIGN(const BoxMeasures measures, measure_box(opened.labels, opened.images, opened.plan,
                                                     opened.record, allowed_threads()));
  return write_sums(measures, command.out);
}

void check_measure(const MeasureCommand& command) {
  const auto refuse = [](const char* option, const char* why) {
    throw CLI::ValidationError(option, why);
  };
  if (!command.part.box.empty() && command.out.empty())
    refuse("--table", "a box needs --out: imgop merge-measures makes the table of all boxes");
  if (command.part.box.empty() && !command.out.empty())
    refuse("--out", "it is for the sums of a --box: use --table");
  if (!command.with_select.empty() && command.with_select.size() != command.with.size())
    refuse("--with-select", "give it once for each --with, in their order");
  if (!command.with_range.empty() && command.with_range.size() != command.with.size())
    refuse("--with-range", "give it once for each --with, in their order");
  if (command.colocalisation && command.with.empty())
    refuse("--colocalisation", "it compares two channels: give --in and --with");
  std::set<std::string> prefixes;
  for (const std::string& with : command.with)
    if (!prefixes.insert(split_prefix(with)->prefix).second)
      refuse("--with", "each needs a prefix of its own");
}

std::string check_channel(const std::string& text) {
  return split_prefix(text) ? "" : "--with must be IMAGE:PREFIX, such as gfp.tif:gfp_";
}

struct PartOptions {
  CLI::Option* in = nullptr;
  CLI::Option* with = nullptr;
};

// Which labels, and which images.
PartOptions add_measured(Operator& op, MeasureCommand& options) {
  op.add("--labels", options.labels, path_in("labels"),
         "Labels of imgop, or any image of labels: OME-Zarr, TIFF and others")
      ->required();
  op.add("--labels-select", options.labels_select,
         text("select", parsed_by(formats::parse_selection)),
         "Which time point and channel of an image of labels that has several, such as t=3");
  PartOptions added;
  added.in = op.add("--in", options.part.in, path_in("image"),
                    "Image of the same size: its intensities are measured");
  CLI::Option* select = add_select(op, options.part);
  CLI::Option* box = op.add("--box", options.part.box, text("box", parsed_by(formats::parse_box)),
                            "Only the voxels in this box, for imgop merge-measures")
                         ->excludes(select);
  op.add("--halo", options.part.halo, text("halo", parsed_by(formats::parse_halo)),
         "How far beyond the box labels are read, such as z=8,y=16,x=16")
      ->needs(box);
  add_range(op, options.part);
  added.with = op.add("--with", options.with, list_of(text("image:prefix", check_channel)),
                      "IMAGE:PREFIX: another image or channel of the same size; the names of its "
                      "columns begin with the prefix")
                   ->needs(added.in);
  op.add("--with-select", options.with_select,
         list_of(text("select", parsed_by(formats::parse_selection))),
         "Which channel of --with, such as c=2: once for each of them")
      ->needs(added.with);
  op.add("--with-range", options.with_range, list_of(text("range", parsed_by(parse_range))),
         "Of --with in a box, if its voxels are neither uint8 nor uint16: the numbers, LOW:HIGH, "
         "over which grey values are spread; once for each of them")
      ->needs(added.with);
  return added;
}

// What of them.
void add_measurements(Operator& op, MeasureCommand& options, const PartOptions& part) {
  op.add_flag("--shape", options.shape,
              "Perimeter or surface, diameter, axes, eccentricity, orientation, form factor");
  op.add("--neighbours", options.neighbours, text("length"),
         "How many other objects are within this distance, in pixels (10) or micrometres (5um), "
         "and how far the nearest of them is");
  CLI::Option* pair =
      op.add_flag("--colocalisation", options.colocalisation,
                  "How --in and the first --with go together: Pearson's correlation and, with both "
                  "thresholds, Manders' coefficients")
          ->needs(part.with);
  CLI::Option* first =
      op.add("--threshold-1", options.threshold_1, text("threshold", check_threshold),
             "Voxels of --in above it have signal: a number, or @FILE of imgop threshold")
          ->needs(pair);
  CLI::Option* second = op.add("--threshold-2", options.threshold_2,
                               text("threshold", check_threshold), "The same for --with")
                            ->needs(pair);
  first->needs(second);
  second->needs(first);
}

void add_measure(Registry& registry) {
  const auto options = std::make_shared<MeasureCommand>();
  Operator op(registry, "measure",
              "Measure objects: size, position, shape, intensities, neighbours, colocalisation",
              "imgop measure --labels cells.ome.zarr --in scan.ome.zarr --select c=1 --shape "
              "--neighbours 10 --table cells.csv\n"
              "  imgop measure --labels masks.tif --in red.tif --with green.tif:green_ "
              "--colocalisation --table cells.csv");
  op.set_halo({"1 for --shape, and the distance of --neighbours; else none",
               {"shape", "neighbours"},
               Halo{}});
  op.set_types(kGreyTypes);
  const PartOptions part = add_measured(op, *options);
  add_measurements(op, *options, part);
  CLI::Option* table = op.add("--table", options->table, path_out("table", {".csv"}),
                              "CSV file with a row for each object (.csv)");
  CLI::Option* out = op.add("--out", options->out, path_out("sums", {".sums"}),
                            "With --box: what was measured in it (.sums)");
  op.require_one_of({table, out});
  op.command().parse_complete_callback([options] { check_measure(*options); });
  op.set_run([options] { return open_measure(*options); },
             [options] { return foresee_measure(*options); },
             [options](const OpenedMeasure& opened) { return estimate_measure(*options, opened); },
             [options](OpenedMeasure& opened) { return run_measure(*options, opened); });
}

struct MergeMeasuresCommand {
  std::string in;
  std::string select;
  std::string table;
};

Result<void> run_merge_measures(const MergeMeasuresCommand& command) {
  TRY_ASSIGN(const formats::Selection selection, formats::parse_selection(command.select));
  TRY_ASSIGN(std::vector<Sums> parts, open_sums(command.in));
  TRY_ASSIGN(const Measures measures, add_sums(std::move(parts), selection));
  return write_measures(measures, command.table);
}

void add_merge_measures(Registry& registry) {
  const auto options = std::make_shared<MergeMeasuresCommand>();
  Operator op(registry, "merge-measures",
              "Make the table of objects out of what was measured in boxes",
              "imgop merge-measures --in sums --table cells.csv");
  op.add("--in", options->in, path_in("sums"),
         "Folder with the .sums files that imgop measure wrote for each box")
      ->required();
  add_selected_blocks(op, options->select);
  op.add("--table", options->table, path_out("table", {".csv"}),
         "CSV file with a row for each object (.csv)")
      ->required();
  op.set_run([options] { return run_merge_measures(*options); });
}

}  // namespace

void add_measure_commands(Registry& registry) {
  add_measure(registry);
  add_merge_measures(registry);
}

}  // namespace tierhub::imaging
