// What the tests of commands that make images share.
#pragma once

#include <sstream>
#include <string>

#include <gtest/gtest.h>

#include "tests/unit/imaging/program.h"
#include "tests/unit/imaging/volumes.h"

namespace tierhub::imaging {

class ImgopImages : public ::testing::Test {
 protected:
  std::string at(const std::string& name) const { return folder_ / name; }

  // Runs a command that must succeed. Words that end in .zarr or .png are names in the folder.
  std::string run(const std::string& command) const {
    const Outcome outcome = imgop(in_folder(command));
    EXPECT_EQ(outcome.exit_code, 0) << command << "\n" << outcome.text;
    return outcome.text;
  }
  void expect_refused(const std::string& command, int exit_code, const std::string& words) const {
    const Outcome outcome = imgop(in_folder(command));
    EXPECT_EQ(outcome.exit_code, exit_code) << command << "\n" << outcome.text;
    EXPECT_NE(outcome.text.find(words), std::string::npos) << command << "\n" << outcome.text;
  }

  // `command` on blocks of `shape`, cut into `size`, then the smaller levels: as at once.
  void expect_blocks_equal(const std::string& command, const Extent& shape, const Extent& size,
                           const std::string& whole, const std::string& pyramid = "") const {
    std::filesystem::remove_all(at("blocks.zarr"));
    for (const Box& box : must(formats::tile(whole_box(shape), size)))
      run(command + " --box " + formats::to_text(box) + " --halo z=0 --out blocks.zarr");
    run("pyramid --image blocks.zarr" + pyramid);
    EXPECT_EQ(files_below(at("blocks.zarr")), files_below(at(whole))) << command;
  }

  static GreyVolume grey(const std::string& path) {
    const ImageReader reader = must(ImageReader::open(path));
    return must(reader.read_grey(must(formats::whole_volume(reader.info()))));
  }
  static LabelVolume wide(const std::string& path) {
    const ImageReader reader = must(ImageReader::open(path));
    return must(reader.read_labels(must(formats::whole_volume(reader.info()))));
  }
  static formats::ImageInfo info(const std::string& path) {
    return must(ImageReader::open(path)).info();
  }

  test::ScratchFolder folder_;

 private:
  std::string in_folder(const std::string& command) const {
    std::istringstream words(command);
    std::string all;
    for (std::string word; words >> word;)
      all += (word.ends_with(".zarr") || word.ends_with(".png") ? at(word) : word) + " ";
    return all;
  }
};

}  // namespace tierhub::imaging
