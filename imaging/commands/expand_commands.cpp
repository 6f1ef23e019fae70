#include <memory>
#include <optional>

#include <fmt/format.h>

#include "imaging/commands/common_options.h"
#include "imaging/commands/label_options.h"
#include "imaging/commands/threshold_option.h"
#include "imaging/images/halo.h"
#include "imaging/images/scale.h"
#include "imaging/labels/expansion.h"
#include "imaging/labels/label_image.h"

namespace tierhub::imaging {
namespace {

struct ExpandCommand {
  std::string labels;
  Part part;  // of the image that objects are measured in
  std::string distance;
  std::string from;  // of a ring; else empty
  std::string threshold;
  LabelOutputs outputs;
};

// --select says which channel of the image is meant; else --box does.
Result<Box> place_in(const ImageReader& image, const ExpandCommand& command) {
  Part part = command.part;
  if (!part.select.empty()) part.box.clear();
  return chosen_box(image.info(), part);
}

// The voxels of the labels that --box means.
Result<Box> labelled_box(const LabelSource& labels, const std::string& text) {
  TRY_ASSIGN(Box box, formats::parse_box(text));
  const Box& all = labels.record().box;
  box.level = all.level;
  box.t = all.t;
  box.c = all.c;
  if (all.contains(box)) return box;
  return Error(std::errc::invalid_argument,
               fmt::format("{} covers {}, not {}", labels.info().path, formats::to_words(all),
                           formats::to_words(box)));
}

struct ExpandJob {
  LabelSource labels;
  std::optional<ImageReader> reader{};
  Box place{};               // in its image
  std::optional<Box> box{};  // nothing: all labels

  std::optional<MeasuredImage> image() const {
    if (!reader) return std::nullopt;
    return MeasuredImage{*reader, place};
  }
};

Result<ExpandJob> prepare_expand(const ExpandCommand& command, LabelSource labels) {
  ExpandJob job{std::move(labels)};
  if (!command.part.in.empty()) {
    TRY_ASSIGN(job.reader, ImageReader::open(command.part.in, allowed_threads().threads()));
    TRY_ASSIGN(job.place, place_in(*job.reader, command));
  }
  if (!command.part.box.empty()) {
    TRY_ASSIGN(job.box, labelled_box(job.labels, command.part.box));
  }
  return job;
}

Result<ExpandJob> prepare_expand(const ExpandCommand& command) {
  TRY_ASSIGN(LabelSource labels, LabelSource::open(command.labels, allowed_threads().threads()));
  return prepare_expand(command, std::move(labels));
}

Result<ExpandJob> foresee_expand(const ExpandCommand& command) {
  Part image = command.part;
  if (!image.select.empty()) image.box.clear();
  TRY_ASSIGN(LabelSource labels, foreseen_labels(command.labels, image));
  return prepare_expand(command, std::move(labels));
}

Result<ExpansionOptions> expansion_options(const ExpandCommand& command, const ExpandJob& job) {
  // The image knows the size of a voxel if the labels of another program do not.
  const bool use_image = job.reader && job.reader->info().levels[job.place.level].voxel_size_known;
  const formats::ImageInfo& info = use_image ? job.reader->info() : job.labels.info();
  const uint64_t level = use_image ? job.place.level : 0;
  const bool is_ring = !command.from.empty();
  ExpansionOptions options;
  options.parallel = allowed_threads();
  TRY_ASSIGN(options.distance,
             parse_length(command.distance, is_ring ? "--to" : "--distance", info, level));
  if (is_ring) {
    TRY_ASSIGN(options.from, parse_length(command.from, "--from", info, level));
  }
  options.steps = steps_of(info.levels[level].voxel_size, job.labels.record().box.extent());
  return options;
}

Result<std::optional<uint64_t>> threshold_of(const ExpandCommand& command, const ExpandJob& job) {
  if (command.threshold.empty()) return std::nullopt;
  const Source source = job.reader->source();
  TRY_ASSIGN(const Threshold threshold, read_threshold(command.threshold, Sigma(0), source.scale));
  TRY(check_threshold_fits(threshold, source, job.place));
  return threshold.value;
}

Result<Estimate> estimate_expand(const ExpandCommand& command, const ExpandJob& job) {
  TRY_ASSIGN(ExpansionOptions options, expansion_options(command, job));
  if (!command.threshold.empty()) options.threshold = 0;  // any
  MemoryUse memory(options.parallel);
  if (job.reader) TRY(choose_scale(memory, *job.reader, job.place, command.part));
  if (job.box) {
    TRY(expand_box(memory, job.labels, job.image(), *job.box, options));
    write_labels(memory, *job.box);
  } else {
    TRY(expand_whole(memory, job.labels, job.image(), options));
    write_label_image(memory, job.labels.record().box, LabelState::to_be_read);
  }
  Estimate estimate{memory.peak()};
  estimate.is_guess = job.labels.is_assumed();
  TRY_ASSIGN(estimate.halo, needed_halo(options, job.labels));
  return estimate;
}

Result<void> run_expand(const ExpandCommand& command, ExpandJob& job) {
  if (job.reader) TRY(choose_scale(*job.reader, job.place, command.part));
  TRY_ASSIGN(ExpansionOptions options, expansion_options(command, job));
  TRY_ASSIGN(options.threshold, threshold_of(command, job));
  if (job.box) {
    TRY_ASSIGN(const Halo halo, chosen_halo(command.part));
    TRY_ASSIGN(const Halo needed, needed_halo(options, job.labels));
    TRY(check_halo(halo, needed));
    TRY_ASSIGN(const LabelBlock block, expand_box(job.labels, job.image(), *job.box, options));
    return block.write(command.outputs.out, options.parallel);
  }
  TRY_ASSIGN(const WholeLabels whole,
             expand_whole(job.labels, job.image(), options, command.outputs.path()));
  TRY(write_results(whole.labels, command.outputs));
  fmt::print("{} objects\n", whole.labels.count());
  return {};
}

void add_expand_options(Operator& op, const std::shared_ptr<ExpandCommand>& options,
                        const char* name) {
  op.set_types("labels: unsigned up to 32 bits; image: all but complex numbers");
  op.set_halo({"the distance; along z as many voxels as it is in a volume of higher voxels",
               {options->from.empty() ? "distance" : "to"}});
  op.add("--labels", options->labels, path_in("labels"),
         "Labels that imgop wrote, or a label image of another program, of the whole image")
      ->required();
  CLI::Option* image = op.add("--in", options->part.in, path_in("image"),
                              "An image of the same size, whose intensities the table then has");
  add_select(op, options->part)->needs(image);
  add_range(op, options->part);
  CLI::Option* box = op.add(
      "--box", options->part.box, text("box", parsed_by(formats::parse_box)),
      "Only the labels in this box, for imgop merge-labels, such as z=32:64,y=0:128,x=0:128");
  op.add("--halo", options->part.halo, text("halo", parsed_by(formats::parse_halo)),
         "How far beyond the box to read, such as z=8,y=16,x=16")
      ->needs(box);
  add_label_outputs(op, options->outputs, name);
  op.command().parse_complete_callback(
      [options] { check_block_outputs(options->part.box, options->outputs); });
  op.set_run([options] { return prepare_expand(*options); },
             [options] { return foresee_expand(*options); },
             [options](const ExpandJob& job) { return estimate_expand(*options, job); },
             [options](ExpandJob& job) { return run_expand(*options, job); });
}

void add_expand(Registry& registry) {
  const auto options = std::make_shared<ExpandCommand>();
  Operator op(registry, "expand",
              "Expand objects into the background around them: cells around nuclei",
              "imgop expand --distance 12 --labels nuclei.ome.zarr --out cells.ome.zarr\n"
              "  imgop expand --distance 3um --labels nuclei.ome.zarr --in plate.ome.zarr --select "
              "c=1 --threshold 300 --out cells.ome.zarr --table cells.csv");
  op.add(
        "--distance", options->distance, text("length"),
        "How far, in pixels (12) or micrometres (3um). Where two objects meet, each voxel gets the "
        "nearer one; objects keep their numbers")
      ->required();
  add_expand_options(op, options, "cells");
  op.add("--threshold", options->threshold, text("threshold", check_threshold),
         "Take only voxels of --in that are brighter than this: a number, or @FILE from imgop "
         "threshold (of imgop histogram --sigma 0)")
      ->needs("--in");
}

void add_ring(Registry& registry) {
  const auto options = std::make_shared<ExpandCommand>();
  options->from = "0";
  Operator op(registry, "ring",
              "Make rings around objects: the cytoplasm around nuclei, or their background",
              "imgop ring --from 1 --to 6 --labels nuclei.ome.zarr --out rings.ome.zarr\n"
              "  imgop ring --to 2um --labels nuclei.ome.zarr --in plate.ome.zarr --select c=1 "
              "--out rings.ome.zarr --table rings.csv");
  op.add("--from", options->from, text("length"),
         "How far from the objects the rings begin, in pixels (1) or micrometres (0.5um)");
  op.add("--to", options->distance, text("length"),
         "How far from the objects they end. Where two rings meet, each voxel is of the nearer "
         "object; rings have the numbers of their objects")
      ->required();
  add_expand_options(op, options, "rings");
}

}  // namespace

void add_expand_commands(Registry& registry) {
  add_expand(registry);
  add_ring(registry);
}

}  // namespace tierhub::imaging
