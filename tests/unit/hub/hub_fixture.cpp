#include "tests/unit/hub/hub_fixture.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include <fmt/format.h>

namespace tierhub::hub {

void HubFolder::write(const std::string& folder, const test::Files& files) const {
  for (const auto& [name, bytes] : files) {
    const std::filesystem::path file = std::filesystem::path(path()) / folder / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << bytes;
  }
  settle();
}

void HubFolder::settle() const {
  const auto tree = formats::PosixTree::open(path()).value();
  std::vector<std::string> all;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path()))
    all.push_back(entry.path().lexically_relative(path()));
  const auto are_settled = [&] {
    const auto stamps = tree->stamps_of(all).value();
    return std::all_of(stamps.begin(), stamps.end(),
                       [](const formats::FileStamp& stamp) { return stamp.is_settled; });
  };
  // It takes seconds: a shorter pause would keep a processor busy under a sanitizer.
  while (!are_settled()) std::this_thread::sleep_for(std::chrono::milliseconds(50));
}

std::string header_of(const http::Response& response, const std::string& name) {
  for (const auto& [known, value] : response.headers) {
    if (known == name) return value;
  }
  return {};
}

test::Files zarr_image(const formats::Shape& shape, const formats::Shape& chunk) {
  test::Files files;
  files[".zgroup"] = R"({"zarr_format":2})";
  files[".zattrs"] =
      R"({"multiscales":[{"version":"0.4","axes":[{"name":"t"},{"name":"c"},
      {"name":"z","type":"space","unit":"micrometer"},{"name":"y","type":"space","unit":"micrometer"},
      {"name":"x","type":"space","unit":"micrometer"}],"datasets":[{"path":"0",
      "coordinateTransformations":[{"type":"scale","scale":[1,1,2,0.5,0.25]}]}]}]})";
  files["0/.zarray"] = fmt::format(
      R"({{"zarr_format":2,"shape":[{},{},{},{},{}],"chunks":[{},{},{},{},{}],"dtype":"<u2",)"
      R"("compressor":null,"fill_value":0,"order":"C","filters":null,"dimension_separator":"/"}})",
      shape.t, shape.c, shape.z, shape.y, shape.x, chunk.t, chunk.c, chunk.z, chunk.y, chunk.x);
  const formats::Grid grid{shape, chunk};
  (void)grid.for_each(whole(shape, 0), [&](const formats::Shape& at) -> Result<void> {
    std::string bytes;
    for (uint64_t t = 0; t < chunk.t; ++t)
      for (uint64_t c = 0; c < chunk.c; ++c)
        for (uint64_t z = 0; z < chunk.z; ++z)
          for (uint64_t y = 0; y < chunk.y; ++y)
            for (uint64_t x = 0; x < chunk.x; ++x)
              bytes += test::bytes_of_number(
                  test::voxel_at<uint16_t>(at.t * chunk.t + t, at.c * chunk.c + c,
                                           at.z * chunk.z + z, at.y * chunk.y + y,
                                           at.x * chunk.x + x),
                  false);
    files[fmt::format("0/{}/{}/{}/{}/{}", at.t, at.c, at.z, at.y, at.x)] = bytes;
    return {};
  });
  return files;
}

}  // namespace tierhub::hub
