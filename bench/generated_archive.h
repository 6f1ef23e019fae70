// An archive of more files than a benchmark could create: folders of a thousand image files each,
// with times, sizes and file handles that differ as those of ext4 do. It answers what the scanner
// asks, and nothing else.
#pragma once

#include <string>

#include "storage/archive/archive.h"

namespace tierhub::bench {

inline constexpr uint64_t kFilesInFolder = 1000;
// The path of a file, without a slash at the start.
std::string generated_path(uint64_t file);

class GeneratedArchive final : public Archive {
 public:
  explicit GeneratedArchive(uint64_t files) : files_(files) {}

  Result<void> check_root() override { return {}; }
  Result<std::string> archive_id() override { return std::string("generated"); }
  Result<std::optional<ArchiveVersion>> stat(const std::string& path) override;
  Result<ArchivePage> list(const std::string& path, uint64_t cookie, size_t limit) override;
  Result<Xattrs> xattrs(const std::string&) override { return Xattrs(); }
  Result<Space> space(const FileSystemId&) override { return Space(); }

  void fill(const FillRequest&, std::function<void(Result<FillResult>)> done) override;
  Result<StagedFile> stage_file(const StageFileRequest&) override;
  Result<ArchiveVersion> stage_node(const StageNodeRequest&) override;
  Result<void> sync(const FileSystemId&) override { return {}; }
  Result<ArchiveVersion> place(const std::string&, const std::string&,
                               const std::optional<ArchiveVersion>&) override;
  Result<ArchiveVersion> move(const std::string&, const ArchiveVersion&, const std::string&,
                              const std::optional<ArchiveVersion>&) override;
  Result<ArchiveVersion> link(const std::string&, const ArchiveVersion&, const std::string&,
                              const std::string&, const std::optional<ArchiveVersion>&) override;
  Result<void> remove(const std::string&, const ArchiveVersion&, const std::string&) override;
  Result<void> discard(const std::string&, const ArchiveVersion&) override { return {}; }
  Result<ArchiveVersion> set_attributes(const std::string&, const ArchiveVersion&,
                                        const Attributes&, const Xattrs&) override;
  Result<void> sync_folders(const std::vector<std::string>&) override { return {}; }
  Result<std::vector<std::string>> staged() override { return std::vector<std::string>(); }

 private:
  const uint64_t files_;
};

}  // namespace tierhub::bench
