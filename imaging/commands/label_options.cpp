#include "imaging/commands/label_options.h"

#include <algorithm>
#include <cctype>
#include <filesystem>

#include <fmt/format.h>

#include "imaging/images/output.h"
#include "imaging/labels/label_image.h"
#include "imaging/tables/object_table.h"

namespace tierhub::imaging {
namespace {

// Labels are folders of these names; viewers show them.
std::string check_name(const std::string& name) {
  const bool is_plain = std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::isalnum(c) || c == '_' || c == '-' || c == '.';
  });
  if (is_plain && !name.empty() && name.front() != '.') return {};
  return fmt::format("\"{}\": use letters, digits, _, - and .", name);
}

}  // namespace

CLI::Option* add_diameter(Operator& op, std::string& diameter, const char* help) {
  return op.add("--diameter", diameter, text("diameter"), help);
}

void add_label_outputs(Operator& op, LabelOutputs& outputs, const char* name) {
  outputs.name = name;
  CLI::Option* out = op.add("--out", outputs.out, path_out("labels", {".zarr"}),
                            "Labels to write, an OME-Zarr folder (.zarr)");
  CLI::Option* into = op.add("--into", outputs.into, path_in("image"),
                             "Instead of --out: an OME-Zarr image, which gets them as one of its "
                             "labels (IMAGE/labels/NAME), where viewers look for them")
                          ->excludes(out);
  op.add("--name", outputs.name, text("name", check_name), "The name of the labels with --into")
      ->needs(into);
  op.add("--table", outputs.table, path_out("table", {".csv"}),
         "CSV file with a row for each object (.csv)");
  op.require_one_of({out, into});
}

void check_block_outputs(const std::string& box, const LabelOutputs& outputs) {
  if (box.empty()) return;
  const char* wrong = !outputs.into.empty()    ? "--into"
                      : !outputs.table.empty() ? "--table"
                                               : nullptr;
  if (wrong == nullptr) return;
  throw CLI::ValidationError(
      wrong,
      "the objects of a block are no result: give --out, and let imgop merge-labels do this");
}

bool exists_now(const std::string& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  return status.type() != std::filesystem::file_type::not_found;
}

Result<LabelSource> foreseen_labels(const std::string& path, const Part& image,
                                    const std::string& select) {
  if (exists_now(path) || image.in.empty())
    return LabelSource::open(path, allowed_threads().threads(), select);
  TRY_ASSIGN(const OpenedPart opened, open_unscaled(image));
  return LabelSource::assumed(opened.reader.info(), opened.box);
}

Result<void> write_results(const MergedLabels& labels, const LabelOutputs& outputs) {
  if (outputs.into.empty()) {
    TRY(write_label_image(labels, outputs.out, allowed_threads()));
  } else {
    TRY(write_labels_into(labels, outputs.into, outputs.name, allowed_threads()));
  }
  if (!outputs.table.empty()) {
    TRY(write_output_file(outputs.table, object_table(labels.objects(), labels.record())));
  }
  print_report(outputs.table.empty() ? outputs.path() : outputs.table,
               objects_text(labels.count(), labels.record()));
  return {};
}

}  // namespace tierhub::imaging
