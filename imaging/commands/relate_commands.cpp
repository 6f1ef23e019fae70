#include <algorithm>
#include <memory>

#include <fmt/format.h>

#include "imaging/commands/common_options.h"
#include "imaging/commands/label_options.h"
#include "imaging/images/output.h"
#include "imaging/labels/finished.h"
#include "imaging/labels/relation.h"
#include "imaging/tables/condition.h"
#include "imaging/tables/csv.h"
#include "imaging/tables/object_table.h"

namespace tierhub::imaging {
namespace {

struct FilterLabelsCommand {
  std::string labels;
  std::string in;
  std::vector<std::string> where;
  bool keep_numbers = false;
  LabelOutputs outputs;
};

// The label of each row of the table.
Result<std::vector<uint32_t>> labels_of_rows(const Table& table, const FilterLabelsCommand& command,
                                             const std::vector<ObjectSums>& objects) {
  TRY_ASSIGN(const size_t column, table.column("label"));
  std::vector<uint32_t> labels;
  std::vector<bool> is_known(objects.size() + 1);
  for (size_t row = 0; row < table.rows(); ++row) {
    TRY_ASSIGN(const auto number, table.number(row, column));
    const double label = number.value_or(0);
    if (!(label >= 1 && label <= static_cast<double>(objects.size())) ||
        label != static_cast<double>(static_cast<uint32_t>(label)) ||
        objects[static_cast<size_t>(label) - 1].voxels == 0) {
      return Error(std::errc::invalid_argument,
                   fmt::format("{}: label {} is not in {}: the table must be of these labels",
                               table.place(row), table.cell(row, column), command.labels));
    }
    labels.push_back(static_cast<uint32_t>(label));
    if (is_known[labels.back()]) {
      return Error(std::errc::invalid_argument,
                   fmt::format("{}: label {} appears twice: the table must be of these labels "
                               "alone",
                               table.place(row), labels.back()));
    }
    is_known[labels.back()] = true;
  }
  return labels;
}

// Leaves the rows of objects that are kept, with their new labels.
void keep_objects(Table& table, const std::vector<uint32_t>& label_of_row,
                  const std::vector<uint32_t>& new_label) {
  const size_t label = *table.find("label");
  std::vector<bool> is_kept(table.rows());
  for (size_t row = 0; row < table.rows(); ++row) {
    const uint32_t number = new_label[label_of_row[row] - 1];
    is_kept[row] = number != 0;
    if (is_kept[row]) table.set(row, label, fmt::format("{}", number));
  }
  table.keep_rows(is_kept);
}

Result<void> run_filter_labels(const FilterLabelsCommand& command) {
  std::vector<Condition> conditions;
  std::string where;
  for (const std::string& text : command.where) {
    TRY_ASSIGN(Condition condition, Condition::parse(text));
    conditions.push_back(std::move(condition));
    where += (where.empty() ? "" : " and ") + text;
  }
  TRY_ASSIGN(Table table, read_csv(command.in));
  TRY_ASSIGN(const std::vector<bool> fulfils, rows_where(table, conditions));
  TRY_ASSIGN(FinishedLabels finished,
             open_finished_labels(command.labels, command.outputs.path(), allowed_threads()));
  MergedLabels& labels = finished.whole.labels;
  const size_t before = labels.count();
  TRY_ASSIGN(const std::vector<uint32_t> label_of_row,
             labels_of_rows(table, command, labels.objects()));
  std::vector<uint32_t> kept;
  for (size_t row = 0; row < table.rows(); ++row) {
    if (fulfils[row]) kept.push_back(label_of_row[row]);
  }
  const std::vector<uint32_t> new_label = numbers_of_kept(
      labels.objects().size(), kept, command.keep_numbers ? Numbering::own : Numbering::dense);
  labels.renumber(new_label, where);
  LabelOutputs outputs = command.outputs;
  outputs.table.clear();
  TRY(write_results(labels, outputs));
  if (!command.outputs.table.empty()) {
    keep_objects(table, label_of_row, new_label);
    TRY(write_output_file(command.outputs.table, csv_text(table)));
  }
  fmt::print("{} of {} objects kept\n", labels.count(), before);
  if (before > label_of_row.size())
    fmt::print("{} objects without a row left out\n", before - label_of_row.size());
  return {};
}

void add_filter_labels(Registry& registry) {
  const auto options = std::make_shared<FilterLabelsCommand>();
  Operator op(registry, "filter-labels",
              "Keep the objects whose row in a table fulfils conditions: size, shape, brightness",
              "imgop filter-labels --labels nuclei.ome.zarr --in nuclei.csv --where "
              "\"area_px >= 50\" --where \"intensity_mean > 300\" --out large.ome.zarr --table "
              "large.csv");
  op.add("--labels", options->labels, path_in("labels"),
         "Labels that imgop wrote, or a label image of another program")
      ->required();
  op.add("--in", options->in, path_in("table"),
         "The table of these labels alone; its rows are found by the column label. An object "
         "without a row is left out")
      ->required();
  op.add("--where", options->where,
         list_of(text("condition",
                      [](const std::string& t) { return parsed_by(Condition::parse)(t); })),
         "A condition that rows must fulfil: a column, one of < <= > >= = !=, and a number. May be "
         "repeated: all must be true")
      ->required();
  op.add_flag("--keep-numbers", options->keep_numbers,
              "Objects keep their numbers, so that other tables still fit; else they are numbered "
              "without gaps, in the same order");
  add_label_outputs(op, options->outputs, "objects");
  op.set_run([options] { return run_filter_labels(*options); });
}

struct RelateCommand {
  std::string children;
  std::string parents;
  std::string name = "children";
  std::string table;
  std::string summary;
};

Result<std::string> table_of_children(const MergedLabels& children,
                                      const std::vector<Parent>& parents) {
  TRY_ASSIGN(Table table, parse_csv(object_table(children.objects(), children.record()), ""));
  const size_t parent = table.add_column("parent");
  const size_t share = table.add_column("parent_share");
  size_t row = 0;
  for (size_t i = 0; i < parents.size(); ++i) {
    const uint64_t voxels = children.objects()[i].voxels;
    if (voxels == 0) continue;
    table.set(row, parent, fmt::format("{}", parents[i].label));
    table.set(row, share,
              number_text(static_cast<double>(parents[i].overlap) / static_cast<double>(voxels)));
    ++row;
  }
  return csv_text(table);
}

Result<std::string> table_of_parents(const MergedLabels& parents,
                                     const std::vector<Children>& children,
                                     const std::string& name) {
  TRY_ASSIGN(Table table, parse_csv(object_table(parents.objects(), parents.record()), ""));
  const char* size = parents.record().box.z.size() == 1 ? "area_px" : "volume_vx";
  const size_t count = table.add_column(name + "_count");
  const size_t sum = table.add_column(fmt::format("{}_{}_sum", name, size));
  const size_t mean = table.add_column(fmt::format("{}_{}_mean", name, size));
  size_t row = 0;
  for (size_t i = 0; i < children.size(); ++i) {
    if (parents.objects()[i].voxels == 0) continue;
    const Children& own = children[i];
    table.set(row, count, fmt::format("{}", own.count));
    table.set(row, sum, fmt::format("{}", own.voxels));
    if (own.count > 0)
      table.set(row, mean,
                number_text(static_cast<double>(own.voxels) / static_cast<double>(own.count)));
    ++row;
  }
  return csv_text(table);
}

Result<void> run_relate(const RelateCommand& command) {
  const std::string& out = command.summary.empty() ? command.table : command.summary;
  TRY_ASSIGN(const FinishedLabels children,
             open_finished_labels(command.children, out, allowed_threads()));
  TRY_ASSIGN(const FinishedLabels parents,
             open_finished_labels(command.parents, out, allowed_threads()));
  TRY_ASSIGN(const std::vector<Parent> parent_of,
             find_parents(children.labels(), parents.labels(), children.parts));
  const std::vector<Children> of_parents =
      children_of(children.labels(), parent_of, parents.labels().objects().size());
  if (!command.table.empty()) {
    TRY_ASSIGN(const std::string table, table_of_children(children.labels(), parent_of));
    TRY(write_output_file(command.table, table));
  }
  if (!command.summary.empty()) {
    TRY_ASSIGN(const std::string table,
               table_of_parents(parents.labels(), of_parents, command.name));
    TRY(write_output_file(command.summary, table));
  }
  const auto inside = std::count_if(parent_of.begin(), parent_of.end(),
                                    [](const Parent& parent) { return parent.label != 0; });
  const auto with_children = std::count_if(of_parents.begin(), of_parents.end(),
                                           [](const Children& own) { return own.count > 0; });
  print_report(out,
               fmt::format("{} of {} {} lie in {} of {} parents", inside, children.labels().count(),
                           command.name, with_children, parents.labels().count()));
  return {};
}

void add_relate(Registry& registry) {
  const auto options = std::make_shared<RelateCommand>();
  Operator op(
      registry, "relate", "Find which objects lie in which: count the spots of each cell",
      "imgop relate --children spots.ome.zarr --parents cells.ome.zarr --name spots --table "
      "spots.csv --summary cells.csv");
  op.add("--children", options->children, path_in("labels"),
         "Labels that imgop wrote, or a label image of another program: what is counted")
      ->required();
  op.add("--parents", options->parents, path_in("labels"),
         "Labels of the same voxels: what children lie in")
      ->required();
  op.add("--name", options->name, text("name"),
         "What the children are: begins the names of their columns in --summary");
  op.add("--table", options->table, path_out("table", {".csv"}),
         "CSV file with a row for each child and the label of its parent, 0 if it has none: the "
         "object with most of its voxels (of two with as many, the one with the smaller label)");
  op.add("--summary", options->summary, path_out("table", {".csv"}),
         "CSV file with a row for each parent: how many children, their size together and their "
         "mean size");
  op.command().parse_complete_callback([options] {
    if (options->table.empty() && options->summary.empty())
      throw CLI::ValidationError("relate", "give --table, --summary, or both");
  });
  op.set_run([options] { return run_relate(*options); });
}

}  // namespace

void add_relate_commands(Registry& registry) {
  add_filter_labels(registry);
  add_relate(registry);
}

}  // namespace tierhub::imaging
