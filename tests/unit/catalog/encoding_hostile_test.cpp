// Decoders are given anything, and answer with a record or an error.
#include <random>

#include <gtest/gtest.h>

#include "tests/fuzz/record_decoders.h"

namespace tierhub {
namespace {

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
    for (const int version : {0, decoder.valid[0] + 1, 255}) {
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
