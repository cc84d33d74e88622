#include "node/storage/catalog.hpp"

#include <algorithm>
#include <utility>

#include "base/assert.hpp"
#include "node/limits.hpp"

namespace dohle::node {

namespace {

using Reserve = FileJournal::Reserve;

constexpr std::string_view durable_word = "durable";

std::string cluster_line(const std::string& id) {
  return "cluster " + id;
}

std::string producer_ids_line(std::int64_t first_free) {
  return "producer-ids " + std::to_string(first_free);
}

std::string deleted_line(const std::string& name, const TopicId& id) {
  return "deleted " + name + " " + id.to_string();
}

std::string topic_line(const std::string& name, const CatalogTopic& topic) {
  std::string line =
      "topic " + name + " " + topic.id.to_string() + " " + std::to_string(topic.partitions);
  if (topic.has_durable_files) line += " " + std::string(durable_word);
  for (const auto& [key, value] : topic.config) line += " " + key + "=" + value;
  return line;
}

std::vector<std::string> compacted(const std::vector<JournalLine>& lines) {
  CatalogState state;
  // Drops optional lines of unknown kinds.
  for (const JournalLine& line : lines) (void)state.take(line);
  return state.lines();
}

}  // namespace

Result<std::unique_ptr<Catalog>> Catalog::open(Disk& disk, const std::string& directory,
                                               Options options) {
  std::unique_ptr<Catalog> catalog(new Catalog());
  FileJournal::Options of_file;
  of_file.directory = directory;
  of_file.name = file_name;
  of_file.sizes = options.sizes;
  of_file.remedy =
      "restore it from a copy; or, if there is none, move it away and start with --adopt TOPIC for "
      "each topic, which then has the default settings";
  of_file.note = std::move(options.note);
  catalog->warn_ = std::move(options.warn);
  auto journal = FileJournal::open(disk, std::move(of_file), [&](const JournalLine& line) {
    return catalog->state_.take(line);
  });
  if (!journal) return fail(journal.error());
  catalog->journal_ = *std::move(journal);
  if (!catalog->journal_->has_unnumbered_lines()) return catalog;
  // All lines are rewritten, since 0.1.0 would take a single line of this version for a torn write
  // and drop it.
  Result<void> rewritten;
  catalog->journal_->rewrite(compacted,
                             [&](Result<void> outcome) { rewritten = std::move(outcome); });
  if (!rewritten && !rewritten.error().is(Errc::disk_full)) return fail(rewritten.error());
  return catalog;
}

void Catalog::check_invariants() const {
  state_.check_invariants();
  journal_->check_invariants();
}

// --- lines

void CatalogState::check_invariants() const {
  DOHLE_ASSERT(deleted_.size() == deleted_ids_.size(), "a deleted topic is listed twice");
  DOHLE_ASSERT(deleted_.size() <= limits::max_kept_deletions,
               "more deletions are kept than may be");
  for (const Deleted& deleted : deleted_) {
    DOHLE_ASSERT(deleted_ids_.contains(deleted.id), "a deleted topic is not known as deleted");
  }
}

Taken CatalogState::take(const JournalLine& line) {
  const auto& words = line.words;
  const auto taken_if = [](bool makes_sense) {
    return makes_sense ? Taken::taken : Taken::senseless;
  };
  if (line.kind == "cluster") {
    if (words.size() != 1) return Taken::senseless;
    cluster_id_ = words[0];
    return Taken::taken;
  }
  if (line.kind == "producer-ids") {
    return taken_if(words.size() == 1 && read_number(words[0], free_producer_id_));
  }
  if (line.kind == "deleted") return taken_if(take_deleted(line));
  if (line.kind == "topic") return taken_if(take_topic(words));
  return Taken::unknown_kind;
}

bool CatalogState::take_topic(const std::vector<std::string_view>& words) {
  if (words.size() < 3) return false;
  CatalogTopic topic;
  const auto id = TopicId::parse(words[1]);
  if (!id || !read_number(words[2], topic.partitions) || topic.partitions < 1) return false;
  topic.id = *id;
  topic.has_durable_files = words.size() > 3 && words[3] == durable_word;
  for (std::size_t i = topic.has_durable_files ? 4 : 3; i < words.size(); ++i) {
    const auto equals = words[i].find('=');
    if (equals == words[i].npos) return false;
    topic.config.emplace(words[i].substr(0, equals), words[i].substr(equals + 1));
  }
  add(std::string(words[0]), std::move(topic));
  return true;
}

// A rewritten file has lines of deleted topics without earlier lines of the topics.
bool CatalogState::take_deleted(const JournalLine& line) {
  if (line.words.size() != 2) return false;
  const auto id = TopicId::parse(line.words[1]);
  if (!id) return false;
  const auto found = topics_.find(std::string(line.words[0]));
  if (found == topics_.end() && !line.is_numbered()) return false;
  if (found != topics_.end()) {
    if (found->second.id != *id) return false;
    topics_.erase(found);
  }
  note_deleted({std::string(line.words[0]), *id});
  return true;
}

void CatalogState::add(const std::string& name, CatalogTopic topic) {
  if (deleted_ids_.erase(topic.id) > 0) {
    std::erase_if(deleted_, [&](const Deleted& deleted) { return deleted.id == topic.id; });
  }
  topics_[name] = std::move(topic);
}

void CatalogState::remove(const std::string& name) {
  const auto found = topics_.find(name);
  if (found == topics_.end()) return;
  note_deleted({name, found->second.id});
  topics_.erase(found);
}

void CatalogState::note_deleted(Deleted deleted) {
  if (!deleted_ids_.insert(deleted.id).second) return;
  deleted_.push_back(std::move(deleted));
  if (deleted_.size() <= limits::max_kept_deletions) return;
  deleted_ids_.erase(deleted_.front().id);
  deleted_.pop_front();
}

std::vector<std::string> CatalogState::lines() const {
  std::vector<std::string> lines;
  lines.reserve(line_count());
  if (!cluster_id_.empty()) lines.push_back(cluster_line(cluster_id_));
  lines.push_back(producer_ids_line(free_producer_id_));
  for (const Deleted& deleted : deleted_) lines.push_back(deleted_line(deleted.name, deleted.id));
  for (const auto& [name, topic] : topics_) lines.push_back(topic_line(name, topic));
  return lines;
}

// --- changes

void Catalog::set_cluster_id(std::string id, Done done) {
  std::string line = cluster_line(id);
  append(
      std::move(line), Reserve::is_kept,
      [this, id = std::move(id)]() mutable { state_.set_cluster_id(std::move(id)); },
      std::move(done));
}

void Catalog::add(const std::string& name, CatalogTopic topic, Done done) {
  std::string line = topic_line(name, topic);
  append(
      std::move(line), Reserve::is_kept,
      [this, name, topic = std::move(topic)]() mutable { state_.add(name, std::move(topic)); },
      std::move(done));
}

void Catalog::remove(const std::string& name, Done done) {
  DOHLE_ASSERT(topics().contains(name), "a topic is deleted that is not listed");
  append(
      deleted_line(name, topics().at(name).id), Reserve::may_be_used,
      [this, name] { state_.remove(name); }, std::move(done));
}

void Catalog::set_free_producer_id(std::int64_t id, Done done) {
  append(
      producer_ids_line(id), Reserve::may_be_used, [this, id] { state_.set_free_producer_id(id); },
      std::move(done));
}

void Catalog::append(std::string body, Reserve reserve, Task change, Done done) {
  journal_->append(
      std::move(body), reserve,
      [this, change = std::move(change), done = std::move(done)](Result<void> outcome) mutable {
        if (outcome) change();
        done(std::move(outcome));
        journal_->rewrite_if_due(state_.line_count(), compacted,
                                 [this](const std::string& line) { warn_(line); });
      });
}

}  // namespace dohle::node
