// Decoders are given anything, and answer with a record or an error.
#include <functional>
#include <random>

#include <gtest/gtest.h>

#include "catalog/encoding.h"

namespace tierhub {
namespace {

// A decoder as the tests see it: none if it refused the bytes, else what the record it made is
// encoded as.
struct Decoder {
  std::string name;
  std::function<std::optional<std::string>(std::string_view)> again;
  std::string valid;  // bytes that it accepts
};

template <class Decode, class Encode>
Decoder decoder(std::string name, Decode decode, Encode encode, std::string valid) {
  const auto again = [decode, encode](std::string_view bytes) -> std::optional<std::string> {
    const auto record = decode(bytes);
    if (!record.has_value()) {
      EXPECT_TRUE(record.error().is(std::errc::bad_message)) << record.error().text();
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
      record_decoder(
          "prefetch", [](std::string_view bytes) { return encoding::decode_prefetch(5, bytes); },
          prefetch),
      record_decoder("prefetch item", encoding::decode_prefetch_item,
                     PrefetchItem{InodeNumber{7}, {{1, 2}, {3, 4}}}),
      record_decoder(
          "lease", [](std::string_view bytes) { return encoding::decode_lease("me", bytes); },
          LeaseRecord{true, "me", "reason", {1}, {2}}),
      record_decoder("heat", encoding::decode_heat, Timestamp{7}),
  };
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

std::vector<Decoder> all_decoders() {
  auto all = record_decoders();
  for (auto& key : key_decoders()) all.push_back(std::move(key));
  return all;
}

std::string random_bytes(std::mt19937_64& random, size_t size) {
  std::string bytes(size, '\0');
  for (char& c : bytes) c = static_cast<char>(random());
  return bytes;
}

// One small damage: a byte changed, cut off, put in or taken out.
std::string damaged(std::string bytes, std::mt19937_64& random) {
  const size_t at = bytes.empty() ? 0 : random() % bytes.size();
  switch (random() % 4) {
    case 0:
      bytes.resize(at);
      break;
    case 1:
      bytes.insert(at, 1, static_cast<char>(random()));
      break;
    case 2:
      if (!bytes.empty()) bytes.erase(at, 1);
      break;
    default:
      if (!bytes.empty()) bytes[at] = static_cast<char>(random());
  }
  return bytes;
}

class HostileBytes : public ::testing::Test {
 protected:
  // Accepted bytes are exactly what the record is encoded as: nothing is skipped, guessed or
  // normalised.
  static void expect_refused_or_exact(const Decoder& decoder, const std::string& bytes) {
    const auto again = decoder.again(bytes);
    if (again) {
      EXPECT_EQ(*again, bytes) << decoder.name;
    }
  }

  const uint64_t seed_ = std::random_device{}();
  const ::testing::ScopedTrace trace_{__FILE__, __LINE__, fmt::format("seed {}", seed_)};
  std::mt19937_64 random_{seed_};
};

TEST_F(HostileBytes, WhatIsEncodedIsDecoded) {
  for (const auto& decoder : all_decoders())
    EXPECT_EQ(decoder.again(decoder.valid), decoder.valid) << decoder.name;
}

TEST_F(HostileBytes, ARecordCutShortOrWithMoreBehindItIsRefused) {
  for (const auto& decoder : record_decoders()) {
    if (decoder.name == "text") continue;  // any length is a text
    for (size_t size = 0; size < decoder.valid.size(); ++size) {
      EXPECT_EQ(decoder.again(decoder.valid.substr(0, size)), std::nullopt)
          << decoder.name << " cut to " << size;
    }
    EXPECT_EQ(decoder.again(decoder.valid + '\0'), std::nullopt) << decoder.name;
  }
}

TEST_F(HostileBytes, AVersionThatDoesNotExistIsRefused) {
  for (const auto& decoder : record_decoders()) {
    for (const int version : {0, 2, 255}) {
      std::string bytes = decoder.valid;
      bytes[0] = static_cast<char>(version);
      EXPECT_EQ(decoder.again(bytes), std::nullopt) << decoder.name << " version " << version;
    }
  }
}

TEST_F(HostileBytes, ANewerVersionSaysWhatToDo) {
  std::string bytes = encoding::encode(full_inode(FileKind::file));
  bytes[0] = 2;
  const auto record = encoding::decode_inode(bytes);
  ASSERT_FALSE(record.has_value());
  EXPECT_EQ(record.error().text(),
            "inode record has version 2, this TierHub reads up to 1: install a newer one");
}

TEST_F(HostileBytes, ALengthBeyondTheEndIsRefused) {
  const std::string text = std::string(1, '\x01') + std::string(8, '\0') + "\xff\xff\xff\xffshort";
  EXPECT_FALSE(encoding::decode_journal(text).has_value());
  const std::string items = std::string(1, '\x01') + std::string(8, '\0') + "\xff\xff\xff\xff";
  EXPECT_FALSE(encoding::decode_prefetch_item(items).has_value());
}

TEST_F(HostileBytes, RandomBytesAreRefusedOrExact) {
  for (const auto& decoder : all_decoders()) {
    for (int i = 0; i < 3000; ++i) {
      std::string bytes = random_bytes(random_, random_() % 128);
      if (!bytes.empty() && random_() % 2 == 0) bytes[0] = '\x01';
      expect_refused_or_exact(decoder, bytes);
    }
  }
}

TEST_F(HostileBytes, DamagedRecordsAreRefusedOrExact) {
  for (const auto& decoder : all_decoders()) {
    for (int i = 0; i < 3000; ++i)
      expect_refused_or_exact(decoder, damaged(decoder.valid, random_));
  }
}

TEST_F(HostileBytes, SuffixesOfKeysSurviveAnything) {
  for (int i = 0; i < 3000; ++i) {
    const std::string bytes = random_bytes(random_, random_() % 32);
    EXPECT_EQ(encoding::decode_dirent_suffix(bytes).has_value(), bytes.size() > 16);
    EXPECT_EQ(encoding::decode_link_suffix(bytes).has_value(), bytes.size() > 16);
    EXPECT_EQ(encoding::decode_text_suffix(bytes).has_value(), bytes.size() >= 8);
  }
}

}  // namespace
}  // namespace tierhub
