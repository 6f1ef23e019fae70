// What is wrong with a workflow file, and where.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <tl/expected.hpp>

#include "common/result.h"

namespace tierhub::compute {

// Counted from 1; columns in bytes. Line 0: nowhere in the file, but in a value given to it.
struct Position {
  size_t line = 1;
  size_t column = 1;
};

struct Complaint {
  Position at;
  std::string text;  // one sentence, without a full stop
  std::string hint;  // what to write instead, if that is known: "did you mean 'steps'?"
  // Of a parameter whose value is wrong or missing.
  std::string parameter = {};
  // It follows from another complaint, so nobody is told.
  bool follows = false;
};

// "line 3, column 7: <text>; <hint>"
std::string to_text(const Complaint& complaint);
Error to_error(const Complaint& complaint);

// A value, or what is wrong with the text that it was to be read from.
template <class T>
class [[nodiscard]] Checked : public tl::expected<T, Complaint> {
 public:
  using tl::expected<T, Complaint>::expected;
  Checked(Complaint complaint)
      : tl::expected<T, Complaint>(tl::unexpect, std::move(complaint)) {
  }  // NOLINT(google-explicit-constructor)
};

using Complaints = std::vector<Complaint>;

}  // namespace tierhub::compute
