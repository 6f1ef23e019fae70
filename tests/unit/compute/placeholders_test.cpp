#include "compute/workflow/placeholders.h"

#include <gtest/gtest.h>

namespace tierhub::compute {
namespace {

std::string expand(std::string_view text, const PlaceholderValues& values = {}) {
  const auto parsed = Template::parse(text);
  return parsed ? parsed->expand(values) : "error: " + parsed.error().reason;
}

TEST(Placeholders, AreReplacedInsideAnyText) {
  PlaceholderValues values;
  values.set(Placeholder::work, "/w").set(Placeholder::task, "0007");
  EXPECT_EQ(expand("{work}/labels/{task}.zarr", values), "/w/labels/0007.zarr");
  EXPECT_EQ(expand("@{work}/threshold.json", values), "@/w/threshold.json");
}

TEST(Placeholders, AreFoundByName) {
  const auto parsed = Template::parse("--box={box}");
  ASSERT_TRUE(parsed);
  EXPECT_TRUE(parsed->mentions(Placeholder::box));
  EXPECT_FALSE(parsed->mentions(Placeholder::halo));
}

TEST(Placeholders, ThePathsOfTheRunAreFoundInsideAText) {
  const auto paths = [](std::string_view text) {
    std::vector<std::string> found;
    for (const Template& path : Template::parse(text)->paths_of_the_run())
      found.push_back(path.source());
    return found;
  };
  EXPECT_EQ(paths("{output}/{name}.csv"), std::vector<std::string>{"{output}/{name}.csv"});
  EXPECT_EQ(paths("--in={input} {name}"), std::vector<std::string>{});
  EXPECT_EQ(paths("sort {input} > \"{output}/{name}.csv\"; rm {work}/a{{b/{task} {name}"),
            (std::vector<std::string>{"{output}/{name}.csv", "{work}/a{{b/{task}"}));
  EXPECT_EQ(paths("@{work}"), std::vector<std::string>{"{work}"});
}

TEST(Placeholders, TwoBracesWriteOne) {
  EXPECT_EQ(expand("awk '{{print $1}'"), "awk '{print $1}'");
  EXPECT_EQ(expand("{{{{"), "{{");
}

TEST(Placeholders, AClosingBraceAloneStandsForItself) { EXPECT_EQ(expand("a}b}}"), "a}b}}"); }

TEST(Placeholders, AnUnknownOneIsAnErrorWithItsPlace) {
  const auto parsed = Template::parse("{input}:{boks}");
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().offset, 8u);
  EXPECT_EQ(parsed.error().token, "{boks}");
  EXPECT_NE(parsed.error().reason.find("{box}"), std::string::npos);
}

TEST(Placeholders, ABraceThatBeginsNoneIsAnErrorThatSaysWhatToWrite) {
  for (const std::string_view text : {"{", "a{", "{}", "{in put}", "{ input }"}) {
    const auto parsed = Template::parse(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_NE(parsed.error().reason.find("'{{'"), std::string::npos) << text;
  }
}

}  // namespace
}  // namespace tierhub::compute
