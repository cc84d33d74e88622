#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include "dohle/node.hpp"
#include "log/file_cache.hpp"
#include "node/group/group_coordinator.hpp"
#include "node/security/security_settings.hpp"
#include "node/storage/topics.hpp"

namespace dohle::node {

struct NodeSettings {
  std::string data_directory;
  Durability durability = Durability::fsync;
  bool auto_create_topics = true;
  std::size_t max_connections = 10'000;
  /// Source of this limit, for the line about a rejected connection.
  std::string connections_bound = "max_connections";
  std::size_t max_request_bytes = std::size_t{100} << 20;
  std::size_t max_requests_bytes = std::size_t{512} << 20;
  std::size_t max_unread_answer_bytes = std::size_t{256} << 20;
  std::size_t max_open_files = log::FileCache::open_max_default;
  std::size_t max_fetch_wait_pairs = 1'000'000;
  std::chrono::milliseconds max_timestamp_before = std::chrono::milliseconds::max();
  std::chrono::milliseconds max_timestamp_after = std::chrono::hours(1);
  GroupCoordinator::Options groups = {};
  SecuritySettings security = {};
  /// As TopicTable::Options::adopt.
  std::vector<std::string> adopt = {};
  /// As TopicTable::Options::accept_losses.
  std::vector<AcceptedLoss> accept_losses = {};
};

}  // namespace dohle::node
