#include "compute/workflow/complaint.h"

#include <fmt/format.h>

namespace tierhub::compute {

std::string to_text(const Complaint& complaint) {
  const std::string place =
      complaint.at.line == 0
          ? std::string()
          : fmt::format("line {}, column {}: ", complaint.at.line, complaint.at.column);
  return fmt::format("{}{}{}{}", place, complaint.text, complaint.hint.empty() ? "" : "; ",
                     complaint.hint);
}

Error to_error(const Complaint& complaint) {
  return {std::errc::invalid_argument, to_text(complaint)};
}

}  // namespace tierhub::compute
