#include "hub/images/tile.h"

#include <algorithm>
#include <charconv>
#include <span>
#include <string>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "common/clock.h"
#include "hub/images/answers.h"
#include "hub/images/warm_tree.h"

namespace tierhub::hub {
namespace {

using formats::Region;
using pixels::Voxels;

Result<uint64_t> number_of(std::string_view text, std::string_view what) {
  uint64_t value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  // What is larger is no index, and is kept away from arithmetic.
  constexpr uint64_t kMost = uint64_t{1} << 48;
  if (failure != std::errc() || end != text.data() + text.size() || value > kMost) {
    return Error(std::errc::invalid_argument, fmt::format("\"{}\" in {} is no number", text, what));
  }
  return value;
}

// Formats may have to read metadata to know them.
Result<FileParts> parts_without_waiting(const OpenImage& image, std::span<const Region> regions) {
  if (image.has_process) return needed_parts(image, regions);
  const NoWaiting no_waiting;
  return needed_parts(image, regions);
}

TileAddress with_channel(TileAddress tile, uint64_t channel) {
  tile.c = channel;
  return tile;
}

Result<void> check_tile(const OpenImage& image, const TileAddress& tile) {
  const auto& levels = image.levels();
  if (tile.level >= levels.size()) {
    return Error(
        std::errc::no_such_file_or_directory,
        fmt::format("{} has no level {}, only 0 to {}", image.path, tile.level, levels.size() - 1));
  }
  if (region_of(image, tile).empty()) {
    return Error(std::errc::no_such_file_or_directory,
                 fmt::format("{} has no tile t {} c {} z {} y {} x {} in level {}", image.path,
                             tile.t, tile.c, tile.z, tile.y, tile.x, tile.level));
  }
  return check_readable(image, region_of(image, tile));
}

// One of a bounded number of requests that wait.
class FreeWait {
 public:
  explicit FreeWait(std::atomic<int64_t>& free) : free_(free), is_granted_(--free_ >= 0) {}
  ~FreeWait() { ++free_; }
  FreeWait(const FreeWait&) = delete;
  FreeWait& operator=(const FreeWait&) = delete;
  bool is_granted() const { return is_granted_; }

 private:
  std::atomic<int64_t>& free_;
  const bool is_granted_;
};

std::string tag_in_quotes(const OpenImage& image, const pixels::Content& content) {
  return "\"" + tag_of(image, content) + "\"";
}

// How long a browser may keep a tile.
http::Headers headers_of(const OpenImage& image, const pixels::Content& content) {
  if (!content.is_settled) return {{"Cache-Control", "no-store"}};
  return {{"Cache-Control",
           image.has_chunk_files ? "private, no-cache" : "private, max-age=31536000, immutable"},
          {"ETag", tag_in_quotes(image, content)}};
}

std::string bytes_in_order(const TileReader::Tiles& tiles) {
  std::string bytes;
  size_t size_bytes = 0;
  for (const auto& channel : tiles.channels) size_bytes += channel->size();
  bytes.reserve(size_bytes);
  for (const auto& channel : tiles.channels)
    bytes.append(reinterpret_cast<const char*>(channel->data()), channel->size());
  return bytes;
}

}  // namespace

Result<std::optional<TileReader::Cold>> TileReader::bring(const OpenImage& image,
                                                          std::span<const Region> regions,
                                                          uint64_t most_bytes) {
  const auto found = parts_without_waiting(image, regions);
  if (!found && found.error().is(std::errc::resource_unavailable_try_again)) {
    // Small metadata, which has been asked for.
    constexpr std::chrono::milliseconds kSoon{500};
    return std::optional(Cold{{0, kSoon, {}}, true});
  }
  if (!found) return found.error();
  const FileParts& parts = *found;
  if (parts.empty()) return std::optional<Cold>();
  TRY_ASSIGN(Missing missing, tiers_->missing(parts));
  if (missing.bytes == 0) return std::optional<Cold>();
  const bool asked_for = missing.bytes <= most_bytes;
  if (asked_for) TRY(tiers_->bring(parts, image.name()));
  return std::optional(Cold{std::move(missing), asked_for});
}

Result<TileReader::Known> TileReader::look_at(const OpenImage& image, const TileAddress& tile) {
  TRY(check_tile(image, tile));
  const Region region = region_of(image, tile);
  TRY_ASSIGN(const pixels::Content content, content_of(image, {&region, 1}));
  return Known{tile, content};
}

pixels::ChunkCache::Key TileReader::key_of(const OpenImage& image, const Known& known) const {
  const TileAddress& tile = known.tile;
  const formats::Shape& shape = image.levels()[tile.level].shape;
  const formats::Grid grid{shape, {1, 1, 1, kTile, kTile}};
  return {image.number, tile.level, grid.index_of({tile.t, tile.c, tile.z, tile.y, tile.x}),
          known.content.hash};
}

bool TileReader::has(const OpenImage& image, const Known& known) {
  return known.content.is_settled && tiles_.has(key_of(image, known));
}

Result<std::shared_ptr<const Voxels>> TileReader::load(const OpenImage& image, const Known& known) {
  const auto read = [&]() -> Result<std::shared_ptr<const Voxels>> {
    const Region region = region_of(image, known.tile);
    auto voxels =
        std::make_shared<Voxels>(region.shape().voxels() * formats::bytes_of(image.info.type));
    TRY(read_region(image, region, *voxels));
    return voxels;
  };
  return known.content.is_settled ? tiles_.get(key_of(image, known), read) : read();
}

Result<TileReader::Tiles> TileReader::read(const OpenImage& image, const TileAddress& first,
                                           const std::vector<uint64_t>& channels) {
  Tiles tiles;
  std::vector<Known> wanted;
  std::vector<Region> unread;
  for (const uint64_t channel : channels) {
    TRY_ASSIGN(const Known known, look_at(image, with_channel(first, channel)));
    if (!has(image, known)) unread.push_back(region_of(image, known.tile));
    wanted.push_back(known);
  }
  if (!unread.empty()) {
    TRY_ASSIGN(tiles.cold, bring(image, unread));
    if (tiles.cold) return tiles;
  }
  for (const Known& known : wanted) {
    TRY_ASSIGN(auto voxels, load(image, known));
    tiles.channels.push_back(std::move(voxels));
  }
  return tiles;
}

bool TileReader::is_here(const OpenImage& image, const Region& region) {
  const NoFetching no_fetching;
  const auto parts = stored_parts(image, region);
  if (!parts) return false;
  const auto missing = tiers_->missing(*parts);
  return missing && missing->bytes == 0;
}

// A read would wait as well, but without an end while the archive hangs.
Result<void> TileReader::wait_until_here(const OpenImage& image, const Region& region) {
  TRY_ASSIGN(auto cold, bring(image, {&region, 1}));
  if (!cold) return {};
  const FreeWait wait(free_waits_);
  if (!wait.is_granted()) {
    return Error(std::errc::resource_unavailable_try_again,
                 "too many requests wait for the archive: ask again when some have been answered");
  }
  const auto deadline = SteadyClock::now() + kLongestWait;
  while (cold && SteadyClock::now() < deadline) {
    constexpr std::chrono::milliseconds kShortest{10}, kLongest{500};
    std::this_thread::sleep_for(std::clamp(cold->missing.eta / 2, kShortest, kLongest));
    TRY_ASSIGN(cold, bring(image, {&region, 1}));
  }
  if (!cold) return {};
  const std::string& reason = cold->missing.reason;
  return Error(std::errc::timed_out,
               fmt::format("the archive has not given a part of {} in {} s{}{}", image.path,
                           kLongestWait.count(), reason.empty() ? "" : ": ", reason));
}

Result<std::shared_ptr<const Voxels>> TileReader::wait_for(const OpenImage& image,
                                                           const TileAddress& tile) {
  TRY_ASSIGN(const Known known, look_at(image, tile));
  if (!has(image, known)) TRY(wait_until_here(image, region_of(image, tile)));
  return load(image, known);
}

std::vector<std::string_view> split_at_commas(std::string_view text) {
  std::vector<std::string_view> parts;
  while (true) {
    const size_t comma = text.find(',');
    parts.push_back(text.substr(0, comma));
    if (comma == std::string_view::npos) return parts;
    text.remove_prefix(comma + 1);
  }
}

Result<std::vector<uint64_t>> parse_channels(std::string_view text, std::string_view what) {
  std::vector<uint64_t> channels;
  for (const std::string_view part : split_at_commas(text)) {
    TRY_ASSIGN(const uint64_t channel, number_of(part, what));
    channels.push_back(channel);
  }
  if (channels.size() > kBundledChannels) {
    return Error(std::errc::invalid_argument,
                 fmt::format("at most {} channels fit into one tile", kBundledChannels));
  }
  return channels;
}

Result<TileRequest> parse_tile_address(const std::vector<std::string>& version_and_path,
                                       const std::vector<std::string>& numbers) {
  constexpr std::string_view kWhere = "the address of a tile";
  constexpr size_t kNumbers = 5;
  if (version_and_path.size() < 2 || numbers.size() != kNumbers) {
    return Error(std::errc::invalid_argument,
                 "the address of a tile has a version, a path, and numbers behind it: "
                 "/img/VERSION/PATH/LEVEL/T/C,C/Z/Y/X or /png/VERSION/PATH/LEVEL/T/Z/Y/X");
  }
  TileRequest request;
  request.version = version_and_path.front();
  TRY_ASSIGN(request.path, join_names({version_and_path.begin() + 1, version_and_path.end()}));
  TRY_ASSIGN(request.tile.level, number_of(numbers[0], kWhere));
  TRY_ASSIGN(request.tile.t, number_of(numbers[1], kWhere));
  TRY_ASSIGN(request.tile.z, number_of(numbers[2], kWhere));
  TRY_ASSIGN(request.tile.y, number_of(numbers[3], kWhere));
  TRY_ASSIGN(request.tile.x, number_of(numbers[4], kWhere));
  return request;
}

http::Response answer_tile(ImageStore& store, TileReader& tiles, const http::Request& request,
                           const TileRequest& wanted, const TileBody& body) {
  const auto image = store.open(wanted.path);
  if (!image) return error_answer(image.error());
  if ((*image)->version != wanted.version) {
    return error_answer(410, "ESTALE",
                        fmt::format("{} has changed: ask for the dataset again", wanted.path));
  }
  store.note_view(**image);
  std::vector<Region> regions;
  for (const uint64_t channel : wanted.channels) {
    const TileAddress tile = with_channel(wanted.tile, channel);
    if (const auto checked = check_tile(**image, tile); !checked)
      return error_answer(checked.error());
    regions.push_back(region_of(**image, tile));
  }
  const auto content = content_of(**image, regions);
  if (!content) return error_answer(content.error());
  const http::Headers headers = headers_of(**image, *content);
  const std::string_view known = request.header("if-none-match");
  if (content->is_settled && matches_tag(known, tag_in_quotes(**image, *content))) {
    return {304, std::string(body.type), std::string(), headers};
  }
  const auto read = tiles.read(**image, wanted.tile, wanted.channels);
  if (!read) return error_answer(read.error());
  if (read->cold) return cold_answer(read->cold->missing, ColdState::recalling);
  auto bytes = body.draw(**image, *read);
  if (!bytes) return error_answer(bytes.error());
  return {200, std::string(body.type), *std::move(bytes), headers};
}

http::Response answer_raw_tile(ImageStore& store, TileReader& tiles, const http::Request& request,
                               const std::vector<std::string>& segments) {
  constexpr size_t kNumbers = 6, kChannels = 2;
  const size_t path_end = segments.size() - std::min(segments.size(), kNumbers);
  const auto first = segments.begin() + static_cast<ptrdiff_t>(path_end);
  std::vector<std::string> numbers(first, segments.end());
  std::string channels;
  if (numbers.size() == kNumbers) {
    channels = numbers[kChannels];
    numbers.erase(numbers.begin() + kChannels);
  }
  auto wanted = parse_tile_address({segments.begin(), first}, numbers);
  if (!wanted) return error_answer(wanted.error());
  auto list = parse_channels(channels, "the address of a tile");
  if (!list) return error_answer(list.error());
  wanted->channels = *std::move(list);
  wanted->tile.c = wanted->channels.front();
  return answer_tile(
      store, tiles, request, *wanted,
      {"application/octet-stream", [](const OpenImage&, const TileReader::Tiles& read) {
         return Result<std::string>(bytes_in_order(read));
       }});
}

}  // namespace tierhub::hub
