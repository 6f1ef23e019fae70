#include "hub/images/routes.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>

#include <fmt/format.h>

#include "api/target.h"
#include "common/posix.h"
#include "hub/images/answers.h"
#include "hub/images/dataset_json.h"
#include "hub/images/histogram.h"
#include "hub/images/picture_tile.h"
#include "hub/images/plate.h"
#include "hub/images/residency_map.h"
#include "hub/images/root.h"
#include "hub/images/store.h"
#include "hub/images/thumbnail.h"
#include "hub/images/tile.h"
#include "hub/images/warm_tree.h"
#include "hub/images/zarr_view.h"

namespace tierhub::hub {
namespace {

using Parameters = std::map<std::string, std::string>;

// A misspelt parameter does not pass unnoticed.
Result<void> check_names(const Parameters& parameters,
                         std::initializer_list<std::string_view> known) {
  for (const auto& [name, value] : parameters) {
    if (std::find(known.begin(), known.end(), name) == known.end())
      return Error(std::errc::invalid_argument, fmt::format("there is no parameter \"{}\"", name));
  }
  return {};
}

Result<std::optional<uint64_t>> number_in(const Parameters& parameters, const std::string& name) {
  const auto found = parameters.find(name);
  if (found == parameters.end() || found->second.empty()) return std::optional<uint64_t>();
  const std::string& text = found->second;
  uint64_t value = 0;
  constexpr uint64_t kMost = uint64_t{1} << 48;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc() || end != text.data() + text.size() || value > kMost) {
    return Error(std::errc::invalid_argument, fmt::format("{} = \"{}\" is no index", name, text));
  }
  return std::optional(value);
}

std::string path_in_parameters(const Parameters& parameters) {
  const auto found = parameters.find("path");
  return found == parameters.end() || found->second.empty() ? "/" : found->second;
}

http::Response answer_of(Result<http::Response> answer) {
  return answer ? *std::move(answer) : error_answer(answer.error());
}

http::Response cold_answer_of(const TileReader::Cold& cold) {
  return cold_answer(cold.missing, cold.asked_for ? ColdState::recalling : ColdState::cold);
}

struct KnownThumbnail {
  std::string png;
  uint64_t level = 0;
  uint64_t content = 0;  // what the files were like
};

}  // namespace

struct ImageRoutes::Parts {
  Parts(Root folder, Options given)
      : options(std::move(given)),
        root(std::move(folder)),
        store(root, {.chunk_cache_bytes = options.chunk_cache_bytes, .pyramids = options.pyramids},
              options.tiers),
        tiles(options.tiers, options.tile_cache_bytes, options.waiting) {}

  // What is missing of the first bytes of a file, which say what it is; nothing if that is here, or
  // if it is a folder, whose metadata are small files.
  Result<std::optional<Missing>> unread_head(const std::string& path);
  Result<http::Response> dataset(const Parameters& parameters);
  Result<http::Response> datasets(const Parameters& parameters);
  Result<http::Response> histogram(const Parameters& parameters);
  Result<http::Response> residency(const Parameters& parameters);
  Result<http::Response> thumbnail(const http::Request& request, const Parameters& parameters);

  const Options options;
  const Root root;
  ImageStore store;
  TileReader tiles;
  Histograms histograms{tiles};
  Recent<uint64_t, KnownThumbnail> thumbnails{1'000};
};

ImageRoutes::ImageRoutes(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
ImageRoutes::~ImageRoutes() = default;

Result<std::unique_ptr<ImageRoutes>> ImageRoutes::open(Options options) {
  TRY_ASSIGN(Root root, Root::open(options.root));
  return std::unique_ptr<ImageRoutes>(
      new ImageRoutes(std::make_unique<Parts>(std::move(root), std::move(options))));
}

bool ImageRoutes::serves(std::string_view target) {
  const std::string_view path = target.substr(0, target.find('?'));
  constexpr std::array<std::string_view, 5> kCalls = {
      "/api/dataset", "/api/datasets", "/api/histogram", "/api/residency", "/api/thumbnail"};
  return path.starts_with("/img/") || path.starts_with("/png/") || path.starts_with("/zarr/") ||
         std::find(kCalls.begin(), kCalls.end(), path) != kCalls.end();
}

http::Response ImageRoutes::handle(const http::Request& request) {
  const OneLook one_look;
  if (request.method != "GET" && request.method != "HEAD") {
    http::Response response = error_answer(405, "ENOSYS", "images can only be read");
    response.headers.emplace_back("Allow", "GET, HEAD");
    return response;
  }
  const auto target = api::parse_target(request.target);
  if (!target) return error_answer(target.error());
  const std::vector<std::string>& segments = target->segments;
  const Parameters& parameters = target->parameters;
  if (segments.front() == "img")
    return answer_raw_tile(parts_->store, parts_->tiles, request,
                           {segments.begin() + 1, segments.end()});
  if (segments.front() == "png") {
    const auto known = check_names(parameters, {"c", "colors", "min", "max", "gamma"});
    if (!known) return error_answer(known.error());
    return answer_picture_tile(parts_->store, parts_->tiles, request,
                               {segments.begin() + 1, segments.end()}, parameters);
  }
  if (segments.front() == "zarr") {
    return answer_zarr({parts_->root, parts_->store, parts_->tiles, parts_->histograms}, request,
                       {segments.begin() + 1, segments.end()});
  }
  if (segments.size() == 2 && segments.front() == "api") {
    const std::string& call = segments.back();
    if (call == "dataset") return answer_of(parts_->dataset(parameters));
    if (call == "datasets") return answer_of(parts_->datasets(parameters));
    if (call == "histogram") return answer_of(parts_->histogram(parameters));
    if (call == "residency") return answer_of(parts_->residency(parameters));
    if (call == "thumbnail") return answer_of(parts_->thumbnail(request, parameters));
  }
  return error_answer(404, "ENOSYS", fmt::format("there is no {}", request.target));
}

Result<http::Response> ImageRoutes::Parts::dataset(const Parameters& parameters) {
  TRY(check_names(parameters, {"path"}));
  const std::string path = path_in_parameters(parameters);
  const auto opened = store.open(path);
  if (!opened && opened.error().is(std::errc::not_supported)) {
    TRY_ASSIGN(auto plate, plate_at(path, root, *options.tiers));
    if (plate.cold) return cold_answer(*plate.cold, ColdState::recalling);
    if (!plate.json.is_null()) return json_answer(plate.json);
  }
  if (!opened) return opened.error();
  const auto& image = *opened;
  // Without tierd the image is still there.
  const auto state = options.tiers->state_of(image->path);
  store.note_view(*image);
  return json_answer(
      to_json(*image, root, state ? *state : std::optional<PathState>(), store.pyramids()));
}

Result<http::Response> ImageRoutes::Parts::datasets(const Parameters& parameters) {
  constexpr uint64_t kDepth = 1, kMostDepth = 8;
  TRY(check_names(parameters, {"path", "depth"}));
  TRY_ASSIGN(const auto depth, number_in(parameters, "depth"));
  TRY_ASSIGN(const auto json,
             datasets_json(path_in_parameters(parameters),
                           std::min(depth.value_or(kDepth), kMostDepth), root, *options.tiers));
  return json_answer(json);
}

Result<http::Response> ImageRoutes::Parts::histogram(const Parameters& parameters) {
  TRY(check_names(parameters, {"path", "level", "t", "c", "z"}));
  TRY_ASSIGN(const auto image, store.open(path_in_parameters(parameters)));
  TRY_ASSIGN(const auto level, number_in(parameters, "level"));
  TRY_ASSIGN(const auto t, number_in(parameters, "t"));
  TRY_ASSIGN(const auto c, number_in(parameters, "c"));
  TRY_ASSIGN(const auto z, number_in(parameters, "z"));
  PlaneAddress plane = middle_plane(*image, t.value_or(0), c.value_or(0));
  if (z) plane.z = *z;
  TRY_ASSIGN(const auto answer, histograms.of(*image, plane, level));
  if (answer.cold) return cold_answer_of(*answer.cold);
  const Histogram& histogram = *answer.histogram;
  return json_answer({{"bins", histogram.bins},
                      {"low", histogram.low},
                      {"high", histogram.high},
                      {"p01", histogram.p01},
                      {"p999", histogram.p999},
                      {"level", histogram.level},
                      {"z", plane.z}});
}

Result<http::Response> ImageRoutes::Parts::residency(const Parameters& parameters) {
  TRY(check_names(parameters, {"path"}));
  TRY_ASSIGN(const auto image, store.open(path_in_parameters(parameters)));
  TRY_ASSIGN(const auto map, residency_map(*image, *options.tiers));
  return json_answer(map);
}

Result<std::optional<Missing>> ImageRoutes::Parts::unread_head(const std::string& path) {
  constexpr uint64_t kHeadBytes = 4096;
  const auto found = root.resolve(path);
  // A series is named by its pattern.
  if (!found) return std::optional<Missing>();
  TRY_ASSIGN(const UniqueFd fd, root.open_file(*found, O_PATH));
  TRY_ASSIGN(const struct stat st, posix::stat_fd(fd.get()));
  if (!S_ISREG(st.st_mode)) return std::optional<Missing>();
  const uint64_t end = std::min(kHeadBytes, static_cast<uint64_t>(st.st_size));
  if (end == 0) return std::optional<Missing>();
  TRY_ASSIGN(Missing missing, options.tiers->missing({{*found, {{0, end}}}}));
  if (missing.bytes == 0) return std::optional<Missing>();
  return std::optional(std::move(missing));
}

Result<http::Response> ImageRoutes::Parts::thumbnail(const http::Request& request,
                                                     const Parameters& parameters) {
  // The version only tells a browser's cache one from the next.
  TRY(check_names(parameters, {"path", "version"}));
  const std::string path = path_in_parameters(parameters);
  TRY_ASSIGN(const auto unread, unread_head(path));
  if (unread) return cold_answer(*unread, ColdState::cold);
  auto opened = store.open(path);
  if (!opened && opened.error().is(std::errc::not_supported)) {
    // For a plate or a well, its first image is shown.
    const auto field = first_field_of(path, root);
    if (field && *field) opened = store.open(**field);
  }
  if (!opened) return opened.error();
  const auto& image = *opened;
  enum class Keep { yes, no };
  const auto answer = [&](const KnownThumbnail& known, Keep keep) {
    const bool may_be_kept = keep == Keep::yes;
    const std::string tag = fmt::format("\"{}\"", tag_of(*image, {known.content, true}));
    http::Headers headers = {{"Cache-Control", may_be_kept ? "private, no-cache" : "no-store"},
                             {"ETag", tag}};
    if (may_be_kept && matches_tag(request.header("if-none-match"), tag))
      return http::Response{304, "image/png", std::string(), std::move(headers)};
    return http::Response{200, "image/png", known.png, std::move(headers)};
  };
  if (const auto known = thumbnails.find(image->number)) {
    TRY_ASSIGN(const auto content, content_of_thumbnail(*image, known->level));
    if (content.is_settled && content.hash == known->content) return answer(*known, Keep::yes);
  }
  TRY_ASSIGN(auto made, make_thumbnail(*image, tiles, histograms));
  if (made.cold) return cold_answer_of(*made.cold);
  TRY_ASSIGN(const auto content, content_of_thumbnail(*image, made.level));
  const KnownThumbnail known{std::move(made.png), made.level, content.hash};
  if (content.is_settled) thumbnails.put(image->number, known);
  return answer(known, content.is_settled ? Keep::yes : Keep::no);
}

}  // namespace tierhub::hub
