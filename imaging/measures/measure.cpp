#include "imaging/measures/measure.h"

#include "imaging/voxels/label_numbers.h"

namespace tierhub::imaging {
namespace {

// The labels around a box, as dense numbers.
struct NumberedLabels {
  Box grown;
  LabelVolume around;             // the voxels of `grown`
  LabelVolume cut;                // those of the box alone, if these are fewer
  std::vector<uint32_t> numbers;  // what the labels were

  const LabelVolume& own() const { return cut.voxels.empty() ? around : cut; }
};

Result<NumberedLabels> read_labels(const LabelSource& source, const MeasurePlan& plan,
                                   const LabelRecord& record, Parallel parallel) {
  TRY_ASSIGN(const Halo halo, needed_halo(plan, record));
  NumberedLabels labels;
  labels.grown = formats::grow(record.box, halo, record.shape);
  TRY_ASSIGN(labels.around, source.read_of_volume(labels.grown));
  labels.numbers = number_densely(labels.around, parallel);
  if (!(labels.grown == record.box)) labels.cut = crop(labels.around, labels.grown, record.box);
  return labels;
}

// What labels alone tell, of the labels that are there and of those around the box.
Result<std::vector<ObjectMeasures>> measure_labels(const NumberedLabels& labels,
                                                   const MeasurePlan& plan,
                                                   const LabelRecord& record, Parallel parallel) {
  const size_t count = labels.numbers.size();
  std::vector<ObjectMeasures> objects(count);
  const std::vector<ObjectSums> places = measure_places(labels.own(), record.box, count, parallel);
  for (size_t i = 0; i < count; ++i) {
    objects[i].label = labels.numbers[i];
    objects[i].places = places[i];
  }
  if (plan.shape) {
    const std::vector<ShapeSums> shapes =
        measure_shapes(labels.around, labels.grown, record.box, record.shape, count, parallel);
    for (size_t i = 0; i < count; ++i) objects[i].shape = shapes[i];
  }
  if (!plan.neighbours) return objects;
  TRY_ASSIGN(std::vector<Neighbours> neighbours,
             find_neighbours(labels.around, labels.grown, places, *plan.neighbours,
                             steps_of(record), record.shape, parallel));
  for (size_t i = 0; i < count; ++i) {
    for (Neighbour& neighbour : neighbours[i])
      neighbour.label = labels.numbers[neighbour.label - 1];
    objects[i].neighbours = std::move(neighbours[i]);
  }
  return objects;
}

// Adds what the channels tell.
Result<void> measure_channels(const LabelVolume& labels, const std::vector<ImageReader>& images,
                              const MeasurePlan& plan, Parallel parallel, BoxMeasures& measures) {
  GreyVolume first;
  for (size_t i = 0; i < images.size(); ++i) {
    const ChannelPlan& channel = plan.channels[i];
    Box box = measures.record.box;
    box.level = channel.level;
    box.t = channel.t;
    box.c = channel.c;
    TRY_ASSIGN(GreyVolume volume, images[i].read_grey(box));
    const size_t count = measures.objects.size();
    measures.values.push_back(count_values(labels, volume, count, parallel));
    if (i == 1 && plan.is_pair) {
      const std::vector<PairSums> pairs = measure_pairs(
          labels, first, volume, plan.thresholds.value_or(PairThresholds()), count, parallel);
      for (size_t k = 0; k < count; ++k) measures.objects[k].pair = pairs[k];
    }
    if (i == 0 && plan.is_pair) first = std::move(volume);
  }
  return {};
}

// Those around the box have none.
void drop_without_voxels(BoxMeasures& measures) {
  size_t kept = 0;
  for (size_t i = 0; i < measures.objects.size(); ++i) {
    if (measures.objects[i].places.voxels == 0) continue;
    if (kept != i) {
      measures.objects[kept] = std::move(measures.objects[i]);
      for (auto& values : measures.values) values[kept] = std::move(values[i]);
    }
    ++kept;
  }
  measures.objects.resize(kept);
  for (auto& values : measures.values) values.resize(kept);
}

}  // namespace

void ObjectMeasures::add(const ObjectMeasures& other) {
  places.add(other.places);
  shape.add(other.shape);
  add_neighbours(neighbours, other.neighbours);
  pair.add(other.pair);
}

Result<BoxMeasures> measure_box(const LabelSource& labels, const std::vector<ImageReader>& images,
                                const MeasurePlan& plan, const LabelRecord& record,
                                Parallel parallel) {
  BoxMeasures measures;
  measures.record = record;
  measures.record.made_with["measures"] = to_json(plan);
  TRY_ASSIGN(const NumberedLabels numbered, read_labels(labels, plan, record, parallel));
  TRY_ASSIGN(measures.objects, measure_labels(numbered, plan, record, parallel));
  TRY(measure_channels(numbered.own(), images, plan, parallel, measures));
  drop_without_voxels(measures);
  return measures;
}

}  // namespace tierhub::imaging
