// The workflows that count spots in cells, and nuclei over time.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include "tests/compute/shipped_fixture.h"

namespace tierhub::test {
namespace {
namespace fs = std::filesystem;

constexpr int kScanHeight = 120, kScanWidth = 160;
using Plane = std::vector<uint16_t>;

// A bright disc with a soft edge.
void add_disc(Plane& plane, double y, double x, double radius, double brightness) {
  for (int i = 0; i < kScanHeight; ++i) {
    for (int j = 0; j < kScanWidth; ++j) {
      const double inside = radius + 0.5 - std::hypot(i - y, j - x);
      plane[static_cast<size_t>(i * kScanWidth + j)] +=
          static_cast<uint16_t>(brightness * std::min(1.0, std::max(0.0, inside)));
    }
  }
}

void write_file(const std::string& path, const std::string& bytes) {
  fs::create_directories(fs::path(path).parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
}

// An OME-Zarr image of 16 bits: planes[i] is time point or channel i, as `axis` says.
void write_image(const std::string& path, char axis, const std::vector<Plane>& planes) {
  std::ostringstream attributes, array;
  attributes << R"({"multiscales":[{"version":"0.4","axes":[{"name":")" << axis
             << R"("},{"name":"y"},{"name":"x"}],"datasets":[{"path":"0"}]}]})";
  array << R"({"zarr_format":2,"shape":[)" << planes.size() << "," << kScanHeight << ","
        << kScanWidth << R"(],"chunks":[1,)" << kScanHeight << "," << kScanWidth
        << R"(],"dtype":"<u2","compressor":null,"fill_value":0,"order":"C","filters":null})";
  write_file(path + "/.zgroup", R"({"zarr_format":2})");
  write_file(path + "/.zattrs", attributes.str());
  write_file(path + "/0/.zarray", array.str());
  for (size_t i = 0; i < planes.size(); ++i)
    write_file(path + "/0/" + std::to_string(i) + ".0.0",
               {reinterpret_cast<const char*>(planes[i].data()), planes[i].size() * 2});
}

// A column of a table: the cells of each row.
std::vector<std::string> column(const std::string& path, const std::string& name) {
  std::istringstream lines(read_text(path));
  std::vector<std::string> cells;
  size_t at = 0;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    std::vector<std::string> row;
    for (std::string field; std::getline(fields, field, ',');) row.push_back(field);
    if (cells.empty())
      at = static_cast<size_t>(std::find(row.begin(), row.end(), name) - row.begin());
    cells.push_back(at < row.size() ? row[at] : "");
  }
  cells.erase(cells.begin());
  return cells;
}

TEST_F(Shipped, SpotsPerCellCountsTheSpotsOfEachCell) {
  for (const char* name : {"fish/day1/a.ome.zarr", "fish/day2/b.ome.zarr"}) {
    Plane nuclei(kScanHeight * kScanWidth, 100), spots(kScanHeight * kScanWidth, 100);
    // Cell n has n spots; the last one lies far from all cells.
    const double centres[][2] = {{30, 30}, {30, 120}, {90, 40}};
    for (int n = 1; n <= 3; ++n) {
      const auto [y, x] = centres[n - 1];
      add_disc(nuclei, y, x, 11, 500);
      for (int spot = 0; spot < n; ++spot) add_disc(spots, y + 8 * spot - 6, x + 14, 1.5, 400);
    }
    add_disc(spots, 100, 140, 1.5, 400);
    write_image(at(name), 'c', {nuclei, spots});
  }
  start_agent({"--allow-root"});
  const EndedRun run =
      drop_and_wait("spots", shipped("spots-per-cell.yaml", "{images: fish/**/*.zarr}"));
  ASSERT_EQ(run.ending, "done") << run.report << run.log;
  EXPECT_EQ(column(result(run, "cells.csv"), "spots_count"),
            (std::vector<std::string>{"1", "2", "3", "1", "2", "3"}));
  EXPECT_EQ(column(result(run, "images.csv"), "count"), (std::vector<std::string>{"3", "3"}));
  EXPECT_EQ(column(result(run, "images.csv"), "spots_count_mean"),
            (std::vector<std::string>{"2", "2"}));
  EXPECT_EQ(column(result(run, "tables/spots/day1/a.csv"), "parent"),
            (std::vector<std::string>{"1", "2", "2", "3", "3", "3", "0"}));
  EXPECT_NE(run.report.find("6 of 7 spots lie in 3 of 3 parents"), std::string::npos) << run.report;
  EXPECT_TRUE(fs::exists(result(run, "pictures/day2/b.png")));
  EXPECT_TRUE(fs::exists(result(run, "spots.png")));
}

TEST_F(Shipped, TimelapseCountsNucleiAtEachTimePoint) {
  std::vector<Plane> frames;
  for (int t = 0; t < 4; ++t) {
    Plane plane(kScanHeight * kScanWidth, 100);
    for (int n = 0; n < 2 + 2 * t; ++n)
      add_disc(plane, 20 + 40 * (n / 4), 20 + 38 * (n % 4), 11, 500);
    frames.push_back(plane);
  }
  write_image(at("movie.ome.zarr"), 't', frames);
  start_agent({"--allow-root"});
  const EndedRun run = drop_and_wait("time", shipped("timelapse.yaml", "{image: movie.ome.zarr}"));
  ASSERT_EQ(run.ending, "done") << run.report << run.log;
  EXPECT_EQ(column(result(run, "times.csv"), "t"), (std::vector<std::string>{"0", "1", "2", "3"}));
  EXPECT_EQ(column(result(run, "times.csv"), "count"),
            (std::vector<std::string>{"2", "4", "6", "8"}));
  for (const std::string& area : column(result(run, "times.csv"), "area_px_mean"))
    EXPECT_NEAR(std::stod(area), 3.14 * 11 * 11, 40);
  EXPECT_EQ(column(result(run, "nuclei.csv"), "t").size(), 20u);
  const fs::directory_iterator labels(result(run, "labels"));
  EXPECT_EQ(std::distance(begin(labels), end(labels)), 4);
  EXPECT_TRUE(fs::exists(result(run, "count.png")));
}

}  // namespace
}  // namespace tierhub::test
