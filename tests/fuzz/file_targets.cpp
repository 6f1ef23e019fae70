#include <algorithm>
#include <cstring>
#include <map>
#include <stdexcept>

#include <sys/mman.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/unique_fd.h"
#include "compute/workflow/job_file.h"
#include "compute/workflow/workflow.h"
#include "daemon/config.h"
#include "formats/image.h"
#include "formats/selection.h"
#include "pixels/reader.h"
#include "tests/fuzz/target.h"
#include "tests/unit/formats/samples.h"
#include "tests/unit/formats/trees.h"
#include "tests/unit/pixels/samples.h"

namespace tierhub::fuzz {
namespace {

void parse_workflow(std::string_view bytes) {
  const auto workflow = compute::parse_workflow(bytes);
  if (!workflow && !workflow.error().text().starts_with("line "))
    throw std::logic_error("an error without its line: " + workflow.error().text());
  const auto reference = compute::read_reference(bytes);
  if (!reference && !compute::to_text(reference.error()).starts_with("line "))
    throw std::logic_error("a complaint without its line");
  if (!workflow) return;
  // Writing down the values that it has changes nothing.
  const compute::ParameterValues values = compute::check_workflow(bytes).values;
  const auto written = compute::with_values(std::string(bytes), values);
  if (written && compute::check_workflow(*written).values != values)
    throw std::logic_error("values that come back as others");
}

std::vector<std::string> workflow_seeds() {
  return {R"(workflow: w
parameters:
  images: {type: dataset, default: [a, "b*"]}
  d: {type: number, default: 24, minimum: 2, maximum: 500, unit: px, description: of a nucleus}
  how: {type: string, default: otsu, enum: [otsu, mean]}
  all: {type: boolean, default: true}
input: {dataset: "{images}"}
steps:
  - {id: a, run: [t, "{d}-{how}", "{all}", "{{"]}
values: {d: 30}
)",
          "workflow: nuclei-files\nvalues: {images: [a, b], d: 3}\n",
          R"(workflow: count
input:
  dataset: scan.ome.zarr
  select: {c: 0, level: 0}
scatter: {by: block, size: {z: 128, y: 512, x: 512}, halo: {z: 8, y: 16, x: 16}}
steps:
  - id: histogram
    run: [imgop, histogram, --in, "{input}", --box, "{box}", --halo, "{halo}"]
    env: {S: "{select}", P: "{output}/{path}/{user}"}
  - id: threshold
    gather: histogram
    run: [imgop, threshold, "{work}/h"]
  - id: segment
    after: threshold
    run: [imgop, segment, "@{work}/t", "{{x}}"]
    resources: {cpus: 1, memory: 4GiB, time: 1h}
    retry: 2
    env: {A: "{run}"}
output: results/{user}/{workflow}/{run}
)",
          "workflow: w\ninput: {dataset: [a, 'b*.tif']}\nsteps: [{id: a, run: [x]}]\noutput: o\n"};
}

// One file; or after ".", the files of a folder: paths and contents, separated by zeros; or after
// "#", paths, each behind a zero, an empty one, and the content that all of these files have.
std::shared_ptr<const formats::FileTree> tree_of(std::string_view bytes) {
  if (!bytes.starts_with(".") && !bytes.starts_with("#")) {
    return std::make_shared<tierhub::test::MemoryTree>(
        "image", std::map<std::string, std::string>{{"image", std::string(bytes)}});
  }
  const auto take = [&bytes] {
    const size_t end = std::min(bytes.find('\0'), bytes.size());
    const std::string_view part = bytes.substr(0, end);
    bytes.remove_prefix(std::min(end + 1, bytes.size()));
    return std::string(part);
  };
  std::map<std::string, std::string> files;
  if (bytes.starts_with("#")) {
    bytes.remove_prefix(1);
    std::vector<std::string> paths;
    for (std::string path = take(); !path.empty(); path = take()) paths.push_back(path);
    for (const std::string& path : paths) files[path] = bytes;
    return std::make_shared<tierhub::test::MemoryTree>("", std::move(files));
  }
  while (!bytes.empty()) {
    const std::string path = take();
    files[path] = take();
  }
  return std::make_shared<tierhub::test::MemoryTree>("", std::move(files));
}

void open_image(std::string_view bytes) {
  const auto image = formats::Image::open(tree_of(bytes));
  if (!image) return;
  const formats::ImageInfo& info = (*image)->info();
  if (info.levels.empty()) throw std::logic_error("an image without a level");
  for (uint64_t level = 0; level < info.levels.size(); ++level) {
    const auto volume = formats::whole_volume(info, level);
    if (volume && !formats::check_region(info, *volume))
      throw std::logic_error("a volume that is not in its image");
    if (!volume) continue;
    const formats::Region whole = formats::whole(info.levels[level].shape, level);
    (void)(*image)->for_each_chunk(*volume, [&](const formats::Chunk& chunk) -> Result<void> {
      if (formats::intersect(chunk.region, whole) != chunk.region || chunk.region.empty())
        throw std::logic_error("a chunk that is not in its image");
      return {};
    });
  }
}

// A few voxels of each corner: whatever the file says, memory is bounded.
void read_pixels(std::string_view bytes) {
  auto image = formats::Image::open(tree_of(bytes));
  if (!image || (*image)->info().not_decodable) return;
  const auto reader = pixels::PixelReader::open(*std::move(image), {1, 1 << 20});
  if (!reader) throw std::logic_error("an image that can be decoded is not opened");
  const formats::ImageInfo& info = (*reader)->info();
  for (uint64_t level = 0; level < info.levels.size(); ++level) {
    const formats::Shape& shape = info.levels[level].shape;
    const auto first = [](uint64_t size) {
      return formats::AxisRange{0, std::min<uint64_t>(size, 3)};
    };
    const auto last = [](uint64_t size) {
      return formats::AxisRange{size - std::min<uint64_t>(size, 3), size};
    };
    for (const formats::Region& region :
         {formats::Region{level, first(shape.t), first(shape.c), first(shape.z), first(shape.y),
                          first(shape.x)},
          formats::Region{level, last(shape.t), last(shape.c), last(shape.z), last(shape.y),
                          last(shape.x)}}) {
      // A chunk may be large by right; here there is no time for it.
      constexpr uint64_t kMostVoxels = 1 << 24;
      bool small = true;
      const auto looked = (*reader)->image().for_each_chunk(
          region, [&](const formats::Chunk& chunk) -> Result<void> {
            small = small && chunk.stored.voxels() < kMostVoxels;
            return {};
          });
      if (!looked || !small) continue;
      std::vector<std::byte> voxels(region.shape().voxels() * formats::bytes_of(info.type));
      (void)(*reader)->read(region, info.type, voxels);
    }
  }
}

// Files of one content that are a series.
std::string series_seed(const std::string& content) {
  std::string seed = "#";
  for (const char* name : {"a_t1_z1.tif", "a_t1_z2.tif", "a_t2_z1.tif", "a_t2_z2.tif", "x.txt"})
    seed += name + std::string(1, '\0');
  return seed + '\0' + content;
}

std::vector<std::string> pixel_seeds() {
  std::vector<std::string> seeds;
  for (const tierhub::test::Sample& sample : tierhub::test::all_samples()) {
    if (!sample.file.empty() && sample.files.size() == 1) {
      const std::string& bytes = sample.files.begin()->second;
      if (bytes.size() < 20'000) seeds.push_back(bytes);
    }
  }
  tierhub::test::TiffBuilder page;
  page.add_page(8, 4, 16);
  seeds.push_back(series_seed(page.bytes()));
  return seeds;
}

std::vector<std::string> dataset_seeds() {
  tierhub::test::TiffBuilder little, big(true), shaped;
  little.add_page(8, 4, 16, {{270, 2, {}, "ImageJ=1\nimages=2\nslices=2\nunit=um\n"}});
  little.add_page(8, 4, 16);
  shaped.add_page(8, 4, 16, {{270, 2, {}, R"({"shape": [2, 4, 8], "axes": "CYX"})"}});
  shaped.add_page(8, 4, 16);
  big.add_page(8, 4, 8, {{258, 3, {8, 8, 8}, {}}, {277, 3, {3}, {}}});
  const std::string array =
      R"({"zarr_format":2,"shape":[1,1,4,8,8],"chunks":[1,1,2,4,4],"dtype":"<u2",)"
      R"("compressor":{"id":"blosc","cname":"lz4","clevel":5,"shuffle":1},"fill_value":0,)"
      R"("filters":null,"order":"C","dimension_separator":"/"})";
  const std::string image =
      R"({"multiscales":[{"version":"0.4","axes":[{"name":"t"},{"name":"c"},{"name":"z"},)"
      R"({"name":"y"},{"name":"x"}],"datasets":[{"path":"0","coordinateTransformations":)"
      R"([{"type":"scale","scale":[1,1,0.5,0.1,0.1]}]}]}]})";
  std::string zarr;
  const std::pair<std::string, std::string> files[] = {
      {".zattrs", image}, {".zgroup", R"({"zarr_format":2})"}, {"0/.zarray", array}};
  for (const auto& [path, content] : files) zarr += path + '\0' + content + '\0';
  return {little.bytes(), big.bytes(), shaped.bytes(), zarr, series_seed(little.bytes())};
}

void read_settings(std::string_view bytes) {
  const UniqueFd file(::memfd_create("settings", MFD_CLOEXEC));
  if (::write(file.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()))
    throw std::runtime_error("the test cannot write its settings");
  Config config;
  const auto read = config.read_file(fmt::format("/proc/self/fd/{}", file.get()));
  if (!read && read.error().text().empty()) throw std::logic_error("an error without a text");
}

std::vector<std::string> settings_seeds() {
  return {"archive: /a\nscratch: /s\nmount: /m\ncapacity: 1TiB\nreserve: 10GiB\n",
          "settle_s: 2.5\npassthrough: false\nlog_level: debug\nhigh_percent: 95\n"};
}

}  // namespace

const Target kWorkflows = {"workflows", parse_workflow, workflow_seeds};
const Target kPixels = {"pixels", read_pixels, pixel_seeds};
const Target kDatasets = {"datasets", open_image, dataset_seeds};
const Target kSettings = {"settings", read_settings, settings_seeds};

}  // namespace tierhub::fuzz
