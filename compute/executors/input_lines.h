// What a runner says to a program that it has started on a node.
#pragma once

#include <array>
#include <cerrno>
#include <optional>
#include <string>

#include <unistd.h>

namespace tierhub::compute {

// The lines of standard input, as they come. One thread.
class InputLines {
 public:
  // Reads what there is; waits for it if there is nothing yet.
  void read_some() {
    std::array<char, 65536> buffer;
    const ssize_t n = ::read(STDIN_FILENO, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) return;
    if (n <= 0) {
      at_end_ = true;
      return;
    }
    text_.append(buffer.data(), static_cast<size_t>(n));
  }
  // Nothing if no line has been read whole.
  std::optional<std::string> next() {
    const size_t end = text_.find('\n');
    if (end == std::string::npos) return std::nullopt;
    std::string line = text_.substr(0, end);
    text_.erase(0, end + 1);
    return line;
  }
  // Waits for a line; nothing at the end.
  std::optional<std::string> wait_for_next() {
    std::optional<std::string> line = next();
    while (!line && !at_end_) {
      read_some();
      line = next();
    }
    return line;
  }
  bool at_end() const { return at_end_; }

 private:
  std::string text_;
  bool at_end_ = false;
};

}  // namespace tierhub::compute
