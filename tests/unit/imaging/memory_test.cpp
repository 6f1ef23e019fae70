// --estimate, against what imgop really needs.
#include <cstdio>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "formats/json.h"
#include "tests/unit/imaging/program.h"
#include "tests/unit/imaging/volumes.h"

namespace tierhub::imaging {
namespace {

using test::ScratchFolder;

// The largest resident set of a run, in bytes; 0 if it failed.
uint64_t memory_of(const std::string& arguments) {
  const std::string command = "exec " + std::string(IMGOP_PATH) + " " + arguments;
  const pid_t child = ::fork();
  if (child == 0) {
    const int null = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
    ::dup2(null, STDOUT_FILENO);
    ::execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
    ::_exit(127);
  }
  int status = 0;
  rusage usage{};
  if (::wait4(child, &status, 0, &usage) != child || status != 0) return 0;
  return static_cast<uint64_t>(usage.ru_maxrss) * 1024;
}

TEST(Estimates, AreTrueWithinAFifth) {
  const ScratchFolder folder;
  imgop("synth --nuclei 100 --shape 64,300,320 --out " + (folder / "v.zarr"));
  const std::string common = " --in " + (folder / "v.zarr") + " --halo z=12,y=12,x=12 --box ";
  const std::string threshold = " --threshold 500 --out " + (folder / "l.zarr");
  const std::string image = " --out " + (folder / "i.zarr");
  for (const char* box : {"z=0:32,y=0:128,x=128:256", "z=0:64,y=0:256,x=0:256"}) {
    for (const std::string& arguments : std::vector<std::string>{
             "histogram --sigma 2 --out " + (folder / "h.json"), "segment --sigma 2" + threshold,
             "segment --diameter 14" + threshold, "smooth --sigma 2" + image,
             "dog --sigma 1 --wide 2" + image, "median --radius 1" + image,
             "background --radius 5" + image}) {
      const std::string command = arguments + common + box;
      const Outcome outcome = imgop(command + " --estimate");
      ASSERT_EQ(outcome.exit_code, 0) << outcome.text;
      const auto json = must(formats::parse_json(outcome.text, "estimate"));
      const auto estimate = static_cast<double>(*formats::get_unsigned(json, "memory_bytes"));
      const auto real = static_cast<double>(memory_of(command));
      EXPECT_LT(std::abs(estimate - real), 0.2 * real)
          << command << ": " << estimate / real << " of " << real;
    }
  }
}

TEST(Estimates, NameTheHaloThatABoxNeeds) {
  const ScratchFolder folder;
  write_volume(folder / "v.zarr", speckle({4, 40, 40}, 1));
  const std::string command = "histogram --sigma 2 --in " + (folder / "v.zarr") +
                              " --box z=0:4,y=0:20,x=0:20 --out " + (folder / "h.json");
  const Outcome outcome = imgop(command + " --estimate");
  const auto json = must(formats::parse_json(outcome.text, "estimate"));
  const std::string halo = *formats::get_text(json, "halo");
  EXPECT_FALSE(std::filesystem::exists(folder / "h.json")) << "it only estimates";
  EXPECT_NE(imgop(command).text.find(halo), std::string::npos) << "the error names the same";
  EXPECT_EQ(imgop(command + " --halo " + halo).exit_code, 0);
}

}  // namespace
}  // namespace tierhub::imaging
