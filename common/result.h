// Result<T> and Error: what every fallible function of TierHub returns.
#pragma once

#include <cerrno>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <tl/expected.hpp>

namespace tierhub {

// What went wrong: a code that programs can act on, and a text that people can read.
// The text reads outward, the outermost action first: "publish inode 42: write: No space left on
// device".
class [[nodiscard]] Error {
 public:
  Error(std::errc code, std::string text)
      : code_(std::make_error_code(code)), text_(std::move(text)) {}
  Error(std::error_code code, std::string text) : code_(code), text_(std::move(text)) {}

  // An errno value and the action that failed: "open /x: Permission denied".
  static Error from_errno(int errno_value, std::string_view action);

  const std::error_code& code() const { return code_; }
  const std::string& text() const { return text_; }
  bool is(std::errc code) const { return code_ == code; }
  // The errno value for the kernel; EIO if the code is of another category.
  int errno_value() const;
  // The same error, seen from one step further out.
  Error in(std::string_view action) const;

 private:
  std::error_code code_;
  std::string text_;
};

template <class T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
 public:
  using tl::expected<T, Error>::expected;
  Result(Error error)
      : tl::expected<T, Error>(tl::unexpect, std::move(error)) {
  }  // NOLINT(google-explicit-constructor)
};

}  // namespace tierhub

#define TIERHUB_CONCAT_(a, b) a##b
#define TIERHUB_CONCAT(a, b) TIERHUB_CONCAT_(a, b)

// TRY(expression): return its error, if it has one.
#define TRY(...)                                                  \
  do {                                                            \
    if (auto try_result = (__VA_ARGS__); !try_result.has_value()) \
      return std::move(try_result).error();                       \
  } while (false)

// TRY_ASSIGN(declaration, expression): declare a variable with the value, or return the error.
#define TRY_ASSIGN(declaration, ...)                                 \
  auto TIERHUB_CONCAT(try_result_, __LINE__) = (__VA_ARGS__);        \
  if (!TIERHUB_CONCAT(try_result_, __LINE__).has_value())            \
    return std::move(TIERHUB_CONCAT(try_result_, __LINE__)).error(); \
  declaration = *std::move(TIERHUB_CONCAT(try_result_, __LINE__))
