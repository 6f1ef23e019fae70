#include <memory>
#include <optional>

#include <fmt/format.h>

#include "formats/selection.h"
#include "imaging/commands/common_options.h"
#include "imaging/commands/label_options.h"
#include "imaging/commands/threshold_option.h"
#include "imaging/images/halo.h"
#include "imaging/images/output.h"
#include "imaging/labels/histogram.h"
#include "imaging/labels/label_image.h"
#include "imaging/labels/nuclei.h"
#include "imaging/labels/parts.h"
#include "imaging/labels/segment.h"
#include "imaging/labels/smoothed.h"

namespace tierhub::imaging {
namespace {

// --sigma, or --diameter, from which it follows.
struct Smoothing {
  double sigma = 2;
  std::string diameter;
};

// What the two mean for `box`.
Result<SegmentOptions> segment_options(const Smoothing& smoothing, const formats::ImageInfo& info,
                                       const Box& box) {
  SegmentOptions options;
  options.sigma = smoothing.sigma;
  if (!smoothing.diameter.empty()) {
    TRY_ASSIGN(const double diameter, parse_diameter(smoothing.diameter, info, box.level));
    options = segment_options(nucleus_rule(diameter, info, box));
  }
  options.parallel = allowed_threads();
  return options;
}

// An image, and how it is smoothed.
struct SmoothingJob {
  OpenedPart opened;
  SegmentOptions options;
};

Result<SmoothingJob> prepare(const Part& part, const Smoothing& smoothing) {
  TRY_ASSIGN(OpenedPart opened, open_unscaled(part));
  TRY_ASSIGN(SegmentOptions options, segment_options(smoothing, opened.reader.info(), opened.box));
  return SmoothingJob{std::move(opened), std::move(options)};
}

struct HistogramCommand {
  Part part;
  Smoothing smoothing;
  std::string out;
};

Result<void> run_histogram(const HistogramCommand& command, SmoothingJob& job) {
  auto& [reader, box] = job.opened;
  const SegmentOptions& options = job.options;
  TRY(choose_scale(reader, box, command.part));
  if (!command.part.box.empty()) {
    TRY_ASSIGN(const Halo halo, chosen_halo(command.part));
    TRY_ASSIGN(const Halo needed, needed_halo({}, options.sigma, reader.shape_at(box.level)));
    TRY(check_halo(halo, needed));
  }
  TRY_ASSIGN(const Histogram histogram,
             compute_histogram(reader, box, options.sigma, options.parallel));
  TRY(write_output_file(command.out, to_json_text(histogram)));
  // The histogram of a block is no result.
  if (command.part.box.empty()) {
    print_report(command.out,
                 "histogram of " + place_text(histogram.source, histogram.box, histogram.shape));
  }
  return {};
}

Result<Estimate> estimate_histogram(const HistogramCommand& command, const SmoothingJob& job) {
  const auto& [reader, box] = job.opened;
  MemoryUse memory(job.options.parallel);
  TRY(choose_scale(memory, reader, box, command.part));
  TRY(compute_histogram(memory, reader, box, job.options.sigma));
  Estimate estimate{memory.peak()};
  TRY_ASSIGN(estimate.halo, needed_halo({}, job.options.sigma, reader.shape_at(box.level)));
  return estimate;
}

struct ThresholdCommand {
  std::string otsu;
  double share = 1;
  std::string select;
  std::string out;
};

Result<void> run_threshold(const ThresholdCommand& command) {
  TRY_ASSIGN(const formats::Selection selection, formats::parse_selection(command.select));
  TRY_ASSIGN(const Histogram histogram, read_histograms(command.otsu, selection));
  const Threshold threshold = otsu_threshold_of(histogram, command.share);
  TRY(write_output_file(command.out, to_json_text(threshold, histogram)));
  fmt::print("threshold {}\n", number_text(threshold.scale, threshold.value));
  print_report(command.out,
               threshold_text(threshold.value, threshold.otsu, histogram.source, histogram.box) +
                   " of " + place_text(histogram.source, histogram.box, histogram.shape));
  return {};
}

struct SegmentCommand {
  Part part;
  Smoothing smoothing;
  std::string threshold;
  std::string high;
  std::string connectivity = "full";
  LabelOutputs outputs;
};

Result<void> run_segment(const SegmentCommand& command, SmoothingJob& job) {
  auto& [reader, box] = job.opened;
  SegmentOptions& options = job.options;
  TRY(choose_scale(reader, box, command.part));
  TRY_ASSIGN(options.connectivity, parse_connectivity(command.connectivity));
  std::optional<Threshold> threshold;
  if (!command.threshold.empty()) {
    TRY_ASSIGN(threshold, read_threshold(command.threshold, options.sigma, reader.source().scale));
    TRY(check_threshold_fits(*threshold, reader.source(), box));
  }
  if (!command.high.empty()) {
    TRY_ASSIGN(const Threshold high,
               read_threshold(command.high, options.sigma, reader.source().scale));
    TRY(check_threshold_fits(high, reader.source(), box));
    options.high = high.value;
  }
  if (command.part.box.empty()) {
    TRY_ASSIGN(const WholeLabels whole,
               segment_whole(reader, box, threshold, options, command.outputs.path()));
    TRY(write_results(whole.labels, command.outputs));
    fmt::print("{} objects brighter than {}\n", whole.labels.count(),
               number_text(reader.source().scale, *whole.labels.record().threshold()));
    return {};
  }
  TRY_ASSIGN(const Halo halo, chosen_halo(command.part));
  TRY_ASSIGN(const LabelBlock block, segment_box(reader, box, halo, *threshold, options));
  TRY(block.write(command.outputs.out, options.parallel));
  fmt::print("{} objects brighter than {}\n", block.objects().sums.size(),
             number_text(reader.source().scale, threshold->value));
  return {};
}

Result<Estimate> estimate_segment(const SegmentCommand& command, const SmoothingJob& job) {
  const auto& [reader, box] = job.opened;
  MemoryUse memory(job.options.parallel);
  TRY(choose_scale(memory, reader, box, command.part));
  if (command.part.box.empty()) {
    TRY(segment_whole(memory, reader, box, job.options));
    TRY_ASSIGN(const std::vector<Box> parts, working_parts(reader.info(), box));
    const bool is_in_memory = parts.size() == 1 && command.high.empty();
    write_label_image(memory, box, is_in_memory ? LabelState::in_memory : LabelState::to_be_read);
  } else {
    TRY(segment_box(memory, reader, box, job.options));
    write_labels(memory, box);
  }
  Estimate estimate{memory.peak()};
  TRY_ASSIGN(estimate.halo, needed_halo(job.options, reader.shape_at(box.level)));
  return estimate;
}

void add_smoothing(Operator& op, Smoothing& smoothing) {
  CLI::Option* sigma = op.add("--sigma", smoothing.sigma, real(0, kMaxSigma, "pixel"),
                              "Width of the Gaussian in voxels; 0 means no smoothing");
  add_diameter(op, smoothing.diameter,
               "Instead of --sigma: what imgop nuclei does for nuclei of this diameter, in pixels "
               "(24) or micrometres (8um)")
      ->excludes(sigma);
}

HaloRule gaussian_halo(const Smoothing& smoothing) {
  return {"the radius of the Gaussian, at which its error is below 0.001: 7 voxels for sigma 2",
          {"sigma", "diameter"},
          needed_halo({}, smoothing.sigma, kLargeVolume).value()};
}

void add_histogram(Registry& registry) {
  const auto options = std::make_shared<HistogramCommand>();
  Operator op(registry, "histogram", "Count the values of the smoothed image, or of one box of it",
              "imgop histogram --sigma 2 --in vol.ome.zarr --box z=0:32,y=0:128,x=0:128 --halo "
              "z=8,y=16,x=16 --out h/1.json");
  op.set_halo(gaussian_halo(options->smoothing));
  op.set_types(kGreyTypes);
  add_part(op, options->part);
  add_smoothing(op, options->smoothing);
  op.add("--out", options->out, path_out("json", {".json"}), "JSON file to write (.json)")
      ->required();
  op.set_run([options] { return prepare(options->part, options->smoothing); },
             [options](const SmoothingJob& job) { return estimate_histogram(*options, job); },
             [options](SmoothingJob& job) { return run_histogram(*options, job); });
}

void add_threshold(Registry& registry) {
  const auto options = std::make_shared<ThresholdCommand>();
  Operator op(registry, "threshold", "Add histograms and find the threshold of their sum",
              "imgop threshold --otsu h --out threshold.json");
  op.add("--otsu", options->otsu, path_in("json"),
         "A histogram, or a folder with the histograms of all blocks (*.json)")
      ->required();
  op.add("--share", options->share, real(0, 2, "share"),
         "The threshold is this share of the way from the darkest value to Otsu's threshold");
  add_selected_blocks(op, options->select);
  op.add("--out", options->out, path_out("json", {".json"}), "JSON file to write (.json)")
      ->required();
  op.set_run([options] { return run_threshold(*options); });
}

void add_segment(Registry& registry) {
  const auto options = std::make_shared<SegmentCommand>();
  Operator op(
      registry, "segment",
      "Smooth, threshold and label an image, or one box of it for merge-labels",
      "imgop segment --sigma 2 --in vol.ome.zarr --out labels.ome.zarr --table objects.csv\n"
      "  imgop segment --sigma 2 --threshold @threshold.json --in vol.ome.zarr --box "
      "z=0:32,y=0:128,x=0:128 --halo z=8,y=16,x=16 --out labels/1.zarr");
  op.set_halo(gaussian_halo(options->smoothing));
  op.set_types(kGreyTypes);
  add_part(op, options->part);
  add_smoothing(op, options->smoothing);
  op.add("--threshold", options->threshold, text("threshold", check_threshold),
         "Objects are brighter than this: a number, or @FILE from imgop threshold. Needed with "
         "--box; otherwise Otsu's threshold of the image is the default");
  op.add("--high", options->high, text("threshold", check_threshold),
         "Keep only objects with a voxel, smoothed, that is brighter than this: a second, higher "
         "threshold (hysteresis). On blocks, imgop merge-labels leaves the others out");
  op.add("--connectivity", options->connectivity, choice({"full", "face"}),
         "full: voxels join at faces, edges and corners; face: only at faces");
  add_label_outputs(op, options->outputs, "objects");
  op.command().parse_complete_callback([options] {
    if (!options->part.box.empty() && options->threshold.empty()) {
      throw CLI::ValidationError(
          "--box",
          "a box needs --threshold: blocks with different thresholds would not fit together (first "
          "run imgop histogram on all blocks, then imgop threshold)");
    }
    check_block_outputs(options->part.box, options->outputs);
  });
  op.set_run([options] { return prepare(options->part, options->smoothing); },
             [options](const SmoothingJob& job) { return estimate_segment(*options, job); },
             [options](SmoothingJob& job) { return run_segment(*options, job); });
}

}  // namespace

void add_segment_commands(Registry& registry) {
  add_histogram(registry);
  add_threshold(registry);
  add_segment(registry);
}

}  // namespace tierhub::imaging
