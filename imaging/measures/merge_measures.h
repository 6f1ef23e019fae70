// Adds the sums of boxes, and makes the table of their objects.
#pragma once

#include <string>
#include <vector>

#include "common/result.h"
#include "formats/selection.h"
#include "imaging/measures/sums.h"

namespace tierhub::imaging {

// Of all of the selected part.
struct Measures {
  LabelRecord record;
  MeasurePlan plan;
  std::vector<ObjectMeasures> objects;                // ascending by label
  std::vector<std::vector<Intensities>> intensities;  // by channel, then as objects
};

// The result depends on the voxels alone, not on the boxes. An error unless all were measured in
// the same way and tile what is selected of their volume, or of what the labels cover. Memory grows
// with the number of objects: how often values occur is kept only of objects of which some boxes
// are still to come.
Result<Measures> add_sums(std::vector<Sums> parts, const formats::Selection& selection);

// CSV, a row an object. Begins with the columns of object_table(), for the label in the image.
std::string measure_table(const Measures& measures);

}  // namespace tierhub::imaging
