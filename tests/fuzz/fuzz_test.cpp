// Every target takes its seeds and many damaged ones. A search that goes on for as long as one
// likes is scripts/fuzz.sh.
#include <random>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/fuzz/target.h"

namespace tierhub::fuzz {
namespace {

constexpr int kRounds = 1500;

// Up to four small damages: bytes changed, cut out, doubled, or taken from another seed.
std::string damaged(const std::vector<std::string>& seeds, std::mt19937_64& random) {
  std::string bytes = seeds[random() % seeds.size()];
  for (uint64_t damages = 1 + random() % 4; damages > 0; --damages) {
    const size_t at = random() % (bytes.size() + 1);
    const size_t size = std::min<size_t>(random() % 16, bytes.size() - at);
    const std::string& other = seeds[random() % seeds.size()];
    switch (random() % 4) {
      case 0:
        bytes.erase(at, size);
        break;
      case 1:
        bytes.insert(at, bytes.substr(at, size));
        break;
      case 2:
        bytes.insert(at, other.substr(random() % (other.size() + 1), 16));
        break;
      default:
        if (at < bytes.size()) bytes[at] = static_cast<char>(random());
    }
  }
  return bytes;
}

class Fuzz : public ::testing::TestWithParam<const Target*> {};

TEST_P(Fuzz, SurvivesDamagedInput) {
  const uint64_t seed = std::random_device{}();
  const ::testing::ScopedTrace trace(__FILE__, __LINE__, fmt::format("seed {}", seed));
  std::mt19937_64 random(seed);
  const auto seeds = GetParam()->seeds();
  for (const std::string& bytes : seeds) ASSERT_NO_THROW(GetParam()->run(bytes));
  GetParam()->run("");
  for (int i = 0; i < kRounds; ++i) {
    const std::string bytes = damaged(seeds, random);
    ASSERT_NO_THROW(GetParam()->run(bytes)) << ::testing::PrintToString(bytes);
  }
}

INSTANTIATE_TEST_SUITE_P(, Fuzz, ::testing::ValuesIn(kTargets),
                         [](const auto& target) { return std::string(target.param->name); });

}  // namespace
}  // namespace tierhub::fuzz
