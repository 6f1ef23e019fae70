// What a run has in its own folder: its log, and the file that stops it.
#include <algorithm>
#include <span>
#include <thread>

#include <fcntl.h>

#include "api/run_folder.h"
#include "common/posix.h"
#include "tools/tierctl/commands.h"
#include "tools/tierctl/human.h"
#include "tools/tierctl/output.h"

namespace tierhub::tierctl {
namespace {

constexpr size_t kPiece = 256 << 10;
constexpr std::chrono::milliseconds kLook{300};

// Where the last `lines` lines of the file begin.
Result<uint64_t> begin_of_last(int fd, uint64_t size, size_t lines) {
  std::string piece;
  uint64_t begin = size;
  size_t found = 0;
  while (begin > 0) {
    const uint64_t from = begin - std::min<uint64_t>(begin, kPiece);
    piece.resize(begin - from);
    TRY(posix::read_at(fd, std::as_writable_bytes(std::span(piece)), from));
    for (size_t i = piece.size(); i > 0; --i) {
      // The last line ends with a newline of its own.
      if (piece[i - 1] == '\n' && from + i != size && ++found == lines) return from + i;
    }
    begin = from;
  }
  return uint64_t{0};
}

// Prints whole lines; returns where the first begins that is not whole yet. A user's program wrote
// the log: what would steer the terminal is not printed.
Result<uint64_t> print_from(int fd, uint64_t at) {
  std::string piece(kPiece, '\0');
  for (;;) {
    TRY_ASSIGN(const size_t n, posix::read_at(fd, std::as_writable_bytes(std::span(piece)), at));
    const std::string_view read = std::string_view(piece).substr(0, n);
    // A line that fills the piece is printed in parts.
    const size_t whole =
        n == kPiece && read.find('\n') == std::string_view::npos ? n : read.rfind('\n') + 1;
    if (whole == 0) return at;
    for (size_t begin = 0; begin < whole;) {
      const size_t end = std::min(read.find('\n', begin), whole);
      print_line(printable(std::string(read.substr(begin, end - begin))));
      begin = end + 1;
    }
    at += whole;
  }
}

}  // namespace

Result<ExitCode> show_log(const Context& context, const LogOptions& options) {
  TRY_ASSIGN(auto agents, context.client.agents());
  TRY_ASSIGN(api::RunFolder folder, api::find_run_folder(agents, options.run));
  // The descriptor stays the log's when the folder moves to done/ or failed/.
  TRY_ASSIGN(const UniqueFd fd, posix::open_at(AT_FDCWD, folder.path + "/run.log",
                                               O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
  TRY_ASSIGN(const struct stat st, posix::stat_fd(fd.get()));
  uint64_t at = 0;
  if (options.lines > 0) {
    TRY_ASSIGN(at, begin_of_last(fd.get(), static_cast<uint64_t>(st.st_size), options.lines));
  }
  for (;;) {
    // What was written before the run ended is in the file now.
    const bool ended = folder.has_ended;
    TRY_ASSIGN(at, print_from(fd.get(), at));
    if (options.follow == LogOptions::Follow::no || ended) return ExitCode::done;
    std::this_thread::sleep_for(kLook);
    TRY_ASSIGN(folder, api::find_run_folder(agents, options.run));
  }
}

Result<ExitCode> cancel_job(const Context& context, const std::string& run) {
  TRY_ASSIGN(const auto agents, context.client.agents());
  TRY_ASSIGN(const api::RunFolder folder, api::find_run_folder(agents, run));
  TRY(api::cancel_run(folder));
  if (context.format == Format::json) {
    print_line("{}");
  } else {
    say(printable(run) + " is being stopped; what it has written stays");
  }
  return ExitCode::done;
}

}  // namespace tierhub::tierctl
