#include "compute/staging/inputs.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "tests/support/temporary_directory.h"

namespace tierhub::compute {
namespace {
namespace fs = std::filesystem;

class Inputs : public ::testing::Test {
 protected:
  void write(const std::string& path, const std::string& text = "x") {
    fs::create_directories(fs::path(folder / path).parent_path());
    std::ofstream(folder / path) << text;
  }

  // A volume of 4x6x5 voxels (or with t and c before) in chunks of 2x2x2.
  void write_image(const std::string& path, bool with_t_and_c = false) {
    const std::string more = with_t_and_c ? R"({"name":"t"},{"name":"c"},)" : "";
    write(path + "/.zattrs", R"({"multiscales":[{"version":"0.4","axes":[)" + more +
                                 R"({"name":"z"},{"name":"y"},{"name":"x"}],
      "datasets":[{"path":"0"}]}]})");
    const std::string shape = with_t_and_c ? "3,2,4,6,5" : "4,6,5";
    const std::string chunks = with_t_and_c ? "1,1,2,2,2" : "2,2,2";
    write(path + "/0/.zarray", R"({"zarr_format":2,"shape":[)" + shape + R"(],"chunks":[)" +
                                   chunks +
                                   R"(],"dtype":"|u1","compressor":null,"fill_value":0,
      "order":"C","filters":null,"dimension_separator":"."})");
  }

  // Two time points in files of a series; each is a map of 2x3x4 bytes.
  void write_series(const std::string& path) {
    std::string map(1024 + 24, '\0');
    map[0] = 4;
    map[4] = 3;
    map[8] = 2;
    map[88] = 1;
    map.replace(208, 4, "MAP ");
    map.replace(212, 2, "DD");
    for (const char* name : {"/a_t1.mrc", "/a_t2.mrc"}) write(path + name, map);
  }

  Result<RunInputs> make(const std::string& head, const std::string& run = "[t, \"{input}\"]") {
    Result<Workflow> parsed =
        parse_workflow("workflow: w\n" + head + "\nsteps: [{id: a, run: " + run + "}]\n");
    if (!parsed) return parsed.error();
    workflow = *std::move(parsed);
    const Places places{folder.path(), in_mount ? folder.path() : ""};
    return RunInputs::make(workflow, places, nullptr, {});
  }

  // What the placeholder stands for, for each task.
  std::vector<std::string> values(const RunInputs& inputs, Placeholder word) {
    std::vector<std::string> texts;
    for (size_t i = 0; i < inputs.size(); ++i) {
      PlaceholderValues found;
      inputs.describe(workflow.steps[0], i, found);
      texts.push_back(found.get(word).value_or("-"));
    }
    return texts;
  }

  std::vector<std::string> staged(const RunInputs& inputs, size_t index) {
    std::vector<std::string> paths;
    const Result<TaskInput> input = inputs.input_of(workflow.steps[0], index);
    if (!input) return {input.error().text()};
    for (const TaskInput::File& file : input->files) paths.push_back(file.path);
    for (const std::string& path : input->folders) paths.push_back(path + "/");
    return paths;
  }

  using Texts = std::vector<std::string>;
  TemporaryDirectory folder;
  Workflow workflow;
  bool in_mount = true;
};

TEST_F(Inputs, APatternMeansFilesInOrder) {
  for (const char* name : {"d/b.tif", "d/a.tif", "d/c.txt", "d/.hidden.tif", "d/e/f/g.tif"}) {
    write(name);
  }
  const auto names = [&](const std::string& pattern) {
    const Result<RunInputs> inputs =
        make("input: {dataset: \"" + pattern + "\"}\nscatter: {by: file}");
    return inputs ? values(*inputs, Placeholder::name) : Texts{inputs.error().text()};
  };
  EXPECT_EQ(names("d/*.tif"), (Texts{"a", "b"}));
  EXPECT_EQ(names("d/**/*.tif"), (Texts{"a", "b", "g"}));
  EXPECT_EQ(names("*/[ab].tif"), (Texts{"a", "b"}));
  EXPECT_EQ(names("d"), (Texts{"a", "b", "c"}));
}

TEST_F(Inputs, PathBeginsBelowWhatAllPatternsShare) {
  for (const char* name : {"d1/x.tif", "d2/x.ome.tif", "d2/e/y.tif", "e/x.tif"}) write(name);
  const auto paths = [&](const std::string& dataset) {
    const Result<RunInputs> inputs = make("input: {dataset: " + dataset + "}\nscatter: {by: file}");
    return inputs ? values(*inputs, Placeholder::path) : Texts{inputs.error().text()};
  };
  EXPECT_EQ(paths("\"d?/x.*\""), (Texts{"d1/x", "d2/x"}));
  EXPECT_EQ(paths("\"d2/**/*.tif\""), (Texts{"e/y", "x"}));
  EXPECT_EQ(paths("d2"), (Texts{"x"})) << "a folder stands for its files";
  EXPECT_EQ(paths("e/x.tif"), (Texts{"x"}));
  EXPECT_EQ(paths("[d1/x.tif, e/x.tif]"), (Texts{"d1/x", "e/x"}));
  EXPECT_EQ(paths("[\"d1/*\", \"e/*\"]"), (Texts{"d1/x", "e/x"}));
  EXPECT_EQ(paths("[d1, \"d2/e/*\"]"), (Texts{"d1/x", "d2/e/y"}));
  EXPECT_EQ(paths("[\"d1/*\", \"d2/../e/*\"]"), (Texts{"d1/x", "e/x"}));
}

TEST_F(Inputs, ARunThatGoesOnHasTheItemsThatItBeganWith) {
  for (const char* name : {"d/b.tif", "d/c.tif"}) write(name);
  const std::string text =
      "workflow: w\ninput: {dataset: \"d/*\"}\nscatter: {by: file}\nsteps: [{id: a, run: [t]}]\n";
  workflow = *parse_workflow(text);
  const Places places{folder.path(), folder.path()};
  const Texts known = RunInputs::make(workflow, places, nullptr, {})->item_paths();
  write("d/a.tif");
  const Result<RunInputs> inputs = RunInputs::make(workflow, places, nullptr, known);
  ASSERT_TRUE(inputs) << inputs.error().text();
  EXPECT_EQ(values(*inputs, Placeholder::name), (Texts{"b", "c"}));
  EXPECT_EQ(values(*inputs, Placeholder::path), (Texts{"b", "c"}));
}

TEST_F(Inputs, AFileWhoseNameLooksLikeAPatternIsItself) {
  write("scan[1].tif");
  const Result<RunInputs> inputs = make("input: {dataset: \"scan[1].tif\"}");
  ASSERT_TRUE(inputs) << inputs.error().text();
  EXPECT_EQ(values(*inputs, Placeholder::name), Texts{"scan[1]"});
}

TEST_F(Inputs, AListOfFilesKeepsItsOrder) {
  write("b");
  write("a");
  const Result<RunInputs> inputs = make("input: {dataset: [b, a]}\nscatter: {by: file}");
  ASSERT_TRUE(inputs);
  EXPECT_EQ(values(*inputs, Placeholder::name), (Texts{"b", "a"}));
}

TEST_F(Inputs, WhatDoesNotExistIsNamed) {
  EXPECT_EQ(make("input: {dataset: none}").error().text(),
            "the input " + (folder / "none") + " does not exist");
  EXPECT_EQ(make("input: {dataset: n*}").error().text(), "no input matches " + (folder / "n*"));
}

TEST_F(Inputs, LinksToNothingAreLeftOutAndNamed) {
  write("d/a.txt");
  fs::create_symlink("/nowhere/b", folder / "d/b.txt");
  fs::create_symlink("c.txt", folder / "d/c.txt");  // to itself
  fs::create_symlink("a.txt", folder / "d/good.txt");
  for (const char* dataset : {"\"d/*\"", "d"}) {
    const Result<RunInputs> inputs =
        make(std::string("input: {dataset: ") + dataset + "}\nscatter: {by: file}");
    ASSERT_TRUE(inputs) << inputs.error().text();
    EXPECT_EQ(values(*inputs, Placeholder::name), (Texts{"a", "good"}));
    EXPECT_EQ(inputs->left_out(),
              (Texts{(folder / "d/b.txt") + ": a link to /nowhere/b, which does not exist",
                     (folder / "d/c.txt") + ": a link to c.txt, which does not exist"}));
  }
  EXPECT_EQ(make("input: {dataset: \"d/[ab].txt\"}")->left_out().size(), 1u);
  EXPECT_EQ(make("input: {dataset: d/b.txt}").error().text(),
            "the input " + (folder / "d/b.txt") + " is a link to /nowhere/b, which does not exist");
  EXPECT_EQ(make("input: {dataset: \"d/b*\"}").error().text(),
            "everything that matches " + (folder / "d/b*") +
                " is a link whose target does not exist, such as " + (folder / "d/b.txt") +
                " to /nowhere/b");
}

TEST_F(Inputs, BlocksTileTheSelection) {
  write_image("scan.ome.zarr");
  const Result<RunInputs> inputs = make(
      "input: {dataset: scan.ome.zarr, select: {z: 0-1}}\nscatter: {by: block, size: {y: 4, x: 3}}",
      "[t, \"{box}\"]");
  ASSERT_TRUE(inputs) << inputs.error().text();
  EXPECT_EQ(values(*inputs, Placeholder::box),
            (Texts{"level=0,t=0,c=0,z=0:2,y=0:4,x=0:3", "level=0,t=0,c=0,z=0:2,y=0:4,x=3:5",
                   "level=0,t=0,c=0,z=0:2,y=4:6,x=0:3", "level=0,t=0,c=0,z=0:2,y=4:6,x=3:5"}));
}

TEST_F(Inputs, PlanesTimePointsAndChannelsAreItemsToo) {
  write_image("scan.ome.zarr", true);
  const auto count = [&](const std::string& by, const std::string& select) {
    const Result<RunInputs> inputs =
        make("input: {dataset: scan.ome.zarr, select: " + select + "}\nscatter: {by: " + by + "}",
             "[t, \"{input}\", \"{select}\"]");
    return inputs ? inputs->size() : 0;
  };
  EXPECT_EQ(count("z", "{c: 0, t: 0}"), 4u);
  EXPECT_EQ(count("z", "{c: 0}"), 12u);
  EXPECT_EQ(count("t", "{}"), 3u);
  EXPECT_EQ(count("t", "{t: 1-2}"), 2u);
  EXPECT_EQ(count("c", "{}"), 2u);
}

TEST_F(Inputs, SelectIsWhatATaskUsesInTheFormThatOperatorsTake) {
  write_image("scan.ome.zarr", true);
  const auto selections = [&](const std::string& select, const std::string& scatter) {
    const Result<RunInputs> inputs = make("input: {dataset: scan.ome.zarr" + select + "}" + scatter,
                                          "[t, \"{input}\", \"{select}\"]");
    if (!inputs) return Texts{inputs.error().text()};
    Texts texts;
    for (size_t i = 0; i < inputs->size(); ++i) {
      texts.push_back(inputs->selection_of(workflow.steps[0], i).value());
    }
    return texts;
  };
  const std::string one = ", select: {c: 1, t: 2}";
  for (const char* scatter : {"", "\nscatter: {by: file}"}) {
    EXPECT_EQ(selections(one, scatter), Texts{"level=0,t=2,c=1"});
    EXPECT_EQ(selections("", scatter), Texts{"level=0,t=0:3,c=0:2"});
    EXPECT_EQ(selections(", select: {t: 1-, c: 0, z: 2-, y: 0-5, x: 3}", scatter),
              Texts{"level=0,t=1:3,c=0,z=2:4,x=3:4"})
        << "an axis that is used whole is left out";
  }
  EXPECT_EQ(selections(", select: {c: 1}", "\nscatter: {by: t}"),
            (Texts{"level=0,t=0,c=1", "level=0,t=1,c=1", "level=0,t=2,c=1"}));
  EXPECT_EQ(selections(", select: {t: 1, z: 0-1}", "\nscatter: {by: c}"),
            (Texts{"level=0,t=1,c=0,z=0:2", "level=0,t=1,c=1,z=0:2"}));
  EXPECT_EQ(selections(", select: {t: 1, c: 1, z: 1-2}", "\nscatter: {by: z}"),
            (Texts{"level=0,t=1,c=1,z=1:2", "level=0,t=1,c=1,z=2:3"}));
  EXPECT_EQ(selections(one, "\nscatter: {by: block, size: {y: 4}}"),
            (Texts{"level=0,t=2,c=1,y=0:4", "level=0,t=2,c=1,y=4:6"}));
}

TEST_F(Inputs, SelectAndBoxOfATaskMeanTheSameVoxels) {
  write_image("scan.ome.zarr", true);
  for (const char* by : {"t", "c", "z", "block, size: {z: 3, x: 2}"}) {
    const Result<RunInputs> inputs = make(std::string("input: {dataset: scan.ome.zarr, select: {") +
                                              (*by == 't'   ? "c: 1"
                                               : *by == 'c' ? "t: 1"
                                                            : "t: 1, c: 0") +
                                              ", y: 1-4}}\nscatter: {by: " + by + "}",
                                          "[t, \"{input}\", \"{select}\", \"{box}\"]");
    ASSERT_TRUE(inputs) << inputs.error().text();
    const auto image = formats::Image::open(folder / "scan.ome.zarr").value();
    const Texts boxes = values(*inputs, Placeholder::box);
    for (size_t i = 0; i < inputs->size(); ++i) {
      const std::string text = inputs->selection_of(workflow.steps[0], i).value();
      const formats::Selection selection = formats::parse_selection(text).value();
      const std::vector<formats::Box> meant = formats::boxes_of(image->info(), selection).value();
      ASSERT_EQ(meant.size(), 1u);
      EXPECT_EQ(formats::to_text(meant.front()), boxes[i]) << by;
    }
  }
}

TEST_F(Inputs, AStepThatGathersIsToldTheWholeSelection) {
  write_image("scan.ome.zarr", true);
  const Result<Workflow> parsed = parse_workflow(R"(workflow: w
input: {dataset: scan.ome.zarr, select: {c: 1, t: 0-1, z: 1-2}}
scatter: {by: block, size: {z: 1, y: 3}}
steps:
  - {id: a, run: [t, "{input}", "{box}"]}
  - {id: b, gather: a, run: [t, "{input}", "{select}"]}
)");
  ASSERT_TRUE(parsed) << parsed.error().text();
  workflow = *parsed;
  const Result<RunInputs> inputs =
      RunInputs::make(workflow, {folder.path(), folder.path()}, nullptr, {});
  ASSERT_TRUE(inputs) << inputs.error().text();
  EXPECT_EQ(inputs->selection_of(workflow.steps[1], 0).value(), "level=0,t=0:2,c=1,z=1:3");
}

TEST_F(Inputs, OfAFileThatTierHubCannotReadSelectIsWhatTheWorkflowSays) {
  write("a.csv");
  for (const char* scatter : {"", "\nscatter: {by: file}"}) {
    const Result<RunInputs> inputs =
        make(std::string("input: {dataset: a.csv, select: {c: 2, z: 4-}}") + scatter,
             "[t, \"{input}\", \"{select}\"]");
    ASSERT_TRUE(inputs) << inputs.error().text();
    EXPECT_EQ(inputs->selection_of(workflow.steps[0], 0).value(), "level=0,c=2,z=4-");
  }
}

TEST_F(Inputs, ABoxOfSeveralChannelsIsAnErrorThatSaysWhatToSelect) {
  write_image("scan.ome.zarr", true);
  const Result<RunInputs> inputs =
      make("input: {dataset: scan.ome.zarr}\nscatter: {by: t}", "[t, \"{box}\"]");
  ASSERT_FALSE(inputs);
  EXPECT_NE(inputs.error().text().find("narrow 'select'"), std::string::npos);
}

TEST_F(Inputs, ATaskStagesItsBlockWithHaloAndTheMetadata) {
  write_image("scan.ome.zarr");
  for (const char* chunk : {"0.0.0", "0.0.1", "0.0.2", "0.1.0", "1.0.0", "1.0.1"}) {
    write(std::string("scan.ome.zarr/0/") + chunk);
  }
  const Result<RunInputs> inputs = make(
      "input: {dataset: scan.ome.zarr}\n"
      "scatter: {by: block, size: {z: 2, y: 2, x: 2}, halo: {x: 1}}");
  ASSERT_TRUE(inputs) << inputs.error().text();
  Texts files = staged(*inputs, 0);
  std::sort(files.begin(), files.end());
  EXPECT_EQ(files, (Texts{"/scan.ome.zarr/.zattrs", "/scan.ome.zarr/0/.zarray",
                          "/scan.ome.zarr/0/0.0.0", "/scan.ome.zarr/0/0.0.1"}));
}

TEST_F(Inputs, AFolderWithASeriesIsOneImageAndByFileStandsForItsFiles) {
  write_series("d");
  const Result<RunInputs> times =
      make("input: {dataset: d}\nscatter: {by: t}", "[t, \"{input}\", \"{box}\"]");
  ASSERT_TRUE(times) << times.error().text();
  EXPECT_EQ(values(*times, Placeholder::input), (Texts{folder / "d", folder / "d"}));
  EXPECT_EQ(values(*times, Placeholder::box),
            (Texts{"level=0,t=0,c=0,z=0:2,y=0:3,x=0:4", "level=0,t=1,c=0,z=0:2,y=0:3,x=0:4"}));
  EXPECT_EQ(staged(*times, 0), Texts{"/d/a_t1.mrc"});
  EXPECT_EQ(staged(*times, 1), (Texts{"/d/a_t1.mrc", "/d/a_t2.mrc"}))
      << "the first file says what the series is";
  const Result<RunInputs> files =
      make("input: {dataset: d}\nscatter: {by: file}", "[t, \"{input}\", \"{select}\"]");
  ASSERT_TRUE(files) << files.error().text();
  EXPECT_EQ(values(*files, Placeholder::input),
            (Texts{folder / "d/a_t1.mrc", folder / "d/a_t2.mrc"}));
  EXPECT_EQ(files->selection_of(workflow.steps[0], 1).value(), "level=0,t=0,c=0")
      << "a file of a series is that file alone";
  EXPECT_EQ(staged(*files, 1), Texts{"/d/a_t2.mrc"});
}

TEST_F(Inputs, AStepThatDoesNotReadTheInputStagesNothing) {
  write("a.tif");
  const Result<RunInputs> inputs = make("input: {dataset: a.tif}", "[t]");
  ASSERT_TRUE(inputs);
  EXPECT_EQ(staged(*inputs, 0), Texts{});
}

TEST_F(Inputs, FilesAndFoldersAreStagedWhole) {
  write("a.csv");
  write("d/b");
  EXPECT_EQ(staged(make("input: {dataset: a.csv}").value(), 0), Texts{"/a.csv"});
  EXPECT_EQ(staged(make("input: {dataset: d}").value(), 0), Texts{"/d/"});
}

TEST_F(Inputs, OutsideTheMountNothingIsStaged) {
  in_mount = false;
  write("a.csv");
  const Result<RunInputs> inputs = make("input: {dataset: a.csv}");
  ASSERT_TRUE(inputs);
  EXPECT_FALSE(inputs->staged());
  EXPECT_EQ(staged(*inputs, 0), Texts{});
}

TEST_F(Inputs, ASelectionThatIsPassedOnIsObeyedOutsideTheMountToo) {
  in_mount = false;
  write_image("scan.ome.zarr", true);
  const Result<RunInputs> inputs =
      make("input: {dataset: scan.ome.zarr, select: {t: 0, c: 1}}\nscatter: {by: file}",
           "[t, \"{input}\", \"{select}\"]");
  ASSERT_TRUE(inputs) << inputs.error().text();
  EXPECT_EQ(inputs->selection_of(workflow.steps[0], 0).value(), "level=0,t=0,c=1");
  EXPECT_TRUE(inputs->not_obeyed().empty());
}

TEST_F(Inputs, ASelectionThatCannotBeObeyedIsListed) {
  write("a.csv");
  const Result<RunInputs> inputs =
      make("input: {dataset: a.csv, select: {c: 0}}", "[t, \"{input}\", \"{select}\"]");
  ASSERT_TRUE(inputs) << inputs.error().text();
  EXPECT_EQ(staged(*inputs, 0), Texts{"/a.csv"});
  ASSERT_EQ(inputs->not_obeyed().size(), 1u);
  EXPECT_TRUE(inputs->not_obeyed().begin()->starts_with("input.select: "));
}

TEST_F(Inputs, TheWellsAndImagesOfAPlateAreItems) {
  write("plate.zarr/.zgroup", R"({"zarr_format":2})");
  write("plate.zarr/.zattrs",
        R"({"plate":{"wells":[{"path":"A/1"},{"path":"B/2"},{"path":"../../etc"}]}})");
  for (const char* well : {"A/1", "B/2"}) {
    const std::string path = std::string("plate.zarr/") + well;
    write(path + "/.zattrs", R"({"well":{"images":[{"path":"0"},{"path":"1"}]}})");
    write_image(path + "/0");
    write_image(path + "/1");
  }
  const Result<RunInputs> wells = make("input: {dataset: plate.zarr}\nscatter: {by: well}");
  ASSERT_TRUE(wells) << wells.error().text();
  EXPECT_EQ(values(*wells, Placeholder::name), (Texts{"A1", "B2"}));
  EXPECT_EQ(values(*wells, Placeholder::input),
            (Texts{folder / "plate.zarr/A/1", folder / "plate.zarr/B/2"}));
  const Result<RunInputs> selected =
      make("input: {dataset: plate.zarr, select: {z: 1}}\nscatter: {by: well}",
           "[t, \"{input}\", \"{select}\"]");
  ASSERT_TRUE(selected) << selected.error().text();
  EXPECT_EQ(selected->selection_of(workflow.steps[0], 1).value(), "level=0,z=1:2");
  const Result<RunInputs> images = make("input: {dataset: plate.zarr}\nscatter: {by: file}");
  ASSERT_TRUE(images) << images.error().text();
  EXPECT_EQ(values(*images, Placeholder::name), (Texts{"A1-0", "A1-1", "B2-0", "B2-1"}));
  EXPECT_EQ(values(*images, Placeholder::path), (Texts{"A/1/0", "A/1/1", "B/2/0", "B/2/1"}));
  const Places places{folder.path(), folder.path()};
  const Result<RunInputs> resumed =
      RunInputs::make(workflow, places, nullptr, images->item_paths());
  ASSERT_TRUE(resumed) << resumed.error().text();
  EXPECT_EQ(values(*resumed, Placeholder::name), (Texts{"A1-0", "A1-1", "B2-0", "B2-1"}));
}

TEST(Places, RelativePathsBeginAtTheRoot) {
  const Places places{"/mnt/tier", "/mnt/tier"};
  EXPECT_EQ(places.absolute("a//b/./c"), "/mnt/tier/a/b/c");
  EXPECT_EQ(places.absolute("/x/y"), "/x/y");
  EXPECT_EQ(places.in_namespace("/mnt/tier/a"), "/a");
  EXPECT_EQ(places.in_namespace("/mnt/tierra/a"), std::nullopt);
  EXPECT_EQ((Places{"/mnt", ""}).in_namespace("/mnt/a"), std::nullopt);
}

TEST_F(Inputs, OneThatCannotBeLookedIntoIsOneFailureIfTheWorkflowCarriesOn) {
  write("d/a.tif");
  write("d/b.zarr/.zgroup", "{}");
  write("d/b.zarr/.zattrs", "{");
  write("d/c.tif");
  const std::string head = "input: {dataset: d/*}\nscatter: {by: file}";
  EXPECT_FALSE(make(head));
  const auto inputs = make(head + "\non_error: continue");
  ASSERT_TRUE(inputs) << inputs.error().text();
  ASSERT_EQ(inputs->size(), 3u);
  EXPECT_FALSE(inputs->problem_of(workflow.steps[0], 0));
  ASSERT_TRUE(inputs->problem_of(workflow.steps[0], 1));
  EXPECT_FALSE(inputs->problem_of(workflow.steps[0], 2));
  EXPECT_EQ(inputs->shown_name(workflow.steps[0], 1), "b.zarr");
  EXPECT_EQ(staged(*inputs, 0), Texts{"/d/a.tif"});
  EXPECT_EQ(staged(*inputs, 1), Texts{inputs->problem_of(workflow.steps[0], 1)->text()});
}

TEST_F(Inputs, IfNoneCanBeLookedIntoTheRunFailsAllTheSame) {
  write("d/b.zarr/.zgroup", "{}");
  write("d/b.zarr/.zattrs", "{");
  EXPECT_FALSE(make("input: {dataset: d/*}\nscatter: {by: file}\non_error: continue"));
}

}  // namespace
}  // namespace tierhub::compute
