#include "imaging/commands/common_options.h"

#include <charconv>
#include <cstdlib>
#include <thread>

#include <fmt/format.h>

#include "formats/selection.h"
#include "imaging/images/source.h"

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

void add_part(Operator& op, Part& part) {
  add_input(op, part);
  CLI::Option* select = add_select(op, part);
  CLI::Option* box =
      op.add("--box", part.box, text("box", parsed_by(formats::parse_box)),
             "The voxels to work on, such as level=0,t=0,c=0,z=32:64,y=0:128,x=128:256")
          ->excludes(select);
  op.add("--halo", part.halo, text("halo", parsed_by(formats::parse_halo)),
         "How far beyond the box to read, such as z=8,y=16,x=16")
      ->needs(box);
}

void add_selected_blocks(Operator& op, std::string& select) {
  op.add("--select,--region", select, text("select", parsed_by(formats::parse_selection)),
         "What the blocks tile, if not a whole volume (written as for --select or --box of imgop "
         "segment)");
}

Result<OpenedPart> open_part(const Part& part) {
  TRY_ASSIGN(ImageReader reader, ImageReader::open(part.in, allowed_threads().threads()));
  TRY_ASSIGN(const Box box, chosen_box(reader.info(), part));
  return OpenedPart{std::move(reader), box};
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
