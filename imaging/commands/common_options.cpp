#include "imaging/commands/common_options.h"

#include <charconv>
#include <cstdlib>
#include <thread>

#include <fmt/format.h>

#include "common/posix.h"
#include "formats/selection.h"
#include "imaging/images/source.h"
#include "imaging/labels/value_range.h"

namespace tierhub::imaging {

void add_input(Operator& op, Part& part) {
  op.add("--in", part.in, path_in("image"),
         "Image: an OME-Zarr folder, a folder with one numbered series, or a file")
      ->required();
}

CLI::Option* add_select(Operator& op, Part& part) {
  return op.add("--select", part.select, text("select", parsed_by(formats::parse_selection)),
                "Which level (default 0), time point and channel, and which range of z, y and x, "
                "such as level=0,t=0,c=1,z=0:10. t and c are required if the image has several");
}

void add_range(Operator& op, std::string& range, const char* help) {
  const auto check = [](const std::string& text) -> std::string {
    if (text.size() > 1 && text[0] == '@') return {};
    const auto parsed = parse_range(text);
    return parsed ? std::string() : parsed.error().text();
  };
  op.add("--range", range, text("range", check), help);
}

void add_range(Operator& op, Part& part) {
  add_range(
      op, part.range,
      "Of voxels that are neither uint8 nor uint16: the numbers, LOW:HIGH, over which 65,536 grey "
      "values are spread, or @FILE from imgop merge-ranges. Needed with --box; otherwise the "
      "smallest and the largest number are the default");
}

CLI::Option* add_box(Operator& op, Part& part) {
  return op.add("--box", part.box, text("box", parsed_by(formats::parse_box)),
                "The voxels to work on, such as level=0,t=0,c=0,z=32:64,y=0:128,x=128:256");
}

void add_part(Operator& op, Part& part) {
  add_input(op, part);
  CLI::Option* select = add_select(op, part);
  CLI::Option* box = add_box(op, part)->excludes(select);
  add_range(op, part);
  op.add("--halo", part.halo, text("halo", parsed_by(formats::parse_halo)),
         "How far beyond the box to read, such as z=8,y=16,x=16")
      ->needs(box);
}

void add_selected_blocks(Operator& op, std::string& select) {
  op.add("--select,--region", select, text("select", parsed_by(formats::parse_selection)),
         "What the blocks tile, if not a whole volume (written as for --select or --box of imgop "
         "segment)");
}

namespace {

// Nothing for a block without --range: whoever reads grey values of it gets the error.
Result<std::optional<ValueRange>> chosen_range(const ImageReader& reader, const Box& box,
                                               const Part& part) {
  if (!part.range.empty() || !part.box.empty()) return read_range(part.range);
  TRY_ASSIGN(const BoxRange found, compute_range(reader, box));
  if (found.range) return found.range;
  return Error(std::errc::invalid_argument, part.in + " has no finite number in its voxels");
}

}  // namespace

Result<std::optional<ValueRange>> read_range(const std::string& range) {
  if (range.empty()) return std::nullopt;
  if (!range.starts_with('@')) {
    TRY_ASSIGN(const ValueRange found, parse_range(range));
    return found;
  }
  const std::string path = range.substr(1);
  TRY_ASSIGN(const std::string text, posix::read_file(path));
  TRY_ASSIGN(const BoxRange found, range_from_json(text, path));
  if (found.range) return found.range;
  return Error(std::errc::invalid_argument,
               path + " is of an image that has no finite number in its voxels");
}

Result<void> choose_scale(ImageReader& reader, const Box& box, const Part& part) {
  if (!reader.needs_scale()) return {};
  TRY_ASSIGN(const std::optional<ValueRange> range, chosen_range(reader, box, part));
  if (range) reader.set_scale(scale_of(*range, reader.info().type));
  return {};
}

Result<void> choose_scale(MemoryUse& memory, const ImageReader& reader, const Box& box,
                          const Part& part) {
  if (!reader.needs_scale() || !part.range.empty() || !part.box.empty()) return {};
  return compute_range(memory, reader, box);
}

Result<OpenedPart> open_unscaled(const Part& part) {
  TRY_ASSIGN(ImageReader reader, ImageReader::open(part.in, allowed_threads().threads()));
  TRY_ASSIGN(const Box box, chosen_box(reader.info(), part));
  return OpenedPart{std::move(reader), box};
}

Result<OpenedPart> open_part(const Part& part) {
  TRY_ASSIGN(OpenedPart opened, open_unscaled(part));
  TRY(choose_scale(opened.reader, opened.box, part));
  return opened;
}

std::optional<Prefixed> split_prefix(const std::string& text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == text.size() ||
      text.find('/', colon) != std::string::npos)
    return std::nullopt;
  return Prefixed{text.substr(0, colon), text.substr(colon + 1)};
}

Parallel allowed_threads() {
  const char* given = std::getenv("TIERHUB_CPUS");
  const std::string_view text = given == nullptr ? "" : given;
  size_t threads = 0;
  std::from_chars(text.data(), text.data() + text.size(), threads);
  return Parallel(threads > 0 ? threads : std::thread::hardware_concurrency());
}

void print_report(const std::string& output, const std::string& text) {
  fmt::print("{}\n", report_line(output, text));
}

}  // namespace tierhub::imaging
