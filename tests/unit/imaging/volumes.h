// Volumes for tests, on disk, and blocked runs of the whole workflow in this process.
#pragma once

#include <cmath>
#include <filesystem>
#include <map>
#include <random>
#include <span>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "imaging/images/image_writer.h"
#include "imaging/labels/histogram.h"
#include "imaging/labels/label_image.h"
#include "imaging/labels/merge.h"
#include "imaging/labels/nuclei.h"
#include "imaging/labels/segment.h"
#include "imaging/tables/object_table.h"
#include "imaging/voxels/otsu.h"
#include "imaging/voxels/smooth.h"
#include "tests/unit/formats/samples.h"
#include "tests/unit/imaging/voxel_samples.h"

namespace tierhub::imaging {

template <class T>
inline void write_volume(const std::string& path, const Volume<T>& volume,
                         const Extent& chunk = {4, 8, 8}, formats::VoxelSize size = {}) {
  using formats::Axis;
  ImageLayout layout;
  layout.axes = {Axis::y, Axis::x};
  if (volume.extent.z > 1) layout.axes.insert(layout.axes.begin(), Axis::z);
  layout.type = sizeof(T) == 2 ? formats::PixelType::uint16 : formats::PixelType::uint32;
  layout.shape = {1, 1, volume.extent.z, volume.extent.y, volume.extent.x};
  layout.chunk = {1, 1, chunk.z, chunk.y, chunk.x};
  layout.voxel_size = size;
  ImageWriter writer = must(ImageWriter::create(path, layout));
  must(writer.write_volume(0, volume, Parallel(1)));
  must(writer.commit());
}

// Writes an image of several channels at one time point (axes t, c, z, y, x), all of one shape.
inline void write_channels(const test::ScratchFolder& folder, const std::string& name,
                           const std::vector<GreyVolume>& channels, size_t times = 1) {
  const Extent& shape = channels.front().extent;
  const formats::Json all = {times, channels.size(), shape.z, shape.y, shape.x};
  const formats::Json chunk = {1, 1, shape.z, shape.y, shape.x};
  formats::Json axes = formats::Json::array();
  for (const char* axis : {"t", "c", "z", "y", "x"}) axes.push_back({{"name", axis}});
  const formats::Json multiscale = {
      {"version", "0.4"}, {"axes", axes}, {"datasets", {{{"path", "0"}}}}};
  folder.write(name + "/.zgroup", R"({"zarr_format":2})");
  folder.write(name + "/.zattrs", formats::Json{{"multiscales", {multiscale}}}.dump());
  folder.write(name + "/0/.zarray", formats::Json{{"zarr_format", 2},
                                                  {"shape", all},
                                                  {"chunks", chunk},
                                                  {"dtype", "<u2"},
                                                  {"compressor", nullptr},
                                                  {"fill_value", 0},
                                                  {"order", "C"},
                                                  {"filters", nullptr},
                                                  {"dimension_separator", "."}}
                                        .dump());
  for (size_t c = 0; c < channels.size(); ++c) {
    const auto bytes = std::as_bytes(std::span(channels[c].voxels));
    folder.write(fmt::format("{}/0/0.{}.0.0.0", name, c),
                 {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  }
}

// The contents of all files below a folder, by relative path.
inline std::map<std::string, std::string> files_below(const std::string& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    files[std::filesystem::relative(entry.path(), folder).string()] =
        test::read_bytes(entry.path().string());
  }
  return files;
}

struct RunResult {
  std::map<std::string, std::string> labels;
  std::string table;
  uint64_t objects = 0;
  bool operator==(const RunResult&) const = default;
};

inline SegmentOptions smoothed_by(double sigma, Connectivity connectivity = Connectivity::full) {
  SegmentOptions options;
  options.sigma = sigma;
  options.connectivity = connectivity;
  return options;
}

inline Threshold given_threshold(uint64_t value) {
  return {value, 0, formats::PixelType::uint16, {}, {}};
}

// Writes finished labels and their table, and reads them again.
inline RunResult written(const MergedLabels& labels, const std::string& folder) {
  must(write_label_image(labels, folder, Parallel(1)));
  return {files_below(folder), object_table(labels.objects(), labels.record()),
          labels.objects().size()};
}

inline RunResult segment_at_once(const std::string& image, const std::string& work, double sigma,
                                 Connectivity connectivity,
                                 std::optional<uint64_t> threshold = {}) {
  const ImageReader reader = must(ImageReader::open(image));
  const Box box = must(formats::whole_volume(reader.info()));
  std::optional<Threshold> given;
  if (threshold) given = given_threshold(*threshold);
  const std::string out = work + "/whole.zarr";
  return written(
      must(segment_whole(reader, box, given, smoothed_by(sigma, connectivity), out)).labels, out);
}

// Histograms of all blocks, one threshold, labels of all blocks, merge: the steps of a workflow.
inline RunResult segment_in_blocks(const std::string& image, const std::string& work,
                                   const Extent& block, double sigma, Connectivity connectivity,
                                   std::optional<uint64_t> given = {}) {
  const ImageReader reader = must(ImageReader::open(image));
  const Box whole = must(formats::whole_volume(reader.info()));
  const Halo halo = must(minimum_halo(sigma, whole.extent()));
  std::vector<Box> boxes = must(formats::tile(whole, block));
  std::filesystem::remove_all(work + "/blocks");
  Threshold threshold = given_threshold(given.value_or(0));
  if (!given) {
    for (size_t i = 0; i < boxes.size(); ++i) {
      const Histogram histogram = must(compute_histogram(reader, boxes[i], sigma));
      must(write_output_file(fmt::format("{}/blocks/histogram/{}.json", work, i),
                             to_json_text(histogram)));
    }
    threshold = otsu_threshold_of(must(read_histograms(work + "/blocks/histogram", {})));
  }
  // Tasks end in any order, and their names say nothing.
  std::shuffle(boxes.begin(), boxes.end(), std::mt19937_64(block.voxels()));
  for (size_t i = 0; i < boxes.size(); ++i) {
    const LabelBlock labels =
        must(segment_box(reader, boxes[i], halo, threshold, smoothed_by(sigma, connectivity)));
    must(labels.write(fmt::format("{}/blocks/labels/{}.zarr", work, i), Parallel(1)));
  }
  return written(
      must(MergedLabels::merge(must(open_label_blocks(work + "/blocks/labels")), {}, {})),
      work + "/blocks/merged.zarr");
}

// Many bright balls on a dark ground, some of which touch or have a hole, and noise.
inline GreyVolume balls(const Extent& shape, uint64_t seed, double radius) {
  GreyVolume volume(shape);
  std::mt19937_64 random(seed);
  const auto below = [&](uint64_t n) { return static_cast<double>(random() % (n * 16)) / 16; };
  struct Ball {
    double z, y, x, radius, hole;
  };
  std::vector<Ball> all;
  const double room = std::pow(2 * radius, shape.z > 1 ? 3 : 2);
  const auto count = static_cast<size_t>(1 + 0.6 * static_cast<double>(shape.voxels()) / room);
  for (size_t i = 0; i < count; ++i) {
    all.push_back({below(shape.z), below(shape.y), below(shape.x), radius * (0.6 + below(1) * 0.8),
                   random() % 5 == 0 ? radius * 0.4 : 0});
  }
  for (uint64_t z = 0; z < shape.z; ++z) {
    for (uint64_t y = 0; y < shape.y; ++y) {
      for (uint64_t x = 0; x < shape.x; ++x) {
        uint64_t value = 100 + random() % 40;
        for (const Ball& ball : all) {
          const double dz = shape.z > 1 ? static_cast<double>(z) - ball.z : 0;
          const double dy = static_cast<double>(y) - ball.y, dx = static_cast<double>(x) - ball.x;
          const double distance = std::sqrt(dz * dz + dy * dy + dx * dx);
          if (distance < ball.radius && distance >= ball.hole) value += 300;
        }
        volume.at(z, y, x) = static_cast<uint16_t>(value);
      }
    }
  }
  return volume;
}

inline NucleusRule test_rule(const ImageReader& reader, double diameter) {
  NucleusRule rule =
      nucleus_rule(diameter, reader.info(), must(formats::whole_volume(reader.info())));
  rule.pieces.max_extent = 1000;
  return rule;
}

inline RunResult nuclei_at_once(const std::string& image, const std::string& work,
                                const NucleusRule& rule) {
  const ImageReader reader = must(ImageReader::open(image));
  const Box box = must(formats::whole_volume(reader.info()));
  return written(must(find_nuclei(reader, box, rule, work + "/whole.zarr")).labels,
                 work + "/whole.zarr");
}

// The steps of a workflow: histograms, a threshold, labels, their merge, pieces, their merge. The
// blocks of the labels and of the pieces may differ.
inline RunResult nuclei_in_blocks(const std::string& image, const std::string& work,
                                  const NucleusRule& rule, const Extent& block,
                                  const Extent& pieces_block) {
  const ImageReader reader = must(ImageReader::open(image));
  const Box whole = must(formats::whole_volume(reader.info()));
  std::filesystem::remove_all(work + "/blocks");
  const std::vector<Box> boxes = must(formats::tile(whole, block));
  for (size_t i = 0; i < boxes.size(); ++i) {
    must(write_output_file(fmt::format("{}/blocks/histogram/{}.json", work, i),
                           to_json_text(must(compute_histogram(reader, boxes[i], rule.sigma)))));
  }
  const Threshold threshold =
      otsu_threshold_of(must(read_histograms(work + "/blocks/histogram", {})), rule.otsu_share);
  const SegmentOptions options = segment_options(rule);
  const Halo halo = must(needed_halo(options, whole.extent()));
  for (size_t i = 0; i < boxes.size(); ++i) {
    must(must(segment_box(reader, boxes[i], halo, threshold, options))
             .write(fmt::format("{}/blocks/labels/{}.zarr", work, i), Parallel(1)));
  }
  must(write_label_image(
      must(MergedLabels::merge(must(open_label_blocks(work + "/blocks/labels")), {}, {})),
      work + "/blocks/objects.zarr", Parallel(1)));
  const MergedLabels objects =
      must(MergedLabels::merge(must(open_label_blocks(work + "/blocks/objects.zarr")), {}, {}));
  size_t i = 0;
  for (const Box& box : must(formats::tile(whole, pieces_block))) {
    must(must(find_pieces(objects, must(reader.read_grey(box)), box, rule.pieces))
             .write(fmt::format("{}/blocks/pieces/{}.zarr", work, i++), Parallel(1)));
  }
  return written(
      must(MergedLabels::merge(must(open_label_blocks(work + "/blocks/pieces")), {}, rule.filter)),
      work + "/blocks/nuclei.zarr");
}

}  // namespace tierhub::imaging
