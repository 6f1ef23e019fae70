#include "fixture.h"
#include "storage/posix_archive.h"

namespace tierhub::test {
namespace {

Backend posix(std::string name, CopyMethod method, PosixArchive::RenameFlags flags) {
  return {std::move(name), [=](const std::string& root) -> Result<std::unique_ptr<Archive>> {
            PosixArchive::Options options;
            options.copy.method = method;
            options.rename_flags = flags;
            TRY_ASSIGN(auto archive, PosixArchive::open(root, options));
            return std::unique_ptr<Archive>(std::move(archive));
          }};
}

}  // namespace

const std::vector<Backend>& backends() {
  using enum PosixArchive::RenameFlags;
  static const std::vector<Backend> all = {
      posix("Posix", CopyMethod::io_uring, probe),
      posix("PosixThreads", CopyMethod::threads, probe),
      posix("PosixWithoutRenameFlags", CopyMethod::threads, avoid),
  };
  return all;
}

}  // namespace tierhub::test
