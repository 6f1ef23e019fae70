#include <filesystem>
#include <map>
#include <memory>
#include <optional>

#include <fmt/format.h>

#include "common/first_error.h"
#include "formats/selection.h"
#include "imaging/commands/common_options.h"
#include "imaging/images/image_list.h"
#include "imaging/images/output.h"
#include "imaging/images/source.h"
#include "imaging/pictures/heatmap.h"
#include "imaging/pictures/line_plot.h"
#include "imaging/pictures/montage.h"
#include "imaging/pictures/plot.h"
#include "imaging/tables/csv.h"
#include "imaging/tables/name_pattern.h"
#include "imaging/tables/summary.h"

namespace tierhub::imaging {
namespace {

Error no_picture(std::string text) { return Error(std::errc::invalid_argument, std::move(text)); }

void add_picture_out(Operator& op, std::string& out) {
  op.add("--out", out, path_out("picture", {".png"}), "PNG file to write (.png)")->required();
}

// A column of a table as a picture.
struct ColumnCommand {
  std::string table;
  std::string column;
  std::string x;
  uint64_t bins = 0;
  std::string plate = "auto";
  std::string out;
};

void add_table_column(Operator& op, ColumnCommand& command) {
  op.add("--table", command.table, path_in("table"), "CSV file with a header")->required();
  op.add("--column", command.column, text("column"), "The column to draw, such as area_px")
      ->required();
}

// The points of two columns, in the order of the first; an x in two rows is an error.
Result<std::vector<PlotPoint>> points_of(const Table& table, const ColumnCommand& command) {
  TRY_ASSIGN(const size_t x_column, table.column(command.x));
  TRY_ASSIGN(const size_t y_column, table.column(command.column));
  std::map<double, PlotPoint> points;
  for (size_t row = 0; row < table.rows(); ++row) {
    TRY_ASSIGN(const auto x, table.number(row, x_column));
    TRY_ASSIGN(const auto y, table.number(row, y_column));
    if (!x || !y) continue;
    if (!points.emplace(*x, PlotPoint{*x, *y}).second) {
      return no_picture(
          fmt::format("{}: {} {} appears twice: imgop table --summary makes one row "
                      "of each",
                      table.place(row), command.x, table.cell(row, x_column)));
    }
  }
  if (points.empty()) {
    return no_picture(
        fmt::format("{} has no row with numbers in {} and {}: there is nothing to "
                    "draw",
                    command.table, command.x, command.column));
  }
  std::vector<PlotPoint> sorted;
  for (const auto& [x, point] : points) sorted.push_back(point);
  return sorted;
}

Result<void> run_line_plot(const ColumnCommand& command) {
  TRY_ASSIGN(const Table table, read_csv(command.table));
  TRY_ASSIGN(const std::vector<PlotPoint> points, points_of(table, command));
  const Canvas canvas = draw_line_plot(points, command.x, command.column, base_name(command.table));
  TRY(write_png(command.out, canvas.picture()));
  print_report(command.out, fmt::format("{} over {} of {}, n = {}", command.column, command.x,
                                        base_name(command.table), points.size()));
  return {};
}

Result<void> run_plot(const ColumnCommand& command) {
  if (!command.x.empty()) return run_line_plot(command);
  TRY_ASSIGN(const Table table, read_csv(command.table));
  TRY_ASSIGN(const size_t column, table.column(command.column));
  std::vector<double> values;
  for (size_t row = 0; row < table.rows(); ++row) {
    TRY_ASSIGN(const auto value, table.number(row, column));
    if (value) values.push_back(*value);
  }
  if (values.empty()) {
    return no_picture(fmt::format("{} has no number in the column {}: there is nothing to draw",
                                  command.table, command.column));
  }
  const Canvas canvas =
      draw_histogram(values, command.bins, command.column, base_name(command.table));
  TRY(write_png(command.out, canvas.picture()));
  std::string words =
      fmt::format("{} of {}, n = {}, median {}", command.column, base_name(command.table),
                  values.size(), number_text(median_of_values(values)));
  if (values.size() < table.rows())
    words += fmt::format("; {} row{} without a value left out", table.rows() - values.size(),
                         table.rows() - values.size() == 1 ? "" : "s");
  print_report(command.out, words);
  return {};
}

void add_plot(Registry& registry) {
  const auto options = std::make_shared<ColumnCommand>();
  Operator op(
      registry, "plot",
      "Draw the histogram of a column of a table, with its median, or a column over another",
      "imgop plot --table objects.csv --column area_px --out areas.png\n"
      "  imgop plot --table times.csv --column count --x t --out growth.png");
  add_table_column(op, *options);
  CLI::Option* x = op.add("--x", options->x, text("column"),
                          "Draw --column over this one, such as t, as a line");
  op.add("--bins", options->bins, integer(0, 1000, "bins"),
         "How many bars, from the smallest to the largest value; 0: bars of a round width that "
         "fits the values")
      ->excludes(x);
  add_picture_out(op, options->out);
  op.set_run([options] { return run_plot(*options); });
}

// The value of each well; a well in two rows is an error.
Result<std::map<Well, double>> values_of_wells(const Table& table, const std::string& name) {
  TRY_ASSIGN(const size_t wells, table.column("well"));
  TRY_ASSIGN(const size_t column, table.column(name));
  std::map<Well, double> values;
  std::map<Well, size_t> seen;
  for (size_t row = 0; row < table.rows(); ++row) {
    const auto well = parse_well(table.cell(row, wells));
    if (!well) {
      return no_picture(fmt::format("{}: \"{}\" is no well: write wells as A1", table.place(row),
                                    table.cell(row, wells)));
    }
    if (const auto [first, is_new] = seen.emplace(*well, row); !is_new) {
      return no_picture(
          fmt::format("{} and {} are both of well {}: imgop table --summary well makes "
                      "one row a well",
                      table.place(first->second), table.place(row), to_text(*well)));
    }
    TRY_ASSIGN(const auto value, table.number(row, column));
    if (value) values[*well] = *value;
  }
  if (values.empty())
    return no_picture(
        fmt::format("{} has no number in the column {}", table.files().front(), name));
  return values;
}

Result<void> run_heatmap(const ColumnCommand& command) {
  TRY_ASSIGN(const Table table, read_csv(command.table));
  TRY_ASSIGN(const auto values, values_of_wells(table, command.column));
  PlateSize plate = fitting_plate(values);
  if (command.plate != "auto") {
    const PlateSize needed = plate;
    plate = *plate_of(std::stoul(command.plate));
    if (needed.rows > plate.rows) {
      return no_picture(fmt::format("{} has wells outside of a plate of {}: try --plate {}",
                                    command.table, command.plate, needed.rows * needed.columns));
    }
  }
  const Canvas canvas = draw_plate(values, plate, command.column, base_name(command.table));
  TRY(write_png(command.out, canvas.picture()));
  print_report(command.out, fmt::format("{} of {} of {} wells in {}", command.column, values.size(),
                                        plate.rows * plate.columns, base_name(command.table)));
  return {};
}

void add_heatmap(Registry& registry) {
  const auto options = std::make_shared<ColumnCommand>();
  Operator op(registry, "heatmap", "Draw a plate: a column of a table with one row a well",
              "imgop heatmap --table wells.csv --column count --out plate.png");
  add_table_column(op, *options);
  op.add("--plate", options->plate, choice({"auto", "96", "384", "1536"}),
         "How many wells the plate has; auto: the smallest plate with all wells of the table");
  add_picture_out(op, options->out);
  op.set_run([options] { return run_heatmap(*options); });
}

struct MontageCommand {
  std::vector<std::string> in;
  std::string select;
  std::string names;
  std::string labels;
  uint64_t columns = 0;
  uint64_t size = 160;
  std::string out;
};

constexpr size_t kMostThumbnails = 10'000;

// The labels of an image: those of its name in a folder, or the only ones.
Result<std::string> labels_of(const std::string& labels, const Thumbnail& thumbnail,
                              size_t images) {
  if (labels.empty()) return std::string();
  if (images == 1 && formats::Image::open(labels)) return labels;
  const std::string name = thumbnail.well && thumbnail.path.find(".zarr/") != std::string::npos
                               ? fmt::format("{}-{}", to_text(*thumbnail.well), thumbnail.field)
                               : stem_of(thumbnail.path);
  for (const char* ending : {".ome.zarr", ".zarr", ".ome.tif", ".tif", ".tiff", ".png"}) {
    std::string path = fmt::format("{}/{}{}", labels, name, ending);
    std::error_code ignored;
    if (std::filesystem::exists(path, ignored)) return path;
  }
  return no_picture(
      fmt::format("{} has no labels of {}: they would be named {}.ome.zarr, {}.zarr or "
                  "{}.tif",
                  labels, thumbnail.path, name, name, name));
}

Result<Thumbnail> thumbnail_of(const std::string& path, const std::optional<NamePattern>& names) {
  TRY_ASSIGN(const auto image, formats::Image::open(path));
  const Source source = source_of(image->info());
  Thumbnail thumbnail;
  thumbnail.path = path;
  thumbnail.name = stem_of(path);
  thumbnail.well = parse_well(source.well);
  thumbnail.field = source.field;
  if (thumbnail.well) {
    thumbnail.name = fmt::format("{}-{}", source.well, source.field);
  } else if (names) {
    TRY_ASSIGN(auto values, names->match(path));
    thumbnail.well = parse_well(values["well"]);
    thumbnail.field = values["field"];
    if (thumbnail.well) {
      thumbnail.name = to_text(*thumbnail.well);
      if (!thumbnail.field.empty()) thumbnail.name += "-" + thumbnail.field;
    }
  }
  return thumbnail;
}

// Several images of one field, such as its channels, are told apart by the names of their files.
void name_apart(std::vector<Thumbnail>& thumbnails) {
  std::map<std::string, size_t> uses;
  for (const Thumbnail& thumbnail : thumbnails) ++uses[thumbnail.name];
  for (Thumbnail& thumbnail : thumbnails) {
    if (uses[thumbnail.name] > 1) thumbnail.name = stem_of(thumbnail.path);
  }
}

Result<void> run_montage(const MontageCommand& command) {
  std::optional<NamePattern> names;
  if (!command.names.empty()) {
    TRY_ASSIGN(names, NamePattern::parse(command.names));
  }
  TRY_ASSIGN(const std::vector<std::string> images, images_at(command.in));
  if (images.size() > kMostThumbnails) {
    return no_picture(fmt::format("{} images are too many for one picture: at most {}",
                                  images.size(), kMostThumbnails));
  }
  std::vector<Thumbnail> thumbnails;
  for (const std::string& path : images) {
    TRY_ASSIGN(Thumbnail thumbnail, thumbnail_of(path, names));
    TRY_ASSIGN(thumbnail.labels, labels_of(command.labels, thumbnail, images.size()));
    thumbnails.push_back(std::move(thumbnail));
  }
  name_apart(thumbnails);
  sort_thumbnails(thumbnails);
  FirstError failed;
  allowed_threads().for_each(thumbnails.size(), [&](size_t i) {
    failed.note(read_thumbnail(thumbnails[i], command.select, command.size));
  });
  TRY(failed.result());
  TRY_ASSIGN(const Canvas canvas, draw_montage(thumbnails, command.columns));
  TRY(write_png(command.out, canvas.picture()));
  print_report(command.out, fmt::format("brightest along z of {} image{}{}, one contrast for all",
                                        thumbnails.size(), thumbnails.size() == 1 ? "" : "s",
                                        command.select.empty() ? "" : " (" + command.select + ")"));
  return {};
}

void add_montage(Registry& registry) {
  const auto options = std::make_shared<MontageCommand>();
  Operator op(registry, "montage", "Draw many images as thumbnails, all with the same contrast",
              "imgop montage --in plate.ome.zarr --select c=0 --out plate.png\n"
              "  imgop montage --in images --names \"*_{well}_s{field}\" --labels labels "
              "--out plate.png");
  op.add("--in", options->in, list_of(path_in("image")),
         "Image, folder of images, or OME-Zarr plate")
      ->required();
  op.add("--select", options->select, text("select", parsed_by(formats::parse_selection)),
         "Which time point and channel of each image, such as c=0. Without a level, the smallest "
         "that is large enough is read");
  op.add("--names", options->names, text("names", parsed_by(NamePattern::parse)),
         "Take well and field from the names of files, such as \"*_{well}_s{field}\": thumbnails "
         "lie as on the plate");
  op.add("--labels", options->labels, path_in("labels"),
         "Folder with the labels of each image, named after it (A1_s1.ome.zarr for A1_s1.tif; "
         "B3-0.ome.zarr for an image of a plate): objects get outlines");
  op.add("--columns", options->columns, integer(0, 1000, "images"),
         "How many thumbnails a row; 0: as on the plate, or near a square");
  op.add("--size", options->size, integer(16, 2048, "pixel"),
         "How wide and high a thumbnail is, at most");
  add_picture_out(op, options->out);
  op.set_run([options] { return run_montage(*options); });
}

}  // namespace

void add_picture_commands(Registry& registry) {
  add_plot(registry);
  add_heatmap(registry);
  add_montage(registry);
}

}  // namespace tierhub::imaging
