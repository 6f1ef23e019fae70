#include "compute/run/own_paths.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "tests/support/temporary_directory.h"

namespace tierhub::compute {
namespace {
namespace fs = std::filesystem;

using Texts = std::vector<std::string>;

Texts own(const std::string& steps, size_t step, const std::string& scatter = "{by: file}") {
  const Result<Workflow> parsed =
      parse_workflow("workflow: w\ninput: {dataset: d}\n" +
                     (scatter.empty() ? "" : "scatter: " + scatter + "\n") + "steps:\n" + steps);
  EXPECT_TRUE(parsed) << parsed.error().text();
  Texts texts;
  for (const Template& path : own_paths_of(*parsed, step)) texts.push_back(path.source());
  return texts;
}

TEST(OwnPaths, AreThoseThatAStepIsTheFirstToName) {
  const std::string steps =
      "  - {id: a, run: [t, \"{input}\", \"{work}/a/{task}\", \"{output}/{path}.csv\"]}\n"
      "  - {id: b, after: a, run: [t, \"{work}/a/{task}\", \"{work}/b/{task}.zarr\"]}\n"
      "  - {id: c, gather: b, run: [sh, -c, 'cat {work}/b/* > {output}/all; ls {work}']}\n";
  EXPECT_EQ(own(steps, 0), (Texts{"{work}/a/{task}", "{output}/{path}.csv"}));
  EXPECT_EQ(own(steps, 1), (Texts{"{work}/b/{task}.zarr"})) << "what it reads is not its own";
  EXPECT_EQ(own(steps, 2), (Texts{"{output}/all"}));
}

TEST(OwnPaths, WhatTheTasksOfAStepShareIsNotTheirs) {
  EXPECT_EQ(own("  - {id: a, run: [t, \"{work}/log\", \"{output}\"]}\n", 0), Texts{});
  EXPECT_EQ(own("  - {id: a, run: [t, \"{work}/log\", \"{output}\"]}\n", 0, ""),
            (Texts{"{work}/log"}));
}

TEST(OwnPaths, AFolderThatAnotherStepNamesIsNotTheirs) {
  const std::string steps =
      "  - {id: a, run: [t, \"{work}/both\"]}\n"
      "  - {id: b, run: [t, \"{work}/both/{task}\"]}\n"
      "  - {id: c, run: [t, \"{work}/both2/{task}\"]}\n";
  EXPECT_EQ(own(steps, 1), Texts{});
  EXPECT_EQ(own(steps, 2), (Texts{"{work}/both2/{task}"}));
}

TEST(OwnPaths, AreAlsoThoseInVariables) {
  EXPECT_EQ(own("  - {id: a, run: [t], env: {OUT: \"{output}/{name}\"}}\n", 0),
            (Texts{"{output}/{name}"}));
}

TEST(OwnPaths, AreRemovedWhateverTheyAre) {
  const TemporaryDirectory folder;
  fs::create_directories(folder / "a/b");
  std::ofstream(folder / "a/b/file") << "x";
  std::ofstream(folder / "kept") << "x";
  fs::create_symlink(folder / "kept", folder / "a/link");
  fs::create_symlink(folder / "kept", folder / "link");
  for (const char* name : {"a", "link", "missing", "kept/no-folder"})
    EXPECT_TRUE(remove_path(folder / name)) << name;
  EXPECT_FALSE(fs::exists(folder / "a"));
  EXPECT_FALSE(fs::is_symlink(folder / "link"));
  EXPECT_TRUE(fs::exists(folder / "kept"));
}

}  // namespace
}  // namespace tierhub::compute
