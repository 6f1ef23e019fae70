#include <algorithm>
#include <random>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "compute/workflow/workflow.h"

namespace tierhub::compute {
namespace {

// A workflow with these parameters, one a line, whose step passes `argument`.
std::string with_parameters(const std::string& parameters, const std::string& argument,
                            const std::string& rest = "") {
  return "workflow: w\nparameters:\n" + parameters +
         "input: {dataset: d}\nsteps:\n  - {id: a, run: [t, \"" + argument + "\"]}\n" + rest;
}

constexpr const char* kDiameter =
    "  diameter: {type: number, default: 24, minimum: 3, maximum: 500, unit: px, description: of "
    "a nucleus}\n";

std::string argument_of(const std::string& text, const ParameterValues& given = {}) {
  const Result<Workflow> parsed = parse_workflow(text, given);
  return parsed ? parsed->steps.front().run.back().text.expand({}) : parsed.error().text();
}

std::vector<std::string> complaints_of(const std::string& text, const ParameterValues& given = {}) {
  std::vector<std::string> texts;
  for (const Complaint& one : check_workflow(text, given).complaints) texts.push_back(to_text(one));
  return texts;
}

TEST(WorkflowParameters, StandForTheirDefaultsAndForWhatIsGivenInstead) {
  const std::string text = with_parameters(kDiameter, "d={diameter}px");
  EXPECT_EQ(argument_of(text), "d=24px");
  EXPECT_EQ(argument_of(text + "values: {diameter: 30.5}\n"), "d=30.5px");
  EXPECT_EQ(argument_of(text, {{"diameter", {"8"}}}), "d=8px");
  EXPECT_EQ(argument_of(text + "values: {diameter: 30.5}\n", {{"diameter", {"8"}}}), "d=8px");
  const CheckedWorkflow checked = check_workflow(text);
  ASSERT_EQ(checked.parameters.size(), 1u);
  EXPECT_EQ(checked.parameters[0].description, "of a nucleus");
  EXPECT_EQ(checked.parameters[0].unit, "px");
  EXPECT_EQ(checked.values, (ParameterValues{{"diameter", {"24"}}}));
}

TEST(WorkflowParameters, MayBeAnywhereButInNames) {
  const std::string text =
      "workflow: w\n"
      "parameters:\n"
      "  images: {type: dataset}\n"
      "  channel: {type: integer, default: 1}\n"
      "  size: {type: integer, default: 64}\n"
      "  memory: {type: string, default: 2GiB}\n"
      "  threads: {type: integer, default: 2}\n"
      "  lab: {type: string, default: neuro}\n"
      "input: {dataset: \"{images}\", select: {c: \"{channel}\", z: \"0:{size}\"}}\n"
      "scatter: {by: block, size: {z: \"{size}\"}, halo: {z: \"{threads}\"}}\n"
      "steps:\n"
      "  - id: a\n"
      "    run: [t, \"{input}\", \"{box}\"]\n"
      "    env: {LAB: \"{lab}\"}\n"
      "    retry: \"{threads}\"\n"
      "    resources: {cpus: \"{threads}\", memory: \"{memory}\"}\n"
      "output: \"{lab}/{run}\"\n";
  const Result<Workflow> parsed = parse_workflow(text, {{"images", {"a.zarr"}}});
  ASSERT_TRUE(parsed) << parsed.error().text();
  EXPECT_EQ(parsed->datasets, std::vector<std::string>{"a.zarr"});
  EXPECT_EQ(parsed->select.c, (formats::AxisRange{1, 2}));
  EXPECT_EQ(parsed->select.z, (formats::AxisRange{0, 64}));
  EXPECT_EQ(parsed->scatter.size.z, 64u);
  EXPECT_EQ(parsed->scatter.halo.z, 2u);
  EXPECT_EQ(parsed->steps[0].retry, 2u);
  EXPECT_EQ(parsed->steps[0].resources.cpus, 2u);
  EXPECT_EQ(parsed->steps[0].resources.memory_bytes, uint64_t{2} << 30);
  EXPECT_EQ(parsed->steps[0].env[0].second.text.source(), "neuro");
  EXPECT_EQ(parsed->output.source(), "neuro/{run}");
}

TEST(WorkflowParameters, ADatasetMayBeSeveralPaths) {
  const std::string text =
      "workflow: w\nparameters: {images: {type: dataset}}\n"
      "input: {dataset: [\"{images}\", more]}\nscatter: {by: file}\n"
      "steps: [{id: a, run: [t, \"{input}\"]}]\n";
  EXPECT_EQ(parse_workflow(text, {{"images", {"a", "b"}}})->datasets,
            (std::vector<std::string>{"a", "b", "more"}));
  EXPECT_EQ(parse_workflow(text + "values: {images: [c, d]}\n")->datasets,
            (std::vector<std::string>{"c", "d", "more"}));
}

// A value is text: what it has in braces is nobody's placeholder.
TEST(WorkflowParameters, BracesInAValueHaveNoMeaning) {
  const std::string text = with_parameters("  p: {type: string}\n", "-{p}-{{p}");
  EXPECT_EQ(argument_of(text, {{"p", {"{input}{{work}"}}}), "-{input}{{work}-{p}");
  const Result<Workflow> parsed = parse_workflow(text, {{"p", {"{work}/x"}}});
  EXPECT_FALSE(parsed->mentions(Placeholder::work));
  EXPECT_TRUE(parsed->steps[0].run[1].text.paths_of_the_run().empty());
  EXPECT_FALSE(parsed->steps[0].run[1].text.source().starts_with("{work}"));
}

TEST(WorkflowParameters, AValueThatDoesNotFitIsAComplaintWithItsPlace) {
  const std::string text = with_parameters(kDiameter, "{diameter}");
  EXPECT_EQ(complaints_of(text + "values: {diameter: 900}\n"),
            (std::vector<std::string>{
                "line 7, column 20: 'diameter' must be from 3 to 500 px, not '900'"}));
  EXPECT_EQ(complaints_of(text, {{"diameter", {"big"}}}),
            (std::vector<std::string>{"'diameter' must be a number, not 'big'"}));
  EXPECT_EQ(check_workflow(text, {{"diameter", {"big"}}}).complaints[0].parameter, "diameter");
  EXPECT_EQ(
      complaints_of(text, {{"diametre", {"8"}}}),
      (std::vector<std::string>{"there is no parameter 'diametre'; its parameters are: diameter"}));
  EXPECT_EQ(complaints_of(text + "values: {diametre: 8}\n"),
            (std::vector<std::string>{"line 7, column 10: there is no parameter 'diametre'; its "
                                      "parameters are: diameter"}));
  EXPECT_EQ(complaints_of(with_parameters("  n: {type: integer}\n", "{n}", "values: {n: 1.5}\n")),
            (std::vector<std::string>{"line 7, column 13: 'n' must be a whole number, not '1.5'"}));
  EXPECT_EQ(complaints_of(
                with_parameters("  n: {type: string, enum: [a, b]}\n", "{n}", "values: {n: c}\n")),
            (std::vector<std::string>{"line 7, column 13: 'n' must be one of a, b, not 'c'"}));
  EXPECT_EQ(complaints_of(with_parameters("  n: {type: boolean, default: yes}\n", "{n}")),
            (std::vector<std::string>{
                "line 3, column 31: the default of 'n' must be true or false, not 'yes'"}));
}

TEST(WorkflowParameters, ANumberIsOneOfThoseAllowedHoweverItIsWritten) {
  const std::string text =
      with_parameters("  n: {type: number, enum: [0.5, 1.0], default: 0.5}\n", "{n}");
  EXPECT_EQ(argument_of(text, {{"n", {"1"}}}), "1");
  EXPECT_EQ(argument_of(text, {{"n", {"0.50"}}}), "0.50");
  EXPECT_EQ(complaints_of(text, {{"n", {"2"}}}).size(), 1u);
}

// One complaint, and not one more for each text that names the parameter.
TEST(WorkflowParameters, OneWithoutAValueIsComplainedAboutOnce) {
  EXPECT_EQ(complaints_of(with_parameters("  n: {type: integer}\n", "{n}{n}")),
            (std::vector<std::string>{"line 3, column 3: 'n' needs a value; give it a 'default', "
                                      "or add 'values: {n: ...}'"}));
}

TEST(WorkflowParameters, DefinitionsThatMakeNoSenseAreComplaints) {
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {"  input: {type: string}\n", "{input} already has a meaning"},
      {"  n m: {type: string}\n", "cannot be the name of a parameter"},
      {"  n: {default: 3}\n", "needs a 'type'"},
      {"  n: 3\n", "must be a map"},
      {"  n: {type: float}\n", "there is no type 'float'"},
      {"  n: {type: integer, minumum: 3}\n", "did you mean 'minimum'?"},
      {"  n: {type: string, minimum: 3}\n", "which only an integer or a number"},
      {"  n: {type: number, minimum: 3, maximum: 1}\n", "above its maximum"},
      {"  n: {type: number, minimum: x}\n", "minimum must be a number"},
      {"  n: {type: integer, enum: [a]}\n", "must be a whole number, not 'a'"},
      {"  n: {type: dataset, enum: [a]}\n", "cannot have 'enum'"},
      {"  n: {type: integer, default: 900, maximum: 10}\n",
       "the default of 'n' must be at most 10"},
  };
  for (const auto& [definition, expected] : wrong) {
    const auto complaints = complaints_of(with_parameters(definition, "{n}"));
    ASSERT_FALSE(complaints.empty()) << definition;
    EXPECT_NE(complaints.front().find(expected), std::string::npos)
        << definition << complaints.front();
    EXPECT_TRUE(complaints.front().starts_with("line 3, column ")) << complaints.front();
  }
}

TEST(WorkflowParameters, OneThatIsUsedNowhereIsAComplaint) {
  EXPECT_EQ(complaints_of(with_parameters(kDiameter, "24")),
            (std::vector<std::string>{"line 3, column 3: the parameter 'diameter' is used nowhere; "
                                      "write \"{diameter}\" where its value belongs"}));
}

TEST(WorkflowParameters, AMistypedNameInATextIsAComplaint) {
  const std::string text =
      "workflow: w\nparameters: {images: {type: dataset, default: x}}\n"
      "input: {dataset: \"a/{image}\"}\nsteps: [{id: a, run: [t, \"{images}\"]}]\n";
  EXPECT_EQ(complaints_of(text),
            (std::vector<std::string>{"line 3, column 21: {image} is not a parameter of this "
                                      "workflow; use {images}, or write '{{' for a brace"}));
}

TEST(WorkflowParameters, WithoutAnyBracesInPathsAreTheirNames) {
  const Result<Workflow> parsed =
      parse_workflow("workflow: w\ninput: {dataset: \"a{1}.tif\"}\nsteps: [{id: a, run: [t]}]\n");
  ASSERT_TRUE(parsed) << parsed.error().text();
  EXPECT_EQ(parsed->datasets.front(), "a{1}.tif");
}

TEST(CheckedWorkflow, ComplainsAboutEverythingAtOnceInTheOrderOfTheFile) {
  const auto complaints = complaints_of(
      "workflow: .w\n"
      "colour: red\n"
      "input: {select: {c: x, w: 1}}\n"
      "scatter: {by: tile}\n"
      "steps:\n"
      "  - {id: a, run: [t, \"{boks}\", \"{imput}\"], retry: many}\n"
      "  - {id: \"b c\", run: t, resources: {cpus: 0, memory: 4XB}}\n"
      "output: a/../b\n");
  std::vector<std::string> places;
  for (const std::string& one : complaints) places.push_back(one.substr(0, one.find(':')));
  EXPECT_EQ(places,
            (std::vector<std::string>{"line 1, column 11", "line 2, column 1", "line 3, column 21",
                                      "line 3, column 24", "line 4, column 15", "line 6, column 23",
                                      "line 6, column 33", "line 6, column 51", "line 7, column 10",
                                      "line 7, column 22", "line 7, column 43", "line 7, column 54",
                                      "line 8, column 9"}));
}

TEST(CheckedWorkflow, ComplainsAboutAllStepsThatDoNotExist) {
  const auto complaints = complaints_of(
      "workflow: w\ninput: {dataset: d}\nsteps:\n"
      "  - {id: a, run: [t], after: x}\n  - {id: b, run: [t], gather: [y, a, z]}\n");
  EXPECT_EQ(complaints.size(), 3u);
}

// Whatever is cut out of a workflow or written into it, each complaint has a place and a text.
TEST(CheckedWorkflow, HasAPlaceForEachComplaintAboutADamagedFile) {
  const std::string text =
      with_parameters(kDiameter, "{diameter}", "output: results/{user}\nvalues: {diameter: 30}\n");
  std::mt19937 random(7);
  for (int i = 0; i < 3000; ++i) {
    std::string damaged = text;
    for (int n = 0; n < 3; ++n) {
      const size_t at = random() % damaged.size();
      if (random() % 2 == 0)
        damaged.erase(at, 1 + random() % 4);
      else
        damaged.insert(at, 1, "{}[]:,-\"' \nxd"[random() % 13]);
    }
    const CheckedWorkflow checked = check_workflow(damaged);
    EXPECT_NE(checked.workflow.has_value(), !checked.complaints.empty()) << damaged;
    for (const Complaint& one : checked.complaints) {
      EXPECT_GE(one.at.line, 1u) << damaged;
      EXPECT_FALSE(one.text.empty()) << damaged;
    }
  }
}

}  // namespace
}  // namespace tierhub::compute
