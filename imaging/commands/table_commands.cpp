#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "imaging/commands/common_options.h"
#include "imaging/images/output.h"
#include "imaging/images/source.h"
#include "imaging/tables/combine.h"
#include "imaging/tables/condition.h"
#include "imaging/tables/csv.h"
#include "imaging/tables/name_pattern.h"
#include "imaging/tables/summary.h"

namespace tierhub::imaging {
namespace {

struct TableCommand {
  std::vector<std::string> in;
  std::vector<std::string> with;
  std::vector<std::string> by = {"file", "well", "field", "t", "label"};
  bool outer = false;
  std::vector<std::string> columns;
  std::vector<std::string> where;
  std::string names;
  std::vector<std::string> summary;
  std::string z_prime;
  std::vector<std::string> percent;
  std::vector<std::string> positive;
  std::vector<std::string> negative;
  std::string out;
};

std::string check_with(const std::string& text) {
  if (split_prefix(text)) return {};
  return "--with must be FILE_OR_FOLDER:PREFIX, such as ring.csv:ring_";
}

std::string counted(size_t count, const char* one, const char* many) {
  return fmt::format("{} {}", count, count == 1 ? one : many);
}

std::string listed(const std::vector<std::string>& texts) {
  std::string list;
  for (const std::string& text : texts) list += (list.empty() ? "" : ", ") + text;
  return list;
}

// All tables of some paths, with wells and fields from the names of files.
Result<Table> gather(const std::vector<std::string>& paths, const std::string& out,
                     const std::optional<NamePattern>& names) {
  std::vector<std::string> files;
  for (const std::string& path : paths) {
    TRY_ASSIGN(const std::vector<std::string> found, find_tables(path, out));
    files.insert(files.end(), found.begin(), found.end());
  }
  TRY_ASSIGN(Table table, read_tables(files));
  if (names) TRY(fill_from_names(table, *names));
  write_wells_alike(table);
  return table;
}

// Tables without a row, and the wells (or time points) that their names give.
struct EmptyTables {
  std::vector<GroupName> groups;
  size_t unknown = 0;
};

Result<EmptyTables> empty_tables(const Table& table, const std::vector<std::string>& by,
                                 const std::optional<NamePattern>& names) {
  const bool is_named =
      names && std::all_of(by.begin(), by.end(), [&](const auto& key) { return names->has(key); });
  std::vector<bool> has_rows(table.files().size());
  for (size_t row = 0; row < table.rows(); ++row) has_rows[table.file_of(row)] = true;
  EmptyTables empty;
  for (size_t i = 0; i < has_rows.size(); ++i) {
    if (has_rows[i]) continue;
    if (!is_named) {
      ++empty.unknown;
      continue;
    }
    auto values = names->match(table.files()[i]);
    if (!values) return values.error().in("a table without objects");
    GroupName& name = empty.groups.emplace_back();
    for (const std::string& key : by) name.push_back((*values)[key]);
  }
  return empty;
}

Result<std::string> add_partners(Table& table, const TableCommand& command,
                                 const std::optional<NamePattern>& names) {
  std::string words;
  for (const std::string& with : command.with) {
    const auto [path, prefix] = *split_prefix(with);
    TRY_ASSIGN(Table other, gather({path}, command.out, names));
    TRY_ASSIGN(const JoinCounts counts,
               join(table, std::move(other), prefix, command.by,
                    command.outer ? Unmatched::left_empty : Unmatched::refused));
    if (counts.without_partner > 0)
      words += fmt::format("; {} not in {}", counted(counts.without_partner, "row", "rows"),
                           base_name(path));
    if (counts.not_used > 0)
      words += fmt::format("; {} of {} not used", counted(counts.not_used, "row", "rows"),
                           base_name(path));
  }
  return words;
}

// What the controls tell; returns words for the report.
Result<std::string> use_controls(Table& wells, const TableCommand& command) {
  for (const std::string& column : command.percent) {
    TRY_ASSIGN(const std::string added,
               add_percent_of_control(wells, column, command.positive, command.negative));
  }
  if (command.z_prime.empty()) return std::string();
  TRY_ASSIGN(const ZPrime result,
             z_prime(wells, command.z_prime, command.positive, command.negative));
  fmt::print("Z' of {}: {}\n", result.column, number_text(result.value));
  return fmt::format("; Z' of {} is {} (positive {}; negative {})", result.column,
                     number_text(result.value), listed(command.positive), listed(command.negative));
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " and ") + word;
  return text;
}

// "3 wells", "12 groups by well and t".
std::string groups_text(size_t count, const std::vector<std::string>& by) {
  if (by.size() > 1) return counted(count, "group", "groups") + " by " + joined(by);
  if (by.front() == "t") return counted(count, "time point", "time points");
  return counted(count, by.front().c_str(), (by.front() + "s").c_str());
}

// Leaves out the rows that do not fulfil all conditions, and says in the report how many.
Result<void> keep_where(Table& table, const TableCommand& command, std::string& words) {
  if (command.where.empty()) return {};
  std::vector<Condition> conditions;
  for (const std::string& text : command.where) {
    TRY_ASSIGN(Condition condition, Condition::parse(text));
    conditions.push_back(std::move(condition));
  }
  TRY_ASSIGN(const std::vector<bool> is_kept, rows_where(table, conditions));
  const size_t before = table.rows();
  table.keep_rows(is_kept);
  words += fmt::format("; {} left out by --where", counted(before - table.rows(), "row", "rows"));
  return {};
}

// `words`, for the report, say what it is made from, and then also what it is.
Result<Table> summary_of(Table& table, const TableCommand& command,
                         const std::optional<NamePattern>& names, std::string& words) {
  const std::vector<std::string>& by = command.summary;
  TRY_ASSIGN(EmptyTables empty, empty_tables(table, by, names));
  if (!command.where.empty()) {
    // A well of which all objects are left out still is a well.
    TRY_ASSIGN(const std::vector<GroupName> all, group_names(table, by));
    empty.groups.insert(empty.groups.end(), all.begin(), all.end());
  }
  TRY(keep_where(table, command, words));
  TRY_ASSIGN(Table summary, summarise(table, by, empty.groups));
  words = groups_text(summary.rows(), by) + " from " + words;
  if (empty.unknown > 0) {
    words +=
        fmt::format("; {} without objects left out", counted(empty.unknown, "table", "tables"));
    if (std::find(by.begin(), by.end(), "file") == by.end())
      words += fmt::format(" (--names can say which {} each is of)", joined(by));
  }
  TRY_ASSIGN(const std::string controls, use_controls(summary, command));
  words += controls;
  return summary;
}

Result<void> run_table(const TableCommand& command) {
  std::optional<NamePattern> names;
  if (!command.names.empty()) {
    TRY_ASSIGN(names, NamePattern::parse(command.names));
  }
  TRY_ASSIGN(Table table, gather(command.in, command.out, names));
  TRY_ASSIGN(const std::string partners, add_partners(table, command, names));
  for (const std::string& column : command.columns) TRY(add_computed_column(table, column));
  std::string words = fmt::format("{} of {}{}", counted(table.rows(), "row", "rows"),
                                  counted(table.files().size(), "file", "files"), partners);
  if (!command.summary.empty()) {
    TRY_ASSIGN(table, summary_of(table, command, names, words));
  } else {
    TRY(keep_where(table, command, words));
  }
  TRY(write_output_file(command.out, csv_text(table)));
  print_report(command.out, words);
  return {};
}

}  // namespace

void add_table_commands(Registry& registry) {
  const auto options = std::make_shared<TableCommand>();
  Operator op(registry, "table",
              "Put tables together, add the columns of others, compute columns, summarise",
              "imgop table --in results/tables --names \"*_{well}_s{field}\" --summary well "
              "--out wells.csv\n"
              "  imgop table --in cells.csv --with rings.csv:ring_ "
              "--column \"ratio = intensity_mean / ring_intensity_mean\" --out all.csv");
  op.add("--in", options->in, list_of(path_in("table")),
         "CSV file, or a folder: all .csv files in it and in its folders, sorted by name, without "
         "hidden ones and without the file of --out. Columns are those of all files; a cell that "
         "a file does not have is empty")
      ->required();
  op.add(
      "--names", options->names,
      text("names", [](const std::string& given) { return parsed_by(NamePattern::parse)(given); }),
      "Take empty cells of well, field and t from the names of files, such as "
      "\"*_{well}_s{field}\" (* is anything, {word} a part without a use here)");
  op.add("--with", options->with, list_of(text("table:prefix", check_with)),
         "FILE_OR_FOLDER:PREFIX: add the columns of another table, with a prefix, to the rows of "
         "the same file, well, field, t and label");
  op.add("--by", options->by, list_of(text("column")),
         "The columns that say which rows of --with belong together, as far as both tables have "
         "them (file,well,field,t,label if not given)")
      ->delimiter(',');
  op.add_flag("--outer", options->outer,
              "Leave cells empty where --with has no row, instead of an error");
  op.add("--column", options->columns, list_of(text("expression")),
         "\"NAME = A / B\": a column computed from two columns or numbers with + - * or /; empty "
         "where a cell is empty or the divisor is 0");
  op.add("--where", options->where,
         list_of(text("condition",
                      [](const std::string& given) { return parsed_by(Condition::parse)(given); })),
         "Keep the rows that fulfil a condition, such as \"area_px > 50\": a column, one of < <= > "
         ">= = !=, and a number. May be repeated: all must be true");
  CLI::Option* summary =
      op.add("--summary", options->summary, list_of(choice({"file", "well", "field", "t"})),
             "Write one row for each image, well or time point, or for each combination of several "
             "(well,t): how many objects, and the mean, median and standard deviation of each "
             "measured column")
          ->delimiter(',');
  CLI::Option* z_prime =
      op.add("--z-prime", options->z_prime, text("column"),
             "Print the Z' factor of a column, such as count or area_px, over the means of the "
             "control wells")
          ->needs(summary);
  CLI::Option* percent =
      op.add("--percent-of-control", options->percent, list_of(text("column")),
             "Add a column in which the mean of the negative control wells is 0, and that of the "
             "positive ones 100")
          ->needs(summary);
  CLI::Option* positive = op.add("--positive", options->positive, list_of(text("well")),
                                 "Wells of the positive control, such as A1,A2")
                              ->delimiter(',');
  CLI::Option* negative = op.add("--negative", options->negative, list_of(text("well")),
                                 "Wells of the negative control, such as H1,H2")
                              ->delimiter(',');
  z_prime->needs(positive)->needs(negative);
  percent->needs(positive)->needs(negative);
  op.add("--out", options->out, path_out("table", {".csv"}), "CSV file to write (.csv)")
      ->required();
  op.command().parse_complete_callback([options] {
    const std::set<std::string> keys(options->summary.begin(), options->summary.end());
    if (keys.size() != options->summary.size())
      throw CLI::ValidationError("--summary", "it names a column twice");
    const bool uses_controls = !options->z_prime.empty() || !options->percent.empty();
    if (uses_controls && options->summary != std::vector<std::string>{"well"}) {
      throw CLI::ValidationError(options->z_prime.empty() ? "--percent-of-control" : "--z-prime",
                                 "it needs --summary well");
    }
    if (!uses_controls && !(options->positive.empty() && options->negative.empty()))
      throw CLI::ValidationError("--positive, --negative",
                                 "controls are for --z-prime and --percent-of-control");
  });
  op.set_run([options] { return run_table(*options); });
}

}  // namespace tierhub::imaging
