// The program itself: its exit codes, and the workflow as the design writes it.
#include <set>

#include <gtest/gtest.h>

#include "imaging/images/synth.h"
#include "pixels/reader.h"
#include "tests/unit/imaging/program.h"
#include "tests/unit/imaging/volumes.h"

namespace tierhub::imaging {
namespace {

using test::ScratchFolder;

size_t rows(const std::string& table) {
  const std::string text = test::read_bytes(table);
  return static_cast<size_t>(std::count(text.begin(), text.end(), '\n')) - 1;
}

TEST(Imgop, ExitsWithTwoOnWrongUse) {
  EXPECT_EQ(imgop("").exit_code, 2);
  EXPECT_EQ(imgop("paint").exit_code, 2);
  EXPECT_EQ(imgop("segment --in x").exit_code, 2);
  EXPECT_EQ(imgop("segment --in x --out y.zarr --box z=0:1,y=0 --threshold 1").exit_code, 2);
  EXPECT_EQ(imgop("segment --in x --out y.zarr --sigma -1").exit_code, 2);
  EXPECT_EQ(imgop("segment --in x --out y.zarr --connectivity some").exit_code, 2);
  const Outcome outcome = imgop("segment --in x --out y.zarr --box z=0:1,y=0:1,x=0:1");
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_NE(outcome.text.find("a box needs --threshold"), std::string::npos) << outcome.text;
}

TEST(Imgop, ExplainsItselfWithAnExample) {
  for (const char* command :
       {"", "info ", "synth ", "histogram ", "threshold ", "segment ", "merge-labels ", "project ",
        "table ", "plot ", "heatmap ", "montage "}) {
    const Outcome outcome = imgop(std::string(command) + "--help");
    EXPECT_EQ(outcome.exit_code, 0);
    EXPECT_NE(outcome.text.find(std::string("  imgop ") + command), std::string::npos) << command;
  }
}

TEST(Imgop, FailsWithOneSentenceAndLeavesNothing) {
  const ScratchFolder folder;
  test::TiffBuilder builder;
  builder.add_page(64, 64, 16);
  builder.add_page(64, 64, 16);
  folder.write("in/cut.tif", builder.bytes().substr(0, builder.bytes().size() / 2));
  for (const std::string& path : {folder / "in/cut.tif", folder / "in/none.tif", folder / "in"}) {
    const Outcome outcome = imgop("segment --in " + path + " --out " + (folder / "out/l.zarr") +
                                  " --table " + (folder / "out/t.csv"));
    EXPECT_EQ(outcome.exit_code, 1);
    EXPECT_EQ(std::count(outcome.text.begin(), outcome.text.end(), '\n'), 1) << outcome.text;
  }
  EXPECT_TRUE(!std::filesystem::exists(folder / "out") ||
              std::filesystem::is_empty(folder / "out"));
}

TEST(Imgop, InfoListsTheDatasetsOfAFolderThatIsNoImage) {
  const ScratchFolder folder;
  test::TiffBuilder page;
  page.add_page(8, 4, 16);
  EXPECT_EQ(imgop("info --in " + folder.path()).text, "no datasets in " + folder.path() + "\n");
  for (const char* name : {"b.tif", "e/a_t1.tif", "e/a_t2.tif"}) folder.write(name, page.bytes());
  folder.write("cut.png", "no picture");
  const Outcome outcome = imgop("info --in " + folder.path());
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_NE(outcome.text.find("b.tif: TIFF, yx, 4 x 8, uint16\ncut.png: cannot be read: "),
            std::string::npos)
      << outcome.text;
  EXPECT_TRUE(outcome.text.ends_with("\ne: TIFF series, tyx, 2 x 4 x 8, uint16\n")) << outcome.text;
  const auto json = formats::parse_json(imgop("info --json --in " + folder.path()).text, "json");
  ASSERT_TRUE(json) << json.error().text();
  EXPECT_EQ(json->at("datasets").size(), 3u);
  EXPECT_EQ(json->at("datasets")[2].at("shape"), formats::Json({2, 4, 8}));
  EXPECT_TRUE(json->at("left_out").empty());
  const Outcome series = imgop("info --in " + (folder / "e"));
  EXPECT_EQ(series.exit_code, 0);
  EXPECT_NE(series.text.find("\nfiles: 2 (a_t<1-2>.tif)\n"), std::string::npos) << series.text;
  const std::string member = folder / "e/a_t2.tif";
  EXPECT_EQ(imgop("info --series --in " + member).text, series.text);
  EXPECT_NE(imgop("info --in " + member).text.find("\nshape: 4 x 8\n"), std::string::npos);
  const Outcome converted =
      imgop("convert --series --in " + member + " --out " + (folder / "out/e.ome.zarr"));
  EXPECT_EQ(converted.text, "2 planes, 1 level\n");
  std::filesystem::remove(folder / "e/a_t1.tif");
  folder.write("e/a_t4.tif", page.bytes());
  const Outcome gap = imgop("info --in " + (folder / "e"));
  EXPECT_EQ(gap.exit_code, 1);
  EXPECT_NE(gap.text.find("lacks a_t3.tif"), std::string::npos) << gap.text;
}

TEST(Imgop, RunsTheWorkflowAsWellInBlocksAsAtOnce) {
  const ScratchFolder folder;
  const std::string image = folder / "vol.ome.zarr";
  ASSERT_EQ(
      imgop("synth --nuclei 6 --shape 24,64,80 --touching 0 --seed 2 --out " + image).exit_code, 0);
  const auto boxes = must(formats::tile(whole_box({24, 64, 80}), {16, 40, 80}));
  const std::string halo = " --halo z=8,y=16,x=16 ";
  const auto run = [](const std::string& arguments) {
    const Outcome outcome = imgop(arguments);
    EXPECT_EQ(outcome.exit_code, 0) << arguments << "\n" << outcome.text;
  };
  const std::string work = folder / "work";
  for (size_t i = 0; i < boxes.size(); ++i) {
    run(fmt::format("histogram --sigma 2 --in {} --box {} {} --out {}/histogram/{}.json", image,
                    formats::to_text(boxes[i]), halo, work, i));
  }
  run(fmt::format("threshold --otsu {0}/histogram --out {0}/threshold.json", work));
  for (size_t i = 0; i < boxes.size(); ++i) {
    run(
        fmt::format("segment --sigma 2 --threshold @{2}/threshold.json --in {0} --box {1} {3} "
                    "--out {2}/labels/{4}.zarr",
                    image, formats::to_text(boxes[i]), work, halo, i));
  }
  run(fmt::format("merge-labels --in {0}/labels --table {0}/objects.csv --out {0}/labels.ome.zarr",
                  work));
  run(fmt::format("segment --sigma 2 --in {0} --out {1}/whole.zarr --table {1}/whole.csv", image,
                  work));
  EXPECT_EQ(files_below(work + "/labels.ome.zarr"), files_below(work + "/whole.zarr"));
  EXPECT_EQ(test::read_bytes(work + "/objects.csv"), test::read_bytes(work + "/whole.csv"));
  run(fmt::format("merge-labels --in {0}/whole.zarr --out {0}/again.zarr", work));
  EXPECT_EQ(files_below(work + "/again.zarr"), files_below(work + "/whole.zarr"));
  run(fmt::format("project --in {} --labels {}/whole.zarr --out {}/picture.png", image, work,
                  work));
  EXPECT_EQ(test::read_bytes(work + "/picture.png").substr(1, 3), "PNG");
  const Outcome wrong_sigma = imgop(fmt::format(
      "segment --sigma 1 --threshold @{0}/threshold.json --in {1} --out {0}/x.zarr", work, image));
  EXPECT_EQ(wrong_sigma.exit_code, 1);
  EXPECT_NE(wrong_sigma.text.find("--sigma 2"), std::string::npos);
}

// Channel c has c + 1 bright cubes on the dark; the last of them alone begins below plane 4.
void write_three_channels(const ScratchFolder& folder, const std::string& name, size_t times = 1) {
  std::vector<GreyVolume> channels;
  for (uint64_t c = 0; c < 3; ++c) {
    GreyVolume volume({8, 16, 40});
    for (uint64_t cube = 0; cube <= c; ++cube) {
      const uint64_t z = cube == c ? 4 : 0;
      for (uint64_t i = 0; i < 27; ++i)
        volume.at(z + i / 9, 2 + i / 3 % 3, 2 + cube * 10 + i % 3) = 1000;
    }
    channels.push_back(std::move(volume));
  }
  write_channels(folder, name, channels, times);
}

TEST(Imgop, RefusesAnImageOfSeveralChannelsUnlessToldWhich) {
  const ScratchFolder folder;
  write_three_channels(folder, "a.zarr");
  write_three_channels(folder, "b.zarr", 2);
  const std::string in = " --in " + (folder / "a.zarr");
  const std::string out = " --out " + (folder / "out");
  const std::string box = " --box z=0:8,y=0:16,x=0:40 --halo z=8,y=16,x=16";
  for (const std::string& command :
       {"segment" + in + out + ".zarr", "segment" + in + out + ".zarr --select level=0,t=0",
        "histogram" + in + out + ".json", "project" + in + out + ".png"}) {
    const Outcome outcome = imgop(command);
    EXPECT_EQ(outcome.exit_code, 1) << command;
    EXPECT_NE(outcome.text.find("a.zarr has 3 channels (c 0-2): say which with --select c=0"),
              std::string::npos)
        << outcome.text;
  }
  for (const std::string& command : {"segment --threshold 1" + in + out + ".zarr" + box,
                                     "histogram" + in + out + ".json" + box}) {
    const Outcome outcome = imgop(command);
    EXPECT_EQ(outcome.exit_code, 1) << command;
    EXPECT_NE(outcome.text.find("a.zarr has 3 channels (c 0-2): say which with --box c=0"),
              std::string::npos)
        << outcome.text;
  }
  const Outcome both = imgop("segment --in " + (folder / "b.zarr") + out + ".zarr");
  EXPECT_NE(both.text.find("b.zarr has 2 time points (t 0-1) and 3 channels (c 0-2): say which "
                           "with --select t=0,c=0"),
            std::string::npos)
      << both.text;
  const Outcome two = imgop("segment" + in + out + ".zarr --select c=0:2");
  EXPECT_EQ(two.exit_code, 1);
  EXPECT_NE(two.text.find("chooses more than one"), std::string::npos) << two.text;
  EXPECT_FALSE(std::filesystem::exists(folder / "out.zarr"));
  EXPECT_FALSE(std::filesystem::exists(folder / "out.json"));
  EXPECT_FALSE(std::filesystem::exists(folder / "out.png"));
}

TEST(Imgop, WorksOnExactlyWhatIsSelected) {
  const ScratchFolder folder;
  write_three_channels(folder, "a.zarr");
  const auto objects = [&](const std::string& select) {
    const Outcome outcome =
        imgop(fmt::format("segment --sigma 0 --threshold 500 --in {0}/a.zarr --select {1} --out "
                          "{0}/l.zarr --table {0}/t.csv",
                          folder.path(), select));
    EXPECT_EQ(outcome.exit_code, 0) << select << outcome.text;
    return rows(folder / "t.csv");
  };
  EXPECT_EQ(objects("c=0"), 1u);
  EXPECT_EQ(objects("level=0,t=0,c=1"), 2u);
  EXPECT_EQ(objects("c=2,t=0"), 3u);
  EXPECT_EQ(objects("level=0,t=0,c=2,z=0:4"), 2u);
  EXPECT_EQ(objects("c=2,x=0-9"), 1u);
  EXPECT_EQ(objects("level=0,t=0,c=2,z=4:8,y=0:16,x=0:40"), 1u);
  for (const char* select : {"c", "c=1,", "c=1,c=2", "channel=1", "c=one", "z=4:4"}) {
    EXPECT_EQ(imgop(fmt::format("segment --in {0}/a.zarr --out {0}/x.zarr --select {1}",
                                folder.path(), select))
                  .exit_code,
              2)
        << select;
  }
  const Outcome outside =
      imgop(fmt::format("segment --in {0}/a.zarr --out {0}/x.zarr --select c=3", folder.path()));
  EXPECT_EQ(outside.exit_code, 1);
  EXPECT_NE(outside.text.find("c 3 is selected, but the dataset has only c 0-2"), std::string::npos)
      << outside.text;
}

TEST(Imgop, PutsTheBlocksOfASelectionTogether) {
  const ScratchFolder folder;
  write_three_channels(folder, "a.zarr");
  const std::string path = folder.path();
  const auto run = [](const std::string& arguments) {
    const Outcome outcome = imgop(arguments);
    EXPECT_EQ(outcome.exit_code, 0) << arguments << "\n" << outcome.text;
  };
  const std::string select = " --select level=0,t=0,c=2,z=0:4";
  for (const int half : {0, 1}) {
    const std::string box =
        fmt::format("level=0,t=0,c=2,z=0:4,y=0:16,x={}:{}", half * 20, half * 20 + 20);
    run(fmt::format("histogram --sigma 0 --in {0}/a.zarr --box {1} --out {0}/h/{2}.json", path, box,
                    half));
    run(fmt::format(
        "segment --sigma 0 --threshold 500 --in {0}/a.zarr --box {1} --out {0}/l/{2}.zarr", path,
        box, half));
  }
  run(fmt::format("threshold --otsu {0}/h --out {0}/t.json", path) + select);
  run(fmt::format("merge-labels --in {0}/l --out {0}/m.zarr --table {0}/m.csv", path) + select);
  EXPECT_EQ(rows(folder / "m.csv"), 2u);
  const Outcome other =
      imgop(fmt::format("merge-labels --in {0}/l --out {0}/x.zarr --select c=1,z=0:4", path));
  EXPECT_EQ(other.exit_code, 1);
  EXPECT_NE(other.text.find("names c 1, but this was made from c 2"), std::string::npos)
      << other.text;
  EXPECT_EQ(imgop(fmt::format("threshold --otsu {0}/h --out {0}/x.json", path)).exit_code, 1)
      << "half of the volume has no histogram";
}

// The steps of a workflow: each is a program of its own.
TEST(Imgop, FindsTheSameNucleiInBlocksAsAtOnce) {
  const ScratchFolder folder;
  write_volume(folder / "image.zarr", balls({14, 50, 60}, 3, 5), {8, 16, 16}, {2, 0.5, 0.5});
  const std::string work = folder.path();
  const auto run = [](const std::string& arguments) {
    const Outcome outcome = imgop(arguments);
    EXPECT_EQ(outcome.exit_code, 0) << arguments << "\n" << outcome.text;
    return outcome.text;
  };
  const std::string image = work + "/image.zarr";
  run(fmt::format("nuclei --diameter 10 --in {} --out {}/whole.zarr --table {}/whole.csv", image,
                  work, work));
  const auto boxes = must(formats::tile(whole_box({14, 50, 60}), {7, 30, 25}));
  const std::string halo = "--halo z=4,y=10,x=10";
  const auto each = [&](const std::string& arguments) {
    for (size_t i = 0; i < boxes.size(); ++i) {
      run(fmt::format(fmt::runtime(arguments), fmt::arg("in", image), fmt::arg("work", work),
                      fmt::arg("task", i), fmt::arg("box", formats::to_text(boxes[i])),
                      fmt::arg("halo", halo)));
    }
  };
  each("histogram --diameter 10 --in {in} --box {box} {halo} --out {work}/h/{task}.json");
  run(fmt::format("threshold --otsu {0}/h --share 0.6 --out {0}/t.json", work));
  each(
      "segment --diameter 10 --threshold @{work}/t.json --in {in} --box {box} {halo} "
      "--out {work}/l/{task}.zarr");
  run(fmt::format("merge-labels --in {0}/l --out {0}/objects.zarr", work));
  each(
      "split --diameter 10 --labels {work}/objects.zarr --in {in} --box {box} "
      "--out {work}/p/{task}.zarr");
  const std::string text = run(fmt::format(
      "merge-labels --in {0}/p --drop-small --out {0}/nuclei.zarr --table {0}/nuclei.csv", work));
  EXPECT_EQ(files_below(work + "/nuclei.zarr"), files_below(work + "/whole.zarr")) << text;
  EXPECT_EQ(test::read_bytes(work + "/nuclei.csv"), test::read_bytes(work + "/whole.csv"));
  EXPECT_GT(rows(work + "/whole.csv"), 10u);
  // Without a box, split works on all that the blocks cover.
  run(fmt::format("split --diameter 10 --labels {0}/objects.zarr --in {1} --out {0}/s.zarr", work,
                  image));
  run(fmt::format("split --diameter 10 --labels {0}/l --in {1} --out {0}/blocks.zarr", work,
                  image));
  EXPECT_EQ(files_below(work + "/blocks.zarr"), files_below(work + "/s.zarr"));
  std::filesystem::remove_all(work + "/l/1.zarr");
  const Outcome hole = imgop(
      fmt::format("split --diameter 10 --labels {0}/l --in {1} --out {0}/x.zarr", work, image));
  EXPECT_EQ(hole.exit_code, 1) << hole.text;
}

TEST(Imgop, TakesADiameterInPixelsOrMicrometres) {
  const ScratchFolder folder;
  write_volume(folder / "image.zarr", balls({1, 40, 40}, 3, 4));
  const auto nuclei = [&](const std::string& diameter) {
    return imgop(fmt::format("nuclei --diameter {1} --in {0}/image.zarr --out {0}/n.zarr",
                             folder.path(), diameter));
  };
  EXPECT_EQ(nuclei("8").exit_code, 0);
  for (const auto& [diameter, words] : {std::pair{"8um", "does not say how large a voxel is"},
                                        {"2", "between 3 and 512"},
                                        {"ten", "use pixels"},
                                        {"8mm", "use pixels"}}) {
    const Outcome outcome = nuclei(diameter);
    EXPECT_NE(outcome.exit_code, 0) << diameter;
    EXPECT_NE(outcome.text.find(words), std::string::npos) << outcome.text;
  }
}

TEST(Imgop, WritesLabelsIntoAnImageWithItsLevels) {
  const ScratchFolder folder;
  const std::string image = folder / "scan.ome.zarr";
  write_volume(folder / "flat.zarr", balls({1, 1100, 90}, 3, 8), {1, 256, 256});
  ASSERT_EQ(
      imgop(fmt::format("convert --in {0}/flat.zarr --out {0}/scan.ome.zarr", folder.path())).text,
      "1 planes, 3 levels\n");
  const auto into = [&](const std::string& name, const std::string& diameter) {
    return imgop(fmt::format("nuclei --diameter {} --in {} --into {} --name {} --table {}/n.csv",
                             diameter, image, image, name, folder.path()));
  };
  ASSERT_EQ(into("nuclei", "16").exit_code, 0) << into("nuclei", "16").text;
  ASSERT_EQ(into("small-ones", "12").exit_code, 0);
  ASSERT_EQ(into("nuclei", "16").exit_code, 0) << "again";
  const auto list = formats::Json::parse(test::read_bytes(image + "/labels/.zattrs"));
  EXPECT_EQ(list.at("labels"), formats::Json({"nuclei", "small-ones"}));
  const auto attributes = formats::Json::parse(test::read_bytes(image + "/labels/nuclei/.zattrs"));
  EXPECT_EQ(attributes.at("image-label").at("source").at("image"), "../../");
  EXPECT_EQ(attributes.at("multiscales")[0].at("datasets").size(), 3u);
  const auto labels = must(pixels::PixelReader::open(image + "/labels/nuclei", {}));
  const auto scan = must(pixels::PixelReader::open(image, {}));
  ASSERT_EQ(labels->info().levels.size(), scan->info().levels.size());
  std::vector<LabelVolume> levels;
  for (size_t level = 0; level < 3; ++level) {
    const formats::Shape& shape = scan->info().levels[level].shape;
    ASSERT_EQ(labels->info().levels[level].shape, shape);
    levels.emplace_back(Extent{1, shape.y, shape.x});
    must(labels->read(whole(shape, level), formats::PixelType::uint32,
                      std::as_writable_bytes(std::span(levels.back().voxels))));
  }
  EXPECT_EQ(*std::max_element(levels[0].voxels.begin(), levels[0].voxels.end()),
            rows(folder / "n.csv"));
  for (uint64_t y = 0; y < levels[2].extent.y; ++y)
    for (uint64_t x = 0; x < levels[2].extent.x; ++x)
      ASSERT_EQ(levels[2].at(0, y, x), levels[0].at(0, 4 * y, 4 * x));
  EXPECT_TRUE(std::filesystem::exists(image + "/labels/.zgroup"));
}

TEST(Imgop, RefusesToWriteLabelsIntoWhatTheyDoNotFit) {
  const ScratchFolder folder;
  write_volume(folder / "a.zarr", balls({4, 30, 30}, 3, 4));
  write_volume(folder / "b.zarr", balls({4, 30, 31}, 3, 4));
  const auto text = [&](const std::string& options) {
    const Outcome outcome =
        imgop("segment --threshold 200 --in " + (folder / "a.zarr") + " " + options);
    EXPECT_NE(outcome.exit_code, 0) << options;
    return outcome.text;
  };
  EXPECT_NE(text("--into " + (folder / "b.zarr")).find("use --out"), std::string::npos);
  EXPECT_NE(text("--select z=0:2 --into " + (folder / "a.zarr")).find("use --out"),
            std::string::npos);
  EXPECT_NE(text("--into " + (folder / "none.zarr")).find("none.zarr"), std::string::npos);
  EXPECT_NE(text("--into " + (folder / "a.zarr") + " --name ../x").find("use letters"),
            std::string::npos);
  EXPECT_NE(
      text("--into " + (folder / "a.zarr") + " --out " + (folder / "o.zarr")).find("excludes"),
      std::string::npos);
  EXPECT_NE(text("").find("--into"), std::string::npos);
  EXPECT_NE(text("--box z=0:4,y=0:30,x=0:30 --halo z=8,y=8,x=8 --into " + (folder / "a.zarr"))
                .find("no result"),
            std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(folder / "a.zarr/labels"));
  EXPECT_FALSE(std::filesystem::exists(folder / "b.zarr/labels"));
}

TEST(Imgop, DescribesItsOperatorsAsJsonSchema) {
  const auto json = formats::parse_json(imgop("describe --json").text, "describe");
  ASSERT_TRUE(json) << json.error().text();
  std::set<std::string> names;
  for (const formats::Json& one : json->at("operators")) {
    const std::string name = one.at("name");
    names.insert(name);
    const formats::Json& arguments = one.at("arguments");
    EXPECT_EQ(arguments.at("type"), "object") << name;
    const std::string help = imgop(name + " --help").text;
    for (const auto& [option, schema] : arguments.at("properties").items()) {
      EXPECT_TRUE(schema.contains("type") && schema.contains("description")) << name << option;
      // What is described is what is taken.
      EXPECT_NE(help.find("--" + option), std::string::npos) << name << " " << option;
    }
    EXPECT_NE(one.at("example").get<std::string>().find("imgop " + name), std::string::npos)
        << name;
  }
  EXPECT_TRUE(names.contains("nuclei") && names.contains("segment"));
  const auto one = formats::parse_json(imgop("describe nuclei --json").text, "describe");
  ASSERT_TRUE(one);
  ASSERT_EQ(one->at("operators").size(), 1u);
  EXPECT_EQ(one->at("operators")[0].at("arguments").at("required"),
            formats::Json({"in", "diameter"}));
  EXPECT_EQ(one->at("operators")[0].at("arguments").at("oneOf").size(), 2u);
  EXPECT_EQ(one->at("operators")[0].at("outputs"), formats::Json({"out", "table"}));
  EXPECT_EQ(imgop("describe paint").exit_code, 1);
  for (const formats::Json& operation : json->at("operators")) {
    const bool has_box = operation.at("arguments").at("properties").contains("box");
    EXPECT_TRUE(!has_box || operation.contains("halo")) << operation.at("name");
    for (const formats::Json& argument : operation.value("halo_arguments", formats::Json::array()))
      EXPECT_TRUE(operation.at("arguments").at("properties").contains(argument)) << argument;
  }
}

TEST(Imgop, EstimatesNameTheHaloThatABoxNeeds) {
  const ScratchFolder folder;
  write_volume(folder / "v.zarr", speckle({4, 40, 40}, 1));
  const std::string command = "histogram --sigma 2 --in " + (folder / "v.zarr") +
                              " --box z=0:4,y=0:20,x=0:20 --out " + (folder / "h.json");
  const Outcome outcome = imgop(command + " --estimate");
  const auto json = must(formats::parse_json(outcome.text, "estimate"));
  EXPECT_GT(*formats::get_unsigned(json, "memory_bytes"), 1u << 20);
  const std::string halo = *formats::get_text(json, "halo");
  const formats::Json& voxels = json.at("halo_voxels");
  EXPECT_EQ(fmt::format("z={},y={},x={}", voxels.at("z").get<int>(), voxels.at("y").get<int>(),
                        voxels.at("x").get<int>()),
            halo);
  // --sigma 2 is the default: a form knows the same without an image.
  const auto described = must(formats::parse_json(imgop("describe histogram --json").text, "d"));
  EXPECT_EQ(described.at("operators")[0].at("halo_arguments"),
            formats::Json({"sigma", "diameter"}));
  EXPECT_EQ(described.at("operators")[0].at("default_halo"), voxels);
  EXPECT_FALSE(std::filesystem::exists(folder / "h.json")) << "it only estimates";
  EXPECT_NE(imgop(command).text.find(halo), std::string::npos) << "the error names the same";
  EXPECT_EQ(imgop(command + " --halo " + halo).exit_code, 0);
}

// A workflow is planned before its first step has made labels.
TEST(Imgop, EstimatesOfLabelsThatDoNotExistYetAreAGuess) {
  const ScratchFolder folder;
  ASSERT_EQ(
      imgop("synth --nuclei 20 --touching 0.1 --shape 32,192,192 --out " + (folder / "v.zarr"))
          .exit_code,
      0);
  const std::string labels = folder / "labels.zarr";
  const std::string in = " --labels " + labels + " --in " + (folder / "v.zarr");
  const auto memory = [&](const std::string& command, bool is_guess) {
    const Outcome outcome = imgop(command + in + " --estimate");
    const auto json = must(formats::parse_json(outcome.text, outcome.text));
    EXPECT_EQ(json.contains("assumes"), is_guess) << outcome.text;
    return static_cast<double>(*formats::get_unsigned(json, "memory_bytes"));
  };
  const std::vector<std::string> commands = {
      "measure --shape --table " + (folder / "t.csv"),
      "measure --shape --box z=0:16,y=0:128,x=0:192 --out " + (folder / "t.sums"),
      "expand --distance 3 --out " + (folder / "e.zarr"),
      "split --diameter 14 --out " + (folder / "s.zarr"),
      "split --diameter 14 --box z=0:16,y=0:128,x=0:192 --out " + (folder / "b.zarr")};
  std::vector<double> guesses;
  for (const std::string& command : commands) {
    guesses.push_back(memory(command, true));
    EXPECT_NE(imgop(command + in).exit_code, 0) << "it runs without labels: " << command;
  }
  ASSERT_EQ(imgop("segment --diameter 14 --threshold 300 --in " + (folder / "v.zarr") + " --out " +
                  labels)
                .exit_code,
            0);
  for (size_t i = 0; i < commands.size(); ++i) {
    const double known = memory(commands[i], false);
    EXPECT_LT(guesses[i], 1.5 * known) << commands[i];
    EXPECT_GT(guesses[i], known / 1.5) << commands[i];
  }
}

TEST(Imgop, PrintsWhatADatasetIs) {
  const ScratchFolder folder;
  write_volume(folder / "a.zarr", GreyVolume({3, 20, 30}));
  const Outcome outcome = imgop("info --json --in " + (folder / "a.zarr"));
  EXPECT_EQ(outcome.exit_code, 0);
  const auto json = formats::Json::parse(outcome.text);
  EXPECT_EQ(json["axes"], "zyx");
  EXPECT_EQ(json["type"], "uint16");
  EXPECT_EQ(json["levels"][0]["shape"], (std::vector<int>{3, 20, 30}));
  EXPECT_EQ(json["levels"][0]["chunk"], (std::vector<int>{3, 8, 8}));
}

TEST(Imgop, PrintsWhatADatasetIsInLines) {
  const ScratchFolder folder;
  write_three_channels(folder, "a.zarr", 2);
  const Outcome zarr = imgop("info --in " + (folder / "a.zarr"));
  EXPECT_EQ(zarr.exit_code, 0);
  EXPECT_EQ(zarr.text,
            "name: a.zarr\nformat: OME-Zarr\naxes: tczyx\nshape: 2 x 3 x 8 x 16 x 40\n"
            "type: uint16\nlevels: 1\n"
            "level 0: 2 x 3 x 8 x 16 x 40 in chunks of 1 x 1 x 8 x 16 x 40, compressor none\n"
            "channels: 3\n");
  test::TiffBuilder stack;
  for (int page = 0; page < 25; ++page) stack.add_page(4, 4, 16);
  const Outcome tiff = imgop("info --in " + folder.write("stack.tif", stack.bytes()));
  EXPECT_NE(tiff.text.find("\naxes: zyx\n"), std::string::npos) << tiff.text;
  EXPECT_NE(tiff.text.find("\nz assumed: the file does not say what its 25 pages are\n"),
            std::string::npos)
      << tiff.text;
}

// What is written is read again by the same code here; other people's readers are asked elsewhere.
TEST(Imgop, ConvertsToOmeZarrAndOmeTiffAndBack) {
  const ScratchFolder folder;
  write_three_channels(folder, "a.zarr", 2);
  for (const char* out : {"b.zarr --version 0.4", "b.zarr --version 0.5", "b.ome.tif"}) {
    const Outcome outcome =
        imgop(fmt::format("convert --in {0}/a.zarr --out {0}/{1}", folder.path(), out));
    ASSERT_EQ(outcome.exit_code, 0) << outcome.text;
    const std::string path =
        folder / std::string(out, std::string(out).find_first_of(' ') == std::string::npos
                                      ? std::strlen(out)
                                      : std::string(out).find(' '));
    const auto from = must(pixels::PixelReader::open(folder / "a.zarr", {}));
    const auto to = must(pixels::PixelReader::open(path, {}));
    EXPECT_EQ(to->info().axes_text(), "tczyx");
    const auto& shape = from->info().levels[0].shape;
    ASSERT_EQ(to->info().levels[0].shape, shape) << out;
    std::vector<std::byte> expected(shape.voxels() * 2), got(expected.size());
    must(from->read(whole(shape, 0), formats::PixelType::uint16, expected));
    must(to->read(whole(shape, 0), formats::PixelType::uint16, got));
    EXPECT_EQ(expected, got) << out;
    EXPECT_EQ(std::filesystem::exists(folder / "b.zarr/zarr.json"),
              std::string(out).ends_with("0.5") || std::string(out).ends_with("tif"));
  }
  const Outcome refused =
      imgop(fmt::format("convert --in {0}/a.zarr --out {0}/b.jpg", folder.path()));
  EXPECT_EQ(refused.exit_code, 2);
}

TEST(Imgop, HalvesLargeImagesUntilTheyFitIntoAPicture) {
  const ScratchFolder folder;
  GreyVolume volume({1, 1100, 1300});
  for (size_t i = 0; i < volume.voxels.size(); ++i)
    volume.voxels[i] = static_cast<uint16_t>(i * 7 % 65521);
  write_volume(folder / "a.zarr", volume);
  ASSERT_EQ(imgop(fmt::format("convert --in {0}/a.zarr --out {0}/b.zarr", folder.path())).exit_code,
            0);
  const auto image = must(pixels::PixelReader::open(folder / "b.zarr", {}));
  ASSERT_EQ(image->info().levels.size(), 3u);
  EXPECT_EQ(image->info().levels[1].shape.extent(), (Extent{1, 550, 650}));
  EXPECT_EQ(image->info().levels[2].shape.extent(), (Extent{1, 275, 325}));
  EXPECT_EQ(image->info().levels[1].voxel_size.x, 2 * image->info().levels[0].voxel_size.x);
  uint16_t corner = 0;
  must(image->read({1, {0, 1}, {0, 1}, {0, 1}, {5, 6}, {9, 10}}, formats::PixelType::uint16,
                   std::as_writable_bytes(std::span(&corner, 1))));
  const int sum =
      volume.at(0, 10, 18) + volume.at(0, 10, 19) + volume.at(0, 11, 18) + volume.at(0, 11, 19);
  EXPECT_EQ(corner, (sum + 2) / 4);
}

TEST(Imgop, NeverLabelsTheStainsOfAnImageJStackAsOne) {
  const ScratchFolder folder;
  test::TiffBuilder stack;
  const test::TiffBuilder::Entry description{
      270, 2, {}, "ImageJ=1.53c\nimages=3\nchannels=3\nhyperstack=true\nmode=composite\n"};
  for (int page = 0; page < 3; ++page) stack.add_page(16, 16, 16, {description});
  folder.write("stains.tif", stack.bytes());
  const std::string command =
      fmt::format("segment --in {0}/stains.tif --out {0}/l.zarr ", folder.path());
  const Outcome outcome = imgop(command);
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_NE(outcome.text.find("stains.tif has 3 channels (c 0-2)"), std::string::npos)
      << outcome.text;
  EXPECT_EQ(imgop(command + "--select c=1").exit_code, 0);
}

TEST(Imgop, WritesWhatTheNameSaysOrRefuses) {
  const ScratchFolder folder;
  write_volume(folder / "a.zarr", speckle({4, 16, 16}, 1));
  const auto refused = [&](const std::string& arguments, const std::string& hint) {
    const Outcome outcome = imgop(arguments);
    EXPECT_EQ(outcome.exit_code, 2) << arguments << outcome.text;
    EXPECT_NE(outcome.text.find(hint), std::string::npos) << outcome.text;
  };
  const std::string in = " --in " + (folder / "a.zarr");
  const std::string out = " --out " + (folder / "out/x");
  const std::string table = " --table " + (folder / "out/x");
  for (const char* ending : {".tif", ".ome.tif", ".zarr.zip", "", ".h5"}) {
    refused("segment" + in + out + ending, "must end in .zarr");
    refused("merge-labels" + in + out + ending, "must end in .zarr");
    refused("synth --nuclei 1" + out + ending, "must end in .zarr");
  }
  for (const char* ending : {".xlsx", ".tsv", "", ".csv.gz"}) {
    refused("segment" + in + out + ".zarr" + table + ending, "must end in .csv");
    refused("merge-labels" + in + out + ".zarr" + table + ending, "must end in .csv");
  }
  for (const char* ending : {".jpg", ".tif", ""}) {
    refused("project" + in + out + ending, "must end in .zarr or .png");
  }
  refused("histogram" + in + out + ".csv", "must end in .json");
  refused("threshold --otsu h" + out + ".txt", "must end in .json");
  refused("histogram" + in + " --out " + (folder / "out/.json"), "must end in .json");
  EXPECT_FALSE(std::filesystem::exists(folder / "out"));
  EXPECT_EQ(imgop("segment" + in + out + ".OME.ZARR/" + table + ".CSV").exit_code, 0);
  EXPECT_EQ(imgop("project" + in + out + ".PNG").exit_code, 0);
}

// The line of an output that the report shows; empty if there is none.
std::string report_of(const Outcome& outcome) {
  EXPECT_EQ(outcome.exit_code, 0) << outcome.text;
  const size_t begin = outcome.text.find("report: ");
  if (begin == std::string::npos) return {};
  EXPECT_TRUE(begin == 0 || outcome.text[begin - 1] == '\n') << outcome.text;
  return outcome.text.substr(begin, outcome.text.find('\n', begin) - begin);
}

TEST(Imgop, ReportsWhereItsNumbersComeFrom) {
  const ScratchFolder folder;
  write_three_channels(folder, "a.zarr", 2);
  const std::string path = folder.path();
  const auto segment = [&](const std::string& more) {
    return report_of(imgop(
        fmt::format("segment --sigma 0 --in {0}/a.zarr --out {0}/l.ome.zarr {1}", path, more)));
  };
  EXPECT_EQ(segment(fmt::format("--select t=0,c=2 --table {}/o.csv", path)),
            "report: o.csv: 3 objects in a.zarr, level 0, t 0, c 2, z 0-7; threshold 0 (Otsu)");
  EXPECT_EQ(segment("--select t=0,c=0,z=4:7,x=0-19 --threshold 5"),
            "report: l.ome.zarr: 1 object in a.zarr, level 0, t 0, c 0, z 4-6, x 0-19; threshold 5 "
            "(given)");
  EXPECT_EQ(report_of(imgop(fmt::format(
                "histogram --in {0}/a.zarr --select t=1,c=1,z=3 --out {0}/h.json", path))),
            "report: h.json: histogram of a.zarr, level 0, t 1, c 1, z 3");
  EXPECT_EQ(report_of(imgop(
                fmt::format("project --in {0}/a.zarr --select t=0,c=1 --out {0}/p.png", path))),
            "report: p.png: brightest along z of a.zarr, level 0, t 0, c 1, z 0-7");
  test::TiffBuilder stack;
  for (int page = 0; page < 5; ++page) stack.add_page(4, 4, 16);
  folder.write("s.tif", stack.bytes());
  EXPECT_EQ(
      report_of(imgop(fmt::format("segment --in {0}/s.tif --out {0}/s.zarr", path))),
      "report: s.zarr: 0 objects in s.tif, level 0, t 0, c 0, z 0-4 (z assumed: the file does "
      "not say what its 5 pages are); threshold 257 (Otsu)");
}

TEST(Imgop, ReportsOfBlocksWhatItReportsOfTheWhole) {
  const ScratchFolder folder;
  test::TiffBuilder stack;
  for (int page = 0; page < 4; ++page) stack.add_page(8, 8, 16);
  folder.write("s.tif", stack.bytes());
  const std::string path = folder.path();
  for (const int half : {0, 1}) {
    const std::string box = fmt::format("z={}:{},y=0:8,x=0:8", half * 2, half * 2 + 2);
    EXPECT_EQ(
        report_of(imgop(fmt::format(
            "histogram --sigma 0 --in {0}/s.tif --box {1} --out {0}/h/{2}.json", path, box, half))),
        "");
  }
  EXPECT_EQ(
      report_of(imgop(fmt::format("threshold --otsu {0}/h --out {0}/t.json", path))),
      "report: t.json: threshold 257 (Otsu) of s.tif, level 0, t 0, c 0, z 0-3 (z assumed: the "
      "file does not say what its 4 pages are)");
  for (const int half : {0, 1}) {
    const std::string box = fmt::format("z={}:{},y=0:8,x=0:8", half * 2, half * 2 + 2);
    EXPECT_EQ(report_of(imgop(fmt::format("segment --sigma 0 --threshold @{0}/t.json --in "
                                          "{0}/s.tif --box {1} --out {0}/l/{2}.zarr",
                                          path, box, half))),
              "");
  }
  EXPECT_EQ(report_of(imgop(
                fmt::format("merge-labels --in {0}/l --out {0}/m.zarr --table {0}/m.csv", path))),
            "report: m.csv: 0 objects in s.tif, level 0, t 0, c 0, z 0-3 (z assumed: the file does "
            "not say what its 4 pages are); threshold 257 (Otsu)");
}

TEST(Imgop, RefusesTheThresholdOfAnotherChannelAndBlocksThatDisagree) {
  const ScratchFolder folder;
  write_three_channels(folder, "a.zarr", 2);
  const std::string path = folder.path();
  const auto run = [&](const std::string& arguments) { return imgop(arguments); };
  EXPECT_EQ(run(fmt::format("histogram --sigma 0 --in {0}/a.zarr --select t=0,c=0 --out {0}/h.json",
                            path))
                .exit_code,
            0);
  EXPECT_EQ(run(fmt::format("threshold --otsu {0}/h.json --out {0}/t.json", path)).exit_code, 0);
  const std::string segment = fmt::format(
      "segment --sigma 0 --threshold @{0}/t.json --in {0}/a.zarr --out {0}/l.zarr "
      "--select ",
      path);
  const Outcome other = run(segment + "t=0,c=1");
  EXPECT_EQ(other.exit_code, 1);
  EXPECT_NE(other.text.find("was computed for level 0, c 0, not for level 0, c 1"),
            std::string::npos)
      << other.text;
  EXPECT_NE(report_of(run(segment + "t=1,c=0"))
                .find("threshold 0 (Otsu of a.zarr, level 0, t 0, c 0, z 0-7)"),
            std::string::npos);
  for (const int half : {0, 1}) {
    run(
        fmt::format("segment --sigma 0 --threshold 5 --in {0}/a.zarr --box "
                    "t=0,c={1},z=0:8,y=0:16,x={2}:{3} --out {0}/l/{1}.zarr",
                    path, half, half * 20, half * 20 + 20));
  }
  const Outcome merged = run(fmt::format("merge-labels --in {0}/l --out {0}/m.zarr", path));
  EXPECT_EQ(merged.exit_code, 1);
  EXPECT_NE(merged.text.find(" instead of c "), std::string::npos) << merged.text;
}

}  // namespace
}  // namespace tierhub::imaging
