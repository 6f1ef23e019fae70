#include <gtest/gtest.h>

#include "imaging/images/units.h"
#include "imaging/tables/object_table.h"

namespace tierhub::imaging {
namespace {

const std::vector<ObjectSums> kObjects = {
    {2, 10, 21, 40, 30, {5, 10, 20}, {5, 6}, {10, 12}, {20, 21}},
    {3, 15, 33, 64, 65535, {5, 11, 21}, {5, 6}, {11, 12}, {21, 22}}};

LabelRecord plane_record() {
  LabelRecord record;
  record.source = {"p.zarr/A/1/0", "A1", "0", 0, {}};
  record.box = {0, 3, 2, {0, 1}, {0, 50}, {0, 50}};
  record.shape = {1, 50, 50};
  record.has_z = false;
  return record;
}

TEST(ObjectTable, NamesThePlaceOfEachObjectAndTheUnits) {
  LabelRecord record = plane_record();
  record.voxel_size = {1, 500, 250};
  record.voxel_unit = "nanometer";
  EXPECT_EQ(object_table(kObjects, record),
            "file,well,field,t,c,label,area_px,area_um2,centroid_y_px,centroid_x_px,begin_y_px,"
            "end_y_px,begin_x_px,end_x_px,intensity_sum,intensity_mean\n"
            "p.zarr/A/1/0,A1,0,3,2,1,2,0.25,10.500,20.000,10,12,20,21,30,15\n"
            "p.zarr/A/1/0,A1,0,3,2,2,3,0.375,11.000,21.333,11,12,21,22,65535,21845\n");
}

TEST(ObjectTable, OfAVolumeHasZAndVolumesButNoLengthsWithoutAUnit) {
  LabelRecord record = plane_record();
  record.has_z = true;
  record.box.z = {0, 9};
  record.shape.z = 9;
  record.source = {"a, \"b\".tif", "", "", 0, {}};
  record.voxel_size = {2, 1, 1};
  const std::string table = object_table({kObjects[0]}, record);
  EXPECT_EQ(table,
            "file,well,field,t,c,label,volume_vx,centroid_z_px,centroid_y_px,centroid_x_px,"
            "begin_z_px,end_z_px,begin_y_px,end_y_px,begin_x_px,end_x_px,intensity_sum,"
            "intensity_mean\n"
            "\"a, \"\"b\"\".tif\",,,3,2,1,2,5.000,10.500,20.000,5,6,10,12,20,21,30,15\n");
}

TEST(ObjectTable, KnowsTheNamesOfLengths) {
  EXPECT_EQ(micrometres("micrometer"), 1);
  EXPECT_EQ(micrometres("angstrom"), 1e-4);
  EXPECT_EQ(micrometres(""), std::nullopt);
  EXPECT_EQ(micrometres("pixel"), std::nullopt);
}

}  // namespace
}  // namespace tierhub::imaging
