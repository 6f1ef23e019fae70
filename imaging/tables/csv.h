// CSV files (RFC 4180) with a header: how tables are read and written.
#pragma once

#include <string>
#include <string_view>

#include "common/result.h"
#include "imaging/tables/table.h"

namespace tierhub::imaging {

// The file at `path`: UTF-8, with or without a byte-order mark, lines that end in LF or CRLF. The
// first line names the columns. What does not follow the format is an error with file and line: a
// row with another number of cells, a column without a name or with the name of another one, a
// quotation mark in the wrong place, a NUL. Files are limited to 1 GiB and 10,000 columns.
Result<Table> read_csv(const std::string& path);
// The same for bytes in memory; `path` is what errors name.
Result<Table> parse_csv(std::string text, const std::string& path);

std::string csv_text(const Table& table);

// A field of a CSV line: quoted if it must be.
std::string csv_field(std::string_view text);

}  // namespace tierhub::imaging
