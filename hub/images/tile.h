// Tiles of planes for the page: /img.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
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

 private:
  Result<void> wait_until_here(const OpenImage& image, const formats::Region& region);
  pixels::ChunkCache::Key key_of(const OpenImage& image, const TileAddress& tile) const;
  Result<std::shared_ptr<const pixels::Voxels>> load(const OpenImage& image,
                                                     const TileAddress& tile);

  const std::shared_ptr<Tiers> tiers_;
  pixels::ChunkCache tiles_;
  std::atomic<int64_t> free_waits_;
};

// Answers /img/<version>/<path…>/<level>/<t>/<c,c,…>/<z>/<y>/<x>: docs/HUB_API.md. `segments` are the
// parts of the target, decoded, without "img".
http::Response answer_tile(ImageStore& store, TileReader& tiles, const http::Request& request,
                           const std::vector<std::string>& segments);

}  // namespace tierhub::hub
