// --estimate, against what imgop really needs.
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include <fcntl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "common/posix.h"
#include "formats/json.h"
#include "imaging/images/image_writer.h"
#include "tests/unit/imaging/program.h"
#include "tests/unit/imaging/volumes.h"

namespace tierhub::imaging {
namespace {

using test::ScratchFolder;

constexpr int kRuns = 3;

// What the pages of the program's files usually take. How many of them the kernel maps depends on
// how it has them in its cache: 10 MiB more after a build.
constexpr uint64_t kUsualFileBytes = 18 << 20;

// A line of /proc/PID/status, in bytes.
uint64_t bytes_in_status(const std::string& status, const std::string& name) {
  const size_t at = status.find("\n" + name + ":");
  return at == std::string::npos ? 0 : std::stoull(status.substr(at + name.size() + 2)) * 1024;
}

// The largest resident set of a run, in bytes, with kUsualFileBytes for its files; 0 if it failed. It
// is looked at where the program ends (ptrace), when all is still there.
uint64_t memory_of(const std::string& arguments) {
  const std::string command = "exec " + std::string(IMGOP_PATH) + " " + arguments;
  const pid_t child = ::fork();
  if (child == 0) {
    const int null = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
    ::dup2(null, STDOUT_FILENO);
    ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    ::execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
    ::_exit(127);
  }
  int status = 0;
  uint64_t bytes = 0;
  while (::waitpid(child, &status, 0) == child && WIFSTOPPED(status)) {
    // It stops at each exec, which is a SIGTRAP, at its end, and for signals, which it then gets.
    ::ptrace(PTRACE_SETOPTIONS, child, nullptr, PTRACE_O_TRACEEXIT | PTRACE_O_EXITKILL);
    if (status >> 8 == (SIGTRAP | PTRACE_EVENT_EXIT << 8)) {
      const std::string now = must(posix::read_file(fmt::format("/proc/{}/status", child)));
      bytes = bytes_in_status(now, "VmHWM") - bytes_in_status(now, "RssFile") + kUsualFileBytes;
    }
    const int signal = WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status);
    ::ptrace(PTRACE_CONT, child, nullptr, signal);
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? bytes : 0;
}

void expect_true_estimate(const std::string& command) {
  const Outcome outcome = imgop(command + " --estimate");
  ASSERT_EQ(outcome.exit_code, 0) << outcome.text;
  const auto json = must(formats::parse_json(outcome.text, "estimate"));
  const auto estimate = static_cast<double>(*formats::get_unsigned(json, "memory_bytes"));
  // On a busy machine a thread may find no work left, and never needs its memory: the run that
  // needs most counts. None may need more than the estimate allows.
  double most = 0;
  for (int run = 0; run < kRuns && estimate > 1.2 * most; ++run) {
    const auto real = static_cast<double>(memory_of(command));
    ASSERT_GT(real, 0) << command;
    EXPECT_LT(real, 1.2 * estimate) << command << ": " << real << " of " << estimate;
    most = std::max(most, real);
  }
  EXPECT_LT(estimate, 1.2 * most) << command << ": " << estimate / most << " of " << most;
}

class Estimates : public testing::Test {
 protected:
  Estimates() { use_threads(1); }
  ~Estimates() override { ::unsetenv("TIERHUB_CPUS"); }
  static void use_threads(int threads) {
    ::setenv("TIERHUB_CPUS", std::to_string(threads).c_str(), 1);
  }

  // An image, its labels and its illumination function.
  void make(const std::string& shape) {
    imgop("synth --nuclei 100 --shape " + shape + " --out " + (folder_ / "v.zarr"));
    imgop("segment --sigma 2 --in " + (folder_ / "v.zarr") + " --out " + (folder_ / "l.zarr"));
    imgop("illumination-sum --in " + (folder_ / "v.zarr") + " --out " + (folder_ / "sum.zarr"));
    imgop("illumination --in " + (folder_ / "sum.zarr") + " --out " + (folder_ / "f.zarr"));
  }
  // All that have --estimate; `part` is --box and --halo, or empty: then all of the image.
  void expect_true_estimates(const std::string& part) {
    const bool is_block = !part.empty();
    const std::string in = " --in " + (folder_ / "v.zarr") + part;
    const std::string labels = " --labels " + (folder_ / "l.zarr");
    for (const std::string& operation :
         std::vector<std::string>{"smooth --sigma 2", "dog --sigma 1 --wide 2", "median --radius 1",
                                  "background --radius 5", "math --operation add --with 1",
                                  "math --operation add --with " + (folder_ / "v.zarr"),
                                  "correct-illumination --function " + (folder_ / "f.zarr")}) {
      expect_true_estimate(operation + in + " --out " + (folder_ / next_name()));
    }
    const std::string threshold = is_block ? " --threshold 500" : "";
    for (const std::string& operation :
         {"segment --sigma 2" + threshold, "segment --diameter 14" + threshold,
          "expand --distance 4" + labels, "ring --to 4" + labels}) {
      expect_true_estimate(operation + in + " --out " + (folder_ / next_name()));
    }
    expect_true_estimate("histogram --sigma 2" + in + " --out " + (folder_ / "h.json"));
    const std::string result = is_block ? " --out " + (folder_ / "m.sums")  //
                                        : " --table " + (folder_ / "m.csv");
    expect_true_estimate("measure" + labels + in + result);
    expect_true_estimate("measure --shape --neighbours 9" + labels + in + result);
  }
  // Those that take no halo, or no blocks.
  void expect_true_estimates_of_whole() {
    const std::string in = " --in " + (folder_ / "v.zarr");
    const std::string labels = " --labels " + (folder_ / "l.zarr");
    for (const std::string& operation :
         {std::string("nuclei --diameter 14"), "split --diameter 14" + labels,
          std::string("project"), std::string("resize --factor 2")})
      expect_true_estimate(operation + in + " --out " + (folder_ / next_name()));
    expect_true_estimate("project" + labels + in + " --out " + (folder_ / "p.png"));
    expect_true_estimate("illumination-sum" + in + " --out " + (folder_ / next_name()));
    expect_true_estimate("illumination --in " + (folder_ / "sum.zarr") + " --out " +
                         (folder_ / next_name()));
  }
  std::string next_name() { return std::to_string(++outputs_) + ".ome.zarr"; }

  const ScratchFolder folder_;
  int outputs_ = 0;
};

TEST_F(Estimates, AreTrueOfBlocksWithinAFifth) {
  make("64,300,320");
  expect_true_estimates(" --halo z=12,y=12,x=12 --box z=0:32,y=0:128,x=128:256");
  use_threads(2);
  expect_true_estimates(" --halo z=12,y=12,x=12 --box z=0:64,y=0:256,x=0:256");
  const std::string box = " --box z=0:64,y=0:256,x=0:256 --in " + (folder_ / "v.zarr");
  for (const std::string& operation :
       {"split --diameter 14 --labels " + (folder_ / "l.zarr"), std::string("resize --factor 2")})
    expect_true_estimate(operation + box + " --out " + (folder_ / next_name()));
}

TEST_F(Estimates, AreTrueOfVolumesWithinAFifth) {
  make("40,600,640");  // filters work in four parts
  expect_true_estimates("");
  expect_true_estimates_of_whole();
}

TEST_F(Estimates, AreTrueOfPlanesWithinAFifth) {
  make("2048,2048");
  use_threads(2);
  expect_true_estimates("");
  expect_true_estimates_of_whole();
}

TEST_F(Estimates, AreTrueOfFloatsWithinAFifth) {
  make("2048,2048");
  use_threads(2);
  ImageLayout layout;
  layout.axes = {formats::Axis::y, formats::Axis::x};
  layout.type = formats::PixelType::float32;
  layout.scale = {-1, 0.001};
  layout.shape = {1, 1, 1, 2048, 2048};
  layout.chunk = {1, 1, 1, 512, 512};
  must(must(ImageWriter::share(folder_ / "n.zarr", layout))
           .write_box(whole_box({1, 2048, 2048}), speckle({1, 2048, 2048}, 1), Parallel(1)));
  const std::string in = " --in " + (folder_ / "n.zarr");
  for (const std::string& operation : std::vector<std::string>{
           "math --operation add --with 1", "math --operation add --with " + (folder_ / "v.zarr"),
           "correct-illumination --function " + (folder_ / "f.zarr"),
           "illumination-sum --range=-1:70"})
    expect_true_estimate(operation + in + " --out " + (folder_ / next_name()));
}

}  // namespace
}  // namespace tierhub::imaging
