#include "fault/wire_connection.hpp"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <iterator>

#include "base/budget.hpp"
#include "base/units.hpp"
#include "wire/batch.hpp"
#include "wire/batch_builder.hpp"
#include "wire/big_endian.hpp"
#include "wire/messages/create_topics.hpp"

namespace dohle::fault {

namespace {

Error lost(std::string_view what) {
  return Error::client(errno == EAGAIN ? Errc::timed_out : Errc::connection_lost, what);
}

std::chrono::system_clock::time_point wall() {
  return std::chrono::system_clock::now();
}

}  // namespace

WireConnection::WireConnection(std::uint16_t port, std::chrono::seconds silence_max)
    : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const timeval patience{silence_max.count(), 0};
  const int on = 1;
  ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  // A refusal shows at the first exchange.
  (void)::connect(socket_, reinterpret_cast<const sockaddr*>(&to), sizeof to);
}

WireConnection::~WireConnection() {
  ::close(socket_);
}

Result<void> WireConnection::send_bytes(Bytes bytes) {
  while (!bytes.empty()) {
    errno = 0;
    const auto sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return fail(lost("send"));
    bytes = bytes.subspan(static_cast<std::size_t>(sent));
  }
  return {};
}

Result<Slice> WireConnection::receive_frame() {
  std::array<std::byte, 4> prefix;
  if (auto got = receive_bytes(prefix); !got) return fail(got.error());
  const auto size = static_cast<std::size_t>(wire::load_big_endian<std::int32_t>(prefix.data()));
  Result<void> got;
  Slice frame = Slice::made(size, [&](std::span<std::byte> into) { got = receive_bytes(into); });
  if (!got) return fail(got.error());
  return frame;
}

Result<void> WireConnection::receive_bytes(std::span<std::byte> into) {
  while (!into.empty()) {
    errno = 0;
    const auto got = ::recv(socket_, into.data(), into.size(), 0);
    if (got <= 0) return fail(lost("receive"));
    into = into.subspan(static_cast<std::size_t>(got));
  }
  return {};
}

bool WireConnection::is_closed_by_the_node() {
  std::array<std::byte, 1> byte;
  const auto got = receive_bytes(byte);
  return !got && got.error().is(Errc::connection_lost);
}

wire::ProduceRequest produce_request(const std::string& topic, std::int32_t partition,
                                     std::string_view value, Producer by) {
  Budget budget(16_MiB);
  wire::BatchBuilder builder(budget, 8_MiB);
  (void)builder.append({.value = as_bytes(value)}, to_timestamp(wall()));
  wire::BatchBuilder::Seal seal;
  seal.producer_id = ProducerId{by.id};
  seal.producer_epoch = ProducerEpoch{by.epoch};
  seal.base_sequence = by.sequence;
  wire::ProduceRequest request;
  request.acks = -1;
  request.timeout_ms = 30'000;
  auto& data = request.topic_data.emplace_back();
  data.name = topic;
  data.partition_data.push_back({PartitionId{partition}, builder.seal(std::move(seal))});
  return request;
}

Result<Offset> produce(WireConnection& to, const std::string& topic, std::int32_t partition,
                       std::string_view value, Producer by) {
  const auto answer = to.ask(produce_request(topic, partition, value, by), 12);
  if (!answer) return fail(answer.error());
  const auto& outcome = answer->responses.at(0).partition_responses.at(0);
  if (outcome.error_code != 0) {
    return fail(Error::broker(outcome.error_code, "produce", outcome.error_message.value_or("")));
  }
  return outcome.base_offset;
}

Result<void> create_topic(WireConnection& at, const std::string& topic, std::int32_t partitions,
                          const std::map<std::string, std::string>& configs) {
  wire::CreateTopicsRequest request;
  auto& wanted = request.topics.emplace_back();
  wanted.name = topic;
  wanted.num_partitions = partitions;
  wanted.replication_factor = 1;
  for (const auto& [key, value] : configs) wanted.configs.push_back({key, value});
  const auto answer = at.ask(request);
  if (!answer) return fail(answer.error());
  const auto& created = answer->topics.at(0);
  if (created.error_code == 0) return {};
  return fail(Error::broker(created.error_code, topic, created.error_message.value_or("")));
}

wire::FetchRequest fetch_request(const std::string& topic, std::int32_t partition, Offset offset,
                                 std::int32_t max_bytes) {
  wire::FetchRequest request;
  request.max_wait_ms = 10'000;
  request.min_bytes = 1;
  auto& wanted = request.topics.emplace_back();
  wanted.topic = topic;
  auto& from = wanted.partitions.emplace_back();
  from.partition = PartitionId{partition};
  from.fetch_offset = offset;
  from.partition_max_bytes = max_bytes;
  return request;
}

Result<std::vector<std::string>> values_in(const wire::FetchResponse& answer, Offset& next) {
  std::vector<std::string> found;
  const auto& data = answer.responses.at(0).partitions.at(0);
  if (data.error_code != 0) return fail(Error::broker(data.error_code, "fetch"));
  Slice bytes = *data.records->flatten();
  while (!bytes.empty()) {
    const auto header = wire::read_batch_header(bytes.bytes());
    if (!header) return fail(header.error());
    auto reader = wire::BatchReader::open(bytes.sub(0, header->size()));
    if (!reader) return fail(reader.error());
    for (RecordView record; reader->next(record);) {
      found.emplace_back(as_text(record.value.value_or(Bytes())));
    }
    next = header->next_offset();
    bytes = bytes.sub(header->size());
  }
  return found;
}

Result<std::vector<std::string>> values(WireConnection& from, const std::string& topic,
                                        std::int32_t partition, Offset first) {
  std::vector<std::string> all;
  for (Offset next = first;;) {
    const auto answer = from.ask(fetch_request(topic, partition, next), fetch_version);
    if (!answer) return fail(answer.error());
    auto found = values_in(*answer, next);
    if (!found) return found;
    all.insert(all.end(), std::make_move_iterator(found->begin()),
               std::make_move_iterator(found->end()));
    if (next >= answer->responses.at(0).partitions.at(0).high_watermark) return all;
  }
}

}  // namespace dohle::fault
