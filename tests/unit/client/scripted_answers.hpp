#pragma once

#include "wire/messages/describe_configs.hpp"
#include "wire/messages/fetch.hpp"
#include "wire/messages/list_offsets.hpp"
#include "wire/messages/offset_commit.hpp"
#include "wire/messages/offset_fetch.hpp"

namespace dohle::client {

// Answers with an entry for each partition of the request. `fill(wanted, entry)` completes an entry
// that names its partition; of a commit, `code(wanted)` returns its error.

template <class Fill>
wire::FetchResponse answer_each(const wire::FetchRequest& asked, Fill fill) {
  wire::FetchResponse answer;
  for (const auto& topic : asked.topics) {
    auto& entries = answer.responses.emplace_back();
    entries.topic = topic.topic;
    entries.topic_id = topic.topic_id;
    for (const auto& wanted : topic.partitions) {
      auto& entry = entries.partitions.emplace_back();
      entry.partition_index = wanted.partition;
      fill(wanted, entry);
    }
  }
  return answer;
}

template <class Fill>
wire::ListOffsetsResponse answer_each(const wire::ListOffsetsRequest& asked, Fill fill) {
  wire::ListOffsetsResponse answer;
  for (const auto& topic : asked.topics) {
    auto& entries = answer.topics.emplace_back();
    entries.name = topic.name;
    for (const auto& wanted : topic.partitions) {
      auto& entry = entries.partitions.emplace_back();
      entry.partition_index = wanted.partition_index;
      fill(wanted, entry);
    }
  }
  return answer;
}

template <class Code>
wire::OffsetCommitResponse answer_each(const wire::OffsetCommitRequest& asked, Code code) {
  wire::OffsetCommitResponse answer;
  for (const auto& topic : asked.topics) {
    auto& entries = answer.topics.emplace_back();
    entries.name = topic.name;
    for (const auto& wanted : topic.partitions) {
      entries.partitions.push_back({wanted.partition_index, code(wanted)});
    }
  }
  return answer;
}

/// Answers for the first group of the request.
template <class Fill>
wire::OffsetFetchResponse answer_each(const wire::OffsetFetchRequest& asked, Fill fill) {
  wire::OffsetFetchResponse answer;
  auto& group = answer.groups.emplace_back();
  group.group_id = asked.groups.at(0).group_id;
  for (const auto& topic : *asked.groups.at(0).topics) {
    auto& entries = group.topics.emplace_back();
    entries.name = topic.name;
    for (const PartitionId wanted : topic.partition_indexes) {
      auto& entry = entries.partitions.emplace_back();
      entry.partition_index = wanted;
      fill(wanted, entry);
    }
  }
  return answer;
}

/// Answers each resource without settings.
inline wire::DescribeConfigsResponse answer_each(const wire::DescribeConfigsRequest& asked) {
  wire::DescribeConfigsResponse answer;
  for (const auto& wanted : asked.resources) {
    auto& entry = answer.results.emplace_back();
    entry.resource_type = wanted.resource_type;
    entry.resource_name = wanted.resource_name;
  }
  return answer;
}

}  // namespace dohle::client
