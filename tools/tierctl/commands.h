// What each command of tierctl does. A command writes its result to standard output and messages to
// standard error, and returns an exit code; main() turns an Error into a sentence and a code.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "api/client.h"
#include "common/result.h"
#include "formats/selection.h"

namespace tierhub::tierctl {

// Part of the contract with scripts: docs/API.md lists them.
enum class ExitCode : int {
  done = 0,
  failed = 1,
  usage = 2,
  unreachable = 3,
  damage = 4,
  interrupted = 130,  // SIGINT while waiting; the work goes on
};

// The code for an error: unreachable, damage (EBADMSG, EUCLEAN), otherwise failed.
ExitCode exit_code(const Error& error);

enum class Format { text, json };
enum class Wait { no, yes };

struct Context {
  api::Client client;
  Format format = Format::text;
};

Result<ExitCode> show_status(const Context& context);

struct LsOptions {
  std::vector<std::string> paths;  // none: the current folder, if it is in the mount, else the root
  api::Service::Depth depth = api::Service::Depth::children;
  enum class Detail { brief, full } detail = Detail::brief;
};
Result<ExitCode> list(const Context& context, const LsOptions& options);

// Why files are where they are, what keeps them from being evicted, what prefetches wait for.
Result<ExitCode> why(const Context& context, const std::vector<std::string>& paths);

// What an image is, and how much of each of its levels is on the SSD.
struct DatasetOptions {
  std::string path;
  // small: levels of very many chunks are not looked at.
  enum class Levels { small, all } levels = Levels::small;
};
Result<ExitCode> show_dataset(const Context& context, const DatasetOptions& options);

struct PrefetchOptions {
  std::vector<std::string> paths;
  std::string label;
  Wait wait = Wait::no;
  std::string urgency;
  // The paths are images, of which this is fetched.
  std::optional<formats::Selection> selection;
  // last: the paths are images, whose metadata is evicted last. It is a prefetch of its own.
  enum class Metadata { as_usual, last } metadata = Metadata::as_usual;
};
Result<ExitCode> prefetch(const Context& context, const PrefetchOptions& options);
Result<ExitCode> list_prefetches(const Context& context);
Result<ExitCode> cancel_prefetch(const Context& context, uint64_t id);
Result<ExitCode> resume_prefetch(const Context& context, uint64_t id);

Result<ExitCode> evict(const Context& context, const std::vector<std::string>& paths);

Result<ExitCode> publish(const Context& context, const std::vector<std::string>& paths, Wait wait);

struct PinOptions {
  std::vector<std::string> paths;
  std::string owner;  // empty: the user who calls
  std::string reason;
};
Result<ExitCode> pin(const Context& context, const PinOptions& options);
Result<ExitCode> unpin(const Context& context, const PinOptions& options);

Result<ExitCode> scan(const Context& context, Wait wait, api::Service::MuchMissing much_missing);
Result<ExitCode> show_scan(const Context& context);
Result<ExitCode> list_trash(const Context& context, const std::vector<std::string>& paths);
Result<ExitCode> restore_trash(const Context& context, const std::vector<std::string>& paths,
                               const std::string& to);
Result<ExitCode> purge_trash(const Context& context, const std::vector<std::string>& paths,
                             double older_than_days);

Result<ExitCode> list_jobs(const Context& context);
Result<ExitCode> show_job(const Context& context, const std::string& run);

// Until it has ended; empty: the caller's latest. The exit code is that of the run: done only if
// everything in it is.
Result<ExitCode> watch_job(const Context& context, const std::string& run);

struct LogOptions {
  std::string run;
  size_t lines = 0;                                   // the last ones; 0: all
  enum class Follow { no, yes } follow = Follow::no;  // until the run has ended
};
Result<ExitCode> show_log(const Context& context, const LogOptions& options);
Result<ExitCode> cancel_job(const Context& context, const std::string& run);

// Asks tieragent, which knows workflows: its answer becomes that of tierctl.
struct AskAgentOptions {
  std::string question;  // an option of tieragent: "--check", "--plan", "--submit"
  std::string workflow;
  std::vector<std::string> values;
  std::string name;
  std::string folder;
};
// Returns only if tieragent cannot be started.
Result<ExitCode> ask_agent(const Context& context, const AskAgentOptions& options);

}  // namespace tierhub::tierctl
