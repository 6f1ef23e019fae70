// hub_view FOLDER PATH v2|v3 OUT: writes an image as the browser hub shows it to Zarr clients into a new folder OUT, key
// by key, for other programs to read. PATH is relative to FOLDER and begins with "/".
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>

#include <fmt/format.h>

#include "formats/json.h"
#include "hub/images/routes.h"

namespace tierhub::hub {
namespace {

using formats::Json;

class View {
 public:
  View(ImageRoutes& routes, std::string start, std::string out)
      : routes_(routes), start_(std::move(start)), out_(std::move(out)) {}

  std::string get(const std::string& target) {
    const http::Response response = routes_.handle({"GET", target, {}, {}});
    const auto* body = std::get_if<std::string>(&response.body);
    const std::string text = body == nullptr ? "" : *body;
    if (response.status != 200) {
      std::cerr << target << ": " << response.status << " " << text << "\n";
      std::exit(1);
    }
    return text;
  }
  void write(const std::string& key) {
    const std::filesystem::path file = std::filesystem::path(out_) / key;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << get(start_ + "/" + key);
  }
  void write_chunks(const std::string& folder, const Json& shape) {
    const auto size = [&](const char* axis) { return shape[axis].get<uint64_t>(); };
    for (uint64_t t = 0; t < size("t"); ++t)
      for (uint64_t c = 0; c < size("c"); ++c)
        for (uint64_t z = 0; z < size("z"); ++z)
          for (uint64_t y = 0; y * 512 < size("y"); ++y)
            for (uint64_t x = 0; x * 512 < size("x"); ++x)
              write(fmt::format("{}/{}/{}/{}/{}/{}", folder, t, c, z, y, x));
  }

 private:
  ImageRoutes& routes_;
  const std::string start_;
  const std::string out_;
};

int run(const std::string& folder, const std::string& path, const std::string& version,
        const std::string& out) {
  const auto routes = ImageRoutes::open({folder});
  if (!routes) {
    std::cerr << routes.error().text() << "\n";
    return 1;
  }
  View view(**routes, fmt::format("/zarr/{}{}", version, path), out);
  const Json levels = Json::parse(view.get("/api/dataset?path=" + path))["levels"];
  const bool second = version == "v2";
  for (const char* key : {".zgroup", ".zattrs", ".zmetadata"}) {
    if (second) view.write(key);
  }
  if (!second) view.write("zarr.json");
  for (size_t level = 0; level < levels.size(); ++level) {
    view.write(fmt::format("{}/{}", level, second ? ".zarray" : "zarr.json"));
    if (second) view.write(fmt::format("{}/.zattrs", level));
    view.write_chunks(fmt::format("{}{}", level, second ? "" : "/c"), levels[level]["shape"]);
  }
  return 0;
}

}  // namespace
}  // namespace tierhub::hub

int main(int argc, char** argv) {
  if (argc != 5) {
    std::cerr << "hub_view FOLDER PATH v2|v3 OUT\n";
    return 2;
  }
  return tierhub::hub::run(argv[1], argv[2], argv[3], argv[4]);
}
