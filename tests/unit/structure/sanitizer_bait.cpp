// Does on purpose what a sanitizer must catch: `sanitizer_bait address` reads freed memory,
// `sanitizer_bait thread` races two threads.
#include <memory>
#include <string_view>
#include <thread>

namespace {

int read_after_free() {
  auto value = std::make_unique<volatile int>(1);
  volatile int* const dangling = value.get();
  value.reset();
  return *dangling;
}

int race() {
  int unguarded = 0;
  std::thread other([&] { ++unguarded; });
  ++unguarded;
  other.join();
  return unguarded;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view what = argc > 1 ? argv[1] : "";
  return what == "address" ? read_after_free() : race();
}
