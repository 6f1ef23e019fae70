#include "compute/jobs/agent.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <list>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include "api/agent_book.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/posix.h"
#include "common/signals.h"
#include "compute/executors/cgroups.h"
#include "compute/executors/process.h"
#include "compute/jobs/jobs_folder.h"
#include "compute/jobs/runner_process.h"
#include "compute/jobs/start_rate.h"
#include "compute/run/owner.h"
#include "compute/run/reporter.h"
#include "compute/run/runner.h"
#include "compute/run/slots.h"
#include "compute/run/status.h"
#include "compute/staging/tier_mount.h"
#include "compute/workflow/job_names.h"

namespace tierhub::compute {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kRescanEvery{2000};
constexpr milliseconds kLookAtDropsEvery{50};  // while a dropped file is not known to be complete
constexpr milliseconds kStopPatience{15000};
constexpr milliseconds kRestartDelay{1000};
constexpr size_t kMaxRuns = 256;  // of all users; each is a process
constexpr unsigned kMaxCrashes = 3;
constexpr size_t kMaxNoted = 10'000;

struct ActiveRun {
  const JobsFolder* jobs = nullptr;
  std::string run;
  Account account;
  pid_t pid = 0;
  UniqueFd slots;
  RunCgroups cgroups;
  unsigned crashes = 0;
  SteadyClock::time_point start_at;  // while pid is 0
};

struct DropFolderState {
  ReadyRule workflows;
  ReadyRule mistakes;
  std::set<std::string> noted;  // mistakes that a note was written about
};

struct Watched {
  JobsFolder jobs;
  std::map<std::string, DropFolderState> drops;  // by drop folder
};

// `leaving`: the mount is gone, runners are ending. `waiting`: for the mount.
enum class State { watching, leaving, waiting };

std::string_view to_text(State state) {
  switch (state) {
    case State::watching:
      return "watching";
    case State::leaving:
    case State::waiting:
      return "waiting";
  }
  return "";
}

class Agent {
 public:
  Agent(const AgentOptions& options, const OpenTierClient& open_tier, std::string programs_folder,
        WorkRoot work)
      : options_(options),
        programs_folder_(std::move(programs_folder)),
        work_(std::move(work)),
        reporter_(open_tier, options.socket),
        pool_(options.workers, options.slots_per_user),
        starts_(options.slurm ? std::optional(options.slurm->starts_per_second) : std::nullopt) {}

  Result<void> run() {
    TRY(open());
    while (!stopping_) {
      TRY(keep_to_the_mount());
      if (state_ == State::watching) {
        look_for_jobs();
        start_waiting_runs();
      }
      say_alive();
      wait();
      take_signals();
      reap();
      give_out_slots();
    }
    stop_runs();
    reporter_.report(describe("stopped"));
    reporter_.stop();
    return {};
  }

 private:
  Result<void> open() {
    ::umask(022);
    ::signal(SIGPIPE, SIG_IGN);
    TRY_ASSIGN(signals_, block_and_open_signals({SIGCHLD, SIGTERM, SIGINT}));
    if (options_.require_mount.empty()) return open_folders();
    // Readable, in its way, when anything is mounted or unmounted.
    TRY_ASSIGN(mounts_, posix::open_at(AT_FDCWD, "/proc/self/mounts", O_RDONLY));
    state_ = State::waiting;
    return {};
  }

  Result<void> open_folders() {
    inotify_ = UniqueFd(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    if (!inotify_) return Error::from_errno(errno, "inotify_init");
    std::optional<JobsFolder::Base> base;
    if (mount_) base = JobsFolder::Base{options_.require_mount, mount_->fd()};
    for (const std::string& path : options_.watch) {
      TRY_ASSIGN(JobsFolder jobs, JobsFolder::open(path, options_.root_jobs, base));
      watched_.push_back({std::move(jobs), {}});
    }
    TRY(recover_all());
    log::info("tieragent watches", {{"folders", fmt::format("{}", fmt::join(options_.watch, " "))},
                                    {"workers", options_.workers},
                                    {"work", work_.path()},
                                    {"socket", options_.socket}});
    return {};
  }

  void close_folders() {
    watched_.clear();
    places_.clear();
    inotify_.reset();
    mount_.reset();
  }

  // --- The mount that is required ---

  Result<void> keep_to_the_mount() {
    if (options_.require_mount.empty()) return {};
    switch (state_) {
      case State::watching:
        if (!mount_->is_there()) leave();
        return {};
      case State::leaving:
        if (!active_.empty()) {
          if (SteadyClock::now() > leave_by_) kill_runs();
          return {};
        }
        close_folders();
        state_ = State::waiting;
        return try_to_enter();
      case State::waiting:
        return try_to_enter();
    }
    return {};
  }

  // The runs end as if the agent stopped, and go on when the mount is there again: their folders
  // are in it.
  void leave() {
    log::warning("TierHub's mount is gone: runs continue when it is back",
                 {{"mount", options_.require_mount}});
    state_ = State::leaving;
    leave_by_ = SteadyClock::now() + kStopPatience;
    active_.remove_if([](const ActiveRun& run) { return run.pid == 0; });
    for (const ActiveRun& run : active_) ::kill(run.pid, SIGTERM);
  }

  Result<void> try_to_enter() {
    Result<TierMount> mount = TierMount::open(options_.require_mount);
    if (!mount) {
      if (mount.error().text() != why_waiting_) {
        why_waiting_ = mount.error().text();
        log::info("waiting for TierHub's mount", {{"reason", why_waiting_}});
      }
      return {};
    }
    mount_ = *std::move(mount);
    why_waiting_.clear();
    const Result<void> opened = open_folders();
    if (opened) {
      state_ = State::watching;
      return {};
    }
    const bool is_there = mount_->is_there();
    active_.clear();  // none was started yet
    close_folders();
    if (is_there) return opened.error();
    return {};
  }

  // --- What tierd is told ---

  api::Agent describe(std::string_view state) const {
    api::Agent agent;
    agent.host = host_name();
    agent.state = state;
    agent.folders = options_.watch;
    agent.folders.resize(std::min(agent.folders.size(), api::AgentBook::kMostFolders));
    agent.workers = options_.workers;
    agent.runs = active_.size();
    return agent;
  }

  void say_alive() {
    const SteadyClock::time_point now = SteadyClock::now();
    const size_t runs = active_.size();
    if (now < say_alive_at_ && said_ == std::pair(state_, runs)) return;
    said_ = {state_, runs};
    say_alive_at_ = now + api::AgentBook::kHeartbeat;
    reporter_.report(describe(to_text(state_)));
  }

  Result<void> recover_all() {
    recover_again_ = false;
    for (Watched& watched : watched_) TRY(recover(watched));
    return {};
  }

  Result<void> recover(Watched& watched) {
    TRY_ASSIGN(std::vector<ClaimedRun> runs, watched.jobs.recover(work_));
    for (ClaimedRun& run : runs) {
      const bool is_active =
          std::any_of(active_.begin(), active_.end(),
                      [&](const ActiveRun& active) { return active.run == run.run; });
      if (is_active) continue;
      log::info("a run continues", {{"run", run.run}});
      take(watched.jobs, std::move(run));
    }
    return {};
  }

  // --- Claiming ---

  // A file is there that may still be being written.
  static bool is_unsure(const Watched& watched) {
    return std::any_of(watched.drops.begin(), watched.drops.end(), [](const auto& drop) {
      return drop.second.workflows.watching() || drop.second.mistakes.watching();
    });
  }

  void look_for_jobs() {
    const SteadyClock::time_point now = SteadyClock::now();
    const bool unsure = std::any_of(watched_.begin(), watched_.end(), is_unsure);
    const bool events = read_events();
    const milliseconds interval = unsure ? kLookAtDropsEvery : kRescanEvery;
    if (!events && now - last_look_ < interval) return;
    last_look_ = now;
    std::vector<Ready> ready;
    for (Watched& watched : watched_) rescan(watched, ready);
    claim_in_turn(std::move(ready));
    if (!recover_again_) return;
    const Result<void> recovered = recover_all();
    if (!recovered) log::error("runs cannot be continued", {{"error", recovered.error().text()}});
  }

  // A complete file of a user who can have another run.
  struct Ready {
    Watched* watched = nullptr;
    Candidate candidate;
    uint32_t user = 0;
  };

  size_t runs_of(uint32_t user) const {
    return static_cast<size_t>(
        std::count_if(active_.begin(), active_.end(),
                      [&](const ActiveRun& run) { return run.account.uid == user; }));
  }

  bool may_have_another(uint32_t user) const {
    return active_.size() < kMaxRuns && runs_of(user) < options_.runs_per_user;
  }

  // The user who has fewest runs is next, with the file that came first.
  void claim_in_turn(std::vector<Ready> ready) {
    std::stable_sort(ready.begin(), ready.end(), [](const Ready& a, const Ready& b) {
      const timespec& x = a.candidate.st.st_ctim;
      const timespec& y = b.candidate.st.st_ctim;
      return std::pair(x.tv_sec, x.tv_nsec) < std::pair(y.tv_sec, y.tv_nsec);
    });
    while (!ready.empty()) {
      std::erase_if(ready, [&](const Ready& one) { return !may_have_another(one.user); });
      const auto next = std::min_element(
          ready.begin(), ready.end(),
          [&](const Ready& a, const Ready& b) { return runs_of(a.user) < runs_of(b.user); });
      if (next == ready.end()) return;
      const Ready one = std::move(*next);
      ready.erase(next);
      one.watched->drops[one.candidate.folder].workflows.forget(one.candidate.file);
      claim(one.watched->jobs, one.candidate);
    }
  }

  void rescan(Watched& watched, std::vector<Ready>& ready) {
    const Result<std::vector<std::string>> folders = watched.jobs.drop_folders();
    if (!folders) {
      log::error("the jobs folder cannot be read", {{"error", folders.error().text()}});
      return;
    }
    const std::set<std::string> present(folders->begin(), folders->end());
    std::erase_if(watched.drops, [&](const auto& drop) { return !present.contains(drop.first); });
    for (const std::string& folder : *folders) {
      const int watch = ::inotify_add_watch(
          inotify_.get(), watched.jobs.incoming_path(folder).c_str(),
          IN_MOVED_TO | IN_CREATE | IN_CLOSE_WRITE | IN_ONLYDIR | IN_DONT_FOLLOW);
      if (watch >= 0) places_[watch] = {&watched, folder};
      look_into(watched, folder, ready);
    }
  }

  void look_into(Watched& watched, const std::string& folder, std::vector<Ready>& ready) {
    const Result<Dropped> dropped = watched.jobs.dropped(folder);
    if (!dropped) return;  // the folder went away
    DropFolderState& drop = watched.drops[folder];
    std::set<std::string> names;
    for (const Candidate& candidate : dropped->candidates) {
      if (!watched.jobs.may_take(candidate)) continue;
      names.insert(candidate.file);
      const uint32_t user = watched.jobs.user_of(candidate);
      if (!may_have_another(user)) continue;
      if (drop.workflows.is_ready(candidate.file, candidate.st, SteadyClock::now()))
        ready.push_back({&watched, candidate, user});
    }
    drop.workflows.keep_only(names);
    note_mistakes(watched.jobs, dropped->mistakes, drop);
  }

  // Once for each: not again if its owner deletes the note.
  static void note_mistakes(const JobsFolder& jobs, const std::vector<Mistake>& mistakes,
                            DropFolderState& drop) {
    std::set<std::string> names;
    for (const Mistake& mistake : mistakes) {
      names.insert(mistake.name);
      if (drop.noted.contains(mistake.name)) continue;
      if (!drop.mistakes.is_ready(mistake.name, mistake.st, SteadyClock::now())) continue;
      drop.mistakes.forget(mistake.name);
      if (drop.noted.size() < kMaxNoted) drop.noted.insert(mistake.name);
      const Result<void> written = jobs.write_note(mistake);
      log::info("a dropped file is not a workflow",
                {{"file", mistake.name}, {"note", written ? "written" : "missing"}});
    }
    drop.mistakes.keep_only(names);
  }

  void claim(const JobsFolder& jobs, const Candidate& candidate) {
    uint32_t random = 0;
    if (::getrandom(&random, sizeof random, 0) != sizeof random) return;
    const std::string run = make_run_name(candidate.file, Timestamp::now(), random);
    Result<std::optional<ClaimedRun>> claimed = jobs.claim(work_, candidate, run);
    if (!claimed) {
      log::error("a dropped file cannot be claimed",
                 {{"file", candidate.file}, {"error", claimed.error().text()}});
      recover_again_ = true;
    } else if (*claimed) {
      log::info("claimed", {{"file", candidate.file}, {"run", run}});
      take(jobs, **std::move(claimed));
    }
  }

  void take(const JobsFolder& jobs, ClaimedRun claimed) {
    if (!claimed.owner) {
      refuse(jobs, claimed);
      return;
    }
    Result<Account> account = find_account(*claimed.owner, claimed.file_gid);
    if (!account) {
      log::error("the user of a run cannot be looked up",
                 {{"run", claimed.run}, {"error", account.error().text()}});
      recover_again_ = true;
      return;
    }
    ActiveRun& run = active_.emplace_back();
    run.jobs = &jobs;
    run.run = claimed.run;
    run.account = *std::move(account);
  }

  void refuse(const JobsFolder& jobs, const ClaimedRun& claimed) {
    log::warning("refused a job", {{"run", claimed.run}, {"reason", claimed.owner.error().text()}});
    RunStatus status;
    status.run = claimed.run;
    status.state = RunState::failed;
    status.started = Timestamp::now();
    status.ended = status.started;
    status.workers = options_.workers;
    status.error = fmt::format("{} is refused: {}", claimed.file.empty() ? "the job" : claimed.file,
                               claimed.owner.error().text());
    const Result<void> written = jobs.write_notes(
        claimed.run, {{"status.json", to_json(status, *status.ended, TaskList::with)},
                      {"REPORT.txt", to_report(status, *status.ended)}});
    if (!written)
      log::error("the report of a refused job cannot be written",
                 {{"error", written.error().text()}});
    reporter_.report(api::Run{claimed.run,
                              claimed.file_uid,
                              std::string(to_text(status.state)),
                              claimed.file,
                              *status.ended,
                              to_json(status, *status.ended, TaskList::without),
                              host_name(),
                              {}});
    finish(jobs, claimed.run, Ending::failed);
  }

  // --- Running ---

  void start_waiting_runs() {
    const SteadyClock::time_point now = SteadyClock::now();
    for (ActiveRun& run : active_) {
      if (run.pid == 0 && now >= run.start_at) start(run);
    }
  }

  void start(ActiveRun& run) {
    const Result<void> started = try_to_start(run);
    if (started) return;
    log::error("a runner cannot be started", {{"run", run.run}, {"error", started.error().text()}});
    run.start_at = SteadyClock::now() + kRestartDelay;
  }

  Result<void> try_to_start(ActiveRun& run) {
    TRY_ASSIGN(SocketPair sockets, make_socket_pair());
    RunnerOptions options;
    options.run = run.run;
    options.run_folder = run.jobs->run_path(run.run);
    options.work = work_.path() + "/" + run.run;
    const size_t slash = run.jobs->path().rfind('/');
    options.root = slash == 0 ? "/" : run.jobs->path().substr(0, slash);
    options.socket = options_.socket;
    options.programs_folder = programs_folder_;
    options.workers = pool_.per_user();
    options.slurm = options_.slurm;
    if (run.crashes >= kMaxCrashes) {
      options.give_up_reason = fmt::format(
          "the runner crashed {} times: show run.log and the agent's log to the administrator",
          run.crashes);
    }
    run.cgroups = RunCgroups::make(cgroups_, run.run, run.account.uid);
    options.cgroups = run.cgroups.paths();
    TRY_ASSIGN(run.pid, start_runner(run.account, options, sockets.runner, run.cgroups.entries()));
    run.slots = std::move(sockets.agent);
    log::info("started", {{"run", run.run}, {"user", run.account.name}, {"pid", run.pid}});
    return {};
  }

  void reap() {
    for (;;) {
      // The runner stays a zombie until what it left is killed: so its number is not given away.
      siginfo_t info{};
      if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0) return;
      const pid_t pid = info.si_pid;
      reporter_.forget(pid);
      if (info.si_code != CLD_EXITED || !ended_by_itself(info.si_status)) kill_session(pid);
      int status = 0;
      ::waitpid(pid, &status, 0);
      const auto found = std::find_if(active_.begin(), active_.end(),
                                      [&](const ActiveRun& run) { return run.pid == pid; });
      if (found != active_.end() && on_runner_end(*found, status)) {
        active_.erase(found);
        last_look_ = {};  // a file may have waited for this
      }
    }
  }

  static bool ended_by_itself(int exit_code) {
    return exit_code == static_cast<int>(RunnerExit::done) ||
           exit_code == static_cast<int>(RunnerExit::failed);
  }

  // True if the run has ended.
  bool on_runner_end(ActiveRun& run, int status) {
    run.pid = 0;
    run.cgroups.remove();
    pool_.leave(run.slots.get());
    run.slots.reset();
    const int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    if (ended_by_itself(code)) {
      return finish(*run.jobs, run.run, code == 0 ? Ending::done : Ending::failed);
    }
    if (stopping_ || state_ == State::leaving) return true;
    log::error("a runner crashed", {{"run", run.run}, {"how", describe_exit(status)}});
    if (run.crashes >= kMaxCrashes) return finish(*run.jobs, run.run, Ending::failed);
    run.crashes += 1;
    run.start_at = SteadyClock::now() + kRestartDelay;
    return false;
  }

  bool finish(const JobsFolder& jobs, const std::string& run, Ending ending) {
    const Result<void> moved = jobs.finish(work_, run, ending);
    if (!moved)
      log::error("a run cannot be moved", {{"run", run}, {"error", moved.error().text()}});
    log::info(ending == Ending::done ? "done" : "failed", {{"run", run}});
    return true;
  }

  void give_out_slots() {
    for (ActiveRun& run : active_) {
      while (run.slots) {
        const Result<std::string> packet = receive_packet(run.slots.get());
        if (!packet) break;  // nothing more, or closed: then the runner ends and is reaped
        obey(run, *packet);
      }
    }
    const SteadyClock::time_point now = SteadyClock::now();
    const std::vector<SlotPool::Grant> grants = pool_.grant(starts_.left(now));
    starts_.note(grants.size(), now);
    for (const SlotPool::Grant& grant : grants) {
      const Result<void> sent = send_packet(grant.client, "grant " + slots_text(grant.slots));
      if (!sent) pool_.release(grant.client, grant.slots);
    }
  }

  void obey(const ActiveRun& run, std::string_view packet) {
    const size_t space = std::min(packet.find(' '), packet.size());
    const Result<std::vector<unsigned>> numbers =
        parse_slots(packet.substr(std::min(space + 1, packet.size())));
    const std::string_view word = packet.substr(0, space);
    if (numbers && word == "want" && numbers->size() == 1) {
      pool_.want(run.slots.get(), numbers->front(), run.account.uid);
    } else if (numbers && word == "release") {
      pool_.release(run.slots.get(), *numbers);
    }
  }

  // --- Waiting and stopping ---

  void wait() {
    // poll leaves out descriptors that are -1.
    std::vector<pollfd> polled = {
        {signals_.get(), POLLIN, 0}, {inotify_.get(), POLLIN, 0}, {mounts_.get(), POLLPRI, 0}};
    bool waiting = false;
    for (const ActiveRun& run : active_) {
      if (run.slots) polled.push_back({run.slots.get(), POLLIN, 0});
      waiting = waiting || run.pid == 0;
    }
    const bool unsure = std::any_of(watched_.begin(), watched_.end(), is_unsure);
    milliseconds limit = unsure || waiting ? kLookAtDropsEvery : kRescanEvery;
    const SteadyClock::time_point now = SteadyClock::now();
    if (const auto next = starts_.next(now); next && pool_.has_wishes())
      limit = std::min(limit, std::chrono::ceil<milliseconds>(*next - now));
    ::poll(polled.data(), polled.size(), static_cast<int>(limit.count()));
  }

  // True if something happened in a drop folder.
  bool read_events() {
    alignas(inotify_event) char buffer[16384];
    bool any = false;
    for (;;) {
      const ssize_t n = ::read(inotify_.get(), buffer, sizeof buffer);
      if (n <= 0) return any;
      for (const char* at = buffer; at < buffer + n;) {
        const auto* event = reinterpret_cast<const inotify_event*>(at);
        any = true;
        note_event(*event);
        at += sizeof(inotify_event) + event->len;
      }
    }
  }

  void note_event(const inotify_event& event) {
    if ((event.mask & IN_IGNORED) != 0) places_.erase(event.wd);
    const auto place = places_.find(event.wd);
    if (place == places_.end() || (event.mask & IN_MOVED_TO) == 0 || event.len == 0) return;
    const std::string name = event.name;
    if (is_workflow_file(name))
      place->second.watched->drops[place->second.folder].workflows.renamed_into_place(name);
  }

  void take_signals() {
    signalfd_siginfo info{};
    while (::read(signals_.get(), &info, sizeof info) == sizeof info) {
      if (info.ssi_signo != SIGCHLD) stopping_ = true;
    }
  }

  // Runs stay in running/ and go on with the next agent.
  void stop_runs() {
    const auto running = [&] {
      return std::any_of(active_.begin(), active_.end(),
                         [](const ActiveRun& run) { return run.pid != 0; });
    };
    for (const ActiveRun& run : active_) {
      if (run.pid != 0) ::kill(run.pid, SIGTERM);
    }
    const SteadyClock::time_point deadline = SteadyClock::now() + kStopPatience;
    while (running() && SteadyClock::now() < deadline) {
      pollfd polled{signals_.get(), POLLIN, 0};
      ::poll(&polled, 1, static_cast<int>(kLookAtDropsEvery.count()));
      take_signals();
      reap();
    }
    kill_runs();
    log::info("stopped");
  }

  void kill_runs() const {
    for (const ActiveRun& run : active_) {
      if (run.pid == 0) continue;
      kill_session(run.pid);
      run.cgroups.remove();
    }
  }

  struct Place {
    Watched* watched = nullptr;
    std::string folder;
  };

  const AgentOptions options_;
  const std::string programs_folder_;  // where this program is, found once at start
  const WorkRoot work_;
  const std::vector<std::string> cgroups_ = own_cgroups();
  Reporter reporter_;
  SlotPool pool_;
  StartRate starts_;
  UniqueFd signals_;
  UniqueFd inotify_;
  UniqueFd mounts_;
  std::optional<TierMount> mount_;
  State state_ = State::watching;
  SteadyClock::time_point leave_by_;
  std::string why_waiting_;
  SteadyClock::time_point say_alive_at_;
  std::pair<State, size_t> said_;
  std::list<Watched> watched_;
  std::map<int, Place> places_;  // by inotify watch
  std::list<ActiveRun> active_;
  SteadyClock::time_point last_look_{};
  bool recover_again_ = false;  // a claim was interrupted by an error
  bool stopping_ = false;
};

}  // namespace

Result<void> run_agent(const AgentOptions& options, const OpenTierClient& open_tier) {
  std::error_code error;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return Error(error, "read the link /proc/self/exe: " + error.message());
  TRY_ASSIGN(WorkRoot work, WorkRoot::open(options.work));
  return Agent(options, open_tier, program.parent_path(), std::move(work)).run();
}

}  // namespace tierhub::compute
