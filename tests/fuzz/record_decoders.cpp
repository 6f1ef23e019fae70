#include "tests/fuzz/record_decoders.h"

#include <stdexcept>

namespace tierhub {
namespace {

template <class Decode, class Encode>
Decoder decoder(std::string name, Decode decode, Encode encode, std::string valid) {
  const auto again = [decode, encode](std::string_view bytes) -> std::optional<std::string> {
    const auto record = decode(bytes);
    if (!record.has_value()) {
      if (!record.error().is(std::errc::bad_message)) throw std::logic_error(record.error().text());
      return std::nullopt;
    }
    return encode(*record);
  };
  return {std::move(name), again, std::move(valid)};
}

template <class Decode>
Decoder record_decoder(std::string name, Decode decode,
                       const typename decltype(decode({}))::value_type& valid) {
  const auto encode = [](const auto& record) { return encoding::encode(record); };
  return decoder(std::move(name), decode, encode, encode(valid));
}

std::vector<Decoder> key_decoders() {
  const auto link = encoding::link_key(InodeNumber{1}, InodeNumber{2}, "name");
  return {
      decoder("number key", encoding::decode_number_key, encoding::sequence_key,
              encoding::sequence_key(7)),
      decoder(
          "name key", encoding::decode_name_key,
          [](const Name& name) { return encoding::name_key(name.parent, name.name); },
          encoding::name_key(InodeNumber{1}, "name")),
      decoder(
          "residency key", encoding::decode_residency_key,
          [](const auto& key) { return encoding::residency_key(key.inode, key.kind, key.begin); },
          encoding::residency_key(InodeNumber{1}, RangeKind::dirty, 5)),
      decoder("journal key", encoding::decode_journal_key, encoding::journal_key,
              encoding::journal_key(JournalKey::of_entry(InodeNumber{1}, "name"))),
      decoder(
          "pair key", encoding::decode_pair_key,
          [](const auto& pair) { return encoding::prefetch_item_key(pair.first, pair.second); },
          encoding::prefetch_item_key(1, 2)),
  };
}

}  // namespace

InodeRecord full_inode(FileKind kind) {
  InodeRecord record;
  record.attributes = {kind, 0644, 1, 2, 0, 3, {4}, {5}, {6}, {7}};
  record.pending_truncate = PendingTruncate{8, 9};
  if (kind == FileKind::symlink) record.symlink_target = "target";
  return record;
}

std::vector<Decoder> record_decoders() {
  ChecksumGroup checksums;
  checksums.chunks[3] = Checksum{1, 2};
  ArchiveVersion version;
  version.identity.bytes = "handle";
  IntentRecord intent;
  intent.source = {InodeNumber{1}, "source"};
  intent.target = {InodeNumber{2}, "target"};
  PrefetchRecord prefetch;
  prefetch.label = "label";
  PrefetchRecord parked;
  parked.state = PrefetchState::parked;
  parked.crashed_starts = 3;
  return {
      record_decoder("inode of a file", encoding::decode_inode, full_inode(FileKind::file)),
      record_decoder("inode of a symlink", encoding::decode_inode, full_inode(FileKind::symlink)),
      record_decoder("inode of a device", encoding::decode_inode,
                     full_inode(FileKind::block_device)),
      record_decoder("dirent", encoding::decode_dirent, InodeNumber{7}),
      decoder("number", encoding::decode_number, encoding::encode_number,
              encoding::encode_number(7)),
      decoder("text", encoding::decode_text, encoding::encode_text, encoding::encode_text("text")),
      record_decoder("checksums", encoding::decode_checksums, checksums),
      record_decoder("base", encoding::decode_base, BaseRecord{InodeNumber{7}, FileKind::file}),
      record_decoder("version", encoding::decode_version, version),
      record_decoder("journal", encoding::decode_journal, JournalRecord{{1}, "reason"}),
      record_decoder("intent", encoding::decode_intent, intent),
      record_decoder("reap", encoding::decode_reap, ReapKind::object),
      record_decoder("departure", encoding::decode_departure,
                     DepartureRecord{DepartureRecord::How::replaced, "a/b"}),
      record_decoder(
          "prefetch", [](std::string_view bytes) { return encoding::decode_prefetch(5, bytes); },
          prefetch),
      record_decoder(
          "prefetch of the second version",
          [](std::string_view bytes) { return encoding::decode_prefetch(5, bytes); }, parked),
      record_decoder("prefetch item", encoding::decode_prefetch_item,
                     PrefetchItem{InodeNumber{7}, {{1, 2}, {3, 4}}}),
      record_decoder(
          "lease", [](std::string_view bytes) { return encoding::decode_lease("me", bytes); },
          LeaseRecord{true, "me", "reason", {1}, {2}}),
      record_decoder("heat", encoding::decode_heat, Timestamp{7}),
      record_decoder(
          "answer", [](std::string_view bytes) { return encoding::decode_reply(8, 9, bytes); },
          ReplyRecord{8, 9, 1, 2, InodeNumber{3}}),
  };
}

std::vector<Decoder> all_decoders() {
  auto all = record_decoders();
  for (auto& key : key_decoders()) all.push_back(std::move(key));
  return all;
}

}  // namespace tierhub
