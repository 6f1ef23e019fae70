#include "imaging/commands/commands.h"

#include <charconv>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>

#include <fmt/format.h>

#include "common/posix.h"
#include "formats/json.h"
#include "formats/selection.h"
#include "imaging/images/convert.h"
#include "imaging/images/info.h"
#include "imaging/images/output.h"
#include "imaging/images/part.h"
#include "imaging/images/source.h"
#include "imaging/images/synth.h"
#include "imaging/labels/blocks.h"
#include "imaging/labels/histogram.h"
#include "imaging/labels/merge.h"
#include "imaging/labels/segment.h"
#include "imaging/pictures/project.h"
#include "imaging/voxels/otsu.h"
#include "imaging/voxels/smooth.h"

namespace tierhub::imaging {
namespace {

Error usage(std::string text) { return Error(std::errc::invalid_argument, std::move(text)); }

// Turns a parser that returns a Result into a check of the command line: a bad value is a usage
// error.
template <class Parse>
std::function<std::string(const std::string&)> check(Parse parse) {
  return [parse](const std::string& text) {
    const auto value = parse(text);
    return value ? std::string() : value.error().text();
  };
}

void add_input(CLI::App& command, Part& part) {
  command
      .add_option("--in", part.in,
                  "Image: an OME-Zarr folder, a folder with one numbered series, or a file")
      ->required();
}

// --select of one image: one level, time point and channel, and ranges of z, y and x.
CLI::Option* add_select(CLI::App& command, Part& part) {
  return command
      .add_option("--select", part.select,
                  "Which level (default 0), time point and channel, and which range of z, y and x, "
                  "such as level=0,t=0,c=1,z=0:10. t and c are required if the image has several")
      ->check(check(formats::parse_selection));
}

// --in, --select, and for blocks --box and --halo instead.
void add_part(CLI::App& command, Part& part) {
  add_input(command, part);
  CLI::Option* select = add_select(command, part);
  CLI::Option* box =
      command
          .add_option("--box", part.box,
                      "The voxels to work on, such as level=0,t=0,c=0,z=32:64,y=0:128,x=128:256")
          ->check(check(formats::parse_box))
          ->excludes(select);
  command.add_option("--halo", part.halo, "How far beyond the box to read, such as z=8,y=16,x=16")
      ->check(check(formats::parse_halo))
      ->needs(box);
}

// --select (or --region) of a command that puts blocks together: what the blocks tile, if it is not
// a whole volume.
void add_selected_blocks(CLI::App& command, std::string& select) {
  command
      .add_option("--select,--region", select,
                  "What the blocks tile, if not a whole volume (written as for --select or --box "
                  "of imgop segment)")
      ->check(check(formats::parse_selection));
}

std::optional<uint64_t> to_number(std::string_view text) {
  uint64_t value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string check_threshold(const std::string& text) {
  if (to_number(text) || (text.size() > 1 && text[0] == '@')) return {};
  return "--threshold must be a number, or @FILE with a file that imgop threshold wrote";
}

// "1234" or "@threshold.json"; a file must have been made for `sigma`.
Result<Threshold> read_threshold(const std::string& text, double sigma) {
  Threshold threshold;
  if (const auto number = to_number(text)) {
    threshold.value = *number;
    return threshold;
  }
  const std::string path = text.substr(1);
  TRY_ASSIGN(const std::string json, posix::read_file(path));
  TRY_ASSIGN(threshold, threshold_from_json(json, path));
  if (threshold.sigma != sigma) {
    return usage(fmt::format(
        "{} was computed with --sigma {}, not {}: use the same, or give the threshold as a number",
        path, threshold.sigma, sigma));
  }
  return threshold;
}

// The threshold of one channel or level means nothing in another one of the same image.
Result<void> check_threshold_fits(const Threshold& threshold, const Source& source,
                                  const Box& box) {
  if (!threshold.otsu || threshold.otsu->image != source.image) return {};
  const Box& from = threshold.otsu->box;
  if (from.level == box.level && from.c == box.c) return {};
  return usage(
      fmt::format("the threshold was computed for level {}, c {}, not for level {}, c {}: "
                  "compute it there, or give it as a number",
                  from.level, from.c, box.level, box.c));
}

void print_report(const std::string& output, const std::string& text) {
  fmt::print("{}\n", report_line(output, text));
}

template <class Options>
CLI::App* add_command(CLI::App& app, Action& action, const char* name, const char* help,
                      const char* example, const std::shared_ptr<Options>& options,
                      Result<void> (*run)(const Options&)) {
  CLI::App* command = app.add_subcommand(name, help);
  command->footer(std::string("Example:\n  ") + example);
  command->callback([&action, options, run] { action = [options, run] { return run(*options); }; });
  return command;
}

bool is_tiff_name(const std::string& path) {
  const std::string name = CLI::detail::to_lower(base_name(path));
  return name.ends_with(".ome.tif") || name.ends_with(".ome.tiff");
}

struct InfoCommand {
  Part part;
  bool series = false;
  bool json = false;
};

void print_json(const formats::Json& json) {
  fmt::print("{}\n", json.dump(2, ' ', false, formats::Json::error_handler_t::replace));
}

Result<std::unique_ptr<formats::Image>> open_image(const std::string& path, bool series) {
  return series ? formats::Image::open_series_of(path) : formats::Image::open(path);
}

void add_series(CLI::App& command, bool& series) {
  command.add_flag("--series", series,
                   "The file of --in stands for the numbered series that it belongs to");
}

// A folder that is no image stands for the datasets in it.
Result<void> list_datasets(const InfoCommand& command, const Error& why_no_image) {
  const std::string& folder = command.part.in;
  TRY_ASSIGN(const formats::DatasetList list, formats::find_datasets(folder));
  const bool is_damaged_image = list.datasets.size() == 1 && list.datasets.front().path == ".";
  if (is_damaged_image) return why_no_image;
  if (command.json) {
    print_json(datasets_json(list));
  } else {
    fmt::print("{}", datasets_text(list, folder));
  }
  return {};
}

Result<void> run_info(const InfoCommand& command) {
  const auto image = open_image(command.part.in, command.series);
  std::error_code ignored;
  if (!image && std::filesystem::is_directory(command.part.in, ignored))
    return list_datasets(command, image.error());
  if (!image) return image.error();
  if (command.json) {
    print_json(info_json((*image)->info()));
  } else {
    fmt::print("{}", info_text((*image)->info()));
  }
  return {};
}

struct ConvertCommand {
  std::string in;
  bool series = false;
  std::string out;
  std::string version = "0.4";
  std::string shrink = "mean";
};

Result<void> run_convert(const ConvertCommand& command) {
  ConvertOptions options;
  if (command.version == "0.5") options.version = ZarrVersion::ome_0_5;
  if (command.shrink == "nearest") options.shrink = pixels::Shrink::nearest;
  pixels::PixelReader::Options reading;
  reading.shrink = options.shrink;
  TRY_ASSIGN(auto opened, open_image(command.in, command.series));
  TRY_ASSIGN(const auto image, pixels::PixelReader::open(std::move(opened), reading));
  TRY_ASSIGN(const size_t levels, is_tiff_name(command.out)
                                      ? convert_to_tiff(*image, command.out)
                                      : convert_to_zarr(*image, command.out, options));
  fmt::print("{} planes, {} level{}\n", image->info().planes(), levels, levels == 1 ? "" : "s");
  return {};
}

struct SynthCommand {
  SynthOptions options;
  std::vector<uint64_t> shape = {64, 256, 256};
  std::string out;
};

Result<void> run_synth(const SynthCommand& command) {
  SynthOptions options = command.options;
  const std::vector<uint64_t>& shape = command.shape;
  options.shape =
      shape.size() == 3 ? Extent{shape[0], shape[1], shape[2]} : Extent{1, shape[0], shape[1]};
  TRY_ASSIGN(const std::string truth, synthesise(options, command.out));
  fmt::print("{} nuclei; truth in {}\n", options.nuclei, truth);
  return {};
}

struct HistogramCommand {
  Part part;
  double sigma = 2;
  std::string out;
};

Result<void> run_histogram(const HistogramCommand& command) {
  TRY_ASSIGN(ImageReader reader, ImageReader::open(command.part.in));
  TRY_ASSIGN(const Box box, chosen_box(reader.info(), command.part));
  if (!command.part.box.empty()) {
    TRY_ASSIGN(const Halo halo, chosen_halo(command.part));
    TRY(check_halo(halo, command.sigma, reader.shape_at(box.level)));
  }
  TRY_ASSIGN(const Histogram histogram, compute_histogram(reader, box, command.sigma));
  TRY(write_output_file(command.out, to_json_text(histogram)));
  // The histogram of a block is no result.
  if (command.part.box.empty()) {
    print_report(command.out,
                 "histogram of " + place_text(histogram.source, histogram.box, histogram.shape));
  }
  return {};
}

struct ThresholdCommand {
  std::string otsu;
  std::string select;
  std::string out;
};

Result<void> run_threshold(const ThresholdCommand& command) {
  TRY_ASSIGN(const formats::Selection selection, formats::parse_selection(command.select));
  TRY_ASSIGN(const Histogram histogram, read_histograms(command.otsu, selection));
  const Threshold threshold{otsu_threshold(histogram.counts), histogram.sigma, histogram.type, {}};
  TRY(write_output_file(command.out, to_json_text(threshold, histogram)));
  fmt::print("threshold {}\n", threshold.value);
  print_report(command.out,
               fmt::format("threshold {} (Otsu) of {}", threshold.value,
                           place_text(histogram.source, histogram.box, histogram.shape)));
  return {};
}

struct SegmentCommand {
  Part part;
  SegmentOptions options;
  std::string threshold;
  std::string connectivity = "full";
};

Result<void> run_segment(const SegmentCommand& command) {
  SegmentOptions options = command.options;
  TRY_ASSIGN(options.connectivity, parse_connectivity(command.connectivity));
  std::optional<Threshold> threshold;
  if (!command.threshold.empty()) {
    TRY_ASSIGN(threshold, read_threshold(command.threshold, options.sigma));
  }
  TRY_ASSIGN(ImageReader reader, ImageReader::open(command.part.in));
  TRY_ASSIGN(const Box box, chosen_box(reader.info(), command.part));
  std::optional<uint64_t> value;
  if (threshold) {
    TRY(check_threshold_fits(*threshold, source_of(reader.info()), box));
    value = threshold->value;
    options.otsu = threshold->otsu;
  }
  SegmentResult result;
  if (command.part.box.empty()) {
    TRY_ASSIGN(result, segment_whole(reader, box, value, options));
  } else {
    TRY_ASSIGN(const Halo halo, chosen_halo(command.part));
    TRY_ASSIGN(result, segment_box(reader, box, halo, *value, options));
  }
  fmt::print("{} objects brighter than {}\n", result.objects, result.record.threshold);
  // The labels of a block are no result, unless a table is wanted.
  if (command.part.box.empty() || !options.table.empty()) {
    print_report(options.table.empty() ? options.out : options.table,
                 objects_text(result.objects, result.record));
  }
  return {};
}

struct MergeCommand {
  MergeOptions options;
  std::string select;
};

Result<void> run_merge(const MergeCommand& command) {
  MergeOptions options = command.options;
  TRY_ASSIGN(options.selection, formats::parse_selection(command.select));
  TRY_ASSIGN(const MergeResult result, merge_labels(options));
  fmt::print("{} objects from {} blocks\n", result.objects, result.blocks);
  print_report(options.table.empty() ? options.out : options.table,
               objects_text(result.objects, result.record));
  return {};
}

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

// A check that the name of an output ends in `ending`, in whatever case: it decides what is
// written, so nothing else is.
CLI::Validator ends_in(std::string ending, std::string what) {
  const auto check = [ending, what](const std::string& path) -> std::string {
    const std::string name = base_name(path);
    const std::string found = name.substr(name.size() - std::min(name.size(), ending.size()));
    if (name.size() > ending.size() && CLI::detail::to_lower(found) == ending) return {};
    return fmt::format("\"{}\": {}, so its name must end in {}", path, what, ending);
  };
  return {check, ""};
}
CLI::Validator zarr_ending() { return ends_in(".zarr", "this is written as an OME-Zarr folder"); }
CLI::Validator json_ending() { return ends_in(".json", "this is written as JSON"); }
CLI::Validator csv_ending() { return ends_in(".csv", "the table is written as CSV"); }

// --out and --table of a command that finds objects.
void add_outputs(CLI::App& command, std::string& labels, std::string& table) {
  command.add_option("--out", labels, "Labels to write, an OME-Zarr folder (.zarr)")
      ->required()
      ->check(zarr_ending());
  command.add_option("--table", table, "CSV file with a row for each object (.csv)")
      ->check(csv_ending());
}
CLI::Validator png_ending() { return ends_in(".png", "the picture is written as PNG"); }

void add_sigma(CLI::App& command, double& sigma) {
  command.add_option("--sigma", sigma, "Width of the Gaussian in voxels; 0 means no smoothing")
      ->check(CLI::Range(0.0, kMaxSigma))
      ->capture_default_str();
}

}  // namespace

void add_info(CLI::App& app, Action& action) {
  const auto options = std::make_shared<InfoCommand>();
  CLI::App* command = add_command(
      app, action, "info",
      "Describe a dataset (axes, shape, type, levels, channels), or list those of a folder",
      "imgop info --in vol.ome.zarr --json", options, run_info);
  command
      ->add_option("--in", options->part.in,
                   "Image, or a folder: then the datasets in it are listed, one a line")
      ->required();
  add_series(*command, options->series);
  command->add_flag("--json", options->json, "Print JSON");
}

void add_convert(CLI::App& app, Action& action) {
  const auto options = std::make_shared<ConvertCommand>();
  CLI::App* command =
      add_command(app, action, "convert", "Convert an image of any format to OME-Zarr or OME-TIFF",
                  "imgop convert --in scan.mrc --out scan.ome.zarr", options, run_convert);
  command->add_option("--in", options->in, "Image to read")->required();
  add_series(*command, options->series);
  command
      ->add_option(
          "--out", options->out,
          "OME-Zarr folder (.zarr), with smaller levels if the image is large, or OME-TIFF "
          "file (.ome.tif)")
      ->required()
      ->check([](const std::string& path) -> std::string {
        if (is_tiff_name(path)) return {};
        return zarr_ending()(path).empty()
                   ? std::string()
                   : fmt::format("\"{}\": its name must end in .zarr or .ome.tif", path);
      });
  command->add_option("--version", options->version, "Version of OME-Zarr")
      ->check(CLI::IsMember({"0.4", "0.5"}))
      ->capture_default_str();
  command
      ->add_option("--shrink", options->shrink,
                   "How smaller levels are made: mean, or nearest for labels")
      ->check(CLI::IsMember({"mean", "nearest"}))
      ->capture_default_str();
}

void add_synth(CLI::App& app, Action& action) {
  const auto options = std::make_shared<SynthCommand>();
  CLI::App* command = add_command(
      app, action, "synth",
      "Make a volume of nuclei, and write the known truth to NAME.truth.csv next to it",
      "imgop synth --nuclei 60 --shape 64,256,256 --seed 7 --out vol.ome.zarr", options, run_synth);
  command->add_option("--nuclei", options->options.nuclei, "Number of nuclei")
      ->check(CLI::Range(0, 1'000'000))
      ->capture_default_str();
  command->add_option("--shape", options->shape, "z,y,x or y,x in voxels")
      ->delimiter(',')
      ->expected(2, 3)
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  command->add_option("--seed", options->options.seed, "The same seed gives the same volume")
      ->capture_default_str();
  command
      ->add_option("--touching", options->options.touching,
                   "Pairs of touching nuclei, as a share of all nuclei")
      ->check(CLI::Range(0.0, 0.5))
      ->capture_default_str();
  command->add_option("--out", options->out, "OME-Zarr folder to write (.zarr)")
      ->required()
      ->check(zarr_ending());
}

void add_histogram(CLI::App& app, Action& action) {
  const auto options = std::make_shared<HistogramCommand>();
  CLI::App* command = add_command(app, action, "histogram",
                                  "Count the values of the smoothed image, or of one box of it",
                                  "imgop histogram --sigma 2 --in vol.ome.zarr --box "
                                  "z=0:32,y=0:128,x=0:128 --halo z=8,y=16,x=16 --out h/1.json",
                                  options, run_histogram);
  add_part(*command, options->part);
  add_sigma(*command, options->sigma);
  command->add_option("--out", options->out, "JSON file to write (.json)")
      ->required()
      ->check(json_ending());
}

void add_threshold(CLI::App& app, Action& action) {
  const auto options = std::make_shared<ThresholdCommand>();
  CLI::App* command =
      add_command(app, action, "threshold", "Add histograms and find the threshold of their sum",
                  "imgop threshold --otsu h --out threshold.json", options, run_threshold);
  command
      ->add_option("--otsu", options->otsu,
                   "A histogram, or a folder with the histograms of all blocks (*.json)")
      ->required();
  add_selected_blocks(*command, options->select);
  command->add_option("--out", options->out, "JSON file to write (.json)")
      ->required()
      ->check(json_ending());
}

void add_segment(CLI::App& app, Action& action) {
  const auto options = std::make_shared<SegmentCommand>();
  CLI::App* command = add_command(
      app, action, "segment",
      "Smooth, threshold and label an image, or one box of it for merge-labels",
      "imgop segment --sigma 2 --in vol.ome.zarr --out labels.ome.zarr --table objects.csv\n"
      "  imgop segment --sigma 2 --threshold @threshold.json --in vol.ome.zarr --box "
      "z=0:32,y=0:128,x=0:128 "
      "--halo z=8,y=16,x=16 --out labels/1.zarr",
      options, run_segment);
  add_part(*command, options->part);
  add_sigma(*command, options->options.sigma);
  command
      ->add_option("--threshold", options->threshold,
                   "Objects are brighter than this: a number, or @FILE from imgop threshold. "
                   "Needed with --box; "
                   "otherwise Otsu's threshold of the image is the default")
      ->check(check_threshold);
  command
      ->add_option("--connectivity", options->connectivity,
                   "full: voxels join at faces, edges and corners; face: only at faces")
      ->check(CLI::IsMember({"full", "face"}))
      ->capture_default_str();
  add_outputs(*command, options->options.out, options->options.table);
  command->callback([&action, options] {
    if (!options->part.box.empty() && options->threshold.empty()) {
      throw CLI::ValidationError(
          "--box",
          "a box needs --threshold: blocks with different thresholds would not fit together (first "
          "run imgop histogram on all blocks, then imgop threshold)");
    }
    action = [options] { return run_segment(*options); };
  });
}

void add_merge_labels(CLI::App& app, Action& action) {
  const auto options = std::make_shared<MergeCommand>();
  CLI::App* command = add_command(
      app, action, "merge-labels", "Merge the labels of all blocks into labels of the whole volume",
      "imgop merge-labels --in labels --table objects.csv --out labels.ome.zarr", options,
      run_merge);
  command
      ->add_option("--in", options->options.in,
                   "Folder with what imgop segment wrote for each block")
      ->required();
  add_selected_blocks(*command, options->select);
  add_outputs(*command, options->options.out, options->options.table);
}

void add_project(CLI::App& app, Action& action) {
  const auto options = std::make_shared<ProjectCommand>();
  CLI::App* command = add_command(
      app, action, "project", "Draw the brightest voxels along z, and the outlines of labels",
      "imgop project --in vol.ome.zarr --labels labels.ome.zarr --out picture.png", options,
      run_project);
  add_input(*command, options->part);
  add_select(*command, options->part);
  command->add_option("--labels", options->labels,
                      "Labels of the same size as the image, OME-Zarr or TIFF");
  command->add_option("--out", options->out, "PNG file to write (.png)")
      ->required()
      ->check(png_ending());
}

}  // namespace tierhub::imaging
