#include <charconv>
#include <memory>
#include <optional>

#include <fmt/format.h>

#include "formats/selection.h"
#include "imaging/commands/filter_options.h"
#include "imaging/filters/calculated_image.h"
#include "imaging/images/output.h"

namespace tierhub::imaging {
namespace {

constexpr double kLargestNumber = 1e9;

struct MathCommand : FilterCommand {
  std::string with;
  std::string with_select;
  std::string operation;
  double scale = 1;
  double offset = 0;
};

const std::vector<std::pair<std::string, Operation>> kOperations = {
    {"add", Operation::add},
    {"subtract", Operation::subtract},
    {"difference", Operation::difference},
    {"multiply", Operation::multiply},
    {"divide", Operation::divide},
    {"min", Operation::minimum},
    {"max", Operation::maximum},
    {"average", Operation::average}};

std::vector<std::string> operation_names() {
  std::vector<std::string> names;
  for (const auto& [name, operation] : kOperations) names.push_back(name);
  return names;
}

Operation operation_of(const std::string& wanted) {
  for (const auto& [name, operation] : kOperations) {
    if (name == wanted) return operation;
  }
  return Operation::add;  // refused by the command line
}

std::optional<double> number_in(const std::string& text) {
  double number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// The volume of the other image that --with-select names; its z, y and x are those of --in.
Result<Box> volume_of(const ImageReader& other, const MathCommand& command) {
  TRY_ASSIGN(const auto selection, formats::parse_selection(command.with_select));
  if (selection.z || selection.y || selection.x) {
    return Error(std::errc::invalid_argument,
                 "--with-select names a level, time point and channel: z, y and x are those of "
                 "--select");
  }
  return chosen_box(other.info(), {command.with, command.with_select, {}, {}, {}}, "--with-select");
}

Result<Filter> make_calculation(const MathCommand& command, const OpenedPart& opened) {
  const auto& [reader, box] = opened;
  Formula formula{operation_of(command.operation), command.scale, command.offset};
  if (reader.info().type == formats::PixelType::uint8) formula.most = 255;
  if (const auto number = number_in(command.with)) {
    TRY_ASSIGN(Filter filter, calculation(reader, *number, formula));
    filter.how = command.operation + " " + command.with;
    return filter;
  }
  TRY_ASSIGN(ImageReader other, ImageReader::open(command.with, allowed_threads().threads()));
  TRY_ASSIGN(const Box volume, volume_of(other, command));
  TRY_ASSIGN(
      Filter filter,
      calculation(reader, box, std::make_shared<ImageReader>(std::move(other)), volume, formula));
  filter.how = command.operation + " " + base_name(command.with);
  if (!command.with_select.empty()) filter.how += " (" + command.with_select + ")";
  return filter;
}

void check_number(const std::string& with) {
  const auto number = number_in(with);
  if (number && !(std::abs(*number) <= kLargestNumber))
    throw CLI::ValidationError("--with", "numbers are at most 1e9");
}

}  // namespace

void add_math(Registry& registry) {
  const auto options = std::make_shared<MathCommand>();
  Operator op(registry, "math", "Calculate with two images, or with an image and a number",
              "imgop math --in cells.tif --operation subtract --with 100 --out out.ome.zarr\n"
              "  imgop math --in fura.tif --select c=0 --operation divide --with fura.tif "
              "--with-select c=1 --scale 1000 --out ratio.ome.zarr");
  op.set_halo(no_halo());
  add_filter_options(op, *options);
  op.add("--operation", options->operation, choice(operation_names()),
         "What is done with a voxel of --in and one of --with; difference has no sign")
      ->required();
  op.add("--with", options->with, path_in("image"), "An image of the same size, or a number")
      ->required();
  op.add("--with-select", options->with_select, text("select", parsed_by(formats::parse_selection)),
         "Which level, time point and channel of --with, such as c=1");
  op.add("--scale", options->scale, real(-kLargestNumber, kLargestNumber, "factor"),
         "What the result is multiplied by, before it is rounded");
  op.add("--offset", options->offset, real(-kLargestNumber, kLargestNumber, "grey value"),
         "What is added then");
  op.command().parse_complete_callback([options] { check_number(options->with); });
  set_filter(op, options,
             [options](const OpenedPart& opened) { return make_calculation(*options, opened); });
}

}  // namespace tierhub::imaging
