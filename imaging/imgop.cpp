// imgop: image operators on whole images and on blocks of them. The subcommands are in commands/.
#include <cstdio>
#include <exception>
#include <new>

#include <fmt/format.h>
#include <malloc.h>

#include "imaging/commands/operator.h"
#include "imaging/voxels/huge_pages.h"

namespace {

enum ExitCode { kDone = 0, kFailed = 1, kUsage = 2 };

int run(const tierhub::imaging::Action& action) {
  try {
    const auto result = action();
    if (result) return kDone;
    fmt::print(stderr, "imgop: {}\n", result.error().text());
  } catch (const std::bad_alloc&) {
    fmt::print(stderr, "imgop: out of memory: work on smaller blocks with --box\n");
  } catch (const std::exception& failure) {
    fmt::print(stderr, "imgop: {}\n", failure.what());
  }
  return kFailed;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace tierhub::imaging;
  keep_freed_memory();
  CLI::App app(
      "Image operators on whole images (OME-Zarr, TIFF and others), and on blocks of them.\n"
      "Blocks are exact: a volume that is cut into blocks, segmented and merged gives the same\n"
      "labels and the same table, bit for bit, as the whole volume at once.\n\n"
      "  imgop synth --nuclei 60 --shape 64,256,256 --seed 7 --out vol.ome.zarr\n"
      "  imgop segment --sigma 2 --in vol.ome.zarr --out labels.ome.zarr --table objects.csv\n"
      "  imgop project --in vol.ome.zarr --labels labels.ome.zarr --out picture.png",
      "imgop");
  app.set_version_flag("--version", TIERHUB_VERSION);
  app.require_subcommand(1);
  app.footer("Exit codes: 0 done, 1 failed, 2 usage. imgop COMMAND --help explains each command.");
  Registry registry{app, {}};
  add_image_commands(registry);
  add_filter_commands(registry);
  add_project(registry);
  add_range_commands(registry);
  add_resize(registry);
  add_math(registry);
  add_illumination_commands(registry);
  add_segment_commands(registry);
  add_object_commands(registry);
  add_expand_commands(registry);
  add_measure_commands(registry);
  add_relate_commands(registry);
  add_picture_commands(registry);
  add_table_commands(registry);
  add_describe(registry);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& failure) {
    return app.exit(failure) == 0 ? kDone : kUsage;
  }
  return run(registry.action);
}
