#include "compute/submit/drop.h"

#include <cstdio>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/posix.h"
#include "common/run_as.h"

namespace tierhub::compute {
namespace {

// The person's own folder in incoming/, if the administrator made one.
std::string drop_folder(const std::string& jobs) {
  const std::string incoming = jobs + "/incoming";
  const auto name = find_user_name(::geteuid());
  for (const std::string& own :
       {name && *name ? **name : std::string(), fmt::format("{}", ::geteuid())}) {
    struct stat st {};
    const std::string path = incoming + "/" + own;
    if (!own.empty() && ::lstat(path.c_str(), &st) == 0 && S_ISDIR(st.st_mode) &&
        st.st_uid == ::geteuid())
      return path;
  }
  return incoming;
}

}  // namespace

Result<std::string> drop_job(const std::string& folder, const std::string& name,
                             const std::string& text) {
  const std::string where = drop_folder(folder);
  const Result<UniqueFd> opened =
      posix::open_at(AT_FDCWD, where, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!opened) return opened.error().in("the jobs folder");
  const int at = opened->get();
  const std::string part = "." + name + ".part", file = name + ".yaml";
  TRY_ASSIGN(const UniqueFd fd, posix::open_at(at, part, O_WRONLY | O_CREAT | O_EXCL, 0644));
  const auto write = [&]() -> Result<void> {
    TRY(posix::write_all(fd.get(), text));
    TRY(posix::sync_fd(fd.get()));
    return posix::rename_at(at, part, at, file, RENAME_NOREPLACE);
  };
  const Result<void> written = write();
  if (!written) {
    ::unlinkat(at, part.c_str(), 0);
    return written.error().in(fmt::format("drop {}/{}", where, file));
  }
  ::fsync(at);
  return name;
}

}  // namespace tierhub::compute
