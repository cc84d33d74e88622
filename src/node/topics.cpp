#include "node/topics.hpp"

#include <charconv>
#include <cstring>
#include <optional>

#include "base/broker_errors.hpp"
#include "log/checkpoint.hpp"

namespace dohle::node {

namespace {

// One line "producer-ids N", then a line "topic NAME ID PARTITIONS KEY=VALUE…" for each topic.
constexpr std::string_view list_file = "dohle-topics";
constexpr std::string_view clean_mark = "dohle-clean-stop";
constexpr std::int64_t producer_id_block = 1000;
constexpr std::size_t topic_name_bytes_max = 249;

std::optional<std::int64_t> number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const auto end = std::min(text.find(separator), text.size());
    if (end > 0) parts.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

Error invalid_config(std::string_view name, std::string_view value, std::string_view allowed) {
  return Error::broker(broker_error::invalid_config, std::string(name) + "=" + std::string(value),
                       std::string(allowed));
}

bool is_valid_name(std::string_view name) {
  return !name.empty() && name.size() <= topic_name_bytes_max && name != "." && name != ".." &&
         name.find_first_not_of(
             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
             std::string_view::npos;
}

Topics::Config config_of(const log::LogConfig& config) {
  const log::LogConfig defaults;
  Topics::Config text;
  const auto put = [&](const char* name, auto value, auto fallback) {
    if (value != fallback) text[name] = std::to_string(value);
  };
  put("retention.ms", config.retention_ms, defaults.retention_ms);
  put("retention.bytes", config.retention_bytes, defaults.retention_bytes);
  put("segment.bytes", config.segment_bytes, defaults.segment_bytes);
  put("max.message.bytes", config.message_bytes_max, defaults.message_bytes_max);
  if (config.timestamp_type == log::TimestampType::log_append_time) {
    text["message.timestamp.type"] = "LogAppendTime";
  }
  return text;
}

}  // namespace

Result<log::LogConfig> parse_config(const Topics::Config& config) {
  log::LogConfig parsed;
  for (const auto& [name, value] : config) {
    const auto in_range = [&, &name = name, &value = value](std::int64_t lowest,
                                                            std::int64_t highest,
                                                            auto& into) -> Result<void> {
      const auto wanted = number(value);
      if (!wanted || *wanted < lowest || *wanted > highest) {
        return fail(invalid_config(name, value,
                                   "a number from " + std::to_string(lowest) + " to " +
                                       std::to_string(highest) + " is allowed"));
      }
      into = static_cast<std::remove_reference_t<decltype(into)>>(*wanted);
      return {};
    };
    Result<void> outcome;
    if (name == "retention.ms") {
      outcome = in_range(-1, INT64_MAX, parsed.retention_ms);
    } else if (name == "retention.bytes") {
      outcome = in_range(-1, INT64_MAX, parsed.retention_bytes);
    } else if (name == "segment.bytes") {
      outcome = in_range(1024, INT32_MAX, parsed.segment_bytes);
    } else if (name == "max.message.bytes") {
      outcome = in_range(0, INT32_MAX, parsed.message_bytes_max);
    } else if (name == "message.timestamp.type") {
      if (value != "CreateTime" && value != "LogAppendTime") {
        outcome = fail(invalid_config(name, value, "CreateTime and LogAppendTime are allowed"));
      }
      if (value == "LogAppendTime") parsed.timestamp_type = log::TimestampType::log_append_time;
    } else {
      outcome = fail(invalid_config(name, value, "this node has no such setting"));
    }
    if (!outcome) return fail(outcome.error());
  }
  return parsed;
}

Result<std::vector<Topics::Recovered>> Topics::open() {
  if (auto made = disk_->make_directories(directory_); !made) return fail(made.error());
  auto text = log::read_checkpoint(*disk_, directory_, list_file);
  if (text) {
    if (auto loaded = load(*text); !loaded) return fail(loaded.error());
  } else if (!text.error().is(Errc::not_found)) {
    return fail(text.error());
  }
  const std::string mark = directory_ + "/" + std::string(clean_mark);
  const bool was_clean = disk_->exists(mark);
  if (was_clean) {
    // Gone before anything is written: a crash from here on is not a clean stop.
    if (auto removed = disk_->remove(mark); !removed) return fail(removed.error());
    if (auto synced = disk_->sync_directory(directory_); !synced) return fail(synced.error());
  }
  std::vector<Recovered> recovered;
  for (const auto& [name, count] : to_open_) {
    auto opened = open_partitions(topics_.at(name), count, was_clean, recovered);
    if (!opened) return fail(opened.error());
  }
  to_open_.clear();
  return recovered;
}

Result<void> Topics::open_partitions(Topic& topic, std::int32_t count, bool was_clean,
                                     std::vector<Recovered>& recovered) {
  for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
    const std::string directory = partition_directory(topic.name, i);
    auto opened = log::PartitionLog::open(*disk_, directory, topic.config, was_clean);
    if (!opened) return fail(opened.error());
    if (opened->report.cut_bytes > 0) recovered.push_back({directory, opened->report});
    topic.partitions.push_back(std::move(opened->log));
  }
  return {};
}

Result<void> Topics::close() {
  for (auto& [name, topic] : topics_) {
    for (auto& partition : topic.partitions) {
      if (partition->offline() != nullptr) continue;
      for (const auto& file : partition->dirty_files()) {
        if (auto synced = disk_->sync_now(*file); !synced) return synced;
      }
      partition->synced(partition->end());
      if (auto written = partition->write_recovery_point(); !written) return written;
    }
  }
  return log::write_checkpoint(*disk_, directory_, clean_mark, "1\n");
}

Result<void> Topics::load(std::string_view text) {
  const auto refuse = [&](std::string_view line) {
    return fail(Error::storage(Errc::damaged, directory_ + "/" + std::string(list_file) +
                                                  ": a line makes no sense: " + std::string(line)));
  };
  for (const std::string_view line : split(text, '\n')) {
    const auto words = split(line, ' ');
    if (words.size() == 2 && words[0] == "producer-ids") {
      const auto reserved = number(words[1]);
      if (!reserved) return refuse(line);
      next_producer_id_ = producer_ids_reserved_ = *reserved;
      continue;
    }
    if (words.size() < 4 || words[0] != "topic") return refuse(line);
    const auto id = TopicId::parse(words[2]);
    const auto partitions = number(words[3]);
    Config config;
    for (std::size_t i = 4; i < words.size(); ++i) {
      const auto equals = words[i].find('=');
      if (equals == std::string_view::npos) return refuse(line);
      config.emplace(words[i].substr(0, equals), words[i].substr(equals + 1));
    }
    auto parsed = parse_config(config);
    if (!id || !partitions || *partitions < 1 || !parsed) return refuse(line);
    Topic& topic = topics_[std::string(words[1])];
    topic.name = words[1];
    topic.id = *id;
    topic.config = *parsed;
    by_id_[*id] = &topic;
    to_open_[topic.name] = static_cast<std::int32_t>(*partitions);
  }
  return {};
}

Result<void> Topics::save() {
  std::string text = "producer-ids " + std::to_string(producer_ids_reserved_) + "\n";
  for (const auto& [name, topic] : topics_) {
    text += "topic " + name + " " + topic.id.to_string() + " " +
            std::to_string(topic.partitions.size());
    for (const auto& [key, value] : config_of(topic.config)) text += " " + key + "=" + value;
    text += "\n";
  }
  return log::write_checkpoint(*disk_, directory_, list_file, text);
}

Topic* Topics::find(std::string_view name) {
  const auto found = topics_.find(name);
  return found == topics_.end() ? nullptr : &found->second;
}

Topic* Topics::find(const TopicId& id) {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : found->second;
}

Result<Topic*> Topics::create(const std::string& name, std::int32_t partitions,
                              const Config& config, bool validate_only) {
  if (!is_valid_name(name)) {
    return fail(Error::broker(broker_error::invalid_topic_exception, "topic \"" + name + "\"",
                              "a name has 1 to 249 letters, digits, '.', '_' and '-'"));
  }
  if (find(name) != nullptr) {
    return fail(Error::broker(broker_error::topic_already_exists, "topic " + name));
  }
  std::size_t existing = 0;
  for (const auto& entry : topics_) existing += entry.second.partitions.size();
  if (partitions < 1 || existing + static_cast<std::size_t>(partitions) > partitions_max) {
    return fail(Error::broker(
        broker_error::invalid_partitions, "topic " + name,
        "at least 1, and all topics together at most " + std::to_string(partitions_max)));
  }
  auto parsed = parse_config(config);
  if (!parsed) return fail(parsed.error());
  if (validate_only) return nullptr;

  Topic topic{name, {}, *parsed, {}};
  for (std::size_t half = 0; half < 2; ++half) {
    const std::uint64_t bits = random_->next();
    std::memcpy(topic.id.bytes.data() + 8 * half, &bits, sizeof bits);
  }
  std::vector<Recovered> none;
  if (auto opened = open_partitions(topic, partitions, true, none); !opened) {
    return fail(opened.error());
  }
  Topic& placed = topics_.emplace(name, std::move(topic)).first->second;
  by_id_[placed.id] = &placed;
  if (auto saved = save(); !saved) {
    by_id_.erase(placed.id);
    topics_.erase(name);
    return fail(saved.error());
  }
  return &placed;
}

Result<void> Topics::remove(std::string_view name) {
  const auto found = topics_.find(name);
  if (found == topics_.end()) {
    return fail(
        Error::broker(broker_error::unknown_topic_or_partition, "topic " + std::string(name)));
  }
  auto node = topics_.extract(found);
  by_id_.erase(node.mapped().id);
  if (auto saved = save(); !saved) {
    by_id_[node.mapped().id] = &topics_.insert(std::move(node)).position->second;
    return saved;
  }
  for (std::size_t i = 0; i < node.mapped().partitions.size(); ++i) {
    if (auto removed = disk_->remove_all(partition_directory(name, i)); !removed) return removed;
  }
  return {};
}

// Ids are reserved in blocks, so that most requests cost no write; a crash skips the rest of one.
Result<ProducerId> Topics::next_producer_id() {
  if (next_producer_id_ == producer_ids_reserved_) {
    producer_ids_reserved_ += producer_id_block;
    if (auto saved = save(); !saved) {
      producer_ids_reserved_ -= producer_id_block;
      return fail(saved.error());
    }
  }
  return ProducerId{next_producer_id_++};
}

std::string Topics::partition_directory(std::string_view topic, std::size_t index) const {
  return directory_ + "/" + std::string(topic) + "-" + std::to_string(index);
}

}  // namespace dohle::node
