#include "imaging/labels/histogram.h"

#include <algorithm>

#include <fmt/format.h>

#include "common/guarded.h"
#include "common/posix.h"
#include "formats/json.h"
#include "imaging/labels/block_files.h"
#include "imaging/labels/parts.h"
#include "imaging/labels/smoothed.h"
#include "imaging/voxels/otsu.h"
#include "imaging/voxels/smooth.h"

namespace tierhub::imaging {
namespace {

using formats::Json;

constexpr std::string_view kNotOurs = "is not a file that imgop histogram wrote";

size_t bins_of(formats::PixelType type) { return type == formats::PixelType::uint8 ? 256 : 65536; }

std::optional<formats::PixelType> type_from(const Json& json) {
  const auto type = formats::pixel_type_from(formats::get_text(json, "type").value_or(""));
  return type == formats::PixelType::other ? std::nullopt : type;
}

// A number, or one for each of z, y and x.
Json to_json(const Sigma& sigma) {
  if (sigma == Sigma(sigma.x)) return sigma.x;
  return {sigma.z, sigma.y, sigma.x};
}

std::optional<Sigma> sigma_from(const Json& json) {
  if (const auto one = formats::get_number(json, "sigma")) return Sigma(*one);
  const Json* list = formats::find_member(json, "sigma");
  if (list == nullptr || !list->is_array() || list->size() != 3) return std::nullopt;
  for (const Json& one : *list) {
    if (!one.is_number()) return std::nullopt;
  }
  return Sigma((*list)[0].get<double>(), (*list)[1].get<double>(), (*list)[2].get<double>());
}

Error bad(const std::string& path, std::string_view why) {
  return Error(std::errc::invalid_argument, fmt::format("{} {}", path, why));
}

}  // namespace

Histogram empty_histogram(const ImageReader& reader, const Box& box, const Sigma& sigma) {
  Histogram histogram{reader.source(),    box, reader.shape_at(box.level), sigma,
                      reader.info().type, {}};
  histogram.counts.resize(bins_of(histogram.type));
  return histogram;
}

void add_voxels(Histogram& histogram, const GreyVolume& smoothed, Parallel parallel) {
  const std::vector<uint16_t>& voxels = smoothed.voxels;
  Guarded<std::vector<uint64_t>> sum(std::in_place, histogram.counts.size());
  parallel.for_ranges(voxels.size(), [&](size_t begin, size_t end) {
    // Neighbours are often equal: two counters in turns do not wait for one another.
    std::vector<uint64_t> even(histogram.counts.size()), odd(even.size());
    size_t i = begin;
    for (; i + 1 < end; i += 2) {
      ++even[voxels[i]];
      ++odd[voxels[i + 1]];
    }
    if (i < end) ++even[voxels[i]];
    sum.with([&](std::vector<uint64_t>& counts) {
      for (size_t value = 0; value < counts.size(); ++value)
        counts[value] += even[value] + odd[value];
    });
  });
  sum.with([&](const std::vector<uint64_t>& counts) {
    for (size_t value = 0; value < counts.size(); ++value) histogram.counts[value] += counts[value];
  });
}

Result<Histogram> compute_histogram(const ImageReader& reader, const Box& box, const Sigma& sigma,
                                    Parallel parallel) {
  Histogram histogram = empty_histogram(reader, box, sigma);
  TRY_ASSIGN(const std::vector<Box> parts, working_parts(reader.info(), box));
  for (const Box& part : parts) {
    TRY_ASSIGN(const SmoothedBlock block, read_smoothed(reader, part, {}, sigma, parallel));
    add_voxels(histogram, block.smoothed, parallel);
  }
  return histogram;
}

Result<void> compute_histogram(MemoryUse& memory, const ImageReader& reader, const Box& box,
                               const Sigma& sigma) {
  TRY_ASSIGN(const std::vector<Box> parts, working_parts(reader.info(), box));
  TRY_ASSIGN(const Halo halo, needed_halo({}, sigma, reader.shape_at(box.level)));
  memory.keep_chunks(reader.info(), parts, halo);
  for (const Box& part : parts) {
    TRY_ASSIGN(const Box region, read_smoothed(memory, reader, part, {}, sigma));
    memory.free(grey_bytes(part));
    memory.free(grey_bytes(region));
  }
  return {};
}

std::string to_json_text(const Histogram& histogram) {
  const auto is_used = [](uint64_t count) { return count != 0; };
  const auto first = std::find_if(histogram.counts.begin(), histogram.counts.end(), is_used);
  const auto last =
      std::find_if(histogram.counts.rbegin(), histogram.counts.rend(), is_used).base();
  Json json = {{"imgop", "histogram"},
               {"version", 1},
               {"box", formats::to_text(histogram.box)},
               {"shape", {histogram.shape.z, histogram.shape.y, histogram.shape.x}},
               {"sigma", to_json(histogram.sigma)},
               {"type", formats::to_text(histogram.type)},
               {"first_value", first - histogram.counts.begin()},
               {"counts", first < last ? std::vector(first, last) : std::vector<uint64_t>()}};
  add_source(json, histogram.source);
  return json.dump() + "\n";
}

Result<Histogram> histogram_from_json(std::string_view text, const std::string& path) {
  TRY_ASSIGN(const Json json, formats::parse_json(text, path));
  const auto box_text = formats::get_text(json, "box");
  const auto shape = formats::get_unsigned_list(json, "shape");
  const auto sigma = sigma_from(json);
  const auto first = formats::get_unsigned(json, "first_value");
  const auto counts = formats::get_unsigned_list(json, "counts");
  const auto type = type_from(json);
  if (formats::get_text(json, "imgop") != "histogram" || !box_text || !shape ||
      shape->size() != 3 || !sigma || !first || !counts || !type) {
    return bad(path, kNotOurs);
  }
  Histogram histogram;
  histogram.source = source_from(json);
  TRY_ASSIGN(histogram.box, formats::parse_box(*box_text));
  histogram.shape = {(*shape)[0], (*shape)[1], (*shape)[2]};
  histogram.sigma = *sigma;
  histogram.type = *type;
  histogram.counts.resize(bins_of(*type));
  if (*first > histogram.counts.size() || counts->size() > histogram.counts.size() - *first)
    return bad(path, kNotOurs);
  std::copy(counts->begin(), counts->end(),
            histogram.counts.begin() + static_cast<ptrdiff_t>(*first));
  uint64_t total = 0;
  for (const uint64_t count : *counts) total += count;
  if (total != histogram.box.voxels())
    return bad(path, "is damaged: its counts do not fit its box");
  return histogram;
}

Result<Histogram> read_histograms(const std::string& path, const formats::Selection& selection) {
  TRY_ASSIGN(const std::vector<std::string> files, block_files(path, "histogram"));
  std::optional<Histogram> sum;
  std::vector<Box> boxes;
  for (const std::string& file : files) {
    TRY_ASSIGN(const std::string text, posix::read_file(file));
    TRY_ASSIGN(Histogram histogram, histogram_from_json(text, file));
    boxes.push_back(histogram.box);
    if (!sum) {
      sum = std::move(histogram);
      continue;
    }
    if (histogram.shape != sum->shape || histogram.sigma != sum->sigma ||
        histogram.type != sum->type || !histogram.box.same_volume(sum->box) ||
        !agree(histogram.source, sum->source)) {
      return bad(file, "belongs to another image, time point, channel, level or sigma than " +
                           files.front());
    }
    for (size_t i = 0; i < histogram.counts.size(); ++i) sum->counts[i] += histogram.counts[i];
  }
  TRY_ASSIGN(sum->box, tiled_box(boxes, sum->shape, selection, path));
  return *sum;
}

Threshold otsu_threshold_of(const Histogram& histogram, double share) {
  const std::vector<uint64_t>& counts = histogram.counts;
  const auto is_used = [](uint64_t count) { return count != 0; };
  const auto darkest =
      static_cast<double>(std::find_if(counts.begin(), counts.end(), is_used) - counts.begin());
  const auto otsu = static_cast<double>(otsu_threshold(counts));
  return {static_cast<uint64_t>(darkest + share * (otsu - darkest)), histogram.sigma,
          histogram.type, histogram.source.scale,
          Otsu{histogram.source.image, histogram.box, share}};
}

std::string to_json_text(const Threshold& threshold, const Histogram& histogram) {
  Json json = {{"imgop", "threshold"},
               {"version", 1},
               {"threshold", threshold.value},
               {"method", "otsu"},
               {"sigma", to_json(threshold.sigma)},
               {"type", formats::to_text(threshold.type)},
               {"region", formats::to_text(histogram.box)},
               {"voxels", histogram.box.voxels()}};
  if (!threshold.scale.is_identity())
    json["threshold_number"] = threshold.scale.number_of(static_cast<double>(threshold.value));
  if (threshold.otsu && threshold.otsu->share != 1) json["share"] = threshold.otsu->share;
  add_source(json, histogram.source);
  return json.dump(2) + "\n";
}

Result<Threshold> threshold_from_json(std::string_view text, const std::string& path) {
  TRY_ASSIGN(const Json json, formats::parse_json(text, path));
  const auto value = formats::get_unsigned(json, "threshold");
  const auto sigma = sigma_from(json);
  const auto type = type_from(json);
  if (formats::get_text(json, "imgop") != "threshold" || !value || !sigma || !type) {
    return bad(path, "is not a file that imgop threshold wrote");
  }
  Threshold read{*value, *sigma, *type, source_from(json).scale, {}};
  if (const auto region = formats::get_text(json, "region")) {
    TRY_ASSIGN(const Box box, formats::parse_box(*region));
    const double share = formats::get_number(json, "share").value_or(1);
    read.otsu = Otsu{source_from(json).image, box, share};
  }
  return read;
}

}  // namespace tierhub::imaging
