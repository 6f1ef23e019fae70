// Fuzz targets: functions that are given any bytes. What crashes, hangs, exhausts memory or throws
// is a bug. libFuzzer drives them in the fuzz preset (scripts/fuzz.sh); fuzz_test gives them
// damaged seeds in every other build.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tierhub::fuzz {

struct Target {
  std::string_view name;
  void (*run)(std::string_view bytes);
  std::vector<std::string> (*seeds)();  // well-formed inputs
};

extern const Target
    kRecords;               // keys and records of the catalog: the first byte chooses the decoder
extern const Target kWire;  // messages between tierd and its archive helper: likewise
extern const Target kRequests;   // the control API: "METHOD TARGET\nBODY"
extern const Target kWorkflows;  // workflow files
// Image files; OME-Zarr metadata as "path\0content\0path\0content"; a series as
// "#path\0path\0\0content".
extern const Target kDatasets;
extern const Target kPixels;    // the same, and their voxels
extern const Target kSettings;  // tierd's configuration file

inline constexpr const Target* kTargets[] = {&kRecords,  &kWire,   &kRequests, &kWorkflows,
                                             &kDatasets, &kPixels, &kSettings};

}  // namespace tierhub::fuzz
