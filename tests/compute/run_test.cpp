// What a run does, from the dropped file to its report.
#include <algorithm>
#include <filesystem>
#include <set>

#include <signal.h>
#include <unistd.h>

#include "tests/compute/agent_fixture.h"

namespace tierhub::test {
namespace {
namespace fs = std::filesystem;

class Run : public AgentTest {
 protected:
  Run() {
    for (const char* name : {"a", "b", "c"})
      write_text(at(std::string("data/") + name + ".txt"), name);
    if (::geteuid() == 0) {
      start_agent({"--allow-root"});
    } else {
      start_agent();
    }
  }

  // A workflow over the three files.
  static std::string by_file(const std::string& steps) {
    return "workflow: w\ninput: {dataset: data/*.txt}\nscatter: {by: file}\nsteps:\n" + steps;
  }
  static std::string once(const std::string& steps) {
    return "workflow: w\ninput: {dataset: data/a.txt}\nsteps:\n" + steps;
  }
  std::string output(const EndedRun& run, const std::string& file) const {
    return read_text(run.status["output"].get<std::string>() + "/" + file);
  }
};

TEST_F(Run, ScattersOverFilesAndGathers) {
  const EndedRun run = drop_and_wait("job", by_file(R"(
  - id: copy
    run: [sh, -c, 'cat "$1" > "$2"', sh, "{input}", "{work}/parts/{name}-{task}"]
  - id: join
    gather: copy
    run: [sh, -c, 'ls {work}/parts | tr "\n" " " > {output}/list; cat {work}/parts/* > {output}/all']
)"));
  EXPECT_EQ(run.ending, "done") << run.report;
  EXPECT_EQ(output(run, "list"), "a-0000 b-0001 c-0002 ");
  EXPECT_EQ(output(run, "all"), "abc");
  EXPECT_EQ(run.status["state"], "done");
  EXPECT_EQ(run.status["progress"], 1.0);
  EXPECT_EQ(run.status["tasks_total"], 4);
  EXPECT_EQ(run.status["tasks_done"], 4);
  EXPECT_EQ(run.status["tasks"].size(), 4u);
  const std::string user = run.status["user"];
  EXPECT_EQ(run.status["output"], at("results/" + user + "/w/" + run.run));
  EXPECT_NE(run.report.find("Everything is done"), std::string::npos);
  EXPECT_EQ(names_in(at("results/" + user + "/w")), std::vector{run.run});
  expect_no_work_left();
  EXPECT_TRUE(names_in(jobs("running")).empty());
  EXPECT_TRUE(names_in(jobs("incoming")).empty());
  EXPECT_TRUE(fs::exists(run.folder + "/job.yaml"));
}

TEST_F(Run, ReportsWhatTasksThatSucceededMeasured) {
  const EndedRun run = drop_and_wait("job", by_file(R"(
  - id: count
    run: [sh, -c, 'echo noise; echo "report: {name}.csv: 3 objects"; echo "report: same for all" >&2; if [ ! -e {work}/{task} ]; then touch {work}/{task}; echo "report: of a try that failed"; exit 1; fi']
    retry: 1
  - id: sum
    gather: count
    run: [sh, -c, 'printf "report: all.csv: 9 objects"']
)"));
  EXPECT_EQ(run.ending, "done") << run.report;
  EXPECT_NE(run.report.find("\nWhat was measured:\n  a.csv: 3 objects\n  same for all\n"
                            "  b.csv: 3 objects\n  c.csv: 3 objects\n  all.csv: 9 objects\n\n"),
            std::string::npos)
      << run.report;
}

TEST_F(Run, AfterStartsWhenItsOwnItemIsDone) {
  // b of item 0 must run while a of item 1 waits for it.
  const EndedRun run = drop_and_wait("job", by_file(R"(
  - id: a
    run: [sh, -c, 'if [ {task} = 0001 ]; then until [ -e {work}/b-0000 ]; do sleep 0.05; done; fi']
    resources: {time: 60s}
  - id: b
    after: a
    run: [sh, -c, 'touch {work}/b-{task}']
)"));
  EXPECT_EQ(run.ending, "done") << run.report;
}

TEST_F(Run, TakesAFileThatWasWrittenInPlaceOnceItStandsStill) {
  write_text(jobs("incoming/slow.yaml"), once("  - {id: a, run: [\"true\"]}\n"));
  EXPECT_EQ(ended("slow").ending, "done");
}

TEST_F(Run, LeavesOtherFilesAlone) {
  const std::vector<std::string> others = {".hidden.yaml", "notes.txt", "w.yaml.part", "w.yaml~",
                                           "~$w.yaml"};
  for (const std::string& name : others) drop(name, "workflow: w\n");
  EXPECT_EQ(drop_and_wait("job", once("  - {id: a, run: [\"true\"]}\n")).ending, "done");
  EXPECT_EQ(names_in(jobs("incoming")), others);
}

TEST_F(Run, ABadFileFailsWithItsReasonAndNothingRuns) {
  const std::string touch = "[sh, -c, 'touch " + at("was-run") + "']";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"workflow: w\nsteps: [\n", "line 3, column 1: not valid YAML"},
      {once("  - {id: a, run: " + touch + "}\n  - {id: b, run: [t, \"{nope}\"]}\n"),
       "line 5, column 23: {nope} is not a placeholder"},
      {once("  - {id: a, run: " + touch + "}\n  - {id: b, run: [\"true\"], after: c}\n"),
       "there is no step with the id 'c'"},
      {once("  - {id: a, run: " + touch + "}\n  - {id: b, run: [\"true\"], after: b}\n"),
       "in a circle: b -> b"},
      {once("  - {id: a, run: " + touch + "}\n  - {id: a, run: [\"true\"]}\n"),
       "two steps have the id 'a'"},
      {once("  - {id: a, run: " + touch + "}\n  - {id: b, run: [no-such-program]}\n"),
       "line 5, column 5: the step 'b': the program 'no-such-program' is in none of"},
      {"workflow: w\ninput: {dataset: data/none.txt}\nsteps:\n  - {id: a, run: " + touch + "}\n",
       "the input " + at("data/none.txt") + " does not exist"},
      {"workflow: w\ninput: {dataset: data/*.tif}\nsteps:\n  - {id: a, run: " + touch + "}\n",
       "no input matches " + at("data/*.tif")},
      {"workflow: w\ninput: {dataset: data/*.txt}\nsteps:\n  - {id: a, run: " + touch + "}\n",
       "the input has 3 datasets"},
  };
  int number = 0;
  for (const auto& [text, reason] : cases) {
    const EndedRun run = drop_and_wait("bad" + std::to_string(number++), text);
    EXPECT_EQ(run.ending, "failed") << reason;
    EXPECT_NE(run.report.find(reason), std::string::npos) << run.report;
    EXPECT_NE(run.status["error"].get<std::string>().find(reason), std::string::npos);
    EXPECT_EQ(run.status["state"], "failed");
  }
  EXPECT_FALSE(fs::exists(at("was-run")));
  EXPECT_FALSE(fs::exists(at("results")));
  expect_no_work_left();
}

TEST_F(Run, TasksThatWouldOverwriteOneAnotherAreRefusedWithAHint) {
  for (const char* name : {"d1/x.tif", "d2/x.tif", "d2/x.tiff"}) write_text(at(name), name);
  write_text(at("scan.ome.zarr/.zattrs"), R"({"multiscales":[{"version":"0.4","axes":[
    {"name":"z","type":"space"},{"name":"y","type":"space"},{"name":"x","type":"space"}],
    "datasets":[{"path":"0"}]}]})");
  write_text(at("scan.ome.zarr/.zgroup"), R"({"zarr_format":2})");
  write_text(at("scan.ome.zarr/0/.zarray"), R"({"zarr_format":2,"shape":[4,4,4],"chunks":[4,4,4],
    "dtype":"|u1","compressor":null,"fill_value":0,"order":"C","filters":null})");
  const auto workflow = [](const std::string& dataset, const std::string& by,
                           const std::string& run) {
    return "workflow: w\ninput: {dataset: \"" + dataset + "\"}\nscatter: {by: " + by +
           "}\nsteps:\n  - {id: a, " + run + "}\n";
  };
  const std::string same = "is the same for two tasks of the step 'a' (";
  const std::vector<std::pair<std::string, std::string>> refused = {
      {workflow("d?/x.tif", "file", "run: [cp, \"{input}\", \"{output}/{name}.csv\"]"),
       "line 5, column 34: '{output}/{name}.csv' " + same + at("d1/x.tif") + " and " +
           at("d2/x.tif") +
           "), and one would overwrite what the other wrote: use {path}, which is "
           "d1/x for the one and d2/x for the other"},
      {workflow("d?/x.tif", "file", "run: [sh, -c, 'cp {input} \"{work}/{name}\"']"),
       "line 5, column 27: '{work}/{name}' " + same},
      {workflow("d?/x.tif", "file", "run: [env], env: {TO: \"{output}/{name}\"}"),
       "'{output}/{name}' " + same},
      {workflow("d2/*", "file", "run: [cp, \"{input}\", \"{output}/{path}\"]"),
       "only their endings differ: use {task}"},
      {workflow("scan.ome.zarr", "block, size: {y: 2}", "run: [touch, \"{output}/{name}.csv\"]"),
       same + "0 and 1), and one would overwrite what the other wrote: use {task}"},
  };
  int number = 0;
  for (const auto& [text, reason] : refused) {
    const EndedRun run = drop_and_wait("same" + std::to_string(number++), text);
    EXPECT_EQ(run.ending, "failed") << text;
    EXPECT_NE(run.report.find(reason), std::string::npos) << run.report;
    EXPECT_EQ(run.status["tasks_total"], 0);
  }
  const std::vector<std::string> accepted = {
      workflow("d?/x.tif", "file", "run: [cp, \"{input}\", \"{output}/{path}.csv\"]"),
      workflow("d?/x.tif", "file", "run: [cp, \"{input}\", \"{output}/{name}-{task}.csv\"]"),
      workflow("d?/x.tif", "file",
               "run: [sh, -c, 'mkdir -p {output}/{name}; cp {input} {output}/{name}/{task}.csv']"),
      workflow("d?/x.tif", "file", "run: [sh, -c, 'cat {input} >> {output}/all.csv']"),
  };
  for (const std::string& text : accepted) {
    const EndedRun run = drop_and_wait("differ" + std::to_string(number++), text);
    EXPECT_EQ(run.ending, "done") << run.report;
  }
}

TEST_F(Run, ByChannelAStepRunsOnceForEachWithItsOwnResult) {
  write_text(at("scan.ome.zarr/.zattrs"), R"({"multiscales":[{"version":"0.4","axes":[
    {"name":"c","type":"channel"},{"name":"y","type":"space"},{"name":"x","type":"space"}],
    "datasets":[{"path":"0"}]}]})");
  write_text(at("scan.ome.zarr/.zgroup"), R"({"zarr_format":2})");
  write_text(at("scan.ome.zarr/0/.zarray"), R"({"zarr_format":2,"shape":[3,2,3],"chunks":[1,2,3],
    "dtype":"|u1","compressor":null,"fill_value":0,"order":"C","filters":null})");
  const std::vector<std::string> channels = {"red---", "green-", "blue--"};
  for (size_t c = 0; c < channels.size(); ++c)
    write_text(at("scan.ome.zarr/0/" + std::to_string(c) + ".0.0"), channels[c]);
  const EndedRun run = drop_and_wait("job", R"(workflow: w
input: {dataset: scan.ome.zarr}
scatter: {by: c}
steps:
  - id: a
    run: [sh, -c, 'cat "$1/0/${{2##*c=}.0.0" > "$3"', sh, "{input}", "{select}", "{work}/parts/{task}"]
  - id: b
    after: a
    run: [sh, -c, 'cat "$1" > "$2"; echo " $3" >> "$2"', sh, "{work}/parts/{task}", "{output}/{task}", "{box}"]
  - id: all
    gather: b
    run: [sh, -c, 'cat {output}/* > {output}/all; echo "$1" >> {output}/all', sh, "{select}"]
)");
  ASSERT_EQ(run.ending, "done") << run.report;
  EXPECT_EQ(run.status["tasks_total"], 7);
  std::string all;
  for (size_t c = 0; c < channels.size(); ++c) {
    const std::string number = std::to_string(c);
    const std::string own = channels[c] + " level=0,t=0,c=" + number + ",z=0:1,y=0:2,x=0:3\n";
    EXPECT_EQ(output(run, "000" + number), own);
    all += own;
  }
  EXPECT_EQ(output(run, "all"), all + "level=0,t=0,c=0:3\n");
}

TEST_F(Run, OneLinkToNothingDoesNotStopTheOthers) {
  write_text(at("bad/good.txt"), "good");
  fs::create_symlink("/nowhere/file", at("bad/broken.txt"));
  const EndedRun run = drop_and_wait("job", R"(workflow: w
input: {dataset: "bad/*"}
scatter: {by: file}
steps:
  - id: a
    run: [cp, "{input}", "{output}/{name}.csv"]
)");
  ASSERT_EQ(run.ending, "done") << run.report;
  EXPECT_EQ(output(run, "good.csv"), "good");
  const std::string line = at("bad/broken.txt") + ": a link to /nowhere/file, which does not exist";
  EXPECT_EQ(run.status["left_out"], nlohmann::json::array({line}));
  EXPECT_NE(run.report.find("Left out  " + line + "\n"), std::string::npos) << run.report;
}

TEST_F(Run, MoreMemoryThanThereIsIsRefusedBeforeAnythingRuns) {
  const EndedRun run = drop_and_wait("job", once(R"(  - id: a
    run: ["true"]
    resources: {memory: 9999GiB}
)"));
  EXPECT_EQ(run.ending, "failed");
  EXPECT_NE(run.report.find("line 6, column 25: the step 'a' asks for 9999GiB of memory, but "),
            std::string::npos)
      << run.report;
  EXPECT_EQ(run.status["tasks_total"], 0);
}

TEST_F(Run, PathKeepsTheFoldersOfTheInputs) {
  for (const char* name : {"d1/x.tif", "d2/x.tif"}) write_text(at(name), name);
  const EndedRun run = drop_and_wait("job", R"(workflow: w
input: {dataset: "d?/x.tif"}
scatter: {by: file}
steps:
  - id: a
    run: [cp, "{input}", "{output}/{path}.csv"]
)");
  ASSERT_EQ(run.ending, "done") << run.report;
  EXPECT_EQ(output(run, "d1/x.csv"), "d1/x.tif");
  EXPECT_EQ(output(run, "d2/x.csv"), "d2/x.tif");
}

TEST_F(Run, TriesAFailedTaskAgain) {
  const EndedRun run = drop_and_wait("job", once(R"(
  - id: a
    run: [sh, -c, 'if [ -e {work}/tried ]; then touch {output}/ok; else touch {work}/tried; exit 3; fi']
    retry: 1
)"));
  EXPECT_EQ(run.ending, "done") << run.report;
  EXPECT_EQ(run.status["tasks"][0]["attempts"], 2);
  EXPECT_NE(run.log.find("a.0000 | failed: exit code 3"), std::string::npos) << run.log;
}

TEST_F(Run, AFailureNamesTheTaskAndKeepsItsWork) {
  const EndedRun run = drop_and_wait("job", once(R"(
  - id: a
    run: [sh, -c, 'echo started; touch {work}/kept; echo the disk is purple >&2; exit 4']
    retry: 1
  - id: b
    after: a
    run: [sh, -c, 'touch {output}/never']
)"));
  EXPECT_EQ(run.ending, "failed");
  EXPECT_NE(run.report.find("the step 'a' failed at task 0 (tried 2 times): exit code 4: the disk "
                            "is purple"),
            std::string::npos)
      << run.report;
  EXPECT_NE(run.report.find("| the disk is purple"), std::string::npos) << run.report;
  EXPECT_NE(run.report.find(at("work/" + run.run)), std::string::npos) << run.report;
  EXPECT_TRUE(fs::exists(at("work/" + run.run + "/kept")));
  EXPECT_EQ(run.status["tasks_failed"], 1);
  EXPECT_FALSE(fs::exists(run.status["output"].get<std::string>()));
}

TEST_F(Run, TheReportNamesWhatPeopleSee) {
  const EndedRun failed = drop_and_wait("bad", once(R"(
  - id: a
    run: [sh, -c, 'echo half > {output}/file; touch {work}/x; exit 4']
)"));
  EXPECT_EQ(failed.ending, "failed");
  const std::string kept = failed.status["output"].get<std::string>() + ".incomplete";
  EXPECT_NE(failed.report.find("what was written so far is in " + kept + " ("), std::string::npos)
      << failed.report;
  EXPECT_EQ(read_text(kept + "/file"), "half\n");
  EXPECT_EQ(failed.report.find("/."), std::string::npos) << "a hidden path: " << failed.report;
  const EndedRun done = drop_and_wait("good", once("  - {id: a, run: [\"true\"]}\n"));
  const std::string output = done.status["output"];
  EXPECT_NE(done.report.find("Results   " + output + "\n          " + output.substr(at("").size()) +
                             ", next to the jobs folder\n"),
            std::string::npos)
      << done.report;
}

TEST_F(Run, CancelStopsItsProcesses) {
  drop("job.yaml", once(R"(
  - id: a
    run: [sh, -c, 'sleep 1000 & echo $! > {work}/child; wait']
)"));
  const std::string folder = running("job");
  const std::string work = at("work/" + fs::path(folder).filename().string());
  until("the task runs", [&] { return read_text(work + "/child").ends_with("\n"); });
  const pid_t child = std::stoi(read_text(work + "/child"));
  EXPECT_EQ(::kill(child, 0), 0);
  write_text(folder + "/CANCEL", "");
  const EndedRun run = ended("job");
  EXPECT_EQ(run.ending, "failed");
  EXPECT_EQ(run.status["state"], "cancelled");
  EXPECT_NE(run.report.find("cancelled"), std::string::npos);
  until("the child is gone", [&] { return ::kill(child, 0) != 0; });
}

TEST_F(Run, ATaskThatTakesTooLongIsStopped) {
  const EndedRun run = drop_and_wait("job", once(R"(
  - id: a
    run: [sleep, "1000"]
    resources: {time: 1s}
)"));
  EXPECT_EQ(run.ending, "failed");
  EXPECT_NE(run.report.find("it took longer than 1.0 s"), std::string::npos) << run.report;
}

TEST_F(Run, ATaskThatUsesTooMuchMemoryIsStopped) {
  const EndedRun run = drop_and_wait("job", once(R"(
  - id: a
    run: [sh, -c, 'perl -e "\$x = \"x\" x 300000000; sleep 1000"']
    resources: {memory: 100MiB, time: 60s}
)"));
  EXPECT_EQ(run.ending, "failed");
  EXPECT_NE(run.report.find("more than 100.0 MiB (resources.memory)"), std::string::npos)
      << run.report;
}

TEST_F(Run, ATaskThatUsedTooMuchMemoryIsTriedAgainWithMore) {
  // 60 MB: 40 MiB are too little, twice that is enough.
  const EndedRun run = drop_and_wait("job", once(R"yaml(
  - id: hungry
    run: [sh, -c, 'echo try >> {output}/tries; /usr/bin/python3 -c "import time; x = bytearray(b\"1\") * 60000000; time.sleep(2)"']
    resources: {memory: 40MiB}
    retry: 1
)yaml"));
  ASSERT_EQ(run.ending, "done") << run.report << run.log;
  EXPECT_EQ(output(run, "tries"), "try\ntry\n");
  EXPECT_NE(run.log.find("gets 80.0 MiB of memory instead of 40.0 MiB, and 1 of 2 slots"),
            std::string::npos)
      << run.log;
  EXPECT_GT(run.status["peak_bytes"], 50'000'000);
  EXPECT_NE(run.report.find("Memory    "), std::string::npos) << run.report;
}

TEST_F(Run, NothingThatATaskStartedOutlivesIt) {
  // In a session of its own, and let go by its parent; the next task looks whether it is there.
  const EndedRun run = drop_and_wait("job", once(R"(
  - id: a
    run: [sh, -c, 'setsid sh -c "(setsid sleep 987 & echo \$! > {work}/pid; sleep 988) &" & until [ -s {work}/pid ]; do sleep 0.02; done']
  - id: b
    after: a
    run: [sh, -c, 'if kill -0 $(cat {work}/pid); then exit 1; fi']
)"));
  EXPECT_EQ(run.ending, "done") << run.report << run.log;
}

TEST_F(Run, ATaskSeesTheEnvironmentThatIsDocumented) {
  const EndedRun run = drop_and_wait("job", once(R"(
  - id: a
    run: [sh, -c, 'env -u PWD -u SHLVL -u _ -u OLDPWD | cut -d= -f1 | sort | tr "\n" " " > {output}/env; pwd > {output}/cwd; cat > {output}/stdin; echo "$TIERHUB_RUN $TIERHUB_TASK $PLACE $TIERHUB_CPUS $OMP_NUM_THREADS" > {output}/values']
    env: {PLACE: "{name}", OMP_NUM_THREADS: "7"}
    resources: {cpus: 2}
)"));
  EXPECT_EQ(run.ending, "done") << run.report;
  EXPECT_EQ(
      output(run, "env"),
      "HOME LANG MKL_NUM_THREADS OMP_NUM_THREADS OPENBLAS_NUM_THREADS PATH PLACE TIERHUB_CPUS "
      "TIERHUB_MARK TIERHUB_RUN TIERHUB_TASK USER ");
  EXPECT_EQ(output(run, "cwd"), at("work/" + run.run) + "\n");
  EXPECT_EQ(output(run, "stdin"), "");
  EXPECT_EQ(output(run, "values"), run.run + " 0000 a 2 7\n");
}

TEST_F(Run, CutsAVolumeIntoBlocks) {
  write_text(at("scan.ome.zarr/.zattrs"), R"({"multiscales":[{"version":"0.4","axes":[
    {"name":"z","type":"space"},{"name":"y","type":"space"},{"name":"x","type":"space"}],
    "datasets":[{"path":"0","coordinateTransformations":[{"type":"scale","scale":[1,1,1]}]}]}]})");
  write_text(at("scan.ome.zarr/.zgroup"), R"({"zarr_format":2})");
  write_text(at("scan.ome.zarr/0/.zarray"), R"({"zarr_format":2,"shape":[4,6,5],"chunks":[2,2,2],
    "dtype":"|u1","compressor":null,"fill_value":0,"order":"C","filters":null,
    "dimension_separator":"/"})");
  const EndedRun run = drop_and_wait("job", R"(workflow: w
input: {dataset: scan.ome.zarr}
scatter: {by: block, size: {z: 4, y: 4, x: 3}, halo: {y: 1}}
steps:
  - id: a
    run: [sh, -c, 'echo "{box} {halo} {name}" > {work}/{task}']
  - id: b
    gather: a
    run: [sh, -c, 'cat {work}/0* > {output}/boxes']
)");
  EXPECT_EQ(run.ending, "done") << run.report;
  EXPECT_EQ(output(run, "boxes"),
            "level=0,t=0,c=0,z=0:4,y=0:4,x=0:3 z=0,y=1,x=0 scan\n"
            "level=0,t=0,c=0,z=0:4,y=0:4,x=3:5 z=0,y=1,x=0 scan\n"
            "level=0,t=0,c=0,z=0:4,y=4:6,x=0:3 z=0,y=1,x=0 scan\n"
            "level=0,t=0,c=0,z=0:4,y=4:6,x=3:5 z=0,y=1,x=0 scan\n");
}

TEST_F(Run, ListsWhatItCouldNotObey) {
  const EndedRun run = drop_and_wait("job", once(R"(
  - id: a
    run: ["true"]
    resources: {cpus: 64}
)"));
  EXPECT_EQ(run.ending, "done") << run.report;
  ASSERT_EQ(run.status["not_obeyed"].size(), 1u);
  EXPECT_NE(run.status["not_obeyed"][0].get<std::string>().find("steps.a.resources.cpus"),
            std::string::npos);
  EXPECT_NE(run.report.find("resources.cpus"), std::string::npos);
}

TEST_F(Run, AnOutputThatIsTakenFailsBeforeAnythingRuns) {
  write_text(at("results/old/file"), "precious");
  const EndedRun run = drop_and_wait("job", once("  - {id: a, run: [sh, -c, 'touch " +
                                                 at("was-run") + "']}\noutput: results/old\n"));
  EXPECT_EQ(run.ending, "failed");
  EXPECT_NE(run.report.find("already exists"), std::string::npos) << run.report;
  EXPECT_FALSE(fs::exists(at("was-run")));
  EXPECT_EQ(read_text(at("results/old/file")), "precious");
}

TEST_F(Run, AllRunsTogetherKeepToTheNumberOfWorkers) {
  for (const char* stem : {"one", "two", "three"}) {
    drop(std::string(stem) + ".yaml", by_file("  - {id: a, run: [sleep, \"0.3\"]}\n"));
  }
  std::multimap<std::string, int> changes;  // time -> +1 or -1; an end sorts before a start
  std::set<int> slots;
  for (const char* stem : {"one", "two", "three"}) {
    const EndedRun run = ended(stem);
    EXPECT_EQ(run.ending, "done") << run.report;
    for (const auto& task : run.status["tasks"]) {
      changes.emplace(task["start"].get<std::string>() + "+", 1);
      changes.emplace(task["end"].get<std::string>() + "!", -1);
      slots.insert(task["slot"].get<int>());
    }
  }
  EXPECT_EQ(changes.size(), 18u);
  int now = 0, most = 0;
  for (const auto& [time, change] : changes) most = std::max(most, now += change);
  EXPECT_EQ(most, 2);
  EXPECT_EQ(slots, (std::set{0, 1}));
}

}  // namespace
}  // namespace tierhub::test
