// An smbd of its own for a test, on loopback, with shares made of the sections of docs/SAMBA.md.
#pragma once

#include <map>
#include <string>
#include <vector>

#include <sys/types.h>

#include "tests/support/command.h"

namespace tierhub::test {

class SambaServer {
 public:
  // The user as whom clients come: one that every Debian has.
  static constexpr const char* kUser = "www-data";

  // `folder` gets all that smbd keeps.
  explicit SambaServer(std::string folder);
  ~SambaServer();
  SambaServer(const SambaServer&) = delete;
  SambaServer& operator=(const SambaServer&) = delete;

  // A share like `section` of the document, of another folder, whose owner the user becomes.
  void add_share(const std::string& name, const std::string& section, const std::string& path);
  // Starts it and waits until it answers.
  void start();

  // What smbclient says when it is given these commands.
  CommandResult client(const std::string& share, const std::string& commands) const;
  // Test -> how it ended ("success", "failure", "error", "skip"). `local_folder`: where the share's
  // files are.
  std::map<std::string, std::string> torture(const std::string& share, const std::string& test,
                                             const std::string& local_folder) const;

 private:
  std::string settings() const { return folder_ + "/smb.conf"; }
  std::string address(const std::string& share) const { return "//127.0.0.1/" + share; }

  const std::string folder_;
  const int port_;
  std::string text_;  // of the settings
  pid_t smbd_ = -1;
};

}  // namespace tierhub::test
