#include <stdexcept>

#include "storage/helper/wire.h"
#include "tests/fuzz/record_decoders.h"
#include "tests/fuzz/target.h"

namespace tierhub::fuzz {
namespace {

const std::vector<Decoder>& decoders() {
  static const std::vector<Decoder> all = all_decoders();
  return all;
}

// What is accepted is exactly what the record is encoded as.
void decode_record(std::string_view bytes) {
  if (bytes.empty()) return;
  const Decoder& decoder = decoders()[static_cast<uint8_t>(bytes[0]) % decoders().size()];
  const std::string record(bytes.substr(1));
  const auto again = decoder.again(record);
  if (again && *again != record)
    throw std::logic_error(decoder.name + " accepts what it would not write");
}

std::vector<std::string> record_seeds() {
  std::vector<std::string> seeds;
  for (size_t i = 0; i < decoders().size(); ++i)
    seeds.push_back(static_cast<char>(i) + decoders()[i].valid);
  return seeds;
}

template <class Value>
void decode_reply(std::string_view bytes) {
  ByteReader in(bytes);
  const auto result = wire::get_result<Value>(in);
  if (!result) return;
  ByteWriter out;
  wire::put(out, result);
  if (out.bytes().size() > bytes.size())
    throw std::logic_error("a reply was longer than its bytes");
}

template <class Value>
void decode_argument(std::string_view bytes) {
  ByteReader in(bytes);
  Value value{};
  wire::get(in, value);
}

constexpr void (*kReplies[])(std::string_view) = {
    decode_reply<Nothing>,
    decode_reply<uint64_t>,
    decode_reply<std::string>,
    decode_reply<Xattrs>,
    decode_reply<ArchiveVersion>,
    decode_reply<std::optional<ArchiveVersion>>,
    decode_reply<ArchivePage>,
    decode_reply<Archive::Space>,
    decode_reply<FillResult>,
    decode_reply<StagedFile>,
    decode_reply<std::vector<std::string>>,
    decode_reply<ArchiveCapabilities>,
    decode_argument<FillRequest>,
    decode_argument<StageFileRequest>,
};

void decode_message(std::string_view bytes) {
  if (!bytes.empty())
    kReplies[static_cast<uint8_t>(bytes[0]) % std::size(kReplies)](bytes.substr(1));
}

template <class Value>
std::string reply(uint8_t index, const Value& value) {
  ByteWriter out;
  wire::put(out, Result<Value>(value));
  return static_cast<char>(index) + out.bytes();
}

std::vector<std::string> message_seeds() {
  ArchiveVersion version;
  version.identity.bytes = "handle";
  ArchivePage page;
  page.children.push_back({"name", version, "target", {{"user.a", "value"}}});
  StageFileRequest request;
  request.absent = {{0, 4096}};
  ByteWriter argument;
  wire::put(argument, request);
  return {reply(1, uint64_t{7}),
          reply(3, Xattrs{{"user.a", "b"}}),
          reply(4, version),
          reply(6, page),
          reply(8, FillResult{{Checksum{1, 2}}, 3}),
          reply(10, std::vector<std::string>{"a", "b"}),
          std::string(1, 13) + argument.bytes()};
}

}  // namespace

const Target kRecords = {"records", decode_record, record_seeds};
const Target kWire = {"wire", decode_message, message_seeds};

}  // namespace tierhub::fuzz
