#include "imaging/commands/label_options.h"

#include "imaging/commands/common_options.h"
#include "imaging/images/output.h"
#include "imaging/tables/object_table.h"

namespace tierhub::imaging {

CLI::Option* add_diameter(Operator& op, std::string& diameter, const char* help) {
  return op.add("--diameter", diameter, text("diameter"), help);
}

void add_label_outputs(Operator& op, std::string& labels, std::string& table) {
  op.add("--out", labels, path_out("labels", {".zarr"}),
         "Labels to write, an OME-Zarr folder (.zarr)")
      ->required();
  op.add("--table", table, path_out("table", {".csv"}),
         "CSV file with a row for each object (.csv)");
}

// Writes finished labels and their table.
Result<void> write_results(const MergedLabels& labels, const std::string& out,
                           const std::string& table) {
  TRY(labels.write(out, allowed_threads()));
  if (!table.empty()) {
    TRY(write_output_file(table, object_table(labels.objects(), labels.record())));
  }
  print_report(table.empty() ? out : table, objects_text(labels.objects().size(), labels.record()));
  return {};
}

}  // namespace tierhub::imaging
