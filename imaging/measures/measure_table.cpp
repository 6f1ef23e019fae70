#include <algorithm>
#include <cmath>
#include <numbers>
#include <optional>

#include <fmt/format.h>

#include "imaging/images/scale.h"
#include "imaging/measures/merge_measures.h"
#include "imaging/tables/object_table.h"
#include "imaging/voxels/shape.h"

namespace tierhub::imaging {
namespace {

// The cells of a row, or the names of the columns: each group of columns is written down once.
class Cells {
 public:
  Cells(fmt::memory_buffer& text, bool is_header) : text_(text), is_header_(is_header) {}

  void number(std::string_view name, double value) { cell(name, "{:.6g}", value); }
  void number(std::string_view name, const std::optional<double>& value) {
    value&& std::isfinite(*value) ? number(name, *value) : empty(name);
  }
  void integer(std::string_view name, uint64_t value) { cell(name, "{}", value); }
  void text(std::string_view name, const std::string& value) { cell(name, "{}", value); }
  void empty(std::string_view name) { cell(name, "{}", ""); }

 private:
  template <class T>
  void cell(std::string_view name, fmt::format_string<const T&> form, const T& value) {
    const auto out = std::back_inserter(text_);
    text_.push_back(',');
    if (is_header_) {
      fmt::format_to(out, "{}", name);
    } else {
      fmt::format_to(out, form, value);
    }
  }

  fmt::memory_buffer& text_;
  const bool is_header_;
};

Spacing spacing_of(const LabelRecord& record) {
  const formats::VoxelSize& size = record.voxel_size;
  const bool is_known = size.y > 0 && size.x > 0;
  return {voxel_height(size, record.shape), is_known ? size.y / size.x : 1, 1};
}

class MeasureRows {
 public:
  explicit MeasureRows(const Measures& measures)
      : measures_(measures),
        plan_(measures.plan),
        is_plane_(measures.record.box.z.size() == 1),
        places_(measures.record),
        meter_(is_plane_ ? Extent{1, measures.record.shape.y, measures.record.shape.x}
                         : measures.record.shape,
               spacing_of(measures.record)) {
    if (const auto voxel = voxel_in_micrometres(measures.record)) micrometres_ = voxel->x;
  }

  void add_header(fmt::memory_buffer& text) const {
    fmt::format_to(std::back_inserter(text), "{}", places_.header());
    Cells cells(text, true);
    if (plan_.shape) add_shape({}, cells);
    for (const ChannelPlan& channel : plan_.channels) add_channel(channel, {}, cells);
    if (plan_.is_pair) add_pair({}, {}, {}, cells);
    if (plan_.neighbours) add_neighbours({}, cells);
    text.push_back('\n');
  }

  void add_row(size_t i, fmt::memory_buffer& text) const {
    const ObjectMeasures& object = measures_.objects[i];
    places_.add(object.label, object.places, text);
    Cells cells(text, false);
    if (plan_.shape) add_shape(meter_(object.places, object.shape), cells);
    for (size_t channel = 0; channel < plan_.channels.size(); ++channel)
      add_channel(plan_.channels[channel], measures_.intensities[channel][i], cells);
    if (plan_.is_pair)
      add_pair(measures_.intensities[0][i], measures_.intensities[1][i], object.pair, cells);
    if (plan_.neighbours) add_neighbours(object.neighbours, cells);
    text.push_back('\n');
  }

 private:
  // In pixels and, if it is known how large one is, in micrometres.
  void length(const std::string& name, const std::optional<double>& value, Cells& cells) const {
    cells.number(name + "_px", value);
    if (micrometres_)
      cells.number(name + "_um", value ? std::optional(*value * *micrometres_) : std::nullopt);
  }

  void add_shape(const Shape& shape, Cells& cells) const {
    const auto& [major, middle, minor] = shape.axis_lengths;
    if (is_plane_) {
      length("perimeter", shape.boundary, cells);
    } else {
      cells.number("surface_px2", shape.boundary);
      if (micrometres_) cells.number("surface_um2", shape.boundary * *micrometres_ * *micrometres_);
    }
    length("equivalent_diameter", shape.equivalent_diameter, cells);
    length("major_axis", major, cells);
    if (!is_plane_) length("middle_axis", middle, cells);
    length("minor_axis", is_plane_ ? middle : minor, cells);
    if (is_plane_) {
      cells.number("eccentricity", shape.eccentricity);
      const double degrees = shape.orientation.value_or(0) * 180 / std::numbers::pi;
      cells.number("orientation_deg", degrees);
    }
    cells.number(is_plane_ ? "form_factor" : "sphericity", shape.form_factor);
    cells.number("extent", shape.extent);
  }

  static void add_channel(const ChannelPlan& channel, const Intensities& values, Cells& cells) {
    const std::string name = channel.prefix + "intensity_";
    const auto voxels = static_cast<double>(values.voxels);
    const GreyScale& scale = channel.scale;
    cells.text(name + "sum", sum_text(values.sum, values.voxels, scale));
    cells.number(name + "mean", scale.number_of(static_cast<double>(values.sum) / voxels));
    cells.text(name + "min", number_text(scale, values.min));
    cells.text(name + "max", number_text(scale, values.max));
    cells.number(name + "median", scale.number_of(values.twice_median / 2.0));
    cells.number(name + "sd", scale.step * deviation(values));
  }

  void add_pair(const Intensities& first, const Intensities& second, const PairSums& pair,
                Cells& cells) const {
    const std::string& prefix = plan_.channels[1].prefix;
    cells.number(prefix + "pearson", pearson(first, second, pair));
    if (!plan_.thresholds) return;
    const Manders both = manders(pair, plan_.channels[0].scale, plan_.channels[1].scale);
    cells.number(prefix + "manders_1", both.first);
    cells.number(prefix + "manders_2", both.second);
  }

  void add_neighbours(const Neighbours& neighbours, Cells& cells) const {
    const auto nearest = std::min_element(
        neighbours.begin(), neighbours.end(),
        [](const Neighbour& a, const Neighbour& b) { return a.square < b.square; });
    std::optional<double> distance;
    if (nearest != neighbours.end())
      distance = std::sqrt(static_cast<double>(nearest->square)) / 16;
    cells.integer("neighbours", neighbours.size());
    if (distance) {
      cells.integer("nearest_label", nearest->label);
    } else {
      cells.empty("nearest_label");
    }
    length("nearest_distance", distance, cells);
  }

  const Measures& measures_;
  const MeasurePlan& plan_;
  const bool is_plane_;
  const PlaceColumns places_;
  const ShapeMeter meter_;
  std::optional<double> micrometres_;  // a side of a voxel in the plane
};

}  // namespace

std::string measure_table(const Measures& measures) {
  const MeasureRows rows(measures);
  fmt::memory_buffer text;
  rows.add_header(text);
  for (size_t i = 0; i < measures.objects.size(); ++i) rows.add_row(i, text);
  return fmt::to_string(text);
}

}  // namespace tierhub::imaging
