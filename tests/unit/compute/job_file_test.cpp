#include "compute/workflow/job_file.h"

#include <filesystem>
#include <fstream>
#include <random>

#include <unistd.h>

#include <gtest/gtest.h>

#include "compute/submit/drop.h"
#include "compute/workflow/workflow.h"
#include "tests/support/temporary_directory.h"

namespace tierhub::compute {
namespace {
namespace fs = std::filesystem;

constexpr const char* kWorkflow =
    "workflow: w   # a comment\n"
    "parameters:\n"
    "  images: {type: dataset, default: x}\n"
    "  diameter: {type: number, default: 24}\n"
    "input: {dataset: \"{images}\"}\n"
    "steps: [{id: a, run: [t, \"{diameter}\"]}]\n";

TEST(JobFile, ThatNamesAWorkflowHasItsValues) {
  const auto reference =
      read_reference("workflow: nuclei-files\nvalues: {images: [a, b], diameter: 30}\n");
  ASSERT_TRUE(reference && *reference);
  EXPECT_EQ((*reference)->workflow, "nuclei-files");
  EXPECT_EQ((*reference)->values, (ParameterValues{{"images", {"a", "b"}}, {"diameter", {"30"}}}));
}

TEST(JobFile, WithStepsIsAWorkflowAlsoIfItHasValues) {
  for (const std::string& text :
       {std::string(kWorkflow), std::string(kWorkflow) + "values: {diameter: 3}\n",
        std::string("workflow: w\n"), std::string("values: {a: 1}\n")}) {
    const auto reference = read_reference(text);
    EXPECT_TRUE(reference && !*reference) << text;
  }
}

TEST(JobFile, ThatNamesAWorkflowMayHaveNothingElse) {
  const auto reference = read_reference("workflow: w\nvalues: {a: 1}\noutput: x\n");
  ASSERT_FALSE(reference);
  EXPECT_EQ(to_text(reference.error()),
            "line 3, column 1: a file with values has no key 'output'; allowed keys: workflow, "
            "values");
}

TEST(JobFile, ValuesAreWrittenBehindTheTextWhichStaysAsItIs) {
  const Result<std::string> written =
      with_values(kWorkflow, {{"diameter", {"30"}}, {"images", {"a \"b\"\\c: #", "d*"}}});
  ASSERT_TRUE(written) << written.error().text();
  EXPECT_EQ(*written, std::string(kWorkflow) +
                          "values:\n  diameter: 30\n  images: [\"a \\\"b\\\"\\\\c: #\", \"d*\"]\n");
}

TEST(JobFile, ValuesReplaceThoseThatWereThere) {
  const std::string head = std::string(kWorkflow).substr(0, std::string(kWorkflow).find("steps"));
  const std::string steps = "steps: [{id: a, run: [t, \"{diameter}\"]}]\n";
  for (const std::string& text :
       {head + "values: {diameter: 3}\n" + steps, head + "values:\n  diameter: 3\n\n" + steps,
        head + "values:\n  diameter: 3\n  images: [q,\n    r]\n# about the steps\n" + steps,
        head + steps + "values: {diameter: 3}"}) {
    const Result<std::string> written = with_values(text, {{"diameter", {"30"}}});
    ASSERT_TRUE(written) << written.error().text();
    EXPECT_EQ(check_workflow(*written).values.at("diameter"), ParameterValue{"30"}) << *written;
    EXPECT_EQ(written->find("diameter: 3\n"), std::string::npos) << *written;
  }
}

TEST(JobFile, WhatCannotBeWrittenIntoATextIsAnError) {
  const Result<std::string> written = with_values(
      "{workflow: w, parameters: {p: {type: string, default: a}}, input: {dataset: d}, steps: "
      "[{id: a, run: [\"{p}\"]}]}",
      {{"p", {"b"}}});
  ASSERT_FALSE(written);
  EXPECT_NE(written.error().text().find("yourself"), std::string::npos);
}

// Whatever a person types comes out of the file as it went in.
TEST(JobFile, AnyTextThatAValueMayHaveComesBack) {
  std::mt19937 random(3);
  const std::string text =
      "workflow: w\nparameters: {p: {type: string}}\ninput: {dataset: d}\n"
      "steps: [{id: a, run: [t, \"{p}\"]}]\n";
  for (int i = 0; i < 2000; ++i) {
    std::string value;
    for (size_t n = random() % 12; n > 0; --n)
      value += " \"'\\{}[]:#,&*!|>%@`-?~xé01.\xc2\xa0"[random() % 31];
    if (check_workflow(text, {{"p", {value}}}).workflow == std::nullopt) continue;
    const Result<std::string> written = with_values(text, {{"p", {value}}});
    if (!written) continue;  // bytes that are no UTF-8
    EXPECT_EQ(parse_workflow(*written)->steps[0].run[1].text.expand({}), value) << *written;
  }
}

class Library : public ::testing::Test {
 protected:
  Library() {
    fs::create_directories(folder_ / "lib");
    std::ofstream(folder_ / "lib/w.yaml") << kWorkflow;
    std::ofstream(folder_ / "mine.yaml") << "mine";
  }
  const TemporaryDirectory folder_;
  const WorkflowLibrary library_{folder_ / "lib", folder_.path()};
};

TEST_F(Library, FindsWorkflowsByNameAndByPath) {
  EXPECT_EQ(*library_.read("w"), kWorkflow);
  EXPECT_EQ(*library_.read("mine.yaml"), "mine");
  EXPECT_EQ(*library_.read(folder_ / "mine.yaml"), "mine");
}

TEST_F(Library, SaysWhatIsWrongWithAName) {
  EXPECT_NE(library_.read("wx").error().text().find("there is no workflow 'wx'"),
            std::string::npos);
  EXPECT_NE(library_.read("lib/w").error().text().find("must end in .yaml"), std::string::npos);
  EXPECT_TRUE(library_.read("lib/x.yaml").error().is(std::errc::no_such_file_or_directory));
  fs::create_symlink("/etc/passwd", folder_ / "link.yaml");
  EXPECT_FALSE(library_.read("link.yaml"));
  ASSERT_EQ(::mkfifo((folder_ / "pipe.yaml").c_str(), 0600), 0);
  EXPECT_FALSE(library_.read("pipe.yaml")) << "and it does not wait for a writer";
}

TEST(DropJob, IsAFileThatNobodyElseCanWriteUnderItsWholeName) {
  const TemporaryDirectory folder;
  fs::create_directories(folder / "incoming");
  ASSERT_EQ(*drop_job(folder.path(), "count-abcd", "text"), "count-abcd");
  std::ifstream in(folder / "incoming/count-abcd.yaml");
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), "text");
  EXPECT_EQ(fs::status(folder / "incoming/count-abcd.yaml").permissions() &
                (fs::perms::group_write | fs::perms::others_write),
            fs::perms::none);
  // A name that is taken stays as it is, and nothing is left behind.
  const auto again = drop_job(folder.path(), "count-abcd", "other");
  ASSERT_FALSE(again);
  EXPECT_TRUE(again.error().is(std::errc::file_exists)) << again.error().text();
  EXPECT_EQ(std::distance(fs::directory_iterator(folder / "incoming"), {}), 1);
}

TEST(DropJob, PrefersThePersonsOwnFolder) {
  const TemporaryDirectory folder;
  const std::string own = folder / ("incoming/" + std::to_string(::geteuid()));
  fs::create_directories(own);
  ASSERT_TRUE(drop_job(folder.path(), "a", "text"));
  EXPECT_TRUE(fs::exists(own + "/a.yaml"));
}

TEST(DropJob, WithoutAJobsFolderIsAnError) {
  EXPECT_NE(drop_job("/nowhere", "a", "text").error().text().find("the jobs folder"),
            std::string::npos);
}

}  // namespace
}  // namespace tierhub::compute
