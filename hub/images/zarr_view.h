// Every image as an OME-Zarr, for any client: /zarr/v2 and /zarr/v3.
#pragma once

#include <string>
#include <vector>

#include "http/message.h"
#include "hub/images/histogram.h"
#include "hub/images/root.h"
#include "hub/images/store.h"
#include "hub/images/tile.h"

namespace tierhub::hub {

// What the view is made of. Any thread.
struct ZarrSources {
  const Root& root;
  ImageStore& store;
  TileReader& tiles;
  Histograms& histograms;
};

// Answers GET and HEAD of /zarr/v2|v3/<path>/<key>: `segments` are the parts of the target, decoded,
// without "zarr". The path is that of an image, of its "labels", of a label image in these, or of a
// plate, its rows and wells. Waits for the archive: a chunk that exists is never answered with 404,
// which would mean "all have the fill value". What cannot be read is an error of another status.
//
// A header x-tierhub-share, which only the front can set, says that the first so many names of the path
// are an image that is shared: nothing is answered unless they are one, and no link to one.
http::Response answer_zarr(const ZarrSources& sources, const http::Request& request,
                           const std::vector<std::string>& segments);

}  // namespace tierhub::hub
