// tierctl: the command line of TierHub. Parses, runs one command, and turns what happened into an
// exit code.
#include <algorithm>
#include <cstdio>
#include <exception>
#include <functional>
#include <map>
#include <optional>

#include <CLI/CLI.hpp>

#include "common/fault_points.h"
#include "storage/helper/helper.h"
#include "tools/tierctl/commands.h"
#include "tools/tierctl/fsck.h"
#include "tools/tierctl/human.h"
#include "tools/tierctl/output.h"
#include "tools/tierctl/suggest.h"

namespace tierhub::tierctl {
namespace {

using Command = std::function<Result<ExitCode>(const Context&)>;

constexpr const char* kPathHelp =
    "A path in the mount (absolute or relative), or in the namespace, from its root. A folder "
    "means everything below it";

constexpr const char* kFooter = R"(
Examples:
  tierctl status                                 is all well, and what is not yet in the archive?
  tierctl ls -r /mnt/tier/brain42                which files are on the SSD?
  tierctl prefetch --wait /mnt/tier/brain42      fetch a dataset before you use it
  tierctl dataset show brain42/scan.ome.zarr     what is this image, and which levels are on the SSD?
  tierctl publish --wait /brain42                publish now, and wait until it is in the archive
  tierctl pin --reason "course on Monday" /demo  keep it on the SSD until: tierctl unpin /demo
  tierctl jobs list --json | jq '.runs[].state'  for scripts

Exit codes: 0 done, 1 failed, 2 usage, 3 tierd is not reachable, 4 damage found,
130 interrupted while waiting (tierd continues the work).)";

// What the command line said. Options point into it, so it stays where it is.
struct Arguments {
  std::string socket;
  bool json = false;
  bool wait = false;
  bool accept = false;
  std::string to;
  double older_than_days = 0;
  bool recursive = false;
  bool detailed = false;
  bool list = false;
  bool later = false;
  bool all = false;
  bool keep_metadata = false;
  uint64_t id = 0;
  std::vector<std::string> paths;
  std::string owner;
  std::string reason;
  std::string label;
  // Of an image: the value of --level, --t, ... by the key of a selection, and that of --box.
  std::map<std::string, std::string> selected;
  std::string box;
  std::string run;
  LogOptions log;
  AskAgentOptions ask;
  FsckOptions fsck;
  Command command;
};

CLI::App* add_command(CLI::App& app, const std::string& name, const std::string& help,
                      Arguments& arguments, Command command) {
  CLI::App* added = app.add_subcommand(name, help);
  added->fallthrough();
  added->callback([&arguments, command] { arguments.command = command; });
  return added;
}

CLI::Option* add_paths(CLI::App* command, Arguments& arguments) {
  return command->add_option("path", arguments.paths, kPathHelp)->type_name("PATH");
}

void add_reading_commands(CLI::App& app, Arguments& a) {
  add_command(app, "status", "What tierd is doing, how full the SSD is, what is not archived yet",
              a, show_status);

  auto* ls = add_command(
      app, "ls", "List files with their state, size, and how much of them is on the SSD", a,
      [&a](const Context& context) {
        using enum api::Service::Depth;
        using enum LsOptions::Detail;
        return list(context, {a.paths, a.recursive ? all : totals, a.detailed ? full : brief});
      });
  add_paths(ls, a);
  ls->add_flag("-r,--recursive", a.recursive, "List everything below, with paths in the namespace");
  ls->add_flag("-l,--long", a.detailed,
               "Also show unpublished bytes, time, owner, pins and leases");
  ls->footer(R"(
States: cold (only in the archive), partial, hot (all on the SSD), dirty (newer than the archive).
A folder shows the sums of all files below it, or "-" if it is so large that adding takes too long.
Without PATH: the current folder if it is in the mount, else the namespace's root.

Example:
  tierctl ls -r --json /brain42 | jq -r '.entries[] | select(.state == "cold") | .path')");
}

void add_why(CLI::App& app, Arguments& a) {
  auto* command = add_command(
      app, "why", "Explain why a file is cold or not evicted, and what prefetches wait for", a,
      [&a](const Context& context) { return why(context, a.paths); });
  add_paths(command, a)->required();
  command->footer(R"(
Example:
  tierctl why /brain42/scan.tif)");
}

void add_dataset(CLI::App& app, Arguments& a) {
  auto* dataset = app.add_subcommand("dataset", "Look at an image: OME-Zarr, TIFF, HDF5, MRC, ...");
  dataset->fallthrough();
  dataset->require_subcommand(1);
  auto* show = add_command(*dataset, "show",
                           "Show what an image is, and how much of each level is on the SSD", a,
                           [&a](const Context& context) {
                             using enum DatasetOptions::Levels;
                             return show_dataset(context, {a.paths.front(), a.all ? all : small});
                           });
  add_paths(show, a)->required()->expected(1);
  show->add_flag("--all", a.all,
                 "Also look at levels of more than 1,000,000 chunks: takes minutes");
  show->footer(R"(
STORED is what the chunks of a level take in their files, without metadata; RESIDENT is what of that is
on the SSD. CHUNKS also counts empty chunks, which are not stored. The metadata is read
through the mount, which fetches it; no pixel is read.

Example:
  tierctl dataset show /mnt/tier/brain42/scan.ome.zarr)");
}

// What --level, --t, ... and --box say together; nothing if none of them is there.
std::optional<formats::Selection> selection_of(const Arguments& a) {
  std::string text;
  for (const auto& [key, value] : a.selected) {
    if (!value.empty()) text += fmt::format("{}{}={}", text.empty() ? "" : ",", key, value);
  }
  if (!a.box.empty()) text += (text.empty() ? "" : ",") + a.box;
  if (text.empty()) return std::nullopt;
  const auto selection = formats::parse_selection(text);
  if (!selection) throw CLI::ValidationError("prefetch", selection.error().text());
  return *selection;
}

void add_selection(CLI::App* command, Arguments& a) {
  constexpr const char* kGroup = "Part of an image";
  const auto add = [&](const std::string& key, const std::string& help) {
    command->add_option("--" + key, a.selected[key], help)->type_name("RANGE")->group(kGroup);
  };
  add("level", "Resolution levels, 0 is the finest [default: 0]");
  add("t", "Time points [default: all, like the following]");
  add("c", "Channels");
  add("z", "Planes, in voxels of the level, like y and x");
  add("y", "Rows");
  add("x", "Columns");
  command->add_option("--box", a.box, "The same in one text, as workflows write it")
      ->type_name("BOX")
      ->group(kGroup);
  command->add_flag("--keep-metadata", a.keep_metadata,
                    "Each PATH is an image: its metadata is evicted last");
}

void add_prefetch(CLI::App& app, Arguments& a) {
  auto* command =
      add_command(app, "prefetch", "Fetch files to the SSD before they are read", a, nullptr);
  add_paths(command, a);
  command->add_flag("-w,--wait", a.wait, "Wait until everything is on the SSD");
  command->add_option("--label", a.label, "A label to show in lists")->type_name("TEXT");
  command->add_flag("--later", a.later, "Not urgent: fetch what others are waiting for first");
  command->add_flag("--list", a.list, "List the prefetches that tierd knows");
  auto* cancel =
      command->add_option("--cancel", a.id, "Cancel a prefetch; what was fetched stays on the SSD")
          ->type_name("ID");
  auto* resume = command->add_option("--resume", a.id, "Resume a parked prefetch (see `status`)")
                     ->type_name("ID");
  add_selection(command, a);
  command->footer(R"(
Ctrl-C stops waiting; the prefetch continues.

With a part of an image, each PATH is one image (OME-Zarr, TIFF, HDF5, MRC, ...), and exactly the bytes
of the chunks of that part are fetched, and the metadata. The SSD holds them in whole chunks of tierd's
own (chunk_size, 4 MiB), so up to one more at each end of a range. A RANGE is one index (3), first and
last (0-9), from one on (2-), or half-open (0:10).

With --keep-metadata the metadata is a prefetch of its own, the first one; it stays on the SSD as long as
anything else can go. At most 1 % of the SSD is kept this way, for all images together; the oldest gives
way.

Examples:
  tierctl prefetch --wait scan.ome.zarr     (exit code 0: every byte is on the SSD)
  tierctl prefetch --wait --level 2- scan.ome.zarr
  tierctl prefetch --t 0-9 --c 1 --z 100-200 scan.ome.tif
  tierctl prefetch --box level=0,z=0:64,y=0:512,x=512:1024 scan.ims
  tierctl prefetch --keep-metadata --level 3- scan.ome.zarr
  tierctl prefetch --later brain42          (for tonight)
  tierctl prefetch --list
  tierctl prefetch --cancel 7)");
  command->callback([&a, cancel, resume] {
    const bool start = !a.paths.empty();
    const bool stop = cancel->count() > 0;
    const bool again = resume->count() > 0;
    const auto selection = selection_of(a);
    const bool says_how = a.wait || a.later || a.keep_metadata || !a.label.empty() || selection;
    if (int{start} + int{a.list} + int{stop} + int{again} != 1 || (!start && says_how)) {
      throw CLI::ValidationError("prefetch",
                                 "give PATHs to fetch, or --list, or --cancel ID, or --resume ID");
    }
    a.command = [&a, stop, again, selection](const Context& context) -> Result<ExitCode> {
      if (a.list) return list_prefetches(context);
      if (stop) return cancel_prefetch(context, a.id);
      if (again) return resume_prefetch(context, a.id);
      return prefetch(context, {a.paths, a.label, a.wait ? Wait::yes : Wait::no,
                                a.later ? "later" : "task", selection,
                                a.keep_metadata ? PrefetchOptions::Metadata::last
                                                : PrefetchOptions::Metadata::as_usual});
    };
  });
}

void add_publish(CLI::App& app, Arguments& a) {
  auto* publish_app = add_command(app, "publish", "Publish changes to the archive now", a,
                                  [&a](const Context& context) {
                                    return publish(context, a.paths, a.wait ? Wait::yes : Wait::no);
                                  });
  add_paths(publish_app, a)->required();
  publish_app->add_flag("-w,--wait", a.wait,
                        "Wait until the archive has all changes below the paths");
  publish_app->footer(R"(
A file that is open for writing is published when it is closed; --wait waits for that. If all that is
left are changes that the archive refused, it lists them and ends with exit code 1: somebody has to
act. Ctrl-C stops waiting; the publish continues.

Example:
  tierctl publish --wait /brain42 && echo "safe to switch off")");
}

void add_keeping_commands(CLI::App& app, Arguments& a) {
  auto* evict_app =
      add_command(app, "evict", "Remove files from the SSD that are in the archive", a,
                  [&a](const Context& context) { return evict(context, a.paths); });
  add_paths(evict_app, a)->required();
  evict_app->footer(R"(
Only what is published, not in use, not pinned and not leased is evicted; the rest is listed with
the reason. Exit code 1 if nothing could be evicted although there was something to evict.

Example:
  tierctl evict /brain42/raw)");

  auto* pin_app = add_command(app, "pin", "Keep files on the SSD", a, [&a](const Context& context) {
    return pin(context, {a.paths, a.owner, a.reason});
  });
  add_paths(pin_app, a)->required();
  pin_app->add_option("--reason", a.reason, "Why the files are pinned; shown to others")
      ->type_name("TEXT");
  pin_app->add_option("--owner", a.owner, "The owner of the pin (default: you)")->type_name("NAME");
  pin_app->footer(R"(
A pin keeps what is already on the SSD; prefetch the file to fetch the rest.

Example:
  tierctl pin --reason "course on Monday" /demo && tierctl prefetch --wait /demo)");

  auto* unpin_app = add_command(app, "unpin", "Remove your pins", a, [&a](const Context& context) {
    return unpin(context, {a.paths, a.owner, {}});
  });
  add_paths(unpin_app, a)->required();
  unpin_app->add_option("--owner", a.owner, "Whose pins to remove (default: yours)")
      ->type_name("NAME");
}

void add_scan(CLI::App& app, Arguments& a) {
  auto* scan_app = add_command(
      app, "scan", "Scan the archive for changes that others made", a,
      [&a](const Context& context) {
        if (a.list) return show_scan(context);
        return scan(context, a.wait ? Wait::yes : Wait::no,
                    a.accept ? api::Service::MuchMissing::accept : api::Service::MuchMissing::ask);
      });
  auto* wait = scan_app->add_flag("-w,--wait", a.wait, "Wait until the scan ends");
  auto* accept = scan_app->add_flag("--accept", a.accept,
                                    "Remove what is missing in the archive, even if that is much");
  scan_app
      ->add_flag(
          "--show", a.list,
          "Start no scan: show the progress of the running one, or the result of the last one")
      ->excludes(wait)
      ->excludes(accept);
}

void add_trash(CLI::App& app, Arguments& a) {
  auto* trash = app.add_subcommand(
      "trash", "List, restore or delete what was removed; it is kept in the archive");
  trash->fallthrough();
  trash->require_subcommand(1);
  auto* list = add_command(*trash, "list",
                           "List what can be restored; only root sees what belonged to others", a,
                           [&a](const Context& context) { return list_trash(context, a.paths); });
  add_paths(list, a)->expected(0, 1);
  auto* restore =
      add_command(*trash, "restore", "Restore removed files and folders", a,
                  [&a](const Context& context) { return restore_trash(context, a.paths, a.to); });
  add_paths(restore, a)->required();
  restore->add_option("--to", a.to, "The folder to restore to, or, for a single PATH, its new path")
      ->type_name("PATH");
  restore->footer(R"(
A folder is restored with everything that was in it. Nothing that exists is ever replaced.

Example:
  tierctl trash restore /brain42/raw)");
  auto* purge = add_command(*trash, "purge", "Delete permanently", a, [&a](const Context& context) {
    return purge_trash(context, a.paths, a.older_than_days);
  });
  add_paths(purge, a);
  purge->add_option("--older-than", a.older_than_days, "Only what was removed longer ago than this")
      ->type_name("DAYS")
      ->check(CLI::NonNegativeNumber);
  purge->callback([&a, purge] {
    if (a.paths.empty() && purge->count("--older-than") == 0)
      throw CLI::ValidationError("purge", "give PATHs, or --older-than DAYS");
    a.command = [&a](const Context& context) {
      return purge_trash(context, a.paths, a.older_than_days);
    };
  });
}

void add_run(CLI::App* command, std::string& run) {
  command->add_option("run", run, "The name of the run, as in `jobs list`")
      ->required()
      ->type_name("RUN");
}

// A command that tieragent answers.
CLI::App* add_question(CLI::App& jobs, Arguments& a, const std::string& name,
                       const std::string& question, const std::string& help) {
  CLI::App* command = add_command(jobs, name, help, a, [&a, question](const Context& context) {
    a.ask.question = question;
    return ask_agent(context, a.ask);
  });
  command->add_option("workflow", a.ask.workflow, "A file, or the name of a workflow")
      ->required()
      ->type_name("WORKFLOW");
  command
      ->add_option("--set", a.ask.values,
                   "The value of a parameter; for a dataset of several paths, once for each")
      ->type_name("NAME=VALUE");
  command->footer(fmt::format(R"(
WORKFLOW is a file, '-' for standard input, or the name of one that comes with TierHub
(`tieragent --workflows` lists them). {{name}} in a workflow stands for the value of a parameter.

Example:
  tierctl jobs {} nuclei-files --set 'images=plate7/**/*.tif' --set diameter=30)",
                              name));
  return command;
}

void add_jobs(CLI::App& app, Arguments& a) {
  auto* jobs = app.add_subcommand(
      "jobs",
      "Runs of workflows: submit, plan, watch and stop them; without a subcommand, list them");
  jobs->fallthrough();
  jobs->require_subcommand(0, 1);
  jobs->callback([&a, jobs] {
    if (jobs->get_subcommands().empty()) a.command = list_jobs;
  });
  add_command(*jobs, "list", "List all runs, the latest first", a, list_jobs);
  auto* show = add_command(*jobs, "show", "Show the progress of a run, and what went wrong", a,
                           [&a](const Context& context) { return show_job(context, a.run); });
  add_run(show, a.run);
  auto* logs = add_command(*jobs, "logs", "Print what the tasks of a run wrote", a,
                           [&a](const Context& context) { return show_log(context, a.log); });
  add_run(logs, a.log.run);
  logs->add_option("-n,--lines", a.log.lines, "Only the last lines")->type_name("N");
  logs->add_flag_callback(
      "-f,--follow", [&a] { a.log.follow = LogOptions::Follow::yes; },
      "Go on until the run has ended");
  auto* cancel =
      add_command(*jobs, "cancel", "Stop a run; what it has written stays, beside its output", a,
                  [&a](const Context& context) { return cancel_job(context, a.run); });
  add_run(cancel, a.run);
  auto* watch = add_command(*jobs, "watch", "Show the progress of a run until it has ended", a,
                            [&a](const Context& context) { return watch_job(context, a.run); });
  watch->add_option("run", a.run, "The name of the run [default: your latest]")->type_name("RUN");
  watch->footer(R"(
Bars of its steps on a terminal; elsewhere a line every five seconds. Ctrl-C ends the watching, not
the run. Exit codes: 0 everything is done; 1 the run failed, was cancelled, or is done without what
failed; 130 interrupted.)");
  auto* retry = add_command(*jobs, "retry",
                            "Repeat what failed in a run that has ended, and do what it did not", a,
                            [&a](const Context& context) {
                              a.ask.question = "--retry";
                              a.ask.workflow = a.run;
                              return ask_agent(context, a.ask);
                            });
  add_run(retry, a.run);
  retry
      ->add_option("--folder", a.ask.folder,
                   "The jobs folder [default: that of the agent that tierd knows]")
      ->type_name("DIR");
  retry->footer(R"(
A new run takes up what the first has finished, if its input looks as it did and its files are all
there. Its results are a whole of their own, with what the first had; those stay as they are.)");
  add_question(*jobs, a, "validate", "--check", "Say everything that is wrong with a workflow");
  add_question(*jobs, a, "plan", "--plan",
               "Show what a run would do: tasks, bytes to bring, room, memory; runs nothing");
  CLI::App* submit = add_question(*jobs, a, "submit", "--submit",
                                  "Check a workflow and drop it into the jobs folder");
  submit->add_option("--name", a.ask.name, "What the run is called")->type_name("NAME");
  submit
      ->add_option("--folder", a.ask.folder,
                   "The jobs folder [default: that of the agent that tierd knows]")
      ->type_name("DIR");
}

void add_fsck(CLI::App& app, Arguments& a) {
  auto* command = add_command(app, "fsck", "Check the catalog and the SSD for damage", a,
                              [&a](const Context& context) { return fsck(context, a.fsck); });
  FsckOptions& o = a.fsck;
  command->add_option("--config", o.config_file, "tierd's settings file, which names the folders")
      ->type_name("FILE.yaml");
  command->add_option("--archive", o.archive, "As of tierd")->type_name("DIR");
  command->add_option("--scratch", o.scratch, "As of tierd")->type_name("DIR");
  command->add_option("--state", o.state, "As of tierd")->type_name("DIR");
  command->add_flag("--data", o.data, "Also read the data on the SSD and verify its checksums");
  command->add_flag("--compare", o.compare, "Also check that the archive is as recorded");
  auto* repair = command->add_flag("--repair", o.repair, "Repair what is found");
  auto* rebuild =
      command->add_flag("--rebuild", o.rebuild,
                        "Build a new catalog from the archive and the SSD; the old one is kept");
  rebuild->excludes(repair);
  command->footer(R"(
tierd must be stopped. Without --repair or --rebuild nothing is changed. Exit codes: 0 nothing is
damaged, or everything was repaired; 4 damage was found, or is left.

Examples:
  tierctl fsck --config /etc/tierhub/tierhub.yaml
  tierctl fsck --config /etc/tierhub/tierhub.yaml --data --repair
  tierctl fsck --scratch /ssd/tierhub --archive /srv/archive --rebuild)");
}

void describe(CLI::App& app, Arguments& a) {
  app.set_version_flag("--version", "tierctl " TIERHUB_VERSION);
  app.add_option("--socket", a.socket,
                 "tierd's socket [default: TIERHUB_SOCKET, or /run/tierhub/tierd.sock]")
      ->type_name("PATH");
  app.add_flag("--json", a.json, "Print the result as JSON, with exact numbers");
  app.require_subcommand(1);
  add_reading_commands(app, a);
  add_why(app, a);
  add_dataset(app, a);
  add_prefetch(app, a);
  add_publish(app, a);
  add_keeping_commands(app, a);
  add_scan(app, a);
  add_trash(app, a);
  add_jobs(app, a);
  add_fsck(app, a);
  app.footer(kFooter);  // last: commands inherit what is there when they are added
}

// "unknown command 'jobs lsit'; did you mean 'jobs list'?" if that is what is wrong with the
// command line.
std::optional<std::string> unknown_command(const CLI::App& app, int argc, char** argv) {
  const CLI::App* at = &app;
  std::string before;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--socket") ++i;
    if (word.starts_with('-')) continue;
    const auto commands = at->get_subcommands([](const CLI::App*) { return true; });
    if (commands.empty()) return std::nullopt;
    const auto found = std::find_if(commands.begin(), commands.end(), [&](const CLI::App* command) {
      return command->get_name() == word;
    });
    if (found != commands.end()) {
      at = *found;
      before += word + " ";
      continue;
    }
    std::vector<std::string> known;
    for (const CLI::App* command : commands) known.push_back(command->get_name());
    const std::string nearest = nearest_word(word, known);
    return fmt::format("unknown command '{}{}'; {}", before, printable(word),
                       nearest.empty() ? fmt::format("'tierctl {}--help' lists them", before)
                                       : fmt::format("did you mean '{}{}'?", before, nearest));
  }
  return std::nullopt;
}

Result<ExitCode> run_command(const Arguments& arguments) {
  TRY_ASSIGN(auto client, api::Client::open(api::default_socket_path(arguments.socket)));
  Format format = arguments.json ? Format::json : Format::text;
  TRY_ASSIGN(ExitCode code, arguments.command(Context{client, format}));
  if (std::fflush(stdout) != 0) return Error::from_errno(errno, "write the result");
  return code;
}

ExitCode run(int argc, char** argv) {
  CLI::App app("Watch and control the two tiers of TierHub", "tierctl");
  Arguments arguments;
  describe(app, arguments);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() != 0) {
      if (const auto unknown = unknown_command(app, argc, argv)) {
        say(*unknown);
        return ExitCode::usage;
      }
    }
    return app.exit(error) == 0 ? ExitCode::done : ExitCode::usage;
  }
  auto code = run_command(arguments);
  if (code) return *code;
  say(code.error().text());
  return exit_code(code.error());
}

}  // namespace
}  // namespace tierhub::tierctl

int main(int argc, char** argv) {
  using namespace tierhub::tierctl;
  // fsck reaches the archive as tierd does: through a process that may hang in it.
  if (argc > 1 && std::string_view(argv[1]) == "--archive-io")
    return tierhub::archive_helper_main(argc, argv);
  if (tierhub::arm_fault_point_from_environment()) return static_cast<int>(ExitCode::usage);
  try {
    return static_cast<int>(run(argc, argv));
  } catch (const std::exception& exception) {
    say(std::string("cannot continue: ") + exception.what());
    return static_cast<int>(ExitCode::failed);
  }
}
