// Measures the objects of labels: the sums of one box, which can be added to those of others.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/result.h"
#include "imaging/images/memory.h"
#include "imaging/images/reader.h"
#include "imaging/labels/label_record.h"
#include "imaging/labels/label_source.h"
#include "imaging/voxels/colocalisation.h"
#include "imaging/voxels/neighbours.h"
#include "imaging/voxels/objects.h"
#include "imaging/voxels/shape_sums.h"
#include "imaging/voxels/value_counts.h"

namespace tierhub::imaging {

// An image whose intensities are measured.
struct ChannelPlan {
  std::string prefix;  // of its columns; empty for the first
  std::string image;   // its name
  uint64_t level = 0;
  uint64_t t = 0;
  uint64_t c = 0;
  GreyScale scale;
};

// What is measured: the same for all blocks of a volume.
struct MeasurePlan {
  std::string labels;  // the name of the labels
  Box covered;         // by them
  bool shape = false;
  std::optional<double> neighbours;  // within this distance, in sides of a voxel in the plane
  std::vector<ChannelPlan> channels;
  bool is_pair = false;                      // the first two channels are compared
  std::optional<PairThresholds> thresholds;  // for Manders' coefficients
};
formats::Json to_json(const MeasurePlan& plan);
// `path` is for errors.
Result<MeasurePlan> plan_from_json(const formats::Json& json, const std::string& path);

// How far beyond a box measuring reads labels.
Result<Halo> needed_halo(const MeasurePlan& plan, const LabelRecord& record);

// What is kept of an object until the table is printed: exact, and added in any order.
struct ObjectMeasures {
  uint32_t label = 0;
  ObjectSums places;  // without intensities
  ShapeSums shape;
  Neighbours neighbours;
  PairSums pair;

  void add(const ObjectMeasures& other);
};

// Of the voxels of record.box. The record is that of the image, if there is one; its argument
// "measures" is the plan.
struct BoxMeasures {
  LabelRecord record;
  std::vector<ObjectMeasures> objects;           // ascending by label, each with a voxel
  std::vector<std::vector<ValueCounts>> values;  // by channel, then as objects
};

// Reads no voxel of an image outside the box, and labels as far around it as needed_halo says.
// `images` are those of the plan's channels.
Result<BoxMeasures> measure_box(const LabelSource& labels, const std::vector<ImageReader>& images,
                                const MeasurePlan& plan, const LabelRecord& record,
                                Parallel parallel);
// Of `boxes` one after the other. What they measured stays.
Result<void> measure_boxes(MemoryUse& memory, const LabelSource& labels,
                           const std::vector<ImageReader>& images, const MeasurePlan& plan,
                           const LabelRecord& record, const std::vector<Box>& boxes);

// How far apart the voxels of distances are.
Steps steps_of(const LabelRecord& record);

}  // namespace tierhub::imaging
