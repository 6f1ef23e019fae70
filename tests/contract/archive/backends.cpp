#include <chrono>
#include <thread>

#include "fixture.h"
#include "storage/helper/client.h"
#include "storage/posix/posix_archive.h"

namespace tierhub::test {
namespace {

Backend in_process(std::string name, CopyMethod method, PosixArchive::RenameFlags flags) {
  return {std::move(name), [=](const std::string& root) -> Result<std::unique_ptr<Archive>> {
            PosixArchive::Options options;
            options.copy.method = method;
            options.rename_flags = flags;
            TRY_ASSIGN(auto archive, PosixArchive::open(root, options));
            return std::unique_ptr<Archive>(std::move(archive));
          }};
}

Backend by_helper(std::string name, CopyMethod method) {
  return {std::move(name), [=](const std::string& root) -> Result<std::unique_ptr<Archive>> {
            ArchiveClientOptions options;
            options.copy.method = method;
            TRY_ASSIGN(auto archive, ArchiveClient::start(TIERHUB_ARCHIVE_HELPER, root, options));
            // Its first answer may take long on a busy machine; the folders of the archive are there
            // when it has come.
            const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
            while (archive->state() != ArchiveState::online &&
                   std::chrono::steady_clock::now() < deadline)
              std::this_thread::sleep_for(std::chrono::milliseconds(5));
            return std::unique_ptr<Archive>(std::move(archive));
          }};
}

}  // namespace

const std::vector<Backend>& backends() {
  using enum PosixArchive::RenameFlags;
  static const std::vector<Backend> all = {
      in_process("Posix", CopyMethod::io_uring, probe),
      in_process("PosixThreads", CopyMethod::threads, probe),
      in_process("PosixWithoutRenameFlags", CopyMethod::threads, avoid),
      by_helper("Client", CopyMethod::io_uring),
      by_helper("ClientThreads", CopyMethod::threads),
  };
  return all;
}

}  // namespace tierhub::test
