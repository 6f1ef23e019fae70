// illumination-files.yaml, as it is shipped.
#include <algorithm>
#include <filesystem>
#include <sstream>

#include "tests/compute/shipped_fixture.h"

namespace tierhub::test {
namespace {
namespace fs = std::filesystem;

constexpr int kHeight = 120, kWidth = 160;

class ShippedIllumination : public Shipped {
 protected:
  // The light of a microscope as an 8-bit image, 255 in the middle and 60 % of that in the corners.
  void make_light(const std::string& name) {
    std::string pixels;
    for (int y = 0; y < kHeight; ++y) {
      for (int x = 0; x < kWidth; ++x) {
        const double v = 2.0 * y / (kHeight - 1) - 1, u = 2.0 * x / (kWidth - 1) - 1;
        pixels += static_cast<char>(static_cast<int>(255 * (1 - 0.2 * (u * u + v * v))));
      }
    }
    fs::create_directories(at(name + "/0"));
    write_text(at(name + "/.zgroup"), R"({"zarr_format": 2})");
    write_text(at(name + "/.zattrs"),
               R"({"multiscales": [{"version": "0.4", "axes": [{"name": "y"}, {"name": "x"}],)"
               R"( "datasets": [{"path": "0"}]}]})");
    write_text(at(name + "/0/.zarray"),
               R"({"zarr_format": 2, "shape": [120, 160], "chunks": [120, 160], "dtype": "|u1",)"
               R"( "compressor": null, "fill_value": 0, "order": "C", "filters": null})");
    write_text(at(name + "/0/0.0"), pixels);
  }

  // An image under that light.
  void light_up(const std::string& image, const std::string& name) {
    imgop({"math", "--in", at(image), "--operation", "multiply", "--with", at("light.zarr"),
           "--scale", "0.00392157", "--out", at(name)});
  }

  // Of a square of 16 pixels.
  double mean(const std::string& image, int y, int x) {
    const auto range = [](int begin) {
      return std::to_string(begin) + ":" + std::to_string(begin + 16);
    };
    imgop({"segment", "--sigma", "0", "--threshold", "0", "--in", image, "--select",
           "y=" + range(y) + ",x=" + range(x), "--out", at("square.zarr"), "--table",
           at("square.csv")});
    std::istringstream table(read_text(at("square.csv")));
    std::string row;
    while (std::getline(table, row) && row.find("intensity_mean") != std::string::npos) {
    }
    return std::stod(row.substr(row.rfind(',') + 1));
  }
};

TEST_F(ShippedIllumination, MakesImagesFlat) {
  make_light("light.zarr");
  for (const char* seed : {"1", "2"}) {
    const std::string name = std::string(seed) + ".ome.zarr";
    imgop({"synth", "--nuclei", "12", "--shape", "120,160", "--seed", seed, "--out",
           at("made.zarr")});
    light_up("made.zarr", "plate7/day1/" + name);
  }
  for (const char* grey : {"1000", "10000"}) {
    imgop({"math", "--in", at("made.zarr"), "--operation", "multiply", "--with", "0", "--offset",
           grey, "--out", at("even.zarr")});
    light_up("even.zarr", std::string("plate7/") + grey + ".ome.zarr");
  }
  start_agent({"--allow-root"});
  const EndedRun run = drop_and_wait(
      "light", shipped("illumination-files.yaml", "{images: plate7/**/*.ome.zarr, radius: 12}"));
  ASSERT_EQ(run.ending, "done") << run.report << run.log;
  EXPECT_NE(run.report.find("illumination.ome.zarr: light from 0."), std::string::npos)
      << run.report;
  const std::string flat = result(run, "images/1000.ome.zarr");
  EXPECT_LT(mean(at("plate7/1000.ome.zarr"), 0, 0), 0.7 * 1000);
  const double middle = mean(flat, 52, 72);
  for (const auto& [y, x] : {std::pair{0, 0}, {0, 144}, {104, 0}, {104, 144}, {52, 0}})
    EXPECT_NEAR(mean(flat, y, x) / middle, 1, 0.06) << y << ", " << x;
  for (const char* name : {"before.png", "after.png", "illumination.png"})
    EXPECT_TRUE(fs::exists(result(run, name))) << name;
  EXPECT_EQ(names_in(result(run, "images/day1")).size(), 2u);
}

}  // namespace
}  // namespace tierhub::test
