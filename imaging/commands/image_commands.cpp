#include <cstdio>
#include <filesystem>
#include <memory>

#include <fmt/format.h>

#include "formats/json.h"
#include "imaging/commands/common_options.h"
#include "imaging/images/convert.h"
#include "imaging/images/info.h"
#include "imaging/images/output.h"
#include "imaging/images/synth.h"

namespace tierhub::imaging {
namespace {

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

void add_series(Operator& op, bool& series) {
  op.add_flag("--series", series,
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
  options.parallel = allowed_threads();
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

void add_info(Registry& registry) {
  const auto options = std::make_shared<InfoCommand>();
  Operator op(registry, "info",
              "Describe a dataset (axes, shape, type, levels, channels), or list those of a folder",
              "imgop info --in vol.ome.zarr --json");
  op.add("--in", options->part.in, path_in("image"),
         "Image, or a folder: then the datasets in it are listed, one a line")
      ->required();
  add_series(op, options->series);
  op.add_flag("--json", options->json, "Print JSON");
  op.set_run([options] { return run_info(*options); });
}

void add_convert(Registry& registry) {
  const auto options = std::make_shared<ConvertCommand>();
  Operator op(registry, "convert", "Convert an image of any format to OME-Zarr or OME-TIFF",
              "imgop convert --in scan.mrc --out scan.ome.zarr");
  op.set_types("all");
  op.add("--in", options->in, path_in("image"), "Image to read")->required();
  add_series(op, options->series);
  op.add("--out", options->out, path_out("image", {".zarr", ".ome.tif", ".ome.tiff"}),
         "OME-Zarr folder (.zarr), with smaller levels if the image is large, or OME-TIFF file "
         "(.ome.tif)")
      ->required();
  op.add("--version", options->version, choice({"0.4", "0.5"}), "Version of OME-Zarr");
  op.add("--shrink", options->shrink, choice({"mean", "nearest"}),
         "How smaller levels are made: mean, or nearest for labels");
  op.set_run([options] { return run_convert(*options); });
}

void add_synth(Registry& registry) {
  const auto options = std::make_shared<SynthCommand>();
  Operator op(registry, "synth",
              "Make a volume of nuclei, and write the known truth to NAME.truth.csv next to it",
              "imgop synth --nuclei 60 --shape 64,256,256 --seed 7 --out vol.ome.zarr");
  op.add("--nuclei", options->options.nuclei, integer(0, 1'000'000, "objects"), "Number of nuclei");
  op.command()
      .add_option("--shape", options->shape, "z,y,x or y,x in voxels")
      ->delimiter(',')
      ->expected(2, 3)
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  op.add("--seed", options->options.seed, integer(0, ~uint64_t{0} >> 1, ""),
         "The same seed gives the same volume");
  op.add("--touching", options->options.touching, real(0, 0.5, "share"),
         "Pairs of touching nuclei, as a share of all nuclei");
  op.add("--translocation", options->options.translocation, real(0, 1, "share"),
         "Add a channel: a protein of which this share is in the nuclei, the rest around them");
  op.add("--out", options->out, path_out("image", {".zarr"}), "OME-Zarr folder to write (.zarr)")
      ->required();
  op.set_run([options] { return run_synth(*options); });
}

}  // namespace

void add_image_commands(Registry& registry) {
  add_info(registry);
  add_convert(registry);
  add_synth(registry);
}

}  // namespace tierhub::imaging
