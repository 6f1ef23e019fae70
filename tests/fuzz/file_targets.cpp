#include <algorithm>
#include <cstring>
#include <map>
#include <stdexcept>

#include <sys/mman.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/unique_fd.h"
#include "compute/workflow/workflow.h"
#include "daemon/config.h"
#include "formats/dataset.h"
#include "formats/file_tree.h"
#include "formats/selection.h"
#include "tests/fuzz/target.h"
#include "tests/unit/formats/samples.h"

namespace tierhub::fuzz {
namespace {

void parse_workflow(std::string_view bytes) {
  const auto workflow = compute::parse_workflow(bytes);
  if (!workflow && !workflow.error().text().starts_with("line "))
    throw std::logic_error("an error without its line: " + workflow.error().text());
}

std::vector<std::string> workflow_seeds() {
  return {R"(workflow: count
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

// A dataset in memory: one file, or the files of a folder.
class MemoryTree : public formats::FileTree {
 public:
  explicit MemoryTree(std::string_view bytes) {
    is_folder_ = bytes.starts_with(".");
    if (!is_folder_) {
      files_[""] = bytes;
      return;
    }
    while (!bytes.empty()) {
      const std::string_view path = take(bytes);
      files_[std::string(path)] = take(bytes);
    }
  }
  bool is_folder() const override { return is_folder_; }
  Result<std::optional<uint64_t>> size_of(const std::string& path) const override {
    const auto it = files_.find(path);
    return it == files_.end() ? std::nullopt : std::optional<uint64_t>(it->second.size());
  }
  Result<size_t> read_at(const std::string& path, std::span<std::byte> buffer,
                         uint64_t offset_bytes) const override {
    const auto it = files_.find(path);
    if (it == files_.end()) return Error(std::errc::no_such_file_or_directory, path);
    if (offset_bytes >= it->second.size()) return size_t{0};
    const size_t size = std::min(buffer.size(), it->second.size() - size_t(offset_bytes));
    std::memcpy(buffer.data(), it->second.data() + offset_bytes, size);
    return size;
  }

 private:
  static std::string_view take(std::string_view& bytes) {
    const size_t end = std::min(bytes.find('\0'), bytes.size());
    const std::string_view part = bytes.substr(0, end);
    bytes.remove_prefix(std::min(end + 1, bytes.size()));
    return part;
  }
  bool is_folder_ = false;
  std::map<std::string, std::string> files_;
};

void open_dataset(std::string_view bytes) {
  const auto dataset = formats::open_dataset(MemoryTree(bytes), "dataset");
  if (!dataset) return;
  if (dataset->levels.empty()) throw std::logic_error("a dataset without a level");
  for (uint64_t level = 0; level < dataset->levels.size(); ++level) {
    const auto volume = formats::whole_volume(*dataset, level);
    if (volume && !formats::check_box(*dataset, *volume))
      throw std::logic_error("a volume that is not in its dataset");
  }
}

std::vector<std::string> dataset_seeds() {
  tierhub::testing::TiffBuilder little, big(true), shaped;
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
  return {little.bytes(), big.bytes(), shaped.bytes(), zarr};
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
const Target kDatasets = {"datasets", open_dataset, dataset_seeds};
const Target kSettings = {"settings", read_settings, settings_seeds};

}  // namespace tierhub::fuzz
