#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "compute/workflow/workflow.h"

namespace tierhub::compute {
namespace {

std::string read_source(const std::string& path) {
  std::ifstream in(std::string(TIERHUB_SOURCE_DIR) + "/" + path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

// A shipped workflow as somebody uses it: those of etc/workflows say which images by a parameter.
Result<Workflow> parse_shipped(const std::string& path) {
  const std::string text = read_source(path);
  for (const char* name : {"image", "images"}) {
    const CheckedWorkflow checked = check_workflow(text);
    for (const Parameter& parameter : checked.parameters)
      if (parameter.name == name) return parse_workflow(text, {{name, {"d"}}});
  }
  return parse_workflow(text);
}

std::string error_of(std::string_view text) {
  const Result<Workflow> parsed = parse_workflow(text);
  return parsed ? "no error" : parsed.error().text();
}

// A workflow with these steps, which begin at line 4.
std::string with_steps(std::string_view steps) {
  return "workflow: w\ninput: {dataset: d}\nsteps:\n" + std::string(steps);
}

TEST(Workflow, TheExampleParses) {
  const Result<Workflow> parsed = parse_workflow(read_source("etc/count-nuclei.yaml"));
  ASSERT_TRUE(parsed) << parsed.error().text();
  EXPECT_EQ(parsed->name, "count-nuclei");
  EXPECT_EQ(parsed->datasets, std::vector<std::string>{"brain42/scan.ome.zarr"});
  EXPECT_EQ(parsed->select.c, (formats::AxisRange{0, 1}));
  EXPECT_EQ(parsed->scatter.by, ScatterBy::block);
  EXPECT_EQ(parsed->scatter.size, (formats::Extent{128, 512, 512}));
  EXPECT_EQ(parsed->scatter.halo, (formats::Halo{8, 16, 16}));
  ASSERT_EQ(parsed->steps.size(), 4u);
  EXPECT_EQ(parsed->steps[0].run.size(), 12u);
  EXPECT_EQ(parsed->steps[1].gather, std::vector<size_t>{0});
  EXPECT_EQ(parsed->steps[2].after, std::vector<size_t>{1});
  EXPECT_EQ(parsed->steps[2].retry, 2u);
  EXPECT_EQ(parsed->steps[2].resources.memory_bytes, uint64_t{4} << 30);
  EXPECT_EQ(parsed->steps[2].resources.time, std::chrono::hours(1));
  EXPECT_EQ(parsed->output.source(), "results/{user}/{workflow}/{run}");
}

TEST(Workflow, TheShippedExamplesThatSelectPassTheSelectionOn) {
  for (const char* path :
       {"etc/count-nuclei.yaml", "etc/count-files.yaml", "etc/workflows/nuclei-blocks.yaml",
        "etc/workflows/nuclei-files.yaml", "etc/workflows/timelapse.yaml",
        "etc/workflows/illumination-files.yaml", "etc/workflows/python-blocks.yaml"}) {
    const Result<Workflow> parsed = parse_shipped(path);
    ASSERT_TRUE(parsed) << path << ": " << parsed.error().text();
    EXPECT_TRUE(parsed->has_select);
    for (const Step& step : parsed->steps) {
      EXPECT_TRUE(!step.mentions(Placeholder::input) || step.mentions(Placeholder::select) ||
                  step.mentions(Placeholder::box))
          << path << ": " << step.id;
    }
  }
}

TEST(Workflow, TheShippedExamplesThatUseAllChannelsSayWhichInEachStep) {
  for (const char* path : {"etc/workflows/plate-two-channels.yaml"}) {
    const Result<Workflow> parsed = parse_shipped(path);
    ASSERT_TRUE(parsed) << path << ": " << parsed.error().text();
    EXPECT_FALSE(parsed->has_select);
    EXPECT_NE(read_source(path).find("--select, \"c={protein}\""), std::string::npos) << path;
  }
}

// A step that forgets to gather would do one thing many times at once.
TEST(Workflow, StepsOfTheShippedOnesThatRunForEachItemNameIt) {
  size_t workflows = 0;
  const std::string folder = TIERHUB_SOURCE_DIR "/etc/workflows";
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".yaml") continue;
    const std::string name = entry.path().filename();
    const Result<Workflow> parsed = parse_shipped("etc/workflows/" + name);
    ASSERT_TRUE(parsed) << name << ": " << parsed.error().text();
    ++workflows;
    for (const Parameter& parameter :
         check_workflow(read_source("etc/workflows/" + name)).parameters)
      EXPECT_FALSE(parameter.description.empty()) << name << ": " << parameter.name;
    for (const Step& step : parsed->steps) {
      const bool names_its_item =
          step.mentions(Placeholder::input) || step.mentions(Placeholder::select) ||
          step.mentions(Placeholder::box) || step.mentions(Placeholder::task) ||
          step.mentions(Placeholder::name) || step.mentions(Placeholder::path);
      EXPECT_TRUE(step.runs_once() || names_its_item) << name << ": " << step.id;
    }
  }
  EXPECT_GE(workflows, 9u);
}

TEST(Workflow, AByteOrderMarkAndCarriageReturnsAreFine) {
  std::string text = read_source("etc/count-nuclei.yaml");
  for (size_t at = 0; (at = text.find('\n', at)) != std::string::npos; at += 2) {
    text.replace(at, 1, "\r\n");
  }
  const Result<Workflow> parsed = parse_workflow("\xef\xbb\xbf" + text);
  ASSERT_TRUE(parsed) << parsed.error().text();
  EXPECT_EQ(parsed->name, "count-nuclei");
}

TEST(Workflow, PositionsAreRightBehindAByteOrderMark) {
  EXPECT_TRUE(
      error_of("\xef\xbb\xbfworkflow: w\r\nnonsense: 1\r\n").starts_with("line 2, column 1: "));
  EXPECT_TRUE(error_of("\xef\xbb\xbfnonsense: 1\n").starts_with("line 1, column 1: "));
}

TEST(Workflow, TextThatIsNoYamlIsAnErrorWithItsPlace) {
  const std::string error = error_of("workflow: w\ninput: {dataset: d\nsteps: ]\n");
  EXPECT_TRUE(error.starts_with("line 3, column ")) << error;
  EXPECT_NE(error.find("not valid YAML"), std::string::npos) << error;
}

TEST(Workflow, AnUnknownKeyIsAnErrorThatNamesTheNearest) {
  EXPECT_EQ(error_of("workflow: w\ninputs: {dataset: d}\n"),
            "line 2, column 1: a workflow has no key 'inputs'; did you mean 'input'?");
}

TEST(Workflow, AKeyThatComesTwiceIsAnError) {
  EXPECT_EQ(error_of("workflow: w\nworkflow: v\n"),
            "line 2, column 1: a workflow has the key 'workflow' twice");
}

TEST(Workflow, AnUnknownPlaceholderIsAnErrorWithLineAndColumn) {
  const std::string error = error_of(
      with_steps("  - id: a\n    run: [tool, --in, \"{input}\", --out, \"{work}/{tsk}\"]\n"));
  EXPECT_TRUE(error.starts_with("line 5, column 49: {tsk} is not a placeholder")) << error;
}

TEST(Workflow, AnUnknownPlaceholderInABlockTextHasItsOwnLine) {
  const std::string error = error_of(
      with_steps("  - id: a\n    run:\n      - sh\n      - -c\n      - |\n        echo one\n"
                 "        echo {two}\n"));
  EXPECT_TRUE(error.starts_with("line 10, column 14: {two} is not a placeholder")) << error;
}

TEST(Workflow, APlaceholderWithoutMeaningThereIsAnError) {
  const std::string by_file =
      "workflow: w\ninput: {dataset: d}\nscatter: {by: file}\nsteps:\n  - {id: a, run: [t]}\n";
  const std::string gathers = error_of(by_file + "  - {id: b, gather: a, run: [t, \"{input}\"]}\n");
  EXPECT_TRUE(
      gathers.starts_with("line 6, column 34: {input} cannot be used in a step that gathers"))
      << gathers;
  const std::string box = error_of(by_file + "  - {id: b, run: [t, \"{box}\"]}\n");
  EXPECT_TRUE(box.starts_with("line 6, column 23: {box} needs a scatter")) << box;
  const std::string output = error_of(by_file + "output: r/{task}\n");
  EXPECT_TRUE(output.starts_with("line 6, column 11: {task} cannot be used in output")) << output;
}

TEST(Workflow, AStepThatIsNotToldWhatIsSelectedIsAnErrorThatSaysWhatToAdd) {
  const auto head = [](const std::string& scatter) {
    return "workflow: w\ninput: {dataset: d, select: {c: 2}}\n" + scatter + "steps:\n";
  };
  const std::string by_block = "scatter: {by: block, size: {z: 1}}\n";
  const std::string untold = "  - {id: a, run: [t, --in, \"{input}\"]}\n";
  EXPECT_EQ(error_of(head("") + untold),
            "line 4, column 29: the step 'a' names {input}, but not what 'input.select' selects of "
            "it: pass {select} too, for example --select, \"{select}\"");
  EXPECT_TRUE(error_of(head("scatter: {by: file}\n") + untold).starts_with("line 5, column 29: "));
  // A step that gathers, and one that names its input in its environment.
  EXPECT_TRUE(error_of(head(by_block) + "  - {id: a, run: [t]}\n" +
                       "  - {id: b, gather: a, run: [t, \"{input}\"]}\n")
                  .starts_with("line 6, column 34: the step 'b' names {input}"));
  EXPECT_TRUE(error_of(head("") + "  - {id: a, run: [t], env: {IN: \"{input}\"}}\n")
                  .starts_with("line 4, column 34: the step 'a' names {input}"));
  for (const std::string told : {"  - {id: a, run: [t, \"{input}\", \"{select}\"]}\n",
                                 "  - {id: a, run: [t, \"{input}\"], env: {S: \"{select}\"}}\n",
                                 "  - {id: a, run: [t]}\n"}) {
    EXPECT_EQ(error_of(head("") + told), "no error");
  }
  EXPECT_EQ(error_of(head(by_block) + "  - {id: a, run: [t, \"{input}\", \"{box}\"]}\n"),
            "no error");
  EXPECT_EQ(error_of(with_steps(untold)), "no error") << "nothing is selected";
}

TEST(Workflow, AStepThatDoesNotExistIsAnErrorWhereItIsNamed) {
  EXPECT_EQ(error_of(with_steps("  - id: a\n    run: [t]\n    after: b\n")),
            "line 6, column 12: there is no step with the id 'b'");
  EXPECT_EQ(error_of(with_steps("  - id: a\n    run: [t]\n    gather: [a, c]\n")),
            "line 6, column 17: there is no step with the id 'c'");
}

TEST(Workflow, StepsThatWaitForOneAnotherAreAnError) {
  const std::string error =
      error_of(with_steps("  - {id: a, run: [t], after: b}\n  - {id: b, run: [t], gather: a}\n"));
  EXPECT_TRUE(error.starts_with("line 4, column ")) << error;
  EXPECT_NE(error.find("circle: a -> b -> a"), std::string::npos) << error;
  EXPECT_NE(error_of(with_steps("  - {id: a, run: [t], after: a}\n")).find("a -> a"),
            std::string::npos);
}

TEST(Workflow, TwoStepsWithOneIdAreAnError) {
  EXPECT_EQ(error_of(with_steps("  - {id: a, run: [t]}\n  - {id: a, run: [t]}\n")),
            "line 5, column 10: two steps have the id 'a'");
}

TEST(Workflow, WhatIsMissingIsNamed) {
  EXPECT_NE(error_of("").find("empty"), std::string::npos);
  EXPECT_NE(error_of("input: {dataset: d}\nsteps: [{id: a, run: [t]}]\n").find("'workflow"),
            std::string::npos);
  EXPECT_NE(error_of("workflow: w\nsteps: [{id: a, run: [t]}]\n").find("'input'"),
            std::string::npos);
  EXPECT_NE(error_of("workflow: w\ninput: {dataset: d}\n").find("'steps'"), std::string::npos);
  EXPECT_NE(error_of(with_steps("  - {run: [t]}\n")).find("'id'"), std::string::npos);
  EXPECT_NE(error_of(with_steps("  - {id: a}\n")).find("'run'"), std::string::npos);
}

TEST(Workflow, ACommandLineInsteadOfAListIsExplained) {
  const std::string error = error_of(with_steps("  - id: a\n    run: imgop segment --in x\n"));
  EXPECT_TRUE(error.starts_with("line 5, column 10: run must be a list")) << error;
}

TEST(Workflow, ASecondDocumentIsAnError) {
  EXPECT_NE(error_of(with_steps("  - {id: a, run: [t]}\n") + "---\nworkflow: v\n").find("second"),
            std::string::npos);
}

TEST(Workflow, NamesAndOutputsStayInsideTheirFolder) {
  EXPECT_NE(error_of("workflow: ../x\n").find("folder's name"), std::string::npos);
  EXPECT_NE(
      error_of(with_steps("  - {id: a, run: [t]}\n") + "output: a/../../b\n").find("plain path"),
      std::string::npos);
}

TEST(Workflow, ScatterTakesWhatFitsItsKindOnly) {
  const std::string steps = "steps: [{id: a, run: [t]}]\ninput: {dataset: d}\nworkflow: w\n";
  EXPECT_NE(error_of(steps + "scatter: {by: block}\n").find("needs 'size'"), std::string::npos);
  EXPECT_NE(error_of(steps + "scatter: {by: file, size: {z: 1}}\n").find("only scatter by block"),
            std::string::npos);
  EXPECT_NE(error_of(steps + "scatter: {by: t, halo: {z: 1}}\n").find("has a halo"),
            std::string::npos);
  EXPECT_NE(error_of(steps + "scatter: {by: tile}\n").find("not by 'tile'"), std::string::npos);
  EXPECT_NE(error_of(steps + "scatter: {by: block, size: {z: 0}}\n").find("from 1 to"),
            std::string::npos);
}

TEST(Workflow, SizesAndTimesHaveUnits) {
  EXPECT_EQ(parse_size("4GiB").value(), uint64_t{4} << 30);
  EXPECT_EQ(parse_size("500 MB").value(), 500'000'000u);
  EXPECT_EQ(parse_size("1024").value(), 1024u);
  EXPECT_EQ(parse_duration("1h30m").value(), std::chrono::seconds(5400));
  EXPECT_EQ(parse_duration("90s").value(), std::chrono::seconds(90));
  for (const char* text : {"", "4XiB", "-1GiB", "0", "99999999999999TiB"}) {
    EXPECT_FALSE(parse_size(text)) << text;
  }
  for (const char* text : {"", "90", "1y", "0s", "9999999999999h", "1h 30"}) {
    EXPECT_FALSE(parse_duration(text)) << text;
  }
}

TEST(Workflow, NoShorterPartOfTheExampleBreaksTheParser) {
  const std::string text = read_source("etc/count-nuclei.yaml");
  for (size_t length = 0; length < text.size(); length += 3) {
    const Result<Workflow> parsed = parse_workflow(text.substr(0, length));
    EXPECT_TRUE(parsed || parsed.error().text().starts_with("line ")) << length;
  }
}

TEST(Workflow, HostileTextIsAnErrorNotACrash) {
  const std::string deep(100'000, '[');
  EXPECT_TRUE(error_of(deep).starts_with("line "));
  EXPECT_NE(error_of(std::string(2 << 20, 'a')).find("1 MiB"), std::string::npos);
  EXPECT_NE(error_of(std::string_view("a\0b", 3)).find("UTF-8"), std::string::npos);
  EXPECT_TRUE(error_of(",").starts_with("line 1")) << "yaml-cpp alone never ends";
  EXPECT_TRUE(error_of(",N,U").starts_with("line 1"));
  EXPECT_TRUE(error_of("workflow: \xff\n").starts_with("line 1, column 11: "));
  EXPECT_TRUE(error_of("workflow: &a [*a]\n").starts_with("line 1"));
  EXPECT_TRUE(error_of("workflow: !!python/object:os.system w\n").starts_with("line 1"));
}

std::set<std::string> keys_in(const nlohmann::json& schema) {
  std::set<std::string> keys;
  for (const auto& [key, value] : schema.at("properties").items()) keys.insert(key);
  return keys;
}

std::set<std::string> as_set(const std::vector<std::string_view>& keys) {
  return {keys.begin(), keys.end()};
}

TEST(Workflow, ThePublishedSchemaHasTheKeysThatTheParserTakes) {
  const auto schema = nlohmann::json::parse(read_source("etc/workflow.schema.json"));
  const auto& top = schema.at("properties");
  const auto& step = top.at("steps").at("items");
  EXPECT_EQ(keys_in(schema), as_set(keys::of_workflow()));
  const auto& parameter = top.at("parameters").at("additionalProperties");
  EXPECT_EQ(keys_in(parameter), as_set(keys::of_parameter()));
  EXPECT_EQ(keys_in(top.at("input")), as_set(keys::of_input()));
  EXPECT_EQ(keys_in(top.at("input").at("properties").at("select")), as_set(keys::of_select()));
  EXPECT_EQ(keys_in(top.at("scatter")), as_set(keys::of_scatter()));
  EXPECT_EQ(keys_in(top.at("scatter").at("properties").at("size")), as_set(keys::of_axes()));
  EXPECT_EQ(keys_in(top.at("scatter").at("properties").at("halo")), as_set(keys::of_axes()));
  EXPECT_EQ(keys_in(step), as_set(keys::of_step()));
  EXPECT_EQ(keys_in(step.at("properties").at("resources")), as_set(keys::of_resources()));
}

TEST(Workflow, OnErrorIsStopUnlessTheFileSaysContinue) {
  const std::string rest = "workflow: w\ninput: {dataset: d}\nsteps: [{id: a, run: [t]}]\n";
  EXPECT_EQ(parse_workflow(rest)->on_error, OnError::stop);
  EXPECT_EQ(parse_workflow(rest + "on_error: stop\n")->on_error, OnError::stop);
  EXPECT_EQ(parse_workflow(rest + "on_error: continue\n")->on_error, OnError::carry_on);
  EXPECT_EQ(parse_workflow(rest + "on_error: maybe\n").error().text(),
            "line 4, column 11: on_error must be stop or continue, not 'maybe'");
}

TEST(Workflow, AListOfInputsIsForStepsThatGatherFiles) {
  const auto text = [](const std::string& scatter, const std::string& more) {
    return "workflow: w\ninput: {dataset: d}\n" + scatter +
           "steps:\n  - {id: a, run: [t]}\n  - {id: b, run: [t, \"{inputs}\"]" + more + "}\n";
  };
  EXPECT_TRUE(parse_workflow(text("scatter: {by: file}\n", ", gather: a")));
  const std::string why = " {inputs} needs a step that gathers, and a scatter by file or well";
  EXPECT_TRUE(
      parse_workflow(text("scatter: {by: file}\n", ", after: a")).error().text().ends_with(why));
  EXPECT_TRUE(parse_workflow(text("", ", gather: a")).error().text().ends_with(why));
  EXPECT_TRUE(
      parse_workflow(text("scatter: {by: z}\n", ", gather: a")).error().text().ends_with(why));
}

}  // namespace
}  // namespace tierhub::compute
