// One program per target, driven by libFuzzer. With the environment variable TIERHUB_FUZZ_SEEDS it
// writes the target's seeds to that folder first.
#include <cstdint>
#include <cstdlib>
#include <fstream>

#include <fmt/format.h>

#include "tests/fuzz/target.h"

namespace {

const tierhub::fuzz::Target& target() { return tierhub::fuzz::TIERHUB_FUZZ_TARGET; }

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  const char* folder = std::getenv("TIERHUB_FUZZ_SEEDS");
  if (folder == nullptr) return 0;
  int number = 0;
  for (const std::string& seed : target().seeds())
    std::ofstream(fmt::format("{}/seed{}", folder, number++), std::ios::binary) << seed;
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  target().run({reinterpret_cast<const char*>(data), size});
  return 0;
}
