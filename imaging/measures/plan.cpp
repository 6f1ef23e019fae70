#include "imaging/images/scale.h"
#include "imaging/measures/measure.h"

namespace tierhub::imaging {
namespace {

using formats::Json;

Json channel_to_json(const ChannelPlan& channel) {
  Json json = {{"prefix", channel.prefix},
               {"image", channel.image},
               {"level", channel.level},
               {"t", channel.t},
               {"c", channel.c}};
  add_scale(json, channel.scale);
  return json;
}

std::optional<ChannelPlan> channel_from(const Json& json) {
  const auto prefix = formats::get_text(json, "prefix");
  const auto image = formats::get_text(json, "image");
  const auto level = formats::get_unsigned(json, "level");
  const auto t = formats::get_unsigned(json, "t");
  const auto c = formats::get_unsigned(json, "c");
  if (!prefix || !image || !level || !t || !c) return std::nullopt;
  return ChannelPlan{*prefix, *image, *level, *t, *c, scale_from(json)};
}

}  // namespace

Json to_json(const MeasurePlan& plan) {
  Json json = {{"labels", plan.labels},
               {"covered", formats::to_text(plan.covered)},
               {"shape", plan.shape},
               {"pair", plan.is_pair},
               {"channels", Json::array()}};
  if (plan.neighbours) json["neighbours"] = *plan.neighbours;
  if (plan.thresholds) json["thresholds"] = {plan.thresholds->first, plan.thresholds->second};
  for (const ChannelPlan& channel : plan.channels)
    json["channels"].push_back(channel_to_json(channel));
  return json;
}

Result<MeasurePlan> plan_from_json(const Json& json, const std::string& path) {
  const Error damaged(std::errc::invalid_argument,
                      path + " is not a file of sums that imgop measure wrote");
  const auto labels = formats::get_text(json, "labels");
  const auto covered = formats::get_text(json, "covered");
  const Json* const channels = formats::find_member(json, "channels");
  if (!labels || !covered || channels == nullptr || !channels->is_array()) return damaged;
  MeasurePlan plan;
  plan.labels = *labels;
  TRY_ASSIGN(plan.covered, formats::parse_box(*covered));
  plan.shape = json.value("shape", Json()) == Json(true);
  plan.is_pair = json.value("pair", Json()) == Json(true);
  plan.neighbours = formats::get_number(json, "neighbours");
  if (const auto values = formats::get_unsigned_list(json, "thresholds")) {
    if (values->size() != 2) return damaged;
    plan.thresholds = {(*values)[0], (*values)[1]};
  }
  for (const Json& channel : *channels) {
    auto parsed = channel_from(channel);
    if (!parsed) return damaged;
    plan.channels.push_back(*std::move(parsed));
  }
  if (plan.is_pair && plan.channels.size() < 2) return damaged;
  return plan;
}

Steps steps_of(const LabelRecord& record) { return steps_of(record.voxel_size, record.shape); }

Result<Halo> needed_halo(const MeasurePlan& plan, const LabelRecord& record) {
  Halo halo = plan.shape ? shape_halo(record.shape) : Halo{};
  if (!plan.neighbours) return halo;
  TRY_ASSIGN(const Halo reach, expand_halo(*plan.neighbours, steps_of(record), record.shape));
  return Halo{std::max(halo.z, reach.z), std::max(halo.y, reach.y), std::max(halo.x, reach.x)};
}

}  // namespace tierhub::imaging
