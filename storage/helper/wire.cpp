#include "storage/helper/wire.h"

namespace tierhub::wire {
namespace {

// How an error's category is told to the other side.
enum class Category : uint8_t { generic, scratch, claim };

Category category_of(const Error& error) {
  if (is_scratch_error(error)) return Category::scratch;
  return is_claimed(error) ? Category::claim : Category::generic;
}

const std::error_category& known_category(Category category) {
  if (category == Category::scratch) return scratch_category();
  return category == Category::claim ? claim_category() : std::generic_category();
}

}  // namespace

void put(ByteWriter& out, const Xattrs& value) {
  out.u64(value.size());
  for (const auto& [name, content] : value) out.text(name).text(content);
}

void put(ByteWriter& out, const Error& value) {
  const Category category = category_of(value);
  const int code = category == Category::generic ? value.errno_value() : value.code().value();
  out.u8(static_cast<uint8_t>(category)).u32(static_cast<uint32_t>(code)).text(value.text());
}

void get(ByteReader& in, Xattrs& value) {
  value.clear();
  const uint64_t count = in.u64();
  for (uint64_t i = 0; i < count && in.ok(); ++i) {
    std::string name = in.text();
    value[std::move(name)] = in.text();
  }
}

Error get_error(ByteReader& in) {
  const auto category = static_cast<Category>(in.u8());
  const int code = static_cast<int>(in.u32());
  return Error({code, known_category(category)}, in.text());
}

}  // namespace tierhub::wire
