// The images of one person over HTTP, without a transport: /img, /png, /zarr, and what /api says about
// images. docs/HUB_API.md describes requests and answers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "common/result.h"
#include "http/message.h"
#include "hub/images/pyramids.h"
#include "hub/images/tiers.h"

namespace tierhub::hub {

// Any thread; a call may block while it decodes, and calls for /zarr also while data comes from the
// archive. Reads with the rights of this process.
class ImageRoutes {
 public:
  struct Options {
    // The folder whose paths the requests name: the mount of TierHub, or any other folder. Nothing
    // outside is read, whatever links say.
    std::string root;
    // make_tiers() if root is a mount of TierHub, else make_single_tier().
    std::shared_ptr<Tiers> tiers = make_single_tier();
    // Of decoded chunks. Scrubbing z through 3-D chunks decodes each once if those of the screen fit:
    // 32 slices of 2048 x 2048 uint16 are 256 MiB.
    uint64_t chunk_cache_bytes = uint64_t{512} << 20;
    uint64_t tile_cache_bytes = uint64_t{256} << 20;  // of tiles
    Pyramids::Options pyramids = {};                  // without a folder there are none
    // Requests for /zarr that wait for the archive, each on its thread: fewer than the threads that
    // call handle(), so that the others go on. Further ones get 503.
    size_t waiting = 16;
  };
  // An error if root is no folder.
  static Result<std::unique_ptr<ImageRoutes>> open(Options options);
  ~ImageRoutes();

  // True for targets that handle() answers: /img/…, /png/…, /zarr/…, /api/dataset, /api/datasets,
  // /api/histogram, /api/residency, /api/thumbnail.
  static bool serves(std::string_view target);

  // GET and HEAD; others get 405. Errors are answers: {"error": sentence, "code": "ENOENT"}. The
  // answer to HEAD may have a FileBody without a file, which has the length only: a transport does
  // not read the body of such an answer.
  http::Response handle(const http::Request& request);

 private:
  struct Parts;
  explicit ImageRoutes(std::unique_ptr<Parts> parts);

  const std::unique_ptr<Parts> parts_;
};

}  // namespace tierhub::hub
