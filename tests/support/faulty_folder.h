// A folder seen through slowfs, whose faults a test switches: an archive, or the place of a disk's
// image.
#pragma once

#include <string>
#include <vector>

#include <sys/types.h>

namespace tierhub::test {

class FaultyFolder {
 public:
  // Mirrors `backing` at `mount_point`; `fault_file` is made. No faults and no delay at first.
  FaultyFolder(const std::string& backing, std::string mount_point, std::string fault_file);
  ~FaultyFolder();
  FaultyFolder(const FaultyFolder&) = delete;
  FaultyFolder& operator=(const FaultyFolder&) = delete;

  // Lines as tests/support/slowfs/faults.h has them, instead of those before.
  void set(const std::vector<std::string>& faults) const;
  void clear() const { set({}); }
  // It answers nothing any more until go_on().
  void hang() const;
  void go_on() const;

 private:
  std::string mount_point_;
  std::string fault_file_;
  pid_t process_ = -1;
};

}  // namespace tierhub::test
