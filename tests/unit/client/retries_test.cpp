// All loops with retries, against servers that always answer one request with the same error. The
// tests count the requests of a minute.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/broker_errors.hpp"
#include "client/consume/consumer_loop.hpp"
#include "client/produce/record_sender.hpp"
#include "made_batch.hpp"
#include "scripted_answers.hpp"
#include "scripted_cluster.hpp"
#include "wire/messages/fetch.hpp"
#include "wire/messages/find_coordinator.hpp"
#include "wire/messages/heartbeat.hpp"
#include "wire/messages/join_group.hpp"
#include "wire/messages/leave_group.hpp"
#include "wire/messages/list_offsets.hpp"
#include "wire/messages/offset_commit.hpp"
#include "wire/messages/offset_fetch.hpp"
#include "wire/messages/sync_group.hpp"

namespace dohle::client {
namespace {

using namespace std::chrono_literals;
using wire::ApiKey;

/// The place of the error in an answer.
enum class Spot : std::uint8_t { whole, part };

/// The permanent fault of one server.
struct Fault {
  ApiKey api;
  Spot spot = Spot::part;
  std::int16_t code = 0;
  /// The answer's body is invalid instead.
  bool is_garbage = false;
  /// The answer is larger than max_response_bytes.
  bool is_too_large = false;
};

/// A producer and a group member in one client, at one server.
class StubbornServer : public ScriptedWorld {
 public:
  explicit StubbornServer(Fault fault) : fault_(fault) {
    script.brokers = {NodeId{1}};
    script.leaders = {{NodeId{1}, LeaderEpoch{0}}};
    engine_options.link.limits.max_frame_bytes = 4'096;
    script_metadata();
    script_producing();
    script_reading();
    script_membership();
    for (auto& [api, handler] : script.handlers) watch(api, handler);
  }
  ~StubbornServer() {
    producer_->close(CallTime::from(world.now(), 0s), [](Result<FlushReport>) {});
    consumer_->close_by(CallTime::from(world.now(), 0s), [](Result<void>) {});
    world.run_for(1s);
    // Ends pending requests, whose callbacks and the client refer to each other.
    on_loop([this] { client->cluster().close(Error::client(Errc::closed, "the test is over")); });
  }
  StubbornServer(const StubbornServer&) = delete;
  StubbornServer& operator=(const StubbornServer&) = delete;

  /// Sends a record every 20 s and polls whenever there is a result, for a minute.
  void run() {
    start([this](std::shared_ptr<SimulatedClient> made, sim::Process& self) {
      consumer_ = std::make_shared<ConsumerLoop>(
          made, ConsumerOptions{.group_id = "g", .offset_reset = OffsetReset::earliest});
      consumer_->start();
      producer_ = std::make_shared<RecordSender>(std::move(made), ProducerOptions{});
      producer_->start();
      producer_->find_topic("orders", self.clock().mono() + 1h, [this](auto found) {
        if (found) topic_ = *found;
      });
      return producer_;
    });
    on_loop([this] { consumer_->subscribe({"orders"}); });
    consumer_->begin_poll();
    const TimePoint end = world.now() + 1min;
    TimePoint next_record = world.now();
    while (world.now() < end) {
      if (topic_ && world.now() >= next_record) {
        send();
        next_record = world.now() + 20s;
      }
      world.run_until([this] { return consumer_->desk().with(ConsumerLoop::has_something); },
                      500ms);
      poll();
      world.run_for(1ms);
    }
  }

  std::map<ApiKey, int> asked;
  int failed_polls = 0;
  int records_read = 0;

 private:
  [[nodiscard]] std::int16_t code_for(ApiKey api, Spot spot) const {
    return fault_.api == api && fault_.spot == spot ? fault_.code : std::int16_t{0};
  }
  void watch(ApiKey api, ClusterScript::Handler& handler) {
    handler.answer = [this, api, says = std::move(handler.answer)](
                         NodeId at, const wire::RequestHeader& header, const Slice& body) {
      ++asked[api];
      const auto answer = says(at, header, body);
      if (api != fault_.api) return answer;
      if (fault_.is_too_large) return std::optional(too_large());
      if (!fault_.is_garbage) return answer;
      // After the frame's length, the correlation id and the tags.
      std::string text(answer->flatten()->text());
      std::ranges::fill(text.begin() + 9, text.end(), '\xff');
      return std::optional(Chain(Slice::copy_of(text)));
    };
  }
  static Chain too_large() {
    std::string frame(8'192 + 4, '\0');
    frame[2] = 0x20;
    return Chain(Slice::copy_of(frame));
  }
  void script_metadata() {
    script.on<wire::MetadataRequest>([this](NodeId, const wire::MetadataRequest&) {
      wire::MetadataResponse answer;
      answer.error_code = code_for(ApiKey::metadata, Spot::whole);
      answer.brokers.push_back({NodeId{1}, "broker-1", 9092, {}});
      answer.controller_id = NodeId{1};
      auto& topic = answer.topics.emplace_back();
      topic.name = "orders";
      topic.error_code = code_for(ApiKey::metadata, Spot::part);
      if (topic.error_code != 0) return answer;
      auto& partition = topic.partitions.emplace_back();
      partition.partition_index = PartitionId{0};
      partition.leader_id = NodeId{1};
      return answer;
    });
  }
  void script_producing() {
    script.on<wire::InitProducerIdRequest>([this](NodeId, const wire::InitProducerIdRequest&) {
      wire::InitProducerIdResponse given;
      given.error_code = code_for(ApiKey::init_producer_id, Spot::whole);
      given.producer_id = ProducerId{100};
      given.producer_epoch = ProducerEpoch{0};
      return given;
    });
    script.on<wire::ProduceRequest>([this](NodeId, const wire::ProduceRequest& request) {
      wire::ProduceResponse answer;
      for (const auto& topic : request.topic_data) {
        auto& told = answer.responses.emplace_back();
        told.name = topic.name;
        for (const auto& partition : topic.partition_data) {
          auto& each = told.partition_responses.emplace_back();
          each.index = partition.index;
          each.base_offset = Offset{0};
          each.error_code = code_for(ApiKey::produce, Spot::part);
        }
      }
      return answer;
    });
  }
  void script_reading() {
    script.on<wire::FetchRequest>([this](NodeId, const wire::FetchRequest& request) {
      bool has_records = false;
      auto answer = answer_each(request, [&](const auto& wanted, auto& data) {
        data.high_watermark = Offset{3};
        data.error_code = code_for(ApiKey::fetch, Spot::part);
        if (data.error_code != 0 || wanted.fetch_offset.value >= 3) return;
        data.records = Chain(plain_batch(wanted.fetch_offset.value, 3).bytes());
        has_records = true;
      });
      answer.error_code = code_for(ApiKey::fetch, Spot::whole);
      const bool fails = fault_.api == ApiKey::fetch && fault_.code != 0;
      if (!has_records && !fails) {
        script.answer_after = std::chrono::milliseconds(request.max_wait_ms);
      }
      return answer;
    });
    script.on<wire::ListOffsetsRequest>([this](NodeId, const wire::ListOffsetsRequest& request) {
      return answer_each(request, [this](const auto&, auto& found) {
        found.error_code = code_for(ApiKey::list_offsets, Spot::part);
        found.offset = Offset{0};
      });
    });
  }
  void script_membership() {
    script.on<wire::FindCoordinatorRequest>(
        [this](NodeId, const wire::FindCoordinatorRequest& request) {
          wire::FindCoordinatorResponse answer;
          for (const auto& key : request.coordinator_keys) {
            auto& found = answer.coordinators.emplace_back();
            found.key = key;
            found.node_id = NodeId{1};
            found.error_code = code_for(ApiKey::find_coordinator, Spot::part);
          }
          return answer;
        });
    script.on<wire::JoinGroupRequest>([this](NodeId, const wire::JoinGroupRequest& request) {
      wire::JoinGroupResponse answer;
      answer.error_code = code_for(ApiKey::join_group, Spot::whole);
      answer.generation_id = Generation{5};
      answer.protocol_type = "consumer";
      answer.protocol_name = "range";
      answer.leader = answer.member_id = "m";
      answer.members.push_back({"m", std::nullopt, request.protocols.at(0).metadata});
      return answer;
    });
    script.on<wire::SyncGroupRequest>([this](NodeId, const wire::SyncGroupRequest& request) {
      wire::SyncGroupResponse answer;
      answer.error_code = code_for(ApiKey::sync_group, Spot::whole);
      if (!request.assignments.empty()) answer.assignment = request.assignments[0].assignment;
      return answer;
    });
    script.on<wire::HeartbeatRequest>([this](NodeId, const wire::HeartbeatRequest&) {
      wire::HeartbeatResponse answer;
      answer.error_code = code_for(ApiKey::heartbeat, Spot::whole);
      return answer;
    });
    script.on<wire::LeaveGroupRequest>(
        [](NodeId, const wire::LeaveGroupRequest&) { return wire::LeaveGroupResponse{}; });
    script.on<wire::OffsetFetchRequest>([this](NodeId, const wire::OffsetFetchRequest& request) {
      auto answer = answer_each(request, [this](PartitionId, auto& committed) {
        committed.error_code = code_for(ApiKey::offset_fetch, Spot::part);
      });
      answer.groups[0].error_code = code_for(ApiKey::offset_fetch, Spot::whole);
      return answer;
    });
    script.on<wire::OffsetCommitRequest>([this](NodeId, const wire::OffsetCommitRequest& request) {
      return answer_each(
          request, [this](const auto&) { return code_for(ApiKey::offset_commit, Spot::part); });
    });
  }

  void send() {
    auto& to = *topic_->table().all.at(0);
    const auto place = to.queue.append({.value = as_bytes("value")}, {});
    ASSERT_EQ(place.appended, PartitionQueue::Appended::ok);
    if (place.wake) producer_->wake(to);
  }
  void hear(ConsumerNews& news) {
    if (std::holds_alternative<group_action::Assigned>(news)) {
      on_loop([this] { consumer_->on_told_assigned(); });
    } else if (auto* revoke = std::get_if<group_action::Revoke>(&news)) {
      on_loop([this, gone = revoke->partitions] { consumer_->on_told_released(gone); });
    } else if (auto* lose = std::get_if<group_action::Lose>(&news)) {
      on_loop([this, gone = lose->partitions] { consumer_->on_told_released(gone); });
    } else if (std::holds_alternative<group_action::Failed>(news)) {
      ++failed_polls;
    }
  }
  /// Polls as a program does: a poll returns an error or records, and the next one begins.
  void poll() {
    for (;;) {
      auto news = consumer_->desk().with([](PollTable& table) -> std::optional<ConsumerNews> {
        if (table.news.empty()) return std::nullopt;
        ConsumerNews first = std::move(table.news.front());
        table.news.pop_front();
        return first;
      });
      if (!news) break;
      hear(*news);
      if (std::holds_alternative<group_action::Failed>(*news)) break;
    }
    auto records = consumer_->take();
    if (!records) ++failed_polls;
    if (records) records_read += static_cast<int>(records->count());
    consumer_->end_poll();
    consumer_->desk().with([](PollTable& table) { table.fetch.settle(); });
    consumer_->begin_poll();
  }

  const Fault fault_;
  std::shared_ptr<ConsumerLoop> consumer_;
  std::shared_ptr<RecordSender> producer_;
  std::shared_ptr<IntakeTopic> topic_;
};

/// A fetch or a metadata request every half second; backoffs double up to one request a second. A
/// loop without a backoff makes tens of thousands of requests.
constexpr int max_asked = 150;

void expect_few(Fault fault, const std::string& name) {
  StubbornServer server(fault);
  server.run();
  EXPECT_GE(server.asked[fault.api], fault.code == 0 ? 10 : 1) << name;
  for (const auto& [api, count] : server.asked) {
    EXPECT_LE(count, max_asked) << name << ": " << wire::api_name(api);
  }
  EXPECT_LE(server.failed_polls, max_asked) << name;
}

std::string describe(const Fault& fault) {
  return std::string(wire::api_name(fault.api)) + (fault.spot == Spot::whole ? " (whole)" : "") +
         (fault.is_garbage     ? " unreadable"
          : fault.is_too_large ? " too large"
                               : " " + std::to_string(fault.code));
}

TEST(Retries, AHealthyServerGetsFewRequests) {
  StubbornServer server({ApiKey::fetch, Spot::part, 0});
  server.run();
  EXPECT_GE(server.records_read, 3);
  for (const auto& [api, count] : server.asked) {
    EXPECT_LE(count, max_asked) << wire::api_name(api);
  }
  EXPECT_EQ(server.failed_polls, 0);
  EXPECT_EQ(server.asked.size(), 11U) << "each API is asked";
}

class RetriesOf : public testing::TestWithParam<Fault> {};

TEST_P(RetriesOf, BackOffForAnyCodeThatIsAnsweredForEver) {
  Fault fault = GetParam();
  // 200 is a code that this version does not know.
  for (std::int16_t code = -1; code <= 200; ++code) {
    if (code == 0 || (find_broker_error(code) == nullptr && code != 200)) continue;
    fault.code = code;
    expect_few(fault, describe(fault));
  }
}

TEST_P(RetriesOf, BackOffFromAnswersThatCannotBeRead) {
  Fault fault = GetParam();
  fault.is_garbage = true;
  expect_few(fault, describe(fault));
}

TEST_P(RetriesOf, BackOffFromAnswersThatAreTooLarge) {
  Fault fault = GetParam();
  fault.is_too_large = true;
  expect_few(fault, describe(fault));
}

constexpr Fault faults[] = {
    {ApiKey::metadata, Spot::whole},
    {ApiKey::metadata, Spot::part},
    {ApiKey::init_producer_id, Spot::whole},
    {ApiKey::produce, Spot::part},
    {ApiKey::fetch, Spot::whole},
    {ApiKey::fetch, Spot::part},
    {ApiKey::list_offsets, Spot::part},
    {ApiKey::find_coordinator, Spot::part},
    {ApiKey::join_group, Spot::whole},
    {ApiKey::sync_group, Spot::whole},
    {ApiKey::heartbeat, Spot::whole},
    {ApiKey::offset_fetch, Spot::whole},
    {ApiKey::offset_fetch, Spot::part},
    {ApiKey::offset_commit, Spot::part},
};

INSTANTIATE_TEST_SUITE_P(EachRequest, RetriesOf, testing::ValuesIn(faults), [](const auto& info) {
  return std::string(wire::api_name(info.param.api)) +
         (info.param.spot == Spot::whole ? "Whole" : "");
});

}  // namespace
}  // namespace dohle::client
