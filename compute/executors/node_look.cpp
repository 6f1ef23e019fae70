// The node's part of node_check.h.
#include <algorithm>
#include <array>
#include <set>

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/posix.h"
#include "common/run_as.h"
#include "common/spawn.h"
#include "compute/executors/input_lines.h"
#include "compute/executors/node_check.h"
#include "compute/executors/process.h"
#include "compute/executors/text.h"

namespace tierhub::compute {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLookAgain{20};
// Of less, a rate says nothing.
constexpr uint64_t kLeastReadBytes = uint64_t{8} << 20;
// The programs that come with tieragent.
constexpr std::string_view kOwnProgram = "imgop";

Error bad(std::string sentence) {
  return Error(std::errc::operation_not_permitted, std::move(sentence));
}

Result<void> look_at_places(const NodeOrder& order) {
  for (const std::string& place : order.places) {
    const std::string file = check_folder(place, order.nonce) + "/here";
    const Result<std::string> text = posix::read_file(file);
    if (!text && text.error().is(std::errc::no_such_file_or_directory)) {
      return bad(
          fmt::format("{} is not the folder that it is here: mount it at the same path", place));
    }
    if (!text) return bad(fmt::format("it cannot read in {}: {}", place, text.error().text()));
    if (*text != order.nonce)
      return bad(fmt::format("a file in {} has other content there than here", place));
  }
  return {};
}

Result<void> look_at_user(const NodeOrder& order) {
  if (::getuid() != order.uid) {
    return bad(fmt::format("its tasks run as the user {} instead of {}", ::getuid(), order.uid));
  }
  const Result<std::optional<std::string>> name = find_user_name(order.uid);
  const std::string known = name ? name->value_or("") : "";
  if (!order.user.empty() && known != order.user) {
    return bad(known.empty() ? fmt::format("it knows no user of the number {}, who is {} here",
                                           order.uid, order.user)
                             : fmt::format("the user of the number {} is {} there and {} here",
                                           order.uid, known, order.user));
  }
  if (::getgid() != order.gid)
    return bad(fmt::format("its tasks have the group {} instead of {}", ::getgid(), order.gid));
  std::vector<gid_t> has(static_cast<size_t>(std::max(0, ::getgroups(0, nullptr))));
  const int count = ::getgroups(static_cast<int>(has.size()), has.data());
  std::set<uint32_t> groups(has.begin(), has.begin() + std::max(0, count));
  groups.insert(::getgid());
  for (const uint32_t group : order.groups) {
    if (!groups.contains(group))
      return bad(fmt::format("its tasks do not have the group {}, as they have here", group));
  }
  return {};
}

// What a program prints, with what the setup script does to the PATH.
Result<std::string> output_of(const NodeOrder& order, const std::string& path,
                              std::vector<std::string> words) {
  ProcessSpec spec;
  spec.program = "/bin/sh";
  spec.arguments = {"sh", "-c", "[ -z \"$0\" ] || . \"$0\" >/dev/null 2>&1; exec \"$@\"",
                    order.setup};
  spec.arguments.insert(spec.arguments.end(), words.begin(), words.end());
  spec.environment = own_environment();
  std::erase_if(spec.environment,
                [](const std::string& entry) { return entry.starts_with("PATH="); });
  spec.environment.push_back("PATH=" + path);
  spec.cwd = "/";
  TRY_ASSIGN(StartedProcess process, start_process(spec));
  std::string text;
  while (process.output) {
    pollfd polled{process.output.get(), POLLIN, 0};
    ::poll(&polled, 1, -1);
    text += read_now(process.output);
  }
  if (wait_for_end(process.pid) != 0) return bad(text);
  return text;
}

Result<void> look_at_programs(const NodeOrder& order) {
  if (order.version != TIERHUB_VERSION) {
    return bad(fmt::format("its tieragent is {}, here it is {}: install the same version",
                           TIERHUB_VERSION, order.version));
  }
  for (const NodeOrder::Program& program : order.programs) {
    const bool by_path = program.name.find('/') != std::string::npos;
    const Result<std::string> found = find_program(program.name, program.search_path, program.cwd);
    if (!found) {
      // The setup script may know where it is.
      const bool set_up =
          !order.setup.empty() && !by_path &&
          output_of(order, program.search_path, {"sh", "-c", "command -v \"$0\"", program.name});
      if (!set_up) return found.error();
    }
    if (program.name != kOwnProgram) continue;
    const Result<std::string> version =
        output_of(order, program.search_path, {program.name, "--version"});
    const std::string number = version ? version->substr(0, version->find('\n')) : "";
    if (number != order.version) {
      return bad(fmt::format("its {} is {}, here it is {}: install the same version", program.name,
                             number.empty() ? "unable to say its version" : number, order.version));
    }
  }
  return {};
}

Result<void> look_at_tmp(const NodeOrder& order) {
  const char* variable = std::getenv("TMPDIR");
  const std::string folder = variable != nullptr && *variable == '/' ? variable : "/tmp";
  struct statvfs fs {};
  if (::statvfs(folder.c_str(), &fs) < 0)
    return bad(fmt::format("its {} cannot be used: {}", folder,
                           Error::from_errno(errno, "statvfs").text()));
  const uint64_t free = uint64_t{fs.f_bavail} * fs.f_frsize;
  if (free >= order.least_free_tmp) return {};
  return bad(fmt::format("its {} has {} free, less than {} (slurm.free_tmp)", folder,
                         size_text(free), size_text(order.least_free_tmp)));
}

// Nobody hears what this node says any more: it says nothing.
Error unheard() { return Error(std::errc::broken_pipe, "its run said nothing more"); }

Result<void> exchange_files(const NodeOrder& order, InputLines& input) {
  for (size_t place = 0; place < order.places.size(); ++place) {
    const std::string folder = check_folder(order.places[place], order.nonce);
    const Result<void> written = posix::replace_file(folder + "/there", order.nonce);
    if (!written) {
      return bad(
          fmt::format("it cannot write in {}: {}", order.places[place], written.error().text()));
    }
    NodeWord word;
    word.kind = NodeWord::Kind::wrote;
    word.place = place;
    if (!posix::write_all(STDOUT_FILENO, to_json(word))) return unheard();
    if (input.wait_for_next() != fmt::format("back {}", place)) return unheard();
    const SteadyClock::time_point until = SteadyClock::now() + kSeenWithin;
    while (!is_seen(folder, "back", order.nonce)) {
      if (SteadyClock::now() > until) {
        return bad(
            fmt::format("what was written here into {} was not seen there within 1 s: see "
                        "'The mount on the nodes' in docs/CLUSTER.md",
                        order.places[place]));
      }
      ::poll(nullptr, 0, static_cast<int>(kLookAgain.count()));
    }
  }
  return {};
}

// An error says that the input cannot be read: word.read_bytes were.
Result<void> read_input(const NodeOrder& order, NodeWord& word) {
  TRY_ASSIGN(const UniqueFd fd, posix::open_at(AT_FDCWD, order.read, O_RDONLY));
  TRY_ASSIGN(const struct stat info, posix::stat_fd(fd.get()));
  if (!S_ISREG(info.st_mode)) return {};
  // What the node has in memory says nothing about the mount.
  ::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED);
  std::vector<char> buffer(1 << 20);
  const SteadyClock::time_point begin = SteadyClock::now();
  while (word.read_bytes < kReadBytes) {
    const ssize_t n = ::read(fd.get(), buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error::from_errno(errno, "read " + order.read);
    if (n == 0) break;
    word.read_bytes += static_cast<uint64_t>(n);
  }
  word.read_s = std::chrono::duration<double>(SteadyClock::now() - begin).count();
  return {};
}

Result<void> measure_reading(const NodeOrder& order, NodeWord& word) {
  if (order.read.empty()) return {};
  const Result<void> read = read_input(order, word);
  if (!read) {
    word.kind = NodeWord::Kind::unreadable;
    return bad(fmt::format("it cannot read an input: {}", read.error().text()));
  }
  if (word.read_bytes < kLeastReadBytes || word.read_s <= 0) {
    word.read_s = 0;
    return {};
  }
  const double rate = static_cast<double>(word.read_bytes) / word.read_s;
  if (rate >= static_cast<double>(order.least_read_rate)) return {};
  return bad(fmt::format("it reads {} at {} a second, less than {} (slurm.read_rate)", order.read,
                         size_text(static_cast<uint64_t>(rate)), size_text(order.least_read_rate)));
}

Result<void> look_at_all(const NodeOrder& order, InputLines& input, NodeWord& word) {
  TRY(look_at_places(order));
  TRY(look_at_user(order));
  TRY(look_at_programs(order));
  TRY(look_at_tmp(order));
  TRY(exchange_files(order, input));
  return measure_reading(order, word);
}

}  // namespace

int check_node() {
  InputLines input;
  const std::optional<std::string> line = input.wait_for_next();
  const Result<NodeOrder> order =
      line ? parse_node_order(*line)
           : Result<NodeOrder>(Error(std::errc::invalid_argument, "there is no order"));
  NodeWord word;
  Result<void> all = order ? look_at_all(*order, input, word) : Result<void>(order.error());
  if (!all && all.error().is(std::errc::broken_pipe)) return 1;
  if (all) word.kind = NodeWord::Kind::good;
  if (!all) word.reason = all.error().text();
  word.now = Timestamp::now();
  static_cast<void>(posix::write_all(STDOUT_FILENO, to_json(word)));
  return all ? 0 : 1;
}

}  // namespace tierhub::compute
