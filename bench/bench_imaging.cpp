// bench_imaging WORK IMAGE...: what `imgop segment` costs in blocks, over the whole image at once, and what a second
// thread brings. Processor time and wall time of all steps (read, smooth, Otsu, label, measure, write), in this process;
// in turns, medians.
#include <ctime>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "bench/measure.h"
#include "formats/selection.h"
#include "imaging/images/output.h"
#include "imaging/labels/label_image.h"
#include "imaging/labels/segment.h"
#include "imaging/labels/smoothed.h"
#include "imaging/voxels/huge_pages.h"

namespace tierhub::bench {
namespace {

using namespace imaging;

constexpr int kRounds = 7;
constexpr double kSigma = 2;
constexpr formats::Extent kBlock{128, 256, 256};

template <class T>
T must(Result<T> result) {
  if (!result) fail(result.error().text());
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

double processor_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

struct Cost {
  std::vector<double> wall, processor;

  void time(const std::function<void()>& work) {
    const double begin = processor_seconds();
    const Stopwatch watch;
    work();
    wall.push_back(watch.seconds());
    processor.push_back(processor_seconds() - begin);
  }
};

SegmentOptions options_with(size_t threads) {
  SegmentOptions options;
  options.sigma = kSigma;
  options.parallel = Parallel(threads);
  return options;
}

void at_once(const std::string& image, const std::string& work, size_t threads) {
  const ImageReader reader = must(ImageReader::open(image, threads));
  const formats::Box box = must(formats::whole_volume(reader.info()));
  const WholeLabels whole =
      must(segment_whole(reader, box, std::nullopt, options_with(threads), work + "/whole.zarr"));
  must(write_label_image(whole.labels, work + "/whole.zarr", Parallel(threads)));
}

// The tasks of a workflow, one after the other. Each opens the image, as its own process would.
void in_blocks(const std::string& image, const std::string& work) {
  std::filesystem::remove_all(work + "/blocks");
  const SegmentOptions options = options_with(1);
  const formats::ImageInfo info = must(ImageReader::open(image)).info();
  const formats::Box whole = must(formats::whole_volume(info));
  const std::vector<formats::Box> boxes = must(formats::tile(whole, kBlock));
  for (size_t i = 0; i < boxes.size(); ++i) {
    const ImageReader reader = must(ImageReader::open(image));
    must(write_output_file(fmt::format("{}/blocks/histogram/{}.json", work, i),
                           to_json_text(must(compute_histogram(reader, boxes[i], kSigma)))));
  }
  const Threshold threshold =
      otsu_threshold_of(must(read_histograms(work + "/blocks/histogram", {})));
  const formats::Halo halo = must(needed_halo(options, whole.extent()));
  for (size_t i = 0; i < boxes.size(); ++i) {
    const ImageReader reader = must(ImageReader::open(image));
    must(must(segment_box(reader, boxes[i], halo, threshold, options))
             .write(fmt::format("{}/blocks/labels/{}.zarr", work, i), options.parallel));
  }
  must(write_label_image(
      must(MergedLabels::merge(must(open_label_blocks(work + "/blocks/labels")), {}, {})),
      work + "/blocks/merged.zarr", options.parallel));
}

void measure(const std::string& image, const std::string& work) {
  Cost one, two, blocks;
  for (int round = 0; round < kRounds; ++round) {
    one.time([&] { at_once(image, work, 1); });
    two.time([&] { at_once(image, work, 2); });
    blocks.time([&] { in_blocks(image, work); });
  }
  const double at_once = median(one.processor);
  fmt::print("{:30} {:>8.2f} {:>8.2f} {:>10.2f} {:>8.2f} {:>8.2f}\n",
             image.substr(image.rfind('/') + 1), median(one.wall), median(two.wall),
             median(one.wall) / median(two.wall) / 2, at_once, median(blocks.processor) / at_once);
}

}  // namespace
}  // namespace tierhub::bench

int main(int argc, char** argv) {
  tierhub::imaging::keep_freed_memory();
  fmt::print("{:30} {:>8} {:>8} {:>10} {:>8} {:>8}\n", "image", "1 thread", "2", "of 2", "1 thread",
             "blocks");
  fmt::print("{:30} {:>8} {:>8} {:>10} {:>8} {:>8}\n", "", "wall s", "wall s", "", "cpu s",
             "cpu ratio");
  for (int i = 2; i < argc; ++i) tierhub::bench::measure(argv[i], argv[1]);
  return argc > 2 ? 0 : 2;
}
