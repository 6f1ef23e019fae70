// Tiles of planes for the page: /img, and what /png (picture_tile.h) has in common with it.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "http/message.h"
#include "hub/images/planes.h"
#include "hub/images/store.h"
#include "hub/images/tiers.h"
#include "pixels/chunk_cache.h"

namespace tierhub::hub {

// Reads what is on the SSD and asks for the rest, so that nobody waits for the archive. Keeps tiles.
// Any thread.
class TileReader {
 public:
  // At most `waiting` calls of wait_for() wait at the same time.
  TileReader(std::shared_ptr<Tiers> tiers, uint64_t cache_bytes, size_t waiting)
      : tiers_(std::move(tiers)), tiles_(cache_bytes), free_waits_(static_cast<int64_t>(waiting)) {}

  // What is missing for the regions, and asks for it; nothing if they can be read without the
  // archive. With `most_bytes`, more than that is not asked for.
  struct Cold {
    Missing missing;
    bool asked_for = false;
  };
  static constexpr uint64_t kAskForAll = UINT64_MAX;
  Result<std::optional<Cold>> bring(const OpenImage& image,
                                    std::span<const formats::Region> regions,
                                    uint64_t most_bytes = kAskForAll);

  // The voxels of a tile for each channel, in their order; `cold` instead if they are not on the SSD.
  struct Tiles {
    std::vector<std::shared_ptr<const pixels::Voxels>> channels;
    std::optional<Cold> cold;
  };
  Result<Tiles> read(const OpenImage& image, const TileAddress& first,
                     const std::vector<uint64_t>& channels);
  // One tile; waits until it is on the SSD, kLongestWait at most. Errors: as many as may wait already
  // do (errc::resource_unavailable_try_again), or it has not come (errc::timed_out).
  static constexpr std::chrono::seconds kLongestWait{120};
  Result<std::shared_ptr<const pixels::Voxels>> wait_for(const OpenImage& image,
                                                         const TileAddress& tile);
  // The same for a region, which is not read: until it can be without the archive.
  Result<void> wait_until_here(const OpenImage& image, const formats::Region& region);
  // True if all bytes behind a region of a stored level are on the SSD. Asks for nothing.
  bool is_here(const OpenImage& image, const formats::Region& region);

 private:
  // A tile, and what its files are like.
  struct Known {
    TileAddress tile;
    pixels::Content content;
  };
  static Result<Known> look_at(const OpenImage& image, const TileAddress& tile);
  pixels::ChunkCache::Key key_of(const OpenImage& image, const Known& known) const;
  bool has(const OpenImage& image, const Known& known);
  Result<std::shared_ptr<const pixels::Voxels>> load(const OpenImage& image, const Known& known);

  const std::shared_ptr<Tiers> tiers_;
  pixels::ChunkCache tiles_;
  std::atomic<int64_t> free_waits_;
};

// One tile of several channels, as an address names it.
struct TileRequest {
  std::string version;
  std::string path;
  TileAddress tile;  // of the first channel
  std::vector<uint64_t> channels;
};

// "0,2" in its parts; one part if there is no comma.
std::vector<std::string_view> split_at_commas(std::string_view text);

// "0,2": at most kBundledChannels. `what` names it in the error.
inline constexpr size_t kBundledChannels = 64;
Result<std::vector<uint64_t>> parse_channels(std::string_view text, std::string_view what);
// VERSION, the names of the path, and `numbers` of the tile: LEVEL, T, Z, Y, X. Without channels.
Result<TileRequest> parse_tile_address(const std::vector<std::string>& version_and_path,
                                       const std::vector<std::string>& numbers);

// Answers a request for a tile: `draw` makes the body of the voxels. An image of another version,
// cold bytes and what the client has already are answered without it.
struct TileBody {
  std::string_view type;
  std::function<Result<std::string>(const OpenImage& image, const TileReader::Tiles& tiles)> draw;
};
http::Response answer_tile(ImageStore& store, TileReader& tiles, const http::Request& request,
                           const TileRequest& wanted, const TileBody& body);

// Answers /img/<version>/<path…>/<level>/<t>/<c,c,…>/<z>/<y>/<x>: docs/HUB_API.md. `segments` are the
// parts of the target, decoded, without "img".
http::Response answer_raw_tile(ImageStore& store, TileReader& tiles, const http::Request& request,
                               const std::vector<std::string>& segments);

}  // namespace tierhub::hub
