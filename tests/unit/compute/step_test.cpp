#include "compute/executors/step.h"

#include <gtest/gtest.h>

namespace tierhub::compute {
namespace {

constexpr std::string_view kNonce = "00112233445566778899aabbccddeeff";

StepRecord ended_record() {
  StepRecord record;
  record.kind = StepRecord::Kind::ended;
  record.node = "node3";
  record.end = TaskEnd::out_of_memory;
  record.exit_code = 137;
  record.reason = "it used much";
  record.peak_bytes = uint64_t{5} << 33;
  record.processor_s = 1.5;
  return record;
}

// What StepOutput finds, in one text and one list.
struct Found {
  std::string text;
  std::vector<StepRecord> records;

  void add(const std::vector<StepPiece> &pieces) {
    for (const StepPiece &piece : pieces) {
      text += piece.text;
      if (piece.record) records.push_back(*piece.record);
    }
  }
};

TEST(StepOrder, ComesBackAsItWas) {
  StepOrder order;
  order.nonce = kNonce;
  order.process = {
      "imgop", "/a:/b", {"imgop", "--in", "caf\xe9 \n'x'"}, {"A=1", "B="}, "/work/run"};
  order.limits.cpus = 3;
  order.limits.memory_bytes = uint64_t{6} << 30;
  order.limits.time = std::chrono::seconds(90);
  order.setup = "/etc/setup.sh";
  order.lease = std::chrono::milliseconds(45'000);
  const Result<StepOrder> back = parse_order(to_json(order));
  ASSERT_TRUE(back) << back.error().text();
  EXPECT_EQ(back->nonce, order.nonce);
  EXPECT_EQ(back->process.program, "imgop");
  EXPECT_EQ(back->process.search_path, "/a:/b");
  EXPECT_EQ(back->process.arguments, order.process.arguments);
  EXPECT_EQ(back->process.environment, order.process.environment);
  EXPECT_EQ(back->process.cwd, "/work/run");
  EXPECT_EQ(back->limits.cpus, 3u);
  EXPECT_EQ(back->limits.memory_bytes, order.limits.memory_bytes);
  EXPECT_EQ(back->limits.time, order.limits.time);
  EXPECT_EQ(back->setup, "/etc/setup.sh");
  EXPECT_EQ(back->lease, order.lease);
  EXPECT_FALSE(back->more);
  order.more = true;
  EXPECT_TRUE(parse_order(to_json(order))->more);
  EXPECT_EQ(to_json(order).find('\n'), std::string::npos) << "an order is one line";
  EXPECT_FALSE(parse_order("{}"));
  EXPECT_FALSE(parse_order("no json"));
}

TEST(StepOutput, FindsRecordsWhereverTheOutputIsCut) {
  const std::string begun = to_line({StepRecord::Kind::begun, "node3"}, kNonce);
  const std::string whole = begun + "one\nno line feed" + to_line(ended_record(), kNonce);
  for (size_t cut = 0; cut <= whole.size(); ++cut) {
    StepOutput output(kNonce);
    Found found;
    found.add(output.write(whole.substr(0, cut)));
    found.add(output.write(whole.substr(cut)));
    EXPECT_EQ(output.end(), "");
    EXPECT_EQ(found.text, "one\nno line feed") << cut;
    ASSERT_EQ(found.records.size(), 2u) << cut;
    EXPECT_EQ(found.records[0].kind, StepRecord::Kind::begun);
    EXPECT_EQ(found.records[0].node, "node3");
    const StepRecord &ended = found.records[1];
    EXPECT_EQ(ended.kind, StepRecord::Kind::ended);
    EXPECT_EQ(ended.end, TaskEnd::out_of_memory);
    EXPECT_EQ(ended.exit_code, 137);
    EXPECT_EQ(ended.reason, "it used much");
    EXPECT_EQ(ended.peak_bytes, uint64_t{5} << 33);
    EXPECT_DOUBLE_EQ(ended.processor_s, 1.5);
  }
}

TEST(StepOutput, SaysWhatBelongsToWhichTask) {
  const std::string end = to_line(ended_record(), kNonce);
  StepOutput output(kNonce);
  const std::vector<StepPiece> pieces =
      output.write("of the first\n" + end + "of the second\n" + end);
  ASSERT_EQ(pieces.size(), 2u);
  EXPECT_EQ(pieces[0].text, "of the first\n");
  EXPECT_EQ(pieces[1].text, "of the second\n");
  EXPECT_TRUE(pieces[0].record && pieces[1].record);
}

TEST(StepOutput, FindsSignsOfLifeAmongMessages) {
  StepOutput output(kNonce);
  StepRecord alive{StepRecord::Kind::alive, "node3"};
  alive.alive = 5;
  Found found;
  found.add(output.write(to_line(alive, kNonce) + "srun: error: a message\n"));
  EXPECT_EQ(found.text, "srun: error: a message\n");
  ASSERT_EQ(found.records.size(), 1u);
  EXPECT_EQ(found.records[0].kind, StepRecord::Kind::alive);
  EXPECT_EQ(found.records[0].alive, 5u);
}

TEST(StepOutput, BelievesNoRecordOfTheTaskItself) {
  std::string other(kNonce);
  other.back() = '0';
  const std::string forged = to_line(ended_record(), other);
  StepOutput output(kNonce);
  Found found;
  found.add(output.write(forged + "x"));
  EXPECT_EQ(found.text + output.end(), forged + "x");
  EXPECT_TRUE(found.records.empty());
}

TEST(StepOutput, PassesOnARecordThatWasCutOff) {
  const std::string line = to_line(ended_record(), kNonce);
  StepOutput output(kNonce);
  const std::string torn = line.substr(0, line.size() / 2);
  Found found;
  found.add(output.write("a\n" + torn));
  EXPECT_EQ(found.text, "a\n");
  EXPECT_TRUE(found.records.empty());
  EXPECT_EQ(output.end(), torn);
}

TEST(StepOutput, KeepsBackNoMoreThanARecord) {
  StepOutput output(kNonce);
  const std::string text = "\x1e" + std::string(kNonce) + " " + std::string(100'000, 'x');
  Found found;
  found.add(output.write(text));
  EXPECT_EQ(found.text, text);
  const std::string many(100'000, '\x1e');
  Found more;
  more.add(output.write(many));
  EXPECT_EQ(more.text + output.end(), many);
}

TEST(Nonce, IsNeverTheSame) {
  const Result<std::string> one = make_nonce();
  const Result<std::string> other = make_nonce();
  ASSERT_TRUE(one);
  EXPECT_EQ(one->size(), 32u);
  EXPECT_NE(*one, *other);
}

}  // namespace
}  // namespace tierhub::compute
