#include "storage/helper/helper.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <memory>
#include <set>
#include <thread>
#include <tuple>
#include <type_traits>

#include <unistd.h>

#include <fmt/format.h>

#include "common/frame_socket.h"
#include "common/log.h"
#include "common/mutex.h"
#include "common/open_files.h"
#include "common/worker_pool.h"
#include "storage/helper/wire.h"
#include "storage/posix/posix_archive.h"

namespace tierhub {
namespace {

// The client sends a few probes beyond its slots.
constexpr size_t kSpareThreads = 8;
// What still runs when the socket closes may finish, if it is quick: a change by several renames is
// not left half-way.
constexpr auto kGrace = std::chrono::milliseconds(500);

Error senseless() { return Error(std::errc::protocol_error, "an invalid request"); }

struct Request {
  uint64_t number = 0;
  SteadyClock::time_point deadline;
  ArchiveCall call{};
  std::string body;
  size_t arguments_at = 0;
  std::vector<UniqueFd> fds;

  ByteReader arguments() const { return ByteReader(std::string_view(body).substr(arguments_at)); }
};

class ArchiveServer {
 public:
  ArchiveServer(int socket_fd, const ArchiveHelperOptions& options)
      : socket_fd_(socket_fd), options_(options), workers_(options.slots + kSpareThreads) {}

  // Until the socket closes.
  void serve();

 private:
  void accept(Frame frame);
  void run(Request& request);
  void run_fill(Request& request);
  void run_measure(const Request& request);
  void run_stage_file(Request& request);
  void run_stage_files(Request& request);
  void run_place_all(const Request& request);
  template <class T, class Act>
  Result<T> in_time(const Request& request, Act act);
  template <class R, class... Parameters>
  void run_method(const Request& request, Result<R> (Archive::*method)(Parameters...));

  Result<std::shared_ptr<PosixArchive>> archive();
  template <class T>
  void reply(uint64_t number, const Result<T>& result);
  void send(const std::string& body);
  void report_progress(uint64_t number);
  void send_progress(const std::stop_token& stop);
  void finish_running();

  const int socket_fd_;
  const ArchiveHelperOptions options_;

  Mutex opening_;  // held while the archive is opened: those who need it wait
  std::shared_ptr<PosixArchive> archive_ GUARDED_BY(opening_);

  Mutex sending_;  // held while a frame is sent: frames do not mix

  Mutex mutex_;
  StoppableConditionVariable changed_;
  std::set<uint64_t> progressed_ GUARDED_BY(mutex_);
  size_t running_ GUARDED_BY(mutex_) = 0;

  WorkerPool workers_;
};

void ArchiveServer::serve() {
  std::jthread progress_sender([this](const std::stop_token& stop) { send_progress(stop); });
  FrameReader reader;
  for (;;) {
    auto frames = reader.receive(socket_fd_);
    if (!frames) break;
    for (Frame& frame : *frames) accept(std::move(frame));
  }
  finish_running();
  ::_exit(0);
}

void ArchiveServer::accept(Frame frame) {
  auto request = std::make_shared<Request>();
  request->body = std::move(frame.body);
  request->fds = std::move(frame.fds);
  ByteReader header(request->body);
  request->number = header.u64();
  request->deadline = SteadyClock::time_point(std::chrono::nanoseconds(header.i64()));
  request->call = static_cast<ArchiveCall>(header.u8());
  request->arguments_at = request->body.size() - header.rest().size();
  {
    MutexLock lock(mutex_);
    ++running_;
  }
  workers_.submit([this, request] {
    run(*request);
    MutexLock lock(mutex_);
    --running_;
    changed_.notify_all();
  });
}

template <class R>
auto without_void(Result<R> result) {
  if constexpr (std::is_void_v<R>) {
    return result ? Result<Nothing>(Nothing{}) : Result<Nothing>(result.error());
  } else {
    return result;
  }
}

void ArchiveServer::run(Request& request) {
  // Nobody waits for it any more, and what it would do may no longer be wanted.
  if (SteadyClock::now() >= request.deadline) {
    return reply<Nothing>(request.number,
                          Error(std::errc::timed_out, "the call arrived after its deadline"));
  }
  switch (request.call) {
    case ArchiveCall::probe: {
      const auto opened = archive();
      if (!opened) return reply<std::string>(request.number, opened.error());
      if (const auto stands = (*opened)->check_root(); !stands) {
        return reply<std::string>(request.number, stands.error());
      }
      return reply(request.number, (*opened)->archive_id());
    }
    case ArchiveCall::capabilities: {
      const auto opened = archive();
      if (!opened) return reply<ArchiveCapabilities>(request.number, opened.error());
      return reply<ArchiveCapabilities>(request.number, (*opened)->capabilities());
    }
    case ArchiveCall::stat:
      return run_method(request, &Archive::stat);
    case ArchiveCall::list:
      return run_method(request, &Archive::list);
    case ArchiveCall::xattrs:
      return run_method(request, &Archive::xattrs);
    case ArchiveCall::space:
      return run_method<Archive::Space, const FileSystemId&>(request, &Archive::space);
    case ArchiveCall::fill:
      return run_fill(request);
    case ArchiveCall::stage_file:
      return run_stage_file(request);
    case ArchiveCall::stage_node:
      return run_method(request, &Archive::stage_node);
    case ArchiveCall::sync:
      return run_method<void, const FileSystemId&>(request, &Archive::sync);
    case ArchiveCall::place:
      return run_method(request, &Archive::place);
    case ArchiveCall::move:
      return run_method(request, &Archive::move);
    case ArchiveCall::link:
      return run_method(request, &Archive::link);
    case ArchiveCall::remove:
      return run_method(request, &Archive::remove);
    case ArchiveCall::discard:
      return run_method(request, &Archive::discard);
    case ArchiveCall::set_attributes:
      return run_method(request, &Archive::set_attributes);
    case ArchiveCall::sync_folders:
      return run_method(request, &Archive::sync_folders);
    case ArchiveCall::staged:
      return run_method(request, &Archive::staged);
    case ArchiveCall::stage_files:
      return run_stage_files(request);
    case ArchiveCall::place_all:
      return run_place_all(request);
    case ArchiveCall::measure:
      return run_measure(request);
    case ArchiveCall::release_claim: {
      const auto opened = archive();
      if (!opened) return reply<Nothing>(request.number, opened.error());
      return reply(request.number, without_void((*opened)->release_claim()));
    }
  }
  reply<Nothing>(request.number,
                 Error(std::errc::protocol_error, "the archive helper does not know this call"));
}

template <class R, class... Parameters>
void ArchiveServer::run_method(const Request& request,
                               Result<R> (Archive::*method)(Parameters...)) {
  const auto act = [&]() -> Result<R> {
    std::tuple<std::decay_t<Parameters>...> arguments;
    ByteReader in = request.arguments();
    std::apply([&](auto&... argument) { (wire::get(in, argument), ...); }, arguments);
    if (!in.complete()) return senseless();
    TRY_ASSIGN(const auto opened, archive());
    return std::apply([&](auto&... argument) { return (opened.get()->*method)(argument...); },
                      arguments);
  };
  reply(request.number, without_void(act()));
}

void ArchiveServer::run_fill(Request& request) {
  FillRequest fill;
  ByteReader in = request.arguments();
  wire::get(in, fill);
  const auto opened = archive();
  if (!opened) return reply<FillResult>(request.number, opened.error());
  const uint64_t number = request.number;
  (*opened)->fill(
      fill, request.fds.empty() ? UniqueFd() : std::move(request.fds.front()),
      [this, number] { report_progress(number); },
      [this, number](const Result<FillResult>& result) { reply(number, result); });
}

void ArchiveServer::run_measure(const Request& request) {
  MeasureRequest measure;
  ByteReader in = request.arguments();
  wire::get(in, measure);
  if (!in.complete()) return reply<uint64_t>(request.number, senseless());
  const auto opened = archive();
  if (!opened) return reply<uint64_t>(request.number, opened.error());
  const uint64_t number = request.number;
  reply(number, (*opened)->measure(measure, [this, number] { report_progress(number); }));
}

void ArchiveServer::run_stage_file(Request& request) {
  StageFileRequest stage;
  ByteReader in = request.arguments();
  wire::get(in, stage);
  const auto opened = archive();
  if (!opened) return reply<StagedFile>(request.number, opened.error());
  if (!request.fds.empty()) stage.object_fd = request.fds.front().get();
  const uint64_t number = request.number;
  const auto staged = (*opened)->stage_file(stage, [this, number] { report_progress(number); });
  // Whoever gets the reply may test that nobody uses the object any more.
  request.fds.clear();
  reply(number, staged);
}

// One of many in a request. The caller may have given up at the deadline although the request makes
// progress: nothing begins after it.
template <class T, class Act>
Result<T> ArchiveServer::in_time(const Request& request, Act act) {
  if (SteadyClock::now() >= request.deadline)
    return Error(not_begun_code(), "the archive is slow: it was not started in time");
  Result<T> done = act();
  report_progress(request.number);
  return done;
}

void ArchiveServer::run_stage_files(Request& request) {
  using Answers = std::vector<Result<StagedFile>>;
  std::vector<StageFileRequest> stages;
  std::vector<uint64_t> with_object;
  ByteReader in = request.arguments();
  wire::get(in, stages);
  wire::get(in, with_object);
  const bool fits = in.complete() && with_object.size() == request.fds.size() &&
                    std::ranges::all_of(with_object, [&](uint64_t i) { return i < stages.size(); });
  if (!fits) return reply<Answers>(request.number, senseless());
  const auto opened = archive();
  if (!opened) return reply<Answers>(request.number, opened.error());
  for (size_t i = 0; i < with_object.size(); ++i)
    stages[with_object[i]].object_fd = request.fds[i].get();
  const uint64_t number = request.number;
  Answers staged;
  for (const StageFileRequest& stage : stages) {
    staged.push_back(in_time<StagedFile>(request, [&] {
      return (*opened)->stage_file(stage, [this, number] { report_progress(number); });
    }));
  }
  request.fds.clear();  // as for one
  reply<Answers>(number, staged);
}

void ArchiveServer::run_place_all(const Request& request) {
  using Answers = std::vector<Result<ArchiveVersion>>;
  std::vector<PlaceRequest> places;
  ByteReader in = request.arguments();
  wire::get(in, places);
  if (!in.complete()) return reply<Answers>(request.number, senseless());
  const auto opened = archive();
  if (!opened) return reply<Answers>(request.number, opened.error());
  Answers placed;
  for (const PlaceRequest& place : places) {
    placed.push_back(in_time<ArchiveVersion>(
        request, [&] { return (*opened)->place(place.leaf, place.target, place.before); }));
  }
  reply<Answers>(request.number, placed);
}

Result<std::shared_ptr<PosixArchive>> ArchiveServer::archive() {
  MutexLock lock(opening_);
  if (archive_) return archive_;
  PosixArchive::Options options;
  options.expected_id = options_.expected_id;
  options.claimant = options_.claimant;
  options.copy = options_.copy;
  options.verify_by_reading = options_.verify_by_reading;
  options.left_out = options_.left_out;
  TRY_ASSIGN(auto opened, PosixArchive::open(options_.root, options));
  archive_ = std::move(opened);
  return archive_;
}

template <class T>
void ArchiveServer::reply(uint64_t number, const Result<T>& result) {
  ByteWriter out;
  out.u64(number);
  wire::put(out, result);
  send(out.take());
}

void ArchiveServer::send(const std::string& body) {
  OutgoingFrame frame(body, UniqueFd());
  MutexLock lock(sending_);
  // A client that is gone needs no reply; the reader sees it too.
  static_cast<void>(frame.send(socket_fd_));
}

void ArchiveServer::report_progress(uint64_t number) {
  MutexLock lock(mutex_);
  progressed_.insert(number);
}

void ArchiveServer::send_progress(const std::stop_token& stop) {
  const std::chrono::milliseconds interval(options_.progress_interval_ms);
  for (;;) {
    std::set<uint64_t> numbers;
    {
      MutexLock lock(mutex_);
      changed_.wait_for(mutex_, stop, interval, [] { return false; });
      if (stop.stop_requested()) return;
      numbers.swap(progressed_);
    }
    if (numbers.empty()) continue;
    ByteWriter out;
    out.u64(kProgressNumber);
    wire::put(out, std::vector<uint64_t>(numbers.begin(), numbers.end()));
    send(out.take());
  }
}

void ArchiveServer::finish_running() {
  MutexLock lock(mutex_);
  changed_.wait_for(mutex_, kGrace, [this]() REQUIRES(mutex_) { return running_ == 0; });
}

Result<uint64_t> parse_number(std::string_view name, std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size()) return value;
  return Error(std::errc::invalid_argument, fmt::format("{} takes a number, not '{}'", name, text));
}

Result<CopyMethod> parse_method(std::string_view text) {
  if (text == "automatic") return CopyMethod::automatic;
  if (text == "io_uring") return CopyMethod::io_uring;
  if (text == "threads") return CopyMethod::threads;
  return Error(std::errc::invalid_argument,
               fmt::format("--copy is automatic, io_uring or threads, not '{}'", text));
}

std::string_view name_of(CopyMethod method) {
  switch (method) {
    case CopyMethod::automatic:
      return "automatic";
    case CopyMethod::io_uring:
      return "io_uring";
    case CopyMethod::threads:
      return "threads";
  }
  return "automatic";
}

void ignore_stop_signals() {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) ::signal(signal, SIG_IGN);
}

}  // namespace

std::vector<std::string> ArchiveHelperOptions::to_arguments() const {
  std::vector<std::string> arguments = {"--root",     root,
                                        "--id",       expected_id,
                                        "--slots",    std::to_string(slots),
                                        "--progress", std::to_string(progress_interval_ms),
                                        "--verify",   verify_by_reading ? "reading" : "nothing",
                                        "--copy",     std::string(name_of(copy.method)),
                                        "--files",    std::to_string(copy.max_files),
                                        "--buffers",  std::to_string(copy.buffer_bytes)};
  if (!claimant.catalog.empty()) {
    arguments.insert(arguments.end(), {"--claimant", claimant.catalog, "--claimant-process",
                                       std::to_string(claimant.process)});
  }
  if (claimant.take_over == TakeOver::replace)
    arguments.insert(arguments.end(), {"--claimed-by-other", "replace"});
  for (const std::string& name : left_out) {
    arguments.emplace_back("--leave-out");
    arguments.push_back(name);
  }
  return arguments;
}

Result<ArchiveHelperOptions> ArchiveHelperOptions::parse(
    const std::vector<std::string>& arguments) {
  ArchiveHelperOptions options;
  options.left_out.clear();
  for (size_t i = 0; i < arguments.size(); i += 2) {
    const std::string& name = arguments[i];
    if (i + 1 == arguments.size()) {
      return Error(std::errc::invalid_argument, name + " needs a value");
    }
    const std::string& value = arguments[i + 1];
    if (name == "--root") {
      options.root = value;
    } else if (name == "--id") {
      options.expected_id = value;
    } else if (name == "--slots") {
      TRY_ASSIGN(options.slots, parse_number(name, value));
    } else if (name == "--progress") {
      TRY_ASSIGN(options.progress_interval_ms, parse_number(name, value));
    } else if (name == "--verify") {
      options.verify_by_reading = value == "reading";
    } else if (name == "--copy") {
      TRY_ASSIGN(options.copy.method, parse_method(value));
    } else if (name == "--files") {
      TRY_ASSIGN(options.copy.max_files, parse_number(name, value));
    } else if (name == "--buffers") {
      TRY_ASSIGN(options.copy.buffer_bytes, parse_number(name, value));
    } else if (name == "--claimant") {
      options.claimant.catalog = value;
    } else if (name == "--claimant-process") {
      TRY_ASSIGN(const uint64_t process, parse_number(name, value));
      options.claimant.process = static_cast<pid_t>(process);
    } else if (name == "--claimed-by-other") {
      options.claimant.take_over = value == "replace" ? TakeOver::replace : TakeOver::refuse;
    } else if (name == "--leave-out") {
      options.left_out.push_back(value);
    } else {
      return Error(std::errc::invalid_argument, "unknown option " + name);
    }
  }
  if (options.root.empty()) return Error(std::errc::invalid_argument, "--root is missing");
  return options;
}

int run_archive_helper(int socket_fd, const ArchiveHelperOptions& options) {
  ignore_stop_signals();
  allow_many_descriptors();
  ArchiveServer server(socket_fd, options);
  server.serve();
  ::_exit(0);
}

int archive_helper_main(int argc, char** argv) {
  constexpr int kWrongUsage = 2;
  const std::vector<std::string> arguments(argv + std::min(argc, 2), argv + argc);
  const auto options = ArchiveHelperOptions::parse(arguments);
  if (!options) {
    log::error("only tierd can start the archive helper", {{"error", options.error().text()}});
    return kWrongUsage;
  }
  run_archive_helper(kArchiveHelperSocket, *options);
}

}  // namespace tierhub
