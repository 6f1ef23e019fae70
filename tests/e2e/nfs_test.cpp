// The mount exported by NFS-Ganesha, read and written by a client that is not the kernel: what the nodes of a cluster do.
#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>

#include <fcntl.h>

#include <gtest/gtest.h>

#include "tests/support/tier_fixture.h"

namespace tierhub::test {
namespace {

namespace fs = std::filesystem;

class Nfs : public TierTest {
 protected:
  void SetUp() override {
    std::string bytes(kLarge, '\0');
    uint32_t state = 1;
    for (char& byte : bytes) byte = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
    large_ = bytes;
    write(tier.in_archive("large.bin"), large_);
    write(tier.in_archive("folder/small.txt"), "small");
    age(tier.in_archive("large.bin"));
    tier.start();
    export_mount();
  }
  void TearDown() override {
    if (server_ > 0) {
      ::kill(server_, SIGTERM);
      if (wait_for_exit(server_, std::chrono::seconds(10)) < 0) ::kill(server_, SIGKILL);
    }
    TierTest::TearDown();
  }

  static void write(const std::string& path, const std::string& bytes) {
    fs::create_directories(fs::path(path).parent_path());
    std::ofstream(path) << bytes;
  }
  // tierd keeps nothing of a file that may still be growing in the archive.
  static void age(const std::string& path) {
    fs::last_write_time(path, fs::last_write_time(path) - std::chrono::hours(1));
  }
  std::string url(const std::string& path) const {
    return "nfs://127.0.0.1/tier/" + path + "?version=4&nfsport=" + std::to_string(port_);
  }

  static constexpr size_t kLarge = 24 << 20;
  std::string large_;

 private:
  void export_mount() {
    port_ = free_port();
    const std::string folder = tier.folder("ganesha");
    write(
        folder + "/ganesha.conf",
        "NFS_CORE_PARAM { NFS_Port = " + std::to_string(port_) +
            "; Protocols = 4; Enable_NLM = false; Enable_RQUOTA = false; Bind_addr = 127.0.0.1; }\n"
            "NFSv4 { RecoveryBackend = fs; Graceless = true; }\n"
            "MDCACHE { Dir_Chunk = 0; }\n"
            "EXPORT_DEFAULTS { SecType = sys; Squash = No_Root_Squash; Attr_Expiration_Time = 0; "
            "}\n"
            "EXPORT { Export_Id = 1; Path = " +
            tier.mount +
            "; Pseudo = /tier; Filesystem_Id = 1.1; "
            "Access_Type = RW; Protocols = 4; FSAL { Name = VFS; } }\n");
    const UniqueFd log(::open((folder + "/out").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    server_ = start_program({"ganesha.nfsd", "-F", "-f", folder + "/ganesha.conf", "-L",
                             folder + "/log", "-p", folder + "/pid"},
                            {}, log.get());
    eventually(
        "Ganesha exports the mount",
        [&] {
          return run_command({"nfs-ls", url("")}).exit_code == 0;
        },
        std::chrono::seconds(30));
  }

  int port_ = 0;
  pid_t server_ = -1;
};

TEST_F(Nfs, AClientReadsColdFilesAndWritesNewOnes) {
  const std::string copy = tier.folder("copies") + "/large.bin";
  fs::create_directories(fs::path(copy).parent_path());
  const CommandResult read = run_command({"nfs-cp", url("large.bin"), copy});
  EXPECT_EQ(read.exit_code, 0) << read.text << read.out << read.err;
  std::ifstream in(copy);
  EXPECT_TRUE(std::string(std::istreambuf_iterator<char>(in), {}) == large_);
  eventually("what was read through NFS is on the fast tier",
             [&] { return tier.entry("/large.bin").state == "hot"; });

  write(tier.folder("copies") + "/new.txt", "written through NFS");
  const CommandResult written =
      run_command({"nfs-cp", tier.folder("copies") + "/new.txt", url("folder/new.txt")});
  EXPECT_EQ(written.exit_code, 0) << written.text << written.out << written.err;
  // Ganesha keeps the descriptor open, so it is not published yet.
  std::ifstream seen(tier.in_mount("folder/new.txt"));
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(seen), {}), "written through NFS");
}

TEST_F(Nfs, AClientSeesAtOnceWhatAnotherProgramWrites) {
  EXPECT_NE(run_command({"nfs-ls", url("folder")}).out.find("small.txt"), std::string::npos);
  write(tier.in_mount("folder/second.txt"), "2");
  EXPECT_NE(run_command({"nfs-ls", url("folder")}).out.find("second.txt"), std::string::npos);
}

}  // namespace
}  // namespace tierhub::test
