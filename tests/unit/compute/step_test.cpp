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
  EXPECT_EQ(to_json(order).find('\n'), std::string::npos) << "an order is one line";
  EXPECT_FALSE(parse_order("{}"));
  EXPECT_FALSE(parse_order("no json"));
}

TEST(StepOutput, FindsRecordsWhereverTheOutputIsCut) {
  const std::string begun = to_line({StepRecord::Kind::begun, "node3"}, kNonce);
  const std::string whole = begun + "one\nno line feed" + to_line(ended_record(), kNonce);
  for (size_t cut = 0; cut <= whole.size(); ++cut) {
    StepOutput output(kNonce);
    std::string text = output.write(whole.substr(0, cut));
    text += output.write(whole.substr(cut));
    text += output.end();
    EXPECT_EQ(text, "one\nno line feed") << cut;
    ASSERT_TRUE(output.begun()) << cut;
    EXPECT_EQ(output.begun()->node, "node3");
    ASSERT_TRUE(output.ended()) << cut;
    EXPECT_EQ(output.ended()->end, TaskEnd::out_of_memory);
    EXPECT_EQ(output.ended()->exit_code, 137);
    EXPECT_EQ(output.ended()->reason, "it used much");
    EXPECT_EQ(output.ended()->peak_bytes, uint64_t{5} << 33);
    EXPECT_DOUBLE_EQ(output.ended()->processor_s, 1.5);
  }
}

TEST(StepOutput, TellsTheLastAliveOnce) {
  StepOutput output(kNonce);
  StepRecord alive{StepRecord::Kind::alive, "node3"};
  std::string lines;
  for (alive.alive = 3; alive.alive <= 5; ++alive.alive) lines += to_line(alive, kNonce);
  EXPECT_EQ(output.write(lines + "srun: error: a message\n"), "srun: error: a message\n");
  EXPECT_EQ(output.take_alive(), 5u);
  EXPECT_FALSE(output.take_alive());
}

TEST(StepOutput, BelievesNoRecordOfTheTaskItself) {
  std::string other(kNonce);
  other.back() = '0';
  const std::string forged = to_line(ended_record(), other);
  StepOutput output(kNonce);
  const std::string at_once = output.write(forged + "x");
  EXPECT_EQ(at_once + output.end(), forged + "x");
  EXPECT_FALSE(output.ended());
}

TEST(StepOutput, PassesOnARecordThatWasCutOff) {
  const std::string line = to_line(ended_record(), kNonce);
  StepOutput output(kNonce);
  const std::string torn = line.substr(0, line.size() / 2);
  EXPECT_EQ(output.write("a\n" + torn), "a\n");
  EXPECT_FALSE(output.ended());
  EXPECT_EQ(output.end(), torn);
}

TEST(StepOutput, KeepsBackNoMoreThanARecord) {
  StepOutput output(kNonce);
  const std::string text = "\x1e" + std::string(kNonce) + " " + std::string(100'000, 'x');
  EXPECT_EQ(output.write(text), text);
  const std::string many(100'000, '\x1e');
  const std::string at_once = output.write(many);
  EXPECT_EQ(at_once + output.end(), many);
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
