// Tiles as pictures, for a page without WebGL: /png.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "http/message.h"
#include "hub/images/store.h"
#include "hub/images/tile.h"

namespace tierhub::hub {

// Answers /png/<version>/<path…>/<level>/<t>/<z>/<y>/<x>?c=&colors=&min=&max=&gamma=: docs/HUB_API.md.
// `segments` are the parts of the target, decoded, without "png".
http::Response answer_picture_tile(ImageStore& store, TileReader& tiles,
                                   const http::Request& request,
                                   const std::vector<std::string>& segments,
                                   const std::map<std::string, std::string>& parameters);

}  // namespace tierhub::hub
