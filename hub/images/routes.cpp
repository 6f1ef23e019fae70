#include "hub/images/routes.h"

#include <array>
#include <utility>

#include <fcntl.h>

#include "common/posix.h"

namespace tierhub::hub {

struct ImageRoutes::Parts {
  Options options;
};

ImageRoutes::ImageRoutes(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
ImageRoutes::~ImageRoutes() = default;

Result<std::unique_ptr<ImageRoutes>> ImageRoutes::open(Options options) {
  TRY(posix::open_at(AT_FDCWD, options.root, O_PATH | O_DIRECTORY));
  auto parts = std::make_unique<Parts>();
  parts->options = std::move(options);
  return std::unique_ptr<ImageRoutes>(new ImageRoutes(std::move(parts)));
}

bool ImageRoutes::serves(std::string_view target) {
  const std::string_view path = target.substr(0, target.find('?'));
  for (const std::string_view folder : {"/img/", "/zarr/"}) {
    if (path.starts_with(folder)) return true;
  }
  constexpr std::array<std::string_view, 4> kCalls = {"/api/dataset", "/api/datasets",
                                                      "/api/histogram", "/api/thumbnail"};
  for (const std::string_view call : kCalls) {
    if (path == call) return true;
  }
  return false;
}

http::Response ImageRoutes::handle(const http::Request&) {
  http::Response response;
  response.status = 501;
  response.body = std::string(R"({"error": "images are not served yet", "code": "ENOSYS"})");
  return response;
}

}  // namespace tierhub::hub
