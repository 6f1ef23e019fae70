// Output that appears under its name only when it is complete, so that a retry never finds the
// remains of an earlier try.
#pragma once

#include <string>
#include <string_view>

#include "common/result.h"
#include "common/unique_fd.h"

namespace tierhub::imaging {

// A folder that is filled under a hidden temporary name beside its final one, and removed again
// unless it is committed. What killed processes left behind under such names is removed too: they
// no longer hold the lock on it.
class OutputFolder {
 public:
  static Result<OutputFolder> create(const std::string& final_path);
  OutputFolder(OutputFolder&& other) noexcept;
  OutputFolder& operator=(OutputFolder&&) = delete;
  ~OutputFolder();

  // Where to write now.
  const std::string& path() const { return temporary_; }
  // Gives the folder its final name; an image folder of that name is replaced.
  Result<void> commit();

 private:
  OutputFolder(std::string final_path, std::string temporary, UniqueFd lock);

  std::string final_;
  std::string temporary_;
  UniqueFd lock_;
};

// A file that is written under a hidden temporary name beside its final one, and removed again
// unless it is committed. Makes the folders above it.
class OutputFile {
 public:
  static Result<OutputFile> create(const std::string& final_path);
  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&&) = delete;
  ~OutputFile();

  // Where to write now: an empty file.
  const std::string& path() const { return temporary_; }
  // Gives the file its final name; a file of that name is replaced.
  Result<void> commit();

 private:
  OutputFile(std::string final_path, std::string temporary);

  std::string final_;
  std::string temporary_;
};

// Writes an OutputFile.
Result<void> write_output_file(const std::string& path, std::string_view bytes);

// Writes a file where nobody looks for it yet: inside an OutputFolder that is being filled.
Result<void> write_new_file(const std::string& path, std::string_view bytes);

// Makes the folder that `path` will lie in.
Result<void> make_parent_folder(const std::string& path);

// The last part of a path, without slashes at its end.
std::string base_name(const std::string& path);

}  // namespace tierhub::imaging
