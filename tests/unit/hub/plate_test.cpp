// Plates of an OME-Zarr, as the page shows them.
#include <chrono>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/unit/hub/hub_fixture.h"

namespace tierhub::hub {
namespace {

using formats::Json;

class Plates : public ::testing::Test {
 protected:
  Plates() { routes_ = ImageRoutes::open({folder_.path(), make_tiers(tierd_.calls())}).value(); }
  // A plate of two wells: A/1 with two fields, B/2 with one.
  void write_plate() {
    test::Files files;
    files[".zgroup"] = R"({"zarr_format":2})";
    files[".zattrs"] = R"({"plate":{"version":"0.4","name":"screen 7","field_count":2,
        "acquisitions":[{"id":3,"name":"day 1"}],
        "rows":[{"name":"A"},{"name":"B"}],"columns":[{"name":"1"},{"name":"2"},{"name":"3"}],
        "wells":[{"path":"A/1","rowIndex":0,"columnIndex":0},{"path":"B/2","rowIndex":1,"columnIndex":1},
        {"path":"../../etc","rowIndex":0,"columnIndex":2}]}})";
    files["A/.zgroup"] = files["B/.zgroup"] = files[".zgroup"];
    files["A/1/.zgroup"] = files["B/2/.zgroup"] = files[".zgroup"];
    files["A/1/.zattrs"] =
        R"({"well":{"images":[{"path":"0","acquisition":3},{"path":"1","acquisition":3}]}})";
    files["B/2/.zattrs"] = R"({"well":{"images":[{"path":"0"},{"path":"/etc"}]}})";
    folder_.write("p.zarr", files);
    for (const char* field : {"A/1/0", "A/1/1", "B/2/0"}) {
      folder_.write(fmt::format("p.zarr/{}", field),
                    zarr_image({1, 1, 1, 20, 30}, {1, 1, 1, 20, 30}));
    }
  }
  Json dataset(const std::string& path) {
    return json_of(get(*routes_, "/api/dataset?path=" + path));
  }

  HubFolder folder_;
  FakeTierd tierd_;
  std::unique_ptr<ImageRoutes> routes_;
};

TEST_F(Plates, HaveTheirWellsAndFields) {
  write_plate();
  const Json json = dataset("/p.zarr");
  EXPECT_EQ(json["path"], "/p.zarr");
  EXPECT_EQ(json["name"], "p.zarr");
  EXPECT_EQ(json["plate"], Json::parse(R"({"name":"screen 7","rows":["A","B"],
      "columns":["1","2","3"],"acquisitions":[{"id":3,"name":"day 1"}],
      "wells":[{"path":"A/1","row":0,"column":0,"fields":[{"path":"A/1/0","acquisition":3},
      {"path":"A/1/1","acquisition":3}]},
      {"path":"B/2","row":1,"column":1,"fields":[{"path":"B/2/0"}]}]})"))
      << json.dump(1);
}

TEST_F(Plates, AWellIsAPlateOfOneWell) {
  write_plate();
  const Json json = dataset("/p.zarr/B/2");
  EXPECT_EQ(json["plate"], Json::parse(R"({"name":"p.zarr","rows":["B"],"columns":["2"],
      "acquisitions":[],"wells":[{"path":"","row":0,"column":0,"fields":[{"path":"0"}]}]})"))
      << json.dump(1);
  EXPECT_EQ(dataset("/p.zarr/A/1/0")["shape"]["x"], 30) << "a field is an image";
}

TEST_F(Plates, OfVersion3AreReadFromTheirOwnFile) {
  const auto group = [](const std::string& ome) {
    return R"({"zarr_format":3,"node_type":"group","attributes":{"ome":)" + ome + "}}";
  };
  folder_.write("q.zarr", {{"zarr.json", group(R"({"version":"0.5","plate":{"rows":[{"name":"A"}],
                   "columns":[{"name":"12"}],"wells":[{"path":"A/12","rowIndex":0,"columnIndex":0}]}})")},
                           {"A/12/zarr.json",
                            group(R"({"version":"0.5","well":{"images":[{"path":"7"}]}})")}});
  const Json plate = dataset("/q.zarr")["plate"];
  EXPECT_EQ(plate["name"], "q.zarr");
  EXPECT_EQ(plate["wells"][0]["fields"][0]["path"], "A/12/7");
}

TEST_F(Plates, AWellThatCannotBeReadSaysWhy) {
  write_plate();
  folder_.write("p.zarr/A/1", {{".zattrs", "{"}});
  const Json wells = dataset("/p.zarr")["plate"]["wells"];
  ASSERT_EQ(wells.size(), 2u);
  EXPECT_EQ(wells[0]["fields"], Json::array());
  EXPECT_NE(wells[0].value("error", ""), "");
  EXPECT_EQ(wells[1]["fields"].size(), 1u);
}

TEST_F(Plates, ColdMetadataIsAskedForAllAtOnce) {
  write_plate();
  tierd_.make_cold("/p.zarr/A/1/.zattrs");
  tierd_.make_cold("/p.zarr/B/2/.zattrs");
  const auto cold = get(*routes_, "/api/dataset?path=/p.zarr");
  EXPECT_EQ(cold.status, 503);
  EXPECT_EQ(header_of(cold, "X-TierHub-State"), "recalling");
  ASSERT_EQ(tierd_.requests().size(), 1u);
  EXPECT_EQ(tierd_.requests()[0].files.size(), 2u);
  tierd_.make_hot();
  EXPECT_EQ(get(*routes_, "/api/dataset?path=/p.zarr").status, 200);
}

TEST_F(Plates, AThumbnailIsThatOfTheFirstField) {
  write_plate();
  const auto field = get(*routes_, "/api/thumbnail?path=/p.zarr/A/1/0");
  ASSERT_EQ(field.status, 200);
  EXPECT_EQ(body_of(get(*routes_, "/api/thumbnail?path=/p.zarr/A/1")), body_of(field));
  EXPECT_EQ(body_of(get(*routes_, "/api/thumbnail?path=/p.zarr")), body_of(field));
}

TEST_F(Plates, AreOneDatasetOfTheirFolder) {
  write_plate();
  folder_.write("other.zarr", zarr_image({1, 1, 1, 20, 30}, {1, 1, 1, 20, 30}));
  const Json datasets = json_of(get(*routes_, "/api/datasets?path=/&depth=8"))["datasets"];
  ASSERT_EQ(datasets.size(), 2u) << datasets.dump(1);
  EXPECT_EQ(datasets[0]["path"], "/other.zarr");
  EXPECT_FALSE(datasets[0].value("is_plate", false));
  EXPECT_EQ(datasets[1]["path"], "/p.zarr");
  EXPECT_EQ(datasets[1]["is_plate"], true);
}

TEST_F(Plates, AFolderOfAnythingElseIsNoPlate) {
  folder_.write("empty.zarr", {{".zgroup", R"({"zarr_format":2})"}, {".zattrs", "{}"}});
  EXPECT_EQ(get(*routes_, "/api/dataset?path=/empty.zarr").status, 422);
  std::filesystem::create_directories(folder_.path() + "/loop.zarr");
  std::filesystem::create_directory_symlink(".", folder_.path() + "/loop.zarr/A");
  folder_.write("loop.zarr",
                {{".zattrs", R"({"plate":{"rows":[],"columns":[],"wells":[{"path":"A"}]}})"}});
  EXPECT_EQ(dataset("/loop.zarr")["plate"]["wells"][0]["fields"], Json::array());
  EXPECT_EQ(get(*routes_, "/api/thumbnail?path=/loop.zarr").status, 422);
}

// 1536 wells of 9 fields: no image is opened.
TEST_F(Plates, ALargePlateIsAnsweredSoon) {
  std::string rows, columns, wells, images;
  test::Files files;
  for (int field = 0; field < 9; ++field)
    images += fmt::format(R"({}{{"path":"{}"}})", field > 0 ? "," : "", field);
  for (int row = 0; row < 32; ++row) {
    rows += fmt::format(R"({}{{"name":"R{}"}})", row > 0 ? "," : "", row);
    for (int column = 0; column < 48; ++column) {
      if (row == 0) columns += fmt::format(R"({}{{"name":"{}"}})", column > 0 ? "," : "", column);
      const std::string path = fmt::format("R{}/{}", row, column);
      wells += fmt::format(R"({}{{"path":"{}","rowIndex":{},"columnIndex":{}}})",
                           wells.empty() ? "" : ",", path, row, column);
      files[path + "/.zattrs"] = R"({"well":{"images":[)" + images + "]}}";
    }
  }
  files[".zattrs"] = fmt::format(R"({{"plate":{{"rows":[{}],"columns":[{}],"wells":[{}]}}}})", rows,
                                 columns, wells);
  folder_.write("large.zarr", files);
  const auto begin = std::chrono::steady_clock::now();
  const Json plate = dataset("/large.zarr")["plate"];
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  ASSERT_EQ(plate["wells"].size(), 1536u);
  EXPECT_EQ(plate["wells"][1535]["fields"].size(), 9u);
  EXPECT_EQ(plate["wells"][1535]["row"], 31);
  RecordProperty("seconds", std::to_string(took.count()));
  // The machine may be busy, or check memory; opening 13,824 images would take much longer.
  EXPECT_LT(took.count(), 5.0);
}

}  // namespace
}  // namespace tierhub::hub
