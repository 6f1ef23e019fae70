// plate-two-channels.yaml: a protein that is in the nuclei of some wells, and around those of
// others.
#include <filesystem>
#include <map>
#include <sstream>

#include "tests/compute/shipped_fixture.h"

namespace tierhub::test {
namespace {
namespace fs = std::filesystem;

// The cells of a column, by those of another one. No cell is quoted.
std::map<std::string, std::string> column_by(const std::string& csv, const std::string& key,
                                             const std::string& column) {
  std::map<std::string, std::string> values;
  std::istringstream lines(csv);
  std::vector<std::string> names;
  for (std::string line; std::getline(lines, line);) {
    std::vector<std::string> cells;
    std::istringstream row(line);
    for (std::string cell; std::getline(row, cell, ',');) cells.push_back(cell);
    if (names.empty()) {
      names = cells;
      continue;
    }
    std::string own, value;
    for (size_t i = 0; i < cells.size(); ++i) {
      if (names[i] == key) own = cells[i];
      if (names[i] == column) value = cells[i];
    }
    values[own] = value;
  }
  return values;
}

TEST_F(Shipped, TranslocationOfAPlateIsHighAndLowInTheRightWells) {
  fs::create_directories(at("plate7"));
  const std::pair<const char*, const char*> wells[] = {
      {"A01", "0.9"}, {"A02", "0.9"}, {"B01", "0.5"}, {"H01", "0.2"}, {"H02", "0.2"}};
  int seed = 1;
  for (const auto& [well, share] : wells) {
    imgop({"synth", "--nuclei", "12", "--shape", "150,160", "--touching", "0", "--seed",
           std::to_string(seed++), "--translocation", share, "--out", at("made.ome.zarr")});
    imgop({"convert", "--in", at("made.ome.zarr"), "--out", at("made.ome.tif")});
    fs::rename(at("made.ome.tif"), at(std::string("plate7/p_") + well + "_s1.ome.tif"));
  }
  start_agent({"--allow-root"});
  const EndedRun run =
      drop_and_wait("plate", shipped("plate-two-channels.yaml",
                                     "{images: plate7/**/*.ome.tif, diameter: 14, ring_to: 5}"));
  ASSERT_EQ(run.ending, "done") << run.report << run.log;
  const auto translocation =
      column_by(read_text(result(run, "wells.csv")), "well", "translocation_mean");
  ASSERT_EQ(translocation.size(), 5u) << read_text(result(run, "wells.csv"));
  const auto of = [&](const char* well) { return std::stod(translocation.at(well)); };
  for (const char* well : {"A1", "A2"}) EXPECT_GT(of(well), 2.5);
  for (const char* well : {"H1", "H2"}) EXPECT_LT(of(well), 0.9);
  EXPECT_GT(of("B1"), of("H1"));
  EXPECT_LT(of("B1"), of("A1"));
  const auto percent =
      column_by(read_text(result(run, "wells.csv")), "well", "translocation_mean_percent");
  EXPECT_NEAR(std::stod(percent.at("A1")) + std::stod(percent.at("A2")), 200, 0.01);
  EXPECT_NEAR(std::stod(percent.at("H1")) + std::stod(percent.at("H2")), 0, 0.01);
  EXPECT_GT(std::stod(percent.at("B1")), 5);
  EXPECT_LT(std::stod(percent.at("B1")), 50);
  const auto counts = column_by(read_text(result(run, "wells.csv")), "well", "count");
  for (const auto& [well, count] : counts) EXPECT_NEAR(std::stod(count), 12, 1) << well;
  const std::string words = "Z' of translocation_mean is ";
  const size_t found = run.report.find(words);
  ASSERT_NE(found, std::string::npos) << run.report;
  EXPECT_GT(std::stod(run.report.substr(found + words.size())), 0.7);
  EXPECT_EQ(read_text(result(run, "plate.png")).substr(1, 3), "PNG");
  EXPECT_TRUE(fs::exists(result(run, "labels/p_B01_s1.ome.zarr/0/.zarray")));
}

}  // namespace
}  // namespace tierhub::test
