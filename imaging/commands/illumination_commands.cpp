#include <memory>

#include <fmt/format.h>

#include "formats/selection.h"
#include "imaging/commands/filter_options.h"
#include "imaging/commands/label_options.h"
#include "imaging/filters/illumination_file.h"
#include "imaging/images/image_list.h"
#include "imaging/images/output.h"

namespace tierhub::imaging {
namespace {

struct SumCommand {
  std::vector<std::string> in;
  std::string select;
  std::string range;
  std::string out;
};

Result<SummedImages> prepare_sum(const SumCommand& command) {
  SummedImages summed;
  TRY_ASSIGN(summed.images, images_at(command.in));
  summed.select = command.select;
  TRY_ASSIGN(summed.range, read_range(command.range));
  return summed;
}

Result<Estimate> estimate_sum(const SummedImages& summed) {
  MemoryUse memory(allowed_threads());
  TRY(write_illumination_sum(memory, summed));
  return Estimate{memory.peak()};
}

void add_illumination_sum(Registry& registry) {
  const auto options = std::make_shared<SumCommand>();
  Operator op(registry, "illumination-sum",
              "Add images up, pixel by pixel: the first step of an illumination correction",
              "imgop illumination-sum --select c=0 --in A1.tif A2.tif A3.tif --out sum.ome.zarr");
  op.set_types(kGreyTypes);
  op.set_halo(no_halo());
  op.add("--in", options->in, list_of(path_in("image")),
         "Images of one size; or a folder, an OME-Zarr plate or one well of it: all images in it")
      ->required();
  op.add("--select", options->select, text("select", parsed_by(formats::parse_selection)),
         "Which time point and channel of each image, such as c=0");
  add_range(op, options->range,
            "Needed if voxels are neither uint8 nor uint16: the numbers, LOW:HIGH, over which "
            "65,536 grey values are spread, or @FILE from imgop merge-ranges; the same for all "
            "images");
  op.add("--out", options->out, path_out("image", {".zarr"}), "OME-Zarr folder to write (.zarr)")
      ->required();
  op.set_run([options] { return prepare_sum(*options); }, estimate_sum,
             [options](const SummedImages& summed) -> Result<void> {
               TRY_ASSIGN(const uint64_t planes,
                          write_illumination_sum(summed, options->out, allowed_threads()));
               fmt::print("{} plane{}\n", planes, planes == 1 ? "" : "s");
               return {};
             });
}

struct FunctionCommand {
  std::vector<std::string> in;
  IlluminationRule rule;
  std::string out;
};

Result<void> run_function(const FunctionCommand& command) {
  TRY_ASSIGN(const IlluminationResult result,
             write_illumination(command.in, command.rule, command.out, allowed_threads()));
  print_report(command.out,
               fmt::format("light from {:.2f} to {:.2f} of its mean, in {} plane{}; radius {}, "
                           "dark {}",
                           result.least, result.most, result.planes, result.planes == 1 ? "" : "s",
                           command.rule.radius, command.rule.dark));
  return {};
}

void add_illumination(Registry& registry) {
  const auto options = std::make_shared<FunctionCommand>();
  Operator op(registry, "illumination",
              "Compute the illumination function (flat field) of many images from their sums",
              "imgop illumination --radius 50 --in sums --out illumination.ome.zarr");
  op.add("--in", options->in, list_of(path_in("image")),
         "What imgop illumination-sum wrote: folders of sums, or sums")
      ->required();
  op.add("--radius", options->rule.radius, integer(0, 10'000, "pixel"),
         "How much the mean image is smoothed, about as by a Gaussian of this sigma: larger than "
         "the objects");
  op.add("--dark", options->rule.dark, real(-kLargestDark, kLargestDark, "grey value"),
         "What the camera measures without light, in numbers of the images. It is subtracted here "
         "and from the images that are corrected");
  op.add("--out", options->out, path_out("image", {".zarr"}), "OME-Zarr folder to write (.zarr)")
      ->required();
  const auto estimate = [](const FunctionCommand& command) -> Result<Estimate> {
    MemoryUse memory(allowed_threads());
    TRY(write_illumination(memory, command.in));
    return Estimate{memory.peak()};
  };
  op.set_run([options]() -> Result<FunctionCommand> { return *options; }, estimate, run_function);
}

struct CorrectCommand : FilterCommand {
  std::string function;
};

void add_correct_illumination(Registry& registry) {
  const auto options = std::make_shared<CorrectCommand>();
  Operator op(
      registry, "correct-illumination", "Divide an image by its illumination function",
      "imgop correct-illumination --function illumination.ome.zarr --in A1.tif --select c=0 "
      "--out A1.ome.zarr");
  op.set_halo(no_halo());
  add_filter_options(op, *options);
  op.add("--function", options->function, path_in("image"), "What imgop illumination wrote")
      ->required();
  set_filter(op, options, [options](const OpenedPart& opened) -> Result<Filter> {
    const auto& [reader, box] = opened;
    TRY_ASSIGN(Filter filter, illumination_correction(options->function, reader, box.level));
    filter.how = "illumination corrected by " + base_name(options->function);
    return filter;
  });
}

}  // namespace

void add_illumination_commands(Registry& registry) {
  add_illumination_sum(registry);
  add_illumination(registry);
  add_correct_illumination(registry);
}

}  // namespace tierhub::imaging
